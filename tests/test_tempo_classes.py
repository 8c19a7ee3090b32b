"""Tempo classifiers on embeddings, in a space where tempo is a place on an axis."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from glissando.data import Annotations, Recording, Segment
from glissando.data.dataset import Entry
from glissando.encoders import card
from glissando.features import tempo_rates
from glissando.latent import Pairs, ShiftTranslator
from glissando.metrics import tempo_hit
from glissando.tasks import fit_tempo_classifier, tempi
from glissando.tasks.tempo import spread

FACTORS = 2.0 ** np.linspace(-1, 1, 9)
PER_OCTAVE = card("rhythm").rates.bins_per_octave


def grooves(bpm: np.ndarray, seed: int) -> Pairs:
    """Vectors like those of the rhythm block: peaks at the beat and some of its multiples, on the axis of its rates."""
    rng, axis = np.random.default_rng(seed), np.arange(72)
    found = np.zeros((len(bpm), len(FACTORS), 72), np.float32)
    for i, tempo in enumerate(bpm):
        heights = rng.uniform(0.4, 1, 3)
        for j, factor in enumerate(FACTORS):
            beat = np.log2(tempo * factor / 60 / 0.4) * PER_OCTAVE
            places = beat + PER_OCTAVE * np.log2([0.5, 1, 2])
            found[i, j] = sum(h * np.exp(-(((axis - at) / 1.5) ** 2)) for h, at in zip(heights, places, strict=True))
    found -= found.mean(-1, keepdims=True)
    found /= np.linalg.norm(found, axis=-1, keepdims=True)
    return Pairs(found, FACTORS, [f"{seed}-{i}" for i in range(len(bpm))])


@pytest.fixture(scope="module")
def narrow() -> tuple[Pairs, np.ndarray, Pairs, np.ndarray]:
    """Clips to learn from and to choose by, none of which is slower than 95 or faster than 130 BPM."""
    rng = np.random.default_rng(0)
    bpm, valid = rng.uniform(95, 130, 60), rng.uniform(95, 130, 20)
    return grooves(bpm, 1), bpm, grooves(valid, 2), valid


def accuracy(model: torch.nn.Module, bpm: np.ndarray) -> float:
    held = grooves(bpm, 3)
    guesses = [one.bpm for one in model.estimate(held.vectors[:, held.original])]
    return float(tempo_hit(guesses, bpm).mean())


def test_other_tempi_are_learned_from_translated_clips_as_from_stretched_ones(
    narrow: tuple[Pairs, np.ndarray, Pairs, np.ndarray],
) -> None:
    wide = np.concatenate([np.linspace(60, 90, 20), np.linspace(140, 200, 20)])
    ways = {"none": "none", "stretched": "stretched", "translated": ShiftTranslator("rhythm")}
    found = {
        name: accuracy(fit_tempo_classifier(*narrow, augment=way, steps=400, rate=3e-3), wide)
        for name, way in ways.items()
    }
    assert found["none"] < 0.2 < 0.8 < min(found["stretched"], found["translated"])


def test_the_same_seed_gives_the_same_classifier(narrow: tuple[Pairs, np.ndarray, Pairs, np.ndarray]) -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    one, same, other = (fit_tempo_classifier(*narrow, steps=20, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(before, torch.get_rng_state())
    z = torch.from_numpy(narrow[0].vectors[:, 4])
    torch.testing.assert_close(one(z), same(z), rtol=0, atol=0)
    assert not torch.allclose(one(z), other(z))


def test_estimates_have_confidence_and_alternatives(narrow: tuple[Pairs, np.ndarray, Pairs, np.ndarray]) -> None:
    model = fit_tempo_classifier(*narrow, augment="stretched", steps=400, rate=3e-3)
    (one,) = model.estimate(grooves(np.array([110.0]), 4).vectors[:, 4])
    assert one.bpm == pytest.approx(110, rel=0.04) and one.candidates[0] == one.bpm
    assert 0.3 < one.confidence <= 1 and all(30 <= bpm <= 300 for bpm in one.candidates)


def test_groups_on_both_sides_and_unknown_tempi_are_refused(
    narrow: tuple[Pairs, np.ndarray, Pairs, np.ndarray],
) -> None:
    pairs, bpm, valid, valid_bpm = narrow
    with pytest.raises(ValueError, match="1-0 is among"):
        fit_tempo_classifier(pairs, bpm, pairs, bpm)
    with pytest.raises(ValueError, match="unknown, or not above 0"):
        fit_tempo_classifier(pairs, bpm, valid, np.where(valid_bpm > 100, valid_bpm, np.nan))


def test_targets_of_a_rate_lie_around_it() -> None:
    found = spread(np.array([2.0, np.nan]))
    rates = tempo_rates().numpy()
    assert found[:, 0].sum() == pytest.approx(1) and not found[:, 1].any()
    assert np.exp(found[:, 0] @ np.log(rates)) == pytest.approx(2.0, rel=1e-3)


def test_tempi_are_read_from_beats_or_labels(tmp_path: Path) -> None:
    beats = tuple(Segment(t, t, "beat") for t in np.arange(0, 20, 0.75).tolist())
    known = [Annotations(labels={"tempo": ("97.5",)}), Annotations(segments={"beat": beats}), Annotations()]

    class Lasting(Entry):
        duration = 20.0

    held = [Recording(str(i), Lasting(str(i), one)) for i, one in enumerate(known)]
    np.testing.assert_allclose(tempi(held), [97.5, 80.0, np.nan])
