"""Patches of a map as a sequence: each is one token that knows its place."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .attention import sinusoids
from .bricks import BRICKS, Conditioned, map_channels
from .checks import MOST_TAPS, count

VISIBLE = "visible"  # what is given to the model where only some patches are to be seen


class Patches(Conditioned):
    """Cut a map into patches, and embed each with its place; see the brick `patches`.

    Parameters
    ----------
    channels : int
        Of the map.
    size : tuple of int
        Bins and frames of a patch.
    dim : int
        Of a token.
    """

    def __init__(self, channels: int, size: tuple[int, int], dim: int) -> None:
        super().__init__(VISIBLE, optional=True)
        self.size, self.dim = size, dim
        self.enter = nn.Linear(channels * size[0] * size[1], dim)

    def cut(self, x: Tensor) -> Tensor:
        """Cut a map; a rest that fills no patch is left out, and fewer frames than one patch has are filled up.

        Parameters
        ----------
        x : Tensor, shape=(batch, channels, bins, frames)
            A map.

        Returns
        -------
        Tensor, shape=(batch, patches, values)
            Row by row from the lowest bins, along frames.
        """
        rows, columns = self.grid(x)
        bins, frames = self.size
        x = F.pad(x, (0, max(0, frames - x.shape[3])))
        whole = x[:, :, : rows * bins, : columns * frames].reshape(len(x), x.shape[1], rows, bins, columns, frames)
        return whole.permute(0, 2, 4, 1, 3, 5).reshape(len(x), rows * columns, -1)

    def grid(self, x: Tensor) -> tuple[int, int]:
        """Count the patches of a map.

        Parameters
        ----------
        x : Tensor, shape=(batch, channels, bins, frames)
            A map.

        Returns
        -------
        int, int
            Along bins, along frames.
        """
        return x.shape[2] // self.size[0], max(1, x.shape[3] // self.size[1])

    def forward(self, x: Tensor, visible: Tensor | None = None) -> Tensor:
        """Embed patches.

        Parameters
        ----------
        x : Tensor, shape=(batch, channels, bins, frames)
            A map.
        visible : Tensor, optional, shape=(batch, some)
            Numbers of those to embed; all if None.

        Returns
        -------
        Tensor, shape=(batch, patches, dim)
            Tokens.
        """
        values, places = self.cut(x), grid_places(*self.grid(x), self.dim, device=x.device)
        if visible is None:
            whole: Tensor = self.enter(values) + places
            return whole
        some: Tensor = self.enter(taken(values, visible)) + places[visible]
        return some


def taken(tokens: Tensor, numbers: Tensor) -> Tensor:
    """Take some tokens of every example.

    Parameters
    ----------
    tokens : Tensor, shape=(batch, tokens, dim)
        All.
    numbers : Tensor, shape=(batch, some)
        Which.

    Returns
    -------
    Tensor, shape=(batch, some, dim)
        In that order.
    """
    return tokens.gather(1, numbers[..., None].expand(-1, -1, tokens.shape[-1]))


def grid_places(rows: int, columns: int, dim: int, *, device: torch.device | None = None) -> Tensor:
    """Sinusoids of the places of a grid: one half of the dimensions for rows, the other for columns.

    Parameters
    ----------
    rows, columns : int
        Of the grid.
    dim : int
        A multiple of 4.
    device : device, optional
        Where to compute.

    Returns
    -------
    Tensor, shape=(rows * columns, dim)
        Row by row.
    """
    down, along = (torch.cat(sinusoids(size, dim // 2, device=device), 1) for size in (rows, columns))
    return torch.cat([down.repeat_interleave(columns, 0), along.repeat(rows, 1)], 1)


@BRICKS.register("patches")
def patches(inputs: Sequence[int], *, bins: int, frames: int, dim: int) -> nn.Module:
    """Make a sequence of a map: every patch of so many bins and frames is a token, to which its place is added.

    Parameters
    ----------
    inputs : sequence of int
        Shape of the map that comes in.
    bins, frames : int
        Size of a patch; a rest that fills none is left out.
    dim : int
        Of a token; a multiple of 4.

    Returns
    -------
    Module
        Map to sequence; only some patches, if ``model(x, visible=numbers)`` says so.

    Raises
    ------
    ValueError
        If not one patch fits, or places can't be told in so few dimensions.

    References
    ----------
    Dosovitskiy et al., "An image is worth 16 x 16 words", ICLR 2021.
    """
    channels = map_channels(inputs)
    size = count(bins, "bins", high=MOST_TAPS), count(frames, "frames", high=MOST_TAPS)
    if size[0] > inputs[2] or size[1] > inputs[3]:
        raise ValueError(f"not one patch of {size[0]} bins and {size[1]} frames fits into {inputs[2]} x {inputs[3]}")
    if count(dim, "dim", low=4) % 4:
        raise ValueError(f"dim must be a multiple of 4, got {dim}")
    return Patches(channels, size, dim)
