"""Chords by Harte's syntax, vocabularies of them, and what they are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from ..data import Segment
from ..errors import RecipeError

ROOTS = ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
NO_CHORD, UNKNOWN = "N", "X"
TRIADS = ("maj", "min")
QUALITIES = (
    "maj", "min", "dim", "aug", "min6", "maj6", "min7", "minmaj7", "maj7", "7", "dim7", "hdim7", "sus2", "sus4",
)  # fmt: skip
DEGREES = ("1", "b2", "2", "b3", "3", "4", "b5", "5", "#5", "6", "b7", "7")  # by semitones above the root

Index = NDArray[np.int64]


@dataclass(frozen=True)
class Chord:
    """What a label says.

    Parameters
    ----------
    root, bass : int
        Pitch classes from C; below 0 if there is none.
    quality : tuple of int
        Semitones above the root that its shorthand names, such as (0, 4, 7).
    pitches : tuple of int
        All pitch classes that sound.
    known : bool
        False for "X".
    """

    root: int
    bass: int
    quality: tuple[int, ...]
    pitches: tuple[int, ...]
    known: bool = True


@lru_cache(maxsize=10_000)
def parse_chord(label: str) -> Chord:
    """Read a label.

    Parameters
    ----------
    label : str
        Such as ``C:min7/b3``, ``Bb``, ``N`` or ``X``.

    Returns
    -------
    Chord
        Ninths and above are left out of its quality.

    Raises
    ------
    RecipeError
        If it is no chord.

    References
    ----------
    Harte, "Towards automatic extraction of harmony information from music signals", PhD thesis, Queen Mary 2010.
    """
    import mir_eval.chord as harte

    if label in (NO_CHORD, UNKNOWN):
        return Chord(-1, -1, (), (), known=label == NO_CHORD)
    try:
        root, relative, bass = harte.encode(label, reduce_extended_chords=True)
        shorthand = harte.split(label)[1]  # (not reduced: that makes a minor triad and a degree of minmaj7)
        quality = np.flatnonzero(harte.quality_to_bitmap(shorthand))
    except (harte.InvalidChordException, KeyError, ValueError, IndexError) as error:
        raise RecipeError(f"{label[:40]!r} is no chord; write it as C:min7/b3, N or X (Harte's syntax)") from error
    pitches = sorted((root + np.flatnonzero(relative)) % 12)
    return Chord(int(root), int(root + bass) % 12, tuple(map(int, quality)), tuple(map(int, pitches)))


@dataclass(frozen=True)
class Vocabulary:
    """Classes of chords: every quality on every root, no chord, and perhaps one for all others.

    Parameters
    ----------
    qualities : tuple of str
        Shorthands.
    others : bool
        What is none of them is a class, "X"; if not, nothing is learned from it.
    """

    qualities: tuple[str, ...]
    others: bool

    def __len__(self) -> int:
        """Count the classes."""
        return len(self.labels)

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """Labels in the order of the classes: for every quality twelve roots, then N, then X."""
        chords = [f"{root}:{quality}" for quality in self.qualities for root in ROOTS]
        return (*chords, NO_CHORD, *([UNKNOWN] if self.others else []))

    @cached_property
    def _number(self) -> dict[tuple[int, ...], int]:
        return {parse_chord(f"C:{name}").quality: number for number, name in enumerate(self.qualities)}

    def number(self, label: str) -> int:
        """Tell the class of a chord.

        Parameters
        ----------
        label : str
            In Harte's syntax.

        Returns
        -------
        int
            Its class; -1 if it has none. Where there are triads alone, sevenths and sixths count as theirs.

        Raises
        ------
        RecipeError
            If it is no chord.
        """
        chord = parse_chord(label)
        if chord.root < 0:
            return 12 * len(self.qualities) if chord.known else len(self) - 1 if self.others else -1
        quality = chord.quality
        if self.qualities == TRIADS:  # as mir_eval compares them
            quality = tuple(step for step in quality if step < 8)
        if quality in self._number:
            return 12 * self._number[quality] + chord.root
        return len(self) - 1 if self.others else -1

    def transitions(self) -> Index:
        """Number the transitions so that those are one which are transpositions of each other.

        Returns
        -------
        ndarray of int, shape=(classes, classes)
            From row to column.
        """
        pitched = 12 * len(self.qualities)
        place = np.arange(len(self))
        kind = np.where(place < pitched, place // 12, place - pitched + len(self.qualities))
        root = np.where(place < pitched, place % 12, -1)
        interval = np.where((root[:, None] >= 0) & (root >= 0), (root - root[:, None]) % 12, 0)
        kinds = int(kind.max()) + 1
        _, index = np.unique((kind[:, None] * kinds + kind) * 12 + interval, return_inverse=True)
        found: Index = index.reshape(len(self), len(self))
        return found


VOCABULARIES = {25: Vocabulary(TRIADS, False), 170: Vocabulary(QUALITIES, True)}


def inverted(label: str, bass: int) -> str:
    """Name the bass of a chord.

    Parameters
    ----------
    label : str
        Without a bass.
    bass : int
        Pitch class, which is one of the chord's.

    Returns
    -------
    str
        The label alone, if it is the root.
    """
    chord = parse_chord(label)
    return label if bass == chord.root else f"{label}/{DEGREES[(bass - chord.root) % 12]}"


def laid_out(segments: Sequence[Segment]) -> tuple[NDArray[np.float64], list[str]]:
    """Lay segments end to end, as `mir_eval` wants them.

    Parameters
    ----------
    segments : sequence of Segment
        Chords; where two overlap, the first ends.

    Returns
    -------
    intervals : ndarray, shape=(segments, 2)
        In seconds.
    labels : list of str
        "X" where nothing is said.
    """
    found: list[tuple[float, float, str]] = []
    for one in sorted(segments, key=lambda one: one.start):
        if found and found[-1][1] > one.start:
            start, _, label = found.pop()
            if one.start > start:
                found.append((start, one.start, label))
        if found and found[-1][1] < one.start:
            found.append((found[-1][1], one.start, UNKNOWN))
        if one.end > one.start:
            found.append((one.start, one.end, one.label))
    return np.array([row[:2] for row in found], np.float64).reshape(-1, 2), [row[2] for row in found]
