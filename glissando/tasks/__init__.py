"""Tasks: one module each."""

from .base import TASKS, Task
from .chords import ChordTask
from .pitch import FramePitches, Pitch
from .tempo import Tempo, TempoCurve
from .tempo_classes import TempoClassifier, fit_tempo_classifier, tempi

__all__ = [
    "TASKS",
    "ChordTask",
    "FramePitches",
    "Pitch",
    "Task",
    "Tempo",
    "TempoClassifier",
    "TempoCurve",
    "fit_tempo_classifier",
    "tempi",
]
