"""Read audio files block by block: soundfile first, PyAV (extra ``formats``) for the rest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import AudioError
from .decoders import open_decoder
from .resampling import StreamResampler

SUFFIXES = frozenset(
    ".wav .flac .ogg .oga .opus .mp3 .aif .aiff .aifc .au .caf "
    ".m4a .m4b .aac .mp4 .wma .webm .mka .ape .wv .mpc".split()
)
MAX_CHANNELS = 64
MAX_SAMPLE_RATE = 1_000_000  # Hz; headers that claim more are damaged or hostile
SEGMENT = 15.0  # seconds; what a recording is cut, or sampled, into
SHORTEST = 0.1  # seconds; below this there is nothing to embed


@dataclass(frozen=True)
class Audio:
    """Samples that never travel without their rate.

    Parameters
    ----------
    samples : ndarray, shape=(samples,) or (channels, samples)
        Float32, nominally in -1..1.
    sample_rate : int
        In Hz.
    """

    samples: NDArray[np.float32]
    sample_rate: int

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return float(self.samples.shape[-1]) / self.sample_rate


def as_mono(samples: ArrayLike, sample_rate: int, *, name: str = "array") -> NDArray[np.float32]:
    """Check an array as audio and average its channels.

    Parameters
    ----------
    samples : array_like, shape=(samples,) or (channels, samples)
        The waveform.
    sample_rate : int
        Its rate in Hz.
    name : str
        What to call it in an error.

    Returns
    -------
    ndarray, shape=(samples,)
        Float32, mono.

    Raises
    ------
    AudioError
        If it is empty, of a wrong shape or rate, or holds NaN or infinite samples.
    """
    waveform = np.asarray(samples)
    if waveform.dtype.kind in "iu":
        waveform = waveform.astype(np.float32) / np.float32(np.iinfo(waveform.dtype).max)
    elif waveform.dtype.kind != "f":
        raise AudioError(f"{name}: samples are {waveform.dtype}, not numbers; pass float32 in -1..1")
    if waveform.ndim == 2:
        if waveform.shape[0] > MAX_CHANNELS:
            raise AudioError(f"{name}: shape {waveform.shape} is not (channels, samples); transpose it")
        waveform = waveform.mean(axis=0, dtype=np.float32)
    if waveform.ndim != 1:
        raise AudioError(f"{name}: shape {waveform.shape} is not (samples,) or (channels, samples)")
    if waveform.size == 0:
        raise AudioError(f"{name}: holds no samples")
    if not 0 < sample_rate <= MAX_SAMPLE_RATE:
        raise AudioError(f"{name}: sample rate {sample_rate} Hz makes no sense; pass the rate in Hz")
    if not np.isfinite(waveform).all():
        raise AudioError(f"{name}: holds NaN or infinite samples; repair or re-export it")
    return waveform.astype(np.float32, copy=False)


def is_silent(waveform: NDArray[np.float32]) -> bool:
    """Tell whether nothing can be heard: less than -80 dB around a constant.

    Parameters
    ----------
    waveform : ndarray, shape=(samples,)
        Mono waveform.

    Returns
    -------
    bool
        True for silence and for a constant offset (DC).
    """
    return bool(np.ptp(waveform) < 2e-4)


def check_audible(name: str, extremes: NDArray[np.float32], duration: float) -> None:
    """Refuse what no encoder can say anything of.

    Parameters
    ----------
    name : str
        What to call it in an error.
    extremes : ndarray
        Mono waveform, or its minimum and maximum.
    duration : float
        In seconds.

    Raises
    ------
    AudioError
        If it is silent or shorter than 0.1 s.
    """
    if duration < SHORTEST:
        raise AudioError(
            f"{name}: is too short ({duration * 1000:.1f} ms; at least {SHORTEST * 1000:.0f} ms are needed)"
        )
    if is_silent(extremes):
        raise AudioError(f"{name}: is silent; there is nothing to hear")


class AudioStream:
    """One open audio file, read in blocks so that its length does not matter.

    Parameters
    ----------
    path : str or Path
        The file.

    Attributes
    ----------
    sample_rate : int
        The file's own rate in Hz.
    channels : int
        The file's own channel count.

    Raises
    ------
    AudioError
        One sentence naming the file, if it can't be read as audio.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        _check_file(self.path)
        self._decoder = open_decoder(self.path)
        self.sample_rate: int = self._decoder.sample_rate
        self.channels: int = self._decoder.channels
        if not 0 < self.sample_rate <= MAX_SAMPLE_RATE or not 0 < self.channels <= MAX_CHANNELS:
            self.close()
            raise AudioError(
                f"{path}: header claims {self.sample_rate} Hz and {self.channels} channels, so it is damaged; "
                "re-export it"
            )

    @property
    def promised(self) -> float:
        """Length in seconds that the header names; 0 if it names none."""
        return self._decoder.promised

    def __enter__(self) -> AudioStream:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._decoder.close()

    def blocks(
        self, *, seconds: float = 30.0, start: float = 0.0, end: float | None = None
    ) -> Iterator[NDArray[np.float32]]:
        """Yield the file at its own rate, block by block.

        Parameters
        ----------
        seconds : float
            Length of a block; the last one is shorter.
        start, end : float, optional
            Range in seconds.

        Yields
        ------
        ndarray, shape=(channels, samples)
            Float32.

        Raises
        ------
        AudioError
            If the file is damaged, truncated, empty, or holds NaN.
        """
        size = max(1, int(seconds * self.sample_rate))
        stop = None if end is None else round(end * self.sample_rate)
        first = round(start * self.sample_rate)
        seen = 0
        for block in self._decoder.blocks(size, first, stop):
            if not np.isfinite(block).all():
                raise AudioError(f"{self.path}: holds NaN or infinite samples; repair or re-export it")
            seen += block.shape[1]
            yield block
        if seen == 0:
            whole = first == 0 and stop is None
            raise AudioError(
                f"{self.path}: holds no sound; nothing was decoded"
                if whole
                else f"{self.path}: has no sound between {start:g} s and {'its end' if end is None else f'{end:g} s'}"
            )

    def mono(
        self, sample_rate: int | None = None, *, seconds: float = 30.0, start: float = 0.0, end: float | None = None
    ) -> Iterator[NDArray[np.float32]]:
        """Yield the file as mono at a given rate, block by block.

        Parameters
        ----------
        sample_rate : int, optional
            Wanted rate in Hz; the file's own if None.
        seconds : float
            Length of a block.
        start, end : float, optional
            Range in seconds.

        Yields
        ------
        ndarray, shape=(samples,)
            Float32, the mean of the channels.
        """
        resampler = StreamResampler(self.sample_rate, sample_rate or self.sample_rate)
        for block in self.blocks(seconds=seconds, start=start, end=end):
            yield resampler.push(np.full(len(block), 1 / len(block), np.float32) @ block)  # their mean, but faster
        yield resampler.finish()


def read(
    path: str | Path,
    *,
    sample_rate: int | None = None,
    mono: bool = True,
    start: float = 0.0,
    end: float | None = None,
) -> Audio:
    """Read an audio file, or a range of it, into memory.

    Parameters
    ----------
    path : str or Path
        The file.
    sample_rate : int, optional
        Rate in Hz to resample to; the file's own if None.
    mono : bool
        Average the channels.
    start, end : float, optional
        Range in seconds.

    Returns
    -------
    Audio
        Samples of shape (samples,) if mono, else (channels, samples).

    Raises
    ------
    AudioError
        If the file can't be read.
    """
    with AudioStream(path) as stream:
        rate = sample_rate or stream.sample_rate
        if mono:
            return Audio(np.concatenate([*stream.mono(rate, start=start, end=end)]), rate)
        samples = np.concatenate([*stream.blocks(start=start, end=end)], axis=1)
        resamplers = [StreamResampler(stream.sample_rate, rate) for _ in samples]
        rows = [np.concatenate([one.push(row), one.finish()]) for one, row in zip(resamplers, samples, strict=True)]
        return Audio(np.stack(rows), rate)


def _check_file(path: Path) -> None:
    if not path.exists():
        raise AudioError(f"{path}: there is no such file")
    if path.is_dir():
        raise AudioError(f"{path}: is a folder, not an audio file")
    if not path.is_file():
        raise AudioError(f"{path}: is not a regular file")
    try:
        with path.open("rb") as handle:
            if not handle.read(1):
                raise AudioError(f"{path}: is empty (0 bytes)")
    except OSError as error:
        raise AudioError(f"{path}: can't be opened ({error.strerror})") from error
