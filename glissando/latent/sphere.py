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
    angle = float(np.arccos(np.clip(np.dot(start, end), -1, 1)))
    if min(angle, np.pi - angle) < ALIGNED:
        return start if share < 0.5 else end
    near, far = np.sin((1 - share) * angle) / np.sin(angle), np.sin(share * angle) / np.sin(angle)
    mixed: NDArray[np.float32] = (near * start + far * end).astype(np.float32)
    return mixed
