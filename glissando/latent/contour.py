"""The tempo contour of an embedding: its translations to all tempi, as a curve through its space."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce

import numpy as np
import torch
from numpy.typing import NDArray

from .tempo import Transform

FACTORS: NDArray[np.float64] = 2 ** np.linspace(-1, 1, 49)  # of tempo; a step is a bin of gliss-tempo
CHUNK = 2048  # rows, so that their similarities to all points stay in a core's cache
FLAT = 1e-6  # squared sine of an arc below which it is a point

Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class Contour:
    """A curve of unit vectors, made of the arcs between its points.

    For `ShiftTranslator`, which moves linearly between whole bins, arcs a bin long or shorter are the curve itself.

    Parameters
    ----------
    factors : ndarray, shape=(n,)
        Tempo over that of the embedding, increasing.
    points : ndarray, shape=(n, dim)
        The embedding at these tempi.

    References
    ----------
    McCallum, Henkel, Kim, Sandberg & Davies, "Similar but Faster: Manipulation of Tempo in Music Audio Embeddings for
    Tempo Prediction and Search", arXiv 2401.08902.
    """

    factors: NDArray[np.float64]
    points: Vectors

    def nearest(self, rows: Vectors) -> tuple[Vectors, Vectors]:
        """Find for each row where the curve comes nearest to it.

        Parameters
        ----------
        rows : ndarray, shape=(rows, dim)
            Unit vectors; NaN where there is none.

        Returns
        -------
        similarities : ndarray, shape=(rows,)
            Cosine similarity with the nearest point; NaN for rows without a vector.
        factors : ndarray, shape=(rows,)
            Tempo factor of that point; NaN likewise, and for silence.
        """
        similarities, factors = nearest({"": self}, {"": rows}, {"": 1.0})
        return similarities[""], factors


def translations(transform: Transform, z: Vectors, factors: NDArray[np.float64] = FACTORS) -> Vectors:
    """Translate embeddings to many tempi.

    Parameters
    ----------
    transform : Transform
        Takes ``tempo_ratio``, also of several tempi at once.
    z : ndarray, shape=(..., dim)
        Embeddings in its space.
    factors : ndarray, shape=(n,)
        Wanted tempi over the present one.

    Returns
    -------
    ndarray, shape=(n, ..., dim)
        The translations.
    """
    given = torch.from_numpy(np.array(z, np.float32))
    ratios = torch.tensor(factors, dtype=given.dtype).reshape(-1, *[1] * (given.ndim - 1))
    with torch.inference_mode():
        translated: Vectors = transform(given.expand(len(factors), *given.shape), tempo_ratio=ratios).numpy()
    return translated


def nearest(
    contours: Mapping[str, Contour], rows: Mapping[str, Vectors], weights: Mapping[str, float]
) -> tuple[dict[str, Vectors], Vectors]:
    """Find for each row the one factor at which the weighted sum of its similarities to several contours is largest.

    Parameters
    ----------
    contours : mapping of str to Contour
        A curve for every block that moves with the tempo, all with the same factors.
    rows : mapping of str to ndarray, shape=(rows, dim)
        Unit vectors in these blocks; NaN where a row has none.
    weights : mapping of str to float
        Of the blocks.

    Returns
    -------
    similarities : dict of str to ndarray, shape=(rows,)
        Block to cosine similarity at that factor; NaN where a row has no vector.
    factors : ndarray, shape=(rows,)
        NaN for rows without any of the vectors, and of silence.

    Notes
    -----
    Several blocks are joined as one curve on one sphere. Between the points that is not exact where one bends more than
    another: a sum may be a few hundredths below the largest.
    """
    count = len(next(iter(rows.values())))
    parts = [
        _nearest(contours, {block: vectors[at : at + CHUNK] for block, vectors in rows.items()}, weights)
        for at in range(0, max(count, 1), CHUNK)
    ]
    similarities = {block: np.concatenate([found[block] for found, _ in parts]) for block in contours}
    return similarities, np.concatenate([factors for _, factors in parts])


def _nearest(
    contours: Mapping[str, Contour], rows: Mapping[str, Vectors], weights: Mapping[str, float]
) -> tuple[dict[str, Vectors], Vectors]:
    at_points = {block: rows[block] @ contour.points.T for block, contour in contours.items()}
    lacking = {block: np.isnan(dots[:, 0]) for block, dots in at_points.items()}
    for block, dots in at_points.items():
        dots[lacking[block]] = 0
    total = sum(weights[block] for block in contours)
    shares = {block: np.float32(weights[block] / total) for block in contours}
    bends = {block: np.sum(c.points[:-1] * c.points[1:], axis=1) for block, c in contours.items()}
    joined, bend = (reduce(np.add, [shares[name] * of[name] for name in contours]) for of in (at_points, bends))
    arc, left, right = _on_arcs(joined, bend)
    similarities, each = {}, np.arange(len(arc))
    silent = np.ones(len(arc), bool)
    for block, dots in at_points.items():
        a, b = dots[each, arc], dots[each, arc + 1]
        length = np.sqrt(left**2 + right**2 + 2 * left * right * bends[block][arc])
        similarity = (left * a + right * b) / np.maximum(length, np.float32(FLAT))
        similarities[block] = np.where(lacking[block], np.float32(np.nan), similarity)
        silent &= (a == 0) & (b == 0)
    steps = np.log(next(iter(contours.values())).factors)
    factors = np.exp(steps[arc] + right * (steps[arc + 1] - steps[arc])).astype(np.float32)
    factors[silent] = np.nan
    return similarities, factors


def _on_arcs(dots: Vectors, bend: Vectors) -> tuple[NDArray[np.int64], Vectors, Vectors]:
    """Find the arc that holds the nearest point, and the shares (of sum 1) of its two ends in that point.

    ``dots`` are similarities to the ends of the arcs, ``bend`` the cosines of their lengths. The projection of a row on
    the plane of an arc is the nearest point if it lies between the ends; otherwise the nearer end is.
    """
    highest = dots.max(axis=1)
    rise = np.sqrt(2 / max(1 + bend.min(), FLAT))  # of an arc over its higher end, at most
    near = dots >= np.minimum(highest, highest / rise)[:, None]
    row, arc = np.divmod(np.flatnonzero(near[:, :-1] | near[:, 1:]), len(bend))  # the only arcs that can hold it
    a, b, bend = dots[row, arc], dots[row, arc + 1], bend[arc]
    left, right = a - bend * b, b - bend * a
    curved = 1 - bend**2
    inside = (left > 0) & (right > 0) & (curved > FLAT)
    squared = (a * left + b * right) / np.maximum(curved, FLAT)
    heights = np.where(inside, np.sqrt(np.maximum(squared, 0)), np.maximum(a, b))
    starts = np.flatnonzero(np.diff(row, prepend=-1))
    tops = np.repeat(np.maximum.reduceat(heights, starts), np.diff(starts, append=len(row)))
    best = np.flatnonzero(heights == tops)
    best = best[np.diff(row[best], prepend=-1) > 0]
    a, b, left, right, inside = a[best], b[best], left[best], right[best], inside[best]
    share = np.where(inside, right / np.where(inside, left + right, 1), a < b)
    return arc[best], (1 - share).astype(np.float32), share.astype(np.float32)
