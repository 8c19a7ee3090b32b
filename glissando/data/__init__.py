"""Data sets: HDF5 and pyjama pairs, cards, builders, splits without leaks, targets, cached features, patches, views."""

from . import builders
from .align import frame_times, label_class, label_vector, pitch_matrix, segment_classes, segment_shares
from .annotations import GROUPS, Annotations, F0Curve, Segment, hz_to_midi, midi_to_hz
from .beginnings import Beginnings
from .building import BUILDERS, BuildReport, Failure, build
from .cache import FeatureCache
from .cards import Card, card, names
from .combinations import split_combinations
from .dataset import DataSet, Entry, data_folder, load
from .midi import read_notes, read_score
from .official_splits import official, official_fold, official_folds
from .patches import Patches, no_targets
from .pyjama import read_pyjama, write_pyjama
from .recordings import Recording, joined, of_data, recordings
from .splits import Split, folds, split_by
from .store import ArrayInfo, ArrayStore, ArrayWriter
from .views import Views

__all__ = [
    "BUILDERS",
    "GROUPS",
    "Annotations",
    "ArrayInfo",
    "ArrayStore",
    "ArrayWriter",
    "Beginnings",
    "BuildReport",
    "Card",
    "DataSet",
    "Entry",
    "F0Curve",
    "Failure",
    "FeatureCache",
    "Patches",
    "Recording",
    "Segment",
    "Split",
    "Views",
    "build",
    "builders",
    "card",
    "data_folder",
    "folds",
    "frame_times",
    "hz_to_midi",
    "joined",
    "label_class",
    "label_vector",
    "load",
    "midi_to_hz",
    "names",
    "no_targets",
    "of_data",
    "official",
    "official_fold",
    "official_folds",
    "pitch_matrix",
    "read_notes",
    "read_pyjama",
    "read_score",
    "recordings",
    "segment_classes",
    "segment_shares",
    "split_by",
    "split_combinations",
    "write_pyjama",
]
