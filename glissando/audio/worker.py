"""The decoder process: told a path, tells what it holds. Loads no network and no torch."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ..errors import AudioError
from .metadata import read_tags
from .reading import SEGMENT, AudioStream, check_audible
from .resampling import StreamResampler

CHUNK = 60.0  # seconds sent at once
SHORTFALL = 0.5  # seconds that a piece may lack

Send = Callable[..., None]


def main() -> None:
    """Serve requests until standard input ends."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print must not get between the frames

    def _send(kind: str, waveform: NDArray[np.float32] | None = None, **body: Any) -> None:
        """Write one frame."""
        body["kind"] = kind
        if waveform is not None:
            body["samples"] = len(waveform)
        out.write(json.dumps(body).encode() + b"\n")
        if waveform is not None:
            out.write(np.ascontiguousarray(waveform, np.float32).tobytes())
        out.flush()

    for line in sys.stdin.buffer:
        _serve(Path(json.loads(line)["path"]), sys.stdin.buffer, _send)


def _serve(path: Path, requests: BinaryIO, send: Send) -> None:
    try:
        status = path.stat()
        with path.open("rb") as handle:
            digest = hashlib.file_digest(handle, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
    except OSError as error:
        send("error", reason=f"{path}: can't be opened ({error.strerror})")
        return
    tags = read_tags(path)
    send(
        "file",
        content_hash=digest,
        size=status.st_size,
        mtime_ns=status.st_mtime_ns,
        ctime_ns=status.st_ctime_ns,
        artist=tags.artist,
        album=tags.album,
        title=tags.title,
        year=tags.year,
    )
    verdict = json.loads(requests.readline())
    if not verdict["decode"]:
        return
    try:
        if verdict.get("audio_hash") and _audio_hash(path, verdict["known_coverage"]) == verdict["audio_hash"]:
            send("same")
            return
        _decode(path, verdict["rates"], verdict["coverage"], send)
    except AudioError as error:
        send("error", reason=str(error))
    except MemoryError:
        send("error", reason=f"{path}: needs more memory than there is")
    except Exception as error:  # whatever a stranger's file does to a library, the run goes on
        send("error", reason=f"{path}: can't be decoded ({type(error).__name__}: {error})")


def _pieces(stream: AudioStream, coverage: int) -> list[tuple[float, float | None]]:
    """Ranges in seconds to decode: the whole file, or segments spread evenly over it."""
    total = round(stream.promised / SEGMENT)
    if not coverage or total <= coverage:
        return [(0.0, None)]
    chosen = [int((i + 0.5) * total / coverage) for i in range(coverage)]
    return [(i * SEGMENT, min((i + 1) * SEGMENT, stream.promised)) for i in chosen]


class _Heard:
    """What was decoded so far: hash of the sound alone (the same after retagging), extremes, length."""

    def __init__(self) -> None:
        self._digest = hashlib.blake2b(digest_size=16)
        self._low, self._high, self.seconds = np.inf, -np.inf, 0.0

    def blocks(self, stream: AudioStream, start: float, end: float | None) -> Iterator[NDArray[np.float32]]:
        seconds = 0.0
        for block in stream.mono(seconds=CHUNK, start=start, end=end):
            if len(block):
                self._digest.update(np.ascontiguousarray(block).data)
                self._low, self._high = min(self._low, float(block.min())), max(self._high, float(block.max()))
                seconds += len(block) / stream.sample_rate
            yield block
        self.seconds += seconds
        if end is not None and end - start - seconds > SHORTFALL:
            raise AudioError(
                f"{stream.path}: is cut off: {start + seconds:.1f} s of {stream.promised:.1f} s are there; "
                "copy or export it again"
            )

    def hash(self) -> str:
        return self._digest.hexdigest()

    def check(self, path: Path, sampled: bool) -> None:
        try:
            check_audible(str(path), np.array([self._low, self._high], np.float32), self.seconds)
        except AudioError as error:
            raise AudioError(f"{error}, at least where it was sampled" if sampled else str(error)) from None


def _audio_hash(path: Path, coverage: int) -> str:
    heard = _Heard()
    with AudioStream(path) as stream:
        for start, end in _pieces(stream, coverage):
            for _ in heard.blocks(stream, start, end):
                pass
    return heard.hash()


def _decode(path: Path, rates: list[int], coverage: int, send: Send) -> None:
    heard = _Heard()
    with AudioStream(path) as stream:
        pieces = _pieces(stream, coverage)
        for start, end in pieces:
            send("piece", start=start)
            resamplers = {rate: StreamResampler(stream.sample_rate, rate) for rate in rates}
            for block in heard.blocks(stream, start, end):
                for rate, resampler in resamplers.items():
                    send("chunk", resampler.push(block), rate=rate)
            if end is None:
                heard.check(path, sampled=False)
            for rate, resampler in resamplers.items():
                send("chunk", resampler.finish(), rate=rate)
        sampled = pieces[0][1] is not None
        heard.check(path, sampled)
        duration = stream.promised if sampled else heard.seconds
        rate_in, channels = stream.sample_rate, stream.channels
    send("end", duration=duration, sample_rate=rate_in, channels=channels, audio_hash=heard.hash())


if __name__ == "__main__":
    main()
