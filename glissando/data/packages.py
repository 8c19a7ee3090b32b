"""Recordings in Debian's packages: fetched by name, unpacked into a folder, never installed."""

from __future__ import annotations

import hashlib
import logging
import re
import shutil
import subprocess
import tarfile
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ..errors import RecipeError

SUFFIXES = (".ogg", ".mp3", ".flac", ".opus", ".wav")
ARCHIVES = (".pk3", ".zip")  # games keep their files in such, which are plain zips
SHORTEST = 40.0  # seconds; shorter files are effects and jingles
DOWNLOADS = "downloads"  # folder of packages that are not unpacked yet
NAME = re.compile(r"[a-z0-9][a-z0-9+.-]+")
MAX_FILE = 2**30  # bytes of one recording, unpacked

logger = logging.getLogger("glissando")


@dataclass(frozen=True)
class Recording:
    """One recording of an unpacked package.

    Parameters
    ----------
    path : Path
        The file.
    package : str
        Name of the package.
    duration : float
        In seconds.
    sha256 : str
        Of the file.
    """

    path: Path
    package: str
    duration: float
    sha256: str


def fetch(names: Iterable[str], folder: Path, *, suffixes: tuple[str, ...] = SUFFIXES) -> None:
    """Download and unpack the packages that are missing; one that can't be had is logged and left out.

    Only some files and the ``copyright`` file are kept.

    Parameters
    ----------
    names : iterable of str
        Of packages.
    folder : Path
        Gets a folder per package.
    suffixes : tuple of str
        Of the files to keep; those of recordings if not given.

    Raises
    ------
    RecipeError
        If packages are missing and this computer can't fetch them.
    """
    missing = [name for name in names if not (folder / name).exists()]
    for tool in ("apt-get", "dpkg-deb"):
        if missing and shutil.which(tool) is None:
            raise RecipeError(
                f"{missing[0]}: is fetched with {tool}, which is not on this computer; unpack the package elsewhere "
                "(dpkg-deb -x FILE DIR/PACKAGE) and name that folder with --from DIR"
            )
    for name in missing:
        try:
            _fetch(name, folder, suffixes)
        except (RecipeError, OSError, tarfile.TarError) as error:
            logger.warning("%s: is left out: %s", name, error)


def recordings(folder: Path, names: Iterable[str]) -> Iterator[Recording]:
    """List the recordings over 40 s, each content once.

    Parameters
    ----------
    folder : Path
        With a folder per package.
    names : iterable of str
        Of packages, in the wanted order; those that are not there are passed over.

    Yields
    ------
    Recording
        By package, then path.
    """
    import soundfile

    seen: set[str] = set()
    for name in names:
        for path in sorted((folder / name).rglob("*")):
            if path.suffix.lower() not in SUFFIXES or path.is_symlink() or not path.is_file():
                continue
            try:
                duration = float(soundfile.info(path).duration)
            except (soundfile.SoundFileError, OSError):
                continue
            if duration <= SHORTEST:
                continue
            with path.open("rb") as file:
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            if sha256 not in seen:
                seen.add(sha256)
                yield Recording(path, name, duration, sha256)


def packages_in(folder: Path) -> list[str]:
    """List the unpacked packages.

    Parameters
    ----------
    folder : Path
        With a folder per package.

    Returns
    -------
    list of str
        Their names, sorted.
    """
    found = (path.name for path in folder.iterdir() if path.is_dir() and path.suffix != ".part")
    return sorted(name for name in found if NAME.fullmatch(name) and name != DOWNLOADS)


def entry_names(paths: list[Path]) -> list[str]:
    """Give every path its stem, with as many folders before it as tell it from the others.

    Parameters
    ----------
    paths : list of Path
        Of files below one folder.

    Returns
    -------
    list of str
        For keys of entries.
    """
    names = [[re.sub(r"[^\w +-]+", "_", part) for part in (*path.parts[:-1], path.stem)] for path in paths]
    tails = Counter("+++".join(parts[-n:]) for parts in names for n in range(1, len(parts) + 1))
    keys = []
    for path, parts in zip(paths, names, strict=True):
        every = ["+++".join(parts[-n:]) for n in range(1, len(parts) + 1)]
        keys.append(next((tail for tail in every if tails[tail] == 1), f"{every[-1]}+++{path.suffix[1:].lower()}"))
    return keys


def _fetch(name: str, folder: Path, suffixes: tuple[str, ...]) -> None:
    downloads = folder / DOWNLOADS
    downloads.mkdir(parents=True, exist_ok=True)
    if not [*downloads.glob(f"{name}_*.deb")]:
        done = subprocess.run(["apt-get", "download", "-qq", name], cwd=downloads, capture_output=True, check=False)
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip().splitlines() or ["no reason given"]
            raise RecipeError(f"apt-get can't download it ({said[-1]:.200}); try apt-get update")
    deb = sorted(downloads.glob(f"{name}_*.deb"))[-1]
    unpacking = folder / f"{name}.part"
    shutil.rmtree(unpacking, ignore_errors=True)
    unpacking.mkdir()
    with (
        subprocess.Popen(["dpkg-deb", "--fsys-tarfile", deb], stdout=subprocess.PIPE) as process,
        tarfile.open(fileobj=process.stdout, mode="r|") as tar,
    ):
        for member in tar:
            if member.isfile() and member.name.lower().endswith((*suffixes, *ARCHIVES, "/copyright")):
                tar.extract(member, unpacking, filter="data")  # links would repeat what is elsewhere
    if process.returncode:
        raise RecipeError(f"{deb}: can't be unpacked by dpkg-deb; remove it, and it is downloaded again")
    for archive in [path for path in unpacking.rglob("*") if path.suffix.lower() in ARCHIVES]:
        _unzip(archive, suffixes)
    unpacking.rename(folder / name)
    deb.unlink()


def _unzip(archive: Path, suffixes: tuple[str, ...]) -> None:
    """Put files of an archive into a folder of its name, in its place."""
    try:
        with zipfile.ZipFile(archive) as zipped:
            for member in zipped.infolist():
                if member.filename.lower().endswith(suffixes) and member.file_size <= MAX_FILE:
                    zipped.extract(member, archive.with_suffix(""))
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError) as error:
        logger.warning("%s: is passed over: %s", archive, error)
    archive.unlink()
