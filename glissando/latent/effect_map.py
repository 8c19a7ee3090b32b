"""A map of effect attributes: learned so that sounds with the same effect lie near each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import ModelError, RecipeError
from ..nn import covariance_term, variance_term
from .effect_pairs import EffectPairs
from .learned import descend
from .tempo import Transform

STATISTICS = 4  # of each dimension


class EffectMap(Transform):
    """A small network from the statistics of a trajectory to a few dimensions, which tell its effect, not its source.

    Parameters
    ----------
    space_id : str
        The only space it may be used in.
    dim : int
        Of its latents.
    units : int
        Of the map.
    hidden : int
        Width of the network.

    References
    ----------
    Bardes, Ponce & LeCun, "VICReg", ICLR 2022, arXiv 2105.04906.
    """

    centre: Tensor
    scale: Tensor

    def __init__(self, space_id: str, dim: int, *, units: int = 16, hidden: int = 128) -> None:
        super().__init__()
        self.space_id = space_id
        self.register_buffer("centre", torch.zeros(STATISTICS * dim))
        self.register_buffer("scale", torch.ones(STATISTICS * dim))
        self.step = nn.Sequential(
            nn.Linear(STATISTICS * dim, hidden), nn.GELU(), nn.Linear(hidden, hidden), nn.GELU(),
            nn.Linear(hidden, units),
        )  # fmt: skip

    def forward(self, z: Tensor) -> Tensor:
        """Place sounds on the map.

        Parameters
        ----------
        z : Tensor, shape=(..., latents, dim)
            Trajectories, of two latents or more.

        Returns
        -------
        Tensor, shape=(..., units)
            Near each other for the same effect.
        """
        placed: Tensor = self.step((statistics(z) - self.centre) / self.scale)
        return placed

    @classmethod
    def fit(
        cls,
        pairs: Mapping[str, EffectPairs],
        *,
        units: int = 16,
        hidden: int = 128,
        steps: int = 600,
        batch: int = 32,
        rate: float = 2e-3,
        invariance: float = 25.0,
        variance: float = 25.0,
        covariance: float = 1.0,
        seed: int = 0,
        progress: Callable[[int, int], None] | None = None,
    ) -> EffectMap:
        """Learn it by VICReg: the views that are alike are two sources with the same effect at full strength.

        Parameters
        ----------
        pairs : mapping of str to EffectPairs
            By name of the effect, at least two, all of one space.
        units, hidden : int
            Of the map.
        steps, batch : int
            Of training, and effects a step that are drawn.
        rate : float
            Learning rate.
        invariance, variance, covariance : float
            Weights of the terms of VICReg.
        seed : int
            Of weights and draws.
        progress : callable, optional
            Called with the number of steps done, and in all.

        Returns
        -------
        EffectMap
            Trained; the state that costs a fifth of the sources, which are held out, least.

        Raises
        ------
        RecipeError
            If there are fewer than two effects.
        ModelError
            If they are of several spaces.
        """
        if len(pairs) < 2:
            raise RecipeError(f"a map of effects needs two or more; got {', '.join(pairs) or 'none'}")
        spaces = {one.space_id for one in pairs.values()}
        if len(spaces) > 1:
            raise ModelError(
                f"effects of the spaces {', '.join(sorted(spaces))} can't share a map; encode them with one codec"
            )
        sides = [one.split(seed=seed) for one in pairs.values()]
        learn, valid = (_windows([side[i] for side in sides]) for i in (0, 1))
        torch.manual_seed(seed)
        found = cls(spaces.pop(), learn[0].shape[-1], units=units, hidden=hidden)
        known = statistics(torch.cat(learn))
        found.centre.copy_(known.mean(0))
        found.scale.copy_(known.std(0).clamp_min(1e-3))

        def _cost(windows: list[Tensor], generator: torch.Generator) -> Tensor:
            which = torch.randint(len(windows), (batch,), generator=generator).tolist()
            drawn = [windows[i][torch.randint(len(windows[i]), (2,), generator=generator)] for i in which]
            views = found(torch.stack(drawn)).unbind(1)
            kept = sum(variance * variance_term(one) + covariance * covariance_term(one) for one in views)
            return invariance * F.mse_loss(*views) + kept / 2

        def _validate() -> float:
            with torch.inference_mode():
                generator = torch.Generator().manual_seed(seed)
                return float(sum(_cost(valid, generator) for _ in range(8)) / 8)

        descend(
            found,
            lambda generator: _cost(learn, generator),
            _validate,
            steps=steps,
            rate=rate,
            seed=seed,
            progress=progress,
        )
        return found.requires_grad_(False).eval()


def statistics(z: Tensor) -> Tensor:
    """Sum up trajectories: mean, deviation, mean step and largest value of every dimension.

    Parameters
    ----------
    z : Tensor, shape=(..., latents, dim)
        Of two latents or more.

    Returns
    -------
    Tensor, shape=(..., 4 * dim)
        Without time.
    """
    return torch.cat([z.mean(-2), z.std(-2), z.diff(dim=-2).abs().mean(-2), z.amax(-2)], -1)


def _windows(effects: list[EffectPairs]) -> list[Tensor]:
    """Windows with each effect at full strength; those without any are one more."""
    dry = torch.cat([torch.from_numpy(one.dry[:, one.past :]) for one in effects])
    return [*(torch.from_numpy(one.wet[-1]) for one in effects), dry]
