"""Rooms: impulse responses of noise that dies away, and dry sound in them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def room(rng: np.random.Generator, sample_rate: int, *, decay: float, wet: float) -> NDArray[np.float32]:
    """Draw the impulse response of a room.

    Parameters
    ----------
    rng : Generator
        What draws the echoes.
    sample_rate : int
        In Hz.
    decay : float
        Seconds until echoes have fallen by 60 dB.
    wet : float
        Energy of all echoes; the direct sound has 1.

    Returns
    -------
    ndarray, shape=(samples,)
        The direct sound first, a few early echoes, then a tail that also dulls.

    References
    ----------
    Moorer, "About this reverberation business", Computer Music Journal, 1979.
    """
    time = np.arange(int(decay * sample_rate) + 1) / sample_rate
    tail = rng.normal(size=len(time)) * 10 ** (-3 * time / decay)
    tail[: int(0.01 * sample_rate)] = 0
    smooth = np.convolve(tail, np.hanning(9) / np.hanning(9).sum(), mode="same")
    late = np.minimum(1, time / decay)
    tail = (1 - late) * tail + late * smooth
    early = rng.integers(int(0.002 * sample_rate), int(0.03 * sample_rate), size=6)
    np.add.at(tail, early.clip(max=len(tail) - 1), rng.uniform(-1, 1, 6) * 6)
    tail *= np.sqrt(wet / max(1e-12, float((tail**2).sum())))
    tail[0] = 1
    response: NDArray[np.float32] = tail.astype(np.float32)
    return response


def reverberate(waveform: NDArray[np.float32], response: NDArray[np.float32]) -> NDArray[np.float32]:
    """Play a sound in a room.

    Parameters
    ----------
    waveform : ndarray, shape=(samples,)
        Dry.
    response : ndarray, shape=(taps,)
        From `room`.

    Returns
    -------
    ndarray, shape=(samples,)
        As long as the dry sound.
    """
    size = 1 << (len(waveform) + len(response) - 1).bit_length()
    wet = np.fft.irfft(np.fft.rfft(waveform, size) * np.fft.rfft(response, size), size)
    cut: NDArray[np.float32] = wet[: len(waveform)].astype(np.float32)
    return cut
