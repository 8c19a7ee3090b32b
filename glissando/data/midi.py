"""Notes from MIDI files: a reader of its own, for general ones build an object per message."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import RecipeError
from .annotations import MAX_TIME

MAX_BYTES = 32 * 2**20
DRUMS, SUSTAIN = 9, 64  # channel, controller
OFF, ON, CONTROL, TEMPO = 0x80, 0x90, 0xB0, 0x51  # status of messages, type of the meta event
PLAIN_TEMPO = 500_000  # microseconds per beat until a file says otherwise

Event = tuple[int, int, int, int, int]  # tick, kind, channel, two values


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
    path = Path(path)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise RecipeError(f"{path}: has {path.stat().st_size / 2**20:.0f} MB, more than a MIDI file ever has")
        division, events = _events(path.read_bytes())
    except OSError as error:
        raise RecipeError(f"{path}: can't be opened ({error.strerror})") from error
    except (IndexError, ValueError) as error:
        raise RecipeError(f"{path}: is not a MIDI file, or damaged ({error}); get it again") from error
    notes: list[tuple[float, float, int]] = []
    sounding: dict[tuple[int, int], float] = {}  # onset by channel and pitch
    held: dict[tuple[int, int], float] = {}  # let go, while the pedal is down
    pedals: set[int] = set()
    now, last, tempo = 0.0, 0, PLAIN_TEMPO

    def _end(note: tuple[int, int], onset: float) -> None:
        if now > onset:
            notes.append((onset, now, note[1]))

    for tick, kind, channel, first, second in events:
        if tick > last:
            now += (tick - last) * (tempo / 1e6 / division if division > 0 else 1 / -division)
            last = tick
        note = (channel, first)
        if kind == TEMPO:
            tempo = first
        elif kind == CONTROL:
            if sustain and second >= 64:
                pedals.add(channel)
            elif sustain:
                pedals.discard(channel)
                for one in [one for one in held if one[0] == channel]:
                    _end(one, held.pop(one))
        elif kind == ON and second:
            for before in (sounding, held):  # struck again: what sounded ends
                if note in before:
                    _end(note, before.pop(note))
            sounding[note] = now
        elif note in sounding:
            if channel in pedals:
                held[note] = sounding.pop(note)
            else:
                _end(note, sounding.pop(note))
    for note, onset in {**sounding, **held}.items():
        _end(note, onset)
    if now > MAX_TIME:
        raise RecipeError(f"{path}: lasts more than {MAX_TIME:g} s, so its tempo is damaged")
    return np.array(sorted(notes, key=lambda one: (one[0], one[2])), np.float64).reshape(-1, 3)


def _events(data: bytes) -> tuple[float, list[Event]]:
    """Read ticks per beat (below 0: per second) and the events of all tracks in order."""
    if data[:4] != b"MThd" or len(data) < 14:
        raise ValueError("it does not begin with MThd")
    tracks, division = int.from_bytes(data[10:12]), int.from_bytes(data[12:14], signed=True)
    if division < 0:  # frames per second in the high byte, ticks per frame in the low one
        division = (division >> 8) * (division & 0xFF)
    if division == 0:
        raise ValueError("a beat has no ticks")
    events: list[Event] = []
    at = 8 + int.from_bytes(data[4:8])
    while at + 8 <= len(data) and tracks:
        size = int.from_bytes(data[at + 4 : at + 8])
        if at + 8 + size > len(data):
            raise ValueError("it was cut short")
        if data[at : at + 4] == b"MTrk":
            _track(data, at + 8, at + 8 + size, events)
            tracks -= 1
        at += 8 + size
    if tracks:
        raise ValueError(f"{tracks} of its tracks are missing")
    return division, sorted(events, key=lambda event: event[0])


def _track(data: bytes, at: int, end: int, events: list[Event]) -> None:
    tick = status = 0
    while at < end:
        step, at = _length(data, at)
        tick += step
        if data[at] & 0x80:
            status, at = data[at], at + 1
        kind = status & 0xF0
        if status == 0xFF:
            meta = data[at]
            size, at = _length(data, at + 1)
            if meta == TEMPO and size == 3:
                events.append((tick, TEMPO, 0, int.from_bytes(data[at : at + 3]), 0))
            at += size
        elif status in (0xF0, 0xF7):
            size, at = _length(data, at)
            at += size
        elif kind in (0xC0, 0xD0):
            at += 1
        elif 0x80 <= status < 0xF0:
            channel, first, second = status & 0x0F, data[at] & 0x7F, data[at + 1] & 0x7F
            at += 2
            if (kind in (OFF, ON) and channel != DRUMS) or (kind == CONTROL and first == SUSTAIN):
                events.append((tick, kind, channel, first, second))
        else:
            raise ValueError(f"status {status:#x} at byte {at}")


def _length(data: bytes, at: int) -> tuple[int, int]:
    """Read a number of seven bits a byte, and where it ends."""
    value = 0
    for here in range(at, at + 4):
        value = value << 7 | data[here] & 0x7F
        if not data[here] & 0x80:
            return value, here + 1
    raise ValueError(f"a number of more than four bytes at byte {at}")
