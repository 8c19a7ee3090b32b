"""What a file says of itself: artist, album, title, year."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

MAX_LENGTH = 500  # characters; tags from strangers may be of any size


@dataclass(frozen=True)
class FileTags:
    """Tags of one file; None where the file says nothing."""

    artist: str | None = None
    album: str | None = None
    title: str | None = None
    year: int | None = None


def read_tags(path: str | Path) -> FileTags:
    """Read the tags of an audio file; damaged tags are no tags.

    Parameters
    ----------
    path : str or Path
        The file.

    Returns
    -------
    FileTags
        What could be read.
    """
    from tinytag import TinyTag

    try:
        tag = TinyTag.get(str(path), duration=False)
    except Exception:  # a stranger's tag must not stop the reading of the sound
        return FileTags()
    year = re.search(r"\d{4}", str(tag.year or ""))
    return FileTags(
        artist=_clean(tag.artist or tag.albumartist),
        album=_clean(tag.album),
        title=_clean(tag.title),
        year=int(year.group()) if year else None,
    )


def _clean(text: str | None) -> str | None:
    plain = "".join(character for character in str(text or "") if character.isprintable()).strip()
    return plain[:MAX_LENGTH] or None
