"""WaveNet's stack: gated, dilated, causal convolutions, each with a way around it and a way out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from .bricks import BRICKS, Conditioned, sequence_dim
from .checks import MOST_LAYERS, MOST_TAPS, count
from .stepping import Step, Stepwise, Taps
from .wiring import condition_dim


class WaveNet(Conditioned, Stepwise):
    """Gated convolutions of growing dilation; the sum of what all of them say.

    Parameters
    ----------
    dim : int
        Dimension that comes in.
    channels, skip : int
        From layer to layer, and out of every layer.
    kernel : int
        Taps.
    dilations : sequence of int
        A layer each.
    uses : str, optional
        Name of a vector that all gates hear.
    condition_dim : int
        Of that vector.

    References
    ----------
    van den Oord et al., "WaveNet: a generative model for raw audio", 2016.
    """

    def __init__(
        self,
        dim: int,
        *,
        channels: int,
        skip: int,
        kernel: int,
        dilations: Sequence[int],
        uses: str | None = None,
        condition_dim: int = 0,
    ) -> None:
        super().__init__(uses)
        self.skip = skip
        self.enter = nn.Conv1d(dim, channels, kernel)
        self.gates = nn.ModuleList(nn.Conv1d(channels, 2 * channels, kernel, dilation=d) for d in dilations)
        further = [channels] * (len(dilations) - 1) + [0]  # the last has only a way out
        self.leave = nn.ModuleList(nn.Conv1d(channels, skip + more, 1) for more in further)
        self.told = None if uses is None else nn.Linear(condition_dim, 2 * channels * len(dilations), bias=False)

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """Run over all frames.

        Parameters
        ----------
        x : Tensor, shape=(batch, frames, dim)
            A sequence.
        condition : Tensor, optional, shape=(batch, condition dim)
            A vector.

        Returns
        -------
        Tensor, shape=(batch, frames, skip)
            A sequence; a frame knows itself and those before.
        """
        x = _causal(self.enter, x.transpose(1, 2))
        said: Tensor | None = None
        for gate, leave, told in zip(_typed(self.gates), self.leave, self._biases(condition), strict=True):
            out = leave(_gated(_causal(gate, x) + told[..., None]))
            said = out[:, : self.skip] if said is None else said + out[:, : self.skip]
            if out.shape[1] > self.skip:
                x = x + out[:, self.skip :]
        assert said is not None
        return said.relu().transpose(1, 2)

    def steps(self) -> Step:
        """Begin, with silence as the past; see `Stepwise.steps`.

        Returns
        -------
        callable
            Of the next frame, and the condition.

        References
        ----------
        Le Paine et al., "Fast WaveNet generation algorithm", 2016.
        """
        convolutions, leave = [self.enter, *_typed(self.gates)], _typed(self.leave)
        rings = [Taps(one.kernel_size[0], one.dilation[0]) for one in convolutions]
        weights = [one.weight.permute(0, 2, 1).flatten(1) for one in convolutions]
        biases: list[Tensor] = []

        def _step(x: Tensor, condition: Tensor | None = None) -> Tensor:
            if not biases:
                for told, gate in zip(self._biases(condition), convolutions[1:], strict=True):
                    biases.append(told if gate.bias is None else told + gate.bias)
            now, said = F.linear(rings[0](x[:, 0]).flatten(1), weights[0], self.enter.bias), None
            for ring, weight, bias, way in zip(rings[1:], weights[1:], biases, leave, strict=True):
                gated = _gated(F.linear(ring(now).flatten(1), weight) + bias)
                out = F.linear(gated, way.weight[..., 0], way.bias)
                said = out[:, : self.skip] if said is None else said + out[:, : self.skip]
                if out.shape[1] > self.skip:
                    now = now + out[:, self.skip :]
            assert said is not None
            return said.relu()[:, None]

        return _step

    def _biases(self, condition: Tensor | None) -> Sequence[Tensor]:
        """What the condition adds to every gate."""
        if self.told is None:
            return [self.enter.weight.new_zeros(1, 1)] * len(self.gates)
        told: Tensor = self.told(condition)
        return told.chunk(len(self.gates), 1)


def _typed(layers: nn.ModuleList) -> list[nn.Conv1d]:
    return [one for one in layers if isinstance(one, nn.Conv1d)]


def _causal(layer: nn.Conv1d, x: Tensor) -> Tensor:
    result: Tensor = layer(F.pad(x, ((layer.kernel_size[0] - 1) * layer.dilation[0], 0)))
    return result


def _gated(x: Tensor) -> Tensor:
    filtered, gate = x.chunk(2, 1)
    return filtered.tanh() * gate.sigmoid()


@BRICKS.register("wavenet")
def wavenet(
    inputs: Sequence[int],
    stored: Mapping[str, Sequence[int]],
    *,
    channels: int = 32,
    skip: int = 64,
    kernel: int = 2,
    layers: int = 9,
    cycles: int = 2,
    condition: str | None = None,
) -> nn.Module:
    """Stack gated causal convolutions, dilated by 1, 2, 4, ..., as `WaveNet` has them.

    A frame sees ``kernel + cycles (kernel - 1) (2 ** layers - 1)`` frames, itself among them.

    Parameters
    ----------
    inputs : sequence of int
        Shape of the sequence that comes in.
    stored : mapping of str to sequence of int
        Shapes of what is stored or given.
    channels, skip : int
        From layer to layer, and out of every layer: the output dimension.
    kernel : int
        Taps.
    layers, cycles : int
        Dilation doubles from layer to layer, and so many times begins at 1 again.
    condition : str, optional
        Name of a stored or given vector that all gates hear.

    Returns
    -------
    Module
        Sequence to sequence.

    Raises
    ------
    ValueError
        If an argument is out of its range.
    """
    depth, times = count(layers, "layers", high=16), count(cycles, "cycles", high=MOST_LAYERS // 16)
    return WaveNet(
        sequence_dim(inputs),
        channels=count(channels, "channels"),
        skip=count(skip, "skip"),
        kernel=count(kernel, "kernel", low=2, high=MOST_TAPS),
        dilations=[2**i for i in range(depth)] * times,
        uses=condition,
        condition_dim=0 if condition is None else condition_dim(stored, condition),
    )
