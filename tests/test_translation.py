"""Learned tempo translation."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from glissando.latent.learned import LearnedTranslator, Pairs, fit_translator, similarity

FACTORS = 2.0 ** np.linspace(-1, 1, 9)


def clips(seed: int, count: int = 60) -> Pairs:
    """A space in which tempo turns two planes, by an angle and by twice it, and leaves the rest as it is."""
    rng = np.random.default_rng(seed)
    turns = np.log2(FACTORS)
    found = np.zeros((count, len(FACTORS), 12), np.float32)
    for i in range(count):
        fixed, phase = rng.normal(size=8), rng.uniform(0, 2 * np.pi, 2)
        for j, turn in enumerate(turns):
            planes = np.concatenate(
                [[np.cos(p + k * turn), np.sin(p + k * turn)] for k, p in zip((1, 2), phase, strict=True)]
            )
            found[i, j] = np.concatenate([fixed, 2 * planes])
    found /= np.linalg.norm(found, axis=-1, keepdims=True)
    return Pairs(found, FACTORS, [f"{seed}-{i}" for i in range(count)])


@pytest.fixture(scope="module")
def trained() -> LearnedTranslator:
    torch.manual_seed(0)
    translator = LearnedTranslator("toy:0", 12, hidden=64)
    found = fit_translator(translator, clips(0, 400), clips(1), steps=1500, rate=3e-3, contrast=0.0)
    assert found[-1] > found[0]
    return translator


def test_translating_by_one_is_the_identity(trained: LearnedTranslator) -> None:
    z = torch.from_numpy(clips(2).vectors[:, 0])
    torch.testing.assert_close(trained(z, tempo_ratio=1.0), z, atol=1e-5, rtol=0)


def test_it_gives_the_embedding_at_the_other_tempo(trained: LearnedTranslator) -> None:
    held = clips(2)
    assert similarity(LearnedTranslator("toy:0", 12), held) < 0.9  # as it begins: no translation
    assert similarity(trained, held) > 0.98


def test_two_translations_are_nearly_one_and_there_and_back_returns(trained: LearnedTranslator) -> None:
    z = torch.from_numpy(clips(2).vectors[:, 4])
    twice = trained(trained(z, tempo_ratio=1.3), tempo_ratio=1.2)
    once = trained(z, tempo_ratio=1.56)
    assert (twice * once).sum(-1).mean() > 0.98
    back = trained(trained(z, tempo_ratio=1.5), tempo_ratio=1 / 1.5)
    assert (back * z).sum(-1).mean() > 0.98


def test_one_direction_is_not_enough_for_a_turn(trained: LearnedTranslator) -> None:
    line = LearnedTranslator("toy:0", 12, hidden=0)
    fit_translator(line, clips(0, 400), clips(1), steps=300, contrast=0.0)
    assert similarity(line, clips(2)) < similarity(trained, clips(2)) - 0.05


def test_each_embedding_may_have_a_ratio_of_its_own(trained: LearnedTranslator) -> None:
    z = torch.from_numpy(clips(2).vectors[:2, 4])
    both = trained(z, tempo_ratio=torch.tensor([0.7, 1.6]))
    torch.testing.assert_close(both[0], trained(z[0], tempo_ratio=0.7))
    torch.testing.assert_close(both[1], trained(z[1], tempo_ratio=1.6))


def test_groups_on_both_sides_are_refused() -> None:
    with pytest.raises(ValueError, match="0-0 is among"):
        fit_translator(LearnedTranslator("toy:0", 12), clips(0), clips(0))
