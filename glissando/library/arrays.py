"""Audio from memory in a library: there is no file of it to decode or to look for."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..audio import Audio, as_mono, check_audible, resample
from .embedding import Embedded, Embedder
from .ingest import IngestReport
from .rows import Row, new_rows
from .store import Store


def array_hash(audio: Audio) -> str:
    """Hash audio from memory.

    Parameters
    ----------
    audio : Audio
        Samples.

    Returns
    -------
    str
        Hexadecimal.
    """
    return hashlib.blake2b(np.ascontiguousarray(audio.samples).tobytes(), digest_size=16).hexdigest()


def embed_array(audio: Audio, embedder: Embedder, *, name: str) -> Embedded:
    """Embed audio from memory.

    Parameters
    ----------
    audio : Audio
        Samples.
    embedder : Embedder
        The encoders.
    name : str
        What to call it in an error.

    Returns
    -------
    Embedded
        Vectors, tags, tempo, key.

    Raises
    ------
    AudioError
        If it is no audio, or too short or silent.
    """
    waveform = as_mono(audio.samples, audio.sample_rate, name=name)
    check_audible(name, waveform, duration := len(waveform) / audio.sample_rate)
    embedded = embedder.embed({rate: resample(waveform, audio.sample_rate, rate) for rate in embedder.sample_rates})
    return replace(embedded, duration=duration)


def put_arrays(
    store: Store, embedder: Embedder, arrays: Sequence[Audio], names: Sequence[str], report: IngestReport
) -> None:
    """Embed audio from memory and write it as tracks.

    Parameters
    ----------
    store : Store
        Of the library.
    embedder : Embedder
        Its encoders.
    arrays : sequence of Audio
        Samples.
    names : sequence of str
        One each; their paths are ``array://NAME``.
    report : IngestReport
        Told of them.
    """
    tracks, segments = [], []
    for audio, name in zip(arrays, names, strict=True):
        track, parts = new_rows(store, embed_array(audio, embedder, name=name), _facts(audio, name))
        tracks.append(track)
        segments += parts
        report.added += 1
        report.audio_seconds += audio.duration
    with store.writing():
        store.put(tracks, segments)


def _facts(audio: Audio, name: str) -> Row:
    digest = array_hash(audio)
    return {
        **dict.fromkeys(("artist", "album", "year", "size", "mtime_ns", "ctime_ns")),
        "path": f"array://{name}",
        "title": name,
        "content_hash": digest,
        "audio_hash": digest,
        "duration": audio.duration,
        "coverage": 0,
        "sample_rate": audio.sample_rate,
    }
