"""Embedding to embedding: tempo translation and maps."""

from .learned import LearnedTranslator, Pairs, fit_translator
from .maps import project
from .tempo import ShiftTranslator, Transform

__all__ = ["LearnedTranslator", "Pairs", "ShiftTranslator", "Transform", "fit_translator", "project"]
