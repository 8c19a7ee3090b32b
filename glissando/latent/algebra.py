"""Operations on the latents of sounds: a trajectory is [latents, dim], a vector without time is [dim]."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .space import Latents, Space
from .sphere import along_arc

Operation = Callable[..., Latents]
OPERATIONS: dict[str, Operation] = {}
LARGEST = 2**26  # numbers of a trajectory
TINY = 1e-6  # of a standard deviation that is divided by


def operation(function: Operation) -> Operation:
    """Make a function known to expressions by its name.

    Its parameters are numbers where annotated as float, else latents; one named ``space`` is given by the codec.

    Parameters
    ----------
    function : callable
        Gives latents.

    Returns
    -------
    callable
        The function.
    """
    OPERATIONS[function.__name__] = function
    return function


@operation
def mix(a: Latents, b: Latents, share: float, *, space: Space) -> Latents:
    """Walk from one sound to another on a straight line.

    Parameters
    ----------
    a, b : ndarray, shape=(latents, dim) or (dim,)
        From, and to.
    share : float
        Part of the way: 0 is a, 1 is b, beyond is allowed.
    space : Space
        Of the codec.

    Returns
    -------
    ndarray, shape=(latents, dim) or (dim,)
        As long as the longer.
    """
    a, b = space.level(a, b)
    return a + np.float32(share) * (b - a)


@operation
def slerp(a: Latents, b: Latents, share: float, *, space: Space) -> Latents:
    """Walk from one sound to another along an arc, latent by latent: directions at even speed, lengths on a line.

    Parameters
    ----------
    a, b : ndarray, shape=(latents, dim) or (dim,)
        From, and to.
    share : float
        Part of the way, 0..1.
    space : Space
        Of the codec.

    Returns
    -------
    ndarray, shape=(latents, dim) or (dim,)
        As long as the longer; between opposites, which no single arc joins, on the straight line.

    References
    ----------
    Shoemake, "Animating rotation with quaternion curves", SIGGRAPH 1985.
    """
    a, b = np.broadcast_arrays(*space.level(a, b))
    lengths = [np.linalg.norm(one, axis=-1, keepdims=True) for one in (a, b)]
    start, end = (one / np.maximum(length, TINY) for one, length in zip((a, b), lengths, strict=True))
    arc, joined = along_arc(start, end, share)
    length = (1 - share) * lengths[0] + share * lengths[1]
    found = np.where(joined, length * arc, a + share * (b - a))
    return found.astype(np.float32)


@operation
def average(*sounds: Latents, space: Space) -> Latents:
    """Average sounds, latent by latent.

    Parameters
    ----------
    *sounds : ndarray, shape=(latents, dim) or (dim,)
        Any number.
    space : Space
        Of the codec.

    Returns
    -------
    ndarray, shape=(latents, dim) or (dim,)
        As long as the longest.
    """
    level = np.broadcast_arrays(*space.level(*sounds))
    found: Latents = np.mean(level, axis=0, dtype=np.float32)
    return found


@operation
def mean(z: Latents) -> Latents:
    """Average over time.

    Parameters
    ----------
    z : ndarray, shape=(latents, dim)
        A trajectory.

    Returns
    -------
    ndarray, shape=(dim,)
        A vector.
    """
    found: Latents = np.atleast_2d(z).mean(0, dtype=np.float32)
    return found


@operation
def std(z: Latents) -> Latents:
    """Measure how far latents spread over time.

    Parameters
    ----------
    z : ndarray, shape=(latents, dim)
        A trajectory.

    Returns
    -------
    ndarray, shape=(dim,)
        Standard deviations.
    """
    found: Latents = np.atleast_2d(z).std(0, dtype=np.float32)
    return found


@operation
def swap(content: Latents, style: Latents) -> Latents:
    """Give a sound the mean and the variance of another, dimension by dimension.

    Parameters
    ----------
    content : ndarray, shape=(latents, dim)
        Whose course stays.
    style : ndarray, shape=(latents, dim)
        Whose statistics are taken; of any length.

    Returns
    -------
    ndarray, shape=(latents, dim)
        As long as the content.

    References
    ----------
    Huang & Belongie, "Arbitrary style transfer in real-time with adaptive instance normalization", ICCV 2017.
    """
    standard = (content - mean(content)) / np.maximum(std(content), TINY)
    return (standard * std(style) + mean(style)).astype(np.float32)


@operation
def reverse(z: Latents) -> Latents:
    """Play a trajectory from its end.

    Parameters
    ----------
    z : ndarray, shape=(latents, dim)
        A trajectory.

    Returns
    -------
    ndarray, shape=(latents, dim)
        As long.
    """
    return np.atleast_2d(z)[::-1]


@operation
def shift(z: Latents, seconds: float, *, space: Space) -> Latents:
    """Move a trajectory in time; what it leaves is silence.

    Parameters
    ----------
    z : ndarray, shape=(latents, dim)
        A trajectory.
    seconds : float
        Later, or earlier if negative.
    space : Space
        Of the codec.

    Returns
    -------
    ndarray, shape=(latents, dim)
        As long.
    """
    z = np.atleast_2d(z)
    steps = round(float(np.clip(seconds * space.frame_rate, -len(z), len(z))))
    if steps < 0:
        return space.filled(z[-steps:], len(z))
    return np.concatenate([space.filled(z[:0], steps), z])[: len(z)]


@operation
def stretch(z: Latents, factor: float) -> Latents:
    """Go through a trajectory slower or faster, on straight lines between its latents.

    Parameters
    ----------
    z : ndarray, shape=(latents, dim)
        A trajectory.
    factor : float
        How many times as long, above 0.

    Returns
    -------
    ndarray, shape=(latents, dim)
        At least one.

    Raises
    ------
    ValueError
        If the factor is not above 0, or it would get too long.
    """
    z = np.atleast_2d(z)
    if not 0 < factor * z.size <= LARGEST:
        raise ValueError(f"can't be stretched {factor:g} times; take a factor above 0 and not far above 1")
    at = np.linspace(0, len(z) - 1, max(1, round(len(z) * factor)))
    left = np.minimum(at.astype(int), max(0, len(z) - 2))
    share = (at - left)[:, None].astype(np.float32)
    found: Latents = (1 - share) * z[left] + share * z[np.minimum(left + 1, len(z) - 1)]
    return found


@operation
def quantise(z: Latents, step: float) -> Latents:
    """Round to multiples of a step.

    Parameters
    ----------
    z : ndarray, shape=(latents, dim) or (dim,)
        Latents.
    step : float
        Above 0.

    Returns
    -------
    ndarray, shape=(latents, dim) or (dim,)
        Multiples of the step.

    Raises
    ------
    ValueError
        If the step is not above 0.
    """
    if not step > 0:
        raise ValueError(f"needs a step above 0; got {step:g}")
    found: Latents = np.round(z / np.float32(step)) * np.float32(step)
    return found


@operation
def clip(z: Latents, low: float, high: float) -> Latents:
    """Keep numbers within bounds.

    Parameters
    ----------
    z : ndarray, shape=(latents, dim) or (dim,)
        Latents.
    low, high : float
        The bounds.

    Returns
    -------
    ndarray, shape=(latents, dim) or (dim,)
        Within them.

    Raises
    ------
    ValueError
        If there is nothing between the bounds.
    """
    if low > high:
        raise ValueError(f"needs a lower bound that is not above the upper one; got {low:g} and {high:g}")
    return np.clip(z, np.float32(low), np.float32(high))


@operation
def noise(z: Latents, amount: float, seed: float = 0) -> Latents:
    """Add white noise.

    Parameters
    ----------
    z : ndarray, shape=(latents, dim)
        Latents.
    amount : float
        Standard deviation of the noise, over that of each dimension.
    seed : int
        The same one gives the same noise.

    Returns
    -------
    ndarray, shape=(latents, dim)
        As long.

    Raises
    ------
    ValueError
        If the seed is no whole number from 0 on.
    """
    if seed < 0 or seed != int(seed):
        raise ValueError(f"needs a whole number from 0 on as its seed; got {seed:g}")
    drawn = np.random.default_rng(int(seed)).standard_normal(z.shape, np.float32)
    return z + np.float32(amount) * std(z) * drawn


@operation
def sort(z: Latents) -> Latents:
    """Sort every dimension over time, from its lowest to its highest.

    Parameters
    ----------
    z : ndarray, shape=(latents, dim)
        A trajectory.

    Returns
    -------
    ndarray, shape=(latents, dim)
        As long.
    """
    return np.sort(np.atleast_2d(z), axis=0)
