"""Scores to sound: notes rendered by FluidSynth with a soundfont."""

from __future__ import annotations

import math
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from ..errors import AudioError

TICKS = 960  # a second: at 60 BPM, a quarter note
DRUMS = 9  # the channel on which General MIDI has its drums
FOLDERS = (Path("/usr/share/sounds/sf2"), Path("/usr/share/sounds/sf3"), Path("/usr/share/soundfonts"))


@dataclass(frozen=True)
class Played:
    """A note as it is played.

    Parameters
    ----------
    onset, offset : float
        In seconds.
    pitch : int
        MIDI number.
    velocity : int
        1 to 127.
    """

    onset: float
    offset: float
    pitch: int
    velocity: int = 80


@dataclass(frozen=True)
class Part:
    """What one instrument plays.

    Parameters
    ----------
    notes : sequence of Played
        In any order.
    program : int
        General MIDI instrument, or drum kit, 0 to 127.
    drums : bool
        Pitches are drums.
    volume : int
        Of the channel, 0 to 127; 100 is General MIDI's own.
    """

    notes: Sequence[Played]
    program: int = 0
    drums: bool = False
    volume: int = 100


def soundfonts() -> list[Path]:
    """List the soundfonts that are installed.

    Returns
    -------
    list of Path
        Sorted by name; each file once, links left out.
    """
    found = {path.resolve() for folder in FOLDERS if folder.is_dir() for path in folder.glob("*.sf[23]")}
    return sorted(found)


def render(
    parts: Sequence[Part], *, soundfont: Path, sample_rate: int, tail: float = 1.0, gain: float = 0.5
) -> NDArray[np.float32]:
    """Play parts together, without reverberation or chorus.

    Parameters
    ----------
    parts : sequence of Part
        At most 15, and one of drums.
    soundfont : Path
        File (.sf2, .sf3).
    sample_rate : int
        In Hz.
    tail : float
        Seconds after the last offset.
    gain : float
        FluidSynth's.

    Returns
    -------
    ndarray, shape=(samples,)
        Mono.

    Raises
    ------
    AudioError
        If FluidSynth is not installed or fails.
    """
    return render_each([parts], soundfont=soundfont, sample_rate=sample_rate, tail=tail, gain=gain)[0]


def render_each(
    bands: Sequence[Sequence[Part]], *, soundfont: Path, sample_rate: int, tail: float = 1.0, gain: float = 0.5
) -> list[NDArray[np.float32]]:
    """Play bands one after the other, for to load a soundfont may take longer than to play it.

    Parameters
    ----------
    bands : sequence of sequence of Part
        Each as for `render`.
    soundfont : Path
        See `render`.
    sample_rate : int
        In Hz.
    tail : float
        Seconds after the last offset of each.
    gain : float
        FluidSynth's.

    Returns
    -------
    list of ndarray, shape=(samples,)
        Mono, of every band alone.

    Raises
    ------
    AudioError
        If FluidSynth is not installed or fails.
    """
    tool = shutil.which("fluidsynth")
    if tool is None:
        raise AudioError("rendering needs FluidSynth; install the package fluidsynth of your system")
    with tempfile.TemporaryDirectory() as folder:
        score, sound = Path(folder) / "score.mid", Path(folder) / "sound.wav"
        score.write_bytes(midi(*bands, tail=tail))
        command = [tool, "-n", "-i", "-q", "-R", "0", "-C", "0", "-g", str(gain), "-r", str(sample_rate)]
        command += ["-o", "synth.dynamic-sample-loading=1"]  # only the instruments that play
        command += ["-O", "float", "-T", "wav", "-F", str(sound), str(soundfont), str(score)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode or not sound.exists():
            raise AudioError(f"{soundfont}: FluidSynth can't play it ({done.stderr.strip().splitlines()[-1:]})")
        samples, _ = soundfile.read(sound, dtype="float32", always_2d=True)
    mono: NDArray[np.float32] = samples.mean(1)
    return [
        mono[start * sample_rate : round((start + _end(band) + tail) * sample_rate)]
        for start, band in zip(_starts(bands, tail), bands, strict=True)
    ]


def midi(*bands: Sequence[Part], tail: float = 1.0) -> bytes:
    """Write bands, one after the other, as a MIDI file of one track at 60 BPM, right to a millisecond.

    Parameters
    ----------
    *bands : sequence of Part
        Each of at most 15, and one of drums.
    tail : float
        Seconds after the last offset at which the track ends.

    Returns
    -------
    bytes
        The file.
    """
    events: list[tuple[float, int, bytes]] = []
    end = 0.0
    for start, band in zip(_starts(bands, tail), bands, strict=True):
        free = (channel for channel in range(16) if channel != DRUMS)
        events += [(start, 0, bytes([0xB0 | channel, 120, 0])) for channel in range(16) if start]  # no sound of before
        for part in band:
            channel = DRUMS if part.drums else next(free)
            events.append((start, 1, bytes([0xC0 | channel, part.program])))
            events.append((start, 1, bytes([0xB0 | channel, 7, part.volume])))
            for note in part.notes:
                events.append((start + note.onset, 3, bytes([0x90 | channel, note.pitch, note.velocity])))
                events.append((start + note.offset, 2, bytes([0x80 | channel, note.pitch, 0])))
        end = start + _end(band) + tail
    track, clock = bytearray(b"\x00\xff\x51\x03" + (1_000_000).to_bytes(3, "big")), 0
    for time, _, message in [*sorted(events), (end, 4, b"\xff\x2f\x00")]:
        tick = round(time * TICKS)
        track += _variable(tick - clock) + message
        clock = tick
    return b"MThd" + struct.pack(">IHHH", 6, 0, 1, TICKS) + b"MTrk" + struct.pack(">I", len(track)) + bytes(track)


def _end(band: Sequence[Part]) -> float:
    """Seconds until the last note of a band has ended."""
    return max((note.offset for part in band for note in part.notes), default=0.0)


def _starts(bands: Sequence[Sequence[Part]], tail: float) -> list[int]:
    """Whole seconds at which bands begin, each after the tail of the one before."""
    lengths = [math.ceil(_end(band) + tail) + 1 for band in bands]
    return [sum(lengths[:i]) for i in range(len(bands))]


def _variable(number: int) -> bytes:
    """A number in MIDI's variable length."""
    parts = [number & 127]
    while number := number >> 7:
        parts.append(number & 127 | 128)
    return bytes(reversed(parts))
