"""Sounds that the tests make themselves, and libraries of them."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

os.environ.setdefault("TQDM_DISABLE", "1")

from glissando import Library
from glissando.audio import Audio, write

RATE = 22_050


def song(
    bpm: float, *, pitch: float = 220.0, seconds: float = 20.0, rate: int = RATE, noise: float = 0.0, seed: int = 0
) -> Audio:
    """A kick on every beat, a hat between, and a tone that never stops."""
    rng = np.random.default_rng(seed)
    time = np.arange(int(seconds * rate)) / rate
    phase = time * bpm / 60 % 1
    kick = np.exp(-phase * 18) * np.sin(2 * np.pi * 60 * time)
    off = (phase + 0.5) % 1
    hat = 0.4 * np.exp(-off * 40) * rng.normal(size=time.size)
    tone = 0.2 * sum(np.sin(2 * np.pi * pitch * h * time) / h for h in (1, 2, 3))
    mixed = 0.5 * kick + 0.5 * hat + tone + noise * rng.normal(size=time.size)
    return Audio((0.7 * mixed / np.abs(mixed).max()).astype(np.float32), rate)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six songs of different tempo and pitch as wav, flac, ogg and mp3."""
    music = tmp_path / "music"
    (music / "sub").mkdir(parents=True)
    tempi = {
        "a80.wav": 80,
        "b100.flac": 100,
        "c115.ogg": 115,
        "d120.mp3": 120,
        "sub/e138.wav": 138,
        "sub/f160.wav": 160,
    }
    for i, (name, bpm) in enumerate(tempi.items()):
        write(music / name, song(bpm, pitch=110 * 1.25**i, seed=i))
    (music / "cover.jpg").write_bytes(b"not audio")
    return music


@pytest.fixture
def library(tmp_path: Path, folder: Path) -> Library:
    """The six songs in a library with the rhythm block alone, which needs no weights."""
    made = Library.open(tmp_path / "library", blocks={"rhythm": "rhythm"})
    report = made.add(folder)
    assert report.added == 6
    assert not report.failed
    return made


@pytest.fixture(scope="session")
def demo_music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The 28 demo tracks; their wheel is fetched once and kept in the cache."""
    from glissando.cli.demo import fetch_tracks

    return fetch_tracks(tmp_path_factory.mktemp("demo"))[0]
