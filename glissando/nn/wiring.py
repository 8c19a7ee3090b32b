"""Bricks that tie layers together: store, join and recall, and FiLM conditioning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from ..registry import short
from .bricks import BRICKS, Conditioned, said, stored_shape
from .checks import choice

HOW = ("concatenate", "add")


class Store(nn.Identity):
    """Keeps what comes through under a name.

    Parameters
    ----------
    name : str
        The name.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name


class Join(Conditioned):
    """Concatenates channels with a stored tensor, or adds it.

    Parameters
    ----------
    uses : str
        Name of what is stored.
    add : bool
        Add instead of concatenating.
    """

    def __init__(self, uses: str, add: bool) -> None:
        super().__init__(uses)
        self.add = add

    def forward(self, x: Tensor, other: Tensor) -> Tensor:
        """Join.

        Parameters
        ----------
        x, other : Tensor
            Two maps, sequences or vectors.

        Returns
        -------
        Tensor
            Their sum, or all channels of both.

        Raises
        ------
        ValueError
            If their sizes don't fit.
        """
        channels = 1 if x.ndim == 4 else x.ndim - 1
        fits = x.ndim == other.ndim and all(
            a == b for axis, (a, b) in enumerate(zip(x.shape, other.shape, strict=True)) if self.add or axis != channels
        )
        if not fits:
            what = "add" if self.add else "concatenate"
            raise ValueError(f"can't {what} {said(x.shape)} and {self.uses!r}, which is {said(other.shape)}")
        return x + other if self.add else torch.cat([x, other], channels)


@BRICKS.register("store")
def store(inputs: Sequence[int], stored: Mapping[str, Sequence[int]], *, name: str) -> nn.Module:
    """Keep what comes through under a name, for a later `join` or as a context; also written ``store: name``.

    Parameters
    ----------
    inputs : sequence of int
        Shape of what comes in.
    stored : mapping of str to sequence of int
        Shapes of what is stored or given.
    name : str
        A new name.

    Returns
    -------
    Module
        The identity.

    Raises
    ------
    ValueError
        If the name is taken, or is none.
    """
    if not isinstance(name, str) or not name.isidentifier():
        raise ValueError(f"the name to store under must be one word, got {short(name)}")
    if name in stored:
        raise ValueError(f"something is stored under {name!r} already; use another name")
    return Store(name)


@BRICKS.register("join")
def join(
    inputs: Sequence[int], stored: Mapping[str, Sequence[int]], *, name: str, how: str = "concatenate"
) -> nn.Module:
    """Join with what is stored under a name; also written ``join: name``.

    Parameters
    ----------
    inputs : sequence of int
        Shape of what comes in.
    stored : mapping of str to sequence of int
        Shapes of what is stored or given.
    name : str
        Of what was stored before.
    how : str
        ``concatenate`` (channels, or the last axis of sequences and vectors) or ``add``.

    Returns
    -------
    Module
        Same kind of tensor.
    """
    stored_shape(stored, name)
    return Join(name, choice(how, "how", HOW) == "add")


class Recall(Conditioned):
    """Goes on from what was stored, instead of from what comes in."""

    def forward(self, x: Tensor, other: Tensor) -> Tensor:
        """Take the stored tensor.

        Parameters
        ----------
        x, other : Tensor
            What comes in, and what was stored.

        Returns
        -------
        Tensor
            The latter.
        """
        return other


@BRICKS.register("recall")
def recall(inputs: Sequence[int], stored: Mapping[str, Sequence[int]], *, name: str) -> nn.Module:
    """Begin another branch at what is stored under a name; also written ``recall: name``.

    Store the end of the first branch, too, or it is lost.

    Parameters
    ----------
    inputs : sequence of int
        Shape of what comes in.
    stored : mapping of str to sequence of int
        Shapes of what is stored or given.
    name : str
        Of what was stored before.

    Returns
    -------
    Module
        Gives what was stored.
    """
    stored_shape(stored, name)
    return Recall(name)


class Film(Conditioned):
    """Feature-wise affine map: scale and shift of every channel are read from a vector; at first the identity.

    Parameters
    ----------
    uses : str
        Name of the vector.
    condition_dim : int
        Dimension of the vector.
    channels : int
        Channels of a map, dimension of a sequence or vector.

    References
    ----------
    Perez et al., "FiLM: visual reasoning with a general conditioning layer", AAAI 2018.
    """

    def __init__(self, uses: str, condition_dim: int, channels: int) -> None:
        super().__init__(uses)
        self.affine = nn.Linear(condition_dim, 2 * channels)
        nn.init.zeros_(self.affine.weight)
        with torch.no_grad():
            self.affine.bias.copy_(torch.cat([torch.ones(channels), torch.zeros(channels)]))

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Scale and shift.

        Parameters
        ----------
        x : Tensor
            A map, sequence or vector.
        condition : Tensor, shape=(batch, condition dim)
            A vector.

        Returns
        -------
        Tensor
            Same shape.
        """
        shape = {4: (-1, 1, 1), 3: (1, -1), 2: (-1,)}[x.ndim]
        scale, shift = (each.reshape(len(condition), *shape) for each in self.affine(condition).chunk(2, 1))
        result: Tensor = scale * x + shift
        return result


def condition_dim(stored: Mapping[str, Sequence[int]], name: str) -> int:
    """Read the dimension of a conditioning vector.

    Parameters
    ----------
    stored : mapping of str to sequence of int
        Shapes of what is stored or given.
    name : str
        Of the vector.

    Returns
    -------
    int
        Its dimension.

    Raises
    ------
    ValueError
        If there is none, or it is no vector.
    """
    shape = stored_shape(stored, name)
    if len(shape) != 2:
        raise ValueError(f"a condition is a vector [batch, dim], but {name!r} is {said(shape)}")
    return shape[1]


@BRICKS.register("film")
def film(inputs: Sequence[int], stored: Mapping[str, Sequence[int]], *, condition: str) -> nn.Module:
    """Scale and shift every channel by what a vector says; see `Film`.

    Parameters
    ----------
    inputs : sequence of int
        Shape of what comes in.
    stored : mapping of str to sequence of int
        Shapes of what is stored or given.
    condition : str
        Name of a stored or given vector.

    Returns
    -------
    Module
        Same kind of tensor.
    """
    return Film(condition, condition_dim(stored, condition), inputs[1] if len(inputs) == 4 else inputs[-1])
