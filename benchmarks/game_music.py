"""Real music for benchmarks: the soundtracks of Debian's games, by package name, one clip a track.

The packages are only downloaded and unpacked into a cache folder (never installed, never committed). Every file's
licence stands in its package's ``copyright`` file, which is unpacked beside it.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path

import soundfile

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
SUFFIXES = (".ogg", ".mp3", ".flac", ".opus", ".wav")
SHORTEST = 40.0  # seconds; shorter files are effects and jingles


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
        Sorted by path.
    """
    index = cache / "tracks.json"
    if index.exists():
        return [Track(**row) for row in json.loads(index.read_text())]
    for package in PACKAGES:
        _unpack(package, cache)
    tracks = _list(cache)
    index.write_text(json.dumps([asdict(track) for track in tracks], indent=1))
    return tracks


def _unpack(package: str, cache: Path) -> None:
    target = cache / package
    if target.exists():
        return
    downloads = cache / "downloads"
    downloads.mkdir(parents=True, exist_ok=True)
    subprocess.run(["apt-get", "download", "-qq", package], cwd=downloads, check=True)
    (deb,) = downloads.glob(f"{package}_*.deb")
    unpacking = cache / f"{package}.part"
    shutil.rmtree(unpacking, ignore_errors=True)
    subprocess.run(["dpkg-deb", "-x", deb, unpacking], check=True)
    for archive in [*unpacking.rglob("*.pk3")]:  # Quake-style archives are plain zips
        with zipfile.ZipFile(archive) as zipped:
            for name in zipped.namelist():
                if name.lower().endswith(SUFFIXES):
                    zipped.extract(name, archive.with_suffix(""))
        archive.unlink()
    deb.unlink()
    unpacking.rename(target)


def _list(cache: Path) -> list[Track]:
    seen: set[str] = set()
    tracks = []
    for package in PACKAGES:
        for path in sorted((cache / package).rglob("*")):
            if path.suffix.lower() not in SUFFIXES or path.is_symlink() or not path.is_file():
                continue
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            try:
                duration = soundfile.info(path).duration
            except soundfile.SoundFileError:
                continue
            if duration > SHORTEST and digest not in seen:
                seen.add(digest)
                tracks.append(Track(str(path), package, duration))
    return tracks
