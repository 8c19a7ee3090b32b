"""Embed recordings at several tempi: what a translation is learned from."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from itertools import repeat
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from ..audio import Audio, check_audible, resample, stretch
from ..data import Failure, Recording, joined
from ..encoders import Encoder, card, load
from ..errors import AudioError, GlissandoError, RecipeError
from ..paths import aside, cache_dir
from .pairs import Pairs, Vectors

FACTORS: NDArray[np.float64] = 2 ** np.linspace(-1, 1, 9)  # of tempo
SECONDS = 30.0  # of a clip, at every factor
SHORTEST = 3.0  # seconds, below which a clip has no tempo

_encoder: Encoder | None = None  # of a worker process


@dataclass(frozen=True)
class TempoPairs:
    """Recordings at several tempi, and those that were left out.

    Parameters
    ----------
    pairs : Pairs
        A clip per recording, in their order.
    recordings : list of Recording
        What the clips are from.
    failed : list of Failure
        Recordings that could not be embedded, and why in one sentence.
    computed : int
        How many were not in the cache.
    """

    pairs: Pairs
    recordings: list[Recording]
    failed: list[Failure] = field(default_factory=list)
    computed: int = 0


def excerpt(recording: Recording, factor: float, *, seconds: float = SECONDS, longest: float = 2.0) -> Audio:
    """Take the middle of a recording at another tempo.

    Parameters
    ----------
    recording : Recording
        With audio.
    factor : float
        New tempo over old, 0.25..4.
    seconds : float
        Of the result, whatever the factor: a faster one comes from a longer excerpt.
    longest : float
        The largest factor for which the recording must suffice; where it is too short, the result is, at all factors.

    Returns
    -------
    Audio
        Mono.

    Raises
    ------
    GlissandoError
        If it can't be read, is silent or too short.
    """
    duration = recording.duration()
    lasting = min(seconds, duration / longest)
    if lasting < SHORTEST:
        raise AudioError(
            f"{recording.key}: is too short ({duration:.1f} s); clips at {longest:g} times the tempo need at least "
            f"{SHORTEST * longest:.0f} s"
        )
    audio = recording.read(*(duration / 2 + side * lasting * factor / 2 for side in (-1, 1)))
    if factor != 1:
        audio = stretch(audio, factor)
    count = round(lasting * audio.sample_rate)
    samples = np.pad(audio.samples, (0, max(0, count - len(audio.samples))))[:count]
    check_audible(recording.key, samples, lasting)
    return Audio(samples, audio.sample_rate)


@torch.inference_mode()
def embed_clip(encoder: Encoder, audio: Audio) -> Vectors:
    """Embed a clip as libraries do: the mean of its frames, of length 1.

    Parameters
    ----------
    encoder : Encoder
        On the CPU.
    audio : Audio
        Mono.

    Returns
    -------
    ndarray, shape=(dim,)
        Unit vector.
    """
    waveform = resample(audio.samples, audio.sample_rate, encoder.card.sample_rate)
    vector: Vectors = F.normalize(encoder.embed(torch.from_numpy(np.array(waveform))[None])[0], dim=0).numpy()
    return vector


def embed_at_tempi(
    recordings: Sequence[Recording],
    encoder: str,
    *,
    factors: NDArray[np.float64] = FACTORS,
    seconds: float = SECONDS,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
    folder: Path | None = None,
) -> TempoPairs:
    """Embed the middle of recordings at several tempi.

    What was embedded is kept, a file per recording, so that a run that was killed goes on.

    Parameters
    ----------
    recordings : sequence of Recording
        With audio.
    encoder : str
        As in `glissando.encoders.names`.
    factors : ndarray, shape=(factors,)
        Tempo over that of the original, 0.25..4; 1 among them.
    seconds : float
        Of a clip at every factor, see `excerpt`.
    workers : int
        Processes. With more than one, a script must guard its entry point, as `multiprocessing` wants it.
    progress : callable, optional
        Called with the number of recordings done, and in all.
    folder : Path, optional
        Where vectors are kept; the user's cache if None.

    Returns
    -------
    TempoPairs
        With a group per set of recordings that belong together; see `glissando.data.joined`.

    Raises
    ------
    ModelError
        If there is no such encoder, or its weights can't be had.
    RecipeError
        If no recording could be embedded, or a process was killed.
    """
    if not np.isclose(factors, 1).any():
        raise ValueError(f"the factor 1 is not among {factors}")
    space = card(encoder).space_id.replace(":", "-")
    kept = (folder or cache_dir() / "tempo-pairs") / space
    failed: dict[int, str] = {}
    paths: dict[int, Path] = {}
    for i, one in enumerate(recordings):
        try:
            paths[i] = kept / f"{_digest(one, factors, seconds)}.npy"
        except GlissandoError as error:
            failed[i] = str(error)
    missing = [i for i, path in paths.items() if not path.exists()]
    for done, (i, reason) in enumerate(_work(recordings, missing, paths, encoder, factors, seconds, workers), start=1):
        if reason is not None:
            failed[i] = reason
        if progress is not None:
            progress(len(recordings) - len(missing) + done, len(recordings))
    held = [i for i in range(len(recordings)) if i not in failed]
    if not held:
        raise RecipeError(f"none of {len(recordings)} recordings could be embedded; the first: {failed[min(failed)]}")
    vectors = np.stack([np.load(paths[i], allow_pickle=False) for i in held])
    chosen = [recordings[i] for i in held]
    failures = [Failure(recordings[i].key, failed[i]) for i in sorted(failed)]
    return TempoPairs(Pairs(vectors, factors, joined(chosen)), chosen, failures, len(missing))


def _digest(recording: Recording, factors: NDArray[np.float64], seconds: float) -> str:
    parts = [recording.fingerprint(), [round(float(factor), 6) for factor in factors], seconds]
    return hashlib.blake2b(json.dumps(parts).encode(), digest_size=16).hexdigest()


def _work(
    recordings: Sequence[Recording],
    missing: Sequence[int],
    paths: dict[int, Path],
    encoder: str,
    factors: NDArray[np.float64],
    seconds: float,
    workers: int,
) -> Iterator[tuple[int, str | None]]:
    """Embed what is missing; give its number, and why it could not be done."""
    if not missing:
        return
    paths[missing[0]].parent.mkdir(parents=True, exist_ok=True)
    loaded = load(encoder)  # (weights are fetched once, and before processes start)
    jobs = (
        [recordings[i].bare() for i in missing], [paths[i] for i in missing], repeat(factors), repeat(seconds)
    )  # fmt: skip
    if workers == 1:
        yield from zip(missing, map(_embed, *jobs, repeat(loaded)), strict=True)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(missing)), context, _begin, (encoder,)) as pool:
        try:
            yield from zip(missing, pool.map(_embed, *jobs), strict=True)
        except BrokenProcessPool as error:
            raise RecipeError(
                "a process that embeds was killed (is there enough memory?); run it again to go on, with fewer workers"
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)


def _begin(encoder: str) -> None:
    global _encoder
    torch.set_num_threads(1)  # (a process a core)
    os.environ["OMP_NUM_THREADS"] = "1"
    _encoder = load(encoder)


def _embed(
    recording: Recording, path: Path, factors: NDArray[np.float64], seconds: float, encoder: Encoder | None = None
) -> str | None:
    """Embed one recording and keep its vectors; say why if that can't be done."""
    encoder = encoder or _encoder
    assert encoder is not None
    longest = float(max(factors))
    try:
        clips = (excerpt(recording, float(factor), seconds=seconds, longest=longest) for factor in factors)
        vectors = np.stack([embed_clip(encoder, clip) for clip in clips])
    except (GlissandoError, ValueError) as error:
        return str(error)
    if not np.allclose(np.linalg.norm(vectors, axis=-1), 1, atol=1e-3):
        return f"{recording.key}: {encoder.card.name} gives no embedding of it at some tempo; it is nearly silent"
    with aside(path) as part, part.open("wb") as out:
        np.save(out, vectors.astype(np.float32), allow_pickle=False)
    return None
