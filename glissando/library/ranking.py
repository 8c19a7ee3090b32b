"""Rank rows by their joined similarity: exactly, or through a vector index where a table is large.

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
from .store import Store

Vectors = NDArray[np.float32]

PROBES, PROBES_BATCH = 20, 8  # partitions to look into, for one query and for each of several that share candidates
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
    queries: Sequence[Mapping[str, Vectors]],
    weights: Mapping[str, float],
    *,
    where: str | None = None,
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
    where : str, optional
        SQL filter, applied before the search.
    depth : int
        Number of rows to find for each.
    exact : bool
        Look at every row even if there is an index.

    Returns
    -------
    list of Ranked
        One for every query.
    """
    indexed = 0 if exact else vector_index.answers(store, table, weights)
    passing = store.count(table, where) if where and indexed else indexed
    if passing > (FEW if where else 0):
        wider = max(1.0, (WIDE * indexed / passing) ** 0.5)
        probes = round(wider * (PROBES if len(queries) == 1 else PROBES_BATCH))
        limit = depth if len(queries) == 1 else max(SHARED_LEAST, SHARED * depth // len(queries))
        found = _candidates(store, table, queries, weights, where, limit, probes)
        return [_top(*_score(found, query, weights), found, table, depth, complete=False) for query in queries]
    best: list[pa.Table | None] = [None] * len(queries)
    seen = 0
    for batch in store.batches(table, _columns(table, weights), where):
        seen += len(batch)
        for i, query in enumerate(queries):
            kept = best[i]
            joined = batch if kept is None else pa.concat_tables([kept, batch])
            scores, _ = _score(joined, query, weights)
            best[i] = joined.take(_order(scores, depth))
    empty = store.rows(table, _columns(table, weights), "false")
    return [
        _top(*_score(rows, query, weights), rows, table, depth, complete=seen <= depth)
        for query, rows in zip(queries, (empty if rows is None else rows for rows in best), strict=True)
    ]


def _columns(table: str, weights: Mapping[str, float]) -> list[str]:
    return [*(("id", "track_id", "start", "end") if table == "segments" else ("id",)), *weights]


def _candidates(
    store: Store,
    table: str,
    queries: Sequence[Mapping[str, Vectors]],
    weights: Mapping[str, float],
    where: str | None,
    limit: int,
    probes: int,
) -> pa.Table:
    joint = [store.joint({block: weights[block] * vector for block, vector in query.items()}) for query in queries]
    found = vector_index.nearest(
        store, table, joint, columns=_columns(table, weights), where=where, limit=limit, probes=probes
    )
    if len(queries) == 1:
        return found
    _, first = np.unique(found["id"].to_numpy(zero_copy_only=False), return_index=True)
    return found.take(first)  # every query may take from the candidates of all


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
