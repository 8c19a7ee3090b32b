"""Cover songs: covers80, Covers1000, Da-TACOS."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...errors import RecipeError
from ..building import Source, builder, labelled
from ..layouts import audio_files, objects_of, root_of
from ..store import ArrayStore

CREMA = "crema"
ABOUT = (("artist", "perf_artist"), ("title", "perf_title"), ("instrumental", "instrumental"))  # label, column


@builder("cover80", "covers32k/SONG/ARTIST+ALBUM+NN-SONG.mp3")
def cover80(folder: Path) -> Iterator[Source]:
    """List covers80; a folder is a clique.

    Parameters
    ----------
    folder : Path
        With ``covers32k``.

    Yields
    ------
    Source
        By song.
    """
    root = root_of(folder, "covers32k")
    root = root / "covers32k" if (root / "covers32k").is_dir() else root
    for path in audio_files(root, "*/*"):
        artist, album, *_ = [*path.stem.split("+"), "", ""]
        labels = {"clique": (path.parent.name,), "artist": (artist,)}
        if album:
            labels["album"] = (album,)
        yield Source(f"{path.parent.name}+++{path.stem}", labelled(labels), path)


@builder("cover1000", "Covers1000/N/NAME.mp3, a folder per work")
def cover1000(folder: Path) -> Iterator[Source]:
    """List Covers1000; a numbered folder is a clique.

    Parameters
    ----------
    folder : Path
        With a folder per work.

    Yields
    ------
    Source
        By work.
    """
    root = root_of(folder, "Covers1000")
    root = root / "Covers1000" if (root / "Covers1000").is_dir() else root
    works = [path for path in root.iterdir() if path.is_dir() and path.name.isdigit()]
    for work in sorted(works, key=lambda path: int(path.name[:9])):
        for path in audio_files(work):
            yield Source(f"{work.name}+++{path.stem}", labelled({"clique": (work.name,)}), path)


@builder(
    "da-tacos",
    "da-tacos_metadata/da-tacos_SUBSET_subset_metadata.json, da-tacos_SUBSET_subset_crema (or single_files)/W_N/P_N.h5",
)
def da_tacos(folder: Path) -> Iterator[Source]:
    """List Da-TACOS, whose entries are CREMA features.

    Parameters
    ----------
    folder : Path
        With the metadata and the features.

    Yields
    ------
    Source
        Benchmark, then cover analysis, as far as they are there.
    """
    for table in sorted(folder.glob("**/da-tacos_*_subset_metadata.json")):
        subset = table.name.removeprefix("da-tacos_").removesuffix("_subset_metadata.json")
        files = {
            path.stem.removesuffix("_crema"): path for path in folder.glob(f"**/da-tacos_{subset}_subset_*/*/P_*.h5")
        }
        part = "test" if subset == "benchmark" else "train"
        for work, performances in objects_of(table).items():
            if not isinstance(performances, dict):
                raise RecipeError(f"{table}: work {work} holds no performances; it is no metadata of Da-TACOS")
            for performance, about in performances.items():
                if not re.fullmatch(r"P_\d+", performance):
                    raise RecipeError(f"{table}: work {work}: {performance!r:.40} is no performance of Da-TACOS")
                labels = {"clique": (work,), "split": (part,)}
                for name, column in ABOUT:
                    if isinstance(about, dict) and isinstance(about.get(column), str):
                        labels[name] = (about[column],)
                found = files.get(performance)
                yield Source(performance, labelled(labels), feature=_crema(found) if found else None)


def _crema(path: Path) -> Callable[[], NDArray[np.float32]]:
    def read() -> NDArray[np.float32]:
        with ArrayStore(path) as store:
            values = store.read(CREMA)
        if values.ndim != 2 or 12 not in values.shape:
            raise RecipeError(f"{path}: {CREMA} has shape {values.shape}, not 12 pitch classes")
        return values if values.shape[1] == 12 else np.ascontiguousarray(values.T)

    return read
