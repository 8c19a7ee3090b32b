"""Where things are kept on this computer."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
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


@contextmanager
def aside(path: Path) -> Iterator[Path]:
    """Give a file to write beside another, whose place it takes at the end: it is there whole, or not at all.

    Parameters
    ----------
    path : Path
        The file that is to be.

    Yields
    ------
    Path
        What to write.
    """
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        yield part
        with part.open("rb") as written:
            os.fsync(written.fileno())  # or a crash of the machine leaves a whole name and no content
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
