"""Between unit vectors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

ALIGNED = 1e-4  # radians below which, from 0 or from pi, there is no one arc to walk on


def slerp(start: NDArray[np.float32], end: NDArray[np.float32], share: float) -> NDArray[np.float32]:
    """Walk from one unit vector to another on the sphere, at even speed.

    Parameters
    ----------
    start, end : ndarray, shape=(dim,)
        Unit vectors.
    share : float
        Part of the way, 0..1.

    Returns
    -------
    ndarray, shape=(dim,)
        Unit vector. Between opposites, which no single arc joins, the nearer of the two.

    References
    ----------
    Shoemake, "Animating rotation with quaternion curves", SIGGRAPH 1985.
    """
    point, joined = along_arc(start, end, share)
    mixed: NDArray[np.float32] = point.astype(np.float32) if joined else start if share < 0.5 else end
    return mixed


def along_arc(
    start: NDArray[np.float32], end: NDArray[np.float32], share: float
) -> tuple[NDArray[np.floating], NDArray[np.bool_]]:
    """Walk along arcs between unit vectors, where there is one.

    Parameters
    ----------
    start, end : ndarray, shape=(..., dim)
        Unit vectors.
    share : float
        Part of the way.

    Returns
    -------
    points : ndarray, shape=(..., dim)
        Unit vectors.
    joined : ndarray of bool, shape=(..., 1)
        Where a single arc joins the two; between equals and opposites, points mean nothing.
    """
    angle = np.arccos(np.clip((start * end).sum(-1, keepdims=True), -1, 1))
    joined = np.minimum(angle, np.pi - angle) >= ALIGNED
    apart = np.where(joined, angle, 1.0)
    return (np.sin((1 - share) * apart) * start + np.sin(share * apart) * end) / np.sin(apart), joined
