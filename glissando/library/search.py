"""Rank tracks or segments by their blocks, joined by the weights of the query."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import QueryError
from ..features import Key
from ..latent.contour import Contour
from .blocks import DEFAULT_WEIGHTS
from .columns import any_of, matrix
from .filters import Filter, passes
from .memory_index import TRACK_COLUMNS
from .query import Query, match_tag
from .ranking import Ranked, rank
from .store import Store

# Similarity above which two recordings are one song: timbre changes less than rhythm between encodings and cuts.
SAME_SONG, IDENTITY = 0.99, "timbre"
DEEPEST = 10_000  # rows asked of an index before all rows are looked at
FACTS = "path artist album title year duration tempo tempo_confidence key key_confidence".split()

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
    key, camelot, key_confidence : optional
        Estimate such as "A minor", its Camelot code such as "8A", and how sure it is, 0..1.
    start, end : float, optional
        The moment in seconds, for a search of moments.
    tempo_ratio : float, optional
        Tempo over that of the seeds at which it was nearest, for a search at any tempo.
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
    key: str | None = None
    camelot: str | None = None
    key_confidence: float | None = None
    start: float | None = None
    end: float | None = None
    tempo_ratio: float | None = None


@dataclass(frozen=True)
class Target:
    """What to look for.

    Parameters
    ----------
    vectors : dict of str to ndarray or Contour
        Block to unit vector, or to the curve of its tempi.
    exclude : frozenset of str
        Ids of the seeds.
    audio_hashes : frozenset of str
        Sounds of the seeds.
    seeds : tuple of dict
        Vectors of every seed as it is, to know near duplicates by.
    """

    vectors: Mapping[str, Vectors | Contour]
    exclude: frozenset[str] = frozenset()
    audio_hashes: frozenset[str] = frozenset()
    seeds: tuple[Mapping[str, Vectors], ...] = ()


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
    return search_many(store, [target], query, weights)[0]


def search_many(store: Store, targets: Sequence[Target], query: Query, weights: Mapping[str, float]) -> list[list[Hit]]:
    """Find the nearest for several targets at once, such as one seed at many tempi; they share candidates.

    Parameters
    ----------
    store : Store
        The library's tables.
    targets : sequence of Target
        What to look for.
    query : Query
        What is asked.
    weights : mapping of str to float
        Weight per block.

    Returns
    -------
    list of list of Hit
        For every target, best first.
    """
    wanted = Filter.of(store, query)
    table = "segments" if query.moments else "tracks"
    found: list[list[Hit]] = [[] for _ in targets]
    tracks = _Tracks(store, query)
    open_, depth = [*range(len(targets))], max(100, 5 * query.k)
    while open_:
        vectors = [{block: targets[i].vectors[block] for block in weights} for i in open_]
        rankings = rank(store, table, vectors, weights, wanted=wanted, depth=depth, exact=depth > DEEPEST)
        tracks.load([key for ranked in rankings for key in ranked.keys[: 3 * query.k]])
        for i, ranked in zip([*open_], rankings, strict=True):
            found[i] = [*_choose(tracks, ranked, targets[i], query, weights)]
            if len(found[i]) == query.k or ranked.complete:
                open_.remove(i)
        depth *= 8
    return found


def list_tracks(store: Store, query: Query) -> list[Hit]:
    """List what passes the filters, by the probability of the wanted tags.

    Parameters
    ----------
    store : Store
        The library's tables.
    query : Query
        With tags, a tempo, a key or chords.

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
    asked = query.tempo, query.keys, query.chords, query.tags, query.no_tags, query.artists, query.no_artists
    if not any(asked):
        raise QueryError("nothing to search for; name a track, a tag, a tempo, a key or chords")
    tagged = bool(query.tags or query.no_tags)
    table = store.rows("tracks", [*TRACK_COLUMNS, *(["tags"] if tagged else [])], Filter.of(store, query).sql())
    if tagged:
        table = table.filter([passes(row, query, names) for row in table.select(["tags"]).to_pylist()])
    scores = np.ones(table.num_rows, np.float32)
    for word in query.tags:
        scores = scores * matrix(table["tags"])[:, match_tag(word, names)].max(axis=1)
    rows = table.drop_columns(["tags"] if tagged else []).to_pylist()
    order = np.argsort(-scores, kind="stable")[: query.k]
    return [Hit(score=float(scores[i]), parts={}, similarities={}, **_facts(rows[i])) for i in order]


class _Tracks:
    """Rows of tracks, read a page at a time when the ranking comes to them."""

    def __init__(self, store: Store, query: Query) -> None:
        self._store, self._rows = store, dict[str, dict[str, Any]]()
        self.tag_names = store.tag_names()
        self.identity: list[str] = []  # blocks by which two recordings are known as one song
        if query.not_same_song:
            self.identity = [IDENTITY] if IDENTITY in store.blocks() else [*store.blocks()]
        self._columns = [*TRACK_COLUMNS, *(["tags"] if query.tags or query.no_tags else []), *self.identity]

    def load(self, ids: Iterable[str]) -> None:
        """Read those that are not there yet."""
        missing = sorted({*ids} - self._rows.keys())
        if missing:
            memory = self._store.memory
            if memory and memory.is_current() and not self.identity:
                rows = memory.tracks(missing)
            else:
                rows = self._store.rows("tracks", self._columns, any_of("id", missing)).to_pylist()
            self._rows |= {row["id"]: row for row in rows}

    def __getitem__(self, id_: str) -> dict[str, Any] | None:
        """One of those that were loaded; None for the track of a killed run's segment."""
        return self._rows.get(id_)


def _choose(
    tracks: _Tracks, ranked: Ranked, target: Target, query: Query, weights: Mapping[str, float]
) -> Iterator[Hit]:
    """Walk down the ranking, page by page, until k hits pass the limits."""
    seen: set[str] = set(target.exclude)
    artists: Counter[str] = Counter()
    albums: Counter[tuple[str, str]] = Counter()
    hashes = set(target.audio_hashes)
    chosen: list[Mapping[str, Vectors]] = [*target.seeds]
    page = 3 * query.k
    for i, key in enumerate(ranked.keys):
        if i % page == 0:
            tracks.load(ranked.keys[i : i + page])
        track = tracks[key]
        if track is None or key in seen or not passes(track, query, tracks.tag_names):
            continue
        artist = (track["artist"] or "").lower()
        album = (artist, (track["album"] or "").lower())
        if query.per_artist and artist and artists[artist] >= query.per_artist:
            continue
        if query.per_album and album[1] and albums[album] >= query.per_album:
            continue
        if query.not_same_song:
            if track["audio_hash"] in hashes or any(_same(track, other, tracks.identity) for other in chosen):
                continue
            hashes.add(track["audio_hash"])
            chosen.append({block: track[block] for block in tracks.identity})
        seen.add(key)
        artists[artist] += 1
        albums[album] += 1
        yield _hit(track, ranked, i, weights)
        if len(seen) - len(target.exclude) == query.k:
            return


def _same(track: Mapping[str, Any], other: Mapping[str, Any], blocks: Iterable[str]) -> bool:
    pairs = [(track[block], other.get(block)) for block in blocks]
    return all(a is not None and b is not None and float(np.dot(a, b)) > SAME_SONG for a, b in pairs)


def _hit(track: Mapping[str, Any], ranked: Ranked, position: int, weights: Mapping[str, float]) -> Hit:
    start, end = ranked.bounds[position] if ranked.bounds else (None, None)
    similarities = {block: float(values[position]) for block, values in ranked.similarities.items()}
    factor = None if ranked.factors is None else ranked.factors[position]
    return Hit(
        score=float(ranked.scores[position]),
        parts={block: weights[block] * value for block, value in similarities.items()},
        similarities=similarities,
        start=start,
        end=end,
        tempo_ratio=None if factor is None or np.isnan(factor) else float(factor),
        **_facts(track),
    )


def _facts(track: Mapping[str, Any]) -> dict[str, Any]:
    """What a hit says of its track."""
    facts = {name: track[name] for name in FACTS}
    return {**facts, "camelot": Key.parse(track["key"]).camelot if track["key"] else None}
