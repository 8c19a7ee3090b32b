"""Rectified flow over the latents of a codec: a model tells the velocity that leads from noise to a note."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import ModelError
from ..features import Feature
from ..nn import Model, TimeEmbedding, guided, held, integrate, logit_normal_times, on_the_line
from ..nn.flow import INTEGRATORS, Velocity
from .continuous import CONDITION, Continuous, drawn, seeded
from .paradigm import PARADIGMS, Batch

MOST_STEPS = 1000


@PARADIGMS.register("flow")
class Flow(Continuous):
    """Rectified flow: from a point between noise and a note, the model tells the direction of the note.

    Parameters
    ----------
    example : Tensor
        An output of the model.
    feature : Feature
        The latents of a codec.
    conditions : mapping of str to sequence of str, optional
        See `Generative`.
    drop : float
        See `Generative`.
    time_mean, time_std : float
        Of the log-odds of times in training, see `glissando.nn.logit_normal_times`.

    References
    ----------
    Liu, Gong & Liu, "Flow straight and fast: learning to generate and transfer data with rectified flow", ICLR 2023;
    Esser et al., "Scaling rectified flow transformers for high-resolution image synthesis", ICML 2024.
    """

    options: ClassVar[Mapping[str, float | str]] = {"steps": 20, "method": "euler"}
    methods: ClassVar[tuple[str, ...]] = INTEGRATORS
    guidance: ClassVar[float] = 2.0

    def __init__(
        self,
        example: Tensor,
        feature: Feature,
        *,
        conditions: Mapping[str, Sequence[str]] | None = None,
        drop: float = 0.1,
        time_mean: float = 0.0,
        time_std: float = 1.0,
    ) -> None:
        super().__init__(example, feature, conditions=conditions, drop=drop)
        if not (time_std > 0 and abs(time_mean) <= 10):
            raise ValueError("time_std must be above 0, and time_mean within -10..10")
        self.time_mean, self.time_std = time_mean, time_std
        self.time = TimeEmbedding(CONDITION)

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
            See `glissando.nn.on_the_line`.
        velocity : Tensor, shape=(batch, frames, dim)
            At them.
        """
        return on_the_line(noise, data, times)

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
            See `glissando.nn.integrate`; a flow draws nothing.

        Returns
        -------
        Tensor, shape=(batch, frames, dim)
            Data.
        """
        return integrate(velocity, points, steps=steps, method=method, first=first)

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
            See `glissando.nn.held`.
        """
        return held(velocity, data, keep)

    def loss(self, model: Model, batch: Batch) -> Tensor:
        """Compare velocities at random times.

        Parameters
        ----------
        model : Model
            What learns.
        batch : dict of str to Tensor
            Of `examples`.

        Returns
        -------
        Tensor
            One number.
        """
        data = self.data(batch)
        times = logit_normal_times(len(data), mean=self.time_mean, std=self.time_std).to(data)
        return self._error(model, batch, data, times, drawn(data.shape, None, data))

    def observe(self, model: Model, batch: Batch) -> Tensor:
        """Compare velocities of a batch of validation, always at the same times and with the same noise.

        Parameters
        ----------
        model : Model
            What learns.
        batch : dict of str to Tensor
            Of `examples`.

        Returns
        -------
        Tensor
            Its loss.
        """
        data = self.data(batch)
        shares = (torch.arange(len(data)) + 0.5) / len(data)
        times = (self.time_mean + self.time_std * torch.special.ndtri(shares)).sigmoid().to(data)
        return self._error(model, batch, data, times, drawn(data.shape, seeded(batch), data))

    def make(
        self,
        model: Model,
        conditions: Tensor,
        noise: Tensor,
        *,
        guidance: float,
        generator: torch.Generator,
        start: Tensor | None = None,
        **options: float | str,
    ) -> Tensor:
        """Follow the flow; parameters as of `Continuous.make`.

        Parameters
        ----------
        model : Model
            Trained.
        conditions : Tensor of int, shape=(batch, fields)
            Classes.
        noise : Tensor, shape=(batch, frames, dim)
            Where the flow begins.
        guidance : float
            See `glissando.nn.guided`.
        generator : Generator
            Of more noise.
        start : Tensor, optional, shape=(batch, fewer frames, dim)
            Latents that they begin with, standardised.
        **options : float or str
            Of `sample`.

        Returns
        -------
        Tensor, shape=(batch, frames, dim)
            As of `standard`.
        """
        velocity = self._velocity(model, conditions, guidance)
        if start is not None:
            known = F.pad(start, (0, 0, 0, noise.shape[1] - start.shape[1]))
            begun = torch.arange(noise.shape[1], device=noise.device) < start.shape[1]
            velocity = self.hold(velocity, known, begun[:, None])
        steps, method = self._steps(**options)
        return self.follow(velocity, noise, steps=steps, method=method, first=0.0, generator=generator)

    def vary(
        self,
        model: Model,
        conditions: Tensor,
        given: Tensor,
        *,
        amount: float,
        keep: Tensor,
        guidance: float,
        generator: torch.Generator,
        **options: float | str,
    ) -> Tensor:
        """Make variations of a sound: go back towards noise as far as is asked for, and forth again.

        Parameters
        ----------
        model : Model
            Trained.
        conditions : Tensor of int, shape=(batch, fields)
            Classes.
        given : Tensor, shape=(1, frames, dim)
            Latents of the sound.
        amount : float
            From 0, which is the sound itself, to 1, of which it knows nothing any more.
        keep : Tensor of bool, shape=(frames,)
            True for frames that stay as they are.
        guidance : float
            See `glissando.nn.guided`.
        generator : Generator
            Of random numbers.
        **options : float or str
            As named in ``options``; of the steps, so many are taken as there is to go.

        Returns
        -------
        Tensor, shape=(batch, frames, dim)
            Latents for the codec.
        """
        given = given.expand(len(conditions), -1, -1)
        steps, method = self._steps(**options)
        if amount == 0:
            return given
        data = self.standard(given)
        noise = drawn(data.shape, generator, data)
        points, _ = self.path(noise, data, torch.full((len(data),), 1 - amount).to(data))
        velocity = self.hold(self._velocity(model, conditions, guidance), data, keep[:, None])
        made = self.follow(
            velocity, points, steps=max(1, round(amount * steps)), method=method, first=1 - amount, generator=generator
        )
        return torch.where(keep[:, None], given, self.restored(made))

    def _steps(self, *, steps: float | str, method: float | str) -> tuple[int, str]:
        if not isinstance(steps, (int, float)) or not 1 <= steps <= MOST_STEPS or steps != int(steps):
            raise ModelError(f"{steps} steps can't be taken; ask for a whole number from 1 to {MOST_STEPS:,}")
        if method not in self.methods:
            raise ModelError(f"there is no method {method!r}; take {' or '.join(self.methods)}")
        return int(steps), str(method)

    def _velocity(self, model: Model, conditions: Tensor, guidance: float) -> Velocity:
        """What the model tells, with guidance where it is asked for."""
        asked = self.conditions(conditions)
        nothing = self.conditions(torch.zeros_like(conditions))

        def _tell(points: Tensor, times: Tensor) -> Tensor:
            if guidance == 1:
                return self._told(model, points, times, asked)
            both = self._told(
                model, torch.cat([points, points]), torch.cat([times, times]), torch.cat([asked, nothing])
            )
            conditional, unconditional = both.chunk(2)
            return guided(conditional, unconditional, guidance)

        return _tell

    def _told(self, model: Model, points: Tensor, times: Tensor, vectors: Tensor) -> Tensor:
        return self.run(model, points, vectors + self.time(times))

    def _error(self, model: Model, batch: Batch, data: Tensor, times: Tensor, noise: Tensor) -> Tensor:
        points, wanted = self.path(noise, data, times)
        return (self._told(model, points, times, self.told(batch)) - wanted).square().mean()
