"""What two embeddings of the same recordings have in common."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ..errors import GlissandoError
from .samples import Array, as_samples

PENALTY = 1e-3  # of ridge regression, as a share of the mean variance of what is predicted from


def linear_cka(first: ArrayLike, second: ArrayLike) -> float:
    """Linear centred kernel alignment: whether recordings lie alike in two spaces, up to rotation and scale.

    Parameters
    ----------
    first, second : array_like, shape=(samples, dim)
        Embeddings of the same recordings; dimensions may differ.

    Returns
    -------
    float
        From 0 to 1. Of few samples in many dimensions it is far above 0 by chance.

    Raises
    ------
    GlissandoError
        If they are not of the same recordings, or one does not vary.

    References
    ----------
    Kornblith, Norouzi, Lee & Hinton, "Similarity of neural network representations revisited", ICML 2019.
    """
    x, y = (one - one.mean(0) for one in _paired(first, second, least=3))
    own = [float(np.linalg.norm(one.T @ one)) for one in (x, y)]
    if min(own) <= 1e-12:
        raise GlissandoError("an embedding that is the same for all recordings is like no other; leave it out")
    return float(np.linalg.norm(x.T @ y) ** 2 / (own[0] * own[1]))


def linear_predictability(
    source: ArrayLike, target: ArrayLike, *, folds: int = 5, penalty: float = PENALTY, seed: int = 0
) -> float:
    """How much of one embedding a linear map tells from another, on recordings that it was not fitted to.

    Parameters
    ----------
    source, target : array_like, shape=(samples, dim)
        Embeddings of the same recordings; dimensions may differ.
    folds : int
        Parts of the recordings, each of which is predicted by ridge regression on the others.
    penalty : float
        Of the regression, as a share of the mean variance of the source's dimensions.
    seed : int
        Of the parts.

    Returns
    -------
    float
        Share of the target's variance that is explained, all dimensions together: 1 is all of it, 0 no more than the
        mean tells; it may lie below.

    Raises
    ------
    GlissandoError
        If they are not of the same recordings, too few, or the target does not vary.
    """
    x, y = _paired(source, target, least=max(3, folds))
    if folds < 2 or penalty < 0:
        raise GlissandoError(f"{folds} folds, penalty {penalty:g}: at least 2 folds are needed, and a penalty from 0")
    total = float(np.square(y - y.mean(0)).sum())
    if total <= 1e-12:
        raise GlissandoError("an embedding that is the same for all recordings can't be predicted; leave it out")
    part = np.random.default_rng(seed).permutation(len(x)) % folds
    missed = sum(_missed(x[part != i], y[part != i], x[part == i], y[part == i], penalty) for i in range(folds))
    return 1 - missed / total


def _missed(x: Array, y: Array, asked: Array, wanted: Array, penalty: float) -> float:
    """Squared error of ridge regression."""
    middle, level = x.mean(0), y.mean(0)
    centred = x - middle
    gram = centred.T @ centred
    gram[np.diag_indices_from(gram)] += penalty * max(float(np.trace(gram)) / len(gram), 1e-12)
    weights = np.linalg.solve(gram, centred.T @ (y - level))
    return float(np.square(wanted - level - (asked - middle) @ weights).sum())


def _paired(first: ArrayLike, second: ArrayLike, *, least: int) -> tuple[Array, Array]:
    x, y = as_samples(first, name="first", least=least), as_samples(second, name="second", least=least)
    if len(x) != len(y):
        raise GlissandoError(f"{len(x)} and {len(y)} samples can't be compared; give the same recordings to both")
    return x, y
