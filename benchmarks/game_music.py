"""Real music for benchmarks: the soundtracks of some of Debian's games, by package name.

The packages are only downloaded and unpacked into a cache folder (never installed, never committed). Every file's
licence stands in its package's ``copyright`` file, which is unpacked beside it.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from glissando import Library
from glissando.data.packages import fetch as fetch_packages
from glissando.data.packages import recordings
from glissando.library.blocks import DEFAULT_BLOCKS, encoder_blocks
from glissando.paths import cache_dir

# In this order, which numbers the clips of the other benchmarks.
PACKAGES = (
    "wesnoth-1.16-music",
    "ufoai-music",
    "warzone2100-music",
    "nexuiz-music",
    "drascula-music",
    "hyperrogue-music",
    "fb-music-high",
    "singularity-music",
    "asc-music",
    "planetblupi-music-ogg",
    "pushover-data",
    "colobot-common-sounds",
    "supertuxkart-data",
    "xmoto-data",
    "freedroidrpg-data",
)


@dataclass(frozen=True)
class Track:
    """One recording: where it lies, which game it is from, how long it is."""

    path: str
    game: str
    duration: float  # seconds


def fetch(cache: Path) -> list[Track]:
    """Download and unpack what is missing, then list the recordings over 40 s, each content once.

    Parameters
    ----------
    cache : Path
        Folder for the unpacked packages that the data set game-music has not fetched; reused by later calls.

    Returns
    -------
    list of Track
        By package, then path.
    """
    index = cache / "tracks.json"
    if index.exists():
        return [Track(**row) for row in json.loads(index.read_text())]
    built = cache_dir() / "data-sources" / "game-music"
    folders = {name: built if (built / name).exists() else cache for name in PACKAGES}
    fetch_packages([name for name, folder in folders.items() if folder == cache], cache)
    found: dict[str, Track] = {}
    for name, folder in folders.items():
        for one in recordings(folder, [name]):
            found.setdefault(one.sha256, Track(str(one.path), name, one.duration))
    tracks = [*found.values()]
    cache.mkdir(parents=True, exist_ok=True)
    index.write_text(json.dumps([asdict(track) for track in tracks], indent=1))
    return tracks


def library(tracks: Iterable[Track], cache: Path, *, coverage: int = 0) -> Library:
    """Index recordings by today's encoders into a library that later calls find, also where one was killed.

    Parameters
    ----------
    tracks : iterable of Track
        The recordings.
    cache : Path
        Folder of such libraries, one for each coverage.
    coverage : int
        Segments of 15 s to hear of each; 0 hears all of it.

    Returns
    -------
    Library
        Made anew if the one that was there has blocks in other spaces.
    """
    folder = cache / str(coverage)
    made = Library.open(folder)
    today = {name: block.space_id for name, block in encoder_blocks(DEFAULT_BLOCKS).items()}
    if {name: block.space_id for name, block in made.store.blocks().items()} != today:
        shutil.rmtree(folder)
        made = Library.open(folder)
    made.add(*(track.path for track in tracks), coverage=coverage)
    return made
