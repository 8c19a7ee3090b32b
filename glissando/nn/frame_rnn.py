"""The upper tier of SampleRNN: a recurrent network over frames of samples, which tells every sample of the next."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .bricks import BRICKS, sequence_dim
from .checks import MOST_TAPS, choice, count
from .rates import Stack, Unstack
from .sequences import RECURRENT, Recurrent
from .stepping import Step, Stepwise, recurrent_steps


class FrameRNN(Stepwise, nn.Module):
    """A step of a recurrent network for every frame of samples; each sample of a frame hears of the frames before.

    Parameters
    ----------
    rnn : RNNBase
        With the batch first, in one direction.
    frame : int
        Samples of a frame.
    dim : int
        Output dimension.

    References
    ----------
    Mehri et al., "SampleRNN: an unconditional end-to-end neural audio generation model", ICLR 2017.
    """

    def __init__(self, rnn: nn.RNNBase, frame: int, dim: int) -> None:
        super().__init__()
        self.frame = frame
        self.stack, self.unstack = Stack(frame), Unstack(frame)
        self.recurrent = Recurrent(rnn, last=False)
        self.up = nn.Linear(rnn.hidden_size, frame * dim)

    def forward(self, x: Tensor) -> Tensor:
        """Run over all frames.

        Parameters
        ----------
        x : Tensor, shape=(batch, samples, dim)
            A sequence.

        Returns
        -------
        Tensor, shape=(batch, samples, output dim)
            A sequence.
        """
        before = self.stack(F.pad(x, (0, 0, self.frame, 0)))[:, : -(-x.shape[1] // self.frame)]
        told: Tensor = self.unstack(self.up(self.recurrent(before)))
        return told[:, : x.shape[1]]

    def steps(self) -> Step:
        """Begin, with silence as the past; see `Stepwise.steps`.

        Returns
        -------
        callable
            Of the next sample.
        """
        run = recurrent_steps(self.recurrent)
        heard: list[Tensor] = []
        told: list[Tensor] = []

        def step(x: Tensor) -> Tensor:
            if not told:
                before = torch.cat(heard or [torch.zeros_like(x)] * self.frame, 1)
                heard.clear()
                told.extend(reversed(self.unstack(self.up(run(self.stack(before)))).split(1, 1)))
            heard.append(x)
            return told.pop()

        return step


@BRICKS.register("frame_rnn")
def frame_rnn(
    inputs: Sequence[int], *, frame: int = 16, units: int = 256, channels: int = 128, kind: str = "gru", layers: int = 1
) -> nn.Module:
    """Run a recurrent network over frames of samples, which tells every sample of the frames before its own.

    Parameters
    ----------
    inputs : sequence of int
        Shape of the sequence of samples that comes in.
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

    Returns
    -------
    Module
        Sequence to sequence.
    """
    length = count(frame, "frame", high=MOST_TAPS)
    made = RECURRENT[choice(kind, "kind", RECURRENT)](
        sequence_dim(inputs) * length, count(units, "units"), count(layers, "layers", high=100), batch_first=True
    )
    return FrameRNN(made, length, count(channels, "channels"))
