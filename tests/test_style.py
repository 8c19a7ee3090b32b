"""Style transfer: statistics of latents move towards those of other sounds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from notes import RATE, make_codec, make_notes
from typer.testing import CliRunner, Result

from glissando import codecs
from glissando.audio import Audio, read, write
from glissando.cli.bend import app
from glissando.codecs import Codec
from glissando.errors import ExpressionError, GlissandoError
from glissando.latent import Space, presence, restyle
from glissando.latent.algebra import swap

SPACE = Space(np.full(4, -8, np.float32), 10.0)


def drawn(count: int, seed: int) -> np.ndarray:
    """Latents far from silence, of a covariance of their own."""
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(count, 4)) @ rng.normal(size=(4, 4)) * 0.3 + rng.normal(size=4) + 3).astype(np.float32)


def test_mean_and_variance_become_those_of_the_others() -> None:
    z, others = drawn(2_000, 0), drawn(5_000, 1)
    gone = [apart(restyle(z, others, amount, space=SPACE), others) for amount in (0.0, 0.5, 1.0)]
    assert gone[1] < 0.7 * gone[0] and gone[2] < 0.1 * gone[0]
    assert np.array_equal(restyle(z, others, 0.0, space=SPACE), z)
    assert np.abs(restyle(z, z, 1.0, space=SPACE) - z).max() < 1e-4, "what has the style stays"
    found = restyle(z, others, 1.0, space=SPACE)
    assert all(np.corrcoef(found[:, i], z[:, i])[0, 1] > 0.9 for i in range(4)), "the course stays"


def apart(z: np.ndarray, others: np.ndarray) -> float:
    return float(np.linalg.norm(z.mean(0) - others.mean(0)) + np.linalg.norm(z.std(0) - others.std(0)))


def test_a_short_sound_stays_finite_and_silence_silent() -> None:
    others = drawn(500, 1)
    sound = np.concatenate([drawn(3, 0), np.tile(SPACE.silence, (5, 1))])
    found = restyle(sound, others, 1.0, space=SPACE)
    assert found.shape == sound.shape and found.dtype == np.float32 and np.isfinite(found).all()
    assert np.array_equal(found[3:], sound[3:]), "no sound comes where there was none"
    assert np.linalg.norm(swap(sound, others)[3:] - SPACE.silence, axis=1).min() > 5, (
        "as it would from statistics alone"
    )
    assert np.linalg.norm(found[:3].mean(0) - others.mean(0)) < 0.3 * np.linalg.norm(sound[:3].mean(0) - others.mean(0))
    assert np.allclose(found[:3], restyle(sound[:3], others, 1.0, space=SPACE), atol=0.05), "silence does not count"
    silent = np.tile(SPACE.silence, (5, 1))
    assert np.array_equal(restyle(silent, others, space=SPACE), silent) and not presence(silent, SPACE).any()
    one = restyle(sound[:1], drawn(1, 1), space=SPACE)
    assert np.isfinite(one).all(), "a single latent, and a style without variance"


@pytest.mark.parametrize(("dims", "amount"), [(3, 1.0), (4, np.nan), (4, np.inf)])
def test_bad_styles_are_refused(dims: int, amount: float) -> None:
    with pytest.raises(ExpressionError, match="take a style of the same codec, and a finite amount"):
        restyle(drawn(9, 0), drawn(9, 1)[:, :dims], amount, space=SPACE)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("codec")
    return make_codec(make_notes(folder), folder / "codec").folder


def tone(hz: float, harmonics: tuple[int, ...], seconds: float = 0.6) -> Audio:
    time = np.arange(round(seconds * RATE)) / RATE
    made = sum(np.sin(2 * np.pi * hz * h * time) / h for h in harmonics) * np.exp(-3 * time)
    return Audio(np.float32(0.3 * made), RATE)


def call(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def test_the_command_moves_a_sound_towards_a_folder(weights: Path, tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    for number, hz in enumerate((196, 220, 262)):
        write(tmp_path / "target" / f"{number}.wav", tone(hz, (1, 3, 5, 7)))
    write(tmp_path / "z.wav", tone(220, (1,)))
    codec: Codec = codecs.load("gliss-codec", weights=weights)
    far = []
    centre = np.concatenate([heard(codec, read(one)) for one in sorted((tmp_path / "target").iterdir())]).mean(0)
    for amount in ("0", "0.7"):
        out = tmp_path / f"{amount}.wav"
        done = call(
            tmp_path / "z.wav", "--weights", weights, "--towards", tmp_path / "target", "--amount", amount, "-o", out
        )
        assert done.exit_code == 0, done.output
        sound = read(out)
        assert sound.samples.shape == read(tmp_path / "z.wav").samples.shape and 0 < np.abs(sound.samples).max() <= 1
        far.append(np.linalg.norm(heard(codec, sound).mean(0) - centre))
    assert far[0] > 1.2 * far[1]
    done = call(tmp_path / "z.wav", "--weights", weights, "--towards", tmp_path / "target" / "0.wav")
    assert done.exit_code == 0 and (tmp_path / "z-bent.wav").is_file(), "a single file is a style, too"


def heard(codec: Codec, sound: Audio) -> np.ndarray:
    z = codecs.encode(codec, sound).values
    return z[presence(z, Space.of(codec)) > 0.5]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--towards", "nowhere"], "nowhere"),
        (["--towards", "empty"], "holds no audio"),
        (["--towards", "silent.wav"], "they are silent"),
    ],
)
def test_bad_folders_are_refused(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], sentence: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    write("z.wav", tone(220, (1,)))
    write("silent.wav", Audio(np.zeros(RATE, np.float32), RATE))
    done = call("z.wav", "--weights", weights, *words)
    assert isinstance(done.exception, GlissandoError) and sentence in str(done.exception)
    assert call("z.wav", "--weights", weights, "--amount", "0.5").exit_code == 2
