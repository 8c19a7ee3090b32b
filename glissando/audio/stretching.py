"""Time-stretch and pitch-shift by Signalsmith Stretch (python-stretch)."""

from __future__ import annotations

import numpy as np

from ..errors import AudioError
from .reading import Audio


def stretch(audio: Audio, tempo_ratio: float) -> Audio:
    """Change the tempo and keep the pitch.

    Parameters
    ----------
    audio : Audio
        Mono or (channels, samples).
    tempo_ratio : float
        New tempo over old: 1.25 is a quarter faster, and the result a fifth shorter.

    Returns
    -------
    Audio
        The stretched audio.

    Raises
    ------
    AudioError
        If the ratio is outside 0.25..4.
    """
    if not 0.25 <= tempo_ratio <= 4:
        raise AudioError(f"tempo_ratio {tempo_ratio:g} is outside 0.25..4")
    return _process(audio, tempo_ratio=tempo_ratio)


def pitch_shift(audio: Audio, semitones: float) -> Audio:
    """Change the pitch and keep the tempo.

    Parameters
    ----------
    audio : Audio
        Mono or (channels, samples).
    semitones : float
        Up if positive; -24..24.

    Returns
    -------
    Audio
        The shifted audio.

    Raises
    ------
    AudioError
        If it is more than two octaves.
    """
    if not -24 <= semitones <= 24:
        raise AudioError(f"semitones {semitones:g} is outside -24..24")
    return _process(audio, semitones=semitones)


def _process(audio: Audio, *, tempo_ratio: float = 1.0, semitones: float = 0.0) -> Audio:
    from python_stretch import Signalsmith

    samples = np.atleast_2d(audio.samples).astype(np.float32)
    stretcher = Signalsmith.Stretch(0)  # (seeded: unseeded, every process gives another result)
    stretcher.preset(samples.shape[0], audio.sample_rate)
    stretcher.setTimeFactor(tempo_ratio)
    stretcher.setTransposeSemitones(semitones)
    shaped = np.asarray(stretcher.process(samples), np.float32)
    return Audio(shaped[0] if audio.samples.ndim == 1 else shaped, audio.sample_rate)
