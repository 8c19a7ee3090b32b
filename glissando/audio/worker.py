"""The decoder process: told a path, tells what it holds. Loads no network and no torch."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ..errors import AudioError
from .metadata import read_tags
from .reading import AudioStream, check_audible
from .resampling import StreamResampler

CHUNK = 60.0  # seconds sent at once

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
        if verdict.get("audio_hash") and _audio_hash(path) == verdict["audio_hash"]:
            send("same")
            return
        _decode(path, verdict["rates"], send)
    except AudioError as error:
        send("error", reason=str(error))
    except MemoryError:
        send("error", reason=f"{path}: needs more memory than there is")
    except Exception as error:  # whatever a stranger's file does to a library, the run goes on
        send("error", reason=f"{path}: can't be decoded ({type(error).__name__}: {error})")


def _audio_hash(path: Path) -> str:
    """Hash of the decoded sound alone: the same after retagging."""
    digest = hashlib.blake2b(digest_size=16)
    with AudioStream(path) as stream:
        for block in stream.mono(seconds=CHUNK):
            digest.update(block.tobytes())
    return digest.hexdigest()


def _decode(path: Path, rates: list[int], send: Send) -> None:
    digest = hashlib.blake2b(digest_size=16)
    low, high, samples = np.inf, -np.inf, 0
    with AudioStream(path) as stream:
        resamplers = {rate: StreamResampler(stream.sample_rate, rate) for rate in rates}
        for block in stream.mono(seconds=CHUNK):
            if len(block):
                digest.update(block.tobytes())
                low, high, samples = min(low, float(block.min())), max(high, float(block.max())), samples + len(block)
            for rate, resampler in resamplers.items():
                send("chunk", resampler.push(block), rate=rate)
        rate_in, channels = stream.sample_rate, stream.channels
    check_audible(str(path), np.array([low, high], np.float32), samples / rate_in)
    for rate, resampler in resamplers.items():
        send("chunk", resampler.finish(), rate=rate)
    send("end", duration=samples / rate_in, sample_rate=rate_in, channels=channels, audio_hash=digest.hexdigest())


if __name__ == "__main__":
    main()
