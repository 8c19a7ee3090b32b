"""U-Net over maps of any size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .bricks import BRICKS, Conditioned, finish, map_channels, norm_layer
from .checks import choice, count, pair
from .convolutions import convolution
from .wiring import HOW, Film, condition_dim


class _Block(nn.Sequential):
    """Convolutions one after the other, which a vector does not change."""

    def forward(self, input: Tensor, condition: Tensor | None = None) -> Tensor:
        for layer in self:
            input = layer(input)
        return input


class _ResidualBlock(nn.Module):
    """Two convolutions beside a way around them; a vector may scale and shift what is between.

    Parameters
    ----------
    before, after : int
        Channels that come in and go out.
    taps : (int, int)
        Of the convolutions.
    norm, activation, dropout : object
        As of `finish`.
    film : (str, int), optional
        Name and dimension of the vector.
    """

    def __init__(
        self,
        before: int,
        after: int,
        taps: tuple[int, int],
        norm: object,
        activation: object,
        dropout: object,
        film: tuple[str, int] | None,
    ) -> None:
        super().__init__()
        self.enter = nn.Sequential(*finish(before, 2, norm, activation), *convolution(before, after, taps))
        self.norm = norm_layer(norm, after, 2)
        self.film = None if film is None else Film(*film, after)
        self.leave = nn.Sequential(*finish(after, 2, "none", activation, dropout), *convolution(after, after, taps))
        self.around = nn.Identity() if before == after else nn.Conv2d(before, after, 1)

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        y = self.norm(self.enter(x))
        if self.film is not None:
            y = self.film(y, condition)
        result: Tensor = self.around(x) + self.leave(y)
        return result


class _Residual(nn.ModuleList):
    """Residual blocks in order."""

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        for block in self:
            x = block(x, condition)
        return x


class UNet2d(Conditioned):
    """An encoder that halves the sizes level by level, and a decoder that joins what every level stored.

    Parameters
    ----------
    encoder, bottom, decoder : sequence of Module
        Blocks from the first level down, the block below all, and blocks from the last level up. They take a map and
        the conditioning vector.
    films : sequence of Module
        One `Film` per level after its encoder block, or none.
    ups : sequence of Module
        Upsampling, from the last level up.
    stride : tuple of int
        Along bins and frames, of every level.
    down : Module
        Pooling by the stride.
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
        down: nn.Module,
        add: bool,
        uses: str | None,
    ) -> None:
        super().__init__(uses)
        self.encoder, self.bottom, self.decoder = nn.ModuleList(encoder), bottom, nn.ModuleList(decoder)
        self.films, self.ups = nn.ModuleList(films), nn.ModuleList(ups)
        self.down, self.add = down, add
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
            x = block(x, condition)
            if self.films:
                x = self.films[i](x, condition)
            levels.append(x)
            x = self.down(x)
        x = self.bottom(x, condition)
        for up, block in zip(self.ups, self.decoder, strict=True):
            x, level = up(x), levels.pop()
            x = block(x + level if self.add else torch.cat([x, level], 1), condition)
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
    blocks: str = "plain",
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
        Convolutions in every block, or residual blocks of two convolutions.
    blocks : str
        ``plain``, or ``residual`` as diffusion models have them, with means in the place of maxima between levels.
    upsampling : str
        ``transposed`` (convolution) or ``interpolated`` (linearly, then a convolution: no checkerboards).
    join : str
        ``concatenate`` or ``add``.
    norm, activation : str
        As of `conv2d`.
    dropout : float
        Probability.
    film : str, optional
        Name of a stored or given vector that scales and shifts every level of the encoder, or all residual blocks.

    Returns
    -------
    Module
        Map to map.

    References
    ----------
    Ronneberger, Fischer & Brox, MICCAI 2015; Jansson et al., ISMIR 2017; with FiLM: Meseguer-Brocal & Peeters,
    "Conditioned-U-Net", ISMIR 2019; residual: Dhariwal & Nichol, "Diffusion models beat GANs on image synthesis",
    NeurIPS 2021.
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
    residual = choice(blocks, "blocks", ("plain", "residual")) == "residual"
    condition = None if film is None else (film, condition_dim(stored, film))

    def _block(before: int, after: int) -> nn.Module:
        if residual:
            widths = [before, *[after] * times]
            return _Residual(
                _ResidualBlock(one, after, taps, norm, activation, dropout, condition) for one in widths[:-1]
            )
        layers: list[nn.Module] = []
        for i in range(times):
            layers += convolution(before if i == 0 else after, after, taps, bias=bias)
            layers += finish(after, 2, norm, activation, dropout)
        return _Block(*layers)

    def _up(before: int, after: int) -> nn.Module:
        if upsampling == "transposed":
            return nn.ConvTranspose2d(before, after, steps, steps)
        return nn.Sequential(
            nn.Upsample(scale_factor=tuple(map(float, steps)), mode="bilinear"), *convolution(before, after, taps)
        )

    sizes = [channels * factor**i for i in range(levels + 1)]
    downward = [_block(width if i == 0 else sizes[i - 1], sizes[i]) for i in range(levels)]
    films = [] if condition is None or residual else [Film(*condition, size) for size in sizes[:-1]]
    upward = [*reversed(range(levels))]
    return UNet2d(
        downward,
        _block(sizes[-2], sizes[-1]),
        [_block(sizes[i] if add else 2 * sizes[i], sizes[i]) for i in upward],
        films,
        [_up(sizes[i + 1], sizes[i]) for i in upward],
        stride=steps,
        down=nn.AvgPool2d(steps) if residual else nn.MaxPool2d(steps),
        add=add,
        uses=film,
    )
