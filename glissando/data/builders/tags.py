"""Clips with genres and tags: GTZAN, MagnaTagATune."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..building import Source, builder, labelled
from ..layouts import audio_file, audio_files, inside, root_of, rows, text_of

VALID = "c"  # MagnaTagATune: folders 0 to b train, c validates, d to f test


@builder("gtzan", "genres/GENRE/GENRE.NNNNN.wav; beside it train_filtered.txt, valid_filtered.txt, test_filtered.txt")
def gtzan(folder: Path) -> Iterator[Source]:
    """List GTZAN; the fault-filtered split is used where its lists lie in the folder.

    Parameters
    ----------
    folder : Path
        With a folder per genre.

    Yields
    ------
    Source
        By genre.
    """
    root = root_of(folder, "blues/blues.*")
    split: dict[str, str] = {}
    for part in ("train", "valid", "test"):
        for beside in (root, root.parent):
            listed = beside / f"{part}_filtered.txt"
            if listed.is_file():
                split |= {Path(line.strip()).stem: part for line in text_of(listed).splitlines() if line.strip()}
    for path in audio_files(root, "*/*.*"):
        genre, _, rest = path.stem.partition(".")
        if rest.isdigit() and genre == path.parent.name:
            chosen = (split.get(path.stem, "unused"),) if split else ()
            yield Source(path.stem, labelled({"genre": (genre,), **({"split": chosen} if chosen else {})}), path)


@builder("magnatagatune", "annotations_final.csv and clip_info_final.csv beside the folders 0 to f of clips")
def magnatagatune(folder: Path) -> Iterator[Source]:
    """List MagnaTagATune.

    Parameters
    ----------
    folder : Path
        With the tables.

    Yields
    ------
    Source
        In the order of the table.
    """
    root = root_of(folder, "annotations_final.csv")
    known = {}
    if (root / "clip_info_final.csv").is_file():
        info = rows(root / "clip_info_final.csv", "clip_id", "artist", "album", "original_url", delimiter="\t")
        known = {row["clip_id"]: row for _, row in info}
    for where, row in rows(root / "annotations_final.csv", "clip_id", "mp3_path", delimiter="\t"):
        name = row["mp3_path"]
        path = inside(root, name, where=where)
        part = "train" if name[:1] < VALID else "valid" if name[:1] == VALID else "test"
        labels: dict[str, tuple[str, ...]] = {"split": (part,)}
        tags = tuple(tag for tag, given in row.items() if given == "1" and tag not in ("clip_id", "mp3_path"))
        if tags:
            labels["tag"] = tags
        about = known.get(row["clip_id"], {})
        for group, column in (("artist", "artist"), ("album", "album"), ("recording", "original_url")):
            if about.get(column):
                labels[group] = (about[column],)
        yield Source(name.replace("/", "+++"), labelled(labels), audio_file(path))
