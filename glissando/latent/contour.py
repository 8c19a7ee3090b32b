"""The tempo contour of an embedding: its translations to all tempi, as a curve through its space."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from .tempo import Transform

FACTORS: NDArray[np.float64] = 2 ** np.linspace(-1, 1, 25)  # of tempo; a step is nearly a bin of the rhythm block
FLAT = 1e-6  # squared sine of an arc below which it is a point

Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class Contour:
    """A curve of unit vectors, made of the arcs between its points.

    For `ShiftTranslator`, which moves linearly between whole bins, arcs a bin long are the curve itself.

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
    at_points = {block: rows[block] @ contour.points.T for block, contour in contours.items()}
    bends = {block: np.sum(c.points[:-1] * c.points[1:], axis=1) for block, c in contours.items()}
    dots = sum(np.float32(weights[block]) * np.nan_to_num(dot) for block, dot in at_points.items())
    bend = sum(weights[block] * bends[block] for block in contours) / sum(weights[block] for block in contours)
    arc, left, right = _on_arcs(dots, np.asarray(bend, np.float32))
    similarities = {}
    for block, dot in at_points.items():
        a, b = (np.take_along_axis(dot, at[:, None], axis=1)[:, 0] for at in (arc, arc + 1))
        length = np.sqrt(left**2 + right**2 + 2 * left * right * bends[block][arc])
        similarities[block] = (left * a + right * b) / np.maximum(length, np.float32(FLAT))
    steps = np.log(next(iter(contours.values())).factors)
    factors = np.exp(steps[arc] + right * (steps[arc + 1] - steps[arc])).astype(np.float32)
    factors[~np.any(dots, axis=1)] = np.nan
    return similarities, factors


def _on_arcs(dots: Vectors, bend: Vectors) -> tuple[NDArray[np.int64], Vectors, Vectors]:
    """Find the arc that holds the nearest point, and the shares (of sum 1) of its two ends in that point.

    ``dots`` are similarities to the ends of the arcs, ``bend`` the cosines of their lengths. The projection of a row on
    the plane of an arc is the nearest point if it lies between the ends; otherwise the nearer end is.
    """
    a, b = dots[:, :-1], dots[:, 1:]
    left, right = a - bend * b, b - bend * a
    curved = 1 - bend**2
    inside = (left > 0) & (right > 0) & (curved > FLAT)
    squared = (a * left + b * right) / np.maximum(curved, FLAT)
    heights = np.where(inside, np.sqrt(np.maximum(squared, 0)), np.maximum(a, b))
    arc = np.argmax(heights, axis=1)
    each = np.arange(len(arc))
    left, right, inside = left[each, arc], right[each, arc], inside[each, arc]
    first = (a[each, arc] >= b[each, arc]).astype(np.float32)
    share = np.where(inside, right / np.where(inside, left + right, 1), 1 - first)
    return arc, (1 - share).astype(np.float32), share.astype(np.float32)
