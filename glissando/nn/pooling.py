"""Pooling over bins and frames: fixed, by attention, and AutoPool."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .bricks import BRICKS, AlongFrames, said, sequence_dim
from .checks import MOST_TAPS, choice, count, flag, number


def _local(
    inputs: Sequence[int], bins: int, frames: int, over_maps: type[nn.Module], over_frames: type[nn.Module]
) -> nn.Module:
    size = count(bins, "bins", high=MOST_TAPS), count(frames, "frames", high=MOST_TAPS)
    if len(inputs) == 4:
        return over_maps(size, ceil_mode=True)
    sequence_dim(inputs)
    if size[0] != 1:
        raise ValueError("a sequence has no bins to pool; leave bins out, or put to_map before it")
    return AlongFrames(over_frames(size[1], ceil_mode=True))


@BRICKS.register("max_pool")
def max_pool(inputs: Sequence[int], *, bins: int = 1, frames: int = 1) -> nn.Module:
    """Keep the maximum of every so many bins and frames; a smaller rest at the end counts as one.

    Parameters
    ----------
    inputs : sequence of int
        Shape of what comes in.
    bins, frames : int
        How many become one.

    Returns
    -------
    Module
        Map to map, or sequence to sequence.
    """
    return _local(inputs, bins, frames, nn.MaxPool2d, nn.MaxPool1d)


@BRICKS.register("mean_pool")
def mean_pool(inputs: Sequence[int], *, bins: int = 1, frames: int = 1) -> nn.Module:
    """Keep the mean of every so many bins and frames; a smaller rest at the end counts as one.

    Parameters
    ----------
    inputs : sequence of int
        Shape of what comes in.
    bins, frames : int
        How many become one.

    Returns
    -------
    Module
        Map to map, or sequence to sequence.
    """
    return _local(inputs, bins, frames, nn.AvgPool2d, nn.AvgPool1d)


class GlobalPool(nn.Module):
    """Mean or maximum over all bins, all frames, or both.

    Parameters
    ----------
    largest : bool
        The maximum instead of the mean.
    over : str
        ``bins`` and ``frames`` keep the axis, with size 1; ``both`` drops them.
    """

    def __init__(self, largest: bool, over: str) -> None:
        super().__init__()
        self.largest, self.over = largest, over

    def forward(self, x: Tensor) -> Tensor:
        """Pool.

        Parameters
        ----------
        x : Tensor, shape=(batch, channels, bins, frames) or (batch, frames, dim)
            A map or a sequence.

        Returns
        -------
        Tensor, shape=(batch, channels)
            A vector; a map, if one axis of a map is pooled.
        """
        reduce = torch.amax if self.largest else torch.mean
        if x.ndim == 3:
            return reduce(x, 1)
        if self.over == "both":
            return reduce(x, (2, 3))
        return reduce(x, 2 if self.over == "bins" else 3, keepdim=True)


def _global(inputs: Sequence[int], over: str, largest: bool) -> nn.Module:
    choice(over, "over", ("bins", "frames", "both"))
    if len(inputs) == 3 and over == "bins":
        raise ValueError("a sequence has no bins to pool; leave over out, or put to_map before it")
    if len(inputs) not in (3, 4):
        raise ValueError(f"takes a map or a sequence, got {said(inputs)}")
    return GlobalPool(largest, over)


@BRICKS.register("global_max")
def global_max(inputs: Sequence[int], *, over: str = "both") -> nn.Module:
    """Keep the maximum over all bins, all frames, or both.

    Parameters
    ----------
    inputs : sequence of int
        Shape of what comes in.
    over : str
        ``bins``, ``frames`` or ``both``; a sequence has only frames.

    Returns
    -------
    Module
        To a vector; to a map, if one axis of a map is pooled.
    """
    return _global(inputs, over, largest=True)


@BRICKS.register("global_mean")
def global_mean(inputs: Sequence[int], *, over: str = "both") -> nn.Module:
    """Keep the mean over all bins, all frames, or both.

    Parameters
    ----------
    inputs : sequence of int
        Shape of what comes in.
    over : str
        ``bins``, ``frames`` or ``both``; a sequence has only frames.

    Returns
    -------
    Module
        To a vector; to a map, if one axis of a map is pooled.
    """
    return _global(inputs, over, largest=False)


class AttentionPool(nn.Module):
    """Weighted mean over frames, with weights that a small network reads from every frame.

    Parameters
    ----------
    dim : int
        Of the sequence.
    heads : int
        Every head weighs its own share of the dimensions.
    hidden : int, optional
        Size of a layer with tanh before the weights.
    """

    def __init__(self, dim: int, heads: int, hidden: int | None) -> None:
        super().__init__()
        self.heads = heads
        width = hidden or dim
        before: list[nn.Module] = [nn.Linear(dim, hidden), nn.Tanh()] if hidden else []
        self.scores = nn.Sequential(*before, nn.Linear(width, heads, bias=False))  # a softmax ignores a bias

    def forward(self, x: Tensor) -> Tensor:
        """Pool.

        Parameters
        ----------
        x : Tensor, shape=(batch, frames, dim)
            A sequence.

        Returns
        -------
        Tensor, shape=(batch, dim)
            A vector.
        """
        weights: Tensor = self.scores(x).softmax(1)
        return (x.reshape(*x.shape[:2], self.heads, -1) * weights.unsqueeze(3)).sum(1).flatten(1)


@BRICKS.register("attention_pool")
def attention_pool(inputs: Sequence[int], *, heads: int = 1, hidden: int | None = None) -> nn.Module:
    """Make an attention pooling over frames; see `AttentionPool`.

    Parameters
    ----------
    inputs : sequence of int
        Shape of the sequence that comes in.
    heads : int
        Every head weighs its own share of the dimensions.
    hidden : int, optional
        Size of a layer with tanh before the weights.

    Returns
    -------
    Module
        Sequence to vector.

    Raises
    ------
    ValueError
        If the dimension is no multiple of the heads.

    References
    ----------
    Ilse, Tomczak & Welling, "Attention-based deep multiple instance learning", ICML 2018.
    """
    dim, heads = sequence_dim(inputs), count(heads, "heads")
    if dim % heads:
        raise ValueError(f"heads must divide the dimension, got {heads} heads for {dim}")
    return AttentionPool(dim, heads, None if hidden is None else count(hidden, "hidden"))


class AutoPool(nn.Module):
    """Softmax-weighted mean over frames: the mean at temperature 0, the maximum at large ones.

    Parameters
    ----------
    channels : int
        Channels or dimensions that come in.
    temperature : float
        Factor inside the softmax, at first; every channel has its own.
    split : bool
        The second half of the channels gives the weights, the first half the values.
    learned : bool
        Learn the temperatures.

    References
    ----------
    McFee, Salamon & Bello, "Adaptive pooling operators for weakly labeled sound event detection", TASLP 2018;
    the split form: Yesiler, Serra & Gomez, "Accurate and scalable version identification using musically-motivated
    embeddings", ICASSP 2020.
    """

    def __init__(self, channels: int, *, temperature: float = 0.0, split: bool = False, learned: bool = True) -> None:
        super().__init__()
        self.split = split
        start = torch.full((channels // 2 if split else channels,), temperature)
        self.temperature = nn.Parameter(start, requires_grad=learned)

    def forward(self, x: Tensor) -> Tensor:
        """Pool over frames.

        Parameters
        ----------
        x : Tensor, shape=(batch, channels, bins, frames) or (batch, frames, dim)
            A map or a sequence.

        Returns
        -------
        Tensor, shape=(batch, channels, bins, 1) or (batch, dim)
            With half the channels in the split form.
        """
        maps = x if x.ndim == 4 else x.transpose(1, 2).unsqueeze(2)
        values, levels = maps.chunk(2, 1) if self.split else (maps, maps)
        weights = (self.temperature[:, None, None] * levels).softmax(3)
        pooled = (values * weights).sum(3, keepdim=True)
        return pooled if x.ndim == 4 else pooled.flatten(1)


@BRICKS.register("autopool")
def autopool(
    inputs: Sequence[int], *, temperature: float = 0.0, split: bool = False, learned: bool = True
) -> nn.Module:
    """Make an AutoPool over frames; see `AutoPool`.

    Parameters
    ----------
    inputs : sequence of int
        Shape of what comes in.
    temperature : float
        Factor inside the softmax, at first; every channel has its own.
    split : bool
        The second half of the channels gives the weights, the first half the values.
    learned : bool
        Learn the temperatures.

    Returns
    -------
    Module
        Map to map with one frame, or sequence to vector.

    Raises
    ------
    ValueError
        If an odd number of channels shall be split, or the input is neither map nor sequence.
    """
    if len(inputs) not in (3, 4):
        raise ValueError(f"takes a map or a sequence, got {said(inputs)}")
    channels = inputs[1] if len(inputs) == 4 else inputs[2]
    if flag(split, "split") and channels % 2:
        raise ValueError(f"split needs an even number of channels, got {channels}")
    start = number(temperature, "temperature", low=0)
    return AutoPool(channels, temperature=start, split=split, learned=flag(learned, "learned"))
