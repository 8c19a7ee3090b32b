"""Style transfer: move the statistics of a sound's latents towards those of other sounds, and leave its silence."""

from __future__ import annotations

import numpy as np

from ..errors import ExpressionError
from .space import Latents, Space

TINY = 1e-6  # of a standard deviation that is divided by


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


def restyle(z: Latents, others: Latents, amount: float = 0.5, *, space: Space) -> Latents:
    """Move a sound towards the mean and variance of others, dimension by dimension, where there is sound.

    Parameters
    ----------
    z : ndarray, shape=(latents, dim)
        A trajectory.
    others : ndarray, shape=(others, dim)
        Latents whose statistics are taken.
    amount : float
        Part of the way: 0 changes nothing, 1 has the others' statistics, more exaggerates.
    space : Space
        Of the codec.

    Returns
    -------
    ndarray, shape=(latents, dim)
        As long. Silence stays silent, and what is nearly silent moves less.

    Raises
    ------
    ExpressionError
        If the amount is not finite, or the others have another number of dimensions.

    References
    ----------
    Huang & Belongie, "Arbitrary style transfer in real-time with adaptive instance normalization", ICCV 2017; Caillon &
    Esling, "RAVE: a variational autoencoder for fast and high-quality neural audio synthesis", 2021.
    """
    if not np.isfinite(amount) or others.shape[1:] != z.shape[1:]:
        raise ExpressionError(
            f"a style of {others.shape[-1]} dimensions at an amount of {amount:g} can't be given to latents of "
            f"{z.shape[-1]}; take a style of the same codec, and a finite amount"
        )
    (mean, std), (wanted, spread) = (_statistics(one, presence(one, space)) for one in (z, others))
    moved = (z - mean) / np.maximum(std, TINY) * spread + wanted
    found: Latents = (z + amount * presence(z, space)[:, None] * (moved - z)).astype(np.float32)
    return found


def _statistics(z: Latents, weights: Latents) -> tuple[Latents, Latents]:
    """Mean and standard deviation of every dimension, over where there is sound."""
    weights = weights if weights.any() else np.ones_like(weights)
    mean = np.average(z, axis=0, weights=weights)
    return mean, np.sqrt(np.average((z - mean) ** 2, axis=0, weights=weights))
