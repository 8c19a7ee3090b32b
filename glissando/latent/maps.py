"""Project embeddings to the plane or to space, and find a place there for more of them."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError

Method = Literal["umap", "pca"]
NEAREST = 5  # known vectors that tell where another one belongs
BATCH = 1024  # vectors that are compared at once


def project(
    vectors: NDArray[np.float32], *, method: Method = "umap", dims: int = 2, seed: int = 0
) -> NDArray[np.float32]:
    """Project vectors to few dimensions, so that neighbours stay near.

    Parameters
    ----------
    vectors : ndarray, shape=(rows, dim)
        At least two.
    method : {"umap", "pca"}
        UMAP on cosine distance (needs the extra ``maps``), or the first principal components.
    dims : int
        To how many.
    seed : int
        For UMAP.

    Returns
    -------
    ndarray, shape=(rows, dims)
        Each axis scaled to 0..1.

    Raises
    ------
    ModelError
        If UMAP isn't installed.

    References
    ----------
    McInnes, Healy & Melville, "UMAP", 2018.
    """
    if method == "pca" or len(vectors) < 5:  # UMAP needs neighbours
        centred = vectors - vectors.mean(0)
        left, scale, _ = np.linalg.svd(centred, full_matrices=False)
        flat = np.zeros((len(vectors), dims))
        flat[:, : min(dims, len(scale))] = (left * scale)[:, :dims]
    else:
        try:
            from umap import UMAP
        except ImportError as error:
            raise ModelError('maps need the extra "maps"; install it with: pip install "glissando[maps]"') from error
        near = min(15, len(vectors) - 1)
        model = UMAP(near, n_components=dims, min_dist=0.15, metric="cosine", random_state=seed, n_jobs=1)
        flat = model.fit_transform(vectors)
    spread = np.ptp(flat, axis=0)
    scaled: NDArray[np.float32] = ((flat - flat.min(0)) / np.where(spread > 0, spread, 1)).astype(np.float32)
    return scaled


def place(
    vectors: NDArray[np.float32], known: NDArray[np.float32], points: NDArray[np.float32], *, method: Method = "umap"
) -> NDArray[np.float32]:
    """Find places in a projection for vectors that were not part of it; nothing that was moves.

    Parameters
    ----------
    vectors : ndarray, shape=(rows, dim)
        The others.
    known : ndarray, shape=(known, dim)
        What was projected, at least one.
    points : ndarray, shape=(known, dims)
        Where to, by `project`.
    method : {"umap", "pca"}
        How. Of principal components, the linear map that they are; else the mean of the five nearest by cosine, each
        weighted by how near it is, as UMAP begins with what it did not learn from.

    Returns
    -------
    ndarray, shape=(rows, dims)
        Within 0..1, at the edge if it lies outside.
    """
    if method == "pca":
        centre, origin = known.mean(0, dtype=np.float64), points.mean(0, dtype=np.float64)
        axes = np.linalg.lstsq(known - centre, points - origin, rcond=1e-6)[0]
        inside: NDArray[np.float32] = np.clip((vectors - centre) @ axes + origin, 0, 1).astype(np.float32)
        return inside
    found = np.zeros((len(vectors), points.shape[1]), np.float32)
    for first in range(0, len(vectors), BATCH):
        order, similarity = neighbours(vectors[first : first + BATCH], known, NEAREST)
        weights = 1 / (1 - similarity + 1e-3)
        near = np.einsum("nk,nkd->nd", weights / weights.sum(1, keepdims=True), points[order])
        found[first : first + BATCH] = near
    return found


def neighbours(
    vectors: NDArray[np.float32], known: NDArray[np.float32], k: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Find nearest neighbours, exactly.

    Parameters
    ----------
    vectors : ndarray, shape=(rows, dim)
        Whose; not so many that their products with all others are too large.
    known : ndarray, shape=(known, dim)
        Among which.
    k : int
        How many; all, if there are fewer.

    Returns
    -------
    rows : ndarray, shape=(rows, k)
        Of ``known``, nearest first.
    similarity : ndarray, shape=(rows, k)
        Cosine.
    """
    near = _unit(vectors) @ _unit(known).T
    k = min(k, len(known))
    some = np.argpartition(-near, k - 1, axis=1)[:, :k]
    values = np.take_along_axis(near, some, 1)
    order = np.argsort(-values, axis=1, kind="stable")
    rows: NDArray[np.int64] = np.take_along_axis(some, order, 1)
    return rows, np.take_along_axis(values, order, 1).astype(np.float32)


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    found: NDArray[np.float32] = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return found
