"""Resampling by soxr, whole or as a stream; both give the same samples."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class StreamResampler:
    """Resample a mono stream that arrives in pieces.

    Parameters
    ----------
    source, target : int
        Rates in Hz.
    """

    def __init__(self, source: int, target: int) -> None:
        self._stream = None
        if source != target:
            import soxr

            self._stream = soxr.ResampleStream(source, target, 1, dtype="float32", quality="HQ")

    def push(self, waveform: NDArray[np.float32]) -> NDArray[np.float32]:
        """Take the next piece and give what is ready.

        Parameters
        ----------
        waveform : ndarray, shape=(samples,)
            The next piece at the source rate.

        Returns
        -------
        ndarray, shape=(samples,)
            What is ready at the target rate; may be empty.
        """
        if self._stream is None:
            return waveform
        return self._stream.resample_chunk(np.ascontiguousarray(waveform, np.float32))  # type: ignore[no-any-return]

    def finish(self) -> NDArray[np.float32]:
        """Give what is left after the last piece.

        Returns
        -------
        ndarray, shape=(samples,)
            The tail at the target rate.
        """
        if self._stream is None:
            return np.zeros(0, np.float32)
        return self._stream.resample_chunk(np.zeros(0, np.float32), last=True)  # type: ignore[no-any-return]


def resample(waveform: NDArray[np.float32], source: int, target: int) -> NDArray[np.float32]:
    """Resample a whole mono waveform.

    Parameters
    ----------
    waveform : ndarray, shape=(samples,)
        Mono waveform.
    source, target : int
        Rates in Hz.

    Returns
    -------
    ndarray, shape=(samples,)
        The waveform at the target rate.
    """
    resampler = StreamResampler(source, target)
    return np.concatenate([resampler.push(waveform), resampler.finish()])
