"""Tar archives in which data sets are published, and which strangers made."""

from __future__ import annotations

import contextlib
import lzma
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from ..errors import RecipeError

MAX_UNPACKED, MAX_MEMBERS = 50 * 2**30, 2_000_000  # bytes and files of an archive
ARCHIVES = (".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.bz2")


@contextlib.contextmanager
def unpacked(source: Path, folder: Path) -> Iterator[Path]:
    """Give the folder itself, or what archives hold, for as long as it is read.

    Parameters
    ----------
    source : Path
        A folder, a tar archive, or a folder that holds nothing but such.
    folder : Path
        Where to unpack.

    Yields
    ------
    Path
        A folder.

    Raises
    ------
    RecipeError
        If it is none of those, or an archive is damaged, hostile or of absurd size.
    """
    archives = [source] if source.is_file() else sorted(_archives(source))
    if source.is_dir() and not archives:
        yield source
        return
    if not source.exists():
        raise RecipeError(f"{source}: there is no such folder")
    if not archives[0].name.endswith(ARCHIVES):
        raise RecipeError(f"{source}: is neither a folder nor a tar archive")
    with tempfile.TemporaryDirectory(dir=folder, prefix="unpacked-") as place:
        for archive in archives:
            _unpack(archive, Path(place))
        yield Path(place)


def _archives(folder: Path) -> list[Path]:
    """Archives of a folder that holds them and no audio or tables beside."""
    if not folder.is_dir() or any(path.is_dir() for path in folder.iterdir()):
        return []
    return [path for path in folder.iterdir() if path.name.endswith(ARCHIVES)]


def _unpack(archive: Path, place: Path) -> None:
    total = 0
    try:
        with tarfile.open(archive) as tar:
            for number, member in enumerate(tar):
                total += member.size
                if number >= MAX_MEMBERS or total > MAX_UNPACKED:
                    raise RecipeError(f"{archive}: unpacks to more than {MAX_UNPACKED // 2**30} GB; unpack it by hand")
                if member.isfile():  # links and devices have no place in a data set
                    tar.extract(member, place, filter="data")
    except (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise RecipeError(f"{archive}: can't be unpacked ({error}); get it again") from error
