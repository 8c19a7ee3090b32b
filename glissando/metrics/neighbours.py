"""What the nearest neighbours of generated sounds tell: fidelity, variety, and whether training sounds were copied."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike

from .samples import Array, Indices, as_pair, as_samples

ROWS = 512  # of distances at once
CLOSE = 0.05  # share of the baseline that counts as close


@dataclass(frozen=True)
class Memorisation:
    """How near generated sounds come to training sounds, beside sounds that were not generated.

    Parameters
    ----------
    distances : ndarray, shape=(generated,)
        Of every generated sound to its nearest training sound, Euclidean.
    nearest : ndarray of int, shape=(generated,)
        Which one it is.
    baseline : ndarray, shape=(sounds,)
        The same distances of held-out sounds, or of every training sound to the nearest other.
    """

    distances: Array
    nearest: Indices
    baseline: Array

    @property
    def ratios(self) -> Array:
        """Distances over the median of the baseline: far below 1 is a copy."""
        found: Array = self.distances / max(float(np.median(self.baseline)), np.finfo(float).tiny)
        return found

    @property
    def nearer(self) -> float:
        """Probability that a generated sound lies nearer to training than one of the baseline does: 0.5 is as near."""
        ordered = np.sort(self.baseline)
        above = len(ordered) - np.searchsorted(ordered, self.distances, "right")
        level = np.searchsorted(ordered, self.distances, "right") - np.searchsorted(ordered, self.distances, "left")
        return float(np.mean(above + level / 2) / len(ordered))

    @property
    def copied(self) -> float:
        """Share of generated sounds that lie nearer to training than 95 % of the baseline; 0.05 are expected."""
        return float(np.mean(self.distances < np.quantile(self.baseline, CLOSE)))


def memorisation(generated: ArrayLike, training: ArrayLike, held_out: ArrayLike | None = None) -> Memorisation:
    """Compare how near generated sounds come to training sounds with how near others do.

    Parameters
    ----------
    generated, training : array_like, shape=(samples, dim)
        Embeddings of one space.
    held_out : array_like, shape=(samples, dim), optional
        Of sounds like the training's that trained nothing. Without them, every training sound is compared with the
        others, which misses copies where the training holds near-duplicates.

    Returns
    -------
    Memorisation
        Distances and what they are compared with.

    Raises
    ------
    GlissandoError
        If the samples can't be compared, or training sounds are fewer than two.

    References
    ----------
    Meehan, Chaudhuri & Dasgupta, "A non-parametric test to detect data-copying in generative models", AISTATS 2020.
    """
    ours, theirs = as_pair(generated, as_samples(training, name="training", least=2))
    distances, nearest = _nearest(ours, theirs, 1)
    if held_out is None:
        baseline = _nearest(theirs, theirs, 1, others=True)[0]
    else:
        baseline = _nearest(as_pair(held_out, theirs)[0], theirs, 1)[0]
    return Memorisation(distances[:, 0], nearest[:, 0], baseline[:, 0])


def manifold_scores(generated: ArrayLike, reference: ArrayLike, *, neighbours: int = 5) -> dict[str, float]:
    """Precision, recall, density and coverage, where every sample reaches as far as its k-th nearest of its own set.

    Parameters
    ----------
    generated, reference : array_like, shape=(samples, dim)
        Embeddings of one space.
    neighbours : int
        The k.

    Returns
    -------
    dict of str to float
        ``precision``: share of generated samples within reach of a reference sample. ``recall``: share of reference
        samples within reach of a generated one. ``density``: within reach of how many reference samples a generated one
        lies, over k; may be above 1. ``coverage``: share of reference samples that have a generated one within reach.

    Raises
    ------
    GlissandoError
        If the samples can't be compared, or are not more than k.

    References
    ----------
    Kynkäänniemi et al., "Improved precision and recall metric for assessing generative models", NeurIPS 2019. Naeem et
    al., "Reliable fidelity and diversity metrics for generative models", ICML 2020.
    """
    ours, theirs = as_pair(generated, reference, least=neighbours + 1)
    our_reach = _nearest(ours, ours, neighbours, others=True)[0][:, -1]
    reach = _nearest(theirs, theirs, neighbours, others=True)[0][:, -1]
    within, covered = np.zeros(len(ours)), np.zeros(len(theirs), bool)
    recalled = np.zeros(len(theirs), bool)
    for start in range(0, len(ours), ROWS):
        apart = _distances(ours[start : start + ROWS], theirs)
        inside = apart <= reach
        within[start : start + ROWS] = inside.sum(1)
        covered |= inside.any(0)
        recalled |= (apart <= our_reach[start : start + ROWS, None]).any(0)
    return {
        "precision": float((within > 0).mean()),
        "recall": float(recalled.mean()),
        "density": float(within.mean() / neighbours),
        "coverage": float(covered.mean()),
    }


def _nearest(x: Array, y: Array, count: int, *, others: bool = False) -> tuple[Array, Indices]:
    """Distances to the nearest of y and which they are, nearest first; of the others, if both are one set."""
    distances, indices = np.empty((len(x), count)), np.empty((len(x), count), np.int64)
    for start in range(0, len(x), ROWS):
        apart = _distances(x[start : start + ROWS], y)
        if others:
            rows = np.arange(len(apart))
            apart[rows, start + rows] = np.inf
        order = np.argsort(apart, 1, kind="stable")[:, :count]
        indices[start : start + ROWS] = order
        distances[start : start + ROWS] = np.take_along_axis(apart, order, 1)
    return distances, indices


def _distances(x: Array, y: Array) -> Array:
    """Euclidean, [x, y], by differences: products would lose what sets copies apart."""
    pair = torch.from_numpy(x), torch.from_numpy(y)
    found: Array = torch.cdist(*pair, compute_mode="donot_use_mm_for_euclid_dist").numpy()
    return found
