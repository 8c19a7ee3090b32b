"""Readers of published layouts; importing this registers them."""

from . import (
    chorales,
    chords,
    covers,
    games,
    mixtures,
    multipitch,
    notes,
    nsynth,
    piano,
    renders,
    scores,
    soundfont_notes,
    sounds,
    stems,
    tags,
    tempo,
)

__all__ = [
    "chorales",
    "chords",
    "covers",
    "games",
    "mixtures",
    "multipitch",
    "notes",
    "nsynth",
    "piano",
    "renders",
    "scores",
    "soundfont_notes",
    "sounds",
    "stems",
    "tags",
    "tempo",
]
