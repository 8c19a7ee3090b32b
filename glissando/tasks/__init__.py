"""Tasks: one module each."""

from .base import TASKS, Task
from .pitch import FramePitches, Pitch

__all__ = ["TASKS", "FramePitches", "Pitch", "Task"]
