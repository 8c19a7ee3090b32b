"""Single notes: the guitars of NSynth, guitar-notes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from ...errors import RecipeError
from ..annotations import MAX_PITCH, Annotations
from ..building import Source, builder
from ..layouts import audio_file, inside, number, objects_of, root_of, rows

HELD = 3.0  # seconds that NSynth's keys are held


@builder("nsynth-guitar", "nsynth-train, nsynth-valid, nsynth-test, each with examples.json and audio/NOTE.wav")
def nsynth_guitar(folder: Path) -> Iterator[Source]:
    """List the guitars of NSynth.

    Parameters
    ----------
    folder : Path
        With the folders of its parts.

    Yields
    ------
    Source
        Training, validation, test.
    """
    root = root_of(folder, "nsynth-*/examples.json")
    for part in ("train", "valid", "test"):
        table = root / f"nsynth-{part}" / "examples.json"
        if not table.is_file():
            continue
        for name, about in objects_of(table).items():
            where = f"{table}: {name:.80}"
            if not isinstance(about, dict):
                raise RecipeError(f"{where}: is no description of a note")
            if about.get("instrument_family_str") == "guitar":
                path = inside(table.parent / "audio", f"{name}.wav", where=where)
                yield Source(name, _note(about, part, where), audio_file(path))


def _note(about: dict[str, object], part: str, where: str) -> Callable[[], Annotations]:
    def read() -> Annotations:
        pitch = number(str(about.get("pitch")), 0, MAX_PITCH, where=f"{where}: pitch")
        labels: dict[str, tuple[str, ...]] = {
            "split": (part,),
            "pitch": (f"{pitch:g}",),
            "velocity": (str(about.get("velocity")),),
        }
        for name, column in (("recording", "instrument_str"), ("source", "instrument_source_str")):
            labels[name] = (str(about.get(column)),)
        qualities = about.get("qualities_str")
        if isinstance(qualities, list) and qualities:
            labels["quality"] = tuple(map(str, qualities))
        return Annotations(np.array([[0.0, HELD, pitch]]), labels=labels)

    return read


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
