"""Scores at exact tempi: what their renderings share, which is tempi, takes, soundfonts, sessions and rooms."""

from __future__ import annotations

import threading
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ...audio.rooms import reverberate, room
from ...audio.scores import Part, render_each
from ...errors import RecipeError
from ..annotations import Annotations, Segment
from ..building import Source
from ..soundfonts import FREE, installed

RATE = 16_000  # Hz
LENGTH = 26.0  # seconds of every rendering
SLOWEST, FASTEST = 50.0, 200.0  # BPM
TAKES = 2  # of every piece
TOGETHER = 12  # pieces for which a soundfont is loaded once

Piece = TypeVar("Piece")


class Rendering(ABC):
    """A take of a piece as a soundfont plays it; everything is drawn by their names and numbers.

    Parameters
    ----------
    name : str
        Of the piece.
    number : int
        Of the piece.
    font : Path
        The soundfont.
    take : int
        From 0.
    """

    def __init__(self, name: str, number: int, font: Path, take: int) -> None:
        self.font, self.take, self._number = font, take, number
        self.key = "+++".join([name, font.stem, *([str(take)] if take else [])])

    @property
    @abstractmethod
    def band(self) -> list[Part]:
        """What is played: a part per instrument."""

    @abstractmethod
    def annotate(self) -> Annotations:
        """Tell what is played.

        Returns
        -------
        Annotations
            As of a `Source`.
        """

    def rng(self, part: int) -> np.random.Generator:
        """Draw for one purpose, whatever is drawn for others.

        Parameters
        ----------
        part : int
            Number of the purpose; 2 is the room.

        Returns
        -------
        numpy.random.Generator
            The same one every time.
        """
        return np.random.default_rng([self._number, zlib.crc32(self.font.stem.encode()), part, self.take])

    def described(
        self,
        beats: NDArray[np.float64],
        down: NDArray[np.bool_],
        labels: dict[str, str],
        **segments: tuple[Segment, ...],
    ) -> Annotations:
        """Annotate with what is given, and with the notes and instruments of the band.

        Parameters
        ----------
        beats : ndarray, shape=(beats,)
            In seconds.
        down : ndarray, shape=(beats,)
            Which of them are downbeats.
        labels : dict of str to str
            Global labels.
        **segments : tuple of Segment
            Other segments, by name.

        Returns
        -------
        Annotations
            Of the rendering.
        """
        markers = tuple(
            Segment(float(time), float(time), "downbeat" if first else "beat")
            for time, first in zip(beats, down, strict=True)
        )
        about: dict[str, tuple[str, ...]] = {name: (value,) for name, value in labels.items()}
        about["soundfont"], about["take"] = (self.font.stem,), (str(self.take),)
        about["programs"] = tuple(str(part.program) for part in self.band if not part.drums)
        about["drums"] = ("yes" if any(part.drums for part in self.band) else "no",)
        played = sorted(
            (note.onset, note.offset, note.pitch) for part in self.band if not part.drums for note in part.notes
        )
        notes = np.array(played, np.float64).reshape(-1, 3)
        return Annotations(notes, segments={"beat": markers, **segments}, labels=about)

    def placed(self, dry: NDArray[np.float32]) -> NDArray[np.float32]:
        """Put what was played into a room.

        Parameters
        ----------
        dry : ndarray, shape=(samples,)
            At 16 kHz.

        Returns
        -------
        ndarray, shape=(samples,)
            26 s.
        """
        rng, dry = self.rng(2), np.pad(dry, (0, int(LENGTH * RATE)))[: int(LENGTH * RATE)]
        response = room(rng, RATE, decay=float(rng.uniform(0.2, 1.2)), wet=float(rng.uniform(0.0, 0.5) ** 2 * 4))
        wet = reverberate(dry, response) + rng.normal(0, 10 ** rng.uniform(-5, -3), len(dry))
        found: NDArray[np.float32] = (wet / np.abs(wet).max() * rng.uniform(0.2, 0.95)).astype(np.float32)
        return found


def draw_tempo(rng: np.random.Generator) -> float:
    """Draw a tempo, any ratio of two as probable as any other.

    Parameters
    ----------
    rng : numpy.random.Generator
        What draws.

    Returns
    -------
    float
        In BPM.
    """
    return float(np.exp(rng.uniform(np.log(SLOWEST), np.log(FASTEST))))


def renderings(pieces: Sequence[Piece], make: Callable[[Piece, Path, int], Rendering]) -> Iterator[Source]:
    """List the renderings: a take of every piece with every soundfont, and further takes with those that are free.

    Parameters
    ----------
    pieces : sequence
        What to play.
    make : callable
        Given a piece, a soundfont and the number of a take.

    Yields
    ------
    Source
        By take, then soundfont, then piece.

    Raises
    ------
    RecipeError
        If there is no soundfont.
    """
    fonts = installed()
    for take in range(TAKES):
        for font in fonts:
            for first in range(0, len(pieces) if take == 0 or font.stem in FREE else 0, TOGETHER):
                session = _Session([make(piece, font, take) for piece in pieces[first : first + TOGETHER]])
                for rendering in session.renderings:
                    yield Source(rendering.key, rendering.annotate, sound=partial(session.sound, rendering))


class _Session:
    """Pieces that are played in one go once the first of them is wanted, and then wait for their turn."""

    def __init__(self, renderings: list[Rendering]) -> None:
        self.renderings = renderings
        self._lock = threading.Lock()
        self._dry: dict[str, NDArray[np.float32]] = {}

    def sound(self, rendering: Rendering) -> NDArray[np.float32]:
        """Play one."""
        with self._lock:
            if rendering.key not in self._dry:
                wanted = [one for one in self.renderings[self.renderings.index(rendering) :] if _playable(one)]
                played = render_each([one.band for one in wanted], soundfont=rendering.font, sample_rate=RATE, gain=0.3)
                self._dry = {one.key: dry for one, dry in zip(wanted, played, strict=True)}
            return rendering.placed(self._dry.pop(rendering.key))


def _playable(rendering: Rendering) -> bool:
    try:
        return bool(rendering.band)
    except RecipeError:
        return False
