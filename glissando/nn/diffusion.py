"""Denoising diffusion: quarter circles from noise to data, and samplers that go back along them.

Times run as those of rectified flow do, from 0 (noise) to 1 (data), so that one network serves both.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .flow import Velocity, along

SAMPLERS = ("ddim", "ancestral")


def cosine_schedule(times: Tensor) -> tuple[Tensor, Tensor]:
    """Shares of data and noise on the way from one to the other.

    Parameters
    ----------
    times : Tensor, shape=(...)
        From 0 (noise) to 1 (data).

    Returns
    -------
    data : Tensor, shape=(...)
        Factor of the data.
    noise : Tensor, shape=(...)
        Factor of the noise; their squares sum to 1.

    References
    ----------
    Nichol & Dhariwal, "Improved denoising diffusion probabilistic models", ICML 2021; without their offset, which
    keeps a prediction of noise from being trivial and is not needed for a prediction of velocities.
    """
    angles = times * (math.pi / 2)
    return angles.sin(), angles.cos()


def on_the_circle(noise: Tensor, data: Tensor, times: Tensor) -> tuple[Tensor, Tensor]:
    """Take points between noise and data whose variance stays, and the velocity that a model is to tell there.

    Parameters
    ----------
    noise, data : Tensor, shape=(batch, ...)
        Ends of the circles, both of about unit variance.
    times : Tensor, shape=(batch,)
        From 0 (noise) to 1 (data).

    Returns
    -------
    points : Tensor, shape=(batch, ...)
        ``a * data + s * noise``, with a and s of `cosine_schedule`.
    velocity : Tensor, shape=(batch, ...)
        ``s * data - a * noise``, towards data: the derivative by the angle.

    References
    ----------
    Ho, Jain & Abbeel, "Denoising diffusion probabilistic models", NeurIPS 2020; velocities: Salimans & Ho, "Progressive
    distillation for fast sampling of diffusion models", ICLR 2022 (there with the other sign).
    """
    share, rest = (along(one, data) for one in cosine_schedule(times))
    return share * data + rest * noise, rest * data - share * noise


def held_on_the_circle(velocity: Velocity, data: Tensor, keep: Tensor) -> Velocity:
    """Lead a part of every point to given data, as `held` does for lines.

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
        Of the same kind: from where a point is it tells the data in the part, elsewhere as before.
    """

    def _velocity(points: Tensor, times: Tensor) -> Tensor:
        share, rest = (along(one, points) for one in cosine_schedule(times))
        return torch.where(keep, (data - share * points) / rest.clamp_min(1e-6), velocity(points, times))

    return _velocity


def denoise(
    velocity: Velocity,
    start: Tensor,
    *,
    steps: int,
    method: str = "ddim",
    first: float = 0.0,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Sample: tell data and noise apart, and put them together again with less noise, step by step.

    Parameters
    ----------
    velocity : callable
        Takes points, shape=(batch, ...), and times, shape=(batch,).
    start : Tensor, shape=(batch, ...)
        Where: noise, or for a variation a point `on_the_circle` to a given sound.
    steps : int
        Of equal length.
    method : {"ddim", "ancestral"}
        Keep the noise that was told, or draw as much of it anew as the way from noise to data forgets.
    first : float
        Time of the start.
    generator : Generator, optional
        Of the noise that is drawn.

    Returns
    -------
    Tensor, shape=(batch, ...)
        Data.

    Raises
    ------
    ValueError
        If the method is unknown, or there are no steps.

    References
    ----------
    Ho, Jain & Abbeel, NeurIPS 2020; Song, Meng & Ermon, "Denoising diffusion implicit models", ICLR 2021.
    """
    if method not in SAMPLERS or steps < 1:
        raise ValueError(f"{steps} steps by {method!r}; take 1 or more, by one of {', '.join(SAMPLERS)}")
    shares, rests = (one.tolist() for one in cosine_schedule(torch.linspace(first, 1.0, steps + 1).double()))
    rests[-1], points = 0.0, start  # (a cosine of a quarter turn is not quite nothing)
    for step in range(steps):
        times = torch.full((len(start),), first + step * (1 - first) / steps, dtype=start.dtype, device=start.device)
        (a, more), (s, less) = shares[step : step + 2], rests[step : step + 2]
        v = velocity(points, times)
        data, noise = a * points + s * v, s * points - a * v
        fresh = 0.0 if method == "ddim" else (less / s) ** 2 * (1 - (a / more) ** 2)  # variance that is drawn anew
        points = more * data + math.sqrt(max(0.0, less**2 - fresh)) * noise
        if fresh > 0:
            points = points + math.sqrt(fresh) * torch.randn(start.shape, generator=generator).to(start)
    return points
