"""What a listener would say first of a sound: how loud, bright, high and noisy it is, how it begins and ends."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from .pitch import yin_pitch

PROPERTIES = {
    "loudness": "dB", "brightness": "Hz", "pitch": "Hz", "noisiness": "dB", "attack": "s", "decay": "s",
}  # fmt: skip
WINDOW, ENVELOPE = 0.064, 0.01  # seconds
SILENT = 1e-10  # power below which there is nothing to measure
RANGE = 1e-8  # of the largest power of a frame; what is below counts as that


def sound_properties(waveform: ArrayLike, sample_rate: int) -> dict[str, float]:
    """Measure a sound.

    Parameters
    ----------
    waveform : array_like, shape=(samples,)
        Mono.
    sample_rate : int
        In Hz.

    Returns
    -------
    dict of str to float
        ``loudness``: mean power in dB of full scale. ``brightness``: spectral centroid in Hz. ``pitch``: fundamental
        frequency in Hz, by YIN. ``noisiness``: spectral flatness in dB, 0 for white noise. ``attack``: seconds in which
        the level rises from a tenth to nine tenths of its peak. ``decay``: seconds from the peak until it stays below a
        tenth. Those of spectra are means over time by energy. All are NaN for silence or what is not finite.

    Raises
    ------
    ModelError
        If librosa is not installed.

    References
    ----------
    Peeters et al., "The Timbre Toolbox: extracting audio descriptors from musical signals", JASA 2011.
    """
    samples = np.asarray(waveform, np.float64)
    power = float(np.mean(samples**2)) if samples.size else 0.0
    if not SILENT < power < math.inf:
        return dict.fromkeys(PROPERTIES, math.nan)
    size = round(WINDOW * sample_rate)
    spectra = np.abs(np.fft.rfft(_frames(samples, size, size // 4) * np.hanning(size), axis=1)) ** 2
    energy = spectra.sum(1)
    weights = energy / energy.sum()
    floored = np.maximum(spectra, RANGE * spectra.max())
    flatness = np.exp(np.log(floored).mean(1)) / floored.mean(1)
    centroid = spectra @ np.fft.rfftfreq(size, 1 / sample_rate) / np.maximum(energy, 1e-30)
    step = max(1, round(ENVELOPE * sample_rate / 2))
    level = np.sqrt((_frames(samples, 2 * step, step) ** 2).mean(1))
    peak, heard = int(level.argmax()), np.flatnonzero(level >= 0.1 * level.max())
    loud = int(np.argmax(level >= 0.9 * level.max()))
    return {
        "loudness": 10 * math.log10(power),
        "brightness": float(weights @ centroid),
        "pitch": yin_pitch(samples, sample_rate),
        "noisiness": float(10 * np.log10(weights @ flatness)),
        "attack": max(0, loud - int(heard[0])) * step / sample_rate,
        "decay": (int(heard[-1]) - peak) * step / sample_rate,
    }


def _frames(samples: np.ndarray, size: int, hop: int) -> np.ndarray:
    padded = np.pad(samples, (0, max(0, size - len(samples))))
    return np.lib.stride_tricks.sliding_window_view(padded, size)[::hop]
