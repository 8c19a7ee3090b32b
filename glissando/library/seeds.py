"""What a search starts from: tracks found by path or words, and their vectors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..audio import Audio
from ..errors import QueryError
from .columns import any_of, matrix, quote
from .embedding import Embedded
from .query import Seed, parse_seed
from .store import Store

SeedLike = str | Path | Audio


@dataclass(frozen=True)
class SeedVectors:
    """A seed as a search needs it.

    Parameters
    ----------
    vectors : dict of str to ndarray
        Block to unit vector.
    tempo : float, optional
        Estimate in BPM.
    key : str, optional
        Estimate, such as "A minor".
    id, audio_hash : str, optional
        Of the track, if it is in the library.
    """

    vectors: dict[str, NDArray[np.float32]]
    tempo: float | None
    key: str | None = None
    id: str | None = None
    audio_hash: str | None = None

    @classmethod
    def of(cls, embedded: Embedded, track: Mapping[str, Any] | None = None) -> SeedVectors:
        """Take what the encoders just said.

        Parameters
        ----------
        embedded : Embedded
            Vectors, tempo and key.
        track : mapping, optional
            The track it is a part of.

        Returns
        -------
        SeedVectors
            The seed.
        """
        tempo = embedded.tempo.bpm if embedded.tempo else None
        key = embedded.key.key.name if embedded.key else None
        id_, audio_hash = (track["id"], track["audio_hash"]) if track else (None, None)
        return cls(embedded.vectors, tempo, key, id_, audio_hash)

    @classmethod
    def read(cls, store: Store, track: Mapping[str, Any]) -> SeedVectors:
        """Read what the library knows of a track.

        Parameters
        ----------
        store : Store
            The library's tables.
        track : mapping
            From `find_track`.

        Returns
        -------
        SeedVectors
            The seed, with the blocks in which it has a vector.
        """
        blocks = [*store.blocks()]
        row = store.rows("tracks", [*blocks, "tempo", "key"], f"id = {quote(track['id'])}")
        vectors = {block: matrix(row[block])[0] for block in blocks}
        present = {block: vector for block, vector in vectors.items() if np.isfinite(vector).all()}
        return cls(present, row["tempo"][0].as_py(), row["key"][0].as_py(), track["id"], track["audio_hash"])


def find_track(store: Store, name: str) -> dict[str, Any] | None:
    """Find one track by its path, or by words of its artist and title.

    Parameters
    ----------
    store : Store
        The library's tables.
    name : str
        Path, or words.

    Returns
    -------
    dict or None
        Id, path, artist, title and sound hash; None if ``name`` is a file that isn't in the library.

    Raises
    ------
    QueryError
        If the words fit none or several, or the file does not exist.
    """
    columns = ["id", "path", "artist", "title", "audio_hash"]
    resolved = str(Path(name).expanduser().resolve())
    rows = store.rows("tracks", columns, any_of("path", list({name, resolved, f"array://{name}"}))).to_pylist()
    if rows:
        return dict(rows[0])
    if Path(resolved).is_file():
        return None
    if "/" in name or "\\" in name:
        raise QueryError(f"{name}: there is no such file, nor a track of that path in the library")
    words = name.lower().split()
    fits = []
    for row in store.rows("tracks", columns).to_pylist():
        text = f"{row['artist'] or ''} {row['title'] or ''} {Path(row['path']).name}".lower()
        if words and all(word in text for word in words):
            fits.append(row)
    if len(fits) == 1:
        return dict(fits[0])
    if not fits:
        raise QueryError(f"{name}: is neither a file nor words of a track in the library")
    some = "; ".join(Path(row["path"]).name for row in fits[:5])
    raise QueryError(
        f"{name}: fits {len(fits)} tracks ({some}{' ...' if len(fits) > 5 else ''}); give more words or the path"
    )


def seed_vectors(store: Store, seed: SeedLike, embed: Callable[..., Embedded]) -> SeedVectors:
    """Find or make the vectors of a seed.

    Parameters
    ----------
    store : Store
        The library's tables.
    seed : str, Path or Audio
        File, track of the library (path, or words of artist and title), range such as ``song.mp3@1:05-1:20``, or audio.
    embed : callable
        Embeds what the library does not have: file or audio, ``start`` and ``end``.

    Returns
    -------
    SeedVectors
        With the blocks it has.

    Raises
    ------
    QueryError
        If it is none of these.
    """
    if isinstance(seed, Audio):
        return SeedVectors.of(embed(seed))
    parsed = Seed(str(seed)) if isinstance(seed, Path) or Path(seed).is_file() else parse_seed(seed)
    found = find_track(store, parsed.name)
    if parsed.start is not None:
        return SeedVectors.of(embed(found["path"] if found else parsed.name, start=parsed.start, end=parsed.end), found)
    return SeedVectors.read(store, found) if found else SeedVectors.of(embed(Path(parsed.name).expanduser()))
