"""Embedding to embedding: tempo translation and contours, and maps."""

from .contour import Contour, translations
from .maps import project
from .sphere import slerp
from .tempo import TempoShift, Transform

__all__ = ["Contour", "TempoShift", "Transform", "project", "slerp", "translations"]
