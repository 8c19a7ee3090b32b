"""Frechet audio distance: how far two Gaussians are apart that have the mean and covariance of the samples."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .samples import Array, Indices, as_pair, as_samples, halves


@dataclass(frozen=True)
class Gaussian:
    """Mean and covariance of samples, the covariance as a root, whose condition is the square root of its own.

    Parameters
    ----------
    mean : ndarray, shape=(dim,)
        Mean.
    root : ndarray, shape=(rows, dim)
        The covariance is ``root.T @ root``.
    """

    mean: Array
    root: Array

    @classmethod
    def fit(cls, samples: ArrayLike, *, name: str = "samples") -> Gaussian:
        """Take mean and unbiased covariance of samples.

        Parameters
        ----------
        samples : array_like, shape=(samples, dim)
            Vectors; a single one has no covariance.
        name : str
            What to call them in an error.

        Returns
        -------
        Gaussian
            Of these samples.

        Raises
        ------
        GlissandoError
            If there are none, or they hold NaN or infinite numbers.
        """
        vectors = as_samples(samples, name=name)
        mean: Array = vectors.mean(0)
        if len(vectors) == 1:
            return cls(mean, np.zeros((1, len(mean))))
        root: Array = np.linalg.qr((vectors - mean) / np.sqrt(len(vectors) - 1)).R
        return cls(mean, root)

    @property
    def covariance(self) -> Array:
        """Covariance, [dim, dim]."""
        found: Array = self.root.T @ self.root
        return found

    def distance(self, other: Gaussian) -> float:
        """Frechet distance between Gaussians, as it is usual without a last square root.

        Parameters
        ----------
        other : Gaussian
            Of the same dimension.

        Returns
        -------
        float
            Squared distance of the means, plus the traces of both covariances, less twice that of the root of their
            product. In squared units of the space.
        """
        # The root of A'A B'B has the singular values of A B' as its trace: no root of a matrix, nothing complex.
        shared = np.linalg.svd(self.root @ other.root.T, compute_uv=False).sum()
        spread = np.square(self.root).sum() + np.square(other.root).sum() - 2 * shared
        return float(np.square(self.mean - other.mean).sum() + max(0.0, spread))


def frechet_distance(generated: ArrayLike, reference: ArrayLike) -> float:
    """Frechet audio distance (FAD) between two sets of embeddings.

    It is biased: the fewer the samples, the larger, and by how much depends on the generator. Compare at equal numbers
    of samples, or use `frechet_at_infinity`.

    Parameters
    ----------
    generated, reference : array_like, shape=(samples, dim)
        Embeddings of one space. Warns if either has too few for a covariance of full rank.

    Returns
    -------
    float
        0 for equal means and covariances; in squared units of the space.

    Raises
    ------
    GlissandoError
        If the samples can't be compared, or are fewer than two.

    References
    ----------
    Kilgour et al., "Frechet audio distance: a reference-free metric for evaluating music enhancement algorithms",
    Interspeech 2019. Dowson & Landau, "The Frechet distance between multivariate normal distributions", Journal of
    Multivariate Analysis 1982.
    """
    ours, theirs = as_pair(generated, reference, least=2)
    for name, samples in (("generated", ours), ("reference", theirs)):
        count, dim = samples.shape
        if count <= dim:
            warnings.warn(
                f"{name}: {count} samples give no covariance of {dim} dimensions its full rank (at least {dim + 1} do, "
                "several times as many are better); the Frechet distance is mostly bias, use the kernel distance",
                stacklevel=2,
            )
    return Gaussian.fit(ours).distance(Gaussian.fit(theirs))


@dataclass(frozen=True)
class Extrapolated:
    """Frechet audio distance, what it comes to with any number of samples, and its standard error.

    Parameters
    ----------
    value : float
        Of all samples; see `frechet_distance`.
    infinity : float
        Without the bias of few samples; it may lie below 0.
    std : float
        Standard deviation over random halves: the standard error of the value.
    """

    value: float
    infinity: float
    std: float


def frechet_at_infinity(
    generated: ArrayLike,
    reference: ArrayLike,
    *,
    entries: tuple[Indices, Indices] | None = None,
    draws: int = 30,
    seed: int = 0,
) -> Extrapolated:
    """Extrapolate the Frechet audio distance to any number of samples, along its bias of one over their number.

    Unlike in the papers, both sets are halved and not the generated alone, so that the bias of a small reference goes,
    too; and as the bias is proportional to one over the number of samples, the whole and its halves make the line.

    Parameters
    ----------
    generated, reference : array_like, shape=(samples, dim)
        Embeddings of one space; warns as `frechet_distance`.
    entries : (ndarray of int, ndarray of int), optional
        Recording of every generated and of every reference sample, from 0; halves are of recordings. Each sample is its
        own if None.
    draws : int
        How many random halves.
    seed : int
        Of the draws.

    Returns
    -------
    Extrapolated
        Its ``infinity`` is twice the distance of all samples less the mean distance of halves.

    Raises
    ------
    GlissandoError
        If the samples can't be compared, or are fewer than four.

    References
    ----------
    Chong & Forsyth, "Effectively unbiased FID and Inception score and where to find them", CVPR 2020. Gui et al.,
    "Adapting Frechet audio distance for generative music evaluation", ICASSP 2024.
    """
    ours, theirs = as_pair(generated, reference, least=4)
    ours_of, theirs_of = entries or (np.arange(len(ours)), np.arange(len(theirs)))
    pairs = zip(halves(ours_of, draws, seed=seed), halves(theirs_of, draws, seed=seed + 1), strict=True)
    half = [Gaussian.fit(ours[one]).distance(Gaussian.fit(theirs[other])) for one, other in pairs]
    whole = frechet_distance(ours, theirs)
    return Extrapolated(whole, 2 * whole - float(np.mean(half)), float(np.std(half)))
