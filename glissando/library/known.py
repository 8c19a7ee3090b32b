"""What a library knows of the files it was made from, and which of them are gone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import LibraryError
from .store import Store


@dataclass(frozen=True)
class Known:
    """A track as its file was when it was indexed."""

    id: str
    path: str
    content_hash: str
    audio_hash: str
    status: tuple[int, int, int]
    coverage: int  # segments it was sampled with; 0 for all
    missing: tuple[str, ...]  # blocks that have no vector yet


def known_tracks(store: Store, blocks: Sequence[str]) -> dict[str, Known]:
    """Read what the library knows.

    Parameters
    ----------
    store : Store
        The library's tables.
    blocks : sequence of str
        Blocks that every track should have.

    Returns
    -------
    dict of str to Known
        By path.
    """
    columns = ["id", "path", "content_hash", "audio_hash", "size", "mtime_ns", "ctime_ns", "coverage"]
    missing: dict[str, list[str]] = {}
    for block in blocks:
        for id_ in store.rows("tracks", ["id"], f"{block} IS NULL")["id"].to_pylist():
            missing.setdefault(id_, []).append(block)
    return {
        row["path"]: Known(
            row["id"],
            row["path"],
            row["content_hash"] or "",
            row["audio_hash"] or "",
            (row["size"], row["mtime_ns"], row["ctime_ns"]),
            row["coverage"] or 0,
            tuple(missing.get(row["id"], ())),
        )
        for row in store.rows("tracks", columns).to_pylist()
    }


def gone_tracks(known: Iterable[Known], files: Sequence[Path], roots: Sequence[str | Path]) -> list[Known]:
    """Find the tracks below the given folders whose file is no longer there.

    Parameters
    ----------
    known : iterable of Known
        All tracks.
    files : sequence of Path
        What was found.
    roots : sequence of str or Path
        Where it was looked for.

    Returns
    -------
    list of Known
        The tracks.

    Raises
    ------
    LibraryError
        If a folder lost all it had, as when a drive is missing.
    """
    folders = [path.resolve() for path in (Path(root).expanduser() for root in roots) if path.is_dir()]
    found = {str(file) for file in files}
    gone = []
    for folder in folders:
        below = [track for track in known if Path(track.path).is_relative_to(folder)]
        lost = [track for track in below if track.path not in found and not Path(track.path).exists()]
        if below and len(lost) == len(below) and not any(file.is_relative_to(folder) for file in files):
            raise LibraryError(
                f"{folder}: holds no audio now, but the library has {len(below)} tracks from it; is a drive missing? "
                f'To drop them: gliss library remove "{folder}"'
            )
        gone += lost
    return list({track.id: track for track in gone}.values())
