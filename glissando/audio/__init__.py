"""Read, write, resample, stretch and pitch-shift audio; knows no model."""

from .effects import EFFECTS, Effect
from .metadata import FileTags, read_tags
from .nmf import Parts, decompose, draw_parts
from .reading import SEGMENT, SUFFIXES, Audio, AudioStream, as_mono, check_audible, is_silent, read
from .resampling import StreamResampler, resample
from .stretching import pitch_shift, stretch
from .writing import as_data_uri, write

__all__ = [
    "EFFECTS",
    "SEGMENT",
    "SUFFIXES",
    "Audio",
    "AudioStream",
    "Effect",
    "FileTags",
    "Parts",
    "StreamResampler",
    "as_data_uri",
    "as_mono",
    "check_audible",
    "decompose",
    "draw_parts",
    "is_silent",
    "pitch_shift",
    "read",
    "read_tags",
    "resample",
    "stretch",
    "write",
]
