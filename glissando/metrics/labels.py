"""Metrics of labels over a whole set, each with the interval of resampled recordings."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

DRAWS = 1000  # resamples
STEPS = 4096  # of scores

Array = NDArray[np.float64]
Truth = NDArray[np.bool_]


def label_metrics(
    truth: Truth,
    scores: Array,
    chosen: Truth,
    *,
    entries: NDArray[np.int64] | None = None,
    exclusive: bool,
    draws: int = DRAWS,
) -> dict[str, dict[str, float]]:
    """Score labels of many examples together.

    Classes of which the truth holds no example are left out of macro means.

    Parameters
    ----------
    truth : ndarray of bool, shape=(examples, classes)
        What holds.
    scores : ndarray, shape=(examples, classes)
        Higher where it is more probable.
    chosen : ndarray of bool, shape=(examples, classes)
        What was decided.
    entries : ndarray of int, shape=(examples,), optional
        Recording of every example, from 0; intervals resample recordings. Each is its own if None.
    exclusive : bool
        One class an example: there is an accuracy.
    draws : int
        Resamples.

    Returns
    -------
    dict of str to dict
        ``mean``, ``low``, ``high`` (95 %, the bias of resamples taken off) and ``n`` (recordings) by name: accuracy (if
        exclusive), macro AUC, micro AUC (areas under the ROC curve), mAP, macro recall, macro F, micro F; without those
        that are undefined because everything holds, or nothing.

    References
    ----------
    Fawcett, "An introduction to ROC analysis", Pattern Recognition Letters 2006; definitions as in scikit-learn.
    """
    if entries is None:
        entries = np.arange(len(truth))
    held = truth.any(0)
    truth, scores, chosen = truth[:, held], scores[:, held], chosen[:, held]
    weights = _resamples(int(entries.max()) + 1, draws)
    each = np.array([rank_areas(truth[:, k], scores[:, k], weights, entries) for k in range(truth.shape[1])])
    every = np.repeat(entries, truth.shape[1])
    found = {
        "macro AUC": _over(each[:, 0]),
        "micro AUC": rank_areas(truth.ravel(), scores.ravel(), weights, every)[0],
        "mAP": _over(each[:, 1]),
    }
    of_entry = [_per_entry(one, entries, weights) for one in (truth & chosen, truth, chosen)]
    hits, there, told = of_entry  # [resamples, classes]
    with np.errstate(invalid="ignore", divide="ignore"):
        found["macro recall"] = _over((hits / there).T)
        found["macro F"] = _over(np.where(there > 0, 2 * hits / (there + told), np.nan).T)
        found["micro F"] = 2 * hits.sum(1) / (there.sum(1) + told.sum(1))
    if exclusive:
        right: Truth = np.asarray((truth & chosen).any(1))[:, None]
        total = _per_entry(np.ones_like(right), entries, weights)
        found = {"accuracy": (_per_entry(right, entries, weights) / total)[:, 0], **found}
    summed = {name: _summary(values, weights.shape[1]) for name, values in found.items() if np.isfinite(values[0])}
    return {name: {**one, "low": max(0.0, one["low"]), "high": min(1.0, one["high"])} for name, one in summed.items()}


def rank_areas(truth: Truth, scores: Array, weights: Array, entries: NDArray[np.int64]) -> tuple[Array, Array]:
    """Compute the area under the ROC curve and average precision for many weightings of the same examples.

    Parameters
    ----------
    truth : ndarray of bool, shape=(examples,)
        What holds.
    scores : ndarray, shape=(examples,)
        Higher where it is more probable; equal ones are taken together, of more than 4,096 also neighbours.
    weights : ndarray, shape=(weightings, entries)
        Of recordings.
    entries : ndarray of int, shape=(examples,)
        Recording of every example.

    Returns
    -------
    areas : ndarray, shape=(weightings,)
        Under the ROC curve; NaN where only one kind of example has a weight.
    precisions : ndarray, shape=(weightings,)
        Average precision; NaN where nothing holds.
    """
    distinct, step = np.unique(-scores, return_inverse=True)
    steps = min(len(distinct), STEPS)
    counts = np.zeros((2, weights.shape[1], steps), np.float32)
    np.add.at(counts, (truth.astype(np.int64), entries, step * steps // len(distinct)), 1)
    wrong, right = ((weights.astype(np.float32) @ one).astype(np.float64) for one in counts)
    misses, hits = wrong.cumsum(1), right.cumsum(1)
    with np.errstate(invalid="ignore", divide="ignore"):
        areas = (wrong * (hits - right / 2)).sum(1) / (hits[:, -1] * misses[:, -1])
        reached = np.where(right > 0, right * hits / (hits + misses), 0.0)
        precisions = np.where(hits[:, -1] > 0, reached.sum(1) / hits[:, -1], np.nan)
    return areas, precisions


def weighted_mean(values: Array, durations: Array) -> dict[str, float]:
    """Average over recordings by their durations, as chord recognition is scored.

    Parameters
    ----------
    values : ndarray, shape=(entries,)
        Of a metric.
    durations : ndarray, shape=(entries,)
        Weights, in seconds.

    Returns
    -------
    dict of str to float
        ``mean``, ``low``, ``high`` (95 %, recordings resampled) and ``n``.
    """
    weights = _resamples(len(values)) * durations
    return _summary(weights @ values / weights.sum(1), len(values))


def _resamples(entries: int, draws: int = DRAWS) -> Array:
    """How often every entry is drawn; the first row has each once."""
    drawn = np.random.default_rng(0).multinomial(entries, np.full(entries, 1 / entries), size=draws)
    return np.concatenate([np.ones((1, entries)), drawn])


def _per_entry(held: Truth, entries: NDArray[np.int64], weights: Array) -> Array:
    """Count by entry and class, and weigh: [resamples, classes]."""
    counts = np.zeros((weights.shape[1], held.shape[1]))
    np.add.at(counts, entries, held)
    found: Array = weights @ counts
    return found


def _over(each: Array) -> Array:
    """Mean over classes, [classes, resamples], of those that were drawn."""
    known = np.isfinite(each)
    with np.errstate(invalid="ignore"):
        found: Array = np.where(known, each, 0).sum(0) / known.sum(0)
    return found


def _summary(values: Array, entries: int) -> dict[str, float]:
    """Summarise resamples, the first of which has every entry once."""
    mean, drawn = values[0], values[1:]
    shift = mean - np.nanmean(drawn)  # resamples lose rare classes and repeat others, which raises average precision
    low, high = np.nanpercentile(drawn, [2.5, 97.5]) + shift
    return {"mean": float(mean), "low": float(low), "high": float(high), "n": entries}
