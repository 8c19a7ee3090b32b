"""Notes as tokens, from a recipe to sound: they follow what is asked for, and go on from what is given."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import librosa
import numpy as np
import pytest
import torch
from notes import INSTRUMENTS, PITCHES, RATE, SECONDS, make_codec, make_notes

from glissando.audio import Audio
from glissando.data import load
from glissando.errors import ModelError, RecipeError
from glissando.nn import CODE_PATTERNS
from glissando.training import Generator, Run, Tokens, evaluate, resume, train, validated
from glissando.training.building import paradigm_of


@pytest.fixture(scope="session")
def notes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_notes(tmp_path_factory.mktemp("notes"))


@pytest.fixture(scope="session")
def codec(notes: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return make_codec(notes, tmp_path_factory.mktemp("codec") / "run")


def small(notes: Path, codec: Run, **tokens: Any) -> dict[str, Any]:
    return {
        "paradigm": {"tokens": tokens},
        "data": {"name": str(notes), "split": "combination", "shares": [0.8, 0.1, 0.1], "patch": 16},
        "feature": {"latents": {"weights": str(codec.folder)}},
        "model": {"trunk": ["to_sequence", {"transformer": {"dim": 64, "depth": 2, "heads": 2, "causal": True}}]},
        "train": {"epochs": 60, "batch": 2, "rate": 3e-3, "patience": 60, "keep": "last"},
    }


@pytest.fixture(scope="session")
def run(notes: Path, codec: Run, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train(validated(small(notes, codec), "tokens"), tmp_path_factory.mktemp("tokens") / "run")


@pytest.fixture(scope="session")
def generator(run: Run) -> Generator:
    return Generator.open(run)


def test_a_run_says_what_it_knows_and_by_which_codec(run: Run, codec: Run, generator: Generator) -> None:
    assert run.recipe.paradigm["tokens"]["conditions"]["instrument"] == [*INSTRUMENTS]
    assert run.recipe.feature["latents"]["space"] == generator.codec.card.space_id
    assert generator.vocabulary["pitch"] == [str(pitch) for pitch in PITCHES] and generator.sample_rate == RATE
    metrics = run.result()["metrics"]
    assert metrics["accuracy"]["mean"] > 0.4 and metrics["bits"]["mean"] < np.log2(24)
    levels = [metrics[f"bits of level {number}"]["mean"] for number in (1, 2)]
    assert np.mean(levels) == pytest.approx(metrics["bits"]["mean"], rel=1e-4)
    assert evaluate(run)["metrics"]["bits"]["mean"] == pytest.approx(metrics["bits"]["mean"], rel=1e-3)


def test_a_training_goes_on(notes: Path, codec: Run, tmp_path: Path) -> None:
    content = small(notes, codec)
    content["train"]["epochs"] = 2
    whole = train(validated(content, "whole"), tmp_path / "whole")
    stopped = shutil.copytree(whole.folder, tmp_path / "stopped")
    for name in ("result.json", "weights.safetensors", "heads.safetensors"):
        (stopped / name).unlink()
    assert resume(stopped).result()["sha256"] == whole.result()["sha256"]


def test_notes_have_the_pitch_that_is_asked_for(generator: Generator) -> None:
    wanted = [{"instrument": one, "pitch": pitch, "loudness": "f"} for one in INSTRUMENTS for pitch in PITCHES]
    made = generator.generate(wanted, seconds=SECONDS, temperature=0.7)
    assert made.shape == (8, round(SECONDS * generator.feature.frame_rate) * generator.feature.hop)
    assert np.isfinite(made).all() and np.abs(made).max() <= 1
    found = [librosa.hz_to_midi(np.median(librosa.yin(x, fmin=100, fmax=1000, sr=RATE)[:6])) for x in made]
    right = np.abs(np.array(found) - [one["pitch"] for one in wanted]) < 1
    assert right.sum() >= 6, "two would be, by chance"
    loud, soft = (
        np.abs(generator.generate([{"pitch": 60, "loudness": one}] * 4, seconds=SECONDS, temperature=0.7)).max(1).mean()
        for one in ("f", "p")
    )
    assert loud > 2 * soft
    ends = (
        np.abs(generator.generate(wanted * 3, seconds=SECONDS, temperature=0.7)[:, -RATE // 10 :])
        .max(1)
        .reshape(3, 2, 4)
    )
    reed, string = np.median(ends, axis=(0, 2))
    assert string < reed / 2, "a string has ended there, which is silence"


def test_what_is_drawn_depends_on_the_seed_alone(generator: Generator) -> None:
    first, again, other = (generator.generate([{}] * 3, seconds=0.3, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(first, again) and not np.array_equal(first, other)
    assert not np.array_equal(first[0], first[1])
    told: list[int] = []
    cold = generator.generate([{}] * 20, seconds=0.1, temperature=0, told=told.append)
    assert told == [16, 20] and np.allclose(cold[0], cold[-1], atol=1e-3)


@pytest.mark.parametrize("pattern", CODE_PATTERNS)
def test_memory_changes_nothing_and_the_future_is_not_seen(pattern: str, notes: Path, codec: Run) -> None:
    network, paradigm = paradigm_of(validated(small(notes, codec, pattern=pattern), "tokens"), name="tokens")
    assert isinstance(paradigm, Tokens)
    paradigm.eval()
    untrained = Generator(network, paradigm)
    start = Audio(load(notes)["reed-60-f"].read(0, 0.2), RATE)
    for given in (None, start):
        made = [untrained.generate([{}] * 2, seconds=0.3, start=given, remember=on) for on in (0, 1)]
        assert np.allclose(*made, atol=1e-4)
    codes = torch.randint(24, (2, 6, 2), generator=torch.Generator().manual_seed(0))
    batch = {"codes": codes, "conditions": torch.zeros(2, 3, dtype=torch.int64)}
    with torch.no_grad():
        nats, right = paradigm._surprise(network.model, batch)
    assert nats.shape == right.shape == (2, 6, 2), "real codes alone count"
    assert float(paradigm.loss(network.model, batch).detach()) == pytest.approx(float(nats.mean()))
    changed = codes.clone()
    changed[:, 3] = (changed[:, 3] + 1) % 24
    with torch.no_grad():
        later, _ = paradigm._surprise(network.model, {**batch, "codes": changed})
    assert torch.allclose(later[:, :3], nats[:, :3]) and not torch.allclose(later[:, 4:], nats[:, 4:])


def test_a_sound_goes_on(generator: Generator, notes: Path) -> None:
    start = Audio(load(notes)["reed-60-f"].read(0, 8 * generator.feature.hop / RATE), RATE)
    made = generator.generate([{"instrument": "reed", "pitch": 60}], seconds=0.256, start=start)
    given = generator.latents(start)
    assert given.shape[1] == 8 and made.shape[1] == 16 * generator.feature.hop
    kept = generator.codec.from_codes(generator.codec.codes(given))
    heard = generator.latents(Audio(made[0], RATE))
    random = generator.latents(Audio(generator.generate([{"pitch": 67}], seconds=0.512)[0], RATE))
    assert (heard[:, 1:7] - kept[:, 1:7]).abs().mean() < 0.5 * (random[:, 1:7] - kept[:, 1:7]).abs().mean()
    spectrum = np.abs(np.fft.rfft(made[0, 8 * generator.feature.hop :]))
    assert abs(spectrum.argmax() * RATE / (8 * generator.feature.hop) - 261.6) < 5, "at the pitch it had"


def test_another_codec_is_refused(run: Run, notes: Path, tmp_path: Path) -> None:
    other = make_codec(notes, tmp_path / "other", seed=1)
    moved = Run(run.folder, run.recipe.model_copy(
        update={"feature": {"latents": {**run.recipe.feature["latents"], "weights": str(other.folder)}}}
    ))  # fmt: skip
    with pytest.raises(ModelError, match="other: is a codec of the space .* name the codec that it was trained on"):
        Generator.open(moved)


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"seconds": 0}, "0 seconds can't be made"),
        ({"seconds": 1e9}, "at most 60"),
        ({"steps": 3}, "takes no steps; it takes temperature, top_k, top_p"),
    ],
)
def test_bad_requests_are_refused(generator: Generator, asked: dict[str, float], sentence: str) -> None:
    with pytest.raises(ModelError, match=sentence):
        generator.generate([{}], **asked)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"feature": {"log-stft": {"sample_rate": RATE}}}, "take the feature latents of a codec that quantizes"),
        ({"paradigm": {"tokens": {"levels": 3}}}, "levels must be 1 to 2"),
        ({"paradigm": {"tokens": {"drop": 1}}}, "drop must be at least 0 and below 1"),
        ({"paradigm": {"tokens": {"pattern": "zigzag"}}}, "one of parallel, delayed, flattened"),
        ({"paradigm": {"tokens": {"conditions": {"key": ["C"]}}}}, "conditions are instrument, pitch, loudness"),
        ({"model": {"trunk": ["to_sequence", {"transformer": {"dim": 32, "heads": 2}}]}}, "causal: true"),
        ({"model": {"trunk": ["to_sequence", {"conv1d": {"channels": 32}}]}}, "goes on step by step"),
    ],
)
def test_bad_recipes_are_refused(notes: Path, codec: Run, change: dict[str, Any], sentence: str) -> None:
    with pytest.raises((RecipeError, ModelError)) as caught:
        paradigm_of(validated({**small(notes, codec), **change}, "tokens"), name="tokens")
    assert sentence in str(caught.value) and "\n" not in str(caught.value)


def test_only_generators_generate(codec: Run) -> None:
    with pytest.raises(ModelError, match="is a run, but of no generator"):
        Generator.open(codec)
