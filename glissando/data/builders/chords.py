"""Pop songs with chords: RWC, POP909."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from ..annotations import MAX_TIME, Annotations, Segment
from ..building import Source, builder
from ..layouts import audio_files, number, root_of, segments_from, text_of
from ..midi import read_notes

DISC = re.compile(r"(?:rwc-p-m|rwc-mdb-p-2001-m|m)(\d+)$", re.IGNORECASE)


@builder(
    "rwc-pop-chord",
    "RWC_Pop_Chords/NNNN-MMM-TTT.lab anywhere below, and audio as rwc-p-mMM/T.wav, NNNN-MMM-TTT.wav or RM-PNNN.wav",
)
def rwc_pop_chord(folder: Path) -> Iterator[Source]:
    """List the songs of RWC Popular that have chords.

    Parameters
    ----------
    folder : Path
        With the chords and the audio.

    Yields
    ------
    Source
        By number.
    """
    audio: dict[object, Path] = {}
    for path in audio_files(folder, "**/*"):
        numbered = re.match(r"(?:RM-P|N)?(\d{3})(?!\d)", path.stem, re.IGNORECASE)
        disc, track = DISC.search(path.parent.name), re.match(r"\d+", path.stem)
        if disc and track:
            audio[int(disc[1]), int(track[0])] = path
        elif numbered:
            audio[int(numbered[1])] = path
    for lab in sorted(folder.glob("**/N[0-9][0-9][0-9]-M[0-9][0-9]-T[0-9][0-9].lab")):
        song, disc_number, track_number = (int(part[1:]) for part in lab.stem.split("-"))
        found = audio.get(song) or audio.get((disc_number, track_number))
        yield Source(f"{song:03}", _chords(lab, f"{song:03}"), found)


def _chords(path: Path, piece: str) -> Callable[[], Annotations]:
    return lambda: Annotations(segments={"chord": segments_from(path)}, labels={"piece": (piece,)})


@builder("pop909", "POP909/NNN/NNN.mid with chord_midi.txt, beat_midi.txt, versions/*.mid (or a tar archive of it)")
def pop909(folder: Path) -> Iterator[Source]:
    """List the songs of POP909 and their versions, which have notes and no audio.

    Parameters
    ----------
    folder : Path
        With a folder per song.

    Yields
    ------
    Source
        Of every song the chosen version with chords and beats, then the others with notes alone.
    """
    root = root_of(folder, "[0-9][0-9][0-9]/[0-9][0-9][0-9].mid")
    for path in sorted(root.glob("[0-9][0-9][0-9]/[0-9][0-9][0-9].mid")):
        song = path.parent.name
        yield Source(song, _song(path, song, texts=True), symbolic=True)
        for version in sorted(path.parent.glob("versions/*.mid")):
            yield Source(f"{song}+++{version.stem}", _song(version, song, texts=False), symbolic=True)


def _song(path: Path, song: str, *, texts: bool) -> Callable[[], Annotations]:
    def read() -> Annotations:
        segments: dict[str, tuple[Segment, ...]] = {}
        if texts and (path.parent / "chord_midi.txt").is_file():
            segments["chord"] = segments_from(path.parent / "chord_midi.txt")
        if texts and (path.parent / "beat_midi.txt").is_file():
            segments["beat"] = pop909_beats(path.parent / "beat_midi.txt")
        return Annotations(read_notes(path), segments=segments, labels={"piece": (song,), "clique": (song,)})

    return read


def pop909_beats(path: Path) -> tuple[Segment, ...]:
    """Read the beats of a song.

    Parameters
    ----------
    path : Path
        Lines of time, beat of two, downbeat.

    Returns
    -------
    tuple of Segment
        Markers "beat" and "downbeat", in order.

    Raises
    ------
    RecipeError
        If a line is damaged.
    """
    found = []
    for line, text in enumerate(text_of(path).splitlines(), start=1):
        fields = text.split()
        if fields:
            time = max(0.0, number(fields[0], -1, MAX_TIME, where=f"{path}: line {line}"))
            down = len(fields) >= 3 and fields[2].startswith("1")
            found.append(Segment(time, time, "downbeat" if down else "beat"))
    return tuple(found)
