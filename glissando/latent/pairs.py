"""Clips at several tempi, and how well a translation takes one to the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from .tempo import Transform

Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class Pairs:
    """Clips, each embedded at several tempi.

    Parameters
    ----------
    vectors : ndarray, shape=(clips, factors, dim)
        Unit vectors.
    factors : ndarray, shape=(factors,)
        Tempo over that of the original.
    groups : sequence of str
        What a clip belongs to, and never lies on both sides of a split: song, game.
    """

    vectors: Vectors
    factors: NDArray[np.float64]
    groups: Sequence[str]

    @property
    def original(self) -> int:
        """Which of the factors is 1."""
        return int(np.argmin(np.abs(self.factors - 1)))

    def part(self, chosen: NDArray[np.bool_]) -> Pairs:
        """Take some of the clips.

        Parameters
        ----------
        chosen : ndarray of bool, shape=(clips,)
            Which.

        Returns
        -------
        Pairs
            Those.
        """
        groups = [group for group, kept in zip(self.groups, chosen, strict=True) if kept]
        return Pairs(self.vectors[chosen], self.factors, groups)


def check_apart(pairs: Pairs, valid: Pairs) -> None:
    """Refuse clips of one group on both sides.

    Parameters
    ----------
    pairs, valid : Pairs
        To learn from, and to choose by.

    Raises
    ------
    ValueError
        Naming the group.
    """
    shared = {*pairs.groups} & {*valid.groups}
    if shared:
        raise ValueError(f"{min(shared)} is among the clips to learn from and among those to choose by")


@torch.inference_mode()
def translated(translator: Transform, pairs: Pairs) -> Vectors:
    """Translate the originals to every factor.

    Parameters
    ----------
    translator : Transform
        Takes ``tempo_ratio``.
    pairs : Pairs
        With the factor 1 among its own.

    Returns
    -------
    ndarray, shape=(clips, factors, dim)
        What the translation takes their vectors for.
    """
    originals = torch.from_numpy(pairs.vectors[:, pairs.original])
    each = [translator(originals, tempo_ratio=float(factor)) for factor in pairs.factors]
    found: Vectors = torch.stack(each, 1).numpy()
    return found


def similarity(translator: Transform, pairs: Pairs) -> float:
    """Mean cosine similarity between what originals are translated to and what the clips are at those factors.

    Parameters
    ----------
    translator : Transform
        Takes ``tempo_ratio``.
    pairs : Pairs
        With the factor 1 among its own.

    Returns
    -------
    float
        Over clips and all factors but 1.
    """
    cosines = (translated(translator, pairs) * pairs.vectors).sum(-1)
    return float(np.delete(cosines, pairs.original, axis=1).mean())


def retrieval(translator: Transform, pairs: Pairs) -> tuple[float, float]:
    """Tell how often the nearest of all clips at all factors is the wanted one.

    Parameters
    ----------
    translator : Transform
        Takes ``tempo_ratio``.
    pairs : Pairs
        With the factor 1 among its own.

    Returns
    -------
    clip : float
        Share of translated originals whose nearest, among all clips at the wanted factor, is the clip itself.
    version : float
        Share of those whose nearest, among all clips at all factors, is the clip itself at the wanted factor.
    """
    guesses, (clips, factors, dim) = translated(translator, pairs), pairs.vectors.shape
    gallery = pairs.vectors.reshape(-1, dim)
    right = np.zeros((2, factors))
    for i in range(factors):
        right[0, i] = np.mean((guesses[:, i] @ pairs.vectors[:, i].T).argmax(1) == np.arange(clips))
        right[1, i] = np.mean((guesses[:, i] @ gallery.T).argmax(1) == np.arange(clips) * factors + i)
    clip, version = np.delete(right, pairs.original, axis=1).mean(1)
    return float(clip), float(version)
