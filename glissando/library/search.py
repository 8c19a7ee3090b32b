"""Rank tracks or segments by their blocks, joined by the weights of the query."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import QueryError
from .columns import any_of, matrix
from .query import Query, match_tag
from .store import Store

DEFAULT_WEIGHTS = {"timbre": 0.5, "rhythm": 0.5}
# Similarity above which two recordings are one song: timbre changes less than rhythm between encodings and cuts.
SAME_SONG, IDENTITY = 0.99, "timbre"
TRACK_COLUMNS = ("id path duration artist album title year tempo tempo_confidence audio_hash").split()

Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class Hit:
    """One result.

    Parameters
    ----------
    path : str
        The file.
    score : float
        Weighted mean of the blocks' cosine similarities, -1..1.
    parts : dict of str to float
        What every block adds to the score.
    similarities : dict of str to float
        Cosine similarity in every block.
    artist, album, title : str, optional
        From the file's tags.
    year : int, optional
        From the file's tags.
    duration : float
        In seconds.
    tempo, tempo_confidence : float, optional
        Estimate in BPM, and how sure it is, 0..1.
    start, end : float, optional
        The moment in seconds, for a search of moments.
    """

    path: str
    score: float
    parts: dict[str, float]
    similarities: dict[str, float]
    artist: str | None = None
    album: str | None = None
    title: str | None = None
    year: int | None = None
    duration: float = 0.0
    tempo: float | None = None
    tempo_confidence: float | None = None
    start: float | None = None
    end: float | None = None


@dataclass(frozen=True)
class Target:
    """What to look for.

    Parameters
    ----------
    vectors : dict of str to ndarray
        Block to unit vector.
    exclude : frozenset of str
        Ids of the seeds.
    audio_hashes : frozenset of str
        Sounds of the seeds.
    seeds : tuple of dict
        Vectors of every seed as it is, to know near duplicates by.
    """

    vectors: dict[str, Vectors]
    exclude: frozenset[str] = frozenset()
    audio_hashes: frozenset[str] = frozenset()
    seeds: tuple[Mapping[str, Vectors], ...] = ()


@dataclass(frozen=True)
class _Ranked:
    """Candidates, best first."""

    ids: list[str]
    scores: Vectors
    similarities: dict[str, Vectors]
    keys: list[str] = field(default_factory=list)  # track of every candidate


def joint_weights(blocks: Iterable[str], wanted: Mapping[str, float]) -> dict[str, float]:
    """Settle the weights of a query: defaults, then what the user says, scaled to sum 1.

    Parameters
    ----------
    blocks : iterable of str
        Blocks for which the query has a vector.
    wanted : mapping of str to float
        What the user says; without it, a block that has no default weighs nothing unless it is alone.

    Returns
    -------
    dict of str to float
        Weight of every block that counts.
    """
    raw = {block: wanted.get(block, DEFAULT_WEIGHTS.get(block, 0.0)) for block in blocks}
    if not any(raw.values()) and not wanted:
        raw = dict.fromkeys(raw, 1.0)
    total = sum(raw.values())
    return {block: weight / total for block, weight in raw.items() if weight > 0} if total else {}


def _filters(query: Query, tag_names: tuple[str, ...]) -> str | None:
    """Write the filter on tempo and tags.

    Parameters
    ----------
    query : Query
        What is asked.
    tag_names : tuple of str
        Tags of the library.

    Returns
    -------
    str or None
        SQL condition on tracks.
    """
    conditions = []
    if query.tempo:
        conditions.append(f"tempo >= {query.tempo[0]!r} AND tempo <= {query.tempo[1]!r}")
    for word, least in query.tags.items():
        conditions.append(" OR ".join(f"tags[{i + 1}] >= {least!r}" for i in match_tag(word, tag_names)))
    for word, most in query.no_tags.items():
        conditions.append(" AND ".join(f"tags[{i + 1}] < {most!r}" for i in match_tag(word, tag_names)))
    return " AND ".join(f"({condition})" for condition in conditions) or None


def search(store: Store, target: Target, query: Query, weights: Mapping[str, float]) -> list[Hit]:
    """Find the nearest tracks or moments.

    Parameters
    ----------
    store : Store
        The library's tables.
    target : Target
        What to look for.
    query : Query
        Filters and limits.
    weights : mapping of str to float
        From `joint_weights`.

    Returns
    -------
    list of Hit
        Best first.
    """
    where = _filters(query, store.tag_names())
    vectors = {block: target.vectors[block] for block in weights}
    if query.moments:
        allowed = set(store.rows("tracks", ["id"], where)["id"].to_pylist()) if where else None
        ranked = _rank(store, "segments", vectors, weights, None)
    else:
        allowed = None
        ranked = _rank(store, "tracks", vectors, weights, where)
    return [*_choose(store, ranked, target, query, weights, allowed)]


def list_tracks(store: Store, query: Query) -> list[Hit]:
    """List what passes the filters, by the probability of the wanted tags.

    Parameters
    ----------
    store : Store
        The library's tables.
    query : Query
        With tags or a tempo.

    Returns
    -------
    list of Hit
        Best first; the score is the product of the probabilities.

    Raises
    ------
    QueryError
        If there is no filter.
    """
    names = store.tag_names()
    where = _filters(query, names)
    if where is None:
        raise QueryError("nothing to search for; name a track, a tag or a tempo")
    columns = [*TRACK_COLUMNS, *(["tags"] if query.tags else [])]
    table = store.rows("tracks", columns, where)
    scores = np.ones(table.num_rows, np.float32)
    for word in query.tags:
        scores = scores * matrix(table["tags"])[:, match_tag(word, names)].max(axis=1)
    rows = table.drop_columns(["tags"] if query.tags else []).to_pylist()
    order = np.argsort(-scores, kind="stable")[: query.k]
    keep = ("path", "artist", "album", "title", "year", "duration", "tempo", "tempo_confidence")
    return [
        Hit(score=float(scores[i]), parts={}, similarities={}, **{key: rows[i][key] for key in keep}) for i in order
    ]


def _rank(
    store: Store, table: str, vectors: Mapping[str, Vectors], weights: Mapping[str, float], where: str | None
) -> _Ranked:
    """Score every row that passes the filter: exact."""
    key = "track_id" if table == "segments" else "id"
    rows = store.rows(table, list(dict.fromkeys(["id", key, *vectors])), where)
    similarities = {block: matrix(rows[block]) @ vector for block, vector in vectors.items()}
    scores = np.zeros(rows.num_rows, np.float32)
    for block, similarity in similarities.items():
        scores += weights[block] * np.nan_to_num(similarity, nan=0.0)  # no vector in a block: nothing in common
    compared = np.any([np.isfinite(similarity) for similarity in similarities.values()], axis=0)
    order = np.argsort(-np.where(compared, scores, -np.inf), kind="stable")[: int(compared.sum())]
    ids, keys = rows["id"].to_pylist(), rows[key].to_pylist()
    return _Ranked(
        [ids[i] for i in order],
        scores[order],
        {block: similarity[order] for block, similarity in similarities.items()},
        [keys[i] for i in order],
    )


def _choose(
    store: Store,
    ranked: _Ranked,
    target: Target,
    query: Query,
    weights: Mapping[str, float],
    allowed: set[str] | None,
) -> Iterator[Hit]:
    """Walk down the ranking, page by page, until k hits pass the limits."""
    seen: set[str] = set(target.exclude)
    artists: Counter[str] = Counter()
    albums: Counter[tuple[str, str]] = Counter()
    hashes = set(target.audio_hashes)
    chosen: list[Mapping[str, Vectors]] = [*target.seeds]
    identity = [IDENTITY] if IDENTITY in store.blocks() else [*weights]
    given = 0
    page = max(50, 4 * query.k)
    for first in range(0, len(ranked.ids), page):
        positions = [
            i
            for i in range(first, min(first + page, len(ranked.ids)))
            if ranked.keys[i] not in seen and (allowed is None or ranked.keys[i] in allowed)
        ]
        tracks = _fetch(
            store,
            "tracks",
            [*TRACK_COLUMNS, *(identity if query.not_same_song else ())],
            [ranked.keys[i] for i in positions],
        )
        moments = (
            _fetch(store, "segments", ["id", "start", "end"], [ranked.ids[i] for i in positions])
            if query.moments
            else {}
        )
        for i in positions:
            track = tracks.get(ranked.keys[i])
            if track is None or track["id"] in seen:  # a segment of a killed run, or a track that has its moment
                continue
            artist = (track["artist"] or "").lower()
            album = (artist, (track["album"] or "").lower())
            if query.per_artist and artist and artists[artist] >= query.per_artist:
                continue
            if query.per_album and album[1] and albums[album] >= query.per_album:
                continue
            if query.not_same_song:
                if track["audio_hash"] in hashes or any(_same(track, other, identity) for other in chosen):
                    continue
                hashes.add(track["audio_hash"])
                chosen.append({block: track[block] for block in identity})
            seen.add(track["id"])
            artists[artist] += 1
            albums[album] += 1
            yield _hit(track, moments.get(ranked.ids[i], {}), ranked, i, weights)
            given += 1
            if given == query.k:
                return


def _fetch(store: Store, table: str, columns: list[str], ids: list[str]) -> dict[str, dict[str, Any]]:
    if not ids:
        return {}
    return {row["id"]: row for row in store.rows(table, columns, any_of("id", sorted(set(ids)))).to_pylist()}


def _same(track: Mapping[str, Any], other: Mapping[str, Any], blocks: Iterable[str]) -> bool:
    pairs = [(track[block], other.get(block)) for block in blocks]
    return all(a is not None and b is not None and float(np.dot(a, b)) > SAME_SONG for a, b in pairs)


def _hit(
    track: Mapping[str, Any], moment: Mapping[str, Any], ranked: _Ranked, position: int, weights: Mapping[str, float]
) -> Hit:
    similarities = {block: float(values[position]) for block, values in ranked.similarities.items()}
    return Hit(
        path=track["path"],
        score=float(ranked.scores[position]),
        parts={block: weights[block] * value for block, value in similarities.items()},
        similarities=similarities,
        artist=track["artist"],
        album=track["album"],
        title=track["title"],
        year=track["year"],
        duration=track["duration"],
        tempo=track["tempo"],
        tempo_confidence=track["tempo_confidence"],
        start=moment.get("start"),
        end=moment.get("end"),
    )
