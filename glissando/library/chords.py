"""Chords of tracks: a column of plain triads, which searches look for as a sequence, in any key if asked."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..audio import read
from ..errors import AudioError, QueryError
from .columns import quote
from .store import Store

ROOTS = ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
NATURAL = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
ACCIDENTAL = {"": 0, "#": 1, "♯": 1, "b": -1, "♭": -1}
LONGEST = 16  # chords of a query
FLUSH = 8  # tracks; what a killed run loses at most

_SYMBOL = re.compile(r"([A-G])([#♯b♭]?):?(maj7|maj|min7|min|M7|M|m7|m|-|7|)")

Chord = tuple[int, bool]  # root from C, minor


def parse_progression(text: str) -> tuple[Chord, ...]:
    """Read chords such as ``C G Am F``.

    Parameters
    ----------
    text : str
        At least two, parted by spaces, commas or bars. Sevenths count as their triads.

    Returns
    -------
    tuple of (int, bool)
        Root from C and whether it is minor; what is the same as the one before is left out.

    Raises
    ------
    QueryError
        If one is no chord, or there are too few or too many.
    """
    found: list[Chord] = []
    for word in re.split(r"[\s,|]+", text.strip(" \t\n,|")):
        match = _SYMBOL.fullmatch(word)
        if match is None:
            raise QueryError(f"{word[:20]!r} is no chord; write major and minor chords such as C G Am F#m Bb")
        chord = ((NATURAL[match[1]] + ACCIDENTAL[match[2]]) % 12, match[3] in ("m", "m7", "min", "min7", "-"))
        if found[-1:] != [chord]:
            found.append(chord)
    if not 2 <= len(found) <= LONGEST:
        raise QueryError(f"{text[:60]!r} has {len(found)} different chords in a row; search for 2 to {LONGEST}")
    return tuple(found)


def written(chords: Iterable[Chord]) -> str:
    """Write chords as the column has them.

    Parameters
    ----------
    chords : iterable of (int, bool)
        Roots from C, and whether they are minor.

    Returns
    -------
    str
        Such as `` C G Am F ``: a space before and after each.
    """
    return f" {' '.join(ROOTS[root] + 'm' * minor for root, minor in chords)} "


def sequences(progression: Sequence[Chord], *, any_key: bool) -> tuple[str, ...]:
    """Tell what to look for in the column.

    Parameters
    ----------
    progression : sequence of (int, bool)
        From `parse_progression`.
    any_key : bool
        Also all its transpositions.

    Returns
    -------
    tuple of str
        One of these.
    """
    moves = range(12 if any_key else 1)
    return tuple(written(((root + by) % 12, minor) for root, minor in progression) for by in moves)


def triads(labels: Iterable[str]) -> list[Chord]:
    """Reduce chords to major and minor by their third.

    Parameters
    ----------
    labels : iterable of str
        In Harte's syntax. What has no root is left out, and what has no third counts as major.

    Returns
    -------
    list of (int, bool)
        Roots from C, and whether they are minor; each once, however long it lasts.
    """
    from ..tasks.chord_labels import parse_chord

    found: list[Chord] = []
    for chord in map(parse_chord, labels):
        if chord.root >= 0 and found[-1:] != [triad := (chord.root, 3 in chord.quality)]:
            found.append(triad)
    return found


@dataclass
class ChordReport:
    """What `fill_chords` did.

    Parameters
    ----------
    done : int
        Tracks that got chords.
    failed : list of str
        Why others got none, one sentence each.
    """

    done: int = 0
    failed: list[str] = field(default_factory=list)


def fill_chords(
    store: Store, sources: Sequence[str | Path], *, on_progress: Callable[[int, int], None] | None = None
) -> ChordReport:
    """Recognise the chords of tracks that have none yet.

    Parameters
    ----------
    store : Store
        The library's tables.
    sources : sequence of str or Path
        Files, and folders whose tracks count.
    on_progress : callable, optional
        Told the number of tracks that are done, and of all.

    Returns
    -------
    ChordReport
        What was done.

    Raises
    ------
    LibraryError
        If another process writes.
    """
    from ..training import shipped_run  # (Lightning takes seconds to import)

    estimator = shipped_run("chords").estimator()
    report = ChordReport()
    with store.writing():
        store.add_columns()
        places = [Path(source).expanduser().resolve() for source in sources]
        rows = [
            row
            for row in store.rows("tracks", ["id", "path"], "chords IS NULL").to_pylist()
            if any(Path(row["path"]).is_relative_to(place) for place in places)
        ]
        waiting: list[dict[str, Any]] = []
        for number, row in enumerate(rows, start=1):
            try:
                feature = estimator.hear(read(row["path"], sample_rate=estimator.feature.sample_rate).samples)
                outputs = estimator.outputs(feature)
                chords = estimator.task.predict(outputs, estimator.times(outputs.shape[-1]))
                waiting.append({"id": row["id"], "chords": written(triads(one.label for one in chords))})
                report.done += 1
            except AudioError as error:
                report.failed.append(str(error))
            if waiting and (len(waiting) == FLUSH or number == len(rows)):
                # (segments first: a track that has chords has segments that have them)
                segments = [{"track_id": one["id"], "chords": one["chords"]} for one in waiting]
                store.update("segments", segments, key="track_id")
                store.update("tracks", waiting)
                waiting = []
            if on_progress is not None:
                on_progress(number, len(rows))
    return report


def condition(wanted: Sequence[str]) -> str:
    """Write as SQL that a track has one of these sequences.

    Parameters
    ----------
    wanted : sequence of str
        From `sequences`.

    Returns
    -------
    str
        Condition on the column.
    """
    return " OR ".join(f"chords LIKE {quote(f'%{one}%')}" for one in wanted)
