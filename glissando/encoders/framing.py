"""Cut waveforms into an encoder's windows, whole or as a stream; both give the same windows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Framing:
    """Where the windows of an encoder lie.

    Parameters
    ----------
    window, hop : int
        In samples.
    lead, tail : int
        Zeros put before and after the waveform, in samples (what a centred spectrogram pads).
    short : {"repeat", "zeros"}
        How a waveform below one window is filled up.
    """

    window: int
    hop: int
    lead: int = 0
    tail: int = 0
    short: Literal["repeat", "zeros"] = "repeat"

    def __post_init__(self) -> None:
        """Windows must touch: a stream forgets what lies before the next one."""
        if not 0 < self.hop <= self.window:
            raise ValueError(f"hop {self.hop} must be 1..{self.window}, the window")

    def count(self, samples: int) -> int:
        """Tell how many windows a waveform of that many samples has.

        Parameters
        ----------
        samples : int
            Length of the waveform.

        Returns
        -------
        int
            At least 1.
        """
        return 1 + max(0, samples + self.lead + self.tail - self.window) // self.hop

    def cut(self, waveform: NDArray[np.float32]) -> NDArray[np.float32]:
        """Cut whole waveforms.

        Parameters
        ----------
        waveform : ndarray, shape=(..., samples)
            At least one sample.

        Returns
        -------
        ndarray, shape=(..., windows, window)
            A read-only view or copy.
        """
        return self._windows(self._padded(waveform, whole=True), self.count(waveform.shape[-1]))

    def _padded(self, waveform: NDArray[np.float32], *, whole: bool) -> NDArray[np.float32]:
        lead = self.lead if whole else 0
        missing = self.window - (waveform.shape[-1] + lead + self.tail)
        if whole and missing > 0:
            if self.short == "repeat":
                waveform = np.take(waveform, np.arange(waveform.shape[-1] + missing), axis=-1, mode="wrap")
            else:
                return np.pad(waveform, [(0, 0)] * (waveform.ndim - 1) + [(lead, self.tail + missing)])
        return np.pad(waveform, [(0, 0)] * (waveform.ndim - 1) + [(lead, self.tail)])

    def _windows(self, padded: NDArray[np.float32], count: int) -> NDArray[np.float32]:
        if count == 0:
            return np.zeros((*padded.shape[:-1], 0, self.window), np.float32)
        view = np.lib.stride_tricks.sliding_window_view(padded, self.window, axis=-1)
        return view[..., : (count - 1) * self.hop + 1 : self.hop, :]


class StreamFramer:
    """Cut a stream that arrives in pieces.

    Parameters
    ----------
    framing : Framing
        Where the windows lie.
    """

    def __init__(self, framing: Framing) -> None:
        self._framing = framing
        self._held = np.zeros(0, np.float32)
        self._leading = True
        self._emitted = 0

    def push(self, waveform: NDArray[np.float32]) -> NDArray[np.float32]:
        """Take the next piece and give the windows that are complete.

        Parameters
        ----------
        waveform : ndarray, shape=(samples,)
            The next piece.

        Returns
        -------
        ndarray, shape=(windows, window)
            May have no rows.
        """
        framing = self._framing
        held = np.concatenate([self._held, waveform])
        if self._leading and len(held) + framing.lead >= framing.window:
            held, self._leading = np.pad(held, (framing.lead, 0)), False
        if self._leading:
            self._held = held
            return np.zeros((0, framing.window), np.float32)
        count = 0 if len(held) < framing.window else 1 + (len(held) - framing.window) // framing.hop
        windows = framing._windows(held, count)
        self._held = held[count * framing.hop :]
        self._emitted += count
        return windows

    def finish(self) -> NDArray[np.float32]:
        """Give the last windows.

        Returns
        -------
        ndarray, shape=(windows, window)
            May have no rows, unless the stream had none before.
        """
        framing = self._framing
        if self._leading:
            return framing.cut(self._held) if len(self._held) else np.zeros((0, framing.window), np.float32)
        padded = np.pad(self._held, (0, framing.tail))
        count = 0 if len(padded) < framing.window else 1 + (len(padded) - framing.window) // framing.hop
        return framing._windows(padded, count)
