"""What is known of a recording: notes, f0 curves, labelled segments, global labels and the groups it belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from ..errors import RecipeError
from .general_midi import program_name

GROUPS = ("piece", "artist", "album", "clique", "recording")
COMBINATION = "combination"  # kind of group of its own: the notes of one instrument at one pitch
ALIASES = {"work-id": "clique", "performer": "artist", "game": "album"}  # other names, most of them the book's
SLACK = 0.5  # seconds that an annotation may reach past the end; no frame lies there
MAX_TIME = 1e6  # seconds; numbers beyond are damage or malice
MAX_PITCH = 140.0  # MIDI; 26 kHz


Labels = Mapping[str, tuple[str, ...]]  # values of global labels by name


def _no_notes() -> NDArray[np.float64]:
    return np.zeros((0, 3))


@dataclass(frozen=True)
class Segment:
    """A labelled stretch of time; a marker (a beat) has its end at its start.

    Parameters
    ----------
    start, end : float
        In seconds.
    label : str
        What it is.
    """

    start: float
    end: float
    label: str


@dataclass(frozen=True)
class F0Curve:
    """The pitch of one voice over time.

    Parameters
    ----------
    name : str
        The voice.
    times : ndarray, shape=(points,)
        In seconds, rising.
    pitches : ndarray, shape=(points,)
        In MIDI numbers with fractions (69 is 440 Hz); NaN where the voice is silent.
    """

    name: str
    times: NDArray[np.float64]
    pitches: NDArray[np.float64]


@dataclass(frozen=True)
class Annotations:
    """Everything that is known of one entry.

    Parameters
    ----------
    notes : ndarray, shape=(notes, 3)
        Onset [s], offset [s], MIDI pitch.
    curves : tuple of F0Curve
        One per voice.
    segments : mapping
        Segments or markers by name: chord, beat, structure.
    labels : mapping
        Global labels by name: genre, tag, class; those named in `GROUPS` tell what must stay together in a split.
    """

    notes: NDArray[np.float64] = field(default_factory=_no_notes)
    curves: tuple[F0Curve, ...] = ()
    segments: Mapping[str, tuple[Segment, ...]] = field(default_factory=dict)
    labels: Labels = field(default_factory=dict)

    @property
    def end(self) -> float:
        """Time in seconds at which the last annotation ends; 0 if none has a time."""
        ends = [segment.end for part in self.segments.values() for segment in part]
        ends += [float(curve.times[-1]) for curve in self.curves if len(curve.times)]
        if len(self.notes):
            ends.append(float(self.notes[:, 1].max()))
        return max(ends, default=0.0)

    @property
    def groups(self) -> dict[str, str]:
        """What the entry belongs to, by kind of group."""
        named = {ALIASES.get(name, name): values[0] for name, values in self.labels.items() if values}
        return {group: named[group] for group in GROUPS if group in named}

    @property
    def instrument(self) -> str | None:
        """Name of the only instrument that is labelled; General MIDI by name, too."""
        named = self.labels.get("instrument", ())
        return program_name(named[0]) if len(named) == 1 else None

    @property
    def pitch(self) -> int | None:
        """MIDI pitch of the only note, from its label or from the notes."""
        found = {float(one) for one in self.labels.get("pitch", ())} or {float(one) for one in self.notes[:, 2]}
        return round(found.pop()) if len(found) == 1 else None

    @property
    def combination(self) -> str | None:
        """Instrument and pitch, where it has both."""
        instrument, pitch = self.instrument, self.pitch
        return None if instrument is None or pitch is None else f"{instrument} at {pitch}"

    def check_within(self, duration: float, *, where: str) -> None:
        """Refuse annotations past the end of the audio.

        Parameters
        ----------
        duration : float
            Of the audio, in seconds.
        where : str
            File and entry, for the error.

        Raises
        ------
        RecipeError
            Naming the first annotation that begins, or ends, too late.
        """
        limit = duration + SLACK
        late: list[tuple[float, str]] = []
        if len(self.notes):
            worst = int(self.notes[:, 1].argmax())
            late.append((float(self.notes[worst, 1]), f"note {worst} (MIDI {self.notes[worst, 2]:g})"))
        late += [(float(curve.times[-1]), f"f0 curve {curve.name!r}") for curve in self.curves if len(curve.times)]
        for name, part in self.segments.items():
            if part:
                last = max(part, key=lambda segment: segment.end)
                late.append((last.end, f"{name} {last.label!r}"))
        for end, what in late:
            if end > limit:
                raise RecipeError(
                    f"{where}: {what} ends at {end:.2f} s, past the end of the audio ({duration:.2f} s); "
                    "the annotations belong to another recording, or the audio was cut"
                )

    def clipped(self, duration: float) -> Annotations:
        """Cut what begins in time at the end of the audio; what begins later stays, for `check_within`.

        Parameters
        ----------
        duration : float
            In seconds.

        Returns
        -------
        Annotations
            With the same labels.
        """
        notes = self.notes.copy()
        held = notes[:, 0] <= duration
        notes[held, 1] = np.minimum(notes[held, 1], duration)
        segments = {
            name: tuple(replace(one, end=min(one.end, duration)) if one.start <= duration else one for one in part)
            for name, part in self.segments.items()
        }
        return replace(self, notes=notes, segments=segments)


def midi_to_hz(pitch: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """Convert MIDI numbers.

    Parameters
    ----------
    pitch : ndarray or float
        MIDI numbers with fractions.

    Returns
    -------
    ndarray
        In Hz.
    """
    return np.asarray(440.0 * 2.0 ** ((np.asarray(pitch, np.float64) - 69.0) / 12.0))


def hz_to_midi(frequency: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """Convert frequencies.

    Parameters
    ----------
    frequency : ndarray or float
        In Hz; NaN is given for what is not above 0.

    Returns
    -------
    ndarray
        MIDI numbers with fractions.
    """
    frequency = np.asarray(frequency, np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(frequency > 0, 69.0 + 12.0 * np.log2(frequency / 440.0), np.nan)
