"""Synthetic signals with which peers and ports are compared; the same numbers on every machine."""

from __future__ import annotations

import numpy as np

SAMPLE_RATE = 16_000  # Hz, musiCNN's own rate, so that no resampler stands between the two sides
SECONDS = 12.0


def signals() -> dict[str, np.ndarray]:
    """Make the signals: name to ``float32 [samples]`` at 16 kHz."""
    rng = np.random.default_rng(20190)
    time = np.arange(int(SECONDS * SAMPLE_RATE)) / SAMPLE_RATE
    clicks = np.zeros_like(time)
    clicks[:: SAMPLE_RATE // 2] = 1.0  # 120 BPM
    chord = sum(np.sin(2 * np.pi * f * time) for f in (220.0, 277.18, 329.63)) / 3
    sweep = np.sin(2 * np.pi * (40 * time + (7000 - 40) / (2 * SECONDS) * time**2))
    noise = rng.normal(size=time.size)
    made = {
        "silence": np.zeros_like(time),
        "chord": 0.5 * chord,
        "clicks": clicks,
        "noise": 0.2 * noise,
        "sweep": 0.8 * sweep,
        "quiet": 1e-3 * chord,
        "dc": np.full_like(time, 0.25),
    }
    return {name: signal.astype(np.float32) for name, signal in made.items()}
