"""Sounds with classes: FSD50K, ESC-50 and ESC-10, UrbanSound8K, instruments."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..building import Source, builder, labelled
from ..layouts import audio_file, inside, objects_of, root_of, rows


@builder(
    "fsd50k",
    "FSD50K.ground_truth/{dev,eval}.csv, FSD50K.{dev,eval}_audio/ID.wav, FSD50K.metadata/*_clips_info_FSD50K.json",
)
def fsd50k(folder: Path) -> Iterator[Source]:
    """List FSD50K.

    Parameters
    ----------
    folder : Path
        With its folders.

    Yields
    ------
    Source
        Development, then evaluation.
    """
    root = root_of(folder, "FSD50K.ground_truth")
    for name in ("dev", "eval"):
        table = root / "FSD50K.ground_truth" / f"{name}.csv"
        if not table.is_file():
            continue
        uploaders = _uploaders(root / "FSD50K.metadata" / f"{name}_clips_info_FSD50K.json")
        for where, row in rows(table, "fname", "labels"):
            path = inside(root / f"FSD50K.{name}_audio", f"{row['fname']}.wav", where=where)
            part = "test" if name == "eval" else row.get("split", "train").replace("val", "valid")
            labels = {"class": tuple(row["labels"].split(",")), "split": (part,)}
            if row["fname"] in uploaders:
                labels["artist"] = (uploaders[row["fname"]],)
            yield Source(f"{name}-{row['fname']}", labelled(labels), audio_file(path))


def _uploaders(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    clips = objects_of(path)
    return {
        key: str(about["uploader"]) for key, about in clips.items() if isinstance(about, dict) and "uploader" in about
    }


@builder("esc50", "meta/esc50.csv and audio/FOLD-CLIP-TAKE-TARGET.wav")
def esc50(folder: Path) -> Iterator[Source]:
    """List ESC-50.

    Parameters
    ----------
    folder : Path
        With the table.

    Yields
    ------
    Source
        In the order of the table.
    """
    root = root_of(folder, "meta/esc50.csv")
    for where, row in rows(root / "meta" / "esc50.csv", "filename", "fold", "category", "esc10", "src_file"):
        labels = {"class": (row["category"],), "fold": (row["fold"],), "recording": (row["src_file"],)}
        if row["esc10"] == "True":
            labels["esc10"] = ("True",)
        path = inside(root / "audio", row["filename"], where=where)
        yield Source(Path(row["filename"]).stem, labelled(labels), audio_file(path))


@builder("esc10", "as esc50, of which it takes the clips that are in ESC-10")
def esc10(folder: Path) -> Iterator[Source]:
    """List ESC-10.

    Parameters
    ----------
    folder : Path
        With the table of ESC-50.

    Yields
    ------
    Source
        In the order of the table.
    """
    return (source for source in esc50(folder) if "esc10" in source.annotate().labels)


@builder("urbansound8k", "metadata/UrbanSound8K.csv and audio/foldN/CLIP.wav")
def urbansound8k(folder: Path) -> Iterator[Source]:
    """List UrbanSound8K.

    Parameters
    ----------
    folder : Path
        With the table.

    Yields
    ------
    Source
        In the order of the table.
    """
    root = root_of(folder, "metadata/UrbanSound8K.csv")
    for where, row in rows(root / "metadata" / "UrbanSound8K.csv", "slice_file_name", "fsID", "fold", "class"):
        path = inside(root / "audio", f"fold{row['fold']}/{row['slice_file_name']}", where=where)
        labels = {"class": (row["class"],), "fold": (row["fold"],), "recording": (row["fsID"],)}
        yield Source(Path(row["slice_file_name"]).stem, labelled(labels), audio_file(path))


@builder("instruments", "labels.csv (file, label) beside the files that it names")
def instruments(folder: Path) -> Iterator[Source]:
    """List the instrument clips.

    Parameters
    ----------
    folder : Path
        With the table.

    Yields
    ------
    Source
        In the order of the table.
    """
    root = root_of(folder, "labels.csv")
    for where, row in rows(root / "labels.csv", "file", "label"):
        path = inside(root, row["file"], where=where)
        yield Source(
            f"{row['label']}+++{Path(row['file']).stem}", labelled({"class": (row["label"],)}), audio_file(path)
        )
