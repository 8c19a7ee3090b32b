"""The vector index of a large library: where it stands, how it is built, what it answers.

It lies on the column ``joint``. What is written after it was built is searched exactly beside it, until the next
`Store.optimize` takes it in.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from lancedb.index import BTree, IvfSq, LabelList
from numpy.typing import NDArray

from .failures import explained
from .schema import TABLES
from .store import Store

FROM = 50_000  # rows; below, exact search is as fast
PREFIX, ROWS_PER_PARTITION = "joint_", 1000
OUTGROWN = 4  # times the rows it was built for: then its partitions are too large to be fast
LOOKED_UP = {"tracks": "id", "segments": "track_id"}
FILTERED = {"artist": BTree, "tempo": BTree, "key": BTree, "labels": LabelList}


@dataclass(frozen=True)
class IndexState:
    """What an index knows of a table.

    Parameters
    ----------
    indexed, waiting : int
        Rows in the index, and rows beside it, which are searched exactly.
    partitions : int
        Of the index; 0 without one.
    """

    indexed: int
    waiting: int
    partitions: int


def state(store: Store, table: str) -> IndexState:
    """Tell what the index of a table knows.

    Parameters
    ----------
    store : Store
        The library's tables.
    table : {"tracks", "segments"}
        Which table.

    Returns
    -------
    IndexState
        Nothing indexed if there is no index.
    """
    with explained(store.location, doing="searching its index"):
        indices = getattr(store, table).list_indices()
    built = {_partitions(index.name): index for index in indices if _partitions(index.name)}
    if not built:
        return IndexState(0, store.count(table), 0)
    partitions, index = max(built.items())
    return IndexState(index.num_indexed_rows or 0, index.num_unindexed_rows or 0, partitions)


def answers(store: Store, table: str, blocks: Iterable[str]) -> int:
    """Tell how many rows the index can search for queries in these blocks, with those beside it.

    Parameters
    ----------
    store : Store
        The library's tables.
    table : {"tracks", "segments"}
        Which table.
    blocks : iterable of str
        Blocks that weigh something.

    Returns
    -------
    int
        0 without an index, as in small tables, or for blocks that came after the library was made.
    """
    known, found = store.blocks(), state(store, table)
    covered = all(known[block].joint_at is not None for block in blocks)
    return found.indexed + found.waiting if covered and found.indexed else 0


def nearest(
    store: Store,
    table: str,
    queries: Sequence[NDArray[np.float32]],
    *,
    columns: Sequence[str],
    where: str | None,
    limit: int,
    probes: int,
) -> pa.Table:
    """Ask the index.

    Parameters
    ----------
    store : Store
        The library's tables.
    table : {"tracks", "segments"}
        Which table.
    queries : sequence of ndarray, shape=(points, dim)
        Joint vectors, weighted: one, or the points of a curve.
    columns : sequence of str
        Columns of the answer.
    where : str, optional
        SQL filter, applied first.
    limit : int
        Rows for each query.
    probes : int
        Partitions to look into.

    Returns
    -------
    Table
        Rows that are near to any query, each once.
    """
    points = np.concatenate(queries)
    vectors = [*points] if len(points) > 1 else points[0]
    with explained(store.location, doing="searching its index"):
        query = getattr(store, table).search(vectors, vector_column_name="joint").distance_type("dot").limit(limit)
        query = query.nprobes(probes).select([*columns, "_distance"])
        found = (query.where(where, prefilter=True) if where else query).to_arrow()
    _, first = np.unique(found["id"].to_numpy(zero_copy_only=False), return_index=True)
    return found.take(first)


def lacking(store: Store) -> list[str]:
    """Name the tables that are large enough for an index and have none, or have outgrown it.

    Parameters
    ----------
    store : Store
        The library's tables.

    Returns
    -------
    list of str
        Tables.
    """
    return [
        table
        for table in TABLES
        if (rows := store.count(table)) >= FROM
        and rows > OUTGROWN * ROWS_PER_PARTITION * state(store, table).partitions
    ]


def build(store: Store, table: str) -> None:
    """Build the index of a table anew, and those of the columns that are looked up or filtered.

    Parameters
    ----------
    store : Store
        The library's tables; the caller holds its lock.
    table : {"tracks", "segments"}
        Which table.

    Raises
    ------
    LibraryError
        If it can't be written.
    """
    target, partitions = getattr(store, table), max(1, round(store.count(table) / ROWS_PER_PARTITION))
    with explained(store.location):
        for column, kind in {LOOKED_UP[table]: BTree, **FILTERED}.items():
            if column not in store.lacks:
                target.create_index(column, config=kind())
        before = [index.name for index in target.list_indices() if _partitions(index.name)]
        name = f"{PREFIX}{partitions}"  # the name keeps what the database does not tell
        target.create_index("joint", config=IvfSq(distance_type="dot", num_partitions=partitions), name=name)
        for old in before:
            if old != name:
                target.drop_index(old)


def _partitions(name: str) -> int:
    """Number of partitions by the name of an index; 0 for those of other columns."""
    return int(name.removeprefix(PREFIX)) if name.startswith(PREFIX) else 0


def build_in_background(store: Store, tables: Sequence[str]) -> None:
    """Start a process of its own that builds indexes; it outlives this one.

    Parameters
    ----------
    store : Store
        The library's tables.
    tables : sequence of {"tracks", "segments"}
        Which tables.
    """
    subprocess.Popen(
        [sys.executable, "-m", "glissando.cli", "library", "build-index", *tables, "--library", store.location],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
