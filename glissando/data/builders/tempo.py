"""POP909 played at exact tempi: beats as a metronome has them, with bands and drums of many kinds. Synthetic."""

from __future__ import annotations

import threading
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...audio.rooms import reverberate, room
from ...audio.scores import Part, Played, render_each, soundfonts
from ...errors import RecipeError
from ..annotations import Annotations, Segment
from ..building import Source, builder
from ..layouts import root_of, segments_from
from ..midi import read_notes
from .chords import pop909_beats

RATE = 16_000  # Hz
LENGTH = 26.0  # seconds of every song
SLOWEST, FASTEST = 50.0, 200.0  # BPM
LEADS = (0, 4, 11, 22, 24, 26, 40, 52, 56, 65, 71, 73, 80, 81)  # General MIDI programs
CHORDS = (0, 0, 1, 4, 5, 16, 19, 24, 25, 27, 48, 50, 89)
BASSES = (0, 32, 33, 34, 35, 38, 39, 43)
KITS = (0, 8, 16, 24, 25, 32, 40)
KICK, RIM, SNARE, CLAP, HAT, OPEN, TAMBOURINE, RIDE, SHAKER = 36, 37, 38, 39, 42, 46, 54, 51, 70
STEPS = 4  # a beat
SLIVER = 0.01  # seconds; what is shorter comes of rounding
TOGETHER = 12  # songs for which a soundfont is loaded once
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
    """List the renderings: one of every song with every soundfont.

    Parameters
    ----------
    folder : Path
        With a folder per song.

    Yields
    ------
    Source
        By soundfont, then song.
    """
    fonts = soundfonts()
    if not fonts:
        raise RecipeError("there is no soundfont to play with; install the package fluid-soundfont-gm")
    root = root_of(folder, "[0-9][0-9][0-9]/[0-9][0-9][0-9].mid")
    paths = sorted(root.glob("[0-9][0-9][0-9]/[0-9][0-9][0-9].mid"))
    for font in fonts:
        for first in range(0, len(paths), TOGETHER):
            session = _Session([_Rendering(path, font) for path in paths[first : first + TOGETHER]])
            for rendering in session.renderings:
                yield Source(rendering.key, rendering.annotate, sound=partial(session.sound, rendering))


@dataclass(frozen=True)
class _Excerpt:
    notes: NDArray[np.float64]  # onset, offset [s] and pitch
    beats: NDArray[np.float64]  # in seconds
    down: NDArray[np.bool_]
    chords: tuple[Segment, ...]  # from 0 to the end
    bpm: float


class _Rendering:
    """Everything is drawn by the number of the song and the name of the soundfont."""

    def __init__(self, path: Path, font: Path) -> None:
        self._path, self.font = path, font
        self.key = f"{path.parent.name}+++{font.stem}"

    def _rng(self, part: int) -> np.random.Generator:
        return np.random.default_rng([int(self._path.parent.name), zlib.crc32(self.font.stem.encode()), part])

    @cached_property
    def _excerpt(self) -> _Excerpt:
        """Move beats to a metronome's, and the notes and chords with them."""
        rng = self._rng(0)
        markers = pop909_beats(self._path.parent / "beat_midi.txt")
        times, first = np.unique([marker.start for marker in markers], return_index=True)
        down = np.array([marker.label == "downbeat" for marker in markers])[first]
        bpm = float(np.exp(rng.uniform(np.log(SLOWEST), np.log(FASTEST))))
        count = int(np.ceil(LENGTH * bpm / 60)) + 1
        starts = np.flatnonzero(down[: max(1, len(times) - count)])
        if len(times) < 8 or not len(starts):
            raise RecipeError(f"{self._path}: has {len(times)} beats, too few to play it by")
        start = int(rng.choice(starts))

        def moved(seconds: NDArray[np.float64]) -> NDArray[np.float64]:
            return (np.interp(seconds, times, np.arange(len(times))) - start) * 60 / bpm

        notes = read_notes(self._path)
        notes = notes[(notes[:, 0] >= times[0] - 0.02) & (notes[:, 0] < times[-1])]
        notes[:, :2] = moved(notes[:, :2])
        kept = notes[(notes[:, 0] > -0.02) & (notes[:, 0] < LENGTH - 0.1) & (notes[:, 1] - notes[:, 0] > 0.01)]
        kept[:, 0], kept[:, 1] = np.maximum(kept[:, 0], 0), np.minimum(kept[:, 1], LENGTH)
        if len(kept) < 8:
            raise RecipeError(f"{self._path}: has {len(kept)} notes from beat {start} on, too few to hear a tempo in")
        beats = np.arange(min(count, len(times) - start)) * 60 / bpm
        beats = beats[beats < LENGTH]
        named = segments_from(self._path.parent / "chord_midi.txt")
        bounds = moved(np.array([(one.start, one.end) for one in named]).reshape(-1, 2)).tolist()
        chords = [Segment(since, until, one.label) for one, (since, until) in zip(named, bounds, strict=True)]
        return _Excerpt(kept, beats, down[start : start + len(beats)], _whole(chords), bpm)

    @cached_property
    def band(self) -> list[Part]:
        """Melody, chords and bass by register, on instruments of their own or on a piano, and most often drums."""
        rng, excerpt = self._rng(1), self._excerpt
        notes, loose = excerpt.notes.tolist(), float(rng.uniform(0.0, 0.012))
        highest: dict[float, float] = {}
        for onset, _, pitch in notes:
            highest[round(onset, 2)] = max(highest.get(round(onset, 2), 0.0), pitch)
        voices: list[list[Played]] = [[], [], []]
        loud = rng.integers(55, 105, len(voices))
        for onset, offset, pitch in notes:
            voice = 2 if pitch < 50 else 0 if pitch >= 60 and pitch == highest[round(onset, 2)] else 1
            start = max(0.0, onset + rng.normal(0, loose))
            velocity = int(np.clip(loud[voice] + rng.normal(0, 10), 20, 127))
            voices[voice].append(Played(start, max(start + 0.04, offset), int(pitch), velocity))
        if rng.random() < 0.25:
            programs = [int(rng.choice(CHORDS))] * 3
        else:
            programs = [int(rng.choice(choices)) for choices in (LEADS, CHORDS, BASSES)]
        parts = [Part(voice, program) for voice, program in zip(voices, programs, strict=True) if voice]
        if len(parts) == 3 and rng.random() < 0.2:
            parts.pop(int(rng.integers(3)))
        if rng.random() < 0.7:
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
        excerpt, band = self._excerpt, self.band
        beats = tuple(
            Segment(float(time), float(time), "downbeat" if down else "beat")
            for time, down in zip(excerpt.beats, excerpt.down, strict=True)
        )
        labels = {
            "piece": (self._path.parent.name,),
            "tempo": (f"{excerpt.bpm:.3f}",),
            "soundfont": (self.font.stem,),
            "programs": tuple(str(part.program) for part in band if not part.drums),
            "drums": ("yes" if any(part.drums for part in band) else "no",),
        }
        played = sorted((note.onset, note.offset, note.pitch) for part in band if not part.drums for note in part.notes)
        segments = {"beat": beats, "chord": excerpt.chords}
        return Annotations(np.array(played, np.float64), segments=segments, labels=labels)

    def placed(self, dry: NDArray[np.float32]) -> NDArray[np.float32]:
        """Put what was played into a room."""
        rng, dry = self._rng(2), np.pad(dry, (0, int(LENGTH * RATE)))[: int(LENGTH * RATE)]
        response = room(rng, RATE, decay=float(rng.uniform(0.2, 1.2)), wet=float(rng.uniform(0.0, 0.5) ** 2 * 4))
        wet = reverberate(dry, response) + rng.normal(0, 10 ** rng.uniform(-5, -3), len(dry))
        found: NDArray[np.float32] = (wet / np.abs(wet).max() * rng.uniform(0.2, 0.95)).astype(np.float32)
        return found


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


class _Session:
    """Songs that are played in one go once the first of them is wanted, and then wait for their turn."""

    def __init__(self, renderings: list[_Rendering]) -> None:
        self.renderings = renderings
        self._lock = threading.Lock()
        self._dry: dict[str, NDArray[np.float32]] = {}

    def sound(self, rendering: _Rendering) -> NDArray[np.float32]:
        """Play one."""
        with self._lock:
            if rendering.key not in self._dry:
                wanted = [one for one in self.renderings[self.renderings.index(rendering) :] if _playable(one)]
                played = render_each([one.band for one in wanted], soundfont=rendering.font, sample_rate=RATE, gain=0.3)
                self._dry = {one.key: dry for one, dry in zip(wanted, played, strict=True)}
            return rendering.placed(self._dry.pop(rendering.key))


def _playable(rendering: _Rendering) -> bool:
    try:
        return bool(rendering.band)
    except RecipeError:
        return False
