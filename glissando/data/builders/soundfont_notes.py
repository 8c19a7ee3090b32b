"""Notes of General MIDI instruments, played by the soundfonts that are installed. Synthetic."""

from __future__ import annotations

import threading
import zlib
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...audio.scores import FOLDERS, Part, Played, render_each
from ...errors import RecipeError
from ..annotations import Annotations
from ..building import Source, builder
from ..soundfonts import installed

RATE = 22_050  # Hz
PROGRAMS: Sequence[int] = range(112)  # General MIDI without percussion and effects
FAMILY = 8  # programs, among which soundfonts share samples
LOWEST, HIGHEST, STEP = 33, 93, 4  # MIDI pitches; neighbouring programs take others
HELD, TAIL = 1.8, 0.7  # seconds that a key is held, and after that
SILENT = 1e-3  # peak of a note that an instrument does not have


@builder(
    "soundfont-notes",
    "no folder is read: the soundfonts that are installed are played",
    default=lambda: next((folder for folder in FOLDERS if folder.is_dir()), Path()),
)
def soundfont_notes(folder: Path) -> Iterator[Source]:
    """List the notes: every instrument of every soundfont over five octaves, each pitch at one velocity.

    Layers of velocity are often the same recording, only softer, so there are no two of a pitch.

    Parameters
    ----------
    folder : Path
        Not read.

    Yields
    ------
    Source
        By soundfont, instrument and pitch.
    """
    for font in installed():
        for program in PROGRAMS:
            instrument = _Instrument(font, program)
            for pitch in instrument.velocities:
                key = f"{font.stem}+++{program:03}+++{pitch:03}"
                yield Source(key, partial(instrument.annotate, pitch), sound=partial(instrument.sound, pitch))


class _Instrument:
    """An instrument, all notes of which are played once the first is wanted, and then wait for their turn."""

    def __init__(self, font: Path, program: int) -> None:
        self.font, self.program = font, program
        self._drawn = [program, zlib.crc32(font.stem.encode())]
        rng = np.random.default_rng(self._drawn)
        pitches = range(LOWEST + program % STEP, HIGHEST + 1, STEP)
        self.velocities = {pitch: int(rng.integers(45, 120)) for pitch in pitches}
        self._lock = threading.Lock()
        self._played: dict[int, NDArray[np.float32]] = {}

    def annotate(self, pitch: int) -> Annotations:
        """Tell what is played; instruments of one family stay together in a split by clique."""
        labels = {
            "instrument": (str(self.program),),
            "recording": (f"program {self.program}",),
            "clique": (f"family {self.program // FAMILY}",),
            "album": (self.font.stem,),
            "soundfont": (self.font.stem,),
            "pitch": (str(pitch),),
            "velocity": (str(self.velocities[pitch]),),
        }
        return Annotations(np.array([[0.0, HELD, pitch]]), labels=labels)

    def sound(self, pitch: int) -> NDArray[np.float32]:
        """Play a note, at a level that is drawn."""
        with self._lock:
            if pitch not in self._played:
                bands = [
                    [Part([Played(0.0, HELD, one, velocity)], self.program)]
                    for one, velocity in self.velocities.items()
                ]
                played = render_each(bands, soundfont=self.font, sample_rate=RATE, tail=TAIL)
                self._played = dict(zip(self.velocities, played, strict=True))
            dry = self._played.pop(pitch)
        peak = float(np.abs(dry).max())
        if peak < SILENT:
            raise RecipeError(f"{self.font.stem}: instrument {self.program} has no pitch {pitch}")
        level = np.random.default_rng([*self._drawn, pitch]).uniform(0.2, 0.9)
        return (dry / peak * level).astype(np.float32)
