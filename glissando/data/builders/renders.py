"""POP909 played by FluidSynth: notes with exact times, many instruments and rooms. Synthetic."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...audio.rooms import reverberate, room
from ...audio.scores import Part, Played, render
from ...errors import RecipeError
from ..annotations import Annotations
from ..building import Source, builder
from ..layouts import root_of
from ..midi import read_notes
from ..soundfonts import installed

RATE = 22_050  # Hz
LENGTH = 30.0  # seconds of every song
PIANOS = (0, 0, 0, 1, 2, 3)  # General MIDI programs, by how often
OTHERS = (4, 5, 6, 11, 16, 19, 24, 25, 26, 32, 40, 42, 46, 48, 52, 56, 60, 65, 68, 71, 73)


@builder("pop909-renders", "POP909/NNN/NNN.mid (or a tar archive of it), of which 30 s of every song are played")
def pop909_renders(folder: Path) -> Iterator[Source]:
    """List the renderings: one of every song.

    Parameters
    ----------
    folder : Path
        With a folder per song.

    Yields
    ------
    Source
        By song.
    """
    fonts = installed()
    root = root_of(folder, "[0-9][0-9][0-9]/[0-9][0-9][0-9].mid")
    for path in sorted(root.glob("[0-9][0-9][0-9]/[0-9][0-9][0-9].mid")):
        rendering = _Rendering(path, fonts)
        yield Source(path.parent.name, rendering.annotate, sound=rendering.sound)


class _Rendering:
    """Everything is drawn by the number of the song."""

    def __init__(self, path: Path, fonts: Sequence[Path]) -> None:
        self._path, self._song = path, path.parent.name
        self._rng = np.random.default_rng(int(self._song))
        self._font = fonts[int(self._rng.integers(len(fonts)))]
        self._piano = bool(self._rng.random() < 0.6)
        self._program = int(self._rng.choice(PIANOS if self._piano else OTHERS))

    @cached_property
    def _notes(self) -> NDArray[np.float64]:
        notes = read_notes(self._path)
        last = float(notes[:, 1].max()) if len(notes) else 0.0
        start = self._rng.uniform(0, max(0.0, last - LENGTH))
        within = notes[(notes[:, 0] >= start) & (notes[:, 0] < start + LENGTH - 0.1)] - [start, start, 0]
        within[:, 1] = np.minimum(within[:, 1], LENGTH)
        return within

    def annotate(self) -> Annotations:
        """Give the notes that are played."""
        labels = {
            "piece": (self._song,),
            "soundfont": (self._font.stem,),
            "program": (str(self._program),),
            "piano": ("yes" if self._piano else "no",),
        }
        return Annotations(self._notes, labels=labels)

    def sound(self) -> NDArray[np.float32]:
        """Play them."""
        rng = np.random.default_rng([int(self._song), 1])
        loud = rng.integers(45, 100)
        played = [
            Played(onset, offset, int(pitch), int(np.clip(loud + rng.normal(0, 12), 20, 127)))
            for onset, offset, pitch in self._notes.tolist()
        ]
        if not played:
            raise RecipeError(f"{self._path}: has no notes")
        dry = render([Part(played, self._program)], soundfont=self._font, sample_rate=RATE)[: int(LENGTH * RATE)]
        response = room(rng, RATE, decay=float(rng.uniform(0.2, 1.2)), wet=float(rng.uniform(0.0, 0.5) ** 2 * 4))
        wet = reverberate(dry, response) + rng.normal(0, 10 ** rng.uniform(-5, -3.3), len(dry))
        found: NDArray[np.float32] = (wet / np.abs(wet).max() * rng.uniform(0.2, 0.95)).astype(np.float32)
        return found
