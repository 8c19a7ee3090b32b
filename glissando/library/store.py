"""The tables of a library: tracks, segments, and the blocks that say which space every vector lies in.

A track counts once its row is in ``tracks``; its segments are written before it, so a killed run can leave segments
without a track (ignored by every reader, removed by the next writer) but never half a track.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lancedb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ..errors import LibraryError
from .blocks import Block, join
from .columns import any_of, table_of, vector_type
from .failures import explained, reason
from .locks import writers_lock
from .schema import BLOCK_SCHEMA, COLUMNS, FORMAT, SEGMENT_FIELDS, TRACK_FIELDS

if TYPE_CHECKING:
    from .memory_index import MemoryIndex

BATCH = 8192  # rows read at once


class Store:
    """An open LanceDB database with the three tables.

    Parameters
    ----------
    location : str
        Folder or URI.
    create : sequence of Block, optional
        Blocks of a new library, if there is none yet.

    Raises
    ------
    LibraryError
        If there is none, or it is of another format.
    """

    def __init__(self, location: str, *, create: Sequence[Block] | None = None) -> None:
        self.location = location
        self._known_blocks: dict[str, Block] | None = None  # read once: every search asks for them
        self.memory: MemoryIndex | None = None  # see Library.warm
        self.writes = 0  # by this object; a copy in memory is of one state
        self._known_artists: tuple[int, frozenset[str]] | None = None
        self.is_local = "://" not in location
        if self.is_local and create is None and not (Path(location) / "blocks.lance").is_dir():
            raise LibraryError(f"{location}: there is no library here; make one with: gliss index FOLDER")
        if self.is_local and Path(location).is_file():
            raise LibraryError(f"{location}: is a file, not a library; name a folder")
        try:
            self._db = lancedb.connect(location)
            tables = set(self._db.list_tables().tables)
        except (OSError, ValueError, RuntimeError) as error:
            raise LibraryError(f"{location}: can't be opened as a library ({error})") from error
        if "blocks" not in tables:
            if create is None:
                raise LibraryError(f"{location}: there is no library here; make one with: gliss index FOLDER")
            with self.writing(), explained(self.location):
                self._create(create)
        try:
            self._blocks = self._db.open_table("blocks")
            self.tracks = self._db.open_table("tracks")
            self.segments = self._db.open_table("segments")
        except (OSError, ValueError, RuntimeError) as error:
            raise LibraryError(
                f"{location}: the library is damaged ({reason(error)}); restore it, or index into a new one"
            ) from error
        self.lacks = self._lacking()
        found = (self._blocks.schema.metadata or {}).get(b"glissando_format", b"?").decode()
        if found != str(FORMAT):
            raise LibraryError(
                f"{location}: is of format {found}, this version reads {FORMAT}; index into a new library"
            )

    def _lacking(self) -> dict[str, pa.DataType]:
        """Columns of this version that the library was made without, with their types."""
        return {field.name: field.type for field in TRACK_FIELDS if field.name not in self.tracks.schema.names}

    def _create(self, blocks: Sequence[Block]) -> None:
        blocks = join(blocks)
        vectors = [pa.field(block.name, vector_type(block.dim)) for block in blocks]
        vectors.append(pa.field("joint", vector_type(sum(b.dim for b in blocks if b.joint_at is not None))))
        tags = [pa.field("tags", vector_type(len(block.tag_names))) for block in blocks if block.tag_names][:1]
        # "blocks" comes last: a library exists once it is there
        self._db.create_table("segments", schema=pa.schema([*SEGMENT_FIELDS, *vectors]), exist_ok=True)
        self._db.create_table("tracks", schema=pa.schema([*TRACK_FIELDS, *tags, *vectors]), exist_ok=True)
        rows = pa.Table.from_pylist(
            [{**asdict(b), "tag_names": list(b.tag_names)} for b in blocks], schema=BLOCK_SCHEMA
        )
        self._db.create_table("blocks", data=rows, schema=BLOCK_SCHEMA)

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the writer's lock.

        Yields
        ------
        None
            While this process alone may write.

        Raises
        ------
        LibraryError
            If another process is writing, or this place can't be written to.
        """
        with writers_lock(self.location):
            yield

    @contextlib.contextmanager
    def _changing(self) -> Iterator[None]:
        """Count a write, after which copies in memory are out of date; errors become sentences."""
        try:
            with explained(self.location):
                yield
        finally:
            self.writes += 1

    def blocks(self) -> dict[str, Block]:
        """List the blocks.

        Returns
        -------
        dict of str to Block
            By name, in order of creation.
        """
        if self._known_blocks is None:
            with explained(self.location, doing="reading"):
                rows = self._blocks.to_arrow().to_pylist()
            self._known_blocks = {
                row["name"]: Block(**{**row, "tag_names": tuple(row["tag_names"] or ())}) for row in rows
            }
        return dict(self._known_blocks)

    def add_block(self, block: Block) -> None:
        """Add a vector column; the tracks have no vector in it yet.

        Parameters
        ----------
        block : Block
            Its name must be new.

        Raises
        ------
        LibraryError
            If the name is taken or can't be a column.
        """
        if not block.name.isidentifier() or block.name in COLUMNS:
            raise LibraryError(f"block name {block.name!r} can't be used; take letters, digits and _")
        if block.name in self.blocks():
            raise LibraryError(f"block {block.name!r} exists already")
        field = pa.field(block.name, vector_type(block.dim))
        row = {**asdict(block), "tag_names": list(block.tag_names)}
        self.add_columns()
        with self._changing():
            for table in (self.tracks, self.segments):
                table.add_columns(field)
            if block.tag_names and "tags" not in self.tracks.schema.names:
                self.tracks.add_columns(pa.field("tags", vector_type(len(block.tag_names))))
            self._blocks.add(pa.Table.from_pylist([row], schema=BLOCK_SCHEMA))
        self._known_blocks = None

    def beside(self, name: str, schema: pa.Schema | None = None) -> Any:
        """Open a table beside the three, of what can be made again, such as the layout of a map.

        Parameters
        ----------
        name : str
            Of the table.
        schema : Schema, optional
            Of a new and empty one, in the place of what is there.

        Returns
        -------
        Table or None
            None if there is none.
        """
        with explained(self.location):
            there = name in self._db.list_tables().tables
            if schema is not None:
                return self._db.create_table(name, schema=schema, mode="overwrite" if there else "create")
            return self._db.open_table(name) if there else None

    def add_columns(self) -> None:
        """Add the columns that came with a later version than the library."""
        with self._changing():
            for table, fields in ((self.tracks, TRACK_FIELDS), (self.segments, SEGMENT_FIELDS)):
                for new in fields:
                    if new.name not in table.schema.names:
                        table.add_columns(new)
        self.lacks = self._lacking()

    def artists(self) -> frozenset[str]:
        """List the artists that the files name.

        Returns
        -------
        frozenset of str
            As they spell them.
        """
        version = self.tracks.version
        if self._known_artists is None or self._known_artists[0] != version:
            names = self.rows("tracks", ["artist"])["artist"].unique().to_pylist()
            self._known_artists = version, frozenset(name for name in names if name)
        return self._known_artists[1]

    def tag_names(self) -> tuple[str, ...]:
        """Tell what the tag column means.

        Returns
        -------
        tuple of str
            Empty if no block brings tags.
        """
        return next((block.tag_names for block in self.blocks().values() if block.tag_names), ())

    def rows(self, table: str, columns: Sequence[str], where: str | None = None) -> pa.Table:
        """Read columns.

        Parameters
        ----------
        table : {"tracks", "segments"}
            Which table.
        columns : sequence of str
            Column names.
        where : str, optional
            SQL filter.

        Returns
        -------
        Table
            The rows; columns that are younger than the library are null.
        """
        present = [name for name in columns if name not in self.lacks]
        with explained(self.location, doing="reading"):
            query = getattr(self, table).search().select(present)
            found = (query.where(where) if where else query).to_arrow()
        for name in self.lacks.keys() & {*columns}:
            found = found.append_column(name, pa.nulls(found.num_rows, self.lacks[name]))
        return found

    def batches(self, table: str, columns: Sequence[str], where: str | None = None) -> Iterator[pa.Table]:
        """Read columns part by part, so that memory does not grow with the table.

        Parameters
        ----------
        table : {"tracks", "segments"}
            Which table.
        columns : sequence of str
            Column names.
        where : str, optional
            SQL filter.

        Yields
        ------
        Table
            Some of the rows.
        """
        with explained(self.location, doing="reading"):
            query = getattr(self, table).search().select(list(columns))
            for batch in (query.where(where) if where else query).to_batches(BATCH):
                yield pa.Table.from_batches([batch])

    def count(self, table: str, where: str | None = None) -> int:
        """Count rows.

        Parameters
        ----------
        table : {"tracks", "segments"}
            Which table.
        where : str, optional
            SQL filter.

        Returns
        -------
        int
            How many.
        """
        with explained(self.location, doing="reading"):
            return int(getattr(self, table).count_rows(where))

    def joint(self, vectors: Mapping[str, NDArray[np.float32] | None]) -> NDArray[np.float32]:
        """Lay vectors end to end as in the ``joint`` column.

        Parameters
        ----------
        vectors : mapping of str to ndarray or None
            Block to vector.

        Returns
        -------
        ndarray, shape=(dim,)
            Zeros where a block is missing.
        """
        places = [block for block in self.blocks().values() if block.joint_at is not None]
        parts = [vectors.get(block.name) for block in places]
        return np.concatenate(
            [np.zeros(b.dim, np.float32) if part is None else part for b, part in zip(places, parts, strict=True)]
        ).astype(np.float32)

    def put(self, tracks: Sequence[Mapping[str, Any]], segments: Sequence[Mapping[str, Any]]) -> None:
        """Write whole tracks: new ones, or in place of what was at their path.

        Parameters
        ----------
        tracks, segments : sequence of mapping
            Rows; segments name their track by ``track_id``.
        """
        if not tracks:
            return
        paths = [row["path"] for row in tracks]
        with self._changing():
            if segments:
                self.segments.add(table_of(segments, self.segments.schema), on_bad_vectors="null")
            replaced = self.rows("tracks", ["id"], any_of("path", paths))["id"].to_pylist()
            merge = self.tracks.merge_insert("path").when_matched_update_all().when_not_matched_insert_all()
            merge.execute(table_of(tracks, self.tracks.schema), on_bad_vectors="null")  # a block that a track lacks
            if replaced:
                self.segments.delete(any_of("track_id", replaced))

    def update(self, table: str, rows: Sequence[Mapping[str, Any]], *, key: str = "id") -> None:
        """Change some columns of rows that are there; rows that aren't there are passed over.

        Parameters
        ----------
        table : {"tracks", "segments"}
            Which table.
        rows : sequence of mapping
            The key and the columns to change, the same for all rows.
        key : str
            Column by which rows are found.
        """
        if rows:
            target = getattr(self, table)
            with self._changing():
                merge = target.merge_insert(key).when_matched_update_all()
                merge.execute(table_of(rows, target.schema), on_bad_vectors="null")

    def delete(self, ids: Sequence[str]) -> None:
        """Remove tracks and their segments.

        Parameters
        ----------
        ids : sequence of str
            Track ids.
        """
        with self._changing():
            for first in range(0, len(ids), 1000):
                self.tracks.delete(any_of("id", ids[first : first + 1000]))
                self.segments.delete(any_of("track_id", ids[first : first + 1000]))

    def orphans(self) -> list[str]:
        """Find segments without a track, left by a killed run.

        Returns
        -------
        list of str
            Their track ids.
        """
        known = set(self.rows("tracks", ["id"])["id"].to_pylist())
        return sorted(set(self.rows("segments", ["track_id"])["track_id"].to_pylist()) - known)

    def remove_orphans(self) -> int:
        """Remove segments without a track.

        Returns
        -------
        int
            Number of tracks they belonged to.
        """
        lost = self.orphans()
        self.delete(lost)
        return len(lost)

    def optimize(self, *, keep: timedelta = timedelta(hours=1)) -> None:
        """Merge small files, and drop old versions that no reader needs any more.

        Parameters
        ----------
        keep : timedelta
            Age below which old versions stay.
        """
        with explained(self.location), warnings.catch_warnings():
            # Of keep=0, the caller's choice.
            warnings.filterwarnings("ignore", message="optimize", category=UserWarning)
            for table in (self.tracks, self.segments):
                table.optimize(cleanup_older_than=keep)
