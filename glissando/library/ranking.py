"""Rank rows by their joined similarity: in memory, through a vector index where a table is large, or exactly.

The index lies on one column, ``joint``: the unit vectors of the default blocks, end to end. The weights of a query go
into the query's side of the dot product, so that one index serves all weights. (Candidates from an index per block
miss a fifth of the true neighbours even at 500 a block: the best joined rows are often far down in every single one.)
Candidates are scored again from their exact vectors; rows that the index does not know yet are searched as they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from . import vector_index
from .columns import matrix
from .filters import Filter
from .store import Store

Vectors = NDArray[np.float32]
Queries = Sequence[Mapping[str, Vectors]]

EVERYTHING = Filter()
PROBES, PROBES_BATCH = 40, 16  # partitions to look into, for one query and for each of several that share candidates
PROBES_MEMORY, PROBES_MEMORY_BATCH = 60, 30  # the same in memory
SHARED, SHARED_LEAST = 3, 30  # several queries share as many candidates as three have; each brings this many at least
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
    """

    ids: list[str]
    keys: list[str]
    scores: Vectors
    similarities: dict[str, Vectors]
    bounds: list[tuple[float, float]]
    complete: bool


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
    queries : sequence of mapping of str to ndarray
        Block to unit vector; the same blocks in all.
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
    probes = round(wider * (PROBES_MEMORY if len(queries) == 1 else PROBES_MEMORY_BATCH))
    joint = _joint(store, queries, weights)
    limit = _share(depth, len(queries))
    found = memory.nearest(table, joint, passing=passing, limit=limit, probes=probes)
    return _best(found, table, queries, weights, depth, complete=some <= limit)


def _by_index(
    store: Store, table: str, queries: Queries, weights: Mapping[str, float], wanted: Filter, depth: int
) -> list[Ranked] | None:
    if not (size := vector_index.answers(store, table, weights)):
        return None
    where, alone = wanted.sql(), len(queries) == 1
    some = store.count(table, where) if where else size
    if where and some <= FEW:
        return None
    probes = round(max(1.0, (WIDE * size / some) ** 0.5) * (PROBES if alone else PROBES_BATCH))
    limit = _share(depth, len(queries))
    joint, columns = _joint(store, queries, weights), _columns(table, weights)
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
            scores, _ = _score(joined, query, weights)
            kept[i] = joined.take(_order(scores, depth))
    return [
        ranked
        for query, rows in zip(queries, kept, strict=True)
        for ranked in _best(rows, table, [query], weights, depth, complete=seen <= depth)
    ]


def _share(depth: int, queries: int) -> int:
    """Candidates that each of several queries brings."""
    return depth if queries == 1 else max(SHARED_LEAST, SHARED * depth // queries)


def _joint(store: Store, queries: Queries, weights: Mapping[str, float]) -> list[Vectors]:
    return [store.joint({block: weights[block] * vector for block, vector in query.items()}) for query in queries]


def _columns(table: str, weights: Mapping[str, float]) -> list[str]:
    return [*(("id", "track_id", "start", "end") if table == "segments" else ("id",)), *weights]


def _score(
    rows: pa.Table, query: Mapping[str, Vectors], weights: Mapping[str, float]
) -> tuple[Vectors, dict[str, Vectors]]:
    """Joined similarity (-inf for rows with no vector at all) and the similarities by block."""
    similarities = {block: matrix(rows[block]) @ vector for block, vector in query.items()}
    scores = np.zeros(rows.num_rows, np.float32)
    compared = np.zeros(rows.num_rows, bool)
    for block, similarity in similarities.items():
        scores += weights[block] * np.nan_to_num(similarity, nan=0.0)  # no vector in a block: nothing in common
        compared |= np.isfinite(similarity)
    return np.where(compared, scores, -np.inf).astype(np.float32), similarities


def _order(scores: Vectors, depth: int) -> NDArray[np.int64]:
    order = np.arange(len(scores)) if len(scores) <= depth else np.sort(np.argpartition(-scores, depth)[:depth])
    order = order[np.argsort(-scores[order], kind="stable")]
    return order[np.isfinite(scores[order])]


def _best(
    rows: pa.Table, table: str, queries: Queries, weights: Mapping[str, float], depth: int, *, complete: bool
) -> list[Ranked]:
    """Order candidates for each of the queries, which may take from those of all."""
    return [_top(*_score(rows, query, weights), rows, table, depth, complete=complete) for query in queries]


def _top(
    scores: Vectors, similarities: Mapping[str, Vectors], rows: pa.Table, table: str, depth: int, *, complete: bool
) -> Ranked:
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
    )
