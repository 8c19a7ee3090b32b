"""Bring a library up to date with folders of music: new, changed, moved, retagged and removed files."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .columns import quote
from .decoding import DecoderPool, Message, Verdict
from .embedding import Embedded, Embedder
from .known import Known, gone_tracks, known_tracks
from .rows import OF_TRACK, key_columns, labels, new_rows, tempo_columns
from .scan import find_audio
from .store import Store

FLUSH_TRACKS, FLUSH_SECONDS = 32, 15.0  # what a killed run loses at most
DEFAULT_COVERAGE = 0  # the whole recording
STATUS = ("content_hash", "size", "mtime_ns", "ctime_ns")
LISTS = ("tempo_candidates", "labels")  # columns of lists that are no vectors
TAGS = ("artist", "album", "title", "year")


@dataclass(frozen=True)
class Failure:
    """A file that was left out, and why in one sentence."""

    path: str
    reason: str


@dataclass
class IngestReport:
    """What a run did.

    Parameters
    ----------
    added, changed, moved, retagged, copied, unchanged, removed : int
        Number of tracks; "changed" includes tracks that got a new block, "copied" are further copies of known files.
    failed : list of Failure
        Files that were left out.
    interrupted : bool
        Stopped by Ctrl-C before the end; what was done is kept.
    seconds, audio_seconds : float
        Duration of the run, and of the audio that went through the encoders.
    indexing : bool
        A process in the background builds the search index now.
    """

    added: int = 0
    changed: int = 0
    moved: int = 0
    retagged: int = 0
    copied: int = 0
    unchanged: int = 0
    removed: int = 0
    failed: list[Failure] = field(default_factory=list)
    interrupted: bool = False
    seconds: float = 0.0
    audio_seconds: float = 0.0
    indexing: bool = False


@dataclass(frozen=True)
class Progress:
    """How far a run is.

    Parameters
    ----------
    done, total : int
        Files.
    done_bytes, total_bytes : int
        Their sizes: what the remaining time is told from.
    audio_seconds : float
        Audio that went through the encoders so far.
    path : str
        The file at work.
    """

    done: int
    total: int
    done_bytes: int
    total_bytes: int
    audio_seconds: float
    path: str


def ingest(
    store: Store,
    embedder: Embedder,
    roots: Sequence[str | Path],
    *,
    jobs: int,
    coverage: int | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> IngestReport:
    """Bring a library up to date with files and folders.

    Parameters
    ----------
    store : Store
        The library's tables.
    embedder : Embedder
        An encoder for every block to fill.
    roots : sequence of str or Path
        Files and folders.
    jobs : int
        CPU cores to use.
    coverage : int, optional
        Segments of 15 s to hear of every track, spread over it; 0 hears all of it, and tracks that were heard less
        are done again. If None, new tracks are heard as most others were.
    on_progress : callable, optional
        Told after every finished file, and every minute of audio within one.

    Returns
    -------
    IngestReport
        What was done.

    Raises
    ------
    LibraryError
        If another process writes, a root is missing, or a folder has lost all its tracks.
    """
    with store.writing():
        store.remove_orphans()
        return _Run(store, embedder, roots, coverage, on_progress).run(jobs)


class _Run:
    def __init__(
        self,
        store: Store,
        embedder: Embedder,
        roots: Sequence[str | Path],
        coverage: int | None,
        on_progress: Callable[[Progress], None] | None,
    ) -> None:
        self.store, self.embedder, self.on_progress = store, embedder, on_progress
        self.report = IngestReport()
        self.known = known_tracks(store, list(embedder.encoders))
        self.coverage = coverage
        self.usual = Counter(known.coverage for known in self.known.values() if not known.path.startswith("array://"))
        files = find_audio(roots)
        self.gone = gone_tracks(self.known.values(), files, roots)
        self.todo: dict[str, int] = {}
        for file in files:
            try:
                status = file.stat()
            except OSError:
                status = None
            known = self.known.get(str(file))
            if (
                status
                and known
                and self._complete(known)
                and known.status == (status.st_size, status.st_mtime_ns, status.st_ctime_ns)
            ):
                self.report.unchanged += 1
            else:
                self.todo[str(file)] = status.st_size if status else 0
        # Rows that this run will not replace: their vectors can be given to other files of the same content.
        steady = [known for known in self.known.values() if known.path not in self.todo and self._complete(known)]
        self.originals = {known.content_hash: known for known in steady}
        self.moves = {known.content_hash: known for known in steady if not Path(known.path).exists()}
        self.verdicts: dict[str, tuple[str, Known | None]] = {}
        self.underway: defaultdict[str, float] = defaultdict(float)  # seconds heard of unfinished files
        self.tracks: list[dict[str, Any]] = []
        self.segments: list[dict[str, Any]] = []
        self.updates: defaultdict[tuple[str, tuple[str, ...]], list[dict[str, Any]]] = defaultdict(list)
        self.flushed = time.monotonic()
        self.done = self.done_bytes = 0
        self.total_bytes = sum(self.todo.values())

    def run(self, jobs: int) -> IngestReport:
        started = time.monotonic()
        workers = max(1, min(jobs, len(self.todo)))
        pool = DecoderPool(workers, self._decide)
        try:
            with _on_interrupt(pool.interrupt), _torch_threads(max(1, jobs // workers)):
                for message in pool.run(self.todo):
                    self._take(message)
                    if len(self.tracks) >= FLUSH_TRACKS or time.monotonic() - self.flushed > FLUSH_SECONDS:
                        self._flush()
                self._flush()
                self.report.interrupted = pool.interrupted
                if not self.report.interrupted:
                    self._remove_gone()
                if self.done or self.report.removed:
                    self.store.optimize()
        finally:
            pool.close()
        self.report.seconds = time.monotonic() - started
        return self.report

    def _remove_gone(self) -> None:
        moved = {known.id for kind, known in self.verdicts.values() if kind == "moved" and known}
        removed = [known.id for known in self.gone if known.id not in moved]
        self.store.delete(removed)
        self.report.removed = len(removed)

    def _complete(self, known: Known) -> bool:
        """Tell whether a track has all its vectors, from as much of the recording as is wanted."""
        shallow = self.coverage is not None and known.coverage != 0 and not 0 < self.coverage <= known.coverage
        return not known.missing and not shallow

    def _decide(self, path: str, file: Mapping[str, Any]) -> Verdict:
        """Called before a file is decoded, from the decoders' threads."""
        digest = file["content_hash"]
        known = self.known.get(path)
        if known is None and (moved := self.moves.pop(digest, None)):
            self.verdicts[path] = "moved", moved
            return Verdict()
        if known is None and digest in self.originals:
            self.verdicts[path] = "copied", self.originals[digest]
            return Verdict()
        if known is None:
            self.verdicts[path] = "added", None
            usual = self.usual.most_common(1)
            return Verdict(self.embedder, self._wanted(usual[0][0] if usual else DEFAULT_COVERAGE))
        if known.content_hash == digest and self._complete(known):
            self.verdicts[path] = "touched", known
            return Verdict()
        if known.content_hash == digest and self._complete(replace(known, missing=())):
            self.verdicts[path] = "filled", known
            missing = {block: self.embedder.encoders[block] for block in known.missing}
            return Verdict(Embedder(missing, tagger=self.embedder.tagger), known.coverage)
        self.verdicts[path] = "changed", known
        hashed = known.audio_hash if self._complete(known) else None
        return Verdict(self.embedder, self._wanted(known.coverage), hashed, known.coverage)

    def _wanted(self, otherwise: int) -> int:
        return otherwise if self.coverage is None else self.coverage

    def _take(self, message: Message) -> None:
        path, body = message.path, message.body
        match message.kind:
            case "heard":
                self.underway[path] += body["seconds"]
                self._tell(path)
                return
            case "error":
                self.report.failed.append(Failure(path, body["reason"]))
            case "skipped":
                self._skip(path, body)
            case "same":
                _, known = self.verdicts[path]
                assert known is not None
                self._update("tracks", {"id": known.id, **_pick(body, STATUS), **_pick(body, TAGS)})
                self._update("segments", {"track_id": known.id, "artist": body["artist"]})
                self.report.retagged += 1
            case "end":
                assert message.embedded is not None
                self._finish(path, body, message.embedded)
        self.underway.pop(path, None)
        self.done, self.done_bytes = self.done + 1, self.done_bytes + self.todo[path]
        self._tell(path)

    def _tell(self, path: str) -> None:
        if self.on_progress:
            seconds = self.report.audio_seconds + sum(self.underway.values())
            self.on_progress(Progress(self.done, len(self.todo), self.done_bytes, self.total_bytes, seconds, path))

    def _skip(self, path: str, body: Mapping[str, Any]) -> None:
        kind, known = self.verdicts[path]
        assert known is not None
        if kind == "copied":
            self._copy(known, path, body)
            self.report.copied += 1
            return
        self._update("tracks", {"id": known.id, "path": path, **_pick(body, STATUS)})
        if kind == "moved":
            self.report.moved += 1
        else:
            self.report.unchanged += 1

    def _copy(self, known: Known, path: str, body: Mapping[str, Any]) -> None:
        track_columns = self.store.tracks.schema.names
        (track,) = _vector_rows(self.store.rows("tracks", track_columns, f"id = {quote(known.id)}"))
        segments = _vector_rows(
            self.store.rows("segments", self.store.segments.schema.names, f"track_id = {quote(known.id)}")
        )
        new = uuid.uuid4().hex
        self._add(
            {**track, "id": new, "path": path, **_pick(body, STATUS)},
            [{**row, "id": f"{new}:{i}", "track_id": new} for i, row in enumerate(segments)],
        )

    def _finish(self, path: str, body: Mapping[str, Any], embedded: Embedded) -> None:
        self.report.audio_seconds += embedded.duration
        kind, known = self.verdicts[path]
        if kind == "filled" and known:
            self._fill(known.id, embedded)
            self.report.changed += 1
            return
        facts = {"path": path, **_pick(body, ("audio_hash", "duration", "sample_rate", "coverage", *STATUS, *TAGS))}
        self._add(*new_rows(self.store, embedded, facts))
        if kind == "changed":
            self.report.changed += 1
        else:
            self.report.added += 1

    def _fill(self, track_id: str, embedded: Embedded) -> None:
        """Give a track its vectors in blocks that are new."""
        present = [block for block in self.store.blocks() if block not in embedded.vectors]
        row = _vector_rows(self.store.rows("tracks", present, f"id = {quote(track_id)}"))[0]
        extra: dict[str, Any] = {}
        if embedded.tags is not None:
            extra |= {"tags": embedded.tags, "labels": labels(embedded.tags, self.store.tag_names())}
        if embedded.tempo is not None:
            extra |= tempo_columns(embedded)
        if embedded.key is not None:
            extra |= key_columns(embedded)
        joint = self.store.joint({**row, **embedded.vectors})
        self._update("tracks", {"id": track_id, **embedded.vectors, **extra, "joint": joint})
        found = self.store.rows("segments", ["id", "start", *present], f"track_id = {quote(track_id)}").sort_by("start")
        repeated = {name: value for name, value in extra.items() if name in OF_TRACK}
        for i, segment in enumerate(_vector_rows(found)[: len(embedded.segments)]):
            vectors = {block: values[i] for block, values in embedded.segment_vectors.items()}
            joint = self.store.joint({**segment, **vectors})
            self._update("segments", {"id": segment["id"], **vectors, **repeated, "joint": joint})

    def _add(self, track: dict[str, Any], segments: list[dict[str, Any]]) -> None:
        self.tracks.append(track)
        self.segments.extend(segments)

    def _update(self, table: str, row: dict[str, Any]) -> None:
        """Change columns of a row with the next flush, together with the rows of the same columns."""
        self.updates[table, tuple(row)].append(row)

    def _flush(self) -> None:
        self.store.put(self.tracks, self.segments)
        for table, columns in sorted(self.updates):  # segments first: a track with a block has segments with it
            self.store.update(table, self.updates[table, columns], key=columns[0])
        self.tracks, self.segments = [], []
        self.updates.clear()
        self.flushed = time.monotonic()


@contextlib.contextmanager
def _torch_threads(count: int) -> Iterator[None]:
    """Threads of every encoder, for a while."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextlib.contextmanager
def _on_interrupt(stop: Callable[[], None]) -> Iterator[None]:
    """Turn the first Ctrl-C into a call, so that none falls between two writes; the second one is as usual."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGINT)

    def handle(number: int, frame: object) -> None:
        signal.signal(signal.SIGINT, before)
        stop()

    signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _pick(mapping: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: mapping[name] for name in names}


def _vector_rows(table: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = table.to_pylist()
    return [
        {k: np.asarray(v, np.float32) if isinstance(v, list) and k not in LISTS else v for k, v in row.items()}
        for row in rows
    ]
