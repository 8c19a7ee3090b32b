"""Classes and tags of recordings, and of stretches of them."""

from __future__ import annotations

from .base import TASKS
from .global_labels import GlobalLabels
from .label_segments import SegmentLabels


@TASKS.register("classes")
class Classes(GlobalLabels):
    """One class a recording: genre, instrument, kind of sound; parameters as of `LabelTask`."""

    goal, exclusive, usual = "accuracy", True, "class"


@TASKS.register("tags")
class Tags(GlobalLabels):
    """Any number of tags a recording; parameters as of `LabelTask`."""

    goal, exclusive, usual = "mAP", False, "tag"


@TASKS.register("class-segments")
class ClassSegments(SegmentLabels):
    """One class a frame: sections, keys, styles; parameters as of `LabelTask`."""

    goal, exclusive, usual = "accuracy", True, "structure"


@TASKS.register("tag-segments")
class TagSegments(SegmentLabels):
    """Any number of tags a frame, such as who plays when; parameters as of `LabelTask`."""

    goal, exclusive, usual = "mAP", False, "instrument"
