"""Is the library well: what it holds, and whether it is what it should be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .. import encoders
from ..errors import LibraryError
from . import vector_index
from .columns import matrix
from .failures import explained
from .ranking import rank
from .schema import TABLES
from .search import joint_weights
from .store import Store


@dataclass(frozen=True)
class Status:
    """What a library holds.

    Parameters
    ----------
    location : str
        Folder or URI.
    tracks, segments : int
        Rows.
    hours : float
        Of audio.
    size_mb : float or None
        On disk; None for a URI.
    blocks : list of dict
        Name, encoder, space, dimensions, tracks that have a vector, and whether today's encoder still makes this space.
    index : list of dict
        For both tables: rows in the vector index, rows beside it, whether it is lacking, and its recall@10 against
        exact search on sampled rows (None without an index).
    """

    location: str
    tracks: int
    segments: int
    hours: float
    size_mb: float | None
    blocks: list[dict[str, Any]]
    index: list[dict[str, Any]]


def status(store: Store) -> Status:
    """Tell what a library holds.

    Parameters
    ----------
    store : Store
        The library's tables.

    Returns
    -------
    Status
        Numbers.
    """
    durations = store.rows("tracks", ["duration"])["duration"].to_numpy()
    for _ in store.batches("segments", ["start"]):  # opens every file: one that is lost or cut shows here
        pass
    size = None
    if store.is_local:
        size = sum(file.stat().st_size for file in Path(store.location).rglob("*") if file.is_file()) / 1e6
    blocks = [
        {
            "name": block.name,
            "encoder": block.encoder,
            "space_id": block.space_id,
            "dim": block.dim,
            "filled": store.count("tracks", f"{block.name} IS NOT NULL"),
            "current": block.encoder is None or encoders.card(block.encoder).space_id == block.space_id,
        }
        for block in store.blocks().values()
    ]
    lacking = vector_index.lacking(store)
    index = [
        {
            "table": table,
            **asdict(vector_index.state(store, table)),
            "lacking": table in lacking,
            "recall": index_recall(store, table),
        }
        for table in TABLES
    ]
    hours = float(np.nansum(durations)) / 3600
    return Status(store.location, store.count("tracks"), store.count("segments"), hours, size, blocks, index)


def index_recall(store: Store, table: str, *, samples: int = 20, k: int = 10, seed: int = 0) -> float | None:
    """Measure how many of the true nearest rows the vector index finds.

    Parameters
    ----------
    store : Store
        The library's tables.
    table : {"tracks", "segments"}
        Which table.
    samples : int
        Rows to take as queries.
    k : int
        Neighbours that count.
    seed : int
        Of the sample.

    Returns
    -------
    float or None
        Share of the exact search's rows, 0..1; None without an index.
    """
    weights = joint_weights([block.name for block in store.blocks().values() if block.joint_at is not None], {})
    if not vector_index.answers(store, table, weights):
        return None
    offsets = np.random.default_rng(seed).choice(store.count(table), samples, replace=False)
    with explained(store.location, doing="reading"):
        rows = getattr(store, table).take_offsets([int(offset) for offset in offsets]).select([*weights]).to_arrow()
    vectors = {block: np.nan_to_num(matrix(rows[block])) for block in weights}
    queries = [{block: values[i] for block, values in vectors.items()} for i in range(samples)]
    truth = rank(store, table, queries, weights, depth=k, exact=True)
    found = [rank(store, table, [query], weights, depth=10 * k)[0] for query in queries]
    return float(np.mean([len({*exact.ids} & {*ours.ids[:k]}) / k for exact, ours in zip(truth, found, strict=True)]))


def verify(store: Store) -> list[str]:
    """Look for everything that should not be.

    Parameters
    ----------
    store : Store
        The library's tables.

    Returns
    -------
    list of str
        One sentence per problem; empty if the library is well.
    """
    problems = []
    tracks = store.rows("tracks", ["id", "path", "size"]).to_pylist()
    ids = [track["id"] for track in tracks]
    paths = [track["path"] for track in tracks]
    if len(set(ids)) != len(ids) or len(set(paths)) != len(paths):
        problems.append("two tracks share a path or an id")
    owners = store.rows("segments", ["track_id", "id"])
    segment_ids = owners["id"].to_pylist()
    if len(set(segment_ids)) != len(segment_ids):
        problems.append("two segments share an id")
    with_segments = set(owners["track_id"].to_pylist())
    if lost := with_segments - set(ids):
        problems.append(
            f"{len(lost)} tracks were left half written by a killed run (no search sees them); gliss index removes them"
        )
    if bare := [track["path"] for track in tracks if track["id"] not in with_segments]:
        problems.append(f"{len(bare)} tracks have no segments, such as {bare[0]}")
    for name, block in store.blocks().items():
        for table in ("tracks", "segments"):
            vectors = (
                matrix(store.rows(table, [name], f"{name} IS NOT NULL")[name])
                if store.count(table)
                else np.zeros((0, 1))
            )
            lengths = np.linalg.norm(vectors, axis=1)
            if len(vectors) and (
                not np.isfinite(vectors).all() or np.any((np.abs(lengths - 1) > 1e-3) & (lengths > 1e-6))
            ):
                problems.append(f"block {name} of {table} holds vectors that are not of unit length")
        if block.encoder and encoders.card(block.encoder).space_id != block.space_id:
            problems.append(f"block {name} was made by another version of {block.encoder}; index into a new library")
    files = [path for path in paths if "://" not in path]
    if missing := [path for path in files if not Path(path).exists()]:
        problems.append(
            f"{len(missing)} files are gone, such as {missing[0]}; gliss index on their folder removes them"
        )
    return problems


def remove(store: Store, paths: Sequence[str | Path]) -> int:
    """Drop tracks from the library; the files stay.

    Parameters
    ----------
    store : Store
        The library's tables.
    paths : sequence of str or Path
        Files, or folders for everything below them; they need not exist.

    Returns
    -------
    int
        Number of tracks.

    Raises
    ------
    LibraryError
        If one names no track.
    """
    rows = store.rows("tracks", ["id", "path"]).to_pylist()
    chosen = set()
    for path in paths:
        full = Path(path).expanduser().resolve()
        found = {row["id"] for row in rows if row["path"] == str(path) or Path(row["path"]).is_relative_to(full)}
        if not found:
            raise LibraryError(f"{path}: no track of the library lies there")
        chosen |= found
    with store.writing():
        store.delete(sorted(chosen))
    return len(chosen)
