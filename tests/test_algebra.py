"""Arithmetic on latents: operations, expressions from strangers, and how bent sounds come out."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from notes import RATE, make_codec, make_notes
from typer.testing import CliRunner, Result

from glissando import codecs
from glissando.audio import Audio, read, write
from glissando.cli.bend import app
from glissando.codecs import Codec
from glissando.errors import ExpressionError, GlissandoError, ModelError
from glissando.latent import OPERATIONS, Expression, Latents, Space, algebra, bend, morph

SPACE = Space(np.array([-1.0, 0.0], np.float32), 10.0)
A = np.array([[0.0, 1.0], [1.0, 0.0], [2.0, -1.0]], np.float32)
B = np.array([[4.0, 4.0]] * 5, np.float32)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("codec")
    return make_codec(make_notes(folder), folder / "codec").folder


@pytest.fixture(scope="module")
def codec(weights: Path) -> Codec:
    return codecs.load("gliss-codec", weights=weights)


def note(seconds: float, hz: float, *, rate: int = RATE, level: float = 0.3) -> Audio:
    time = np.arange(round(seconds * rate)) / rate
    tone = sum(np.sin(2 * np.pi * hz * h * time) / h for h in (1, 2, 3)) * np.exp(-3 * time)
    return Audio((level * tone).astype(np.float32), rate)


def value(text: str, **more: np.ndarray) -> np.ndarray:
    return Expression(text).evaluate({"z": A, "b": B, **more}, SPACE)


def test_sounds_of_different_length_are_filled_up_with_silence() -> None:
    filled = np.concatenate([A, [SPACE.silence] * 2])
    assert np.array_equal(value("z + b"), filled + B) and np.array_equal(value("b - z"), B - filled)
    assert np.array_equal(value("average(z, b, z)"), (2 * filled + B) / 3)
    assert np.array_equal(value("z + mean(b)"), A + 4), "a vector is of no length"
    assert np.array_equal(SPACE.filled(B, 2), B[:2])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("-z * 2 + 1", 1 - 2 * A),
        ("z / 2 - (z - 1)", A / 2 - A + 1),
        ("mix(z, z + 2, 0.25)", A + 0.5),
        ("mix(z, z + 2, share=3)", A + 6),
        ("reverse(z)", A[::-1]),
        ("shift(z, 0.1)", [[-1, 0], [0, 1], [1, 0]]),
        ("shift(z, -0.2)", [[2, -1], [-1, 0], [-1, 0]]),
        ("shift(z, 1e9)", [[-1, 0]] * 3),
        ("stretch(z, 5/3)", [[0, 1], [0.5, 0.5], [1, 0], [1.5, -0.5], [2, -1]]),
        ("stretch(z, 0.01)", [[0, 1]]),
        ("quantise(z + 0.3, 0.5)", A + 0.5),
        ("clip(z, -0.5, 1)", [[0, 1], [1, 0], [1, -0.5]]),
        ("sort(z)", [[0, -1], [1, 0], [2, 1]]),
        ("std(z)", [np.sqrt(2 / 3)] * 2),
        ("slerp(z, z, 0.3)", A),
        ("slerp(z, 3 * z, 0.5)", 2 * A),
    ],
)
def test_operations(text: str, expected: object) -> None:
    assert np.allclose(value(text), expected, atol=1e-6)


def test_slerp_walks_on_the_arc() -> None:
    start, end = np.array([[2.0, 0.0]], np.float32), np.array([[0.0, 4.0]], np.float32)
    half = value("slerp(s, e, 0.5)", s=start, e=end)
    assert np.allclose(half, 3 * np.sqrt(0.5), atol=1e-6)
    assert np.allclose(value("slerp(s, e, 0)", s=start, e=end), start, atol=1e-6)
    assert np.allclose(value("slerp(s, -s, 0.5)", s=start), 0, atol=1e-5), "opposites: the straight line"


def test_swap_gives_the_statistics_of_another() -> None:
    rng = np.random.default_rng(0)
    style = (3 * rng.standard_normal((40, 2)) + 5).astype(np.float32)
    found = value("swap(z, style)", style=style)
    assert np.allclose(found.mean(0), style.mean(0), atol=1e-4) and np.allclose(found.std(0), style.std(0), atol=1e-4)
    assert np.all(np.diff(found[:, 0]) > 0), "the course stays"


def test_noise_is_seeded() -> None:
    assert np.array_equal(value("noise(z, 0.5, seed=3)"), value("noise(z, 0.5, 3)"))
    assert not np.array_equal(value("noise(z, 0.5, 3)"), value("noise(z, 0.5, 4)"))
    long = np.tile(A, (2000, 1))
    spread = (value("noise(z, 0.5)", z=long) - long).std(0)
    assert np.allclose(spread, 0.5 * A.std(0), rtol=0.05)


def test_a_new_operation_is_one_function(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(algebra, "OPERATIONS", OPERATIONS)

    @algebra.operation
    def doubled(z: Latents) -> Latents:
        return 2 * z

    assert np.array_equal(value("doubled(z)"), 2 * A)
    del OPERATIONS["doubled"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("z + 0.8*(wet - b)", "at column 10, 'wet' is no sound; there is z, b"),
        ("z.shape", "at column 1, 'z.shape' can't stand in an expression"),
        ("__import__('os')", "at column 1, '__import__' is no operation"),
        ("revers(z)", "'revers' is no operation; there is reverse"),
        ("z[0]", "can't stand"),
        ("(lambda: z)()", "can't stand"),
        ("[z for z in z]", "can't stand"),
        ("z ** 9", "can't stand"),
        ("z @ z", "can't stand"),
        ("z if z else z", "can't stand"),
        ("'z'", "can't stand"),
        ("True", "is no number"),
        ("2j * z", "is no number"),
        ("1e999 * z", "is too large a number"),
        ("9" * 500 + " * z", "is too large a number"),
        ("z + )", "can't be read at column 5 (unmatched"),
        ("", "can't be read"),
        ("z\0", "can't be read"),
        ("z = 3", "can't be read"),
        ("+" * 60 + "z", "more than 40 operations deep"),
        ("(" * 400 + "z" + ")" * 400, "can't be read"),
        ("z+" * 600 + "z", "1201 characters"),
        ("reverse", "is an operation; write reverse(z)"),
        ("mix(z, b)", "write mix(a, b, share)"),
        ("mix(z, b, z)", "needs a number as share"),
        ("reverse(1)", "needs a sound as z"),
        ("average()", "needs a sound; write average(sounds, ...)"),
        ("shift(z, 1, space=2)", "write shift(z, seconds)"),
        ("reverse(**z)", "can't be called so"),
        ("1 + 2", "gives a number, no sound"),
        ("z / 0", "at column 1, 'z / 0' is not finite"),
        ("z * 1e30 * 1e30", "is not finite"),
        ("stretch(z, 1e9)", "can't be stretched 1e+09 times"),
        ("stretch(z, -1)", "can't be stretched"),
        ("quantise(z, 0)", "needs a step above 0"),
        ("clip(z, 1, 0)", "needs a lower bound"),
        ("noise(z, 1, 0.5)", "needs a whole number from 0 on"),
    ],
)
def test_what_can_not_be_calculated_is_refused_in_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(ExpressionError) as raised:
        value(text)
    assert sentence in str(raised.value) and "\n" not in str(raised.value)


WORDS = [*"zb0123.+-*/(),=_ '[]:", "é", "mix(", "noise(", "swap(", "lambda ", "z, b"]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(WORDS), max_size=16).map("".join))
def test_any_text_gives_a_finite_sound_or_one_sentence(text: str) -> None:
    try:
        found = value(text)
    except ExpressionError:
        return
    assert found.shape[-1] == 2 and np.isfinite(found).all()


CALLS = (
    "z + 0.8*(wet - z)", "mix(z, wet, 0.5)", "slerp(z, wet, 0.5)", "average(z, wet)", "mean(z)", "swap(z, wet)",
    "reverse(z)", "shift(z, 0.1)", "quantise(z, 0.5)", "clip(z, -0.2, 0.2)", "noise(z, 1)", "sort(z)",
    "3 * z", "z * wet",
)  # fmt: skip


@pytest.mark.parametrize("text", CALLS)
def test_bent_sounds_are_finite_unclipped_and_as_long(codec: Codec, text: str) -> None:
    sound, wet = note(0.5, 220, rate=22_050), note(0.4, 330)
    bent = bend(codec, sound, text, others={"wet": wet} if "wet" in text else None)
    assert bent.sample_rate == 22_050 and bent.samples.shape == sound.samples.shape
    assert np.isfinite(bent.samples).all() and 0 < np.abs(bent.samples).max() <= 1


def test_a_folder_is_its_sounds_one_after_another(codec: Codec, weights: Path, tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    for number, hz in enumerate((330, 440)):
        write(tmp_path / "target" / f"{number}.wav", note(0.4, hz))
    write(tmp_path / "z.wav", note(0.5, 220))
    words = ["--expr", "swap(z, t)", "--t", tmp_path / "target", "--weights", weights, "-o", tmp_path / "out.wav"]
    done = call(tmp_path / "z.wav", *words)
    assert done.exit_code == 0, done.output
    sounds = [read(tmp_path / "target" / f"{number}.wav") for number in (0, 1)]
    bent = bend(codec, read(tmp_path / "z.wav"), "swap(z, t)", others={"t": sounds})
    assert np.allclose(read(tmp_path / "out.wav").samples, bent.samples, atol=1e-4)
    one = bend(codec, read(tmp_path / "z.wav"), "swap(z, t)", others={"t": sounds[0]})
    assert not np.allclose(one.samples, bent.samples, atol=1e-2), "both sounds count"


def test_lengths_follow_the_expression(codec: Codec) -> None:
    sound, longer = note(0.5, 220, rate=22_050), note(1.0, 330)
    assert bend(codec, sound, "stretch(z, 2)").duration == pytest.approx(1.0, abs=0.05)
    assert bend(codec, sound, "z + 0*longer", others={"longer": longer}).duration == pytest.approx(1.0, abs=0.05)
    assert np.array_equal(bend(codec, sound).samples, codecs.decode(codec, codecs.encode(codec, sound)).samples)


def test_what_gets_too_loud_is_made_softer_and_said(codec: Codec, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", "glissando"):
        loud = bend(codec, note(0.5, 220), "z + 1.5*(z - soft)", others={"soft": note(0.5, 220, level=0.03)})
    assert "made softer as a whole, by" in caplog.text
    assert np.abs(loud.samples).max() == pytest.approx(1) and (np.abs(loud.samples) > 0.999).mean() < 0.01
    with pytest.raises(ModelError, match="decode to no finite sound"):
        bend(codec, note(0.5, 220), "1e6 * z")


def call(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def test_the_command(weights: Path, tmp_path: Path) -> None:
    for name, hz in (("z", 220), ("wet", 330), ("dry", 220)):
        write(tmp_path / f"{name}.wav", note(0.5, hz))
    words = [tmp_path / "z.wav", "--weights", weights, "--expr", "z + 0.8*(wet - dry)"]
    words += ["--wet", tmp_path / "wet.wav", f"--dry={tmp_path / 'dry.wav'}"]
    done = call(*words, "-o", tmp_path / "out.wav", "--picture", tmp_path / "out.png")
    assert done.exit_code == 0, done.output
    sound, dry = read(tmp_path / "out.wav"), read(tmp_path / "z.wav")
    assert sound.samples.shape == dry.samples.shape and (tmp_path / "out.png").read_bytes()[:4] == b"\x89PNG"
    spectrum = np.abs(np.fft.rfft(sound.samples, RATE))
    assert spectrum[330] > spectrum[220], "most of the way to the other pitch"
    call(tmp_path / "z.wav", "--weights", weights)
    plain = codecs.load("gliss-codec", weights=weights)
    assert np.allclose(read(tmp_path / "z-bent.wav").samples, bend(plain, dry).samples, atol=1e-4)


@pytest.mark.parametrize("arc", [[], ["--arc"]])
def test_morphs_go_from_one_to_the_other(codec: Codec, weights: Path, tmp_path: Path, arc: list[str]) -> None:
    from glissando.cli.morph import app as morph_app

    for name, hz in (("a", 220), ("b", 330)):
        write(tmp_path / f"{name}.wav", note(0.5, hz))
    words = [tmp_path / "a.wav", tmp_path / "b.wav", "-n", 3, "-o", tmp_path / "out", "--weights", weights, *arc]
    done = CliRunner().invoke(morph_app, [str(word) for word in words])
    assert done.exit_code == 0, done.output
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        *(f"a-b-{i}.wav" for i in (1, 2, 3)),
        "sheet.png",
    ]
    found = [read(tmp_path / "out" / f"a-b-{i}.wav").samples for i in (1, 2, 3)]
    for sound, name in ((found[0], "a"), (found[2], "b")):
        assert np.allclose(sound, bend(codec, read(tmp_path / f"{name}.wav")).samples, atol=0.01)
    shares = [np.log(spectrum[330] / spectrum[220]) for spectrum in (np.abs(np.fft.rfft(one, RATE)) for one in found)]
    assert shares[0] < shares[1] < shares[2]
    with pytest.raises(ExpressionError, match="at least 2 sounds"):
        morph(codec, note(0.5, 220), note(0.5, 330), count=1)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--expr", "z + wet"], "which sound is wet? add --wet FILE"),
        (["--wet", "z.wav"], "--wet: is no option, and no sound in 'z'"),
        (["--expr", "z + wet", "--wet"], "--wet: names one file; write --wet FILE, once"),
        (["--expr", "z + wet", "--wet", "z.wav", "--wet", "z.wav"], "names one file"),
        (["--expr", "z + wet", "--wet", "nothing.wav"], "nothing.wav"),
        (["more.wav"], "more.wav: is no option"),
        (["--expr", "z", "-o", "no/where.wav"], "no/where.wav: its folder does not exist"),
    ],
)
def test_bad_commands_are_refused(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], sentence: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write("z.wav", note(0.2, 220))
    done = call("z.wav", "--weights", weights, *words)
    assert isinstance(done.exception, GlissandoError) and sentence in str(done.exception)
    assert "is no file to bend" in str(call("--wet", "z.wav", "z.wav").exception)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["z.wav"]


def test_help_is_quick_and_names_every_operation() -> None:
    import sys

    done = subprocess.run(
        [sys.executable, "-m", "glissando.cli", "bend", "--help"], capture_output=True, text=True, check=True
    )
    assert all(f"{name}(" in done.stdout for name in OPERATIONS)
