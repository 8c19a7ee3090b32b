"""Embedding to embedding: tempo translation and contours, transposition, arithmetic on the latents of codecs, and maps.

Clips at several tempi are in `latent.tempo_pairs`, which needs data sets and so takes longer to import.
"""

from .algebra import OPERATIONS, operation
from .analogies import Analogy, answer_ranks, draw_analogies, nearest, solve
from .bending import bend, decode_like, morph
from .contour import Contour, translations
from .direction_files import KINDS, check_name, directions_folder, known_directions, load_direction, save_direction
from .directions import ClusterDirection, Direction, MeanDirection, left, moved
from .effect_map import EffectMap
from .effect_pairs import EffectPairs, effect_pairs, paired
from .effect_translator import EffectTranslator
from .expressions import Expression
from .key import KeyShift
from .knobs import METHODS, Knobs, demonstrate, fit_knobs, hear, knobs_file, load_knobs, measure, save_knobs
from .learned import LearnedTranslator, fit_translator
from .maps import neighbours, place, project
from .mixing import MixingEncoder, MixingSpace, load_mixing, missing_part, mixed
from .pairs import Pairs, retrieval, similarity
from .space import Latents, Space
from .sphere import slerp
from .style import presence, restyle
from .subspace import TempoSubspace, fit_subspace, tempo_shares
from .tempo import ShiftTranslator, Transform
from .trajectories import Trajectory, draw_trajectories, trajectories, trajectory_page
from .translators import load_translator, save_translator, translator, translator_folder

__all__ = [
    "KINDS",
    "METHODS",
    "OPERATIONS",
    "Analogy",
    "ClusterDirection",
    "Contour",
    "Direction",
    "EffectMap",
    "EffectPairs",
    "EffectTranslator",
    "Expression",
    "KeyShift",
    "Knobs",
    "Latents",
    "LearnedTranslator",
    "MeanDirection",
    "MixingEncoder",
    "MixingSpace",
    "Pairs",
    "ShiftTranslator",
    "Space",
    "TempoSubspace",
    "Trajectory",
    "Transform",
    "answer_ranks",
    "bend",
    "check_name",
    "decode_like",
    "demonstrate",
    "directions_folder",
    "draw_analogies",
    "draw_trajectories",
    "effect_pairs",
    "fit_knobs",
    "fit_subspace",
    "fit_translator",
    "hear",
    "knobs_file",
    "known_directions",
    "left",
    "load_direction",
    "load_knobs",
    "load_mixing",
    "load_translator",
    "measure",
    "missing_part",
    "mixed",
    "morph",
    "moved",
    "nearest",
    "neighbours",
    "operation",
    "paired",
    "place",
    "presence",
    "project",
    "restyle",
    "retrieval",
    "save_direction",
    "save_knobs",
    "save_translator",
    "similarity",
    "slerp",
    "solve",
    "tempo_shares",
    "trajectories",
    "trajectory_page",
    "translations",
    "translator",
    "translator_folder",
]
