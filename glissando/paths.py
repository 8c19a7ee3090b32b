"""Where things are kept on this computer."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs


def cache_dir() -> Path:
    """Tell the folder for what can be fetched again (model weights, demo tracks); ``GLISSANDO_CACHE`` overrides it.

    Returns
    -------
    Path
        The folder; it may not exist yet.
    """
    return Path(os.environ.get("GLISSANDO_CACHE") or platformdirs.user_cache_dir("glissando", appauthor=False))


def data_dir() -> Path:
    """Tell the folder for what is the user's own (the default library); ``GLISSANDO_DATA`` overrides it.

    Returns
    -------
    Path
        The folder; it may not exist yet.
    """
    return Path(os.environ.get("GLISSANDO_DATA") or platformdirs.user_data_dir("glissando", appauthor=False))


def library_dir() -> Path:
    """Tell where the user's own library lies.

    Returns
    -------
    Path
        A folder that may not exist yet.
    """
    return data_dir() / "library"
