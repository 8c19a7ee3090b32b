"""Inception score: whether generated sounds are told clearly, and differ."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ..errors import GlissandoError
from .samples import as_samples

SLACK = 1e-3  # by which probabilities may miss a sum of 1


def inception_score(probabilities: ArrayLike) -> float:
    """Inception score (IS) of class probabilities, over all samples at once.

    It knows nothing of the reference: a generator that repeats one sound per class reaches the most. With few samples
    it is too large for noise and too small for variety, since the mean is theirs.

    Parameters
    ----------
    probabilities : array_like, shape=(samples, classes)
        Of classes that exclude each other.

    Returns
    -------
    float
        From 1 (all samples alike, or none told clearly) to the number of classes.

    Raises
    ------
    GlissandoError
        If the rows are no probabilities of classes that exclude each other.

    References
    ----------
    Salimans et al., "Improved techniques for training GANs", NeurIPS 2016. Barratt & Sharma, "A note on the Inception
    score", 2018.
    """
    told = as_samples(probabilities, name="probabilities")
    if (told < 0).any() or (np.abs(told.sum(1) - 1) > SLACK).any():
        raise GlissandoError(
            "probabilities: they do not sum to 1 in every row; the inception score needs classes that exclude each "
            "other, not tags"
        )
    with np.errstate(divide="ignore", invalid="ignore"):
        surprise = np.where(told > 0, told * (np.log(told) - np.log(told.mean(0))), 0.0)
    return float(np.exp(surprise.sum(1).mean()))
