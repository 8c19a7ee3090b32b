"""Run a causal model frame by frame, as generation wants it: every layer keeps what it will need of the past."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .attention import Past
from .bricks import ACTIVATIONS, AlongFrames, ChannelNorm
from .model import Model, apply
from .mu_law import MuLaw
from .sequences import Recurrent, ToMap, ToSequence
from .transformer import Transformer
from .wiring import Film, Join, Recall

Step = Callable[..., Tensor]
POINTWISE = (
    *ACTIVATIONS.values(), nn.Linear, nn.Dropout, nn.LayerNorm, nn.modules.batchnorm._BatchNorm, ChannelNorm, MuLaw,
    ToMap, ToSequence, Film, Join, Recall,
)  # fmt: skip


class Stepwise(ABC):
    """A layer that can be run frame by frame."""

    @abstractmethod
    def steps(self) -> Step:
        """Begin, with silence as the past.

        Returns
        -------
        callable
            Of the next frame ``[batch, 1, dim]``, and what else `forward` takes; gives the frame that `forward` has in
            its place.
        """


class Taps:
    """The frames that a dilated kernel sees, in a ring, so that none is moved when another comes.

    Parameters
    ----------
    kernel, dilation : int
        Frames that are seen, and from each to the next.
    """

    def __init__(self, kernel: int, dilation: int = 1) -> None:
        self.length = (kernel - 1) * dilation
        self.places = range(0, self.length, dilation)
        self.ring: Tensor | None = None
        self.at = 0

    def __call__(self, x: Tensor) -> Tensor:
        """Add a frame.

        Parameters
        ----------
        x : Tensor, shape=(batch, channels)
            The next frame.

        Returns
        -------
        Tensor, shape=(batch, kernel, channels)
            What is seen, the oldest first; zeros before the first frame.
        """
        if self.length == 0:
            return x[:, None]
        if self.ring is None:
            self.ring = x.new_zeros(self.length, *x.shape)
        seen = torch.stack([*(self.ring[(self.at + place) % self.length] for place in self.places), x], 1)
        self.ring[self.at] = x
        self.at = (self.at + 1) % self.length
        return seen


def steps(model: Model, **given: Tensor) -> Step:
    """Run a model frame by frame; what comes out is what it would give for all frames at once.

    Parameters
    ----------
    model : Model
        Causal, in evaluation.
    **given : Tensor
        As of its `forward`.

    Returns
    -------
    callable
        Of the next frame, or some of them, of the kind that the model takes.

    Raises
    ------
    ValueError
        If a layer can't be run so; the sentence names it.
    """
    runs = []
    for (name, brick), layer in zip(model.labels, model.layers(), strict=True):
        try:
            runs.append((layer, _steps(layer)))
        except ValueError as error:
            raise ValueError(
                f"needs a model that goes on step by step, but model.{name} ({brick}) does not: {error}; of the layers "
                "that look at other frames, wavenet, frame_rnn, rnn in one direction, a causal transformer, and conv1d "
                "with padding: causal and no stride do"
            ) from error
    one_by_one = any(isinstance(layer, Stepwise | AlongFrames) for layer in model.layers())

    def _step(x: Tensor) -> Tensor:
        if one_by_one and x.shape[axis := _frames(x)] > 1:
            made = [_step(one) for one in torch.split(x, 1, axis)]
            return torch.cat(made, _frames(made[0]))
        kept = dict(given)
        for layer, run in runs:
            x = apply(layer, x, kept, run)
        return x

    return _step


def _frames(x: Tensor) -> int:
    """Axis of the frames of a map, a sequence or a waveform."""
    return 3 if x.ndim == 4 else 1


def _steps(layer: nn.Module) -> Step:
    """Begin a layer; ValueError if that can't be."""
    if isinstance(layer, Stepwise):
        return layer.steps()
    if isinstance(layer, Recurrent):
        return recurrent_steps(layer)
    if isinstance(layer, Transformer):
        return _transformer(layer)
    if isinstance(layer, AlongFrames):
        inner = _chain([*layer])
        return lambda x: inner((x[..., None] if x.ndim == 2 else x).transpose(1, 2)).transpose(1, 2)
    if isinstance(layer, nn.Sequential):
        return _chain([*layer])
    if isinstance(layer, POINTWISE):
        return layer
    raise ValueError("it may look ahead")


def _chain(layers: Sequence[nn.Module]) -> Step:
    runs: list[Step] = []
    padded = 0  # zeros before the first frame, which are those of the next convolution
    for layer in layers:
        if isinstance(layer, nn.ConstantPad1d) and layer.padding[1] == 0:
            padded = layer.padding[0]
        elif isinstance(layer, nn.Conv1d):
            runs.append(_convolution(layer, padded))
            padded = 0
        else:
            runs.append(_steps(layer))

    def run(x: Tensor) -> Tensor:
        for one in runs:
            x = one(x)
        return x

    return run


def _convolution(layer: nn.Conv1d, padded: int) -> Step:
    (kernel,), (dilation,) = layer.kernel_size, layer.dilation
    if layer.stride != (1,) or padded != (kernel - 1) * dilation:
        raise ValueError("its convolution is not causal, or has a stride")
    taps = Taps(kernel, dilation)
    return lambda x: F.conv1d(taps(x[..., 0]).transpose(1, 2), layer.weight, layer.bias, groups=layer.groups)


def recurrent_steps(layer: Recurrent) -> Step:
    """Begin a recurrent network.

    Parameters
    ----------
    layer : Recurrent
        In one direction, with a sequence as its output.

    Returns
    -------
    callable
        Of the next frame.

    Raises
    ------
    ValueError
        If it is another.
    """
    if layer.rnn.bidirectional or layer.last:
        raise ValueError("it runs in both directions, or gives its last state alone")
    state = None

    def _step(x: Tensor) -> Tensor:
        nonlocal state
        outputs: Tensor
        outputs, state = layer.rnn(x, state)
        return outputs

    return _step


def _transformer(layer: Transformer) -> Step:
    if not layer.causal or layer.token is not None:
        raise ValueError("it looks ahead (make it with causal: true), or has a token of its own")
    past = Past()

    def _step(x: Tensor, *context: Tensor) -> Tensor:
        result: Tensor = layer(x, *context, past=past)
        return result

    return _step
