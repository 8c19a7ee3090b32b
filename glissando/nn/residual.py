"""Residual bricks: the blocks of ResNet and ConvNeXt."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .bricks import BRICKS, AlongFrames, ChannelNorm, activation_layer, finish, map_channels, sequence_dim
from .checks import MOST_LAYERS, MOST_TAPS, choice, count, fraction, number, pair
from .convolutions import convolution


class StochasticDepth(nn.Module):
    """Drop the whole of some examples in training, so that the way around a block is all that is left of it.

    What remains is scaled so that the expectation stays; in evaluation it is the identity.

    Parameters
    ----------
    probability : float
        Of an example to be dropped.

    References
    ----------
    Huang et al., "Deep networks with stochastic depth", ECCV 2016.
    """

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability

    def forward(self, x: Tensor) -> Tensor:
        """Drop examples.

        Parameters
        ----------
        x : Tensor, shape=(batch, ...)
            What a block adds.

        Returns
        -------
        Tensor
            Same shape.
        """
        if not self.training or self.probability == 0:
            return x
        kept = torch.rand(len(x), *[1] * (x.ndim - 1), device=x.device) >= self.probability
        return x * kept / (1 - self.probability)


@BRICKS.register("residual2d")
def residual2d(
    inputs: Sequence[int],
    *,
    channels: int,
    kernel: int | Sequence[int] = 3,
    stride: int | Sequence[int] = 1,
    kind: str = "building",
    norm: str = "batch",
    activation: str = "relu",
    dropout: float = 0.0,
    repeat: int = 1,
) -> nn.Module:
    """Blocks of ResNet: two convolutions (building), or one between two of kernel 1 (bottleneck), beside a way around.

    Parameters
    ----------
    inputs : sequence of int
        Shape of the map that comes in.
    channels : int
        Output channels; a bottleneck has a quarter of them inside.
    kernel, stride : int or sequence of int
        For both axes, or along bins and along frames; the stride is that of the first repetition.
    kind : str
        ``building`` or ``bottleneck``.
    norm, activation : str
        As of `conv2d`.
    dropout : float
        Probability, after the first convolution.
    repeat : int
        How many blocks.

    Returns
    -------
    Module
        Map to map.

    References
    ----------
    He et al., "Deep residual learning for image recognition", CVPR 2016.
    """
    width, channels = map_channels(inputs), count(channels, "channels")
    choice(kind, "kind", ("building", "bottleneck"))
    taps, steps = pair(kernel, "kernel"), pair(stride, "stride")
    bias = norm != "batch"
    layers: list[nn.Module] = []
    for i in range(count(repeat, "repeat", high=MOST_LAYERS)):
        before, step = (width, steps) if i == 0 else (channels, (1, 1))
        inside = channels if kind == "building" else max(1, channels // 4)
        body: list[nn.Module] = []
        if kind == "bottleneck":
            body += [*convolution(before, inside, (1, 1), bias=bias), *finish(inside, 2, norm, activation)]
        first = before if kind == "building" else inside
        body += convolution(first, inside, taps, stride=step, bias=bias)
        body += finish(inside, 2, norm, activation, dropout)
        last = taps if kind == "building" else (1, 1)
        body += [*convolution(inside, channels, last, bias=bias), *finish(channels, 2, norm, "none")]
        around: list[nn.Module] = []
        if before != channels or step != (1, 1):
            around = convolution(before, channels, (1, 1), stride=step, bias=bias) + finish(channels, 2, norm, "none")
        layers += [_Residual(nn.Sequential(*body), nn.Sequential(*around)), activation_layer(activation)]
    return nn.Sequential(*layers)


@BRICKS.register("convnext2d")
def convnext2d(
    inputs: Sequence[int],
    *,
    channels: int,
    kernel: int | Sequence[int] = 7,
    stride: int | Sequence[int] = 1,
    expansion: int = 4,
    drop: float = 0.0,
    scale: float = 1e-6,
    repeat: int = 1,
) -> nn.Module:
    """Blocks of ConvNeXt: depthwise convolution, layer norm, a wide layer with GELU, beside a way around.

    Where channels or sizes change, a layer norm and a convolution as wide as the stride stand before the blocks.

    Parameters
    ----------
    inputs : sequence of int
        Shape of the map that comes in.
    channels : int
        Output channels.
    kernel, stride : int or sequence of int
        For both axes, or along bins and along frames.
    expansion : int
        The wide layer has so many times the channels.
    drop : float
        Stochastic depth: probability to drop the last block; it grows linearly from the first.
    scale : float
        What the blocks' outputs are multiplied by at first, per channel and learned.
    repeat : int
        How many blocks.

    Returns
    -------
    Module
        Map to map.

    References
    ----------
    Liu et al., "A ConvNet for the 2020s", CVPR 2022.
    """
    width, channels = map_channels(inputs), count(channels, "channels")
    taps, steps, last = pair(kernel, "kernel"), pair(stride, "stride"), fraction(drop, "drop")
    wide = channels * count(expansion, "expansion", high=64)
    layers: list[nn.Module] = []
    if steps != (1, 1):
        pad = nn.ZeroPad2d((0, steps[1] - 1, 0, steps[0] - 1))  # so that the last positions are not lost
        layers = [ChannelNorm(width), pad, nn.Conv2d(width, channels, steps, steps)]
    elif width != channels:
        layers = [nn.Conv2d(width, channels, 1), ChannelNorm(channels)]  # a norm of one channel would leave nothing
    for i in range(blocks := count(repeat, "repeat", high=MOST_LAYERS)):
        body = [
            *convolution(channels, channels, taps, groups=channels),
            ChannelNorm(channels),
            nn.Conv2d(channels, wide, 1),
            nn.GELU(),
            nn.Conv2d(wide, channels, 1),
            _Scale(channels, number(scale, "scale", low=0.0)),
            StochasticDepth(last * (i + 1) / blocks),
        ]
        layers.append(_Residual(nn.Sequential(*body), nn.Sequential()))
    return nn.Sequential(*layers)


@BRICKS.register("convnext1d")
def convnext1d(
    inputs: Sequence[int],
    *,
    kernel: int = 7,
    expansion: int = 3,
    padding: str = "same",
    scale: float = 0.1,
    repeat: int = 1,
) -> nn.Module:
    """Blocks of ConvNeXt along frames, as vocoders have them: see `convnext2d`; the dimension stays.

    Parameters
    ----------
    inputs : sequence of int
        Shape of the sequence that comes in.
    kernel : int
        Taps of the depthwise convolution.
    expansion : int
        The wide layer has so many times the dimension.
    padding : str
        ``same``, ``edge`` or ``causal``.
    scale : float
        What the blocks' outputs are multiplied by at first, per dimension and learned.
    repeat : int
        How many blocks.

    Returns
    -------
    Module
        Sequence to sequence.

    References
    ----------
    Siuzdak, "Vocos: closing the gap between time-domain and Fourier-based neural vocoders", ICLR 2024.
    """
    dim, taps = sequence_dim(inputs), count(kernel, "kernel", high=MOST_TAPS)
    wide = dim * count(expansion, "expansion", high=64)
    choice(padding, "padding", ("same", "edge", "causal"))
    layers: list[nn.Module] = []
    for _ in range(count(repeat, "repeat", high=MOST_LAYERS)):
        body = [
            *convolution(dim, dim, [taps], groups=dim, padding=padding),
            ChannelNorm(dim),
            nn.Conv1d(dim, wide, 1),
            nn.GELU(),
            nn.Conv1d(wide, dim, 1),
            _Scale(dim, number(scale, "scale", low=0.0), axes=1),
        ]
        layers.append(_Residual(nn.Sequential(*body), nn.Sequential()))
    return AlongFrames(*layers)


class _Residual(nn.Module):
    """A body beside a way around it; an empty way is the identity."""

    def __init__(self, body: nn.Sequential, around: nn.Sequential) -> None:
        super().__init__()
        self.body, self.around = body, around

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.body(x) + self.around(x)
        return result


class _Scale(nn.Module):
    """A learned factor per channel."""

    def __init__(self, channels: int, start: float, *, axes: int = 2) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.full((channels, *[1] * axes), start))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.factor
