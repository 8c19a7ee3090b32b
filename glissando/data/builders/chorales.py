"""Bach's four-part chorales, played by FluidSynth: exact truth of a multi-track set, and synthetic."""

from __future__ import annotations

import importlib.util
import threading
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...audio.scores import Part, Played, render_each
from ...errors import RecipeError
from ..annotations import Annotations, F0Curve
from ..building import Source, builder
from ..extras import extra
from ..soundfonts import installed

VOICES = (("violin", (40,)), ("clarinet", (71,)), ("saxophone", (65, 66)), ("bassoon", (70,)))  # General MIDI programs
PARTS = ("soprano", "alto", "tenor", "bass")
RATE, STEP = 22_050, 0.01  # Hz; seconds between points of f0 curves
SLOWEST, FASTEST = 56.0, 100.0  # BPM
FERMATA, BREATH = 1.6, 0.2  # times as long; seconds of silence after it
LEVEL = 0.06  # RMS of a voice, before they are mixed

Score = tuple[
    tuple[tuple[float, float, int, bool], ...], ...
]  # of voices: onset and length in quarters, pitch, fermata


def corpus() -> Path:
    """Find the chorales that the package music21 ships.

    Returns
    -------
    Path
        Its folder.

    Raises
    ------
    RecipeError
        If it is not installed.
    """
    found = importlib.util.find_spec("music21")
    if found is None or not found.submodule_search_locations:
        raise RecipeError("chorales are read from the package music21; install it with: pip install music21")
    return Path(found.submodule_search_locations[0]) / "corpus" / "bach"


@builder(
    "chorales",
    "MusicXML files bwv*.mxl of four parts, as music21 ships them (it is where they are read from)",
    default=corpus,
)
def chorales(folder: Path) -> Iterator[Source]:
    """List the chorales: of every one the mixture, then its stems.

    Parameters
    ----------
    folder : Path
        With MusicXML files.

    Yields
    ------
    Source
        By number in the catalogue.
    """
    fonts = installed()
    for path in sorted(folder.glob("bwv*.mxl")):
        score = _score(path)
        if score is None:
            continue
        name = path.stem
        played = _Played(name, score, fonts)
        yield Source(name, played.annotate(None), sound=played.sound(None))
        for voice in range(len(VOICES)):
            yield Source(f"{name}-{VOICES[voice][0]}", played.annotate(voice), sound=played.sound(voice))


def _score(path: Path) -> Score | None:
    """Read the four voices; None where there are more or fewer, or an instrument with them."""
    music21 = extra("music21")
    try:
        parts = music21.converter.parse(path).parts
    except Exception as error:  # a damaged file can lead music21 to any error
        raise RecipeError(f"{path}: can't be read as a score ({error})") from error
    if [str(part.partName).lower() for part in parts] != list(PARTS):
        return None
    return tuple(tuple(_notes(part)) for part in parts)


def _notes(part: Any) -> Iterator[tuple[float, float, int, bool]]:
    for note in part.stripTies().flatten().notes:
        if note.quarterLength > 0:
            fermata = any("Fermata" in one.classes for one in note.expressions)
            yield float(note.offset), float(note.quarterLength), int(note.pitches[-1].midi), fermata


class _Played:
    """One performance, drawn by the name of the chorale; rendered once for its five entries."""

    def __init__(self, name: str, score: Score, fonts: Sequence[Path]) -> None:
        self._rng = np.random.default_rng(zlib.crc32(name.encode()))
        self._name = name
        self._font = fonts[int(self._rng.integers(len(fonts)))]
        self._programs = [int(self._rng.choice(programs)) for _, programs in VOICES]
        self._gains = self._rng.uniform(0.7, 1.4, len(VOICES))
        self._voices = self._perform(score)
        self._lock, self._left = threading.Lock(), len(VOICES) + 1
        self._rendered: NDArray[np.float32] | None = None

    def _perform(self, score: Score) -> list[list[Played]]:
        """Give every quarter a length, every onset its own haste, and fermatas their time."""
        rng = self._rng
        end = int(max(onset + length for voice in score for onset, length, _, _ in voice)) + 2
        quarter = 60 / rng.uniform(SLOWEST, FASTEST)
        drift = np.cumsum(rng.normal(0, 0.012, end))
        lengths = quarter * np.exp(drift - drift.mean())
        for voice in score:
            for onset, length, _, fermata in voice:
                if fermata:
                    last = min(end - 1, int(np.ceil(onset + length)) - 1)
                    lengths[last] = max(lengths[last], FERMATA * quarter)
        clock = np.concatenate([[0.2], 0.2 + np.cumsum(lengths)])
        at = np.arange(end + 1)
        played = []
        for voice in score:
            notes = []
            for onset, length, pitch, fermata in voice:
                start, stop = np.interp([onset, onset + length], at, clock)
                start += float(np.clip(rng.normal(0, 0.008), -0.02, 0.02)) if onset else 0.0
                stop -= BREATH if fermata else rng.uniform(0.0, 0.04)
                notes.append(Played(start, max(stop, start + 0.05), pitch, int(rng.integers(60, 105))))
            played.append(_apart(notes))
        return played

    def annotate(self, voice: int | None) -> Callable[[], Annotations]:
        """Give the truth of one voice, or of all."""

        def annotations() -> Annotations:
            chosen = range(len(VOICES)) if voice is None else (voice,)
            notes = np.array([(one.onset, one.offset, one.pitch) for i in chosen for one in self._voices[i]])
            labels = {
                "piece": (self._name,),
                "stem": ("mix" if voice is None else VOICES[voice][0],),
                "soundfont": (self._font.stem,),
            }
            return Annotations(notes[np.argsort(notes[:, 0])], tuple(self._curve(i) for i in chosen), labels=labels)

        return annotations

    def _curve(self, voice: int) -> F0Curve:
        notes = self._voices[voice]
        times = np.arange(0, max(one.offset for one in notes), STEP)
        pitches = np.full(len(times), np.nan)
        for one in notes:
            pitches[(times >= one.onset) & (times < one.offset)] = one.pitch
        return F0Curve(VOICES[voice][0], times, pitches)

    def sound(self, voice: int | None) -> Callable[[], NDArray[np.float32]]:
        """Give the sound of one voice, or of all."""

        def samples() -> NDArray[np.float32]:
            with self._lock:
                if self._rendered is None:
                    self._rendered = self._render()
                stems, self._left = self._rendered, self._left - 1
                if not self._left:
                    self._rendered = None
            found: NDArray[np.float32] = stems.sum(0) if voice is None else stems[voice]
            return found

        return samples

    def _render(self) -> NDArray[np.float32]:
        bands = [[Part(notes, program)] for notes, program in zip(self._voices, self._programs, strict=True)]
        stems = render_each(bands, soundfont=self._font, sample_rate=RATE)
        longest = max(map(len, stems))
        padded = np.stack([np.pad(stem, (0, longest - len(stem))) for stem in stems])
        loudness = np.sqrt((padded**2).mean(1, keepdims=True)).clip(1e-6)
        balanced = padded / loudness * LEVEL * self._gains[:, None]
        mixed: NDArray[np.float32] = (balanced * min(1.0, 0.98 / np.abs(balanced.sum(0)).max())).astype(np.float32)
        return mixed


def _apart(notes: list[Played]) -> list[Played]:
    """End every note before the next one of its voice, which a player can't play at once."""
    starts = [one.onset for one in notes[1:]] + [np.inf]
    return [
        Played(one.onset, min(one.offset, following - 0.005), one.pitch, one.velocity)
        for one, following in zip(notes, starts, strict=True)
        if following - 0.005 - one.onset > 0.03
    ]
