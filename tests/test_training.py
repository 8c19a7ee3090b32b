"""Recipes, training, runs: a small set of tones that a small model learns."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file
from typer.testing import CliRunner

from glissando.audio import Audio, write
from glissando.cli import app
from glissando.data import Annotations, ArrayWriter, FeatureCache, write_pyjama
from glissando.errors import GlissandoError, RecipeError
from glissando.tasks import LabelTask
from glissando.training import (
    TRANSLATION,
    Estimator,
    Run,
    draw_split,
    evaluate,
    list_runs,
    load_recipe,
    over_seeds,
    read_recipe,
    repeat,
    resume,
    shipped,
    summarise,
    train,
)

RATE, SECONDS = 22_050, 3.0
CODE = "from glissando.cli import main; main()"


def tones(seed: int) -> tuple[np.ndarray, Annotations]:
    """A tune of two voices: tones of five partials, and their notes."""
    rng = np.random.default_rng(seed)
    wave, notes = np.zeros(int(SECONDS * RATE)), []
    for voice in (48, 60):
        for start in np.arange(0.1, SECONDS - 0.6, 0.6):
            pitch = voice + int(rng.integers(12))
            time_ = np.arange(int(0.5 * RATE)) / RATE
            hz = 440 * 2 ** ((pitch - 69) / 12)
            tone = sum(np.sin(2 * np.pi * hz * k * time_) / k for k in range(1, 6)) * np.hanning(len(time_)) ** 0.3
            at = int(start * RATE)
            wave[at : at + len(tone)] += 0.2 * tone
            notes.append((start, start + 0.5, pitch))
    return (wave + 0.001 * rng.normal(size=len(wave))).astype(np.float32), Annotations(np.array(sorted(notes)))


@pytest.fixture(scope="module")
def tunes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixteen tunes of eight pieces, as a pair of files."""
    folder = tmp_path_factory.mktemp("tunes")
    described = {}
    with ArrayWriter(folder / "tunes_audio.hdf5") as writer:
        for number in range(16):
            wave, annotations = tones(number)
            key = f"tune{number:02}"
            writer.add(key, wave, RATE)
            described[key] = Annotations(annotations.notes, labels={"piece": (f"piece{number // 2}",)})
    write_pyjama(folder / "tunes.pyjama", described)
    return folder / "tunes.pyjama"


@pytest.fixture
def recipe(tunes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A recipe on the tunes, small enough for a test; features are cached beside the tunes."""
    monkeypatch.setenv("GLISSANDO_CACHE", str(tunes.parent / "cache"))
    path = tmp_path / "small.yaml"
    path.write_text(
        yaml.safe_dump(
            {
                "task": {"pitch": {"positive": 2.0}},
                "data": {"name": str(tunes), "split": "piece", "shares": [0.5, 0.25, 0.25], "patch": 64, "hop": 32},
                "feature": {"hcqt": {"hop": 1024, "harmonics": [1, 2, 3], "compress": 100}},
                "model": {
                    "trunk": {"conv2d": {"channels": 8, "kernel": 3, "repeat": 2, "dropout": 0.05}},
                    "head": {"conv2d": {"channels": 1, "kernel": 1, "norm": "none", "activation": "none"}},
                },
                "train": {"epochs": 12, "batch": 4, "rate": 0.02, "patience": 12},
            },
            sort_keys=False,
        )
    )
    return path


def test_a_small_model_learns_the_tunes(recipe: Path, tmp_path: Path) -> None:
    seen: list[str] = []
    run = train(load_recipe(recipe), tmp_path / "run", progress=lambda what, done, total: seen.append(what))
    result, losses = run.result(), run.curves()
    counted = [v for k, v in load_file(run.folder / "weights.safetensors").items() if k.endswith("batches_tracked")]
    assert counted and all(int(number) > 0 for number in counted)  # norms were in training mode
    assert losses["train_loss"][1][-1] < 0.3 * losses["train_loss"][1][0]
    assert result["metrics"]["Acc"]["mean"] > 0.8 and result["metrics"]["Acc"]["n"] == 4
    assert result["metrics"]["Acc"]["low"] <= result["metrics"]["Acc"]["mean"] <= result["metrics"]["Acc"]["high"]
    assert {"features to train", "features to valid", "scores"} <= set(seen)
    assert (
        torch.load(run.folder / "checkpoints" / "last.ckpt", weights_only=True)["epoch"] == losses["valid_loss"][0][-1]
    )
    assert run.state == "done" and Run.open(run.folder).estimator().task.tuned == result["tuned"]
    assert "| Acc |" in (run.folder / "card.md").read_text() and (run.folder / "curves.png").stat().st_size > 5_000
    parts = run.split().parts
    pieces = {part: {int(key[4:]) // 2 for key in keys} for part, keys in parts.items()}
    assert not pieces["train"] & (pieces["valid"] | pieces["test"]) and not pieces["valid"] & pieces["test"]
    assert evaluate(run)["metrics"] == result["metrics"]
    again = train(load_recipe(recipe), tmp_path / "again")
    assert again.result()["metrics"] == result["metrics"]  # the same seed, the same run
    with pytest.raises(RecipeError, match="is a run already"):
        train(load_recipe(recipe), tmp_path / "run")
    gently = ["train.epochs=1", "train.rate=0.0001", f"train.start={tmp_path / 'run'}"]
    tuned = train(load_recipe(recipe, changes=gently), tmp_path / "tuned")
    assert tuned.result()["valid_loss"] < 1.1 * result["valid_loss"]  # it begins where the other ended
    with pytest.raises(RecipeError, match="weights of another model"):
        train(load_recipe(recipe, changes=[*gently, "model.trunk={conv2d: {channels: 5}}"]), tmp_path / "other")
    with pytest.raises(RecipeError, match="no trained run 'nothing'"):
        train(load_recipe(recipe, changes=["train.start=nothing"]), tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_the_last_epoch_is_kept_where_the_recipe_says_so(recipe: Path, tmp_path: Path) -> None:
    changes = ["train.keep=last", "train.epochs=4", "train.rate=0.5"]
    run = train(load_recipe(recipe, changes=changes), tmp_path / "run")
    losses = run.curves()["valid_loss"][1]
    assert min(losses) < losses[-1] and run.result()["valid_loss"] == pytest.approx(losses[-1])
    last = torch.load(run.folder / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    kept = load_file(run.folder / "weights.safetensors")
    assert kept and all(torch.equal(last[f"model.{name}"], weight) for name, weight in kept.items())


def test_a_killed_run_goes_on_to_the_same_end(recipe: Path, tmp_path: Path) -> None:
    whole = train(load_recipe(recipe), tmp_path / "whole").result()
    command = [sys.executable, "-c", CODE, "train", str(recipe), "--out", str(tmp_path / "cut"), "--device", "cpu"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env={**os.environ})
    last = tmp_path / "cut" / "checkpoints" / "last.ckpt"
    for _ in range(1200):
        if last.exists() or process.poll() is not None:
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert last.exists(), process.stderr.read()[-500:]
    run = Run.open(tmp_path / "cut")
    assert run.state == "stopped"
    reached = len(run.curves().get("valid_loss", ([],))[0])
    done = resume(run.folder)
    assert done.state == "done" and reached < 12
    assert len(done.curves()["valid_loss"][0]) >= 12 - reached
    assert abs(done.result()["metrics"]["Acc"]["mean"] - whole["metrics"]["Acc"]["mean"]) < 0.02
    assert resume(run.folder).result() == done.result()  # nothing is left to do


def test_two_devices_train_together(recipe: Path, tmp_path: Path) -> None:
    short = ["--set", "train.epochs=4", "--set", "train.batch=2"]
    command = [sys.executable, "-c", CODE, "train", str(recipe), "--out", str(tmp_path / "run"), "--device", "cpu"]
    done = subprocess.run([*command, "--devices", "2", *short], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-800:]
    run = Run.open(tmp_path / "run")
    losses, alone = run.curves(), train(load_recipe(recipe, changes=short[1::2]), tmp_path / "alone")
    assert run.state == "done" and run.result()["epochs"] == 4
    assert losses["valid_loss"][1][-1] < 0.6 * losses["valid_loss"][1][0]
    assert losses["valid_loss"][1][-1] > 0.5 * alone.curves()["valid_loss"][1][-1]
    steps = [torch.load(one.folder / "checkpoints/last.ckpt", weights_only=True)["global_step"] for one in (run, alone)]
    assert steps[0] == steps[1] // 2  # each device had half of the patches


def test_chunks_are_the_whole(recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    estimator = Estimator(load_recipe(recipe))
    feature = torch.rand(3, 360, 500)
    whole = estimator.outputs(feature)
    monkeypatch.setattr("glissando.training.estimator.CHUNK", 60)
    monkeypatch.setattr("glissando.training.estimator.MARGIN", 8)
    torch.testing.assert_close(estimator.outputs(feature), whole, rtol=1e-4, atol=1e-5)
    wave, _ = tones(0)
    long = np.tile(wave, 3)
    heard = estimator.hear(long)
    monkeypatch.setattr("glissando.training.network.FEATURE_SECONDS", 3.2)
    assert (estimator.hear(long) - heard).abs().max() < 2e-3


def test_repeats_give_mean_and_interval(recipe: Path, tmp_path: Path) -> None:
    quick = load_recipe(recipe, changes=["train.epochs=1"])
    runs = repeat(quick, tmp_path / "seeds", 2)
    assert [run.recipe.train.seed for run in runs] == [0, 1]
    kept = json.loads((tmp_path / "seeds" / "repeats.json").read_text())
    values = [run.result()["metrics"]["Acc"]["mean"] for run in runs]
    assert kept["Acc"]["mean"] == pytest.approx(np.mean(values)) and kept["Acc"]["n"] == 2
    assert len(list_runs(tmp_path / "seeds")) == 2
    three = over_seeds([{"metrics": {"Acc": {"mean": value}}} for value in (0.5, 0.6, 0.7)])["Acc"]
    assert three["mean"] == pytest.approx(0.6) and three["high"] - 0.6 == pytest.approx(4.303 * 0.1 / 3**0.5, rel=1e-3)
    assert summarise([{"a": 1.0}, {"a": 3.0, "b": 5.0}])["b"]["n"] == 1


def run_gliss(*words: object) -> str:
    done = CliRunner().invoke(app, [str(word) for word in words], env={"COLUMNS": "200", "TERMINAL_WIDTH": "200"})
    if isinstance(done.exception, GlissandoError):
        return f"Error: {done.exception}"
    assert done.exit_code in (0, 1), (done.output, done.exception)
    return done.output


def test_the_verbs_work_together(recipe: Path, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    assert "Acc" in run_gliss("train", recipe, "--out", runs / "a", "--set", "train.epochs=3", "--device", "cpu")
    assert "Acc" in run_gliss("train", recipe, "--out", runs / "b", "--set", "train.epochs=2", "--device", "cpu")
    listed = run_gliss("runs", "list", runs)
    assert "done" in listed and "Acc 0." in listed
    assert "parameters" in run_gliss("runs", "show", runs / "a")
    compared = run_gliss("runs", "compare", runs / "a", runs / "b", "--plot", tmp_path / "both.png")
    assert "b above a: Acc" in compared and (tmp_path / "both.png").exists()
    assert "Acc" in run_gliss("evaluate", runs / "a", "--part", "valid")
    assert "MB of weights" in run_gliss(
        "runs", "export", runs / "a", "--out", tmp_path / "light", "--note", "Of tones."
    )
    light, heavy = Run.open(tmp_path / "light"), Run.open(runs / "a")
    sizes = [(one.folder / "weights.safetensors").stat().st_size for one in (light, heavy)]
    assert sizes[0] < 0.7 * sizes[1] and "Of tones." in (light.folder / "card.md").read_text()
    assert light.result()["sha256"] in (light.folder / "card.md").read_text() != (heavy.folder / "card.md").read_text()
    scores = [evaluate(one)["metrics"]["Acc"]["mean"] for one in (light, heavy)]
    assert scores[0] == pytest.approx(scores[1], abs=0.02)
    assert "is a run already" in run_gliss("runs", "export", runs / "a", "--out", tmp_path / "light")
    wave, _ = tones(99)
    write(tmp_path / "take.wav", Audio(wave, RATE))
    (tmp_path / "bad.wav").write_bytes(b"RIFF nothing")
    said = run_gliss("predict", runs / "a", tmp_path / "take.wav", tmp_path / "bad.wav", "--out", tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"take.f0.csv", "take.mid", "take.jams", "take.png"}
    assert "bad.wav: is not audio" in said
    assert "conv2d" in run_gliss("model", "show", recipe) and "conv2d" in run_gliss("model", "show", "pitch/hcqt-conv")


@pytest.mark.parametrize("name", [name for name in shipped() if name != TRANSLATION and "task" in read_recipe(name)])
def test_shipped_recipes_build_a_model_as_large_as_their_targets(name: str) -> None:
    recipe = load_recipe(name)
    if "hear" not in str(recipe.model):  # (which needs samples enough for its features)
        recipe = load_recipe(name, changes=["data.patch=48"])
    estimator = Estimator(recipe, name=name)
    if isinstance(estimator.task, LabelTask):  # (their vocabulary is that of the training data)
        classes = 10 if name.startswith(("tags/", "chords/")) else estimator.output().shape[1]
        estimator.task.vocabulary = tuple(map(str, range(classes)))
    out = estimator.outputs(estimator.example()[0])
    targets = estimator.task.targets(Annotations(), estimator.times(recipe.data.patch))
    assert out.shape == (*targets.shape, *([1] if estimator.task.pooled else []))
    assert sum(weight.numel() for weight in estimator.model.parameters()) < 2_500_000


HOSTILE = {
    "task: !!python/object/apply:os.system ['true']": "is no plain YAML",
    "task: os.system": "there is no task 'os.system'",
    "task: {pitch: {command: rm}}": "task 'pitch' has no argument 'command'",
    "feature: {hcqt: {harmonics: [0.5, 1], module: os}}": "feature 'hcqt' has no argument 'module'",
    "feature: glissando.features.HCQT": "there is no feature",
    "model: {a: {conv2d: {channels: 10000000000}}}": "model.a (conv2d)",
    "model: {a: {__import__: {name: os}}}": "there is no brick '__import__'",
    "train: {epochs: 1.5}": "train.epochs: input should be a valid integer",
    "train: {batch: 100000000}": "train.batch: input should be less than",
    "train: {seed: -1}": "train.seed: input should be greater",
    "train: {optimiser: adam}": "train.optimiser: there is no such field",
    "data: {name: maps, patch: 99999999999}": "data.patch: input should be less than",
    "data: 5": "data: input should be",
    "base: ../../../etc/passwd": "base: there is no recipe '../../../etc/passwd'",
    "base: small.yaml": "in a circle",
    "extra: &a [1]\nmore: *a": "YAML aliases",
    "a: " + "[" * 3000 + "]" * 3000: "is nested too deeply",
    "[1, 2": "is no plain YAML",
    "just text": "is not a recipe",
}


@pytest.mark.parametrize(("text", "sentence"), HOSTILE.items(), ids=[*range(len(HOSTILE))])
def test_a_hostile_recipe_is_one_sentence(recipe: Path, tmp_path: Path, text: str, sentence: str) -> None:
    path = recipe
    if text.startswith(("task", "feature", "model", "train", "data")) and "!!" not in text:
        content = yaml.safe_load(recipe.read_text())
        overlay = yaml.safe_load(text)
        path.write_text(yaml.safe_dump({**content, **overlay}, sort_keys=False))
    else:
        path.write_text(text)
    with pytest.raises(RecipeError) as caught:
        Estimator(load_recipe(path), name=str(path))
    said = str(caught.value)
    assert sentence in said and said.startswith(str(tmp_path)) and "\n" not in said and len(said) < 500, said


def test_a_recipe_may_change_in_what_it_says(recipe: Path, tmp_path: Path) -> None:
    overlay = tmp_path / "other.yaml"
    overlay.write_text("base: small.yaml\nmodel: {trunk: {residual2d: {channels: 4}}}\ntrain: {epochs: 3}\n")
    found = load_recipe(overlay, changes=["train.batch=2", "data.patch=32"])
    assert found.model["trunk"] == {"residual2d": {"channels": 4}} and found.model["head"]
    assert (found.train.epochs, found.train.batch, found.data.patch) == (3, 2, 32)
    with pytest.raises(RecipeError, match="changes nothing"):
        load_recipe(overlay, changes=["train.batch"])
    with pytest.raises(RecipeError, match="'pitch/none'; shipped are pitch/.*--list"):
        load_recipe("pitch/none")


def test_a_leak_fails_the_run(recipe: Path, tmp_path: Path) -> None:
    run = train(load_recipe(recipe, changes=["train.epochs=1"]), tmp_path / "run")
    document = json.loads((run.folder / "split.json").read_text())
    document["parts"]["test"].append(document["parts"]["train"].pop())
    (run.folder / "split.json").write_text(json.dumps(document))
    (run.folder / "result.json").unlink()
    with pytest.raises(RecipeError, match="leaks piece"):
        resume(run.folder)


def test_official_splits_without_validation_get_one(tunes: Path) -> None:
    from glissando.data import DataSet, Entry
    from glissando.training import DataPart

    whole = DataSet.open(tunes)
    entries = {}
    for number, (key, entry) in enumerate(whole.items()):
        labels = {**entry.annotations.labels, "split": ("test" if number >= 12 else "train",)}
        entries[key] = Entry(key, Annotations(entry.annotations.notes, labels=labels), entry.array, entry.store)
    split = draw_split(DataSet("tunes", entries), DataPart(name="x", split="official", shares=(0.6, 0.2, 0.2)))
    assert len(split.parts["test"]) == 4 and len(split.parts["valid"]) == 2 and len(split.parts["train"]) == 10


def test_damaged_weights_are_named(recipe: Path, tmp_path: Path) -> None:
    run = train(load_recipe(recipe, changes=["train.epochs=1"]), tmp_path / "run")
    weights = run.folder / "weights.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(RecipeError, match="can't be read as weights"):
        run.estimator()
    other = Estimator(load_recipe(recipe, changes=["model.trunk.conv2d.channels=5"]))
    weights.write_bytes(whole)
    with pytest.raises(RecipeError, match="weights of another model"):
        other.load_weights(weights)


def test_bins_above_the_source_are_silent(tmp_path: Path) -> None:
    """A set that was kept at 22,050 Hz from a source of 8 kHz has nothing above 4 kHz, and the feature says so."""
    from glissando.data import DataSet
    from glissando.features import HCQT

    wave = np.random.default_rng(0).normal(0, 0.1, RATE).astype(np.float32)
    with ArrayWriter(tmp_path / "noise_audio.hdf5") as writer:
        writer.add("noise", wave, RATE, bandwidth=4000)
    write_pyjama(tmp_path / "noise.pyjama", {"noise": Annotations()})
    entry = DataSet.open(tmp_path / "noise.pyjama")["noise"]
    feature = HCQT(RATE, hop=512)
    values = FeatureCache(feature, "hcqt", folder=tmp_path / "cache").get(entry)
    above = feature.centres().numpy() > 4000
    assert above.any() and not np.asarray(values)[above].any() and np.asarray(values)[~above].any(-1).all()


def test_augmentations_change_what_they_say() -> None:
    from glissando.features import HCQT
    from glissando.training.augment import AUGMENTATIONS

    feature = HCQT(RATE, hop=512, compress=100)
    values = torch.zeros(2, 6, 360, 40)
    values[:, :, 100, 10] = 2.0
    batch = {"feature": values, "target": (values[:, :1] > 0).float()}
    torch.manual_seed(1)
    moved = AUGMENTATIONS.build({"shift": {"bins": 5}}, feature=feature)(batch)
    places = [int(moved[name][0, 0].amax(1).argmax()) for name in ("feature", "target")]
    assert places[0] == places[1] and 0 < abs(places[0] - 100) <= 5
    semitones = AUGMENTATIONS.build({"shift": {"bins": 12, "step": 5}}, feature=feature)
    pairs = [(semitones(batch)["target"][:, 0].amax(2).argmax(1) - 100).tolist() for _ in range(40)]
    assert {a for a, _ in pairs} == {-10, -5, 0, 5, 10} and any(a != b for a, b in pairs)
    wet = AUGMENTATIONS.build({"smear": {"most": 1.0}}, feature=feature)(batch)["feature"][0, 0, 100]
    assert not wet[:10].any() and float(wet[10]) == pytest.approx(2.0, abs=1e-3) and (wet[11:20].diff() < 0).all()
    coloured = AUGMENTATIONS.build({"equalise": {"db": 6.0, "level": 0.0}}, feature=feature)
    full = {"feature": torch.full((64, 6, 360, 1), math.log1p(100.0)), "target": batch["target"]}
    gains = 20 * torch.log10(torch.expm1(coloured(full)["feature"]) / 100)
    assert 4 < float(gains.std()) < 8 and float(gains.diff(dim=2).abs().max()) < 1.5
    octave = coloured.waves[:, 2, 0] - coloured.waves[:, 1, 60]  # harmonic 2 of a bin is harmonic 1 an octave above it
    assert float(octave.abs().max()) < 1e-3
