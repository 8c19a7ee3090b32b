"""Tasks: one module each."""

from .base import TASKS, Task
from .pitch import FramePitches, Pitch
from .tempo import Tempo, TempoCurve

__all__ = ["TASKS", "FramePitches", "Pitch", "Task", "Tempo", "TempoCurve"]
