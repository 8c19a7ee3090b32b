"""The tables of a library and their columns; vectors get a column a block."""

from __future__ import annotations

import pyarrow as pa

FORMAT = 2

TRACK_FIELDS = [
    pa.field("id", pa.utf8(), nullable=False),
    pa.field("path", pa.utf8(), nullable=False),
    pa.field("content_hash", pa.utf8()),
    pa.field("audio_hash", pa.utf8()),
    pa.field("size", pa.int64()),
    pa.field("mtime_ns", pa.int64()),
    pa.field("ctime_ns", pa.int64()),
    pa.field("duration", pa.float32()),
    pa.field("coverage", pa.int32()),
    pa.field("sample_rate", pa.int32()),
    pa.field("artist", pa.utf8()),
    pa.field("album", pa.utf8()),
    pa.field("title", pa.utf8()),
    pa.field("year", pa.int32()),
    pa.field("tempo", pa.float32()),
    pa.field("tempo_confidence", pa.float32()),
    pa.field("tempo_candidates", pa.list_(pa.float32())),
    pa.field("key", pa.utf8()),
    pa.field("key_confidence", pa.float32()),
    pa.field("chords", pa.utf8()),
    pa.field("labels", pa.list_(pa.utf8())),
]
SEGMENT_FIELDS = [
    pa.field("id", pa.utf8(), nullable=False),
    pa.field("track_id", pa.utf8(), nullable=False),
    pa.field("start", pa.float32()),
    pa.field("end", pa.float32()),
    # of the track, so that a filter comes before the vector search
    pa.field("artist", pa.utf8()),
    pa.field("tempo", pa.float32()),
    pa.field("key", pa.utf8()),
    pa.field("chords", pa.utf8()),
    pa.field("labels", pa.list_(pa.utf8())),
]
BLOCK_SCHEMA = pa.schema(
    [
        pa.field("name", pa.utf8(), nullable=False),
        pa.field("encoder", pa.utf8()),
        pa.field("space_id", pa.utf8(), nullable=False),
        pa.field("dim", pa.int32(), nullable=False),
        pa.field("tag_names", pa.list_(pa.utf8())),
        pa.field("joint_at", pa.int32()),
    ],
    metadata={"glissando_format": str(FORMAT)},
)
COLUMNS = frozenset(field.name for field in [*TRACK_FIELDS, *SEGMENT_FIELDS]) | {"tags", "joint"}
TABLES = ("tracks", "segments")
