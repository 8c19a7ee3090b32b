"""Generated audio beside real audio: files through an encoder, the verb, and what it does with what is wrong."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from test_tags import NAMES, recipe, sounding, written
from typer.testing import CliRunner

from glissando.audio import Audio, write
from glissando.cli import app
from glissando.data import Annotations, recordings
from glissando.errors import GlissandoError, ModelError
from glissando.metrics import frechet_distance, inception_score
from glissando.training import METRICS, class_probabilities, compare, embed_sounds, load_recipe, score_each, train

RATE = 8_000


def folder_of(path: Path, waves: list[np.ndarray]) -> Path:
    path.mkdir(parents=True)
    for number, wave in enumerate(waves):
        write(path / f"{number:02}.wav", Audio(np.asarray(wave, np.float32), RATE))
    return path


def buzzes(first: int, count: int = 16, *, seconds: float = 1.0) -> list[np.ndarray]:
    return [sounding("buzz", seconds, seed) for seed in range(first, first + count)]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders: real buzzes, others of the same kind, noise, copies of the real ones."""
    root = tmp_path_factory.mktemp("generated")
    folder_of(root / "real", buzzes(0))
    folder_of(root / "fresh", buzzes(100))
    folder_of(root / "noise", [sounding("hiss", 1.0, seed) for seed in range(16)])
    folder_of(root / "copies", [0.99 * wave for wave in buzzes(0)])
    return root


@pytest.fixture(autouse=True)
def cache(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLISSANDO_CACHE", str(home / "cache"))


def heard(folder: Path, encoder: str = "mfcc"):
    return embed_sounds(encoder, recordings(folder))


def scores(generated: Path, reference: Path, metrics=("fad", "fad-inf", "kid"), **how: object) -> dict[str, float]:
    found, _ = compare(heard(generated), heard(reference), metrics, **how)
    assert [one.metric for one in found] == [name for name in METRICS if name in metrics]
    assert all(one.low <= one.value <= one.high for one in found)
    return {one.metric: one.value for one in found}


def test_what_sounds_alike_is_near(home: Path) -> None:
    names = ("fad", "kid", "precision", "coverage")
    fresh, noise = (scores(home / one, home / "real", names) for one in ("fresh", "noise"))
    assert noise["fad"] > 10 * fresh["fad"] and noise["kid"] > 10 * abs(fresh["kid"])
    assert fresh["precision"] > 0.6 and fresh["coverage"] > 0.6 and noise["precision"] == noise["coverage"] == 0
    assert scores(home / "real", home / "real", ("fad",))["fad"] == pytest.approx(0, abs=1e-6)


def test_copies_are_told_from_fresh_sounds(home: Path) -> None:
    held_out = heard(home / "fresh")
    copies = scores(home / "copies", home / "real", ("nearer", "copied"), held_out=held_out)
    assert copies == {"nearer": 1, "copied": 1}
    each = score_each(heard(home / "copies"), heard(home / "real"), held_out)
    assert [Path(one.nearest).name for one in each] == [Path(one.file).name for one in each]
    assert max(one.ratio for one in each) < 0.2


def test_frechet_distance_is_of_all_frames_and_neighbours_are_of_files(home: Path) -> None:
    ours, theirs = heard(home / "fresh"), heard(home / "real")
    assert len(ours.frames) == 16 and len(ours.frames[0]) > 10
    frames = np.concatenate(ours.frames), np.concatenate(theirs.frames)
    (fad,), _ = compare(ours, theirs, ["fad"])
    assert fad.value == pytest.approx(frechet_distance(*frames))
    np.testing.assert_allclose(ours.means[3], ours.frames[3].mean(0), rtol=1e-5)
    one = score_each(ours, theirs)[3]
    assert one.distance == pytest.approx(np.linalg.norm(theirs.means - ours.means[3], axis=1).min())


def test_too_few_frames_are_warned_of(home: Path) -> None:
    _, told = compare(heard(home / "fresh", "rhythm"), heard(home / "real", "rhythm"), ["fad"])
    assert len(told) == 2 and "generated: 16 samples give no covariance" in told[0]


def test_every_file_is_heard_once(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = heard(home / "real")
    monkeypatch.setattr("glissando.training.embeddings.Listener.frames", lambda *_: pytest.fail("was there already"))
    np.testing.assert_array_equal(heard(home / "real").means, first.means)


def test_sounds_that_can_not_be_compared(home: Path, tmp_path: Path) -> None:
    few = folder_of(tmp_path / "few", buzzes(0, 6))
    with pytest.raises(GlissandoError, match="6 generated sounds are too few; kid, recall of 12 or more can be told"):
        scores(few, home / "real", ("kid", "recall"))
    with pytest.raises(GlissandoError, match="generated sounds lie in the space rhythm:"):
        compare(heard(home / "real", "rhythm"), heard(home / "real"))
    with pytest.raises(GlissandoError, match="no metric 'fid'"):
        scores(home / "real", home / "real", ("fid",))
    with pytest.raises(GlissandoError, match="needs a classifier"):
        scores(home / "real", home / "real", ("is",))
    with pytest.raises(ModelError, match="did you mean musicnn-msd"):
        heard(home / "real", "musicnn-mds")


@pytest.fixture(scope="module")
def classifier(home: Path) -> Path:
    """A small run that tells buzz, hiss and tone."""
    entries = {}
    for i in range(36):
        labels = {"class": (NAMES[i % 3],), "piece": (str(i),)}
        entries[f"clip{i:02}"] = sounding(NAMES[i % 3], 1.0, i), Annotations(labels=labels)
    data = written(home, "clips", entries)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GLISSANDO_CACHE", str(home / "cache"))
        return train(load_recipe(recipe(home / "r.yaml", "classes", data)), home / "run").folder


def test_inception_score_counts_the_kinds_that_are_there(home: Path, classifier: Path, tmp_path: Path) -> None:
    mixed = folder_of(tmp_path / "mixed", [sounding(NAMES[i % 3], 1.0, 50 + i) for i in range(15)])
    varied, same = (class_probabilities(classifier, recordings(one)) for one in (mixed, home / "fresh"))
    assert varied.shape == (15, 3)
    assert inception_score(varied) > 2 > 1.3 > inception_score(same) > 0.999
    found = scores(mixed, home / "real", ("is",), probabilities=varied)
    assert found["is"] == pytest.approx(inception_score(varied))


def call(*words: object, code: int = 0) -> tuple[str, str]:
    done = CliRunner().invoke(app, ["distance", *map(str, words)], env={"COLUMNS": "200"})
    assert done.exit_code == code, (done.output, done.exception)
    return done.stdout, done.stderr


def test_the_verb(home: Path, classifier: Path, tmp_path: Path) -> None:
    every = [word for name in METRICS for word in ("-m", name)]
    out, _ = call(
        home / "noise", home / "real", "-e", "mfcc", *every, "--json", "--held-out", home / "fresh",
        "--classifier", classifier, "--per-file", tmp_path / "each.csv",
    )  # fmt: skip
    told = json.loads(out)
    assert told["sounds"] == {"generated": 16, "reference": 16, "held_out": 16} and told["encoder"] == "mfcc"
    assert [one["metric"] for one in told["scores"]] == [*METRICS] and told["warnings"] == told["failed"] == []
    rows = [*csv.DictReader((tmp_path / "each.csv").open())]
    assert len(rows) == 16 and rows[0]["file"].endswith("noise/00.wav") and float(rows[0]["ratio"]) > 1
    out, _ = call(home / "fresh", home / "clips.pyjama", "-e", "mfcc")  # a data set, and the usual metrics
    assert [line.split()[0] for line in out.splitlines()] == ["metric", "fad", "fad-inf", "kid", "16"]
    assert "16 generated and 36 reference sounds, heard by mfcc" in out


def test_what_can_not_be_read_is_listed_and_silence_counts(home: Path, tmp_path: Path) -> None:
    mixed = folder_of(tmp_path / "mixed", [*buzzes(0, 5), np.zeros(RATE)])
    (mixed / "broken.wav").write_bytes(b"RIFF, but no more")
    out, said = call(mixed, home / "real", "-e", "mfcc", "-m", "kid", "--json", code=3)
    assert json.loads(out)["sounds"]["generated"] == 6
    assert [Path(one["key"]).name for one in json.loads(out)["failed"]] == ["broken.wav"]
    assert "broken.wav" in said
    for name in ("00", "01", "02"):
        (mixed / f"{name}.wav").write_bytes(b"")
    done = CliRunner().invoke(app, ["distance", str(mixed), str(home / "real"), "-e", "mfcc"])
    assert "3 generated sounds are too few" in str(done.exception)
    assert "01.wav: is empty (0 bytes)" in done.stderr  # which tells why


def test_the_verb_refuses(home: Path, tmp_path: Path) -> None:
    assert "is none of fad, fad-inf" in call(home, home, "-m", "fid", code=2)[1]
    assert "go together" in call(home, home, "-m", "is", code=2)[1]
    for words, said in (
        ([tmp_path, home], "holds no audio"),
        ([home, home, "--per-file", tmp_path / "no" / "each.csv"], "its folder does not exist"),
    ):
        done = CliRunner().invoke(app, ["distance", *map(str, words)])
        assert said in str(done.exception)


def test_the_page_runs_as_it_stands(home: Path, tmp_path: Path) -> None:
    page = (Path(__file__).parents[1] / "docs" / "distances.md").read_text()
    code = "\n".join(re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL))
    (tmp_path / "generated").symlink_to(home / "fresh")
    (tmp_path / "real").symlink_to(home / "real")
    code += "\nassert worst.fad > 0 and 100 < heard < 180"  # (a sawtooth of a fourth of 300 to 700 Hz)
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert [line.split(":")[0] for line in done.stdout.splitlines()] == ["fad-inf", "kid", "coverage"]
    for metric in METRICS:
        assert f"| `{metric}` |" in page
