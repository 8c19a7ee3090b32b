"""Recipes, training, runs, and trained recipes at work."""

from .contrastive import Contrastive
from .estimator import Estimator
from .export import export
from .fit import draw_split, evaluate, resume, train
from .masked import Masked
from .network import Network
from .paradigm import PARADIGMS, Paradigm
from .recipe import DataPart, Recipe, TrainPart, load_recipe, read_recipe, shipped, validated
from .repeat import over_seeds, repeat
from .runs import Run, interval, list_runs, plot_curves, shipped_run, summarise
from .translation import TASK as TRANSLATION
from .translation import Translation, TranslationRecipe, load_translation_recipe, train_translation
from .vicreg import VICReg

__all__ = [
    "PARADIGMS",
    "TRANSLATION",
    "Contrastive",
    "DataPart",
    "Estimator",
    "Masked",
    "Network",
    "Paradigm",
    "Recipe",
    "Run",
    "TrainPart",
    "Translation",
    "TranslationRecipe",
    "VICReg",
    "draw_split",
    "evaluate",
    "export",
    "interval",
    "list_runs",
    "load_recipe",
    "load_translation_recipe",
    "over_seeds",
    "plot_curves",
    "read_recipe",
    "repeat",
    "resume",
    "shipped",
    "shipped_run",
    "summarise",
    "train",
    "train_translation",
    "validated",
]
