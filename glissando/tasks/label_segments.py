"""Labels of stretches of time, frame by frame: who plays when, which chord sounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ..data import Annotations, Segment
from ..data.align import half_frame, segment_shares
from .base import Times
from .jams import jams
from .labels import Array, LabelTask, Truth


@dataclass(frozen=True)
class LabelCurves:
    """Labels over time.

    Parameters
    ----------
    names : tuple of str
        The vocabulary.
    times : ndarray, shape=(frames,)
        In seconds.
    probabilities : ndarray, shape=(frames, classes)
        From 0 to 1.
    segments : tuple of Segment
        What was decided, by start.
    """

    names: tuple[str, ...]
    times: Array
    probabilities: Array
    segments: tuple[Segment, ...]


class SegmentLabels(LabelTask):
    """Labels of frames, from segments; parameters as of `LabelTask`.

    A model gives one channel, with a bin for every class.
    """

    def name(self, label: str) -> str | None:
        """Translate the label of a segment to the vocabulary; to be overridden by vocabularies with a grammar.

        Parameters
        ----------
        label : str
            Of a segment.

        Returns
        -------
        str or None
            A class; None where the segment says nothing of it.
        """
        return label

    def amounts(self, annotations: Annotations) -> tuple[dict[str, float], float]:
        """Count the seconds of every label.

        Parameters
        ----------
        annotations : Annotations
            Of the entry.

        Returns
        -------
        dict of str to float
            Seconds by label.
        float
            Seconds up to the end of the last segment.
        """
        found: dict[str, float] = {}
        told = annotations.segments.get(self.label, ())
        for one in told:
            if (name := self.name(one.label)) is not None:
                found[name] = found.get(name, 0.0) + one.end - one.start
        return found, max((one.end for one in told), default=0.0)

    def targets(self, annotations: Annotations, times: Times) -> NDArray[np.float32]:
        """Tell of every frame which share of it each label covers.

        Parameters
        ----------
        annotations : Annotations
            Its segments.
        times : ndarray, shape=(frames,)
            Centres, evenly spaced, in seconds.

        Returns
        -------
        ndarray, shape=(1, classes, frames)
            From 0 to 1. Of one class at a time, frames between segments have zeros, as nothing is known of them; of any
            number they are silent, and NaN where the entry has no such segments at all.
        """
        told = annotations.segments.get(self.label, ())
        named = [replace(one, label=name) for one in told if (name := self.name(one.label)) is not None]
        found = segment_shares(named, times, self.vocabulary)[None]
        return found if told or self.exclusive else np.full_like(found, np.nan)

    def loss(self, outputs: Tensor, targets: Tensor, valid: Tensor) -> Tensor:
        """Cross-entropy.

        Parameters
        ----------
        outputs, targets : Tensor, shape=(batch, 1, classes, frames)
            Of the model, and of `targets`.
        valid : Tensor, shape=(batch, frames)
            False where an entry has ended.

        Returns
        -------
        Tensor
            Mean over the valid frames of which something is known.
        """
        costs, known = self.costs(outputs[:, 0], targets[:, 0])
        return (costs * valid).sum() / (known * valid).sum().clamp_min(1e-6)

    def predict(self, outputs: Tensor, times: Times) -> LabelCurves:
        """Decide frame by frame, and join what lasts.

        Parameters
        ----------
        outputs : Tensor, shape=(1, classes, frames)
            Of the model.
        times : ndarray, shape=(frames,)
            In seconds.

        Returns
        -------
        LabelCurves
            The estimate.
        """
        found = self.odds(outputs[0]).T
        return LabelCurves(self.vocabulary, times, found, joined(self.decide(found), times, self.vocabulary))

    def probabilities(self, estimate: LabelCurves) -> Array:
        """Read probabilities from an estimate.

        Parameters
        ----------
        estimate : LabelCurves
            From `predict`.

        Returns
        -------
        ndarray, shape=(frames, classes)
            From 0 to 1.
        """
        return estimate.probabilities

    def truth(self, annotations: Annotations, estimate: LabelCurves) -> Array:
        """Tell which labels hold, at the frames of an estimate.

        Parameters
        ----------
        annotations : Annotations
            Of the entry.
        estimate : LabelCurves
            Its times count.

        Returns
        -------
        ndarray, shape=(frames, classes)
            Shares; see `targets`.
        """
        found: Array = self.targets(annotations, estimate.times)[0].T.astype(np.float64)
        return found

    def evaluate(self, annotations: Annotations, estimate: LabelCurves) -> dict[str, float]:
        """Score the frames of one recording.

        Parameters
        ----------
        annotations : Annotations
            The truth.
        estimate : LabelCurves
            From `predict`.

        Returns
        -------
        dict of str to float
            frame accuracy of one class at a time; frame F of any number; nothing where nothing is known.
        """
        truth, _, chosen = self.known(annotations, estimate)
        if not len(truth):
            return {}
        hits = float((truth & chosen).sum())
        if self.exclusive:
            return {"frame accuracy": hits / len(truth)}
        return {"frame F": 2 * hits / max(1.0, float(truth.sum() + chosen.sum()))}

    def plot(self, path: Path, outputs: Tensor, times: Times, annotations: Annotations | None = None) -> None:
        """Draw the labels over time, with the truth where it is known.

        Parameters
        ----------
        path : Path
            PNG file to write.
        outputs : Tensor, shape=(1, classes, frames)
            Of the model.
        times : ndarray, shape=(frames,)
            In seconds.
        annotations : Annotations, optional
            The truth.
        """
        self._draw(path, self.predict(outputs, times), annotations)

    def report(self, folder: Path, examples: Sequence[tuple[Annotations, LabelCurves]]) -> None:
        """Write what every label came to, and the first recording as a picture, ``example.png``.

        Parameters
        ----------
        folder : Path
            Of the run.
        examples : sequence of (Annotations, LabelCurves)
            Truths and estimates.
        """
        super().report(folder, examples)
        if examples:
            self._draw(folder / "example.png", examples[0][1], examples[0][0])

    def _draw(self, path: Path, estimate: LabelCurves, annotations: Annotations | None) -> None:
        from .label_plots import tagogram

        told = () if annotations is None else annotations.segments.get(self.label, ())
        named = [(name, one.start, one.end) for one in told if (name := self.name(one.label)) is not None]
        tagogram(path, estimate.probabilities.T, estimate.times, self.vocabulary, segments=named)

    def export(self, folder: Path, name: str, estimate: LabelCurves) -> dict[str, Path]:
        """Write the segments as text (start, end, label, tabs between) and as JAMS.

        Parameters
        ----------
        folder : Path
            Where to.
        name : str
            Stem of the files.
        estimate : LabelCurves
            From `predict`.

        Returns
        -------
        dict of str to Path
            Files by format: lab, jams.
        """
        files = {"lab": folder / f"{name}.{self.label}.lab", "jams": folder / f"{name}.jams"}
        lines = [f"{one.start:.3f}\t{one.end:.3f}\t{one.label}\n" for one in estimate.segments]
        files["lab"].write_text("".join(lines), encoding="utf-8")
        duration = float(estimate.times[-1]) if len(estimate.times) else 0.0
        held = {"segment_open": [(one.start, one.end - one.start, one.label) for one in estimate.segments]}
        files["jams"].write_text(jams(name, duration, held), encoding="utf-8")
        return files


def joined(chosen: Truth, times: Times, names: Sequence[str]) -> tuple[Segment, ...]:
    """Join frames with the same label to segments.

    Parameters
    ----------
    chosen : ndarray of bool, shape=(frames, classes)
        What holds.
    times : ndarray, shape=(frames,)
        Centres, evenly spaced, in seconds.
    names : sequence of str
        Of the classes.

    Returns
    -------
    tuple of Segment
        By start; from half a frame before the first centre to half a frame after the last one.
    """
    if not len(times):
        return ()
    half = half_frame(times)
    found = []
    for k, name in enumerate(names):
        edges = np.flatnonzero(np.diff(np.pad(chosen[:, k].astype(np.int8), 1)))
        starts, ends = times[edges[::2]] - half, times[edges[1::2] - 1] + half
        found += [Segment(max(0.0, float(a)), float(b), name) for a, b in zip(starts, ends, strict=True)]
    return tuple(sorted(found, key=lambda one: (one.start, one.label)))
