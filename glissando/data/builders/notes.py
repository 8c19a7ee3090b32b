"""Single notes of guitars."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from ..annotations import MAX_PITCH, Annotations
from ..building import Source, builder
from ..layouts import audio_file, inside, number, root_of, rows


@builder(
    "guitar-notes",
    "notes.csv (file, instrument, midi_pitch, dynamic, articulation, take) beside the files that it names",
)
def guitar_notes(folder: Path) -> Iterator[Source]:
    """List guitar notes and playing noises; takes of one pitch and dynamic are one recording.

    Parameters
    ----------
    folder : Path
        With the table.

    Yields
    ------
    Source
        In the order of the table.
    """
    root = root_of(folder, "notes.csv")
    for where, row in rows(root / "notes.csv", "file", "instrument", "midi_pitch", "dynamic", "articulation"):
        path = inside(root, row["file"], where=where)
        key = row["file"].rpartition(".")[0].replace("/", "+++")
        yield Source(key, _guitar(row, where), audio_file(path))


def _guitar(row: dict[str, str], where: str) -> Callable[[], Annotations]:
    def read() -> Annotations:
        names = ("instrument", "articulation", "dynamic")
        labels = {name: (row[name],) for name in names if row[name]}
        if row["midi_pitch"]:
            pitch = number(row["midi_pitch"], 0, MAX_PITCH, where=f"{where}: midi_pitch")
            labels["pitch"] = (f"{pitch:g}",)
        labels["recording"] = (" ".join(row[name] for name in (*names, "midi_pitch") if row[name]),)
        return Annotations(labels=labels)

    return read
