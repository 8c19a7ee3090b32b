"""Whether a note has the pitch that was asked for, by a tracker that is not ours."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import ModelError

LOWEST, HIGHEST = 27.5, 4186.1  # Hz, of a piano
CENTS = 50.0
PERIODS = 3  # of the lowest pitch in a frame
HOP = 0.016  # seconds


def track_pitch(waveform: ArrayLike, sample_rate: int, *, lowest: float = LOWEST, highest: float = HIGHEST) -> float:
    """Track the pitch of a note by pYIN.

    Parameters
    ----------
    waveform : array_like, shape=(samples,)
        One note, mono.
    sample_rate : int
        In Hz.
    lowest, highest : float
        Range in Hz; a narrow one is faster and makes fewer octave errors.

    Returns
    -------
    float
        Median fundamental frequency of the voiced frames in Hz; NaN if there are none.

    Raises
    ------
    ModelError
        If librosa is not installed.

    References
    ----------
    Mauch & Dixon, "pYIN: a fundamental frequency estimator using probabilistic threshold distributions", ICASSP 2014.
    """
    samples = np.asarray(waveform, np.float32)
    frame = 2 ** math.ceil(math.log2(PERIODS * sample_rate / lowest))
    f0, voiced, _ = _librosa().pyin(
        samples,
        fmin=lowest,
        fmax=min(highest, sample_rate / 2.1),
        sr=sample_rate,
        frame_length=frame,
        hop_length=max(1, round(HOP * sample_rate)),
    )
    return float(np.median(f0[voiced])) if voiced.any() else math.nan


def yin_pitch(waveform: ArrayLike, sample_rate: int, *, lowest: float = 55.0, highest: float = 2000.0) -> float:
    """Estimate the pitch of a sound by YIN: quick, and it names one for noise, too.

    Parameters
    ----------
    waveform : array_like, shape=(samples,)
        Mono.
    sample_rate : int
        In Hz.
    lowest, highest : float
        Range in Hz.

    Returns
    -------
    float
        Fundamental frequency in Hz, the median of the frames that have at least a hundredth of the largest energy.

    Raises
    ------
    ModelError
        If librosa is not installed.

    References
    ----------
    De Cheveigne & Kawahara, "YIN, a fundamental frequency estimator for speech and music", JASA 2002.
    """
    samples = np.asarray(waveform, np.float32)
    frame = 2 ** math.ceil(math.log2(PERIODS * sample_rate / lowest))
    samples = np.pad(samples, (0, max(0, frame - len(samples))))
    hop = frame // 4
    f0 = _librosa().yin(
        samples, fmin=lowest, fmax=highest, sr=sample_rate, frame_length=frame, hop_length=hop, center=False
    )
    energy = (np.lib.stride_tricks.sliding_window_view(samples, frame)[::hop].astype(np.float64) ** 2).sum(1)
    return float(np.median(f0[energy[: len(f0)] >= 0.01 * energy.max()]))


def pitch_hit(estimate: ArrayLike, reference: ArrayLike, *, tolerance: float = CENTS) -> NDArray[np.bool_]:
    """Tell which pitches are right; their mean is the pitch accuracy.

    Parameters
    ----------
    estimate, reference : array_like
        In Hz, of shapes that broadcast; NaN is wrong.
    tolerance : float
        In cents.

    Returns
    -------
    ndarray of bool
        True where right.

    References
    ----------
    Raw pitch accuracy of Poliner et al., "Melody transcription from music audio", IEEE TASLP 2007.
    """
    cents = 1200 * np.abs(np.log2(np.asarray(estimate, float) / np.asarray(reference, float)))
    right: NDArray[np.bool_] = cents <= tolerance
    return right


def _librosa() -> Any:
    try:
        import librosa
    except ImportError as error:
        raise ModelError(
            'pitch is tracked by librosa, which is in the extra "metrics"; install it with: '
            'pip install "glissando[metrics]"'
        ) from error
    return librosa
