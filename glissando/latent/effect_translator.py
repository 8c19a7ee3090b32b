"""What an effect does to latents, as a small network told the strength."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Self

import torch
from torch import Tensor

from .directions import Direction, heard, left
from .effect_pairs import STRENGTHS, EffectPairs
from .learned import WAVES, descend, perceptron, told

DECODED = 24  # latents of a window that are decoded in a step of training, if any are


class EffectTranslator(Direction):
    """A perceptron, told the strength; it hears a latent and some of those before, as reverberation and delays need.

    Parameters
    ----------
    space_id : str
        The only space it may be used in.
    dim : int
        Of its latents.
    lags : int
        It hears the latents 1, 2, 4, ... before, so many of them.
    hidden, depth : int
        Width and number of hidden layers.
    """

    kind = "translator"
    silence: Tensor
    centre: Tensor
    scale: Tensor

    def __init__(self, space_id: str, dim: int, *, lags: int = 5, hidden: int = 256, depth: int = 2) -> None:
        super().__init__()
        self.space_id, self.lags = space_id, lags
        self.register_buffer("silence", torch.zeros(dim))
        self.register_buffer("centre", torch.zeros(dim))
        self.register_buffer("scale", torch.ones(1))
        self.step = perceptron(dim * (1 + lags), dim, hidden=hidden, depth=depth)

    def change(self, z: Tensor, strength: Tensor) -> Tensor:
        """Tell what the perceptron adds.

        Parameters
        ----------
        z : Tensor, shape=(..., latents, dim)
            Trajectories; before them is silence.
        strength : Tensor, shape=(..., latents, 1)
            What it is told.

        Returns
        -------
        Tensor, shape=(..., latents, dim)
            For every latent another.
        """
        count, past = z.shape[-2], 2 ** max(0, self.lags - 1)
        longer = torch.cat([self.silence.expand(*z.shape[:-2], past, -1), z], -2)
        longer = (longer - self.centre) / self.scale
        lags = [0, *(2**power for power in range(self.lags))]
        near = torch.cat([longer[..., past - lag : past - lag + count, :] for lag in lags], -1)
        found: Tensor = self.scale * self.step(told(near, strength))
        return found

    @classmethod
    def fit(
        cls,
        pairs: EffectPairs,
        *,
        steps: int = 600,
        batch: int = 8,
        rate: float = 2e-3,
        hidden: int = 256,
        depth: int = 2,
        noise: float = 0.3,
        magnitudes: Callable[[Tensor], Tensor | None] | None = None,
        seed: int = 0,
        progress: Callable[[int, int], None] | None = None,
        **options: Any,
    ) -> Self:
        """Train it on all strengths; the state that leaves least of the way on held-out windows stays.

        Parameters
        ----------
        pairs : EffectPairs
            To learn from; a part of them, by group, chooses the state.
        steps, batch : int
            Of training; windows in a batch.
        rate : float
            Learning rate.
        hidden, depth : int
            Width and number of hidden layers.
        noise : float
            Deviation of what is added to the latents that it hears in training, over theirs: it makes a change less
            jumpy from latent to latent, and nearer for instruments that it does not know.
        magnitudes : callable, optional
            `Codec.magnitudes` of their codec, whose parameters take no gradients: then the loss counts how far decoded
            spectra are, too, where loud parts count most. Latents that stand for logarithms let these overshoot.
        seed : int
            Of weights, batches and noise.
        progress : callable, optional
            Called with the number of steps done, and in all, ten times.
        **options : object
            None are taken.

        Returns
        -------
        EffectTranslator
            Trained.
        """
        pairs, valid = pairs.split(seed=seed)
        sound = heard(pairs)[0]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            lags = pairs.past.bit_length()
            found = cls(pairs.space_id, sound.shape[1], lags=lags, hidden=hidden, depth=depth)
        found.silence.copy_(torch.from_numpy(pairs.silence))
        found.centre.copy_(torch.from_numpy(sound.mean(0)))
        found.scale.fill_(max(1e-6, float(sound.std(0).mean())))
        dry, wet, within = (torch.from_numpy(one) for one in (pairs.dry, pairs.wet, pairs.heard))
        shares = torch.tensor(STRENGTHS)

        def _loss(generator: torch.Generator) -> Tensor:
            window = torch.randint(len(dry), (batch,), generator=generator)
            drawn = torch.randint(len(shares), (batch,), generator=generator)
            blur = noise * found.scale * torch.randn(dry[window].shape, generator=generator)
            moved = found(dry[window] + blur, strength=shares[drawn]) - blur
            moved, true = moved[:, pairs.past :], wet[drawn, window]
            cost: Tensor = ((moved - true) / found.scale).square().mean(-1)[within[window]].mean()
            if magnitudes is not None:
                start = int(torch.randint(max(1, true.shape[1] - DECODED + 1), (1,), generator=generator))
                made, wanted = (magnitudes(one[:, start : start + DECODED]) for one in (moved, true))
                if made is not None and wanted is not None:
                    cost = cost + 0.5 * _convergence(wanted, made)
            return cost

        descend(found, _loss, lambda: left(found, valid), steps=steps, rate=rate, seed=seed, progress=progress)
        found.requires_grad_(False)
        return found

    @classmethod
    def sized(cls, space_id: str, state: Mapping[str, Tensor]) -> Self:
        """Build it for tensors.

        Parameters
        ----------
        space_id : str
            The only space it may be used in.
        state : mapping of str to Tensor
            Of a file.

        Returns
        -------
        EffectTranslator
            Empty.
        """
        dim, (hidden, width) = state["silence"].numel(), state["step.0.weight"].shape
        depth = sum(name.startswith("step.") and name.endswith(".weight") for name in state) - 1
        return cls(space_id, dim, lags=(width - 1 - 2 * WAVES) // dim - 1, hidden=hidden, depth=depth)


def _convergence(wanted: Tensor, made: Tensor) -> Tensor:
    """Length of the difference of magnitudes over that of what is wanted; what is soft counts less."""
    energy = wanted.square().sum((1, 2))
    rest = (made - wanted).square().sum((1, 2)) / energy.clamp_min(0.1 * float(energy.mean()) + 1e-6)
    return (rest + 1e-8).sqrt().mean()
