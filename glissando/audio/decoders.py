"""The libraries that decode: soundfile (libsndfile) first, PyAV (FFmpeg, extra ``formats``) for the rest."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import AudioError

MISSING_SHARE, MISSING_SECONDS = 0.02, 0.5  # of the promised length; encoders pad, so a little less is whole
MP3_LEAD = 8192  # samples; libsndfile gives silence for the first frames of an MP3 after a seek
SEEK_FROM, SEEK_LEAD = 10.0, 1.0  # seconds: below the one, decoding is as fast; the other lets the decoder settle


def open_decoder(path: Path) -> SoundFileDecoder | AVDecoder:
    """Open a file with the first library that can read it.

    Parameters
    ----------
    path : Path
        A file that exists.

    Returns
    -------
    SoundFileDecoder or AVDecoder
        Both have ``sample_rate``, ``channels``, ``promised`` seconds, ``blocks(size, first, stop)`` and ``close()``.

    Raises
    ------
    AudioError
        If none can, naming the extra that could.
    """
    import soundfile

    av = _pyav() if path.suffix.lower() == ".opus" else None
    if av is not None:  # FFmpeg decodes it faster
        with contextlib.suppress(AudioError):
            return AVDecoder(path, av)
    try:
        return SoundFileDecoder(path)
    except soundfile.SoundFileError:
        pass  # not one of libsndfile's formats, or damaged: PyAV knows which
    av = _pyav()
    if av is not None:
        return AVDecoder(path, av)
    if path.suffix.lower() in {".m4a", ".m4b", ".aac", ".mp4", ".wma", ".webm", ".mka", ".ape", ".wv", ".mpc"}:
        raise AudioError(
            f'{path}: can\'t be read here ({path.suffix[1:].upper()} needs the extra "formats"); '
            'install it with: pip install "glissando[formats]"'
        )
    raise AudioError(f"{path}: is not audio that can be read, or its header is damaged")


def _pyav() -> ModuleType | None:
    try:
        import av
    except ImportError:
        return None
    av.logging.set_level(None)  # FFmpeg's own complaints come as our errors
    return av  # type: ignore[no-any-return]


class SoundFileDecoder:
    """The fast path: libsndfile.

    Parameters
    ----------
    path : Path
        The file.
    """

    def __init__(self, path: Path) -> None:
        import soundfile

        self._error = soundfile.SoundFileError
        self._path = path
        self._file = soundfile.SoundFile(path)
        self.sample_rate: int = self._file.samplerate
        self.channels: int = self._file.channels

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    @property
    def promised(self) -> float:
        """Length in seconds that the header names."""
        return float(self._file.frames / max(self.sample_rate, 1))

    def blocks(self, size: int, first: int, stop: int | None) -> Iterator[NDArray[np.float32]]:
        """Yield the sound in blocks.

        Parameters
        ----------
        size : int
            Samples of a block, about.
        first : int
            Sample to begin with.
        stop : int or None
            Sample to end before; the end of the file if None.

        Yields
        ------
        ndarray, shape=(channels, samples)
            Float32.
        """
        promised = self._file.frames
        position = min(first, promised)
        try:
            if position != self._file.tell():
                self._file.seek(position)
            while stop is None or position < stop:
                # after every read, soundfile seeks to where it is
                lead = min(position, MP3_LEAD) if self._file.format == "MP3" else 0
                if lead:
                    self._file.seek(position - lead)
                wanted = size if stop is None else min(size, stop - position)
                block = self._file.read(lead + wanted, dtype="float32", always_2d=True)[lead:]
                if not len(block):
                    break
                position += len(block)
                yield block.T
        except self._error as error:
            raise AudioError(
                f"{self._path}: is damaged after {position / self.sample_rate:.1f} s ({error}); re-rip or re-export it"
            ) from error
        if stop is None:
            _check_whole(self._path, position / self.sample_rate, promised / self.sample_rate)


class AVDecoder:
    """Everything else: FFmpeg through PyAV.

    Parameters
    ----------
    path : Path
        The file.
    av : module
        PyAV, imported.
    """

    def __init__(self, path: Path, av: ModuleType) -> None:
        self._path, self._av = path, av
        self._begun = False
        try:
            self._container = av.open(str(path), metadata_errors="ignore")
        except (av.FFmpegError, OSError, ValueError) as error:
            raise AudioError(f"{path}: is not audio that can be read, or its header is damaged") from error
        streams = self._container.streams.audio
        if not streams:
            self._container.close()
            raise AudioError(f"{path}: holds no audio stream")
        self._stream = streams[0]
        self.sample_rate: int = self._stream.codec_context.sample_rate or 0
        self.channels: int = self._stream.codec_context.channels or 0

    def close(self) -> None:
        """Close the file."""
        self._container.close()

    def blocks(self, size: int, first: int, stop: int | None) -> Iterator[NDArray[np.float32]]:
        """Yield the sound in blocks.

        Parameters
        ----------
        size : int
            Samples of a block, about.
        first : int
            Sample to begin with.
        stop : int or None
            Sample to end before; the end of the file if None.

        Yields
        ------
        ndarray, shape=(channels, samples)
            Float32.
        """
        pending: list[NDArray[np.float32]] = []
        held = 0
        for part in _cut(self._frames(first), first, stop):
            pending.append(part)
            held += part.shape[1]
            if held >= size:
                yield np.concatenate(pending, axis=1)
                pending, held = [], 0
        if held:
            yield np.concatenate(pending, axis=1)

    def _frames(self, first: int) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Yield frames with their position in samples, from somewhere before ``first``."""
        resampler = self._av.AudioResampler(
            format="fltp", layout=self._stream.codec_context.layout, rate=self.sample_rate
        )
        position = 0
        try:
            sought = self._seek(first / max(self.sample_rate, 1))
            for frame in self._container.decode(self._stream):
                if sought:
                    position, sought = self._position(frame), False
                for plain in resampler.resample(frame):
                    samples = plain.to_ndarray().astype(np.float32, copy=False)
                    yield position, samples
                    position += samples.shape[1]
        except (self._av.FFmpegError, ValueError) as error:
            raise AudioError(
                f"{self._path}: is damaged after {position / max(self.sample_rate, 1):.1f} s; re-rip or re-export it"
            ) from error
        _check_whole(self._path, position / max(self.sample_rate, 1), self.promised)

    def _seek(self, seconds: float) -> bool:
        """Go to a place before that time, if that spares decoding; tell whether it did."""
        base = self._stream.time_base
        again, self._begun = self._begun, True
        if not base or (seconds < SEEK_FROM and not again):
            return False
        target = int(max(0.0, seconds - SEEK_LEAD) / base) + (self._stream.start_time or 0)
        self._container.seek(target, stream=self._stream)
        return True

    def _position(self, frame: Any) -> int:
        start = self._stream.start_time or 0
        return max(0, round(float((frame.pts or 0) - start) * float(self._stream.time_base) * self.sample_rate))

    @property
    def promised(self) -> float:
        """Length in seconds that the header names; 0 if it names none."""
        if self._stream.duration and self._stream.time_base:
            return float(self._stream.duration * self._stream.time_base)
        return float(self._container.duration or 0) / float(self._av.time_base)


def _check_whole(path: Path, seconds: float, promised: float) -> None:
    missing = promised - seconds
    if missing > MISSING_SECONDS and missing > MISSING_SHARE * promised:
        raise AudioError(f"{path}: is cut off: {seconds:.1f} s of {promised:.1f} s are there; copy or export it again")


def _cut(
    frames: Iterator[tuple[int, NDArray[np.float32]]], first: int, stop: int | None
) -> Iterator[NDArray[np.float32]]:
    """Keep samples ``first`` to ``stop`` of frames that say where they lie."""
    for position, frame in frames:
        low = max(0, first - position)
        high = frame.shape[1] if stop is None else min(frame.shape[1], stop - position)
        if stop is not None and position >= stop:
            return
        if high > low:
            yield frame[:, low:high]
