"""The upper tier of SampleRNN: a recurrent network over frames of samples, which tells every sample of the next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .bricks import BRICKS, Conditioned, sequence_dim
from .checks import MOST_TAPS, choice, count
from .rates import Stack, Unstack
from .sequences import RECURRENT, Recurrent
from .stepping import Step, Stepwise, recurrent_steps
from .wiring import condition_dim


class FrameRNN(Conditioned, Stepwise):
    """A step of a recurrent network for every frame of samples; each sample of a frame hears of the frames before.

    Parameters
    ----------
    inputs, outputs : int
        Dimensions of samples.
    frame : int
        Samples of a frame.
    rnn : RNNBase
        In one direction, with the batch first, and as many inputs as units.
    uses : str, optional
        Name of a vector that every frame hears.
    condition_dim : int
        Of that vector.

    References
    ----------
    Mehri et al., "SampleRNN: an unconditional end-to-end neural audio generation model", ICLR 2017.
    """

    def __init__(
        self, inputs: int, outputs: int, *, frame: int, rnn: nn.RNNBase, uses: str | None = None, condition_dim: int = 0
    ) -> None:
        super().__init__(uses)
        self.frame = frame
        self.stack, self.unstack = Stack(frame), Unstack(frame)
        self.enter = nn.Linear(frame * inputs, rnn.input_size)
        self.told = None if uses is None else nn.Linear(condition_dim, rnn.input_size, bias=False)
        self.recurrent = Recurrent(rnn, last=False)
        self.up = nn.Linear(rnn.hidden_size, frame * outputs)

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """Run over all frames.

        Parameters
        ----------
        x : Tensor, shape=(batch, samples, inputs)
            A sequence.
        condition : Tensor, optional, shape=(batch, condition dim)
            A vector.

        Returns
        -------
        Tensor, shape=(batch, samples, outputs)
            A sequence.
        """
        before = F.pad(x, (0, 0, self.frame, 0))[:, : -(-x.shape[1] // self.frame) * self.frame]
        told: Tensor = self.unstack(self.up(self.recurrent(self._entering(before, condition))))
        return told[:, : x.shape[1]]

    def steps(self) -> Step:
        """Begin, with silence as the past; see `Stepwise.steps`.

        Returns
        -------
        callable
            Of the next sample, and the condition.
        """
        run = recurrent_steps(self.recurrent)
        heard: list[Tensor] = []
        told: list[Tensor] = []

        def _step(x: Tensor, condition: Tensor | None = None) -> Tensor:
            if not told:
                before = torch.cat(heard or [torch.zeros_like(x)] * self.frame, 1)
                heard.clear()
                made = self.unstack(self.up(run(self._entering(before, condition))))
                told.extend(reversed(made.split(1, 1)))
            heard.append(x)
            return told.pop()

        return _step

    def _entering(self, x: Tensor, condition: Tensor | None) -> Tensor:
        entering: Tensor = self.enter(self.stack(x))
        return entering if self.told is None else entering + self.told(condition)[:, None]


@BRICKS.register("frame_rnn")
def frame_rnn(
    inputs: Sequence[int],
    stored: Mapping[str, Sequence[int]],
    *,
    frame: int = 16,
    units: int = 256,
    channels: int = 128,
    kind: str = "gru",
    layers: int = 1,
    condition: str | None = None,
) -> nn.Module:
    """Run a recurrent network over frames of samples, which tells every sample of the frames before its own.

    Parameters
    ----------
    inputs : sequence of int
        Shape of the sequence of samples that comes in.
    stored : mapping of str to sequence of int
        Shapes of what is stored or given.
    frame : int
        Samples of a frame.
    units : int
        Of the recurrent network.
    channels : int
        Output dimension.
    kind : str
        ``rnn``, ``lstm`` or ``gru``.
    layers : int
        One over the other.
    condition : str, optional
        Name of a stored or given vector that every frame hears.

    Returns
    -------
    Module
        Sequence to sequence.
    """
    width = count(units, "units")
    made = RECURRENT[choice(kind, "kind", RECURRENT)](width, width, count(layers, "layers", high=100), batch_first=True)
    return FrameRNN(
        sequence_dim(inputs),
        count(channels, "channels"),
        frame=count(frame, "frame", high=MOST_TAPS),
        rnn=made,
        uses=condition,
        condition_dim=0 if condition is None else condition_dim(stored, condition),
    )
