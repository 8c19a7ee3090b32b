"""Glissando: learn music-audio embeddings, search with them, bend them, play the result."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # loaded when first used: torch alone takes seconds
    from . import audio, encoders, features, latent, library
    from .audio import Audio
    from .library import Hit, Library, Query

__version__ = "0.1.0"
__all__ = ["Audio", "Hit", "Library", "Query", "audio", "encoders", "features", "latent", "library"]

_HOMES = {"Audio": "audio", "Library": "library", "Hit": "library", "Query": "library"}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    if name in __all__:
        return importlib.import_module(f".{name}", __name__)
    raise AttributeError(f"module 'glissando' has no attribute {name!r}")
