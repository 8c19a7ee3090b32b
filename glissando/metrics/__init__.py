"""What the field's metric libraries lack."""

from .chords import chord_scores
from .tempo import tempo_hit

__all__ = ["chord_scores", "tempo_hit"]
