"""Real music for benchmarks: the soundtracks of some of Debian's games, by package name.

The packages are only downloaded and unpacked into a cache folder (never installed, never committed). Every file's
licence stands in its package's ``copyright`` file, which is unpacked beside it.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from glissando.data.packages import fetch as fetch_packages
from glissando.data.packages import recordings

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
        Folder for the unpacked packages; reused by later calls.

    Returns
    -------
    list of Track
        By package, then path.
    """
    index = cache / "tracks.json"
    if index.exists():
        return [Track(**row) for row in json.loads(index.read_text())]
    fetch_packages(PACKAGES, cache)
    tracks = [Track(str(one.path), one.package, one.duration) for one in recordings(cache, PACKAGES)]
    index.write_text(json.dumps([asdict(track) for track in tracks], indent=1))
    return tracks
