"""Decode files in processes of their own, so that a hostile file can only kill its decoder.

The worker (``python -m glissando.audio.worker``) is told one path at a time and answers in frames: one line of JSON,
then the samples as raw float32. The pipe's own buffer is the back-pressure: nothing is decoded ahead of its use.
Every worker is served by a thread, which also runs the encoders on what comes: tracks side by side keep the cores
busier than one track spread over them.
"""

from __future__ import annotations

import contextlib
import json
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .embedding import Embedded, Embedder

PATIENCE = 120.0  # seconds without a word after which a decoder is taken for hung


@dataclass(frozen=True)
class Message:
    """What a file has come to.

    Parameters
    ----------
    path : str
        The file it is about.
    kind : {"skipped", "heard", "end", "same", "error"}
        What happened; "heard" is progress.
    body : dict
        Details: hashes and tags of the file, ``seconds`` heard, or ``reason``.
    embedded : Embedded, optional
        With "end".
    """

    path: str
    kind: str
    body: dict[str, Any]
    embedded: Embedded | None = None


@dataclass(frozen=True)
class Verdict:
    """What to do with a file.

    Parameters
    ----------
    embedder : Embedder, optional
        What hears it; it is not decoded if None.
    coverage : int
        Segments to sample; the whole file if 0.
    audio_hash : str, optional
        Of the sound that is known, sampled with ``known_coverage``: if it is the same, nothing is embedded.
    known_coverage : int
        See ``audio_hash``.
    """

    embedder: Embedder | None = None
    coverage: int = 0
    audio_hash: str | None = None
    known_coverage: int = 0

    def request(self) -> dict[str, Any]:
        """Say it to a decoder."""
        return {
            "decode": self.embedder is not None,
            "rates": self.embedder.sample_rates if self.embedder else [],
            "coverage": self.coverage,
            "audio_hash": self.audio_hash,
            "known_coverage": self.known_coverage,
        }


class DecoderPool:
    """Several decoder processes behind one stream of messages.

    Parameters
    ----------
    jobs : int
        Number of processes.
    decide : callable
        Given a path and what is known of the file before decoding (content hash, size, times, tags), says whether
        and how to decode it; called from several threads.
    """

    def __init__(self, jobs: int, decide: Callable[[str, dict[str, Any]], Verdict]) -> None:
        self._decide = decide
        self._messages: queue.Queue[Message | Exception | None] = queue.Queue(maxsize=2 * jobs)
        self._workers = [_Worker() for _ in range(jobs)]
        self._stopping = threading.Event()
        self.interrupted = False
        self._paths: Iterator[str] = iter(())
        self._next = threading.Lock()

    def run(self, paths: Iterable[str]) -> Iterator[Message]:
        """Decode files and yield what comes, the files interleaved.

        Parameters
        ----------
        paths : iterable of str
            The files.

        Yields
        ------
        Message
            For every file one of "skipped", "same", "end" or "error" comes last.
        """
        self._paths = iter(paths)
        threads = [threading.Thread(target=self._serve, args=(worker,), daemon=True) for worker in self._workers]
        for thread in threads:
            thread.start()
        open_threads = len(threads)
        try:
            while open_threads and not self.interrupted:
                try:
                    message = self._messages.get(timeout=0.5)
                except queue.Empty:
                    self._kill_hung()
                    continue
                if message is None:
                    open_threads -= 1
                elif isinstance(message, Exception):
                    raise message
                else:
                    yield message
        finally:
            self.close()

    def interrupt(self) -> None:
        """Make `run` end after the present message; may be called from a signal handler."""
        self.interrupted = True

    def close(self) -> None:
        """End all decoders."""
        self._stopping.set()
        for worker in self._workers:
            worker.stop()
        with contextlib.suppress(queue.Empty):  # let blocked threads go
            while True:
                self._messages.get_nowait()

    def _kill_hung(self) -> None:
        for worker in self._workers:
            since = worker.waiting_since
            if since is not None and time.monotonic() - since > PATIENCE:
                worker.hung = True
                worker.stop()

    def _serve(self, worker: _Worker) -> None:
        try:
            while not self._stopping.is_set():
                with self._next:
                    path = next(self._paths, None)
                if path is None:
                    break
                for message in self._one(worker, path):
                    self._put(message)
        except Exception as error:  # not the file's fault: the caller must see it
            self._put(error)
        finally:
            worker.stop()
            self._put(None)

    def _put(self, message: Message | Exception | None) -> None:
        while not self._stopping.is_set():
            with contextlib.suppress(queue.Full):
                self._messages.put(message, timeout=0.5)
                return

    def _one(self, worker: _Worker, path: str) -> Iterator[Message]:
        try:
            worker.send({"path": path})
            known, _ = worker.receive()
            if known["kind"] == "error":
                yield Message(path, "error", known)
                return
            verdict = self._decide(path, known)
            worker.send(verdict.request())
            if verdict.embedder is None:
                yield Message(path, "skipped", known)
                return
            stream = verdict.embedder.stream()
            for body, waveform in worker.answers():
                match body["kind"]:
                    case "piece":
                        stream.begin(body["start"])
                    case "chunk" if waveform is not None:
                        stream.push(body["rate"], waveform)
                        seconds = len(waveform) / body["rate"] / len(verdict.embedder.sample_rates)
                        yield Message(path, "heard", {"seconds": seconds})
                    case "end":
                        yield Message(
                            path,
                            "end",
                            {**known, **body, "coverage": verdict.coverage},
                            stream.finish(body["duration"]),
                        )
                    case kind:
                        yield Message(path, kind, {**known, **body})
        except (OSError, EOFError, json.JSONDecodeError):
            code = worker.stop()
            reason = "the decoder hung" if worker.hung else f"the decoder crashed (exit code {code})"
            if not self._stopping.is_set():
                yield Message(path, "error", {"reason": f"{path}: {reason} on this file; it was left out"})


class _Worker:
    """One decoder process, started when first needed and again after a crash."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self.waiting_since: float | None = None
        self.hung = False

    def send(self, message: dict[str, Any]) -> None:
        if self._process is None:
            self.hung = False
            self._process = subprocess.Popen(
                [sys.executable, "-m", "glissando.audio.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is for the main process alone
            )
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(message).encode() + b"\n")
        self._process.stdin.flush()

    def receive(self) -> tuple[dict[str, Any], NDArray[np.float32] | None]:
        process = self._process
        if process is None or process.stdout is None:
            raise EOFError
        self.waiting_since = time.monotonic()
        try:
            line = process.stdout.readline()
            if not line:
                raise EOFError
            body = json.loads(line)
            count = body.get("samples")
            if count is None:
                return body, None
            payload = process.stdout.read(4 * count)
            if len(payload) != 4 * count:
                raise EOFError
            return body, np.frombuffer(payload, np.float32)
        finally:
            self.waiting_since = None

    def answers(self) -> Iterator[tuple[dict[str, Any], NDArray[np.float32] | None]]:
        """Receive all about one file."""
        while True:
            body, payload = self.receive()
            yield body, payload
            if body["kind"] not in ("piece", "chunk"):
                return

    def stop(self) -> int | None:
        process, self._process = self._process, None
        if process is None:
            return None
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.02)  # one that ended by itself has a code to tell
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError, ValueError):
                    pipe.close()
        return process.returncode
