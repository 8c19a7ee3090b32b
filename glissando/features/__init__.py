"""Fixed, differentiable transforms of a waveform."""

from .base import Feature
from .mel import LogMel, MelSpectrogram, mel_matrix
from .rhythm import LogLagRhythm, OnsetStrength, log_rates
from .tempo import TempoEstimate, estimate_tempo

__all__ = [
    "Feature",
    "LogLagRhythm",
    "LogMel",
    "MelSpectrogram",
    "OnsetStrength",
    "TempoEstimate",
    "estimate_tempo",
    "log_rates",
    "mel_matrix",
]
