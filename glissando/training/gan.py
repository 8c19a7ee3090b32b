"""A generative adversarial network over latents: one model makes notes, another tells them from true ones."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from ..errors import ModelError
from ..features import Feature
from ..nn import Model, build
from .conditions import Conditions
from .continuous import CONDITION, FLAT, Continuous, drawn
from .paradigm import PARADIGMS, Batch

FARTHEST = 5.0  # standard deviations from the mean that a generator reaches, so that it can't run away from its judge


@PARADIGMS.register("gan")
class GAN(Continuous):
    """Conditional generator and discriminator, which compares a true note and a made one of the same conditions.

    Both sides learn from one number, each through the other held still, so that one optimizer serves both.

    Parameters
    ----------
    example : Tensor
        An output of the model, the generator.
    feature : Feature
        The latents of a codec.
    discriminator : mapping
        Parts of a model as in a recipe, which takes ``[batch, 1, dim + 1, frames]``, standardised latents and how much
        those of a batch differ, and a vector ``condition``; whatever it gives are verdicts, higher for true notes.
    conditions : mapping of str to sequence of str, optional
        See `Generative`.
    drop : float
        See `Generative`.
    penalty : float
        Weight of the squared slopes of verdicts, at true and at made notes: of how much a verdict could change where
        all numbers of a note move by one standard deviation.

    References
    ----------
    Goodfellow et al., "Generative adversarial nets", NeurIPS 2014; Huang et al., "The GAN is dead; long live the GAN!",
    NeurIPS 2024 (comparing in pairs, with both penalties); Karras et al., "Progressive growing of GANs", ICLR 2018 (how
    much a batch differs).
    """

    betas: ClassVar[tuple[float, float]] = (0.0, 0.99)  # with momentum, both sides circle around each other

    def __init__(
        self,
        example: Tensor,
        feature: Feature,
        *,
        discriminator: Mapping[str, Any],
        conditions: Mapping[str, Sequence[str]] | None = None,
        drop: float = 0.1,
        penalty: float = 0.1,
    ) -> None:
        super().__init__(example, feature, conditions=conditions, drop=drop)
        if not penalty >= 0:
            raise ValueError("penalty must not be below 0")
        self.penalty = penalty
        latents = F.pad(example, (0, 1)).transpose(1, 2)[:, None]
        given = {"condition": torch.zeros(len(example), CONDITION)}
        self.discriminator = build(discriminator, latents, where="discriminator", given=given)
        self.asked = Conditions(conditions or {}, CONDITION)  # what the discriminator is told
        self.character = nn.Linear(self.dim, CONDITION)  # of a whole note: noise along time evens out

    def loss(self, model: Model, batch: Batch) -> Tensor:
        """Compute what both sides learn by.

        Parameters
        ----------
        model : Model
            The generator.
        batch : dict of str to Tensor
            Of `examples`.

        Returns
        -------
        Tensor
            Losses of the generator and the discriminator, and the penalty.
        """
        data = self.data(batch).detach().requires_grad_()
        numbers = self.conditions.dropped(batch["conditions"], self.drop if self.training else 0.0)
        made = self._made(model, numbers, drawn(data.shape, None, data))
        held = made.detach().requires_grad_()
        asked = self.asked(numbers)
        true, false = self._judge(data, asked), self._judge(held, asked)
        passing = F.softplus(true.detach() - self._judge(made, asked.detach(), still=True)).mean()
        telling = F.softplus(false - true).mean()
        return passing + telling + self.penalty / 2 * (self._slope(true, data) + self._slope(false, held))

    def observe(self, model: Model, batch: Batch) -> Tensor:
        """Score samples for a batch of validation, always from the same noise; losses of both sides tell nothing.

        Parameters
        ----------
        model : Model
            The generator.
        batch : dict of str to Tensor
            Of `examples`.

        Returns
        -------
        Tensor
            1 less the skill, see `measure`.
        """
        return 1 - self.measure(model, batch)["skill"].mean().float()

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
        """Run the generator; parameters as of `Continuous.make`.

        Parameters
        ----------
        model : Model
            Trained.
        conditions : Tensor of int, shape=(batch, fields)
            Classes.
        noise : Tensor, shape=(batch, frames, dim)
            What notes are made from.
        guidance : float
            Must be 1.
        generator : Generator
            Not used.
        start : Tensor, optional
            Must be None.
        **options : float or str
            There are none.

        Returns
        -------
        Tensor, shape=(batch, frames, dim)
            As of `standard`.

        Raises
        ------
        ModelError
            If there is guidance, or a beginning.
        """
        if guidance != 1:
            raise ModelError(f"a GAN has no guidance, but {guidance:g} is asked for; leave it out")
        if start is not None:
            raise ModelError("a GAN makes whole notes and can't go on from a sound; take a run of tokens or flow")
        return self._made(model, conditions, noise)

    def _made(self, model: Model, numbers: Tensor, noise: Tensor) -> Tensor:
        whole = noise.sum(1) / math.sqrt(noise.shape[1])
        told = self.conditions(numbers) + self.character(whole)
        return FARTHEST * torch.tanh(self.run(model, noise, told) / FARTHEST)

    def _slope(self, verdict: Tensor, sound: Tensor) -> Tensor:
        (slope,) = torch.autograd.grad(verdict.flatten(1).mean(1).sum(), sound, create_graph=True)
        return slope[0].numel() * slope.square().sum((1, 2)).mean()

    def _judge(self, latents: Tensor, asked: Tensor, *, still: bool = False) -> Tensor:
        spread = (latents.var(0, unbiased=False) + FLAT**2).sqrt().mean().expand(*latents.shape[:2], 1)
        x = torch.cat([latents, spread], 2).transpose(1, 2)[:, None]
        if not still:
            verdict: Tensor = self.discriminator(x, condition=asked)
        else:
            weights = {name: weight.detach() for name, weight in self.discriminator.named_parameters()}
            verdict = functional_call(self.discriminator, weights, (x,), {"condition": asked})
        return verdict.float()
