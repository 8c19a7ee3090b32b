"""Nonnegative matrix factorisation: notes become parts, and the parts the sound again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from glissando.audio import Audio, decompose, read, write
from glissando.cli.nmf import app
from glissando.errors import AudioError

RATE = 16_000


def chord() -> Audio:
    """A low note, a high one, both."""
    time = np.arange(3 * RATE) / RATE
    low, high = (sum(np.sin(2 * np.pi * hz * h * time) / h for h in (1, 2, 3)) for hz in (220, 330))
    return Audio((0.3 * low * ((time < 1) | (time > 2)) + 0.2 * high * (time > 1)).astype(np.float32), RATE)


def test_notes_become_parts_and_the_parts_the_sound_again() -> None:
    sound = chord()
    found = decompose(sound, parts=2)
    peaks = found.frequencies[found.bases.argmax(1)]
    assert np.allclose(peaks, [220, 330], atol=8), "the louder first"
    assert np.allclose(found.bases.sum(1), 1, atol=1e-4)
    only_low, only_high = (found.times > 0.1) & (found.times < 0.9), (found.times > 1.1) & (found.times < 1.9)
    low, high = found.activations
    assert low[only_low].mean() > 20 * high[only_low].mean() and high[only_high].mean() > 20 * low[only_high].mean()
    assert np.abs(sum(one.samples for one in found.sounds) - sound.samples).max() < 1e-5
    spectrum = np.abs(np.fft.rfft(found.sounds[0].samples[2 * RATE :], RATE))  # where both are heard
    assert spectrum[220] > 10 * spectrum[330]


def test_it_is_repeatable_and_keeps_channels() -> None:
    mono = chord().samples
    sound = Audio(np.stack([mono, 0.5 * mono[::-1]]), RATE)
    first, second = decompose(sound, parts=3), decompose(sound, parts=3)
    assert all(np.array_equal(a.samples, b.samples) for a, b in zip(first.sounds, second.sounds, strict=True))
    assert first.sounds[0].samples.shape == sound.samples.shape
    assert np.abs(sum(one.samples for one in first.sounds) - sound.samples).max() < 1e-5


def test_short_sounds_are_taken_apart_too() -> None:
    sound = Audio(chord().samples[:300], RATE)
    parts = decompose(sound, parts=1)
    assert np.abs(parts.sounds[0].samples - sound.samples).max() < 1e-5


@pytest.mark.parametrize(
    ("samples", "parts", "sentence"),
    [
        (np.zeros(RATE), 2, "the sound is silent"),
        (np.zeros(0), 2, "holds no samples"),
        (np.full(RATE, np.nan), 2, "NaN"),
        (np.sin(np.arange(300)), 60, r"0.02 s can't be taken into 60 parts; take 1 to \d+"),
        (np.sin(np.arange(300)), 0, "into 0 parts"),
    ],
)
def test_what_can_not_be_taken_apart_is_refused(samples: np.ndarray, parts: int, sentence: str) -> None:
    with pytest.raises(AudioError, match=sentence):
        decompose(Audio(samples.astype(np.float32), RATE), parts=parts)


def test_the_command_writes_parts_whose_sum_is_the_sound(tmp_path: Path) -> None:
    write(tmp_path / "chord.wav", chord())
    words = [str(tmp_path / "chord.wav"), "--parts", "2", "-o", str(tmp_path / "out")]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    assert sorted(one.name for one in (tmp_path / "out").iterdir()) == ["chord-1.wav", "chord-2.wav", "parts.png"]
    parts = [read(tmp_path / "out" / f"chord-{i}.wav").samples for i in (1, 2)]
    assert np.abs(sum(parts) - read(tmp_path / "chord.wav").samples).max() < 3 / 2**15
    assert (tmp_path / "out" / "parts.png").read_bytes()[:4] == b"\x89PNG"
