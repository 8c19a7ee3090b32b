"""The commands that make notes: what they write, and what they refuse."""

from __future__ import annotations

import hashlib
import importlib
from pathlib import Path

import numpy as np
import pytest
from notes import RATE, make_codec, make_notes
from test_tokens import small
from typer.testing import CliRunner, Result

from glissando.audio import Audio, read, write
from glissando.errors import ModelError
from glissando.training import Generator, Run, draw_sheet, train, validated
from glissando.training.conditions import midi_pitch
from glissando.training.runs import shipped_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("tokens")
    notes = make_notes(folder)
    content = small(notes, make_codec(notes, folder / "codec"))
    content["train"]["epochs"] = 2
    return train(validated(content, "tokens"), folder / "run")


def call(verb: str, *arguments: object) -> Result:
    app = importlib.import_module(f"glissando.cli.{verb}").app
    return CliRunner().invoke(app, [str(one) for one in arguments])


def test_generate(run: Run, tmp_path: Path) -> None:
    asked = ["--run", run.folder, "--instrument", "reed", "--pitch", "C4", "--seconds", 0.4, "--seed", 3]
    done = call("generate", *asked, "-n", 3, "-o", tmp_path / "made")
    assert done.exit_code == 0, done.output
    files = sorted(path.name for path in (tmp_path / "made").iterdir())
    assert files == ["reed-C4-1.wav", "reed-C4-2.wav", "reed-C4-3.wav", "sheet.png"]
    sound = read(tmp_path / "made" / files[0])
    assert sound.sample_rate == RATE and sound.duration == pytest.approx(0.4, abs=0.02)
    assert (tmp_path / "made" / "sheet.png").read_bytes()[:4] == b"\x89PNG"
    asked[5] = "261.6Hz"
    call("generate", *asked, "-n", 3, "-o", tmp_path / "again", "--set", "temperature=1")
    assert np.array_equal(read(tmp_path / "again" / "reed-261.6Hz-1.wav").samples, sound.samples)
    expected = Generator.open(run).generate([{"instrument": "reed", "pitch": 60}] * 3, seconds=0.4, seed=3)
    assert np.allclose(sound.samples, expected[0], atol=1e-4)


def test_continue(run: Run, tmp_path: Path) -> None:
    write(tmp_path / "x.wav", Audio(np.sin(np.arange(11025) * 0.1).astype(np.float32) * 0.3, 22_050))
    done = call("continue", tmp_path / "x.wav", "--run", run.folder, "--seconds", 0.3, "-n", 2, "-o", tmp_path / "on")
    assert done.exit_code == 0, done.output
    assert read(tmp_path / "on" / "x-2.wav").duration == pytest.approx(0.8, abs=0.05)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--instrument", "banjo"], "knows no instrument 'banjo'; it knows reed, string"),
        (["--pitch", "H3"], "'H3' is no pitch; write a name (E3, Bb2)"),
        (["--pitch", "C5"], "knows no pitch '72'; it knows MIDI pitches from 57 to 67"),
        (["--set", "temperature"], "write it as temperature=0.8"),
        (["--set", "steps=4"], "takes no steps"),
        (["--seconds", "-1"], "can't be made"),
    ],
)
def test_bad_requests_are_refused(run: Run, tmp_path: Path, arguments: list[str], sentence: str) -> None:
    done = call("generate", "--run", run.folder, "-o", tmp_path / "made", *arguments)
    assert isinstance(done.exception, ModelError) and sentence in str(done.exception)
    assert not (tmp_path / "made").exists()


def test_without_a_run_the_shipped_one_is_taken(tmp_path: Path) -> None:
    done = call(
        "generate", "-i", "guitar", "-p", "E3", "-n", "2", "--seconds", "0.5", "--set", "steps=2", "-o", tmp_path
    )
    assert done.exit_code == 0, done.output
    sounds = [read(tmp_path / f"guitar-E3-{number}.wav").samples for number in (1, 2)]
    assert all(np.isfinite(one).all() and 0.01 < np.abs(one).max() <= 1 for one in sounds)
    assert not np.array_equal(*sounds), "the first two of all guitars"
    shipped = shipped_run("flow")
    digest = hashlib.sha256((shipped.folder / "weights.safetensors").read_bytes()).hexdigest()
    assert digest == shipped.result()["sha256"] and digest in (shipped.folder / "card.md").read_text()


@pytest.mark.parametrize(
    ("text", "pitch"),
    [
        ("E3", 52),
        ("e3", 52),
        ("C4", 60),
        ("Bb2", 46),
        ("F#-1", 6),
        ("52", 52),
        ("52.4", 52),
        ("440Hz", 69),
        ("165 hz", 52),
    ],
)
def test_pitches_are_read(text: str, pitch: int) -> None:
    assert midi_pitch(text) == pitch


@pytest.mark.parametrize("text", ["", "H3", "E", "-3", "900", "0Hz", "nan", "inf", "1e3"])
def test_what_is_no_pitch_is_refused(text: str) -> None:
    with pytest.raises(ModelError, match="is no pitch"):
        midi_pitch(text)


def test_a_sheet_shows_sounds_where_they_are(tmp_path: Path) -> None:
    from matplotlib.image import imread

    tone = np.sin(np.arange(RATE) * 2 * np.pi * 1000 / RATE).astype(np.float32)
    for name, samples in (("tone", tone), ("silence", 0 * tone)):
        draw_sheet(tmp_path / f"{name}.png", {name: Audio(samples, RATE)})
    bright = {name: (imread(tmp_path / f"{name}.png")[..., :3].sum(-1) > 2).mean() for name in ("tone", "silence")}
    assert bright["tone"] > bright["silence"]
    draw_sheet(tmp_path / "many.png", {str(i): Audio(tone[:4000], RATE) for i in range(70)})
