"""Tempo translation: learned, as a turn of a subspace, as a shift; and which of them a space has."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from glissando import Library
from glissando.encoders import card
from glissando.errors import ModelError
from glissando.latent import (
    LearnedTranslator,
    Pairs,
    ShiftTranslator,
    TempoSubspace,
    Transform,
    fit_subspace,
    fit_translator,
    load_translator,
    retrieval,
    save_translator,
    similarity,
    tempo_shares,
    translator,
    translator_folder,
)
from glissando.library.targets import translate

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
    assert found[-1] < found[0]
    return translator


def grooves() -> torch.Tensor:
    """Smooth curves along the axis of the rhythm block, with nothing near its ends, which a shift would lose."""
    rng, axis = np.random.default_rng(0), np.arange(72)
    bumps = [sum(rng.uniform(0.3, 1) * np.exp(-(((axis - at) / 3) ** 2)) for at in (28, 36, 44)) for _ in range(20)]
    centred = np.array(bumps) - np.mean(bumps, axis=1, keepdims=True)
    return torch.from_numpy(centred / np.linalg.norm(centred, axis=1, keepdims=True)).float()


@pytest.fixture(scope="module")
def turned() -> TempoSubspace:
    return fit_subspace("toy:0", clips(0, 400), clips(1), size=4, steps=400)


@pytest.fixture(params=["shift", "learned", "subspace"])
def translating(request: pytest.FixtureRequest) -> tuple[Transform, torch.Tensor]:
    """A translator, and embeddings of its space."""
    if request.param == "shift":
        return ShiftTranslator("rhythm"), grooves()
    name = {"learned": "trained", "subspace": "turned"}[request.param]
    return request.getfixturevalue(name), torch.from_numpy(clips(2).vectors[:, 4])


def cosine(left: torch.Tensor, right: torch.Tensor) -> float:
    return float((left * right).sum(-1).mean().detach())


def test_translating_by_one_is_the_identity(translating: tuple[Transform, torch.Tensor]) -> None:
    transform, z = translating
    torch.testing.assert_close(transform(z, tempo_ratio=1.0), z, atol=1e-5, rtol=0)


def test_two_translations_are_one_by_the_product(translating: tuple[Transform, torch.Tensor]) -> None:
    transform, z = translating
    once = transform(z, tempo_ratio=1.56)
    assert cosine(transform(transform(z, tempo_ratio=1.3), tempo_ratio=1.2), once) > 0.98
    assert cosine(z, once) < 0.9  # ... and it is no standing still


def test_there_and_back_returns(translating: tuple[Transform, torch.Tensor]) -> None:
    transform, z = translating
    there = transform(z, tempo_ratio=1.5)
    assert cosine(transform(there, tempo_ratio=1 / 1.5), z) > 0.98 > cosine(there, z) + 0.05


def test_translations_are_unit_vectors(translating: tuple[Transform, torch.Tensor]) -> None:
    transform, z = translating
    for ratio in (0.5, 0.9, 2.0):
        moved = transform(z, tempo_ratio=ratio)
        torch.testing.assert_close(moved.norm(dim=-1), torch.ones(len(z)), atol=1e-4, rtol=0)


def test_each_embedding_may_have_a_ratio_of_its_own(translating: tuple[Transform, torch.Tensor]) -> None:
    transform, z = translating
    both = transform(z[:2], tempo_ratio=torch.tensor([0.7, 1.6]))
    for i, ratio in enumerate((0.7, 1.6)):
        torch.testing.assert_close(both[i], transform(z[i], tempo_ratio=ratio), atol=1e-5, rtol=1e-4)


def test_it_gives_the_embedding_at_the_other_tempo(trained: LearnedTranslator) -> None:
    held = clips(2)
    assert similarity(LearnedTranslator("toy:0", 12), held) < 0.9  # as it begins: no translation
    assert similarity(trained, held) > 0.98


def test_one_direction_is_not_enough_for_a_turn(trained: LearnedTranslator) -> None:
    line = LearnedTranslator("toy:0", 12, hidden=0)
    fit_translator(line, clips(0, 400), clips(1), steps=300, contrast=0.0)
    assert similarity(line, clips(2)) < similarity(trained, clips(2)) - 0.05


def test_groups_on_both_sides_are_refused() -> None:
    with pytest.raises(ValueError, match="0-0 is among"):
        fit_translator(LearnedTranslator("toy:0", 12), clips(0), clips(0))


def test_turns_of_a_subspace_add_up_exactly(turned: TempoSubspace) -> None:
    z = torch.from_numpy(clips(2).vectors[:, 4])
    twice = turned(turned(z, tempo_ratio=1.9), tempo_ratio=0.6)
    torch.testing.assert_close(twice, turned(z, tempo_ratio=1.9 * 0.6), atol=1e-5, rtol=0)


def test_the_subspace_is_where_tempo_turns(turned: TempoSubspace) -> None:
    shares, directions = tempo_shares(clips(0, 400))
    slow, fast = (1 - np.cos(k * np.log2(FACTORS)).mean() ** 2 for k in (1, 2))  # of phases that go so far around
    np.testing.assert_allclose(shares[:4], [fast, fast, slow, slow], atol=0.05)
    assert shares[4] < 0.05  # two planes of the twelve dimensions ...
    assert np.square(directions[:8, :4]).sum(0).max() < 0.1  # ... and not where clips differ
    held = clips(2)
    assert similarity(turned, held) > 0.98
    line = LearnedTranslator("toy:0", 12, hidden=0)
    fit_translator(line, clips(0, 400), clips(1), steps=300, contrast=0.0)
    assert similarity(turned, held) > similarity(line, held) + 0.05


def test_without_its_subspace_a_clip_is_the_same_at_all_tempi(turned: TempoSubspace) -> None:
    slow, fast = (torch.from_numpy(clips(2).vectors[:, i]) for i in (0, 8))
    assert cosine(slow, fast) < 0.5
    assert cosine(turned.weighted(slow, 0.0), turned.weighted(fast, 0.0)) > 0.95
    torch.testing.assert_close(turned.weighted(slow, 1.0), slow, atol=1e-5, rtol=0)
    assert cosine(turned.weighted(slow, 3.0), turned.weighted(fast, 3.0)) < cosine(slow, fast)


def test_a_subspace_has_no_more_dimensions_than_its_space() -> None:
    with pytest.raises(ValueError, match="1 to 12; got 13"):
        TempoSubspace("toy:0", 12, size=13)


def test_retrieval_tells_the_clip_from_its_tempo(trained: LearnedTranslator) -> None:
    held = clips(2)
    clip, version = retrieval(LearnedTranslator("toy:0", 12), held)  # as it begins: no translation
    assert clip > 0.5 and version == 0  # (the nearest of all is the original itself, at its own tempo)
    assert min(retrieval(trained, held)) > 0.95
    strangers = held.vectors.copy()
    strangers[:, :4] = np.roll(held.vectors[:, :4], 1, axis=0)  # slower ones are of other clips
    assert retrieval(trained, Pairs(strangers, held.factors, held.groups)) == pytest.approx((0.5, 0.5), abs=0.05)


def test_a_space_has_its_shift_or_what_was_learned_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLISSANDO_DATA", str(tmp_path / "data"))
    assert isinstance(translator(card("rhythm").space_id), ShiftTranslator)
    space = card("musicnn-msd").space_id
    store = Library.open(tmp_path / "library", blocks={"timbre": "musicnn-msd"}).store
    vector = np.eye(200, dtype=np.float32)[0]
    assert translator(space) is None
    np.testing.assert_array_equal(translate(store, "timbre", vector, 1.2), vector)
    made = LearnedTranslator(space, 200, hidden=8, depth=3)
    torch.nn.init.normal_(made.step[-1].bias)
    save_translator(translator_folder(space) / "translator.safetensors", made)
    wanted = made(torch.from_numpy(vector), tempo_ratio=1.2).detach().numpy()
    assert wanted @ vector < 0.99
    np.testing.assert_allclose(translate(store, "timbre", vector, 1.2), wanted, atol=1e-6)
    assert translator(card("musicnn-mtt").space_id) is None


def test_a_translator_is_used_in_its_own_space_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLISSANDO_DATA", str(tmp_path))
    own, other = (card(name).space_id for name in ("musicnn-msd", "musicnn-mtt"))
    save_translator(translator_folder(other) / "translator.safetensors", LearnedTranslator(own, 200, hidden=0))
    with pytest.raises(ModelError, match=f"is a translator of the space {own}, not of {other}"):
        translator(other)
    save_translator(tmp_path / "translators" / "translator.safetensors", LearnedTranslator("..:0", 4, hidden=0))
    for hostile in ("../..:0", "x/../..:0", "..", "", "a:b:c", "/etc:0"):
        assert translator(hostile) is None


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ({"step.0.weight": torch.zeros(200_000_000, 0)}, "other tensors"),
        ({"step.0.weight": torch.zeros(500_000, 10)}, "other tensors"),  # whose next layer would have 10^11 weights
        ({"step.0.weight": torch.zeros(4)}, "other tensors"),
        ({"weights": torch.zeros(4, 4)}, "other tensors"),
        ({"direction": torch.full((4,), torch.nan)}, "NaN"),
    ],
)
def test_files_that_are_no_translators_are_refused(state: dict[str, torch.Tensor], said: str, tmp_path: Path) -> None:
    save_file(state, tmp_path / "a.safetensors", metadata={"space_id": "toy:0"})
    with pytest.raises(ModelError, match=said):
        load_translator(tmp_path / "a.safetensors", "toy:0")


def test_a_damaged_translator_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_translator(path, LearnedTranslator("toy:0", 12, hidden=16))
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ModelError, match=r"a\.safetensors: can't be read as a translator"):
        load_translator(path, "toy:0")
