"""The user's indexed tracks: an embedded vector database that is filled, searched and exported."""

from .blocks import DEFAULT_BLOCKS, own_blocks
from .embedding import Embedded, Embedder, embed_file
from .ingest import Failure, IngestReport, Progress
from .library import Library
from .playlist import Playlist
from .query import Query, parse_seed
from .search import Hit

__all__ = [
    "DEFAULT_BLOCKS",
    "Embedded",
    "Embedder",
    "Failure",
    "Hit",
    "IngestReport",
    "Library",
    "Playlist",
    "Progress",
    "Query",
    "embed_file",
    "own_blocks",
    "parse_seed",
]
