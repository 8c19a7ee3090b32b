"""What the field's metric libraries lack."""

from .labels import label_metrics, rank_areas, weighted_mean
from .tempo import tempo_hit

__all__ = ["label_metrics", "rank_areas", "tempo_hit", "weighted_mean"]
