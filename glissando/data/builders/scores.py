"""Debian's MIDI files played at exact tempi: their own grid gives the beat, their programs the band. Synthetic."""

from __future__ import annotations

import hashlib
import zlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...audio.scores import Part, Played
from ...errors import RecipeError
from ...paths import cache_dir
from ..annotations import Annotations
from ..building import Source, builder
from ..copyright import Copyright
from ..midi import DRUMS, Score, read_score
from ..packages import entry_names, fetch, packages_in
from .metronome import FASTEST, LENGTH, Rendering, draw_tempo, renderings

TEST = ("crimson", "kobodeluxe-data", "pangzero", "pinball-table-hurd-data")
VALID = ("freedink-data",)
TRAIN = ("mma", "openttd-openmsx", "planetblupi-music-midi", "simutrans-data")
SUFFIXES = (".mid", ".midi")
NEAR, EXACT = 1 / 8, 1 / 32  # beats: a note this near is meant for the beat, and on the grid if it is that near
ON_GRID = 0.7  # share of the former that are the latter; 0.25 by chance
DENSE = 0.5  # onsets a beat without which no tempo is heard
DRUMLESS = 0.6  # of later takes


def source_folder() -> Path:
    """Tell where the packages lie, fetching those that are missing.

    Returns
    -------
    Path
        A folder in the cache, with a folder per package.

    Raises
    ------
    RecipeError
        If packages are missing and this computer has no apt-get and dpkg-deb.
    """
    folder = cache_dir() / "data-sources" / "midi-renders"
    fetch((*TEST, *VALID, *TRAIN), folder, suffixes=SUFFIXES)
    return folder


@builder(
    "midi-renders",
    "PACKAGE/usr/..., a folder per unpacked package; without --from, Debian's packages are fetched by apt-get",
    default=source_folder,
)
def midi_renders(folder: Path) -> Iterator[Source]:
    """List the renderings of MIDI files that sit on their grid and are long enough.

    Parameters
    ----------
    folder : Path
        With a folder per unpacked package.

    Yields
    ------
    Source
        By take, then soundfont, then package; no content twice.
    """
    yield from renderings(list(_files(folder)), _Played)


@dataclass(frozen=True)
class _File:
    path: Path
    package: str
    name: str  # unique in the set
    licence: str

    @cached_property
    def score(self) -> Score:
        return read_score(self.path)


def _files(folder: Path) -> Iterator[_File]:
    seen: set[bytes] = set()
    for package in packages_in(folder):
        rights = Copyright.of_package(folder / package)
        found = [
            path
            for path in sorted((folder / package).rglob("*"))
            if path.suffix.lower() in SUFFIXES and path.is_file() and not path.is_symlink()
        ]
        inside = [path.relative_to(folder / package) for path in found]
        for path, below, name in zip(found, inside, entry_names(inside), strict=True):
            stanza, digest = rights.of(below.as_posix()), hashlib.sha256(path.read_bytes()).digest()
            one = _File(path, package, f"{package}+++{name}", rights.otherwise if stanza is None else stanza.licence)
            if digest not in seen and _usable(one):
                seen.add(digest)
                yield one


def _usable(one: _File) -> bool:
    """Whether a file can be read, sits on its grid, and lasts 26 s at the highest tempo."""
    try:
        beats, _ = grid(one.score)
    except RecipeError:
        return False
    return len(beats) > LENGTH * FASTEST / 60 + 1 and on_grid(one.score, beats) >= ON_GRID


def grid(score: Score) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Place beats and bars as the time signatures say.

    Parameters
    ----------
    score : Score
        What is written; a beat of 6/8 and the like has three eighths.

    Returns
    -------
    ndarray, shape=(beats,)
        In quarter notes, until the last note begins.
    ndarray, shape=(beats,)
        Whether a bar begins.

    Raises
    ------
    RecipeError
        If eighths or shorter notes are counted, and not by threes, for longer than a quarter note.
    """
    end = max((note.onset for note in score.notes), default=0.0)
    beats: list[float] = []
    down: list[bool] = []
    until = [since for since, _, _ in score.meters[1:]] + [end + 1e-6]
    for (since, count, unit), stop in zip(score.meters, until, strict=True):
        compound = unit >= 8 and count % 3 == 0
        length, each = (12 / unit, count // 3) if compound else (4 / unit, count)
        if unit > 4 and not compound and min(stop, end) - since > 1:
            raise RecipeError(f"the time signature {count}/{unit} names no beat")
        places = np.arange(since, min(stop, end + 1e-6) - 1e-6, length)
        beats += places.tolist()
        down += [i % each == 0 for i in range(len(places))]
    return np.array(beats), np.array(down, bool)


def on_grid(score: Score, beats: NDArray[np.float64]) -> float:
    """Measure how exactly notes near a beat are on it: 1 for what was written, about 0.25 for what was recorded freely.

    Parameters
    ----------
    score : Score
        The notes.
    beats : ndarray, shape=(beats,)
        In quarter notes.

    Returns
    -------
    float
        Share, of the onsets within an eighth of a beat of one, of those within a thirty-second.
    """
    onsets = np.interp([note.onset for note in score.notes], beats, np.arange(len(beats)))
    away = np.abs(onsets - np.round(onsets))
    near = away[away < NEAR]
    return float((near < EXACT).mean()) if len(near) else 0.0


class _Played(Rendering):
    """A take of a file."""

    def __init__(self, file: _File, font: Path, take: int) -> None:
        super().__init__(file.name, zlib.crc32(file.name.encode()), font, take)
        self._file = file

    @cached_property
    def _excerpt(self) -> tuple[int, int, float]:
        """The first beat, how many there are, and the tempo in BPM."""
        rng, (beats, down) = self.rng(0), grid(self._file.score)
        bpm = draw_tempo(rng)
        count = int(np.ceil(LENGTH * bpm / 60))
        onsets = np.unique([note.onset for note in self._file.score.notes])
        first = np.flatnonzero(down[: len(beats) - count])
        held = np.searchsorted(onsets, beats[first + count]) - np.searchsorted(onsets, beats[first])
        starts = first[held >= DENSE * count]
        if not len(starts):
            raise RecipeError(f"{self._file.path}: has too few notes to hear a tempo in 26 s at {bpm:.0f} BPM")
        return int(rng.choice(starts)), count, bpm

    @cached_property
    def band(self) -> list[Part]:
        """The channels of the file; later takes are most often without its drums."""
        rng, (start, _, bpm) = self.rng(1), self._excerpt
        beats, score = grid(self._file.score)[0], self._file.score
        loose, drums = float(rng.uniform(0.0, 0.012)), not self.take or rng.random() >= DRUMLESS
        times = np.array([(note.onset, note.offset) for note in score.notes])
        times = (np.interp(times, beats, np.arange(len(beats))) - start) * 60 / bpm
        voices: dict[int, list[Played]] = defaultdict(list)
        about: dict[int, tuple[int, int]] = {}
        for note, (since, until) in zip(score.notes, times.tolist(), strict=True):
            if -0.02 < since < LENGTH - 0.1 and until - since > 0.01 and note.velocity:
                since = max(0.0, since + rng.normal(0, loose))
                played = Played(since, min(LENGTH, max(since + 0.04, until)), note.pitch, note.velocity)
                voices[note.channel].append(played)
                about.setdefault(note.channel, (note.program, note.volume))
        band = [
            Part(voices[channel], program, drums=channel == DRUMS, volume=volume)
            for channel, (program, volume) in sorted(about.items())
        ]
        return band if drums else [part for part in band if not part.drums] or band

    def annotate(self) -> Annotations:
        """Give beats, tempo, what it belongs to, and the notes that are played."""
        (start, count, bpm), (_, down) = self._excerpt, grid(self._file.score)
        file = self._file
        part = "test" if file.package in TEST else "valid" if file.package in VALID else "train"
        labels = {"game": file.package, "piece": file.name, "title": file.path.stem, "licence": file.licence}
        labels |= {"part": part, "split": part, "tempo": f"{bpm:.3f}"}
        beats = np.arange(count) * 60 / bpm
        return self.described(beats[beats < LENGTH], down[start : start + count][beats < LENGTH], labels)
