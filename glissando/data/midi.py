"""Notes from MIDI files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import RecipeError
from .annotations import MAX_TIME
from .extras import extra

MAX_BYTES = 32 * 2**20
DRUMS, SUSTAIN = 9, 64  # channel, controller


def read_notes(path: str | Path, *, sustain: bool = False) -> NDArray[np.float64]:
    """Read the notes of a MIDI file, without its drums.

    Parameters
    ----------
    path : str or Path
        A standard MIDI file.
    sustain : bool
        Let notes sound as long as the pedal holds them, as transcription benchmarks do.

    Returns
    -------
    ndarray, shape=(notes, 3)
        Onset [s], offset [s], MIDI pitch; by onset, then pitch.

    Raises
    ------
    RecipeError
        If it is no MIDI file, or damaged.
    """
    mido = extra("mido")

    path = Path(path)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise RecipeError(f"{path}: has {path.stat().st_size / 2**20:.0f} MB, more than a MIDI file ever has")
        messages = list(mido.MidiFile(path, clip=True))
    except RecipeError:
        raise
    except Exception as error:  # a damaged byte can lead mido to any error
        raise RecipeError(f"{path}: is not a MIDI file that can be read ({error or type(error).__name__})") from error
    notes: list[tuple[float, float, int]] = []
    sounding: dict[tuple[int, int], float] = {}  # onset by channel and pitch
    held: dict[tuple[int, int], float] = {}  # let go, while the pedal is down
    pedals: set[int] = set()
    now = 0.0

    def _end(note: tuple[int, int], onset: float) -> None:
        if now > onset and note[0] != DRUMS:
            notes.append((onset, now, note[1]))

    for message in messages:
        now += message.time
        if now > MAX_TIME:
            raise RecipeError(f"{path}: lasts more than {MAX_TIME:g} s, so its tempo is damaged")
        if message.type == "control_change" and message.control == SUSTAIN and sustain:
            if message.value >= 64:
                pedals.add(message.channel)
                continue
            pedals.discard(message.channel)
            for note in [note for note in held if note[0] == message.channel]:
                _end(note, held.pop(note))
        elif message.type in ("note_on", "note_off"):
            note = (message.channel, message.note)
            if message.type == "note_on" and message.velocity:
                for before in (sounding, held):  # struck again: what sounded ends
                    if note in before:
                        _end(note, before.pop(note))
                sounding[note] = now
            elif note in sounding:
                if note[0] in pedals:
                    held[note] = sounding.pop(note)
                else:
                    _end(note, sounding.pop(note))
    for note, onset in {**sounding, **held}.items():
        _end(note, onset)
    return np.array(sorted(notes, key=lambda one: (one[0], one[2])), np.float64).reshape(-1, 3)
