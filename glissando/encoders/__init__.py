"""Waveform to embeddings: one contract, a registry, pretrained and our own encoders."""

from . import (  # each registers what it has
    aisfx,
    as_feature,
    chroma,
    clap,
    gliss_diverse,
    gliss_music,
    gliss_tempo,
    mert,
    mule,
    musicnn,
    rhythm,
)
from .as_feature import Neuralogram
from .base import Encoder, EncoderCard
from .chroma import ChromaEncoder
from .framing import Framing, StreamFramer
from .gliss_diverse import DiverseEncoder
from .gliss_music import MusicEncoder
from .gliss_tempo import TempoEncoder
from .registry import card, load, names, register
from .rhythm import RhythmEncoder
from .shipped import SHIPPED
from .weights import check_sha256, fetch_wheel, files_of, weights_folder, weights_path

__all__ = [
    "SHIPPED",
    "ChromaEncoder",
    "DiverseEncoder",
    "Encoder",
    "EncoderCard",
    "Framing",
    "MusicEncoder",
    "Neuralogram",
    "RhythmEncoder",
    "StreamFramer",
    "TempoEncoder",
    "aisfx",
    "as_feature",
    "card",
    "check_sha256",
    "chroma",
    "clap",
    "fetch_wheel",
    "files_of",
    "gliss_diverse",
    "gliss_music",
    "gliss_tempo",
    "load",
    "mert",
    "mule",
    "musicnn",
    "names",
    "register",
    "rhythm",
    "weights_folder",
    "weights_path",
]
