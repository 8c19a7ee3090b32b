"""Readers of published layouts; importing this registers them."""

from . import chords, covers, multipitch, notes, piano, sounds, stems, tags

__all__ = ["chords", "covers", "multipitch", "notes", "piano", "sounds", "stems", "tags"]
