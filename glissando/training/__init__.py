"""Recipes, training, runs, and trained recipes at work."""

from . import transpose  # noqa: F401  (registers itself)
from .choosing import draw_split
from .codec import Autoencoding
from .conditions import Conditions
from .contrastive import Contrastive
from .diffusion import Diffusion
from .distances import METRICS, Score, Sounds, SoundScore, class_probabilities, compare, embed_sounds, score_each
from .embeddings import FLOORS, POOLS, embed_entries
from .estimator import Estimator
from .export import export
from .fit import evaluate, resume, train
from .flow import Flow
from .gan import GAN
from .generative import Generative
from .generator import Generator
from .leaderboard import SHOWN as SHOWN_METRICS
from .leaderboard import Cell, Leaderboard
from .masked import Masked
from .mixing import Mixing, Mixtures
from .mixup import Mask, Mixup
from .network import Network
from .paradigm import PARADIGMS, Paradigm
from .probes import PROBES, Question, answers, probe, score_answers
from .recipe import DataPart, Recipe, TrainPart, load_recipe, read_recipe, shipped, validated
from .repeat import over_seeds, repeat
from .runs import Run, interval, list_runs, plot_curves, shipped_run, summarise
from .samples import Samples
from .sheets import draw_sheet
from .tokens import Tokens
from .translation import TASK as TRANSLATION
from .translation import Translation, TranslationRecipe, load_translation_recipe, train_translation
from .vicreg import VICReg

__all__ = [
    "FLOORS",
    "GAN",
    "METRICS",
    "PARADIGMS",
    "POOLS",
    "PROBES",
    "SHOWN_METRICS",
    "TRANSLATION",
    "Autoencoding",
    "Cell",
    "Conditions",
    "Contrastive",
    "DataPart",
    "Diffusion",
    "Estimator",
    "Flow",
    "Generative",
    "Generator",
    "Leaderboard",
    "Mask",
    "Masked",
    "Mixing",
    "Mixtures",
    "Mixup",
    "Network",
    "Paradigm",
    "Question",
    "Recipe",
    "Run",
    "Samples",
    "Score",
    "SoundScore",
    "Sounds",
    "Tokens",
    "TrainPart",
    "Translation",
    "TranslationRecipe",
    "VICReg",
    "answers",
    "class_probabilities",
    "compare",
    "draw_sheet",
    "draw_split",
    "embed_entries",
    "embed_sounds",
    "evaluate",
    "export",
    "interval",
    "list_runs",
    "load_recipe",
    "load_translation_recipe",
    "over_seeds",
    "plot_curves",
    "probe",
    "read_recipe",
    "repeat",
    "resume",
    "score_answers",
    "score_each",
    "shipped",
    "shipped_run",
    "summarise",
    "train",
    "train_translation",
    "validated",
]
