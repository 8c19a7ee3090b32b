"""Kernel distance (KID): how far two sets of samples are apart, without a Gaussian and without bias."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .samples import Array, as_pair

SUBSET = 1000  # samples, as published
DEGREE = 3


@dataclass(frozen=True)
class KernelDistance:
    """Kernel distance over random subsets.

    Parameters
    ----------
    value : float
        Mean over subsets; its expectation is 0 for samples of one distribution, so it may lie below 0.
    std : float
        Standard deviation over subsets. With halves as subsets, it is the standard error of a value of all samples.
    subset : int
        Samples of each set in a subset.
    """

    value: float
    std: float
    subset: int


def kernel_distance(
    generated: ArrayLike, reference: ArrayLike, *, subset: int | None = None, subsets: int = 100, seed: int = 0
) -> KernelDistance:
    """Kernel distance (KID): the unbiased squared maximum mean discrepancy by the kernel (x·y / dim + 1)³.

    Parameters
    ----------
    generated, reference : array_like, shape=(samples, dim)
        Embeddings of one space.
    subset : int, optional
        Samples of each set in a subset; half of the smaller set, but 1,000 at most, if None.
    subsets : int
        How many are drawn, without replacement within each.
    seed : int
        Of the draws.

    Returns
    -------
    KernelDistance
        Mean and standard deviation.

    Raises
    ------
    GlissandoError
        If the samples can't be compared, or are fewer than four or than a subset.

    References
    ----------
    Bińkowski et al., "Demystifying MMD GANs", ICLR 2018. Gretton et al., "A kernel two-sample test", JMLR 2012.
    """
    ours, theirs = as_pair(generated, reference, least=max(4, subset or 0))
    size = subset or min(SUBSET, min(len(ours), len(theirs)) // 2)
    rng = np.random.default_rng(seed)
    found = [
        mean_discrepancy(ours[rng.permutation(len(ours))[:size]], theirs[rng.permutation(len(theirs))[:size]])
        for _ in range(subsets)
    ]
    return KernelDistance(float(np.mean(found)), float(np.std(found)), size)


def mean_discrepancy(generated: ArrayLike, reference: ArrayLike) -> float:
    """Unbiased squared maximum mean discrepancy of all samples at once; the kernel is that of `kernel_distance`.

    Parameters
    ----------
    generated, reference : array_like, shape=(samples, dim)
        Embeddings of one space.

    Returns
    -------
    float
        Mean similarity within both sets, without that of a sample to itself, less twice that between them.

    Raises
    ------
    GlissandoError
        If the samples can't be compared, or are fewer than two.
    """
    ours, theirs = as_pair(generated, reference, least=2)
    return _within(ours) + _within(theirs) - 2 * float(_kernel(ours, theirs).mean())


def _within(samples: Array) -> float:
    count = len(samples)
    similar = _kernel(samples, samples)
    return float((similar.sum() - np.trace(similar)) / (count * (count - 1)))


def _kernel(x: Array, y: Array) -> Array:
    found: Array = (x @ y.T / x.shape[1] + 1) ** DEGREE
    return found
