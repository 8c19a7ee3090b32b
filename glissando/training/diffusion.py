"""Denoising diffusion over the latents of a codec: the same model as of rectified flow, along other ways."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from ..nn import denoise, held_on_the_circle, on_the_circle
from ..nn.diffusion import SAMPLERS
from ..nn.flow import Velocity
from .flow import Flow
from .paradigm import PARADIGMS


@PARADIGMS.register("diffusion")
class Diffusion(Flow):
    """Denoising diffusion (DDPM) with a cosine schedule, whose model tells velocities; else as `Flow`.

    References
    ----------
    Ho, Jain & Abbeel, "Denoising diffusion probabilistic models", NeurIPS 2020; Nichol & Dhariwal, "Improved denoising
    diffusion probabilistic models", ICML 2021; Salimans & Ho, "Progressive distillation for fast sampling of diffusion
    models", ICLR 2022.
    """

    options: ClassVar[Mapping[str, float | str]] = {"steps": 50, "method": "ddim"}
    methods: ClassVar[tuple[str, ...]] = SAMPLERS

    def path(self, noise: Tensor, data: Tensor, times: Tensor) -> tuple[Tensor, Tensor]:
        """Take points between noise and data, and their velocity.

        Parameters
        ----------
        noise, data : Tensor, shape=(batch, frames, dim)
            Ends.
        times : Tensor, shape=(batch,)
            From 0 (noise) to 1 (data).

        Returns
        -------
        points : Tensor, shape=(batch, frames, dim)
            See `glissando.nn.on_the_circle`.
        velocity : Tensor, shape=(batch, frames, dim)
            At them.
        """
        return on_the_circle(noise, data, times)

    def follow(
        self, velocity: Velocity, points: Tensor, *, steps: int, method: str, first: float, generator: torch.Generator
    ) -> Tensor:
        """Go from points to data.

        Parameters
        ----------
        velocity : callable
            Of points at times.
        points : Tensor, shape=(batch, frames, dim)
            Of the time ``first``.
        steps, method, first, generator : int, str, float, Generator
            See `glissando.nn.denoise`.

        Returns
        -------
        Tensor, shape=(batch, frames, dim)
            Data.
        """
        return denoise(velocity, points, steps=steps, method=method, first=first, generator=generator)

    def hold(self, velocity: Velocity, data: Tensor, keep: Tensor) -> Velocity:
        """Lead a part to given data.

        Parameters
        ----------
        velocity : callable
            Of points at times.
        data : Tensor, shape=(batch, frames, dim)
            Where the part shall end.
        keep : Tensor of bool, shape=(frames, 1)
            True for the part.

        Returns
        -------
        callable
            See `glissando.nn.held_on_the_circle`.
        """
        return held_on_the_circle(velocity, data, keep)
