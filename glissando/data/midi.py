"""Notes from MIDI files: a reader of its own, for general ones build an object per message."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import RecipeError
from .annotations import MAX_TIME

MAX_BYTES = 32 * 2**20
DRUMS, VOLUME, SUSTAIN = 9, 7, 64  # channel, controllers
OFF, ON, CONTROL, PROGRAM = 0x80, 0x90, 0xB0, 0xC0  # status of messages
TEMPO, METER = 0x51, 0x58  # types of meta events
PLAIN_TEMPO = 500_000  # microseconds per beat until a file says otherwise

Event = tuple[int, int, int, int, int]  # tick, kind, channel, two values


@dataclass(frozen=True)
class ScoreNote:
    """A note on the grid of its file.

    Parameters
    ----------
    onset, offset : float
        In quarter notes from the beginning.
    pitch, velocity : int
        As in the file.
    channel, program, volume : int
        From 0: of channel 9 the pitches are drums, the program is a drum kit.
    """

    onset: float
    offset: float
    pitch: int
    velocity: int
    channel: int
    program: int
    volume: int


@dataclass(frozen=True)
class Score:
    """A MIDI file in quarter notes, whatever their tempo.

    Parameters
    ----------
    notes : tuple of ScoreNote
        By onset, drums too.
    meters : tuple of (float, int, int)
        Since what quarter note, how many beats a bar has, and of which note value (4 is a quarter). The first begins
        at 0 and is 4/4 where the file says nothing.
    """

    notes: tuple[ScoreNote, ...]
    meters: tuple[tuple[float, int, int], ...]


def read_score(path: str | Path) -> Score:
    """Read the notes of a MIDI file on the grid that it is written in.

    Parameters
    ----------
    path : str or Path
        A standard MIDI file.

    Returns
    -------
    Score
        Without tempi.

    Raises
    ------
    RecipeError
        If it is no MIDI file, is damaged, or counts seconds and not beats.
    """
    division, events = _read(Path(path))
    if division < 0:
        raise RecipeError(f"{path}: counts frames of film and has no beats")
    notes: list[ScoreNote] = []
    sounding: dict[tuple[int, int], tuple[float, int]] = {}  # onset and velocity by channel and pitch
    programs, volumes, meters = [0] * 16, [100] * 16, {0.0: (4, 4)}
    for tick, kind, channel, first, second in events:
        now = tick / division
        if kind == METER:
            meters[now] = first, second
        elif kind == PROGRAM:
            programs[channel] = first
        elif kind == CONTROL and first == VOLUME:
            volumes[channel] = second
        elif kind in (ON, OFF):
            onset, velocity = sounding.pop((channel, first), (now, 0))
            if now > onset:
                notes.append(ScoreNote(onset, now, first, velocity, channel, programs[channel], volumes[channel]))
            if kind == ON and second:
                sounding[channel, first] = now, second
    return Score(
        tuple(sorted(notes, key=lambda note: (note.onset, note.channel, note.pitch))),
        tuple((since, *meters[since]) for since in sorted(meters)),
    )


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
    division, events = _read(Path(path))
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
        elif channel == DRUMS or kind in (PROGRAM, METER) or (kind == CONTROL and first != SUSTAIN):
            continue
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


def _read(path: Path) -> tuple[float, list[Event]]:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise RecipeError(f"{path}: has {path.stat().st_size / 2**20:.0f} MB, more than a MIDI file ever has")
        return _events(path.read_bytes())
    except OSError as error:
        raise RecipeError(f"{path}: can't be opened ({error.strerror})") from error
    except (IndexError, ValueError) as error:
        raise RecipeError(f"{path}: is not a MIDI file, or damaged ({error}); get it again") from error


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
            elif meta == METER and size >= 2 and data[at] and data[at + 1] < 8:
                events.append((tick, METER, 0, data[at], 2 ** data[at + 1]))
            at += size
        elif status in (0xF0, 0xF7):
            size, at = _length(data, at)
            at += size
        elif kind in (PROGRAM, 0xD0):
            if kind == PROGRAM:
                events.append((tick, PROGRAM, status & 0x0F, data[at] & 0x7F, 0))
            at += 1
        elif 0x80 <= status < 0xF0:
            channel, first, second = status & 0x0F, data[at] & 0x7F, data[at + 1] & 0x7F
            at += 2
            if kind in (OFF, ON) or (kind == CONTROL and first in (VOLUME, SUSTAIN)):
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
