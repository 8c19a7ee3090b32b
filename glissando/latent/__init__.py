"""Embedding to embedding: tempo translation and contours, transposition, and maps.

Clips at several tempi are in `latent.tempo_pairs`, which needs data sets and so takes longer to import.
"""

from .contour import Contour, translations
from .key import KeyShift
from .learned import LearnedTranslator, fit_translator
from .maps import project
from .pairs import Pairs, retrieval, similarity
from .sphere import slerp
from .subspace import TempoSubspace, fit_subspace, tempo_shares
from .tempo import ShiftTranslator, Transform
from .translators import load_translator, save_translator, translator, translator_folder

__all__ = [
    "Contour",
    "KeyShift",
    "LearnedTranslator",
    "Pairs",
    "ShiftTranslator",
    "TempoSubspace",
    "Transform",
    "fit_subspace",
    "fit_translator",
    "load_translator",
    "project",
    "retrieval",
    "save_translator",
    "similarity",
    "slerp",
    "tempo_shares",
    "translations",
    "translator",
    "translator_folder",
]
