"""Nonnegative matrix factorisation: a sound as few spectra, each louder and softer over time, and the sound of each."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import AudioError, ModelError
from .reading import Audio, as_mono

WINDOW = 0.093  # seconds: two neighbouring notes of a guitar are two peaks
OVERLAP = 4  # windows over a sample
ITERATIONS = 200
TINY = 1e-10

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Parts:
    """A sound in parts, the loudest first.

    Parameters
    ----------
    bases : ndarray, shape=(parts, bins)
        Spectra, each with a sum of 1.
    activations : ndarray, shape=(parts, frames)
        How loud each is, over time.
    frequencies : ndarray, shape=(bins,)
        In Hz.
    times : ndarray, shape=(frames,)
        Middle of each frame in seconds.
    sounds : tuple of Audio
        Their sum is the sound that was taken apart.
    """

    bases: Array
    activations: Array
    frequencies: Array
    times: Array
    sounds: tuple[Audio, ...]


def decompose(audio: Audio, *, parts: int = 4, seed: int = 0) -> Parts:
    """Take a sound apart by nonnegative matrix factorisation of its magnitude spectrogram.

    Every part is heard through a mask on the complex spectrogram, its share in the sum of all parts, so phases are
    those of the sound.

    Parameters
    ----------
    audio : Audio
        Of several channels, all are masked alike.
    parts : int
        How many.
    seed : int
        Of what scikit-learn draws.

    Returns
    -------
    Parts
        Spectra, activations and sounds, by falling energy.

    Raises
    ------
    AudioError
        If the sound is empty, silent, or too short for so many parts.
    ModelError
        If scikit-learn is not installed.

    References
    ----------
    Lee & Seung, "Algorithms for non-negative matrix factorization", NIPS 2000; Virtanen, "Monaural sound source
    separation by nonnegative matrix factorization with temporal continuity and sparseness criteria", IEEE TASLP 2007.
    """
    try:
        from scipy.signal import ShortTimeFFT
        from sklearn.decomposition import NMF
        from sklearn.exceptions import ConvergenceWarning
    except ImportError as error:
        raise ModelError('parts need the extra "train"; install it with: pip install "glissando[train]"') from error
    mono = as_mono(audio.samples, audio.sample_rate)
    size = 2 ** round(math.log2(WINDOW * audio.sample_rate))
    fourier = ShortTimeFFT.from_window("hann", audio.sample_rate, size, size - size // OVERLAP)
    length = audio.samples.shape[-1]
    padded = np.pad(np.atleast_2d(audio.samples), ((0, 0), (0, max(0, size - length))))
    spectra = fourier.stft(padded)  # [channels, bins, frames]
    magnitudes = np.abs(fourier.stft(np.pad(mono, (0, padded.shape[-1] - length)))).astype(np.float32)
    if not magnitudes.max() > TINY:
        raise AudioError("the sound is silent; there is nothing to take apart")
    if not 1 <= parts <= min(magnitudes.shape):
        raise AudioError(f"{audio.duration:.2f} s can't be taken into {parts} parts; take 1 to {min(magnitudes.shape)}")
    model = NMF(
        parts, init="nndsvda", solver="mu", beta_loss="kullback-leibler", max_iter=ITERATIONS, random_state=seed
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # (not to the last digit is near enough)
        activations = model.fit_transform(magnitudes.T + TINY).T
    bases = model.components_
    scale = np.maximum(bases.sum(1), TINY)
    activations, bases = activations * scale[:, None], bases / scale[:, None]
    order = np.argsort(-np.linalg.norm(bases, axis=1) * np.linalg.norm(activations, axis=1), kind="stable")
    activations, bases = activations[order].astype(np.float32), bases[order].astype(np.float32)
    whole = bases.T @ activations + parts * TINY
    sounds = []
    for base, activation in zip(bases, activations, strict=True):
        masked = spectra * ((np.outer(base, activation) + TINY) / whole)
        heard = fourier.istft(masked, k1=padded.shape[-1])[..., :length]
        sounds.append(Audio(heard.reshape(audio.samples.shape).astype(np.float32), audio.sample_rate))
    times = fourier.t(padded.shape[-1]).astype(np.float32)
    return Parts(bases, activations, fourier.f.astype(np.float32), times, tuple(sounds))


def draw_parts(path: str | Path, parts: Parts) -> None:
    """Draw spectra and activations, a row a part.

    Parameters
    ----------
    path : str or Path
        PNG file to write.
    parts : Parts
        From `decompose`.

    Raises
    ------
    ModelError
        If matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ModelError('pictures need the extra "maps"; install it with: pip install "glissando[maps]"') from error
    count = len(parts.bases)
    figure = Figure(figsize=(10, 0.8 + 1.3 * count), layout="constrained")
    FigureCanvasAgg(figure)
    grid: Any = figure.subplots(count, 2, squeeze=False, sharex="col", width_ratios=(1, 2))
    heard = slice(1, None)  # (no logarithm of 0 Hz)
    for number, (left, right) in enumerate(grid):
        colour = f"C{number % 10}"
        base, activation = parts.bases[number], parts.activations[number]
        left.fill_between(parts.frequencies[heard], base[heard] / base.max(), color=colour, linewidth=0)
        right.fill_between(parts.times, activation / parts.activations.max(), color=colour, linewidth=0)
        left.set(ylabel=f"part {number + 1}", yticks=[], ylim=(0, 1), xscale="log", xlim=(40, parts.frequencies[-1]))
        right.set(yticks=[], ylim=(0, 1), xlim=(0, parts.times[-1]))
    grid[0, 0].set_title("spectra", fontsize="medium")
    grid[0, 1].set_title("activations", fontsize="medium")
    grid[-1, 0].set_xlabel("Hz")
    grid[-1, 1].set_xlabel("s")
    figure.savefig(path, dpi=100)
