"""Style transfer: move the statistics of a sound's latents towards those of other sounds."""

from __future__ import annotations

import numpy as np

from ..errors import ExpressionError
from ..metrics import Gaussian
from .space import Latents, Space

TINY = 1e-6  # of a variance that is divided by


def presence(z: Latents, space: Space) -> Latents:
    """Tell where there is sound.

    Parameters
    ----------
    z : ndarray, shape=(latents, dim)
        A trajectory.
    space : Space
        Of the codec.

    Returns
    -------
    ndarray, shape=(latents,)
        0 for silence, 1 for what is at least as far from it as half of the latents.
    """
    far = np.linalg.norm(z - space.silence, axis=1)
    middle = float(np.median(far[far > TINY])) if (far > TINY).any() else 1.0
    found: Latents = np.minimum(1, far / middle).astype(np.float32)
    return found


def restyle(z: Latents, style: Gaussian, amount: float = 1.0, *, space: Space) -> Latents:
    """Move a sound towards the mean and covariance of others, by the least movement that gets there.

    That is optimal transport between Gaussians, a linear map. Where a short sound says little of its own covariance,
    it is taken to vary as the others do. Silence stays silent.

    Parameters
    ----------
    z : ndarray, shape=(latents, dim)
        A trajectory.
    style : Gaussian
        Of the latents of the others, where there is sound.
    amount : float
        Part of the way: 0 changes nothing, 1 is the style, more exaggerates.
    space : Space
        Of the codec.

    Returns
    -------
    ndarray, shape=(latents, dim)
        As long.

    Raises
    ------
    ExpressionError
        If the amount is not finite, or the style has another number of dimensions.

    References
    ----------
    Knott & Smith, "On the optimal mapping of distributions", JOTA 1984; Caillon & Esling, "RAVE: a variational
    autoencoder for fast and high-quality neural audio synthesis", 2021 (timbre transfer by statistics of latents).
    """
    if not np.isfinite(amount) or len(style.mean) != z.shape[1]:
        raise ExpressionError(
            f"a style of {len(style.mean)} dimensions at an amount of {amount:g} can't be given to latents of "
            f"{z.shape[1]}; take a style of the same codec, and a finite amount"
        )
    heard = presence(z, space)
    if not heard.any():
        return z
    mean = np.average(z, axis=0, weights=heard).astype(np.float64)
    centred = z - mean
    known, wanted = (centred * heard[:, None]).T @ centred, style.covariance
    own = (known + z.shape[1] * wanted) / (heard.sum() + z.shape[1])
    moved = style.mean + centred @ _transport(own, wanted)
    found: Latents = (z + amount * heard[:, None] * (moved - z)).astype(np.float32)
    return found


def _transport(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The symmetric matrix that takes one covariance to another with the least movement."""
    root = _power(source, 0.5)
    back = _power(source, -0.5)
    found: np.ndarray = back @ _power(root @ target @ root, 0.5) @ back
    return found


def _power(matrix: np.ndarray, exponent: float) -> np.ndarray:
    values, axes = np.linalg.eigh((matrix + matrix.T) / 2)
    floor = TINY * max(float(values.max()), TINY)
    found: np.ndarray = (axes * np.maximum(values, floor) ** exponent) @ axes.T
    return found
