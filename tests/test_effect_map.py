"""The map of effects: same effect, near; whatever the source."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from glissando.errors import ModelError, RecipeError
from glissando.latent import EffectMap, EffectPairs, project
from glissando.latent.effect_map import statistics

DIM, LATENTS, PAST, SOURCES = 8, 24, 4, 60
EFFECTS: dict[str, Callable[[NDArray[np.float32]], NDArray[np.float32]]] = {
    "tremolo": lambda z: z + 0.3 * (-1.0) ** np.arange(z.shape[1])[:, None],
    "smear": lambda z: (z + np.roll(z, 1, 1) + np.roll(z, 2, 1)) / 3,
    "shelf": lambda z: z + np.linspace(0, 1, DIM),
}


def made(name: str, *, seed: int = 0) -> EffectPairs:
    """Trajectories about a place of every source's own, which differ far more than what the effect does."""
    rng = np.random.default_rng(seed)
    dry = 2 * rng.normal(size=(SOURCES, 1, DIM)) + 0.3 * rng.normal(size=(SOURCES, PAST + LATENTS, DIM))
    wet = EFFECTS[name](dry)[:, PAST:]
    strengths = np.stack([wet] * 4).astype(np.float32)
    heard = np.ones((SOURCES, LATENTS), bool)
    names = [f"source {number}" for number in range(SOURCES)]
    return EffectPairs("codec:0", np.zeros(DIM, np.float32), PAST, dry.astype(np.float32), strengths, heard, names)


def nearest(through: Callable[[Tensor], Tensor], pairs: list[EffectPairs]) -> float:
    """Share of sounds whose nearest of another source has their effect."""
    with torch.inference_mode():
        placed = through(torch.cat([torch.from_numpy(one.wet[-1]) for one in pairs]))
    apart = torch.cdist(placed, placed).numpy()
    sources, effects = (np.arange(len(placed)) % SOURCES), np.arange(len(placed)) // SOURCES
    apart[sources[:, None] == sources] = np.inf
    return float((effects[apart.argmin(1)] == effects).mean())


@pytest.fixture(scope="module")
def fitted() -> EffectMap:
    return EffectMap.fit({name: made(name) for name in EFFECTS}, units=4, hidden=32, steps=300)


def test_the_same_effect_is_near_on_sources_that_were_not_heard(fitted: EffectMap) -> None:
    others = [made(name, seed=1) for name in EFFECTS]
    assert nearest(statistics, others) < 0.7
    assert nearest(fitted, others) > 0.9


def test_effects_lie_apart_on_a_picture(fitted: EffectMap) -> None:
    wet = [torch.from_numpy(made(name, seed=1).wet[-1]) for name in EFFECTS]
    points = project(fitted(torch.cat(wet)).detach().numpy(), method="pca")
    centres = np.stack([one.mean(0) for one in np.split(points, len(EFFECTS))])
    placed = np.linalg.norm(points[:, None] - centres, axis=2).argmin(1)
    assert (placed == np.arange(len(points)) // SOURCES).mean() > 0.9


def test_it_places_any_number_of_sounds_and_is_the_same_for_the_same_seed(fitted: EffectMap) -> None:
    z = torch.from_numpy(made("smear").wet)
    assert fitted(z).shape == (4, SOURCES, 4) and fitted(z[0, 0, :7]).shape == (4,)
    again = EffectMap.fit({name: made(name) for name in EFFECTS}, units=4, hidden=32, steps=20)
    once = EffectMap.fit({name: made(name) for name in EFFECTS}, units=4, hidden=32, steps=20)
    assert torch.equal(again(z), once(z)) and again.space_id == "codec:0"


def test_statistics_say_how_sounds_move() -> None:
    z = torch.tensor([[0.0], [2.0], [0.0], [2.0]])
    assert statistics(z).tolist() == pytest.approx([1.0, 2 / 3**0.5, 2.0, 2.0])


def test_maps_need_two_effects_of_one_space() -> None:
    with pytest.raises(RecipeError, match="two or more; got smear"):
        EffectMap.fit({"smear": made("smear")})
    with pytest.raises(ModelError, match="codec:0, codec:1"):
        EffectMap.fit({"smear": made("smear"), "shelf": replace(made("shelf"), space_id="codec:1")})
