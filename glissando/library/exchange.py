"""Hits, tracks and vectors as files that others read: m3u8, csv, json, parquet, npz."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ..errors import LibraryError
from .blocks import Block
from .columns import matrix, vector_type
from .embedding import Embedded, unit
from .search import Hit
from .store import Store

EXPORTED = (
    "path artist album title year duration sample_rate tempo tempo_confidence tempo_candidates key key_confidence "
    "chords content_hash audio_hash"
).split()
FOUND = "score path artist album title year duration tempo key camelot start end tempo_ratio".split()
MAX_DIM = 16_384


def write_hits(hits: Sequence[Hit], form: str) -> str:
    """Write hits as text.

    Parameters
    ----------
    hits : sequence of Hit
        Search results.
    form : {"json", "csv", "m3u8"}
        The format.

    Returns
    -------
    str
        The text, ending in a newline.
    """
    if form == "json":
        return json.dumps([asdict(hit) for hit in hits], indent=1, ensure_ascii=False) + "\n"
    if form == "m3u8":
        lines = ["#EXTM3U"]
        for hit in hits:
            name = " - ".join(filter(None, (hit.artist, hit.title))) or Path(hit.path).stem
            lines += [f"#EXTINF:{round(hit.duration)},{name}", hit.path]
        return "\n".join(lines) + "\n"
    blocks = [*hits[0].parts] if hits else []
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*FOUND, *blocks])
    for hit in hits:
        writer.writerow([*(getattr(hit, name) for name in FOUND), *(hit.parts[block] for block in blocks)])
    return out.getvalue()


def write_vectors(path: Path, embedded: Sequence[tuple[str, Embedded]], *, frames: bool = False) -> None:
    """Write embeddings of files.

    Parameters
    ----------
    path : Path
        File ending in .npz or .parquet.
    embedded : sequence of (str, Embedded)
        Path and vectors.
    frames : bool
        Every frame, before normalisation, with its time in seconds, instead of one unit vector per file.
    """
    columns: dict[str, Any] = {}
    names = [*embedded[0][1].vectors]
    if not frames:
        columns["path"] = [name for name, _ in embedded]
        for block in names:
            columns[block] = np.stack([one.vectors[block] for _, one in embedded])
    elif path.suffix == ".npz":
        for i, (name, one) in enumerate(embedded):
            columns[f"{i}/path"] = name
            for block, (times, values) in one.frames.items():
                columns[f"{i}/{block}"], columns[f"{i}/{block}/time"] = values, times
    else:
        rows = [
            {"path": name, "encoder": block, "time": float(time), "vector": vector}
            for name, one in embedded
            for block, (times, values) in one.frames.items()
            for time, vector in zip(times, values, strict=True)
        ]
        pq.write_table(pa.Table.from_pylist([{**row, "vector": row["vector"].tolist()} for row in rows]), path)
        return
    if path.suffix == ".npz":
        np.savez(path, allow_pickle=False, **{name: np.asarray(value) for name, value in columns.items()})
    else:
        pq.write_table(pa.table({k: v if k == "path" else _list_column(v) for k, v in columns.items()}), path)


def export(store: Store, path: Path, *, vectors: bool = True) -> int:
    """Write all tracks.

    Parameters
    ----------
    store : Store
        The library's tables.
    path : Path
        File ending in .csv, .json or .parquet.
    vectors : bool
        Also the blocks (not for csv).

    Returns
    -------
    int
        Number of tracks.

    Raises
    ------
    LibraryError
        If the ending is another.
    """
    if path.suffix not in (".csv", ".json", ".parquet"):
        raise LibraryError(f"{path}: name a file that ends in .csv, .json or .parquet")
    blocks = [*store.blocks()] if vectors and path.suffix != ".csv" else []
    tags = ["tags"] if store.tag_names() else []
    table = store.rows("tracks", [*EXPORTED, *tags, *blocks]).sort_by("path")
    if path.suffix == ".parquet":
        spaces = {name: block.space_id for name, block in store.blocks().items()}
        notes = {"glissando_spaces": json.dumps(spaces), "glissando_tags": json.dumps(store.tag_names())}
        pq.write_table(table.replace_schema_metadata(notes), path)
        return int(table.num_rows)
    rows = table.to_pylist()
    for row in rows:
        if tags and row["tags"] is not None:
            row["tags"] = {name: round(p, 4) for name, p in zip(store.tag_names(), row["tags"], strict=True)}
    if path.suffix == ".json":
        path.write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
        return len(rows)
    with path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle)
        writer.writerow([*EXPORTED, *store.tag_names()])
        for row in rows:
            candidates = " ".join(f"{bpm:.1f}" for bpm in row["tempo_candidates"] or ())
            plain = [candidates if name == "tempo_candidates" else row[name] for name in EXPORTED]
            writer.writerow([*plain, *((row.get("tags") or {}).values())])
    return len(rows)


def import_vectors(store: Store, path: Path, *, block: str, space: str) -> tuple[int, list[str]]:
    """Take vectors made elsewhere as a block of their own.

    Parameters
    ----------
    store : Store
        The library's tables.
    path : Path
        .parquet, .json (rows with ``path`` and ``vector``), .csv (path, then numbers) or .npz (``path``, ``vector``).
    block : str
        Name of the block; made if new.
    space : str
        What makes its vectors comparable: name the model and its version.

    Returns
    -------
    count : int
        Tracks that got a vector.
    unknown : list of str
        Paths in the file that the library does not have.

    Raises
    ------
    LibraryError
        If the file can't be read, or the block holds vectors of another space or length.
    """
    names, vectors = _read_vectors(path)
    present = store.blocks().get(block)
    if present and (present.space_id != space or present.dim != vectors.shape[1] or present.encoder is not None):
        made = present.encoder or f"{present.space_id}, {present.dim} dimensions"
        raise LibraryError(f"block {block!r} holds vectors of {made}; import {path.name} as another block")
    with store.writing():
        if not present:
            store.add_block(Block(block, None, space, vectors.shape[1]))
        known = dict(zip(*store.rows("tracks", ["path", "id"]).to_pydict().values(), strict=True))
        resolved = [name if name in known else str(Path(name).expanduser().resolve()) for name in names]
        rows = {known[full]: vector for full, vector in zip(resolved, unit(vectors), strict=True) if full in known}
        store.update("tracks", [{"id": id_, block: vector} for id_, vector in rows.items()])
        if rows:
            segments = store.rows("segments", ["id", "track_id"]).to_pylist()  # moments of a track share its vector
            store.update(
                "segments", [{"id": s["id"], block: rows[s["track_id"]]} for s in segments if s["track_id"] in rows]
            )
    return len(rows), [name for name, full in zip(names, resolved, strict=True) if full not in known]


def _read_vectors(path: Path) -> tuple[list[str], NDArray[np.float32]]:
    try:
        match path.suffix:
            case ".parquet":
                table = pq.read_table(path, columns=["path", "vector"])
                names, vectors = table["path"].to_pylist(), table["vector"].to_pylist()
            case ".json":
                rows = json.loads(path.read_text(encoding="utf-8"))
                names, vectors = [row["path"] for row in rows], [row["vector"] for row in rows]
            case ".csv":
                with path.open(newline="", encoding="utf-8") as handle:
                    lines = [line for line in csv.reader(handle) if line]
                if lines and not _is_number(lines[0][1]):
                    lines = lines[1:]
                names, vectors = [line[0] for line in lines], [[float(v) for v in line[1:]] for line in lines]
            case ".npz":
                with np.load(path, allow_pickle=False) as arrays:
                    names, vectors = [str(name) for name in arrays["path"]], arrays["vector"].tolist()
            case _:
                raise LibraryError(f"{path}: name a file that ends in .parquet, .json, .csv or .npz")
        matrix_ = np.asarray(vectors, np.float32)
    except OSError as error:
        raise LibraryError(f"{path}: can't be read ({error.strerror or error})") from error
    except (ValueError, KeyError, TypeError, IndexError, pa.ArrowException) as error:
        raise LibraryError(
            f"{path}: holds no vectors that can be read: it needs path and vector, all of one length ({error})"
        ) from error
    if not len(names) or matrix_.ndim != 2 or not 1 <= matrix_.shape[1] <= MAX_DIM or not np.isfinite(matrix_).all():
        raise LibraryError(
            f"{path}: holds no vectors that can be used: every row needs the same number of finite values"
        )
    return [str(name) for name in names], matrix_


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _list_column(vectors: NDArray[np.float32]) -> pa.Array:
    flat = pa.array(np.ascontiguousarray(vectors, np.float32).ravel())
    return pa.FixedSizeListArray.from_arrays(flat, type=vector_type(vectors.shape[1]))


def block_matrix(
    store: Store, weights: Mapping[str, float], *, moments: bool = False
) -> tuple[list[dict[str, Any]], NDArray[np.float32]]:
    """Join blocks into one vector per track or moment, as a search with these weights would compare them.

    Parameters
    ----------
    store : Store
        The library's tables.
    weights : mapping of str to float
        Block to weight.
    moments : bool
        Segments of 15 s in the place of tracks.

    Returns
    -------
    rows : list of dict
        Id, path, artist, title, tempo, key and duration; of moments also start and end. By path and start.
    vectors : ndarray, shape=(rows, dim)
        Blocks scaled by the root of their weight, side by side; rows that lack one are left out.
    """
    present = " AND ".join(f"{block} IS NOT NULL" for block in weights)
    columns = ["id", "path", "artist", "title", "tempo", "key", "duration"]
    if moments:
        of_track = {row["id"]: row for row in store.rows("tracks", columns).to_pylist()}
        table = store.rows("segments", ["id", "track_id", "start", "end", *weights], present)
        table = table.filter(pa.compute.is_in(table["track_id"], pa.array([*of_track], pa.utf8())))
        cut = table.select(["id", "track_id", "start", "end"]).to_pylist()
        rows = [{**of_track[row.pop("track_id")], **row} for row in cut]
    else:
        table = store.rows("tracks", [*columns, *weights], present)
        rows = table.select(columns).to_pylist()
    joined = np.concatenate([np.sqrt(weight) * matrix(table[block]) for block, weight in weights.items()], axis=1)
    order = sorted(range(len(rows)), key=lambda i: (rows[i]["path"], rows[i].get("start", 0)))
    return [rows[i] for i in order], joined[order]
