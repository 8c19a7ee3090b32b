"""Probes find what is there and not what is not, nothing leaks, and the leaderboard goes on where it was."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from test_cli import run as gliss

from glissando.data import Annotations, ArrayWriter, DataSet, write_pyjama
from glissando.errors import ModelError, RecipeError
from glissando.training import Leaderboard, Question, answers, embed_entries, probe, probes, score_answers

RATE = 8000
CLASSES = ("high", "low", "noise")


def make(folder: Path, name: str, *, folds: int = 0, takes: int = 12, multi: bool = False) -> Path:
    """Clips of half a second; two follow one another from each recording."""
    described, time = {}, np.arange(RATE // 2) / RATE
    with ArrayWriter(folder / f"{name}_audio.hdf5") as writer:
        for number in range(3 * takes):
            rng = np.random.default_rng(number)
            kind = number % 3
            tone = [np.sin(2 * np.pi * f * time) for f in (1500 + 40 * rng.random(), 200 + 20 * rng.random())]
            sounds = [*tone, rng.normal(size=time.size)]
            other = (kind + 1) % 3 if multi and number % 2 else kind
            wave = 0.2 * sounds[kind] + 0.2 * sounds[other] * (other != kind) + 0.01 * rng.normal(size=time.size)
            writer.add(f"clip{number:03}", wave.astype(np.float32), RATE)
            labels = {"class": tuple(sorted({CLASSES[kind], CLASSES[other]})), "recording": (f"{number // 6}",)}
            if folds:
                labels["fold"] = (str(number // 6 % folds + 1),)
            described[f"clip{number:03}"] = Annotations(labels=labels)
    write_pyjama(folder / f"{name}.pyjama", described)
    return folder / f"{name}.pyjama"


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("clips"), "clips", folds=3)


@pytest.fixture(autouse=True)
def cache(clips: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLISSANDO_CACHE", str(clips.parent / "cache"))


def question(path: Path, **how: str) -> Question:
    return Question.of(DataSet.open(path), **how)


def test_folds_are_kept_and_recordings_never_parted(clips: Path, tmp_path: Path) -> None:
    asked = question(clips)
    assert asked.label == "class" and asked.classes == CLASSES and asked.exclusive
    tested = [test for _, test in asked.parts(0)]
    assert len(tested) == 3 and sorted(np.concatenate(tested)) == [*range(36)]
    drawn = question(make(tmp_path, "drawn", takes=20))
    assert drawn.protocol == "5 folds, drawn by recording"
    for asked in (question(clips), drawn):
        for learned, test in asked.parts(1):
            assert not {*asked.groups[learned]} & {*asked.groups[test]}
    first, again, other = ([test.tolist() for _, test in drawn.parts(seed)] for seed in (0, 0, 1))
    assert first == again != other


@pytest.mark.parametrize("kind", ["linear", "mlp", "knn"])
def test_a_probe_finds_what_is_there_and_no_more(clips: Path, kind: str) -> None:
    asked = question(clips)
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(36, 6)).astype(np.float32)
    told = noise.copy()
    told[:, :3] += 6 * asked.truth  # a class is a direction
    found, nothing = (probe(vectors, asked, kind=kind, seeds=1) for vectors in (told, noise))
    assert found["accuracy"]["mean"] > 0.95 and found["macro AUC"]["mean"] > 0.98 and found["mAP"]["mean"] > 0.95
    assert nothing["accuracy"]["mean"] < 0.65 and 0.2 < nothing["macro AUC"]["mean"] < 0.8  # chance is 1/3 and 1/2
    assert found["accuracy"]["n"] == 6  # recordings
    scaled = probe(told * np.float32(1000) + 5, asked, kind=kind, seeds=1)
    assert scaled["accuracy"]["mean"] == pytest.approx(found["accuracy"]["mean"], abs=0.06)


def test_the_mean_of_answers_knows_more_than_each(clips: Path) -> None:
    asked = question(clips)
    rng = np.random.default_rng(0)
    told = []
    for number in range(3):  # each knows one class, and its vectors nothing of the others
        vectors = rng.normal(size=(36, 2))
        vectors[:, 0] += 8 * asked.truth[:, number]
        told.append(answers(vectors.astype(np.float32), asked))
    assert all(np.array_equal(tested, told[0][1]) and scores.shape == (36, 3) for scores, tested in told)
    alone = [score_answers(*one, asked)["accuracy"]["mean"] for one in told]
    together = score_answers(np.mean([scores for scores, _ in told], axis=0), told[0][1], asked)["accuracy"]["mean"]
    assert max(alone) < 0.85 < 0.9 < together


def test_several_labels_at_once(tmp_path: Path) -> None:
    asked = question(make(tmp_path, "mixed", folds=3, multi=True))
    assert not asked.exclusive and asked.truth.sum(1).max() == 2
    rng = np.random.default_rng(0)
    told = np.concatenate([asked.truth, np.zeros_like(asked.truth)], 1) + 0.05 * rng.normal(size=(36, 6))
    for kind in ("linear", "knn"):
        found = probe(told.astype(np.float32), asked, kind=kind)
        assert set(found) == {"macro AUC", "mAP"} and found["macro AUC"]["mean"] > 0.97


def test_a_learning_curve_rises_and_a_shot_is_one_of_every_class(clips: Path) -> None:
    asked = question(clips)
    learned = next(asked.parts(0))[0]
    few = probes._few(asked.truth, learned, 2, 0)
    assert asked.truth[few].sum(0).tolist() == [2, 2, 2] and {*few} <= {*learned}
    rng = np.random.default_rng(1)
    told = (rng.normal(size=(36, 8)) + 2.0 * np.eye(3, 8)[asked.truth.argmax(1)]).astype(np.float32)
    one, all_ = (probe(told, asked, shots=shots, seeds=5)["accuracy"]["mean"] for shots in (1, None))
    assert one < all_


def test_features_tell_tones_from_noise_and_short_clips_pass(clips: Path) -> None:
    asked = question(clips)
    entries = [*asked.data.values()]
    mfcc = embed_entries("mfcc", entries)
    assert mfcc.shape == (36, 40)
    assert probe(mfcc, asked)["accuracy"]["mean"] == 1.0
    joined = embed_entries("mfcc+chroma", entries, pool="mean+max")
    assert joined.shape == (36, 40 + 2 * 36) and np.array_equal(joined[:, :40], mfcc)
    layer = embed_entries("chroma:chroma", entries)
    assert layer.shape == (36, 12) and layer.min() >= 0 and not np.array_equal(layer, embed_entries("chroma", entries))
    with pytest.raises(ModelError, match=r"no output 'drums'; it has embedding, chroma"):
        embed_entries("chroma:drums", entries)
    with pytest.raises(ModelError, match="no encoder 'mfc'"):
        embed_entries("mfc", entries)
    with pytest.raises(ModelError, match="there is no nowhere; name a file or folder with weights"):
        embed_entries("gliss-music=nowhere", entries)


def test_a_set_that_asks_nothing_is_one_sentence(tmp_path: Path) -> None:
    def made(name: str, labels: list[dict[str, str]]) -> Path:
        entries = {f"clip{i}": {key: (value,) for key, value in one.items()} for i, one in enumerate(labels)}
        with ArrayWriter(tmp_path / f"{name}_audio.hdf5") as writer:
            for i, key in enumerate(entries):
                writer.add(key, np.random.default_rng(i).normal(0, 0.1, RATE // 4).astype(np.float32), RATE)
        write_pyjama(tmp_path / f"{name}.pyjama", {key: Annotations(labels=one) for key, one in entries.items()})
        return tmp_path / f"{name}.pyjama"

    with pytest.raises(RecipeError, match="has none of the labels class, instrument, genre, tag; it has no labels"):
        question(made("silent", [{}] * 4))
    with pytest.raises(RecipeError, match="its label 'class' has one value, which tells nothing apart"):
        question(made("alike", [{"class": "a"}] * 4))
    asked = question(made("parted", [{"class": name, "fold": name} for name in "abab"]))  # every fold has a class
    with pytest.raises(RecipeError, match="has one class alone, and a probe needs two"):
        probe(np.eye(4, dtype=np.float32), asked)
    with pytest.raises(RecipeError, match="no probe 'svm'; there are linear, mlp, knn"):
        probe(np.eye(4, dtype=np.float32), asked, kind="svm")
    with pytest.raises(RecipeError, match="seeds and shots must be at least 1"):
        probe(np.eye(4, dtype=np.float32), asked, shots=0)


def test_the_leaderboard_goes_on_where_it_was(clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from glissando.training import leaderboard

    path = tmp_path / "board.json"
    how = {"probes": ["linear", "knn"], "shots": [1, None], "seeds": 2}
    cells = [*Leaderboard(path).fill("mfcc", str(clips), **how)]  # type: ignore[arg-type]
    assert len(cells) == 4 and {cell.pool for cell in cells} == {"mean+std"}
    assert "| mfcc | 40 | mean+std | knn | 1 a class |" in path.with_suffix(".md").read_text()
    done = []
    score = {"mean": 0.0, "low": 0.0, "high": 0.0, "n": 6}
    monkeypatch.setattr(leaderboard, "probe", lambda *_, **how: done.append(how["kind"]) or {"accuracy": score})
    again = [*Leaderboard(path).fill("mfcc", str(clips), **how)]  # type: ignore[arg-type]
    assert again == cells and not done
    content = json.loads(path.read_text())
    del content["cells"][0]
    path.write_text(json.dumps(content))
    list(Leaderboard(path).fill("mfcc", str(clips), **how))  # type: ignore[arg-type]
    assert done == ["linear"]
    path.write_text("[]")
    with pytest.raises(RecipeError, match="is no leaderboard"):
        Leaderboard(path)


def test_the_command(clips: Path, tmp_path: Path) -> None:
    out = tmp_path / "probes.json"
    printed = gliss("probe", "mfcc", "--data", clips, "--probe", "knn", "--shots", "1,2", "--seeds", 1, "--out", out)
    assert "2 a class" in printed and len(json.loads(out.read_text())["cells"]) == 2
    assert "should be whole numbers" in gliss("probe", "mfcc", "--data", clips, "--shots", "x", code=2)
    assert "has no label 'mood'" in gliss("probe", "mfcc", "--data", clips, "--label", "mood", "--out", out, code=1)
