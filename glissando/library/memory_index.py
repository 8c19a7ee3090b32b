"""A library's search in memory, for processes that search often: vectors in faiss, and what filters compare."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ..errors import GlissandoError
from .columns import matrix
from .filters import Filter
from .schema import TABLES
from .store import Store
from .vector_index import ROWS_PER_PARTITION

TRACK_COLUMNS = (
    "id path duration artist album title year tempo tempo_confidence key key_confidence audio_hash"
).split()
SAMPLE = 64  # rows a partition to find the partitions by
ALONG, LEAST = 3, 2  # partitions for all points of a curve, in those for one query, and at least so many a point
KEPT = 4  # candidates of all points of a curve, in those of one point


@dataclass(frozen=True)
class _Shelf:
    """One table: its rows by number, the track each belongs to, and their joint vectors."""

    rows: pa.Table
    track: NDArray[np.int32]
    index: Any


class MemoryIndex:
    """A copy of what searches need, as the tables are now; it steps aside once the store writes.

    It takes about 2 bytes a dimension and row (0.8 GB for a million segments), and half a minute a million rows to
    make. Similarities are those of vectors in half precision: right to about 0.0005.

    Parameters
    ----------
    store : Store
        The library's tables.

    Raises
    ------
    GlissandoError
        If faiss is not installed.

    References
    ----------
    Douze et al., "The Faiss library", arXiv 2401.08281.
    """

    def __init__(self, store: Store) -> None:
        try:
            import faiss
        except ImportError as error:
            raise GlissandoError(
                'search in memory needs faiss; install it with: pip install "glissando[fast]"'
            ) from error
        self._faiss, self._store, self._writes = faiss, store, store.writes
        self._blocks = {name: block for name, block in store.blocks().items() if block.joint_at is not None}
        columns = [*TRACK_COLUMNS, *(["tags"] if store.tag_names() else [])]
        self._tracks = store.rows("tracks", [*columns, "labels"])
        self._row = {id_: row for row, id_ in enumerate(self._tracks["id"].to_pylist())}
        self._tempo = self._tracks["tempo"].to_numpy()
        self._artist, self._artists = _coded(self._tracks["artist"])
        self._key, self._keys = _coded(self._tracks["key"])
        self._chords = store.rows("tracks", ["chords"])["chords"].combine_chunks()
        self._labels = _columns_of(self._tracks["labels"])
        self._tracks = self._tracks.select(columns).combine_chunks()  # rows are taken from one piece far faster
        self._shelves = {table: self._shelf(table) for table in TABLES if store.count(table)}

    def _shelf(self, table: str) -> _Shelf:
        size, dim = self._store.count(table), sum(block.dim for block in self._blocks.values())
        cells = max(1, round(size / ROWS_PER_PARTITION))
        faiss, keys = self._faiss, ["id", "track_id", "start", "end"] if table == "segments" else ["id"]
        rows = self._store.rows(table, keys).combine_chunks()
        index = faiss.IndexIVFScalarQuantizer(
            faiss.IndexFlatIP(dim), dim, cells, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT, False
        )
        chosen = np.sort(np.random.default_rng(0).permutation(size)[: SAMPLE * cells])
        index.cp.min_points_per_centroid = 1  # small tables are no reason to warn
        with_vectors = getattr(self._store, table)
        sample = with_vectors.take_offsets(chosen.tolist()).select(["joint"]).to_arrow()
        index.train(np.nan_to_num(matrix(sample["joint"])))
        for batch in self._store.batches(table, ["joint"]):
            index.add(np.nan_to_num(matrix(batch["joint"])))
        index.make_direct_map()
        owner = rows["track_id" if table == "segments" else "id"].to_pylist()
        return _Shelf(rows, np.array([self._row.get(id_, -1) for id_ in owner], np.int32), index)

    def answers(self, table: str, blocks: Iterable[str]) -> int:
        """Tell how many rows can be searched for queries in these blocks.

        Parameters
        ----------
        table : {"tracks", "segments"}
            Which table.
        blocks : iterable of str
            Blocks that weigh something.

        Returns
        -------
        int
            0 once the store has written, or for blocks that came after the library was made.
        """
        if not self.is_current() or table not in self._shelves or not self._blocks.keys() >= {*blocks}:
            return 0
        return int(self._shelves[table].index.ntotal)

    def is_current(self) -> bool:
        """Tell whether the store has not written since.

        Returns
        -------
        bool
            False after a write.
        """
        return self._store.writes == self._writes

    def tracks(self, ids: Sequence[str]) -> list[dict[str, Any]]:
        """Look up tracks.

        Parameters
        ----------
        ids : sequence of str
            Track ids.

        Returns
        -------
        list of dict
            Rows of those that are there, with `TRACK_COLUMNS` and tags.
        """
        found: list[dict[str, Any]] = self._tracks.take([self._row[i] for i in ids if i in self._row]).to_pylist()
        return found

    def passing(self, table: str, wanted: Filter) -> NDArray[np.bool_]:
        """Tell which rows pass a filter.

        Parameters
        ----------
        table : {"tracks", "segments"}
            Which table.
        wanted : Filter
            The conditions.

        Returns
        -------
        ndarray of bool, shape=(rows,)
            True where all hold.
        """
        mask = np.ones(len(self._tempo) + 1, bool)
        mask[-1] = False  # the track of segments without one
        every = mask[:-1]
        if wanted.tempo:
            every &= (self._tempo >= wanted.tempo[0]) & (self._tempo <= wanted.tempo[1])
        if wanted.keys:
            every &= np.isin(self._key, [self._keys[name] for name in wanted.keys if name in self._keys])
        if wanted.chords:
            found = [pc.match_substring(self._chords, one).fill_null(False) for one in wanted.chords]
            every &= np.logical_or.reduce([one.to_numpy(zero_copy_only=False) for one in found])
        if wanted.artists:
            every &= np.isin(self._artist, [self._artists[name] for name in wanted.artists])
        if wanted.no_artists:
            every &= ~np.isin(self._artist, [self._artists[name] for name in wanted.no_artists])
        nowhere = np.zeros(len(every), bool)
        for labels in wanted.labels:
            every &= np.logical_or.reduce([self._labels.get(name, nowhere) for name in labels])
        for name in wanted.no_labels:
            every &= ~self._labels.get(name, nowhere)
        return mask[self._shelves[table].track]

    def nearest(
        self,
        table: str,
        queries: Sequence[NDArray[np.float32]],
        *,
        passing: NDArray[np.bool_],
        limit: int,
        probes: int,
    ) -> pa.Table:
        """Ask the index.

        Parameters
        ----------
        table : {"tracks", "segments"}
            Which table.
        queries : sequence of ndarray, shape=(points, dim)
            Joint vectors, weighted: one, or the points of a curve.
        passing : ndarray of bool, shape=(rows,)
            Rows to search.
        limit : int
            Rows for each query.
        probes : int
            Partitions to look into for each; the points of a curve share them, so that most fall where it is near.

        Returns
        -------
        Table
            Rows that are near to any query, each once: keys and blocks.
        """
        shelf = self._shelves[table]
        few = int(passing.sum()) <= limit
        near = np.flatnonzero(passing) if few else self._search(shelf, queries, passing, limit, probes)
        vectors = shelf.index.reconstruct_batch(near) if len(near) else np.zeros((0, shelf.index.d), np.float32)
        rows = shelf.rows.take(near)
        for name, block in self._blocks.items():
            at = block.joint_at or 0
            part = vectors[:, at : at + block.dim]
            flat, lacks = pa.array(part.ravel()), pa.array(~part.any(axis=1))
            rows = rows.append_column(name, pa.FixedSizeListArray.from_arrays(flat, block.dim, mask=lacks))
        return rows

    def _search(
        self, shelf: _Shelf, queries: Sequence[NDArray[np.float32]], passing: NDArray[np.bool_], limit: int, probes: int
    ) -> NDArray[np.int64]:
        """Rows that are near to any query, in order of their number."""
        faiss, points = self._faiss, np.concatenate(queries)
        each = min(probes, shelf.index.nlist)
        likeness, cells = shelf.index.quantizer.search(points, each)
        curves = np.split(np.arange(len(points)), np.cumsum([len(query) for query in queries])[:-1])
        for curve in curves:
            spare = likeness[curve].size - max(ALONG * each, LEAST * len(curve))
            if len(curve) > 1 and spare > 0:
                floor = np.partition(likeness[curve].ravel(), spare)[spare]
                cells[curve] = np.where(likeness[curve] < floor, -1, cells[curve])  # not looked into
        selector = faiss.IDSelectorBitmap(np.packbits(passing, bitorder="little"))
        asked = faiss.SearchParametersIVF(sel=selector, nprobe=each)
        scores, found = np.empty((len(points), limit), np.float32), np.empty((len(points), limit), np.int64)
        places = [faiss.swig_ptr(array) for array in (cells, likeness, scores, found)]
        # (without "_c" it takes no selector)
        shelf.index.search_preassigned_c(len(points), faiss.swig_ptr(points), limit, *places, False, asked)
        near = []
        for curve in curves:
            best = found[curve].ravel()[np.argsort(-scores[curve], axis=None)]
            _, first = np.unique(best, return_index=True)  # points side by side find the same rows
            near.append(best[np.sort(first)[: KEPT * limit]])
        rows: NDArray[np.int64] = np.unique(np.concatenate(near))
        return rows[rows >= 0]


def _coded(words: pa.ChunkedArray) -> tuple[NDArray[np.int32], dict[str, int]]:
    """Every row's word by number, -1 where there is none, and the numbers of the words."""
    coded = words.combine_chunks().dictionary_encode()
    numbers = {word: number for number, word in enumerate(coded.dictionary.to_pylist())}
    return coded.indices.fill_null(-1).to_numpy(), numbers


def _columns_of(labels: pa.ChunkedArray) -> dict[str, NDArray[np.bool_]]:
    """For every label, the rows that have it."""
    flat = labels.combine_chunks()
    row = np.repeat(np.arange(len(flat)), flat.value_lengths().fill_null(0).to_numpy())
    words = flat.flatten().dictionary_encode()
    has = np.zeros((len(words.dictionary), len(flat)), bool)
    has[words.indices.to_numpy(), row] = True
    return dict(zip(words.dictionary.to_pylist(), has, strict=True))
