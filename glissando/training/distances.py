"""Generated audio beside real audio: recordings through any encoder, then the metrics of `glissando.metrics`."""

from __future__ import annotations

import math
import warnings
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from ..audio import resample
from ..data import Failure, Recording
from ..errors import GlissandoError, ModelError, RecipeError
from ..metrics import (
    Gaussian,
    Memorisation,
    frechet_at_infinity,
    halves,
    inception_score,
    kernel_distance,
    manifold_scores,
    memorisation,
)
from ..paths import aside, cache_dir
from ..tasks import GlobalLabels
from .embeddings import VERSION, Listener, Told, Vectors
from .runs import Run

DRAWS = 30  # random halves
Array = NDArray[np.float64]


class Metric(NamedTuple):
    """How many sounds a metric needs, halves of which it can still be computed from, and between what it lies."""

    least: int
    lowest: float = -math.inf
    highest: float = math.inf


METRICS = {
    "fad": Metric(4, 0),
    "fad-inf": Metric(4),
    "kid": Metric(4),
    "is": Metric(4, 1),
    "precision": Metric(12, 0, 1),
    "recall": Metric(12, 0, 1),
    "density": Metric(12, 0),
    "coverage": Metric(12, 0, 1),
    "nearer": Metric(4, 0, 1),
    "copied": Metric(4, 0, 1),
}


@dataclass(frozen=True)
class Sounds:
    """Recordings as one encoder hears them.

    Parameters
    ----------
    space : str
        Name of the space before pooling.
    recordings : list of Recording
        Those that could be embedded.
    frames : list of ndarray, shape=(frames, dim)
        Embeddings of each.
    failed : list of Failure
        Recordings that are left out, and why in one sentence.
    """

    space: str
    recordings: list[Recording]
    frames: list[Vectors] = field(repr=False)
    failed: list[Failure] = field(default_factory=list)

    @cached_property
    def means(self) -> Array:
        """One vector a recording, [recordings, dim]."""
        return np.stack([one.mean(0, dtype=np.float64) for one in self.frames])

    @cached_property
    def entries(self) -> NDArray[np.int64]:
        """Recording of every frame, [frames]."""
        return np.repeat(np.arange(len(self.frames)), [len(one) for one in self.frames])

    @cached_property
    def gaussian(self) -> Gaussian:
        """Of all frames."""
        return Gaussian.fit(np.concatenate(self.frames))


@dataclass(frozen=True)
class Score:
    """One number of generated sounds.

    Parameters
    ----------
    metric : str
        One of `METRICS`.
    value : float
        Of all sounds.
    std : float
        Standard deviation over random halves, or over subsets (kid): the standard error of the value.
    low, high : float
        1.96 of those on both sides, within what the metric can be.
    """

    metric: str
    value: float
    std: float
    low: float
    high: float


@dataclass(frozen=True)
class SoundScore:
    """One generated sound beside the reference.

    Parameters
    ----------
    file : str
        The recording.
    fad : float
        Frechet distance between its frames and those of the reference.
    nearest : str
        The reference sound that is nearest.
    distance : float
        To that one, Euclidean, between means of frames.
    ratio : float
        Distance over the median of the baseline; see `glissando.metrics.Memorisation`.
    """

    file: str
    fad: float
    nearest: str
    distance: float
    ratio: float


def embed_sounds(
    encoder: str, recordings: Sequence[Recording], *, device: str = "cpu", progress: Told | None = None
) -> Sounds:
    """Embed recordings frame by frame; what was embedded before is read.

    Parameters
    ----------
    encoder : str
        As of `glissando.training.embed_entries`, but one alone.
    recordings : sequence of Recording
        From `glissando.data.recordings`.
    device : str
        Where the encoder runs.
    progress : callable, optional
        Called with the number of recordings that are done.

    Returns
    -------
    Sounds
        Silent ones among them: a generator that gives silence is to be scored for it.

    Raises
    ------
    ModelError
        If the encoder can't be had.
    """
    listener = Listener(encoder, device=device)
    folder = cache_dir() / "embeddings" / f"{listener.space.replace(':', '-')}-frames-{VERSION}"
    folder.mkdir(parents=True, exist_ok=True)
    _ = listener.module  # (what is wrong with the encoder is no recording's fault)
    found = Sounds(listener.space, [], [])
    for done, one in enumerate(recordings, start=1):
        try:
            path = folder / f"{one.fingerprint()}.npy"
            if not path.exists():
                frames = listener.frames(one.read())
                if not torch.isfinite(frames).all():
                    raise ModelError(f"{one.key}: its embedding by {encoder} holds NaN or infinite numbers")
                with aside(path) as part, part.open("wb") as out:
                    np.save(out, frames.numpy(), allow_pickle=False)
            vectors = np.load(path, allow_pickle=False)
        except GlissandoError as error:
            found.failed.append(Failure(one.key, str(error)))
        else:
            found.recordings.append(one)
            found.frames.append(vectors)
        if progress is not None:
            progress(done)
    return found


def class_probabilities(run: str | Path, recordings: Sequence[Recording], *, progress: Told | None = None) -> Array:
    """Let a run that learned classes tell those of recordings, for the inception score.

    Parameters
    ----------
    run : str or Path
        Its folder.
    recordings : sequence of Recording
        That can be read.
    progress : callable, optional
        Called with the number of recordings that are done.

    Returns
    -------
    ndarray, shape=(recordings, classes)
        Means over time.

    Raises
    ------
    RecipeError
        If the run learned no classes of whole recordings that exclude each other.
    """
    estimator = Run.open(run).estimator()
    task = estimator.task
    if not (isinstance(task, GlobalLabels) and task.exclusive):
        raise RecipeError(
            f"{run}: learned no classes of whole recordings that exclude each other; train one with task: classes"
        )
    found = []
    for done, one in enumerate(recordings, start=1):
        audio = one.read()
        feature = estimator.hear(resample(audio.samples, audio.sample_rate, estimator.feature.sample_rate))
        found.append(task.odds(estimator.outputs(feature)).mean(1))
        if progress is not None:
            progress(done)
    return np.stack(found)


def compare(
    generated: Sounds,
    reference: Sounds,
    metrics: Collection[str] = ("fad", "fad-inf", "kid"),
    *,
    held_out: Sounds | None = None,
    probabilities: Array | None = None,
    seed: int = 0,
) -> tuple[list[Score], list[str]]:
    """Score generated sounds by what a reference sounds like.

    Frechet distances are of all frames, as published; all else is of one vector a recording, the mean of its frames,
    for frames of one recording are neither independent nor worth finding as each other's neighbours.

    Parameters
    ----------
    generated, reference : Sounds
        By one encoder.
    metrics : collection of str
        Some of `METRICS`.
    held_out : Sounds, optional
        Like the reference, but what trained nothing, for ``nearer`` and ``copied``.
    probabilities : ndarray, shape=(generated, classes), optional
        From `class_probabilities`, for ``is``.
    seed : int
        Of random halves and subsets.

    Returns
    -------
    list of Score
        In the order of `METRICS`.
    list of str
        What to beware of, such as too few samples.

    Raises
    ------
    GlissandoError
        If a metric is unknown, sounds are too few or of two spaces, or ``is`` has no probabilities.
    """
    _check(generated, reference, metrics, held_out)
    found: dict[str, tuple[float, float]] = {}
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        if {"fad", "fad-inf"} & {*metrics}:
            frames = np.concatenate(generated.frames), np.concatenate(reference.frames)
            entries = generated.entries, reference.entries
            frechet = frechet_at_infinity(*frames, entries=entries, draws=DRAWS, seed=seed)
            found |= {"fad": (frechet.value, frechet.std), "fad-inf": (frechet.infinity, frechet.std)}
    if "kid" in metrics:
        kernel = kernel_distance(generated.means, reference.means, seed=seed)
        found["kid"] = kernel.value, kernel.std
    ours = halves(np.arange(len(generated.frames)), DRAWS, seed=seed)
    theirs = halves(np.arange(len(reference.frames)), DRAWS, seed=seed + 1)
    if {"precision", "recall", "density", "coverage"} & {*metrics}:
        whole = manifold_scores(generated.means, reference.means)
        parts = [manifold_scores(generated.means[a], reference.means[b]) for a, b in zip(ours, theirs, strict=True)]
        found |= {name: (value, float(np.std([part[name] for part in parts]))) for name, value in whole.items()}
    if {"nearer", "copied"} & {*metrics}:
        near = _memorisation(generated, reference, held_out)
        # (Halves of the generated alone: how near the nearest is depends on how many there are to be near to.)
        some = [Memorisation(near.distances[a], near.nearest[a], near.baseline) for a in ours]
        found["nearer"] = near.nearer, float(np.std([one.nearer for one in some]))
        found["copied"] = near.copied, float(np.std([one.copied for one in some]))
    if "is" in metrics:
        if probabilities is None:
            raise GlissandoError("the inception score needs a classifier; name a run that learned classes")
        found["is"] = inception_score(probabilities), float(np.std([inception_score(probabilities[a]) for a in ours]))
    return [_score(name, *found[name]) for name in METRICS if name in metrics], [str(one.message) for one in told]


def score_each(generated: Sounds, reference: Sounds, held_out: Sounds | None = None) -> list[SoundScore]:
    """Score every generated sound by itself.

    Parameters
    ----------
    generated, reference : Sounds
        By one encoder.
    held_out : Sounds, optional
        As of `compare`.

    Returns
    -------
    list of SoundScore
        In their order.

    Raises
    ------
    GlissandoError
        If there are too few sounds, or of two spaces.

    References
    ----------
    Gui et al., "Adapting Frechet audio distance for generative music evaluation", ICASSP 2024 (per-song FAD).
    """
    _check(generated, reference, ("nearer",), held_out)
    near = _memorisation(generated, reference, held_out)
    return [
        SoundScore(
            one.key,
            Gaussian.fit(frames).distance(reference.gaussian),
            reference.recordings[int(nearest)].key,
            float(distance),
            float(ratio),
        )
        for one, frames, nearest, distance, ratio in zip(
            generated.recordings, generated.frames, near.nearest, near.distances, near.ratios, strict=True
        )
    ]


def _memorisation(generated: Sounds, reference: Sounds, held_out: Sounds | None) -> Memorisation:
    return memorisation(generated.means, reference.means, None if held_out is None else held_out.means)


def _score(metric: str, value: float, std: float) -> Score:
    _, lowest, highest = METRICS[metric]
    return Score(metric, value, std, max(lowest, value - 1.96 * std), min(highest, value + 1.96 * std))


def _check(generated: Sounds, reference: Sounds, metrics: Collection[str], held_out: Sounds | None) -> None:
    unknown = [name for name in metrics if name not in METRICS]
    if unknown:
        raise GlissandoError(f"there is no metric {unknown[0]!r}; there are {', '.join(METRICS)}")
    least = max((METRICS[name].least for name in metrics), default=1)
    for what, sounds in (("generated", generated), ("reference", reference), ("held-out", held_out)):
        if sounds is None:
            continue
        if sounds.space != reference.space:
            raise GlissandoError(f"{what} sounds lie in the space {sounds.space}, reference in {reference.space}")
        if len(sounds.frames) < (least if sounds is not held_out else 1):
            raise GlissandoError(
                f"{len(sounds.frames)} {what} sounds are too few; {', '.join(metrics)} of {least} or more can be told"
            )
