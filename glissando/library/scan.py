"""Find audio files."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from ..audio import SUFFIXES
from ..errors import LibraryError


def find_audio(roots: Iterable[str | Path]) -> list[Path]:
    """Find the audio files below folders; links are followed, every file is listed once.

    Parameters
    ----------
    roots : iterable of str or Path
        Folders, searched by file ending, and files, taken as they are.

    Returns
    -------
    list of Path
        Resolved paths, sorted.

    Raises
    ------
    LibraryError
        If a root does not exist.
    """
    found: set[Path] = set()
    for root in roots:
        path = Path(root).expanduser()
        if path.is_dir():
            found.update(_walk(path))
        elif path.exists():
            found.add(path.resolve())
        else:
            raise LibraryError(f"{root}: there is no such file or folder")
    return sorted(found)


def _walk(root: Path) -> Iterable[Path]:
    visited: set[Path] = set()
    for folder, subfolders, files in os.walk(root, followlinks=True):
        real = Path(folder).resolve()
        if real in visited:  # a link back up
            subfolders.clear()
            continue
        visited.add(real)
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        for name in files:
            path = Path(folder) / name
            if path.suffix.lower() in SUFFIXES and not name.startswith(".") and path.exists():
                yield path.resolve()
