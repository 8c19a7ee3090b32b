"""Bricks that change how many frames a sequence has: frames side by side, and transposed convolutions."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .bricks import BRICKS, AlongFrames, finish, said, sequence_dim
from .checks import MOST_TAPS, count


class Stack(nn.Module):
    """So many frames become one, their values side by side; the last frame is repeated where some are missing.

    Parameters
    ----------
    frames : int
        How many.
    """

    def __init__(self, frames: int) -> None:
        super().__init__()
        self.frames = frames

    def forward(self, x: Tensor) -> Tensor:
        """Put frames side by side.

        Parameters
        ----------
        x : Tensor, shape=(batch, frames, dim)
            A sequence.

        Returns
        -------
        Tensor, shape=(batch, ceil(frames / self.frames), self.frames * dim)
            A sequence.
        """
        missing = -x.shape[1] % self.frames
        if missing:
            x = torch.cat([x, x[:, -1:].expand(-1, missing, -1)], 1)
        return x.reshape(x.shape[0], -1, self.frames * x.shape[2])


class Unstack(nn.Module):
    """The reverse of `Stack`.

    Parameters
    ----------
    frames : int
        How many one becomes.
    """

    def __init__(self, frames: int) -> None:
        super().__init__()
        self.frames = frames

    def forward(self, x: Tensor) -> Tensor:
        """Put frames one after the other.

        Parameters
        ----------
        x : Tensor, shape=(batch, frames, self.frames * dim)
            A sequence.

        Returns
        -------
        Tensor, shape=(batch, self.frames * frames, dim)
            A sequence.
        """
        return x.reshape(x.shape[0], self.frames * x.shape[1], -1)


@BRICKS.register("stack")
def stack(inputs: Sequence[int], *, frames: int) -> nn.Module:
    """Put the values of so many frames side by side, as one frame.

    Parameters
    ----------
    inputs : sequence of int
        Shape of the sequence that comes in.
    frames : int
        How many.

    Returns
    -------
    Module
        Sequence to sequence.
    """
    sequence_dim(inputs)
    return Stack(count(frames, "frames", high=MOST_TAPS))


@BRICKS.register("unstack")
def unstack(inputs: Sequence[int], *, frames: int) -> nn.Module:
    """Cut every frame into so many: the way back from `stack`.

    Parameters
    ----------
    inputs : sequence of int
        Shape of the sequence that comes in.
    frames : int
        How many.

    Returns
    -------
    Module
        Sequence to sequence.

    Raises
    ------
    ValueError
        If the dimension can't be cut so.
    """
    if sequence_dim(inputs) % count(frames, "frames", high=MOST_TAPS):
        raise ValueError(f"frames must divide the dimension, got {frames} for {said(inputs)}")
    return Unstack(frames)


@BRICKS.register("deconv1d")
def deconv1d(
    inputs: Sequence[int],
    *,
    channels: int,
    stride: int,
    norm: str = "none",
    activation: str = "none",
) -> nn.Module:
    """Transposed convolution along frames, twice as wide as its stride: the way back from a stride of `conv1d`.

    Parameters
    ----------
    inputs : sequence of int
        Shape of the sequence that comes in.
    channels : int
        Output dimension.
    stride : int
        So many frames for one.
    norm, activation : str
        As of `conv1d`.

    Returns
    -------
    Module
        Sequence to sequence.
    """
    dim, channels, step = sequence_dim(inputs), count(channels, "channels"), count(stride, "stride", high=MOST_TAPS)
    layer = nn.ConvTranspose1d(dim, channels, 2 * step, step, padding=(step + 1) // 2, output_padding=step % 2)
    return AlongFrames(layer, *finish(channels, 1, norm, activation))
