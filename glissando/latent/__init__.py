"""Embedding to embedding: tempo translation, transposition and maps."""

from .key import KeyShift
from .maps import project
from .tempo import TempoShift, Transform

__all__ = ["KeyShift", "TempoShift", "Transform", "project"]
