"""U-Net over maps of any size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .bricks import BRICKS, Conditioned, finish, map_channels
from .checks import choice, count, pair
from .convolutions import convolution
from .wiring import HOW, Film, condition_dim


class UNet2d(Conditioned):
    """An encoder that halves the sizes level by level, and a decoder that joins what every level stored.

    Parameters
    ----------
    encoder, bottom, decoder : sequence of Module
        Blocks from the first level down, the block below all, and blocks from the last level up.
    films : sequence of Module
        One `Film` per level after its encoder block, or none.
    ups : sequence of Module
        Upsampling, from the last level up.
    stride : tuple of int
        Along bins and frames, of every level.
    add : bool
        Add instead of concatenating.
    uses : str, optional
        Name of the conditioning vector.
    """

    def __init__(
        self,
        encoder: Sequence[nn.Module],
        bottom: nn.Module,
        decoder: Sequence[nn.Module],
        films: Sequence[nn.Module],
        ups: Sequence[nn.Module],
        *,
        stride: tuple[int, int],
        add: bool,
        uses: str | None,
    ) -> None:
        super().__init__(uses)
        self.encoder, self.bottom, self.decoder = nn.ModuleList(encoder), bottom, nn.ModuleList(decoder)
        self.films, self.ups = nn.ModuleList(films), nn.ModuleList(ups)
        self.down, self.add = nn.MaxPool2d(stride), add
        self.multiple = stride[0] ** len(encoder), stride[1] ** len(encoder)

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """Go down and up again.

        Parameters
        ----------
        x : Tensor, shape=(batch, channels, bins, frames)
            A map; zeros are added at its ends where the levels need more, and cut off again.
        condition : Tensor, optional, shape=(batch, dim)
            A vector for FiLM.

        Returns
        -------
        Tensor, shape=(batch, output channels, bins, frames)
            A map of the same size.
        """
        bins, frames = x.shape[2:]
        x = F.pad(x, (0, -frames % self.multiple[1], 0, -bins % self.multiple[0]))
        levels = []
        for i, block in enumerate(self.encoder):
            x = block(x)
            if self.films:
                x = self.films[i](x, condition)
            levels.append(x)
            x = self.down(x)
        x = self.bottom(x)
        for up, block in zip(self.ups, self.decoder, strict=True):
            x, level = up(x), levels.pop()
            x = block(x + level if self.add else torch.cat([x, level], 1))
        return x[:, :, :bins, :frames]


class SubPixel(nn.Module):
    """Turns every group of so many channels into as many bins.

    Parameters
    ----------
    bins : int
        Channels that become bins.
    """

    def __init__(self, bins: int) -> None:
        super().__init__()
        self.bins = bins

    def forward(self, x: Tensor) -> Tensor:
        """Move channels to bins.

        Parameters
        ----------
        x : Tensor, shape=(batch, channels, bins, frames)
            A map.

        Returns
        -------
        Tensor, shape=(batch, channels // n, bins * n, frames)
            Channel ``c * n + i`` of bin ``b`` is bin ``b * n + i`` of channel ``c``.
        """
        batch, channels, bins, frames = x.shape
        grouped = x.reshape(batch, channels // self.bins, self.bins, bins, frames)
        return grouped.transpose(2, 3).flatten(2, 3)


@BRICKS.register("subpixel2d")
def subpixel2d(inputs: Sequence[int], *, bins: int) -> nn.Module:
    """Upsample along bins without weights of its own: channels become bins.

    Parameters
    ----------
    inputs : sequence of int
        Shape of the map that comes in; its channels must be a multiple of ``bins``.
    bins : int
        How many bins one becomes.

    Returns
    -------
    Module
        Gives a map.

    References
    ----------
    Shi et al., "Real-time single image and video super-resolution using an efficient sub-pixel convolutional neural
    network", CVPR 2016.
    """
    channels, bins = map_channels(inputs), count(bins, "bins", low=2)
    if channels % bins:
        raise ValueError(f"{channels} channels can't become groups of {bins} bins; give a multiple")
    return SubPixel(bins)


@BRICKS.register("unet2d")
def unet2d(
    inputs: Sequence[int],
    stored: Mapping[str, Sequence[int]],
    *,
    channels: int = 16,
    depth: int = 4,
    growth: int = 2,
    kernel: int | Sequence[int] = 3,
    stride: int | Sequence[int] = 2,
    repeat: int = 2,
    upsampling: str = "transposed",
    join: str = "concatenate",
    norm: str = "batch",
    activation: str = "relu",
    dropout: float = 0.0,
    film: str | None = None,
) -> nn.Module:
    """Make a U-Net over maps of any size.

    Parameters
    ----------
    inputs : sequence of int
        Shape of the map that comes in.
    stored : mapping of str to sequence of int
        Shapes of what is stored or given.
    channels : int
        Of the first level, and of the output.
    depth : int
        Levels above the bottom.
    growth : int
        Every level has so many times the channels of the one above.
    kernel : int or sequence of int
        For both axes, or along bins and along frames.
    stride : int or sequence of int
        Pooling between levels; 1 keeps an axis.
    repeat : int
        Convolutions in every block.
    upsampling : str
        ``transposed`` (convolution) or ``interpolated`` (linearly, then a convolution: no checkerboards).
    join : str
        ``concatenate`` or ``add``.
    norm, activation : str
        As of `conv2d`.
    dropout : float
        Probability.
    film : str, optional
        Name of a stored or given vector that scales and shifts every level of the encoder.

    Returns
    -------
    Module
        Map to map.

    References
    ----------
    Ronneberger, Fischer & Brox, MICCAI 2015; Jansson et al., ISMIR 2017; with FiLM: Meseguer-Brocal & Peeters,
    "Conditioned-U-Net", ISMIR 2019.
    """
    width, channels = map_channels(inputs), count(channels, "channels")
    levels, factor = count(depth, "depth", high=10), count(growth, "growth", high=16)
    taps, steps, times = pair(kernel, "kernel"), pair(stride, "stride"), count(repeat, "repeat", high=100)
    choice(upsampling, "upsampling", ("transposed", "interpolated"))
    if max(steps) ** levels > 4096:
        raise ValueError(
            f"stride ** depth must be at most 4,096, got {max(steps)} ** {levels}"
        )  # maps are padded to it
    add, bias = choice(join, "join", HOW) == "add", norm != "batch"
    condition = None if film is None else condition_dim(stored, film)

    def _block(before: int, after: int) -> nn.Module:
        layers: list[nn.Module] = []
        for i in range(times):
            layers += convolution(before if i == 0 else after, after, taps, bias=bias)
            layers += finish(after, 2, norm, activation, dropout)
        return nn.Sequential(*layers)

    def _up(before: int, after: int) -> nn.Module:
        if upsampling == "transposed":
            return nn.ConvTranspose2d(before, after, steps, steps)
        return nn.Sequential(
            nn.Upsample(scale_factor=tuple(map(float, steps)), mode="bilinear"), *convolution(before, after, taps)
        )

    sizes = [channels * factor**i for i in range(levels + 1)]
    downward = [_block(width if i == 0 else sizes[i - 1], sizes[i]) for i in range(levels)]
    films = [] if film is None or condition is None else [Film(film, condition, size) for size in sizes[:-1]]
    upward = [*reversed(range(levels))]
    return UNet2d(
        downward,
        _block(sizes[-2], sizes[-1]),
        [_block(sizes[i] if add else 2 * sizes[i], sizes[i]) for i in upward],
        films,
        [_up(sizes[i + 1], sizes[i]) for i in upward],
        stride=steps,
        add=add,
        uses=film,
    )
