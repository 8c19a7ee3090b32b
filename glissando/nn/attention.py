"""Attention of sequences, rotary positions, and the past of a sequence that goes on."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def waves(positions: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """Sines and cosines of positions at wavelengths from 2 pi to 20,000 pi.

    Parameters
    ----------
    positions : Tensor, shape=(...)
        Frames, or anything that should be told apart as finely as frames are.
    dim : int
        Twice the number of wavelengths.

    Returns
    -------
    Tensor, Tensor
        Sines and cosines, shape=(..., dim / 2).
    """
    rates = 10_000.0 ** (torch.arange(0, dim, 2, device=positions.device, dtype=torch.float32) / -dim)
    angles = positions.float()[..., None] * rates
    return angles.sin(), angles.cos()


def sinusoids(frames: int, dim: int, *, device: torch.device | None = None, first: int = 0) -> tuple[Tensor, Tensor]:
    """Sines and cosines of the positions of frames; see `waves`.

    Parameters
    ----------
    frames : int
        How many positions.
    dim : int
        Twice the number of wavelengths.
    device : device, optional
        Where to compute.
    first : int
        First position.

    Returns
    -------
    Tensor, Tensor
        Sines and cosines, shape=(frames, dim / 2).
    """
    return waves(torch.arange(first, first + frames, device=device), dim)


def rotate(x: Tensor, sines: Tensor, cosines: Tensor) -> Tensor:
    """Rotate pairs of dimensions by angles that grow with the position, so that products know only distances.

    Parameters
    ----------
    x : Tensor, shape=(..., frames, dim)
        Queries or keys.
    sines, cosines : Tensor, shape=(frames, dim / 2)
        See `sinusoids`.

    Returns
    -------
    Tensor, shape=(..., frames, dim)
        Rotated.

    References
    ----------
    Su et al., "RoFormer: enhanced transformer with rotary position embedding", 2021.
    """
    first, second = x.chunk(2, -1)
    sines, cosines = sines.to(x.dtype), cosines.to(x.dtype)
    return torch.cat([first * cosines - second * sines, second * cosines + first * sines], -1)


class Past:
    """Keys and values of what a causal transformer has seen, so that a sequence can go on without being seen again."""

    def __init__(self) -> None:
        self.frames = 0
        self._held: dict[nn.Module, tuple[Tensor, Tensor]] = {}

    def join(self, layer: nn.Module, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Put keys and values of a layer behind those it had.

        Parameters
        ----------
        layer : Module
            Whose they are.
        key, value : Tensor, shape=(batch, heads, frames, dim)
            The new ones.

        Returns
        -------
        Tensor, Tensor
            All of them.
        """
        if layer in self._held:
            keys, values = self._held[layer]
            key, value = torch.cat([keys, key], 2), torch.cat([values, value], 2)
        self._held[layer] = key, value
        return key, value


class Attention(nn.Module):
    """Attention of one sequence to itself or to another.

    Parameters
    ----------
    dim : int
        Of the sequence.
    heads : int
        Must divide it, unless the dimension of a head is told.
    dropout : float
        Probability of a weight to be dropped.
    context_dim : int, optional
        Dimension of the other sequence.
    head_dim : int, optional
        Dimension of a head; the dimension over heads if None.
    """

    def __init__(
        self, dim: int, heads: int, dropout: float, context_dim: int | None = None, *, head_dim: int | None = None
    ) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        inner = dim if head_dim is None else heads * head_dim
        self.query = nn.Linear(dim, inner, bias=False)
        self.key_value = nn.Linear(context_dim or dim, 2 * inner, bias=False)
        self.output = nn.Linear(inner, dim, bias=False)

    def forward(
        self,
        x: Tensor,
        context: Tensor | None = None,
        *,
        mask: Tensor | None = None,
        causal: bool = False,
        rotation: tuple[Tensor, Tensor] | None = None,
        past: Past | None = None,
    ) -> Tensor:
        """Attend.

        Parameters
        ----------
        x : Tensor, shape=(batch, frames, dim)
            What asks.
        context : Tensor, optional, shape=(batch, any frames, context dim)
            What is asked; without it, the sequence itself.
        mask : Tensor, optional, shape=(heads, frames, any frames)
            Added to the products; of bool, what is seen.
        causal : bool
            See only the past; not together with a mask.
        rotation : tuple of Tensor, optional
            Sines and cosines for `rotate`.
        past : Past, optional
            What came before, which is asked, too; the sequence is added to it.

        Returns
        -------
        Tensor, shape=(batch, frames, dim)
            Answers.
        """
        query = self._split(self.query(x))
        key, value = map(self._split, self.key_value(x if context is None else context).chunk(2, -1))
        if rotation is not None:
            query, key = rotate(query, *rotation), rotate(key, *rotation)
        if past is not None:
            key, value = past.join(self, key, value)
        answers = F.scaled_dot_product_attention(
            query, key, value, attn_mask=mask, dropout_p=self.dropout if self.training else 0.0, is_causal=causal
        )
        result: Tensor = self.output(answers.transpose(1, 2).flatten(2))
        return result

    def _split(self, x: Tensor) -> Tensor:
        return x.reshape(*x.shape[:2], self.heads, -1).transpose(1, 2)
