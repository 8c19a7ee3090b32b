"""Scores to sound: notes rendered by FluidSynth with a soundfont."""

from __future__ import annotations

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
    tool = shutil.which("fluidsynth")
    if tool is None:
        raise AudioError("rendering needs FluidSynth; install the package fluidsynth of your system")
    with tempfile.TemporaryDirectory() as folder:
        score, sound = Path(folder) / "score.mid", Path(folder) / "sound.wav"
        score.write_bytes(midi(parts, tail=tail))
        command = [tool, "-n", "-i", "-q", "-R", "0", "-C", "0", "-g", str(gain), "-r", str(sample_rate)]
        command += ["-o", "synth.dynamic-sample-loading=1"]  # only the instruments that play
        command += ["-O", "float", "-T", "wav", "-F", str(sound), str(soundfont), str(score)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode or not sound.exists():
            raise AudioError(f"{soundfont}: FluidSynth can't play it ({done.stderr.strip().splitlines()[-1:]})")
        samples, _ = soundfile.read(sound, dtype="float32", always_2d=True)
    mono: NDArray[np.float32] = samples.mean(1)
    return mono


def midi(parts: Sequence[Part], *, tail: float = 1.0) -> bytes:
    """Write parts as a MIDI file of one track at 60 BPM, right to a millisecond.

    Parameters
    ----------
    parts : sequence of Part
        At most 15, and one of drums.
    tail : float
        Seconds after the last offset at which the track ends.

    Returns
    -------
    bytes
        The file.
    """
    free = (channel for channel in range(16) if channel != DRUMS)
    events: list[tuple[float, int, bytes]] = []
    for part in parts:
        channel = DRUMS if part.drums else next(free)
        events.append((0.0, 0, bytes([0xC0 | channel, part.program])))
        events.append((0.0, 0, bytes([0xB0 | channel, 7, part.volume])))
        for note in part.notes:
            events.append((note.onset, 2, bytes([0x90 | channel, note.pitch, note.velocity])))
            events.append((note.offset, 1, bytes([0x80 | channel, note.pitch, 0])))
    end = max((time for time, _, _ in events), default=0.0) + tail
    track, clock = bytearray(b"\x00\xff\x51\x03" + (1_000_000).to_bytes(3, "big")), 0
    for time, _, message in [*sorted(events), (end, 3, b"\xff\x2f\x00")]:
        tick = round(time * TICKS)
        track += _variable(tick - clock) + message
        clock = tick
    return b"MThd" + struct.pack(">IHHH", 6, 0, 1, TICKS) + b"MTrk" + struct.pack(">I", len(track)) + bytes(track)


def _variable(number: int) -> bytes:
    """A number in MIDI's variable length."""
    parts = [number & 127]
    while number := number >> 7:
        parts.append(number & 127 | 128)
    return bytes(reversed(parts))
