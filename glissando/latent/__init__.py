"""Embedding to embedding: tempo translation and contours, transposition, arithmetic on the latents of codecs, and maps.

Clips at several tempi are in `latent.tempo_pairs`, which needs data sets and so takes longer to import.
"""

from .algebra import OPERATIONS, Latents, Space, operation
from .bending import bend, decode_like
from .contour import Contour, translations
from .expressions import Expression
from .key import KeyShift
from .learned import LearnedTranslator, fit_translator
from .maps import project
from .pairs import Pairs, retrieval, similarity
from .sphere import slerp
from .subspace import TempoSubspace, fit_subspace, tempo_shares
from .tempo import ShiftTranslator, Transform
from .translators import load_translator, save_translator, translator, translator_folder

__all__ = [
    "OPERATIONS",
    "Contour",
    "Expression",
    "KeyShift",
    "Latents",
    "LearnedTranslator",
    "Pairs",
    "ShiftTranslator",
    "Space",
    "TempoSubspace",
    "Transform",
    "bend",
    "decode_like",
    "fit_subspace",
    "fit_translator",
    "load_translator",
    "operation",
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
