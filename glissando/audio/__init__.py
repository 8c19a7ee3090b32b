"""Read, write, resample, stretch and pitch-shift audio; knows no model."""

from .effects import EFFECTS, Effect
from .metadata import FileTags, read_tags
from .reading import SEGMENT, SUFFIXES, Audio, AudioStream, as_mono, check_audible, is_silent, read
from .resampling import StreamResampler, resample
from .stretching import pitch_shift, stretch
from .writing import write

__all__ = [
    "EFFECTS",
    "SEGMENT",
    "SUFFIXES",
    "Audio",
    "AudioStream",
    "Effect",
    "FileTags",
    "StreamResampler",
    "as_mono",
    "check_audible",
    "is_silent",
    "pitch_shift",
    "read",
    "read_tags",
    "resample",
    "stretch",
    "write",
]
