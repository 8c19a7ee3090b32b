"""Embedding to embedding: tempo translation and maps."""

from .maps import project
from .tempo import TempoShift, Transform

__all__ = ["TempoShift", "Transform", "project"]
