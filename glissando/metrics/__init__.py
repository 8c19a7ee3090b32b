"""What the field's metric libraries lack."""

from .chords import chord_scores
from .labels import label_metrics, rank_areas, weighted_mean
from .tempo import tempo_hit

__all__ = ["chord_scores", "label_metrics", "rank_areas", "tempo_hit", "weighted_mean"]
