"""Tempo accuracy."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

OCTAVES = (1 / 3, 1 / 2, 1.0, 2.0, 3.0)


def tempo_hit(
    estimate: ArrayLike, reference: ArrayLike, *, tolerance: float = 0.04, octaves: bool = False
) -> NDArray[np.bool_]:
    """Tell which tempi are right.

    Parameters
    ----------
    estimate, reference : array_like
        In BPM, of shapes that broadcast.
    tolerance : float
        Share of the reference by which the estimate may differ.
    octaves : bool
        Also accept 1/3, 1/2, 2 and 3 times the reference (accuracy 2).

    Returns
    -------
    ndarray of bool
        True where right.

    References
    ----------
    Gouyon et al., "An experimental comparison of audio tempo induction algorithms", IEEE TASLP 2006.
    """
    found, wanted = np.asarray(estimate, float), np.asarray(reference, float)
    levels = OCTAVES if octaves else (1.0,)
    near = [np.abs(found - level * wanted) <= tolerance * level * wanted for level in levels]
    right: NDArray[np.bool_] = np.logical_or.reduce(near)
    return right
