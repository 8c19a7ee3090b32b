"""Multi-pitch estimation: which pitches sound in every frame, in fifths of a semitone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from ..audio.scores import Part, Played, midi
from ..data import Annotations, hz_to_midi, midi_to_hz, pitch_matrix
from ..data.align import BINS, BINS_PER_SEMITONE, LOWEST
from .base import TASKS, Task, Times
from .jams import jams

THRESHOLDS = tuple(round(0.05 * step, 2) for step in range(1, 19))
TUNING_STEP = 4  # frames; every fourth is enough to choose a threshold
SHORTEST, LONGEST_GAP = 0.06, 0.05  # seconds, of notes and of holes in them
PRIOR = -4.5  # log-odds that a bin sounds, before anything is heard; training need not find it first
ONSET_TOLERANCE = 0.05  # seconds, as MIREX has it

Array = NDArray[np.float64]


@dataclass(frozen=True)
class FramePitches:
    """Pitches by frame, as `mir_eval.multipitch` takes them.

    Parameters
    ----------
    times : ndarray, shape=(frames,)
        In seconds.
    frequencies : list of ndarray
        In Hz; any number a frame.
    """

    times: Array
    frequencies: list[Array]

    def notes(self) -> Array:
        """Join frames to notes: a semitone that sounds without a hole of more than 50 ms, for at least 60 ms.

        Returns
        -------
        ndarray, shape=(notes, 3)
            Onset [s], offset [s], MIDI pitch; by onset.
        """
        if len(self.times) < 2:
            return np.zeros((0, 3))
        step = float(np.median(np.diff(self.times)))
        sounding = np.zeros((128, len(self.times)), bool)
        for frame, hz in enumerate(self.frequencies):
            keys = np.rint(hz_to_midi(hz)).astype(np.int64)
            sounding[keys[(keys >= 0) & (keys < 128)], frame] = True
        found = []
        for key in np.flatnonzero(sounding.any(1)):
            edges = np.flatnonzero(np.diff(np.pad(sounding[key].astype(np.int8), 1)))
            starts, ends = self.times[edges[::2]], self.times[edges[1::2] - 1] + step
            apart = np.flatnonzero(starts[1:] - ends[:-1] > LONGEST_GAP)
            starts, ends = starts[np.r_[0, apart + 1]], ends[np.r_[apart, len(ends) - 1]]
            kept = ends - starts >= SHORTEST
            found += [(start, end, key) for start, end in zip(starts[kept], ends[kept], strict=True)]
        return np.array(sorted(found), np.float64).reshape(-1, 3)


@TASKS.register("pitch")
class Pitch(Task):
    """Salience of 360 pitches a frame, from C1 in fifths of a semitone, by binary cross-entropy.

    A model gives log-odds above `PRIOR`, as few bins sound.

    Parameters
    ----------
    positive : float
        Weight of sounding bins in the loss; they are few.
    blur : float
        Standard deviation, in bins, by which the targets are spread over their neighbours; 0 for binary targets.

    References
    ----------
    Bittner et al., "Deep salience representations for f0 estimation in polyphonic music", ISMIR 2017.
    Weiss & Peeters, "Comparing deep models and evaluation strategies for multi-pitch estimation in music recordings",
    TASLP 2022.
    """

    goal = "Acc"

    def __init__(self, *, positive: float = 1.0, blur: float = 0.0) -> None:
        super().__init__()
        self.tuned["threshold"] = 0.4
        self.positive = positive
        reach = np.arange(-4, 5)
        self._kernel = np.exp(-0.5 * (reach / blur) ** 2) if blur else None

    def targets(self, annotations: Annotations, times: Times) -> NDArray[np.float32]:
        """Mark the bins that sound.

        Parameters
        ----------
        annotations : Annotations
            Its f0 curves count, else its notes.
        times : ndarray, shape=(frames,)
            In seconds.

        Returns
        -------
        ndarray, shape=(1, bins, frames)
            1 where a pitch sounds.
        """
        matrix = pitch_matrix(annotations, times).astype(np.float32)
        if self._kernel is not None:
            reach = len(self._kernel) // 2
            padded = np.pad(matrix, ((reach, reach), (0, 0)))
            spread = [weight * padded[i : i + len(matrix)] for i, weight in enumerate(self._kernel)]
            matrix = np.max(spread, axis=0).astype(np.float32)
        return matrix[None]

    def loss(self, outputs: Tensor, targets: Tensor, valid: Tensor) -> Tensor:
        """Binary cross-entropy of the salience.

        Parameters
        ----------
        outputs, targets : Tensor, shape=(batch, 1, bins, frames)
            Of the model, and of `targets`.
        valid : Tensor, shape=(batch, frames)
            False where an entry has ended.

        Returns
        -------
        Tensor
            Mean over the bins of valid frames.
        """
        weight = torch.tensor(self.positive, device=outputs.device)
        every = F.binary_cross_entropy_with_logits(outputs + PRIOR, targets, pos_weight=weight, reduction="none")
        return (every.mean((1, 2)) * valid).sum() / valid.sum().clamp_min(1)

    def predict(self, outputs: Tensor, times: Times) -> FramePitches:
        """Pick the peaks of the salience that reach the threshold.

        Parameters
        ----------
        outputs : Tensor, shape=(1, bins, frames)
            Of the model.
        times : ndarray, shape=(frames,)
            In seconds.

        Returns
        -------
        FramePitches
            The estimate.
        """
        return peaks(_salience(outputs), times, self.tuned["threshold"])

    def evaluate(self, annotations: Annotations, estimate: FramePitches) -> dict[str, float]:
        """Score frames within half a semitone, and notes by pitch and onset.

        Parameters
        ----------
        annotations : Annotations
            The truth.
        estimate : FramePitches
            From `predict`; its frames are those that are scored.

        Returns
        -------
        dict of str to float
            P, R, Acc and Chroma Acc (octaves forgiven) of frames; Note F if there are notes.
        """
        import mir_eval

        truth = sounding(annotations, estimate.times)
        scores = mir_eval.multipitch.metrics(estimate.times, truth, estimate.times, estimate.frequencies)
        found = {"P": scores[0], "R": scores[1], "Acc": scores[2], "Chroma Acc": scores[9]}
        if len(annotations.notes) and len(estimate.times):
            start, end = estimate.times[[0, -1]]
            within = annotations.notes[(annotations.notes[:, 0] >= start) & (annotations.notes[:, 0] < end)]
            within = within[within[:, 1] > within[:, 0]]
            notes = estimate.notes()
            found["Note F"] = mir_eval.transcription.precision_recall_f1_overlap(
                within[:, :2], midi_to_hz(within[:, 2]), notes[:, :2], midi_to_hz(notes[:, 2]),
                onset_tolerance=ONSET_TOLERANCE, offset_ratio=None,
            )[2] if len(notes) and len(within) else float(len(notes) == len(within))  # fmt: skip
        return {name: float(value) for name, value in found.items()}

    def tune(self, examples: Sequence[tuple[Annotations, Tensor, Times]]) -> None:
        """Choose the threshold that gives the best mean frame accuracy.

        Parameters
        ----------
        examples : sequence of (Annotations, Tensor, ndarray)
            Truth, outputs and frame times of entries.
        """
        import mir_eval

        means = []
        thinned = [
            (times[::TUNING_STEP], _salience(outputs[..., ::TUNING_STEP]), sounding(annotations, times[::TUNING_STEP]))
            for annotations, outputs, times in examples
        ]
        for threshold in THRESHOLDS:
            accuracies = []
            for times, salience, truth in thinned:
                estimate = peaks(salience, times, threshold)
                accuracies.append(mir_eval.multipitch.metrics(times, truth, times, estimate.frequencies)[2])
            means.append(float(np.mean(accuracies)))
        self.tuned["threshold"] = THRESHOLDS[int(np.argmax(means))]

    def plot(self, path: Path, outputs: Tensor, times: Times, annotations: Annotations | None = None) -> None:
        """Draw the salience, and on it the estimate and the truth.

        Parameters
        ----------
        path : Path
            PNG file to write.
        outputs : Tensor, shape=(1, bins, frames)
            Of the model.
        times : ndarray, shape=(frames,)
            In seconds.
        annotations : Annotations, optional
            The truth.
        """
        from .plots import salience

        estimate = self.predict(outputs, times)
        truth = None if annotations is None else FramePitches(times, sounding(annotations, times))
        salience(path, _salience(outputs), times, float(hz_to_midi(LOWEST)), BINS_PER_SEMITONE, estimate, truth)

    def export(self, folder: Path, name: str, estimate: FramePitches) -> dict[str, Path]:
        """Write f0 by frame as CSV, notes as MIDI, and both as JAMS.

        Parameters
        ----------
        folder : Path
            Where to.
        name : str
            Stem of the files.
        estimate : FramePitches
            From `predict`.

        Returns
        -------
        dict of str to Path
            Files by format: csv, midi, jams.
        """
        files = {
            kind: folder / f"{name}{suffix}"
            for kind, suffix in (("csv", ".f0.csv"), ("midi", ".mid"), ("jams", ".jams"))
        }
        lines = (
            ",".join([f"{time:.4f}", *(f"{hz:.2f}" for hz in found)])
            for time, found in zip(estimate.times, estimate.frequencies, strict=True)
        )
        files["csv"].write_text("\n".join(lines) + "\n", encoding="utf-8")
        notes = estimate.notes()
        played = [Played(onset, offset, int(pitch)) for onset, offset, pitch in notes.tolist()]
        files["midi"].write_bytes(midi([Part(played)]))
        duration = float(estimate.times[-1]) if len(estimate.times) else 0.0
        contour = [
            (time, 0.0, {"index": 0, "frequency": float(hz), "voiced": True})
            for time, found in zip(estimate.times.tolist(), estimate.frequencies, strict=True)
            for hz in found
        ]
        held = [(onset, offset - onset, pitch) for onset, offset, pitch in notes.tolist()]
        files["jams"].write_text(jams(name, duration, {"note_midi": held, "pitch_contour": contour}), encoding="utf-8")
        return files


def peaks(salience: Array, times: Array, threshold: float) -> FramePitches:
    """Pick local maxima along frequency.

    Parameters
    ----------
    salience : ndarray, shape=(frames, bins)
        From 0 to 1.
    times : ndarray, shape=(frames,)
        In seconds.
    threshold : float
        Least salience of a peak.

    Returns
    -------
    FramePitches
        Peaks, refined by a parabola through the bin and its neighbours.
    """
    padded = np.pad(salience, ((0, 0), (1, 1)))
    left, right = padded[:, :-2], padded[:, 2:]
    peak = (salience >= threshold) & (salience > left) & (salience >= right)
    frames, bins = np.nonzero(peak)
    below, at, above = left[frames, bins], salience[frames, bins], right[frames, bins]
    curvature = below - 2 * at + above
    shift = np.clip(0.5 * (below - above) / np.where(curvature == 0, -1, curvature), -0.5, 0.5)
    hz = LOWEST * 2 ** ((bins + shift) / (12 * BINS_PER_SEMITONE))
    return FramePitches(times, np.split(hz, np.searchsorted(frames, np.arange(1, len(times)))) if len(times) else [])


def sounding(annotations: Annotations, times: Array) -> list[Array]:
    """List the pitches that sound at given times, each once.

    Parameters
    ----------
    annotations : Annotations
        Its f0 curves count, else its notes.
    times : ndarray, shape=(frames,)
        In seconds.

    Returns
    -------
    list of ndarray
        Frequencies in Hz by frame, in steps of a fifth of a semitone.
    """
    matrix = pitch_matrix(annotations, times, lowest=8.1758, bins=128 * BINS_PER_SEMITONE)  # every MIDI pitch
    frames, rows = np.nonzero(matrix.T)
    hz = 8.1758 * 2 ** (rows / (12 * BINS_PER_SEMITONE))
    return np.split(hz, np.searchsorted(frames, np.arange(1, len(times)))) if len(times) else []


def _salience(outputs: Tensor) -> Array:
    """Outputs as probabilities, [frames, bins]."""
    salience: Array = torch.sigmoid(outputs[0].float() + PRIOR).T.double().cpu().numpy()
    return salience


assert BINS == 6 * 12 * BINS_PER_SEMITONE
