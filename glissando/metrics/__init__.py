"""What the field's metric libraries lack."""

from .chords import chord_scores
from .labels import label_metrics, rank_areas, weighted_mean
from .spectra import log_distance, log_spectral_distance, mel_distance, multi_resolution_distance, si_sdr
from .tempo import tempo_hit

__all__ = [
    "chord_scores",
    "label_metrics",
    "log_distance",
    "log_spectral_distance",
    "mel_distance",
    "multi_resolution_distance",
    "rank_areas",
    "si_sdr",
    "tempo_hit",
    "weighted_mean",
]
