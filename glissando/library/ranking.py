"""Rank rows by their joined similarity: in memory, through a vector index where a table is large, or exactly.

The index lies on one column, ``joint``: the unit vectors of the default blocks, end to end. The weights of a query go
into the query's side of the dot product, so that one index serves all weights. (Candidates from an index per block
miss a fifth of the true neighbours even at 500 a block: the best joined rows are often far down in every single one.)
Candidates are scored again from their exact vectors; rows that the index does not know yet are searched as they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ..latent.contour import Contour, nearest
from . import vector_index
from .columns import matrix
from .filters import Filter
from .store import Store

Vectors = NDArray[np.float32]
Sought = Mapping[str, Vectors | Contour]
Queries = Sequence[Sought]

EVERYTHING = Filter()
PROBES, PROBES_BATCH = 40, 16  # partitions to look into, for one query and for each of several that share candidates
PROBES_MEMORY, PROBES_MEMORY_BATCH = 60, 30  # the same in memory
PROBES_POINT = 3  # and for each point of a contour; in memory its points share theirs
SHARED, SHARED_LEAST = 3, 30  # several queries share as many candidates as three have; each brings this many at least
OF_POINT = 0.6  # share of the wanted rows that each point of a contour brings
ASKED = 2  # every so many points of a contour are asked for; those between would bring the same rows
WIDE = 0.05  # share of rows that pass a filter from which that many partitions are enough
FEW = 5000  # rows that pass a filter: so few are faster scored exactly than sought in the index


@dataclass(frozen=True)
class Ranked:
    """The best rows of a table, best first.

    Parameters
    ----------
    ids, keys : list of str
        Row, and the track it belongs to.
    scores : ndarray, shape=(rows,)
        Weighted sum of the similarities.
    similarities : dict of str to ndarray
        Block to cosine similarity, NaN where the row has no vector.
    bounds : list of (float, float)
        Start and end in seconds; empty for tracks.
    complete : bool
        No other row could follow.
    factors : ndarray, shape=(rows,), optional
        Tempo factor at which a contour comes nearest; None if nothing was sought along one.
    """

    ids: list[str]
    keys: list[str]
    scores: Vectors
    similarities: dict[str, Vectors]
    bounds: list[tuple[float, float]]
    complete: bool
    factors: Vectors | None = None


def rank(
    store: Store,
    table: str,
    queries: Queries,
    weights: Mapping[str, float],
    *,
    wanted: Filter = EVERYTHING,
    depth: int,
    exact: bool = False,
) -> list[Ranked]:
    """Find the best rows for each of several queries.

    Parameters
    ----------
    store : Store
        The library's tables.
    table : {"tracks", "segments"}
        What to rank.
    queries : sequence of mapping of str to ndarray or Contour
        Block to unit vector, or to a curve of them, of which the nearest point counts; the same blocks in all.
    weights : mapping of str to float
        Block to weight.
    wanted : Filter
        Applied before the search.
    depth : int
        Number of rows to find for each.
    exact : bool
        Look at every row, even if there is an index or a copy in memory.

    Returns
    -------
    list of Ranked
        One for every query.
    """
    asked = (store, table, queries, weights, wanted, depth)
    ranked = None if exact else _in_memory(*asked) or _by_index(*asked)
    return ranked or _exactly(*asked)


def _in_memory(
    store: Store, table: str, queries: Queries, weights: Mapping[str, float], wanted: Filter, depth: int
) -> list[Ranked] | None:
    memory = store.memory
    if memory is None or not (size := memory.answers(table, weights)):
        return None
    passing = memory.passing(table, wanted)
    some = int(passing.sum())
    wider = (size / max(1, some)) ** 0.75  # the fewer rows pass, the further away they are
    joint = _joint(store, queries, weights)
    probes = PROBES_MEMORY_BATCH if _together(joint) else PROBES_MEMORY
    limit = _share(joint, depth)
    found = memory.nearest(table, joint, passing=passing, limit=limit, probes=round(wider * probes))
    return _best(found, table, queries, weights, depth, complete=some <= limit)


def _by_index(
    store: Store, table: str, queries: Queries, weights: Mapping[str, float], wanted: Filter, depth: int
) -> list[Ranked] | None:
    if not (size := vector_index.answers(store, table, weights)):
        return None
    where = wanted.sql()
    some = store.count(table, where) if where else size
    if where and some <= FEW:
        return None
    joint, columns = _joint(store, queries, weights), _columns(table, weights)
    probes = PROBES_POINT if _curved(joint) else PROBES_BATCH if _together(joint) else PROBES
    probes, limit = round(max(1.0, (WIDE * size / some) ** 0.5) * probes), _share(joint, depth)
    found = vector_index.nearest(store, table, joint, columns=columns, where=where, limit=limit, probes=probes)
    return _best(found, table, queries, weights, depth, complete=False)


def _exactly(
    store: Store, table: str, queries: Queries, weights: Mapping[str, float], wanted: Filter, depth: int
) -> list[Ranked]:
    columns = _columns(table, weights)
    kept, seen = [store.rows(table, columns, "false")] * len(queries), 0
    for batch in store.batches(table, columns, wanted.sql()):
        seen += len(batch)
        for i, query in enumerate(queries):
            joined = pa.concat_tables([kept[i], batch])
            kept[i] = joined.take(_order(_score(joined, query, weights)[0], depth))
    return [
        ranked
        for query, rows in zip(queries, kept, strict=True)
        for ranked in _best(rows, table, [query], weights, depth, complete=seen <= depth)
    ]


def _curved(joint: Sequence[Vectors]) -> bool:
    return any(len(points) > 1 for points in joint)


def _together(joint: Sequence[Vectors]) -> bool:
    return len(joint) > 1 and not _curved(joint)


def _share(joint: Sequence[Vectors], depth: int) -> int:
    """Candidates that each of several queries brings, or each point of a contour."""
    if _together(joint):
        return max(SHARED_LEAST, SHARED * depth // len(joint))
    return max(SHARED_LEAST, round(OF_POINT * depth)) if _curved(joint) else depth


def _joint(store: Store, queries: Queries, weights: Mapping[str, float]) -> list[Vectors]:
    """Lay the queries out as the joint column is, each of shape=(points, dim)."""
    return [
        np.stack([store.joint({block: weights[block] * v for block, v in point.items()}) for point in _points(query)])
        for query in queries
    ]


def _points(query: Sought) -> Iterator[dict[str, Vectors]]:
    """The query itself, or some of those on its way along its contours."""
    for i in range(0, next((len(sought.points) for sought in query.values() if isinstance(sought, Contour)), 1), ASKED):
        yield {block: sought.points[i] if isinstance(sought, Contour) else sought for block, sought in query.items()}


def _columns(table: str, weights: Mapping[str, float]) -> list[str]:
    return [*(("id", "track_id", "start", "end") if table == "segments" else ("id",)), *weights]


def _score(
    rows: pa.Table, query: Sought, weights: Mapping[str, float]
) -> tuple[Vectors, dict[str, Vectors], Vectors | None]:
    """Joined similarity (-inf for rows with no vector at all), the similarities by block, and the tempo factors."""
    vectors = {block: matrix(rows[block]) for block in query}
    curves = {block: sought for block, sought in query.items() if isinstance(sought, Contour)}
    along, factors = nearest(curves, vectors, weights) if curves else ({}, None)
    similarities = {
        block: along[block] if isinstance(sought, Contour) else vectors[block] @ sought
        for block, sought in query.items()
    }
    scores = np.zeros(rows.num_rows, np.float32)
    compared = np.zeros(rows.num_rows, bool)
    for block, similarity in similarities.items():
        scores += weights[block] * np.nan_to_num(similarity, nan=0.0)  # no vector in a block: nothing in common
        compared |= np.isfinite(similarity)
    return np.where(compared, scores, -np.inf).astype(np.float32), similarities, factors


def _order(scores: Vectors, depth: int) -> NDArray[np.int64]:
    order = np.arange(len(scores)) if len(scores) <= depth else np.sort(np.argpartition(-scores, depth)[:depth])
    order = order[np.argsort(-scores[order], kind="stable")]
    return order[np.isfinite(scores[order])]


def _best(
    rows: pa.Table, table: str, queries: Queries, weights: Mapping[str, float], depth: int, *, complete: bool
) -> list[Ranked]:
    """Order candidates for each of the queries, which may take from those of all."""
    return [_top(rows, table, query, weights, depth, complete=complete) for query in queries]


def _top(
    rows: pa.Table, table: str, query: Sought, weights: Mapping[str, float], depth: int, *, complete: bool
) -> Ranked:
    scores, similarities, factors = _score(rows, query, weights)
    order = _order(scores, depth)
    best = rows.take(order)
    moments = table == "segments"
    return Ranked(
        best["id"].to_pylist(),
        best["track_id" if moments else "id"].to_pylist(),
        scores[order],
        {block: similarity[order] for block, similarity in similarities.items()},
        [*zip(best["start"].to_pylist(), best["end"].to_pylist(), strict=True)] if moments else [],
        complete,
        None if factors is None else factors[order],
    )
