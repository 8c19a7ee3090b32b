"""A map as the Parquet file that Apple's embedding-atlas opens."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ..latent.maps import BATCH, neighbours
from .atlas import EMBEDDED, excerpt, name_of

NEAREST = 15
NEIGHBOURS = pa.struct({"ids": pa.list_(pa.int64()), "distances": pa.list_(pa.float32())})
SHOWN = ("path", "artist", "title", "tempo", "key", "duration", "start", "end")
OPTIONS = "--x projection_x --y projection_y --neighbors neighbors --text name"  # of its command


def write_atlas(
    path: Path, rows: Sequence[dict[str, Any]], points: NDArray[np.float32], vectors: NDArray[np.float32]
) -> str:
    """Write a map for embedding-atlas.

    Parameters
    ----------
    path : Path
        Parquet file to write.
    rows : sequence of dict
        Path, artist, title, tempo, key, duration; start and end of moments.
    points : ndarray, shape=(rows, 2)
        In 0..1.
    vectors : ndarray, shape=(rows, dim)
        Of which the fifteen nearest neighbours are written, by cosine distance.

    Returns
    -------
    str
        The command that opens it. With sound, excerpts of 12 s, if there are at most 120 rows.
    """
    columns: dict[str, Any] = {"name": [name_of(row) for row in rows]}
    columns |= {name: [row[name] for row in rows] for name in SHOWN if name in rows[0]}
    columns |= {"projection_x": points[:, 0], "projection_y": points[:, 1]}
    columns["neighbors"] = pa.array(_neighbours(vectors), NEIGHBOURS)
    options = OPTIONS
    if len(rows) <= EMBEDDED:
        columns["audio"] = pa.array([excerpt(row) for row in rows], pa.utf8())
        options += " --audio audio"
    pq.write_table(pa.table(columns), path)
    return f"embedding-atlas {path} {options}"


def _neighbours(vectors: NDArray[np.float32]) -> list[dict[str, list[Any]]]:
    found = []
    for first in range(0, len(vectors), BATCH):
        near, similarity = neighbours(vectors[first : first + BATCH], vectors, NEAREST + 1)
        for own, (ids, cosines) in enumerate(zip(near, similarity, strict=True), first):
            others = ids != own
            found.append({"ids": ids[others][:NEAREST].tolist(), "distances": (1 - cosines[others][:NEAREST]).tolist()})
    return found
