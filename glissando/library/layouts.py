"""Layouts of maps that stay: where every track or moment lies is kept with the library, and new ones find a place."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ..errors import LibraryError
from ..latent.maps import Method, place, project
from .store import Store

SCHEMA = pa.schema(
    [pa.field("id", pa.utf8(), nullable=False), pa.field("x", pa.float32()), pa.field("y", pa.float32())]
)
logger = logging.getLogger("glissando")


class Layout(NamedTuple):
    """Points in 0..1, [rows, 2], and how many of them were given a place in the layout of the others."""

    points: NDArray[np.float32]
    placed: int


def lay_out(
    store: Store, rows: Sequence[Mapping[str, Any]], vectors: NDArray[np.float32], weights: Mapping[str, float], *,
    method: Method = "umap", moments: bool = False, anew: bool = False,
) -> Layout:  # fmt: skip
    """Lay out a map as it was before; what was not on it is given a place, and nothing else moves.

    Parameters
    ----------
    store : Store
        The library's tables, which keep the layout: one for each method, tracks or moments, blocks and weights.
    rows : sequence of mapping
        With their ``id``.
    vectors : ndarray, shape=(rows, dim)
        At least two.
    weights : mapping of str to float
        Block to weight, of which the vectors are made.
    method : {"umap", "pca"}
        How to project.
    moments : bool
        Rows are segments, not tracks.
    anew : bool
        Forget what was before.

    Returns
    -------
    Layout
        Where the library can't be written, it is not kept, and the log says so.
    """
    name = _name(store, weights, method, moments)
    before = {} if anew else _read(store, name)
    known = np.array([row["id"] in before for row in rows])
    if known.sum() < 2:
        points, fresh = project(vectors, method=method), [*range(len(rows))]
    else:
        points, fresh = np.zeros((len(rows), 2), np.float32), np.flatnonzero(~known).tolist()
        points[known] = [before[row["id"]] for row in rows if row["id"] in before]
        if fresh:
            points[fresh] = place(vectors[fresh], vectors[known], points[known], method=method)
    if fresh:
        _keep(store, name, [rows[i]["id"] for i in fresh], points[fresh], whole=len(fresh) == len(rows))
    return Layout(points, 0 if len(fresh) == len(rows) else len(fresh))


def _name(store: Store, weights: Mapping[str, float], method: str, moments: bool) -> str:
    spaces = {block: store.blocks()[block].space_id for block in sorted(weights)}
    total = sum(weights.values())
    told = json.dumps(
        [method, moments, [[block, space, f"{weights[block] / total:.6f}"] for block, space in spaces.items()]]
    )
    return f"layout_{hashlib.sha256(told.encode()).hexdigest()[:16]}"


def _read(store: Store, name: str) -> dict[str, tuple[float, float]]:
    table = store.beside(name)
    if table is None or table.schema.names != SCHEMA.names:
        return {}
    columns = table.to_arrow().to_pydict()
    return {
        id_: (x, y)
        for id_, x, y in zip(*(columns[one] for one in SCHEMA.names), strict=True)
        if x is not None and y is not None and np.isfinite((x, y)).all()
    }


def _keep(store: Store, name: str, ids: Sequence[str], points: NDArray[np.float32], *, whole: bool) -> None:
    columns = [pa.array(ids, pa.utf8()), *(pa.array(axis) for axis in np.ascontiguousarray(points.T))]
    try:
        with store.writing():
            store.beside(name, SCHEMA if whole else None).add(pa.table(columns, schema=SCHEMA))
    except LibraryError as error:
        logger.warning("the layout of this map is not kept: %s", error)
