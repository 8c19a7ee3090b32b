"""Sampled audio: bits per sample, sounds that are drawn sample by sample, and the recipes of WaveNet and SampleRNN."""

from __future__ import annotations

import copy
import importlib
from pathlib import Path

import numpy as np
import pytest
import torch
from notes import make_notes
from typer.testing import CliRunner

from glissando.audio import Audio, read
from glissando.cli import generate
from glissando.data import load
from glissando.errors import ModelError, RecipeError
from glissando.nn import draw, from_mu_law, mu_law
from glissando.training import Generator, Network, Run, Samples, load_recipe, resume, train, validated

go_on = importlib.import_module("glissando.cli.continue")
RATE = 4_000
WAVENET = {
    "samples": [
        "to_sequence",
        {"mu_law": {"dim": 8, "classes": 64}},
        {"wavenet": {"channels": 12, "skip": 16, "layers": 6, "cycles": 1, "condition": "condition"}},
    ],
    "head": {"linear": {"units": 64}},
}
SAMPLERNN = {
    "samples": [
        "to_sequence",
        {"store": "waveform"},
        {"frame_rnn": {"frame": 8, "units": 24, "channels": 16, "condition": "condition"}},
        {"store": "told"},
        {"recall": "waveform"},
        {"mu_law": {"dim": 8, "classes": 64}},
        {"conv1d": {"channels": 16, "kernel": 8, "padding": "causal", "norm": "none", "activation": "none"}},
        {"join": {"name": "told", "how": "add"}},
    ],
    "head": [{"linear": {"units": 16, "activation": "relu"}}, {"linear": {"units": 64}}],
}
MODELS = {"wavenet": WAVENET, "samplernn": SAMPLERNN}


def recipe(notes: Path, model: object, **train: object) -> dict:
    return {
        "paradigm": "samples",
        "data": {"name": str(notes), "split": "entry", "shares": [0.75, 0.125, 0.125], "patch": 1600},
        "feature": {"waveform": {"sample_rate": RATE}},
        "model": model,
        "train": {"epochs": 20, "batch": 2, "rate": 0.02, "patience": 20, **train},
    }


@pytest.fixture(scope="module")
def notes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_notes(tmp_path_factory.mktemp("notes"))


@pytest.fixture(scope="module", params=MODELS)
def run(request: pytest.FixtureRequest, notes: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp(request.param)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GLISSANDO_CACHE", str(notes.parent / "cache"))
        return train(validated(recipe(notes, MODELS[request.param]), request.param), folder / "run")


def test_a_guess_costs_all_bits(notes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLISSANDO_CACHE", str(tmp_path / "cache"))
    guessing = {**WAVENET, "head": {"linear": {"units": 64, "zero": True}}}
    content = validated(recipe(notes, guessing), "guess")
    network = Network(content, given=Samples.given)
    paradigm = Samples(network.output(), network.model, network.feature)
    examples = paradigm.examples(network, [*load(notes).values()], content.data, training=True, seed=0, told=None)
    batch = torch.utils.data.default_collate([examples[i] for i in range(3)])
    found = paradigm.measure(network.model, batch)
    assert found["bits"].tolist() == pytest.approx([6.0] * 3, rel=1e-5)
    assert found["explained"].tolist() == pytest.approx([0.0] * 3, abs=1e-5)
    assert float(paradigm.loss(network.model, batch).detach()) == pytest.approx(6.0, rel=1e-5)


def test_it_learns_more_than_how_often_each_step_is(run: Run, notes: Path) -> None:
    heard = torch.cat([torch.from_numpy(entry.read()[:: 16_000 // RATE]) for entry in load(notes).values()])
    shares = torch.bincount(mu_law(heard, 64), minlength=64) / len(heard)
    entropy = float(-(shares * shares.clamp_min(1e-9).log2()).sum())
    bits, explained = (run.result()["metrics"][name]["mean"] for name in ("bits", "explained"))
    assert bits == pytest.approx(6 * (1 - explained), rel=1e-3)
    assert bits < entropy - 0.5
    assert 0 < run.result()["valid_loss"] < entropy
    assert run.recipe.paradigm["samples"]["conditions"]["instrument"] == ["reed", "string"]


def test_sample_by_sample_draws_what_the_whole_says(run: Run) -> None:
    """The slow way: the model hears everything again for every sample."""
    network, paradigm = run.trained()
    assert isinstance(paradigm, Samples)
    numbers = torch.tensor([paradigm.conditions.numbers({"pitch": pitch}) for pitch in (57, 67)])
    with torch.inference_mode():
        fast = paradigm.sample(
            network.model,
            numbers,
            60,
            guidance=1.0,
            generator=torch.Generator().manual_seed(3),
            temperature=1.5,
            top_k=0,
            top_p=0.95,
        )
        generator, slow = torch.Generator().manual_seed(3), torch.zeros(2, 1, 1, 1)
        for _ in range(60):
            logits = network.model(slow, condition=paradigm.conditions(numbers))[:, -1]
            codes = draw(logits, temperature=1.5, top_p=0.95, generator=generator)
            slow = torch.cat([slow, from_mu_law(codes, 64)[:, None, None, None]], -1)
    torch.testing.assert_close(fast[..., 0], slow[:, 0, 0, 1:])
    assert fast.std() > 1e-3


def test_a_generator_of_samples(run: Run) -> None:
    generator = Generator.open(run)
    assert generator.sample_rate == RATE
    wanted = [{"instrument": "reed", "pitch": 60}, {}]
    made = generator.generate(wanted, seconds=0.05, seed=1)
    assert made.shape == (2, 200) and made.dtype == np.float32 and np.abs(made).max() <= 1
    assert np.array_equal(made, generator.generate(wanted, seconds=0.05, seed=1))
    assert not np.array_equal(made, generator.generate(wanted, seconds=0.05, seed=2))
    followed = generator.generate(wanted, seconds=0.05, seed=1, guidance=3.0)
    assert not np.array_equal(followed[0], made[0])
    colder = generator.generate([{}], seconds=0.05, temperature=0.0, seed=1)
    assert np.array_equal(colder, generator.generate([{}], seconds=0.05, temperature=0.0, seed=2))
    begun = Audio((0.5 * np.sin(np.arange(100) / 3)).astype(np.float32), RATE)
    longer = generator.generate([{}], seconds=0.02, start=begun)
    assert longer.shape == (1, 180) and np.allclose(longer[0, :100], begun.samples, atol=1e-6)
    with pytest.raises(ModelError, match="takes no steps; it takes temperature, top_k, top_p"):
        generator.generate([{}], steps=3)


def test_the_commands_make_samples_too(run: Run, tmp_path: Path) -> None:
    asked = ["--run", str(run.folder), "--seconds", "0.05", "--set", "temperature=0.9"]
    done = CliRunner().invoke(generate.app, [*asked, "-i", "reed", "-p", "60", "-n", "2", "-o", str(tmp_path / "made")])
    assert done.exit_code == 0, done.output
    assert {path.name for path in (tmp_path / "made").iterdir()} == {"reed-60-1.wav", "reed-60-2.wav", "sheet.png"}
    made = read(tmp_path / "made" / "reed-60-1.wav")
    assert made.sample_rate == RATE and len(made.samples) == 200
    done = CliRunner().invoke(go_on.app, [str(tmp_path / "made" / "reed-60-1.wav"), *asked, "-o", str(tmp_path / "on")])
    assert done.exit_code == 0, done.output
    (path,) = (tmp_path / "on").glob("*.wav")
    assert len(read(path).samples) == 400 and np.allclose(read(path).samples[:200], made.samples, atol=1e-3)


def test_a_stopped_run_goes_on_to_the_same_end(notes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLISSANDO_CACHE", str(tmp_path / "cache"))
    content = validated(recipe(notes, WAVENET, epochs=2), "twice")
    whole = train(content, tmp_path / "whole")
    stopped, fit = copy.deepcopy(content), Samples.loss

    def stop(self: Samples, *given: object) -> torch.Tensor:
        stop.calls += 1  # type: ignore[attr-defined]
        if stop.calls > 8:  # type: ignore[attr-defined]  # in the second epoch
            raise KeyboardInterrupt
        return fit(self, *given)  # type: ignore[arg-type]

    stop.calls = 0  # type: ignore[attr-defined]
    monkeypatch.setattr(Samples, "loss", stop)
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        train(stopped, tmp_path / "stopped")
    monkeypatch.setattr(Samples, "loss", fit)
    again = resume(tmp_path / "stopped")
    assert again.result()["sha256"] == whole.result()["sha256"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"feature": {"log-mel": {"sample_rate": RATE, "n_fft": 512, "hop": 128, "bands": 24}}},
            "makes samples; take the feature waveform",
        ),
        ({"model": {"only": ["to_sequence", {"conv1d": {"channels": 8}}]}}, "goes on step by step, but model.only"),
        ({"model": {"only": ["to_sequence", {"linear": {"units": 1}}]}}, "its dimension the steps of the mu-law"),
        ({"paradigm": {"samples": {"drop": 1.0}}}, "drop must be at least 0 and below 1"),
    ],
)
def test_what_cant_be_learned_is_said(notes: Path, tmp_path: Path, change: dict, said: str) -> None:
    content = recipe(notes, WAVENET) | change
    if "log-mel" in str(change):
        content["model"] = {"only": ["to_sequence", {"wavenet": {}}]}
    with pytest.raises(RecipeError, match=said):
        train(validated(content, "wrong"), tmp_path / "run")


@pytest.mark.parametrize("name", ["wavenet", "samplernn"])
def test_shipped_recipes_tell_256_steps_of_8_000_samples(name: str) -> None:
    content = load_recipe(f"generate/{name}")
    network = Network(content, given=Samples.given)
    assert network.output().shape == (2, 8000, 256) and network.feature.sample_rate == 8000
    paradigm = Samples(network.output(), network.model, network.feature)
    with torch.inference_mode():
        made = paradigm.sample(
            network.model,
            torch.zeros(1, 3, dtype=torch.long),
            20,
            guidance=2.0,
            generator=torch.Generator(),
            **Samples.options,
        )
    assert made.shape == (1, 20, 1)
