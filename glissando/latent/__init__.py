"""Embedding to embedding: tempo translation and contours, transposition, and maps."""

from .contour import Contour, translations
from .key import KeyShift
from .learned import LearnedTranslator, Pairs, fit_translator
from .maps import project
from .sphere import slerp
from .tempo import ShiftTranslator, Transform

__all__ = [
    "Contour",
    "KeyShift",
    "LearnedTranslator",
    "Pairs",
    "ShiftTranslator",
    "Transform",
    "fit_translator",
    "project",
    "slerp",
    "translations",
]
