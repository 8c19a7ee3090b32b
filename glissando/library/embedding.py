"""Several encoders over one recording: vectors of the track and of its segments, tags, tempo, key."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ..audio import SEGMENT, AudioStream, StreamResampler, check_audible
from ..encoders import Encoder, StreamFramer, card, load
from ..errors import LibraryError
from ..features import KeyEstimate, TempoEstimate, estimate_key, estimate_tempo, peak_tempo
from .store import Store

BATCH = 32  # windows at once: bounded memory, and larger gains nothing on a CPU
MEANS = {"tags", "beats", "autocorrelation", "chroma"}  # outputs of encoders that count for a recording as a whole

Vectors = NDArray[np.float32]


def unit(vectors: Vectors) -> Vectors:
    """Scale vectors to length 1; zeros stay zeros.

    Parameters
    ----------
    vectors : ndarray, shape=(..., dim)
        Any vectors.

    Returns
    -------
    ndarray, shape=(..., dim)
        Unit vectors.
    """
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return (vectors / np.where(length > 1e-9, length, 1)).astype(np.float32)


def segment_bounds(duration: float) -> list[tuple[float, float]]:
    """Cut a recording into segments of 15 s; a rest below 7.5 s joins the one before.

    Parameters
    ----------
    duration : float
        In seconds.

    Returns
    -------
    list of (float, float)
        Start and end in seconds.
    """
    count = max(1, round(duration / SEGMENT))
    return [(i * SEGMENT, duration if i == count - 1 else (i + 1) * SEGMENT) for i in range(count)]


@dataclass(frozen=True)
class Embedded:
    """What the encoders say of one recording.

    Parameters
    ----------
    duration : float
        In seconds.
    vectors : dict of str to ndarray
        Block to unit vector, shape=(dim,).
    segments : list of (float, float)
        Start and end in seconds.
    segment_vectors : dict of str to ndarray
        Block to unit vectors, shape=(segments, dim).
    frames : dict of str to (ndarray, ndarray)
        Block to the times in seconds and the embeddings before pooling.
    tags : ndarray, shape=(tags,), optional
        Mean tag probabilities.
    tempo : TempoEstimate, optional
        If one of the encoders hears rhythm.
    key : KeyEstimate, optional
        If one of the encoders hears pitch classes.
    """

    duration: float
    vectors: dict[str, Vectors]
    segments: list[tuple[float, float]]
    segment_vectors: dict[str, Vectors]
    frames: dict[str, tuple[NDArray[np.float64], Vectors]] = field(repr=False)
    tags: Vectors | None = None
    tempo: TempoEstimate | None = None
    key: KeyEstimate | None = None


class Embedder:
    """Encoders by block, and the device they run on.

    Parameters
    ----------
    encoders : mapping of str to Encoder
        Block to encoder.
    tagger : str, optional
        Block whose tags count; the first that has any if None.
    """

    def __init__(self, encoders: Mapping[str, Encoder], *, tagger: str | None = None) -> None:
        self.encoders = dict(encoders)
        tagging = (block for block, encoder in self.encoders.items() if encoder.card.tag_names)
        self.tagger = tagger if tagger is not None else next(tagging, None)

    @property
    def sample_rates(self) -> list[int]:
        """Rates in Hz at which the encoders want the waveform."""
        return sorted({encoder.card.sample_rate for encoder in self.encoders.values()})

    def stream(self) -> EmbedStream:
        """Begin one recording.

        Returns
        -------
        EmbedStream
            Takes the waveform piece by piece.
        """
        return EmbedStream(self.encoders, self.tagger)

    def embed(self, waveforms: Mapping[int, NDArray[np.float32]]) -> Embedded:
        """Embed a recording that is in memory.

        Parameters
        ----------
        waveforms : mapping of int to ndarray
            Rate in Hz to mono waveform, for every rate in ``sample_rates``.

        Returns
        -------
        Embedded
            The vectors.
        """
        stream = self.stream()
        for rate, waveform in waveforms.items():
            stream.push(rate, waveform)
        rate, waveform = next(iter(waveforms.items()))
        return stream.finish(len(waveform) / rate)


class EmbedStream:
    """One recording on its way through the encoders, whole or as a sample of pieces.

    Parameters
    ----------
    encoders : mapping of str to Encoder
        Block to encoder.
    tagger : str or None
        Block whose tags count.
    """

    def __init__(self, encoders: Mapping[str, Encoder], tagger: str | None) -> None:
        self._encoders, self._tagger = encoders, tagger
        self._pieces: list[_Piece] = []
        self._sums: dict[str, tuple[NDArray[np.float64], int]] = {}  # of what is in MEANS, over how many

    def begin(self, start: float) -> None:
        """Begin a piece; without it, one piece is the whole recording.

        Parameters
        ----------
        start : float
            Where it lies in the recording, in seconds.
        """
        self._end_piece()
        framers = {block: StreamFramer(encoder.framing) for block, encoder in self._encoders.items()}
        self._pieces.append(_Piece(start, framers, {block: bytearray() for block in self._encoders}))

    def push(self, sample_rate: int, waveform: NDArray[np.float32]) -> None:
        """Take the next part of the piece; runs the network on the windows that are complete.

        Parameters
        ----------
        sample_rate : int
            In Hz; feeds the encoders that want this rate.
        waveform : ndarray, shape=(samples,)
            Mono.
        """
        if not self._pieces:
            self.begin(0.0)
        piece = self._pieces[-1]
        for block, encoder in self._encoders.items():
            if encoder.card.sample_rate == sample_rate:
                piece.seconds[block] = piece.seconds.get(block, 0.0) + len(waveform) / sample_rate
                self._encode(block, encoder, piece.framers[block].push(waveform))

    def finish(self, duration: float) -> Embedded:
        """Pool everything.

        Parameters
        ----------
        duration : float
            Of the recording in seconds.

        Returns
        -------
        Embedded
            The vectors.
        """
        self._end_piece()
        whole = len(self._pieces) == 1 and self._pieces[0].start == 0
        bounds: list[tuple[float, float]] = []
        segments: dict[str, list[Vectors]] = {block: [] for block in self._encoders}
        frames: dict[str, list[tuple[NDArray[np.float64], Vectors]]] = {block: [] for block in self._encoders}
        for piece in self._pieces:
            inner = segment_bounds(duration if whole else max(piece.seconds.values()))
            bounds += [(piece.start + start, piece.start + end) for start, end in inner]
            for block, encoder in self._encoders.items():
                values = np.frombuffer(piece.embeddings[block], np.float32).reshape(-1, encoder.card.dim)
                times = encoder.times(len(values))
                segments[block].append(_pool_segments(times, values, inner))
                frames[block].append((times + piece.start, values))
        joined = {
            block: (np.concatenate([times for times, _ in pairs]), np.concatenate([values for _, values in pairs]))
            for block, pairs in frames.items()
        }
        return Embedded(
            duration=duration,
            vectors={block: unit(values.mean(0)) for block, (_, values) in joined.items()},
            segments=bounds,
            segment_vectors={block: unit(np.concatenate(values)) for block, values in segments.items()},
            frames=joined,
            tags=self._mean("tags"),
            tempo=self._tempo(),
            key=None if (mean := self._mean("chroma")) is None else estimate_key(mean),
        )

    def _tempo(self) -> TempoEstimate | None:
        if (beats := self._mean("beats")) is not None:
            return peak_tempo(beats.astype(np.float64)) if beats.any() else None
        similar = self._mean("autocorrelation")
        return None if similar is None else estimate_tempo(similar)

    def _mean(self, name: str) -> Vectors | None:
        if name not in self._sums:
            return None
        total, count = self._sums[name]
        return (total / count).astype(np.float32)

    def _end_piece(self) -> None:
        if self._pieces:
            for block, encoder in self._encoders.items():
                self._encode(block, encoder, self._pieces[-1].framers[block].finish())

    @torch.inference_mode()
    def _encode(self, block: str, encoder: Encoder, windows: NDArray[np.float32]) -> None:
        device = next((tensor.device for tensor in [*encoder.parameters(), *encoder.buffers()]), torch.device("cpu"))
        for first in range(0, len(windows), BATCH):
            batch = torch.from_numpy(np.array(windows[first : first + BATCH])).to(device)
            outputs = encoder.encode(batch)
            # (Bytes in one piece and sums: many small arrays, kept among large ones that go, would scatter the heap.)
            self._pieces[-1].embeddings[block] += outputs["embedding"].float().cpu().numpy().tobytes()
            for name in MEANS & outputs.keys():
                if name != "tags" or block == self._tagger:
                    values = outputs[name].double().cpu().numpy()
                    total, count = self._sums.get(name, (0.0, 0))
                    self._sums[name] = (total + values.sum(0), count + len(values))


@dataclass
class _Piece:
    """A part of a recording without gaps."""

    start: float
    framers: dict[str, StreamFramer]
    embeddings: dict[str, bytearray]  # float32 vectors, one after the other
    seconds: dict[str, float] = field(default_factory=dict)  # heard, by block


def _pool_segments(times: NDArray[np.float64], values: Vectors, bounds: list[tuple[float, float]]) -> Vectors:
    """Mean of the frames whose centre lies in each segment, or the nearest frame where there is none."""
    pooled = []
    for start, end in bounds:
        inside = (times >= start) & (times < end)
        nearest = np.abs(times - (start + end) / 2).argmin()
        pooled.append(values[inside].mean(0) if inside.any() else values[nearest])
    return np.stack(pooled)


def embed_file(path: str | Path, embedder: Embedder, *, start: float = 0.0, end: float | None = None) -> Embedded:
    """Embed an audio file, or a range of it, block by block.

    Parameters
    ----------
    path : str or Path
        The file.
    embedder : Embedder
        The encoders.
    start, end : float, optional
        Range in seconds.

    Returns
    -------
    Embedded
        The vectors.

    Raises
    ------
    AudioError
        If it can't be read, is silent or too short.
    """
    stream = embedder.stream()
    low, high, samples = np.inf, -np.inf, 0
    with AudioStream(path) as source:
        resamplers = {rate: StreamResampler(source.sample_rate, rate) for rate in embedder.sample_rates}
        for block in source.mono(start=start, end=end):
            if len(block):
                low, high, samples = min(low, float(block.min())), max(high, float(block.max())), samples + len(block)
            for rate, resampler in resamplers.items():
                stream.push(rate, resampler.push(block))
        duration = samples / source.sample_rate
    check_audible(str(path), np.array([low, high], np.float32), duration)
    for rate, resampler in resamplers.items():
        stream.push(rate, resampler.finish())
    return stream.finish(duration)


def load_embedder(
    store: Store, loaded: dict[str, Encoder], names: Iterable[str] | None, *, device: str = "cpu"
) -> Embedder:
    """Load the encoders of a library.

    Parameters
    ----------
    store : Store
        The library's tables.
    loaded : dict of str to Encoder
        Those there already; gets the others.
    names : iterable of str, optional
        Only these blocks; all that have an encoder if None.
    device : str
        Where the encoders run.

    Returns
    -------
    Embedder
        The encoders by block.

    Raises
    ------
    LibraryError
        If an encoder of today would write into another space than the library's.
    """
    chosen = {}
    for name, block in store.blocks().items():
        if block.encoder is None or (names is not None and name not in names):
            continue
        if card(block.encoder).space_id != block.space_id:
            raise LibraryError(
                f"block {name!r} lies in the space {block.space_id}, but {block.encoder} now makes "
                f"{card(block.encoder).space_id}; index into a new library, vectors of two spaces are never mixed"
            )
        if block.encoder not in loaded:
            loaded[block.encoder] = load(block.encoder, device=device)
        chosen[name] = loaded[block.encoder]
    return Embedder(chosen, tagger=next((name for name, block in store.blocks().items() if block.tag_names), None))
