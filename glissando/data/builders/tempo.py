"""POP909 played at exact tempi: beats as a metronome has them, with bands and drums of many kinds. Synthetic."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...audio.scores import Part, Played
from ...errors import RecipeError
from ..annotations import Annotations, Segment
from ..building import Source, builder
from ..layouts import root_of, segments_from
from ..midi import read_notes
from .chords import pop909_beats
from .metronome import LENGTH, Rendering, draw_tempo, renderings

LEADS = (0, 4, 11, 22, 24, 26, 40, 52, 56, 65, 71, 73, 80, 81)  # General MIDI programs
CHORDS = (0, 0, 1, 4, 5, 16, 19, 24, 25, 27, 48, 50, 89)
BASSES = (0, 32, 33, 34, 35, 38, 39, 43)
KITS = (0, 8, 16, 24, 25, 32, 40)
KICK, RIM, SNARE, CLAP, HAT, OPEN, TAMBOURINE, RIDE, SHAKER = 36, 37, 38, 39, 42, 46, 54, 51, 70
STEPS = 4  # a beat
SHORTEST = 64  # beats of a song; at whatever tempo, so that all takes of one can be played or none
FEWEST = 8  # notes in which a tempo is heard
SLIVER = 0.01  # seconds; what is shorter comes of rounding
SWINGS = (
    (0, 0, 0, 0),
    (0, 0, 0, 0),
    (0, 0, 0, 0),
    (0, 0.4, 0, 0.4),
    (0, 0.3, 0.65, 0.3),
)  # steps by which strokes are late
# Bars of four beats. No two of them are the same rhythm at another tempo: a beat could not be told from two.
PATTERNS: tuple[dict[int, str], ...] = (
    {KICK: "x.......x.x.....", SNARE: "....x.......x...", HAT: "x.x.x.x.x.x.x.x."},
    {KICK: "x...x...x...x...", CLAP: "....x.......x...", OPEN: "..x...x...x...x."},
    {KICK: "x.....x.x..x....", SNARE: "....x.......x...", HAT: "xxxxxxxxxxxxxxxx"},
    {KICK: "x..xx..xx..xx..x", RIM: "x..x..x...x..x..", HAT: "x.x.x.x.x.x.x.x."},
    {KICK: "x.x.......xx....", SNARE: "....x..x.x..x..x", RIDE: "x.x.x.x.x.x.x.x."},
    {SHAKER: "x.xxx.xxx.xxx.xx", TAMBOURINE: "....x.......x..."},
    {KICK: "x.........x.....", SNARE: "....x.......x...", RIDE: "x...x.x.x...x.x."},
    {KICK: "x.......x.......", HAT: "....x.......x..."},
)


@builder(
    "tempo-renders",
    "POP909/NNN/NNN.mid with beat_midi.txt and chord_midi.txt (or a tar archive of it): 26 s with every soundfont",
)
def tempo_renders(folder: Path) -> Iterator[Source]:
    """List the renderings: a take of every song with every soundfont, and further takes with those that are free.

    Parameters
    ----------
    folder : Path
        With a folder per song.

    Yields
    ------
    Source
        By take, then soundfont, then song.
    """
    root = root_of(folder, "[0-9][0-9][0-9]/[0-9][0-9][0-9].mid")
    paths = sorted(root.glob("[0-9][0-9][0-9]/[0-9][0-9][0-9].mid"))
    yield from renderings(paths, _Song)


@dataclass(frozen=True)
class _Odds:
    """How a take is arranged."""

    piano: float  # one instrument for all voices
    fewer: float  # one voice is silent
    drums: float
    loose: float  # seconds by which players are early or late, at most; as a standard deviation
    low: tuple[int, int]  # between what pitches the bass ends


FIRST = _Odds(piano=0.25, fewer=0.2, drums=0.7, loose=0.012, low=(50, 51))
LATER = _Odds(piano=0.4, fewer=0.3, drums=0.35, loose=0.02, low=(43, 57))  # without drums, octaves are harder


@dataclass(frozen=True)
class _Excerpt:
    notes: NDArray[np.float64]  # onset, offset [s] and pitch
    beats: NDArray[np.float64]  # in seconds
    down: NDArray[np.bool_]
    chords: tuple[Segment, ...]  # from 0 to the end
    bpm: float


class _Song(Rendering):
    """A take of a song."""

    def __init__(self, path: Path, font: Path, take: int) -> None:
        super().__init__(path.parent.name, int(path.parent.name), font, take)
        self._path = path

    @cached_property
    def _excerpt(self) -> _Excerpt:
        """Move beats to a metronome's, and the notes and chords with them."""
        rng = self.rng(0)
        markers = pop909_beats(self._path.parent / "beat_midi.txt")
        times, first = np.unique([marker.start for marker in markers], return_index=True)
        down = np.array([marker.label == "downbeat" for marker in markers])[first]
        bpm = draw_tempo(rng)
        count = int(np.ceil(LENGTH * bpm / 60)) + 1
        starts = np.flatnonzero(down[: max(1, len(times) - count)])
        if len(times) < SHORTEST or not len(starts):
            raise RecipeError(f"{self._path}: has {len(times)} beats, too few to play it by")
        read = read_notes(self._path)
        read = read[(read[:, 0] >= times[0] - 0.02) & (read[:, 0] < times[-1])]

        def moved(seconds: NDArray[np.float64], start: int) -> NDArray[np.float64]:
            return (np.interp(seconds, times, np.arange(len(times))) - start) * 60 / bpm

        for start in (int(rng.choice(starts)), *rng.permutation(starts).tolist()):  # elsewhere, if there is a rest
            notes = np.column_stack([moved(read[:, :2], start), read[:, 2:]])
            kept = notes[(notes[:, 0] > -0.02) & (notes[:, 0] < LENGTH - 0.1) & (notes[:, 1] - notes[:, 0] > 0.01)]
            kept[:, 0], kept[:, 1] = np.maximum(kept[:, 0], 0), np.minimum(kept[:, 1], LENGTH)
            if len(kept) >= FEWEST:
                break
        else:
            raise RecipeError(f"{self._path}: has nowhere {FEWEST} notes in {LENGTH:g} s, too few to hear a tempo in")
        beats = np.arange(min(count, len(times) - start)) * 60 / bpm
        beats = beats[beats < LENGTH]
        named = segments_from(self._path.parent / "chord_midi.txt")
        bounds = moved(np.array([(one.start, one.end) for one in named]).reshape(-1, 2), start).tolist()
        chords = [Segment(since, until, one.label) for one, (since, until) in zip(named, bounds, strict=True)]
        return _Excerpt(kept, beats, down[start : start + len(beats)], _whole(chords), bpm)

    @cached_property
    def band(self) -> list[Part]:
        """Melody, chords and bass by register, on instruments of their own or on a piano, and most often drums."""
        rng, excerpt, odds = self.rng(1), self._excerpt, LATER if self.take else FIRST
        notes, loose = excerpt.notes.tolist(), float(rng.uniform(0.0, odds.loose))
        highest: dict[float, float] = {}
        for onset, _, pitch in notes:
            highest[round(onset, 2)] = max(highest.get(round(onset, 2), 0.0), pitch)
        voices: list[list[Played]] = [[], [], []]
        loud = rng.integers(55, 105, len(voices))
        low = int(rng.integers(*odds.low))
        for onset, offset, pitch in notes:
            voice = 2 if pitch < low else 0 if pitch >= 60 and pitch == highest[round(onset, 2)] else 1
            start = max(0.0, onset + rng.normal(0, loose))
            velocity = int(np.clip(loud[voice] + rng.normal(0, 10), 20, 127))
            voices[voice].append(Played(start, max(start + 0.04, offset), int(pitch), velocity))
        if rng.random() < odds.piano:
            programs = [int(rng.choice(CHORDS))] * 3
        else:
            programs = [int(rng.choice(choices)) for choices in (LEADS, CHORDS, BASSES)]
        parts = [Part(voice, program) for voice, program in zip(voices, programs, strict=True) if voice]
        if len(parts) == 3 and rng.random() < odds.fewer:
            parts.pop(int(rng.integers(3)))
        if rng.random() < odds.drums:
            parts.append(self._drums(rng, excerpt))
        return parts

    def _drums(self, rng: np.random.Generator, excerpt: _Excerpt) -> Part:
        pattern, step = PATTERNS[int(rng.integers(len(PATTERNS)))], 60 / excerpt.bpm / STEPS
        swing = np.array(SWINGS[int(rng.integers(len(SWINGS)))]) * rng.uniform(0.2, 1.0) * step
        since, place = np.flatnonzero(excerpt.down), np.arange(len(excerpt.beats))
        place = place - since[np.searchsorted(since, place, side="right") - 1]  # beats since the downbeat
        notes = []
        for drum, strokes in pattern.items():
            loud, sure = rng.integers(60, 120), rng.uniform(0.9, 1.0)
            for beat, inside in zip(excerpt.beats, place, strict=True):
                for i in range(STEPS):
                    if strokes[(inside * STEPS + i) % len(strokes)] == "x" and rng.random() < sure:
                        start = max(0.0, float(beat + i * step + swing[i] + rng.normal(0, 0.004)))
                        velocity = int(np.clip(loud + 8 * (i == 0) + rng.normal(0, 8), 20, 127))
                        notes.append(Played(start, start + 0.1, drum, velocity))
        return Part(notes, int(rng.choice(KITS)), drums=True, volume=int(rng.integers(50, 115)))

    def annotate(self) -> Annotations:
        """Give beats, chords, tempo and the notes that are played."""
        excerpt = self._excerpt
        labels = {"piece": self._path.parent.name, "tempo": f"{excerpt.bpm:.3f}"}
        return self.described(excerpt.beats, excerpt.down, labels, chord=excerpt.chords)


def _whole(chords: list[Segment]) -> tuple[Segment, ...]:
    """Cut chords to the excerpt; where none is named there is none ("N")."""
    found, end = [], 0.0
    for chord in chords:
        since, until = max(end, chord.start), min(LENGTH, chord.end)
        if until - since > SLIVER:
            if since - end > SLIVER:
                found.append(Segment(end, since, "N"))
                end = since
            found.append(Segment(end, until, chord.label))
            end = until
    return (*found, *[Segment(end, LENGTH, "N")] * (LENGTH - end > SLIVER))
