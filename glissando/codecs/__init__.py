"""Waveform to latents or codes, and back: one contract, a registry, our own codec and adapters."""

from . import dac, encodec, gliss_codec, mimi, music2latent, rave  # each registers what it has
from .as_encoder import CodecEncoder, find_encoder_card, load_encoder
from .as_feature import Latents
from .base import Codec, CodecCard
from .files import Encoded, decode, encode
from .gliss_codec import RunCodec
from .registry import card, load, names, register

__all__ = [
    "Codec",
    "CodecCard",
    "CodecEncoder",
    "Encoded",
    "Latents",
    "RunCodec",
    "card",
    "dac",
    "decode",
    "encode",
    "encodec",
    "find_encoder_card",
    "gliss_codec",
    "load",
    "load_encoder",
    "mimi",
    "music2latent",
    "names",
    "rave",
    "register",
]
