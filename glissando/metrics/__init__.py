"""What the field's metric libraries lack."""

from .chords import chord_scores
from .energy import energy_score
from .frechet import Extrapolated, Gaussian, frechet_at_infinity, frechet_distance
from .inception import inception_score
from .kernel import KernelDistance, kernel_distance, mean_discrepancy
from .labels import label_metrics, rank_areas, weighted_mean
from .likeness import linear_cka, linear_predictability
from .neighbours import Memorisation, manifold_scores, memorisation
from .pitch import pitch_hit, track_pitch, yin_pitch
from .properties import PROPERTIES, sound_properties
from .samples import halves
from .spectra import (
    log_distance,
    log_spectral_distance,
    mel_distance,
    multi_resolution_distance,
    si_sdr,
    spectral_convergence,
)
from .tempo import tempo_hit

__all__ = [
    "PROPERTIES",
    "Extrapolated",
    "Gaussian",
    "KernelDistance",
    "Memorisation",
    "chord_scores",
    "energy_score",
    "frechet_at_infinity",
    "frechet_distance",
    "halves",
    "inception_score",
    "kernel_distance",
    "label_metrics",
    "linear_cka",
    "linear_predictability",
    "log_distance",
    "log_spectral_distance",
    "manifold_scores",
    "mean_discrepancy",
    "mel_distance",
    "memorisation",
    "multi_resolution_distance",
    "pitch_hit",
    "rank_areas",
    "si_sdr",
    "sound_properties",
    "spectral_convergence",
    "tempo_hit",
    "track_pitch",
    "weighted_mean",
    "yin_pitch",
]
