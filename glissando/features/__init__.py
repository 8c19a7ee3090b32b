"""Fixed, differentiable transforms of a waveform."""

from ..registry import Registry
from .base import Feature, Invertible
from .cqt import CQT, HCQT
from .key import KEYS, Key, KeyEstimate, estimate_key, key_probabilities
from .log_stft import LogSTFT
from .mel import LogMel, MelSpectrogram, mel_matrix
from .pitch_classes import PitchClasses
from .rhythm import LogLagRhythm, OnsetStrength, log_rates
from .stft import STFT, SpectralPeaks, Waveform
from .tempo import TempoEstimate, estimate_tempo
from .tempogram import Tempogram, peak_tempo, tempo_rates
from .timbre import MFCC, Chroma

FEATURES: Registry[Feature] = Registry("feature")
FEATURES.register("waveform", Waveform)
FEATURES.register("stft", STFT)
FEATURES.register("log-stft", LogSTFT)
FEATURES.register("peaks", SpectralPeaks)
FEATURES.register("mel", MelSpectrogram)
FEATURES.register("log-mel", LogMel)
FEATURES.register("mfcc", MFCC)
FEATURES.register("cqt", CQT)
FEATURES.register("hcqt", HCQT)
FEATURES.register("chroma", Chroma)
FEATURES.register("tempogram", Tempogram)

__all__ = [
    "CQT",
    "FEATURES",
    "HCQT",
    "KEYS",
    "MFCC",
    "STFT",
    "Chroma",
    "Feature",
    "Invertible",
    "Key",
    "KeyEstimate",
    "LogLagRhythm",
    "LogMel",
    "LogSTFT",
    "MelSpectrogram",
    "OnsetStrength",
    "PitchClasses",
    "SpectralPeaks",
    "TempoEstimate",
    "Tempogram",
    "Waveform",
    "estimate_key",
    "estimate_tempo",
    "key_probabilities",
    "log_rates",
    "mel_matrix",
    "peak_tempo",
    "tempo_rates",
]
