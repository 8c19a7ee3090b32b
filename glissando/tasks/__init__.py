"""Tasks: one module each."""

from .base import TASKS, Task
from .global_labels import GlobalLabels, Labels
from .label_segments import LabelCurves, SegmentLabels
from .labels import LabelTask
from .pitch import FramePitches, Pitch
from .tags import Classes, ClassSegments, Tags, TagSegments
from .tempo import Tempo, TempoCurve
from .tempo_classes import TempoClassifier, fit_tempo_classifier, tempi

__all__ = [
    "TASKS",
    "ClassSegments",
    "Classes",
    "FramePitches",
    "GlobalLabels",
    "LabelCurves",
    "LabelTask",
    "Labels",
    "Pitch",
    "SegmentLabels",
    "TagSegments",
    "Tags",
    "Task",
    "Tempo",
    "TempoClassifier",
    "TempoCurve",
    "fit_tempo_classifier",
    "tempi",
]
