"""Notes of two small instruments, and a codec of them, for the tests of what makes notes."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from glissando.data import Annotations, ArrayWriter, write_pyjama
from glissando.training import Run, train, validated

RATE, SECONDS = 16_000, 0.5
INSTRUMENTS = {"reed": (1, 3, 5), "string": (1, 2, 3, 4)}  # harmonics
PITCHES = (57, 60, 64, 67)
LEVELS = {"p": 0.1, "f": 0.7}


def make_notes(folder: Path) -> Path:
    """Both instruments at all pitches, loud and soft; the strings end early."""
    described, time = {}, np.arange(round(RATE * SECONDS)) / RATE
    with ArrayWriter(folder / "notes_audio.hdf5") as writer:
        for instrument, harmonics in INSTRUMENTS.items():
            for pitch in PITCHES:
                hz = 440 * 2 ** ((pitch - 69) / 12)
                tone = sum(np.sin(2 * np.pi * hz * h * time) / h for h in harmonics) * np.exp(-6 * time)
                tone = tone[: RATE // 4] if instrument == "string" else tone
                for name, level in LEVELS.items():
                    key = f"{instrument}-{pitch}-{name}"
                    writer.add(key, np.float32(level * tone / np.abs(tone).max()), RATE)
                    described[key] = Annotations(labels={"instrument": (instrument,), "pitch": (str(pitch),)})
    write_pyjama(folder / "notes.pyjama", described)
    return folder / "notes.pyjama"


def make_codec(notes: Path, folder: Path, *, seed: int = 0, levels: int = 2, size: int = 24, patch: int = 32) -> Run:
    """A codec of principal components and fitted codebooks; nothing of it is learned step by step."""
    content = {
        "paradigm": "codec",
        "data": {"name": str(notes), "split": "entry", "shares": [0.8, 0.1, 0.1], "patch": patch},
        "feature": {"log-stft": {"sample_rate": RATE, "n_fft": 1024, "hop": 256, "iterations": 16}},
        "model": {
            "encoder": ["to_sequence", {"stack": {"frames": 2}}, {"pca": {"units": 16}}],
            "bottleneck": {"codebooks": {"levels": levels, "size": size}},
            "decoder": [{"inverse_pca": {"units": 1026}}, {"unstack": {"frames": 2}}, "to_map"],
        },
        "train": {"epochs": 1, "batch": 8, "rate": 1e-9, "seed": seed},
    }
    return train(validated(content, "codec"), folder)
