"""Tempo: a distribution over log-spaced beat rates, and another over bar rates, every few seconds."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from ..data import Annotations
from ..features import TempoEstimate, peak_tempo, tempo_rates
from ..metrics import tempo_hit
from .base import TASKS, Task, Times
from .jams import jams

SPREAD = 1.2  # bins, of the Gaussian that stands for a rate
BARS = 0.5  # weight of bars in the loss; that of beats is 1
LOGS = np.log2(tempo_rates().numpy().astype(np.float64))
REACH = 7.5  # seconds on both sides of a frame whose beats count

Array = NDArray[np.float64]


@dataclass(frozen=True)
class TempoCurve:
    """Tempo over time, and of the whole.

    Parameters
    ----------
    times : ndarray, shape=(frames,)
        In seconds.
    bpm : ndarray, shape=(frames,)
        At those times.
    whole : TempoEstimate
        Of the recording.
    """

    times: Array
    bpm: Array
    whole: TempoEstimate


@TASKS.register("tempo")
class Tempo(Task):
    """Beat rate and bar rate by cross-entropy over log-spaced rates.

    A model gives two channels of log-odds over the rates of `glissando.features.tempo_rates`. The bar's are there to
    settle octaves: half the tempo would have half as many beats a bar.

    References
    ----------
    Schreiber & Mueller, "A single-step approach to musical tempo estimation using a convolutional neural network",
    ISMIR 2018. Gouyon et al., "An experimental comparison of audio tempo induction algorithms", IEEE TASLP 2006.
    """

    goal = "Acc1"

    def __init__(self) -> None:
        super().__init__()
        self.rates = LOGS

    def targets(self, annotations: Annotations, times: Times) -> NDArray[np.float32]:
        """Spread the rates of beats and bars over their bins.

        Parameters
        ----------
        annotations : Annotations
            Its markers "beat" count (those labelled "downbeat" are bars), else its label "tempo".
        times : ndarray, shape=(frames,)
            In seconds.

        Returns
        -------
        ndarray, shape=(2, rates, frames)
            Of beats and of bars; they sum to 1, or to 0 where nothing is known.
        """
        return np.stack([spread(curve) for curve in local_rates(annotations, times)])

    def loss(self, outputs: Tensor, targets: Tensor, valid: Tensor) -> Tensor:
        """Cross-entropy of beats, and half as much of bars.

        Parameters
        ----------
        outputs, targets : Tensor, shape=(batch, 2, rates, frames)
            Of the model, and of `targets`.
        valid : Tensor, shape=(batch, frames)
            False where an entry has ended.

        Returns
        -------
        Tensor
            Mean over valid frames.
        """
        every = -(targets * F.log_softmax(outputs, 2)).sum(2) * valid[:, None]
        known = (targets.sum(2) * valid[:, None]).sum((0, 2)).clamp_min(1)
        return (every.sum((0, 2)) / known) @ torch.tensor([1.0, BARS], device=outputs.device)

    def predict(self, outputs: Tensor, times: Times) -> TempoCurve:
        """Take the most probable rates.

        Parameters
        ----------
        outputs : Tensor, shape=(2, rates, frames)
            Of the model.
        times : ndarray, shape=(frames,)
            In seconds.

        Returns
        -------
        TempoCurve
            The estimate.
        """
        beats = torch.softmax(outputs[0].double(), 0).numpy()
        return TempoCurve(times, np.array([peak_tempo(frame).bpm for frame in beats.T]), peak_tempo(beats.mean(1)))

    def evaluate(self, annotations: Annotations, estimate: TempoCurve) -> dict[str, float]:
        """Score the tempo of the whole against the median of the annotated one.

        Parameters
        ----------
        annotations : Annotations
            The truth.
        estimate : TempoCurve
            From `predict`.

        Returns
        -------
        dict of str to float
            Acc1 (within 4 %) and Acc2 (also at 1/3, 1/2, 2 and 3 times the tempo).
        """
        truth = 60 * float(np.nanmedian(local_rates(annotations, estimate.times)[0]))
        return {
            name: float(tempo_hit(estimate.whole.bpm, truth, octaves=octaves))
            for name, octaves in (("Acc1", False), ("Acc2", True))
        }

    def plot(self, path: Path, outputs: Tensor, times: Times, annotations: Annotations | None = None) -> None:
        """Draw both distributions over time, the estimate, and the truth where it is known.

        Parameters
        ----------
        path : Path
            PNG file to write.
        outputs : Tensor, shape=(2, rates, frames)
            Of the model.
        times : ndarray, shape=(frames,)
            In seconds.
        annotations : Annotations, optional
            The truth.
        """
        from .plots import rates

        curve = self.predict(outputs, times)
        truth = None if annotations is None else 60 * local_rates(annotations, times)
        rates(path, torch.softmax(outputs, 1).double().numpy(), times, 60 * 2**self.rates, curve.bpm, truth)

    def export(self, folder: Path, name: str, estimate: TempoCurve) -> dict[str, Path]:
        """Write the tempo over time as CSV, and of the whole as JAMS.

        Parameters
        ----------
        folder : Path
            Where to.
        name : str
            Stem of the files.
        estimate : TempoCurve
            From `predict`.

        Returns
        -------
        dict of str to Path
            Files by format: csv, jams.
        """
        files = {"csv": folder / f"{name}.tempo.csv", "jams": folder / f"{name}.jams"}
        with files["csv"].open("w", newline="", encoding="utf-8") as out:
            table = csv.writer(out)
            table.writerow(("time", "bpm"))
            table.writerows(
                (f"{time:.2f}", f"{bpm:.2f}") for time, bpm in zip(estimate.times, estimate.bpm, strict=True)
            )
        duration = float(estimate.times[-1]) + REACH if len(estimate.times) else 0.0
        held = {"tempo": [(0.0, duration, round(estimate.whole.bpm, 2))]}
        files["jams"].write_text(jams(name, duration, held), encoding="utf-8")
        return files


def spread(rates: Array) -> NDArray[np.float32]:
    """Spread rates over the bins around them, as targets of a classifier.

    Parameters
    ----------
    rates : ndarray, shape=(frames,)
        In Hz; NaN where unknown.

    Returns
    -------
    ndarray, shape=(bins, frames)
        Over `glissando.features.tempo_rates`; they sum to 1, or to 0 where unknown.
    """
    found = np.zeros((len(LOGS), len(rates)), np.float32)
    known = np.isfinite(rates)
    weights = np.exp(-0.5 * ((LOGS[:, None] - np.log2(rates[known])) / (SPREAD * (LOGS[1] - LOGS[0]))) ** 2)
    found[:, known] = weights / weights.sum(0).clip(1e-9)
    return found


def local_rates(annotations: Annotations, times: Times) -> Array:
    """Tell how fast beats and bars go around given times.

    Parameters
    ----------
    annotations : Annotations
        Its markers "beat" count (those labelled "downbeat" are bars), else its label "tempo" in BPM.
    times : ndarray, shape=(frames,)
        In seconds.

    Returns
    -------
    ndarray, shape=(2, frames)
        In Hz; NaN where there is nothing to tell by.
    """
    found = np.full((2, len(times)), np.nan)
    markers = annotations.segments.get("beat", ())
    for row, labels in enumerate((("beat", "downbeat"), ("downbeat",))):
        marks = np.array([marker.start for marker in markers if marker.label in labels])
        for frame, time in enumerate(times):
            near = marks[np.abs(marks - time) <= REACH] if len(marks) else marks
            if len(near) > 2:
                found[row, frame] = 1 / np.median(np.diff(near))
    told = annotations.labels.get("tempo", ())
    if not markers and told:
        found[0] = float(told[0]) / 60
    return found
