"""Rectified flow: straight lines from noise to data, and integrators that follow what a model has learned of them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Velocity = Callable[[Tensor, Tensor], Tensor]  # of points [batch, ...] at times [batch]
INTEGRATORS = ("euler", "midpoint")


def logit_normal_times(
    count: int, *, mean: float = 0.0, std: float = 1.0, generator: torch.Generator | None = None
) -> Tensor:
    """Draw times for training, most of them in the middle, where the velocity is hardest to tell.

    Parameters
    ----------
    count : int
        How many.
    mean, std : float
        Of their log-odds; a mean below 0 leans to noise.
    generator : Generator, optional
        Of random numbers.

    Returns
    -------
    Tensor, shape=(count,)
        Between 0 (noise) and 1 (data).

    References
    ----------
    Esser et al., "Scaling rectified flow transformers for high-resolution image synthesis", ICML 2024.
    """
    return (mean + std * torch.randn(count, generator=generator)).sigmoid()


def on_the_line(noise: Tensor, data: Tensor, times: Tensor) -> tuple[Tensor, Tensor]:
    """Take points between noise and data, and the velocity that a model is to tell there.

    Parameters
    ----------
    noise, data : Tensor, shape=(batch, ...)
        Ends of the lines.
    times : Tensor, shape=(batch,)
        From 0 (noise) to 1 (data).

    Returns
    -------
    points : Tensor, shape=(batch, ...)
        On the lines.
    velocity : Tensor, shape=(batch, ...)
        Data less noise.

    References
    ----------
    Liu, Gong & Liu, "Flow straight and fast: learning to generate and transfer data with rectified flow", ICLR 2023.
    """
    return noise.lerp(data, along(times, data)), data - noise


def along(times: Tensor, points: Tensor) -> Tensor:
    """Give times the axes of points.

    Parameters
    ----------
    times : Tensor, shape=(batch,)
        One for each point.
    points : Tensor, shape=(batch, ...)
        Of any number of axes.

    Returns
    -------
    Tensor, shape=(batch, 1, ...)
        To multiply points with.
    """
    return times.reshape(-1, *[1] * (points.ndim - 1))


def integrate(
    velocity: Velocity, start: Tensor, *, steps: int, method: str = "euler", first: float = 0.0, last: float = 1.0
) -> Tensor:
    """Follow a velocity.

    Parameters
    ----------
    velocity : callable
        Takes points, shape=(batch, ...), and times, shape=(batch,).
    start : Tensor, shape=(batch, ...)
        Where: noise, or for a variation a point `on_the_line` to a given sound.
    steps : int
        Of equal length.
    method : {"euler", "midpoint"}
        One call of the velocity a step, with an error that falls as one over the steps; or two calls, and one over
        their square.
    first, last : float
        Times of start and end.

    Returns
    -------
    Tensor, shape=(batch, ...)
        Where it leads.

    Raises
    ------
    ValueError
        If the method is unknown, or there are no steps.
    """
    if method not in INTEGRATORS or steps < 1:
        raise ValueError(f"{steps} steps by {method!r}; take 1 or more, by one of {', '.join(INTEGRATORS)}")
    length, points = (last - first) / steps, start
    for step in range(steps):
        times = torch.full((len(start),), first + step * length, dtype=start.dtype, device=start.device)
        speed = velocity(points, times)
        if method == "midpoint":
            speed = velocity(points + length / 2 * speed, times + length / 2)
        points = points + length * speed
    return points


def held(velocity: Velocity, data: Tensor, keep: Tensor) -> Velocity:
    """Lead a part of every point to given data, whatever a model says there: inpainting.

    Parameters
    ----------
    velocity : callable
        Of a model; takes points, shape=(batch, ...), and times, shape=(batch,).
    data : Tensor, shape=(batch, ...)
        Where the part shall end.
    keep : Tensor of bool
        True for the part; its shape fits that of the data.

    Returns
    -------
    callable
        Of the same kind: straight to the data in the part, elsewhere as before.

    References
    ----------
    Lugmayr et al., "RePaint: inpainting using denoising diffusion probabilistic models", CVPR 2022 (without its
    repetitions).
    """

    def _velocity(points: Tensor, times: Tensor) -> Tensor:
        straight = (data - points) / (1 - along(times, points)).clamp_min(1e-6)
        return torch.where(keep, straight, velocity(points, times))

    return _velocity


def guided(conditional: Tensor, unconditional: Tensor, scale: float) -> Tensor:
    """Classifier-free guidance: go further into the direction in which a condition leads.

    Parameters
    ----------
    conditional, unconditional : Tensor, shape=(...)
        What a model says with the condition and without it: velocities, or logits none of which is infinite.
    scale : float
        0 ignores the condition, 1 is as learned, more exaggerates.

    Returns
    -------
    Tensor, shape=(...)
        Of the same kind.

    References
    ----------
    Ho & Salimans, "Classifier-free diffusion guidance", 2022.
    """
    return unconditional.lerp(conditional, scale)
