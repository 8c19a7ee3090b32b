"""Samples as the metrics of generated audio take them: one vector each, in double precision."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import GlissandoError

Array = NDArray[np.float64]
Indices = NDArray[np.int64]


def as_samples(vectors: ArrayLike, *, name: str, least: int = 1) -> Array:
    """Check vectors of samples.

    Parameters
    ----------
    vectors : array_like, shape=(samples, dim)
        One vector a sample.
    name : str
        What to call them in an error.
    least : int
        How many there must be.

    Returns
    -------
    ndarray, shape=(samples, dim)
        Double precision.

    Raises
    ------
    GlissandoError
        If their shape is another, they are too few, or hold NaN or infinite numbers.
    """
    found = np.asarray(vectors, np.float64)
    if found.ndim != 2 or not found.shape[1]:
        raise GlissandoError(f"{name}: shape {found.shape} is not (samples, dim); give one vector a sample")
    if len(found) < least:
        raise GlissandoError(f"{name}: {len(found)} samples are too few; at least {least} are needed")
    if not np.isfinite(found).all():
        raise GlissandoError(f"{name}: holds NaN or infinite numbers; leave those samples out")
    return found


def as_pair(generated: ArrayLike, reference: ArrayLike, *, least: int = 1) -> tuple[Array, Array]:
    """Check two sets of samples that are to be compared.

    Parameters
    ----------
    generated, reference : array_like, shape=(samples, dim)
        Of one space.
    least : int
        How many there must be of each.

    Returns
    -------
    ndarray, ndarray
        Double precision.

    Raises
    ------
    GlissandoError
        As `as_samples`, and if their dimensions differ.
    """
    ours = as_samples(generated, name="generated", least=least)
    theirs = as_samples(reference, name="reference", least=least)
    if ours.shape[1] != theirs.shape[1]:
        raise GlissandoError(
            f"generated has {ours.shape[1]} dimensions and reference {theirs.shape[1]}; embed both by one encoder"
        )
    return ours, theirs


def halves(entries: Indices, draws: int, *, seed: int) -> list[Indices]:
    """Draw random halves of recordings: a score's standard deviation over them is its standard error over all.

    Parameters
    ----------
    entries : ndarray of int, shape=(samples,)
        Recording of every sample, from 0.
    draws : int
        How many halves.
    seed : int
        Of the draws.

    Returns
    -------
    list of ndarray
        Indices of samples, whose recordings are in the half.

    References
    ----------
    Shao & Wu, "A general theory for jackknife variance estimation", Annals of Statistics 1989.
    """
    count = int(entries.max()) + 1
    rng = np.random.default_rng([seed, count])
    return [np.flatnonzero(np.isin(entries, rng.permutation(count)[: count // 2])) for _ in range(draws)]
