"""Piano music with notes: MAPS, MAESTRO, ASAP."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from ..annotations import MAX_TIME, Annotations, Labels, Segment
from ..building import Source, builder
from ..layouts import audio_file, audio_files, inside, notes_from, number, root_of, rows, text_of
from ..midi import read_notes

REAL = ("ENSTDkAm", "ENSTDkCl")  # the Disklavier, near and far


@builder("maps", "PIANO/MUS/MAPS_MUS-PIECE_PIANO.wav, each beside a .txt of onset, offset and pitch")
def maps(folder: Path) -> Iterator[Source]:
    """List MAPS; train is the synthesised pianos without the pieces that the Disklavier plays, which is test.

    Parameters
    ----------
    folder : Path
        With a folder per piano.

    Yields
    ------
    Source
        In the order of pianos.
    """
    root = root_of(folder, "*/MUS/MAPS_MUS-*.*")
    found = []
    for path in audio_files(root, "*/MUS/MAPS_MUS-*"):
        piece, _, piano = path.stem.removeprefix("MAPS_MUS-").rpartition("_")
        found.append((path, piece, piano))
    tested = {_composition(piece) for _, piece, piano in found if piano in REAL}
    for path, piece, piano in found:
        composition = _composition(piece)
        part = "test" if piano in REAL else "unused" if composition in tested else "train"
        yield Source(path.stem, _maps(path, composition, piano, part), path)


def _maps(path: Path, piece: str, piano: str, part: str) -> Callable[[], Annotations]:
    labels = {"piece": (piece,), "piano": (piano,), "split": (part,)}
    return lambda: Annotations(notes_from(path.with_suffix(".txt"), header=True), labels=labels)


def _composition(piece: str) -> str:
    return re.sub(r"-format\d$", "", piece)  # one prelude is there in two MIDI formats


@builder("maestro", "maestro-v3.0.0.csv beside the folders of years that it names")
def maestro(folder: Path) -> Iterator[Source]:
    """List MAESTRO, any version.

    Parameters
    ----------
    folder : Path
        With the table.

    Yields
    ------
    Source
        In the order of the table.
    """
    root = root_of(folder, "maestro*.csv")
    columns = ("canonical_composer", "canonical_title", "split", "midi_filename", "audio_filename")
    for table in sorted(root.glob("maestro*.csv"))[:1]:
        for where, row in rows(table, *columns):
            midi, sound = (inside(root, row[name], where=where) for name in ("midi_filename", "audio_filename"))
            labels = {
                "piece": (f"{row['canonical_composer']}: {row['canonical_title']}",),
                "composer": (row["canonical_composer"],),
                "split": (row["split"].replace("validation", "valid"),),
            }
            yield Source(Path(row["audio_filename"]).stem, _played(midi, labels), audio_file(sound))


def _played(midi: Path, labels: Labels) -> Callable[[], Annotations]:
    return lambda: Annotations(read_notes(midi, sustain=True), labels=labels)


@builder("asap", "metadata.csv beside the folders of composers that it names (or a tar archive of it)")
def asap(folder: Path) -> Iterator[Source]:
    """List the performances of ASAP, which have notes and beats and no audio.

    Parameters
    ----------
    folder : Path
        With the table.

    Yields
    ------
    Source
        In the order of the table.
    """
    root = root_of(folder, "metadata.csv")
    for where, row in rows(root / "metadata.csv", "composer", "title", "midi_performance", "performance_annotations"):
        midi = inside(root, row["midi_performance"], where=where)
        beats = inside(root, row["performance_annotations"], where=where)
        piece = f"{row['composer']}: {row['title']}"
        labels = {"piece": (piece,), "clique": (piece,), "composer": (row["composer"],)}
        key = row["midi_performance"].removesuffix(".mid").replace("/", "+++")
        yield Source(key, _performed(midi, beats, labels), symbolic=True)


def _performed(midi: Path, beats: Path, labels: Labels) -> Callable[[], Annotations]:
    def read() -> Annotations:
        return Annotations(read_notes(midi, sustain=True), segments={"beat": _beats(beats)}, labels=labels)

    return read


def _beats(path: Path) -> tuple[Segment, ...]:
    """Read lines of start, end and "b" (beat), "db" (downbeat) or "bR" (beat by rule), with metre and key behind."""
    found = []
    for line, text in enumerate(text_of(path).splitlines(), start=1):
        fields = text.split()
        if len(fields) >= 3:
            time = number(fields[0], 0, MAX_TIME, where=f"{path}: line {line}")
            found.append(Segment(time, time, "downbeat" if fields[2].startswith("db") else "beat"))
    return tuple(found)
