"""Project embeddings to the plane."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError


def project(
    vectors: NDArray[np.float32], *, method: Literal["umap", "pca"] = "umap", seed: int = 0
) -> NDArray[np.float32]:
    """Project vectors to two dimensions, so that neighbours stay near.

    Parameters
    ----------
    vectors : ndarray, shape=(tracks, dim)
        At least two.
    method : {"umap", "pca"}
        UMAP on cosine distance (needs the extra ``maps``), or the first two principal components.
    seed : int
        For UMAP.

    Returns
    -------
    ndarray, shape=(tracks, 2)
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
        flat = np.zeros((len(vectors), 2))
        flat[:, : min(2, len(scale))] = (left * scale)[:, :2]
    else:
        try:
            from umap import UMAP
        except ImportError as error:
            raise ModelError('maps need the extra "maps"; install it with: pip install "glissando[maps]"') from error
        neighbours = min(15, len(vectors) - 1)
        flat = UMAP(n_neighbors=neighbours, min_dist=0.15, metric="cosine", random_state=seed, n_jobs=1).fit_transform(
            vectors
        )
    spread = np.ptp(flat, axis=0)
    scaled: NDArray[np.float32] = ((flat - flat.min(0)) / np.where(spread > 0, spread, 1)).astype(np.float32)
    return scaled
