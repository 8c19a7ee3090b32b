"""Analogies between sounds, by arithmetic on their vectors."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from glissando.audio import Audio, write
from glissando.cli.analogy import app
from glissando.cli.options import console
from glissando.errors import GlissandoError, RecipeError
from glissando.latent import Analogy, answer_ranks, draw_analogies, nearest, solve

LABELS = [*itertools.product(("flute", "horn", "harp", "oboe"), ("60", "62", "64"))]


def additive(seed: int = 0) -> np.ndarray:
    """Vectors that are an instrument plus a pitch: every analogy holds exactly."""
    rng = np.random.default_rng(seed)
    kinds, pitches = ({name: rng.normal(size=8) for name in {one[i] for one in sorted(LABELS)}} for i in (0, 1))
    return np.array([kinds[kind] + pitches[pitch] for kind, pitch in LABELS], np.float32)


def test_all_analogies_are_drawn_and_hold_where_vectors_add_up() -> None:
    drawn = draw_analogies(LABELS, count=1000)
    assert len(drawn) == len({*drawn}) == 4 * 3 * 3 * 2, (
        "every ordered pair of instruments at every ordered pair of pitches"
    )
    for one in drawn:
        (a, p), (same, q), (b, again), answer = (LABELS[row] for row in one)
        assert a == same and q == again and answer == (b, p) and a != b and p != q
    assert (answer_ranks(additive(), drawn) == 1).all()


def test_chance_is_what_noise_reaches() -> None:
    noise = np.random.default_rng(1).normal(size=(len(LABELS), 30)).astype(np.float32)
    ranks = answer_ranks(noise, draw_analogies(LABELS, count=1000))
    assert ranks.min() >= 1 and ranks.max() <= len(LABELS) - 3
    assert np.mean(ranks <= 1) == pytest.approx(1 / (len(LABELS) - 3), abs=0.12)


def test_inputs_are_no_answers_and_ties_do_not_help() -> None:
    vectors = np.array([[1, 0], [1, 0], [0, 1], [0.3, 1], [-1, -1]], np.float32)
    assert answer_ranks(vectors, [Analogy(0, 1, 2, 3)]).tolist() == [1], "the nearest is the input itself"
    near = solve(vectors, *vectors[:3])
    assert near.shape == (5,) and nearest(near, inputs=(0, 1, 2), k=9) == [3, 4]
    assert answer_ranks(np.ones((6, 2), np.float32), [Analogy(0, 1, 2, 3)]).tolist() == [3], (
        "all equal: the worst place"
    )


def test_draws_are_repeatable_and_bad_sets_are_refused() -> None:
    assert draw_analogies(LABELS, count=20, seed=3) == draw_analogies(LABELS, count=20, seed=3)
    assert draw_analogies(LABELS, count=20, seed=3) != draw_analogies(LABELS, count=20, seed=4)
    with pytest.raises(RecipeError, match="horn at 60: is there twice"):
        draw_analogies([*LABELS, ("horn", "60")], count=5)
    for labels in ([], [("flute", "60"), ("horn", "62"), ("horn", "60")]):
        with pytest.raises(RecipeError, match="no two kinds at the same two pitches"):
            draw_analogies(labels, count=5)


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLISSANDO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(console, "width", 300)
    (tmp_path / "notes").mkdir()
    time = np.arange(16_000) / 16_000
    for (name, harmonics), hz in itertools.product(
        {"reed": (1, 3, 5), "string": (1, 2, 3, 4)}.items(), (220, 311, 440)
    ):
        tone = sum(np.sin(2 * np.pi * hz * h * time) / h for h in harmonics) * np.exp(-2 * time)
        write(tmp_path / "notes" / f"{name}{hz}.wav", Audio(np.float32(0.3 * tone), 16_000))
    files = [str(tmp_path / "notes" / name) for name in ("reed440.wav", "reed220.wav", "string220.wav")]
    done = CliRunner().invoke(app, [*files, "--in", str(tmp_path / "notes"), "-k", "9"])
    assert done.exit_code == 0, done.output
    lines = [line for line in done.output.splitlines() if ".wav" in line]
    assert len(lines) == 3 and "string440.wav" in lines[0], "the three inputs are no answers"
    done = CliRunner().invoke(app, [files[0], files[1], "nothing.wav", "--in", str(tmp_path / "notes")])
    assert isinstance(done.exception, GlissandoError) and "nothing.wav" in str(done.exception)
