"""Labels of whole recordings, pooled over time by the model."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ..data import Annotations, label_vector
from .base import Times
from .jams import jams
from .labels import Array, LabelTask


@dataclass(frozen=True)
class Labels:
    """Labels of a whole recording.

    Parameters
    ----------
    names : tuple of str
        The vocabulary.
    probabilities : ndarray, shape=(classes,)
        From 0 to 1.
    chosen : tuple of str
        What was decided, most probable first.
    duration : float
        Of the recording, in seconds.
    """

    names: tuple[str, ...]
    probabilities: Array
    chosen: tuple[str, ...]
    duration: float


class GlobalLabels(LabelTask):
    """Labels of whole recordings. The model pools over time itself.

    Parameters
    ----------
    chunks : bool
        Recordings are heard in stretches as long as an example of training, whose probabilities are averaged, instead
        of as a whole: for models that know one length, such as transformers with positions.
    **arguments
        As of `LabelTask`.
    """

    pooled = True

    def __init__(self, *, chunks: bool = False, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.chunked = bool(chunks)

    def amounts(self, annotations: Annotations) -> tuple[dict[str, float], float]:
        """Count every label once.

        Parameters
        ----------
        annotations : Annotations
            Of the entry.

        Returns
        -------
        dict of str to float
            1 by label.
        float
            1, or 0 where nothing is known.
        """
        told = annotations.labels.get(self.label, ())
        return dict.fromkeys(told, 1.0), float(bool(told))

    def targets(self, annotations: Annotations, times: Times) -> NDArray[np.float32]:
        """Mark the labels that the entry has.

        Parameters
        ----------
        annotations : Annotations
            Its labels; one without any of that name is unknown.
        times : ndarray, shape=(frames,)
            Not used.

        Returns
        -------
        ndarray, shape=(classes,)
            1 where a label holds. An unknown entry has zeros (one class at a time) or NaN.
        """
        told = annotations.labels.get(self.label, ())
        held = label_vector(told, self.vocabulary)
        return held if told or self.exclusive else np.full_like(held, np.nan)

    def loss(self, outputs: Tensor, targets: Tensor, valid: Tensor) -> Tensor:
        """Cross-entropy.

        Parameters
        ----------
        outputs, targets : Tensor, shape=(batch, classes)
            Of the model, and of `targets`.
        valid : Tensor, shape=(batch, frames)
            Not used.

        Returns
        -------
        Tensor
            Mean over what is known.
        """
        costs, known = self.costs(outputs, targets)
        return costs.sum() / known.sum().clamp_min(1e-6)

    def predict(self, outputs: Tensor, times: Times) -> Labels:
        """Average the probabilities of stretches, and decide.

        Parameters
        ----------
        outputs : Tensor, shape=(classes, stretches)
            Of the model.
        times : ndarray, shape=(stretches,)
            Their middles in seconds.

        Returns
        -------
        Labels
            The estimate.
        """
        found = self.odds(outputs).mean(1)
        (held,) = self.decide(found[None])
        chosen = sorted(np.flatnonzero(held), key=lambda k: -found[k])
        duration = float(times[0] + times[-1]) if len(times) else 0.0
        return Labels(self.vocabulary, found, tuple(self.vocabulary[k] for k in chosen), duration)

    def probabilities(self, estimate: Labels) -> Array:
        """Read probabilities from an estimate.

        Parameters
        ----------
        estimate : Labels
            From `predict`.

        Returns
        -------
        ndarray, shape=(1, classes)
            From 0 to 1.
        """
        return estimate.probabilities[None]

    def truth(self, annotations: Annotations, estimate: Labels) -> Array:
        """Tell which labels hold.

        Parameters
        ----------
        annotations : Annotations
            Of the entry.
        estimate : Labels
            Not used.

        Returns
        -------
        ndarray, shape=(1, classes)
            1, 0, or NaN; see `targets`.
        """
        return self.targets(annotations, np.zeros(0))[None].astype(np.float64)

    def evaluate(self, annotations: Annotations, estimate: Labels) -> dict[str, float]:
        """Score one recording.

        Parameters
        ----------
        annotations : Annotations
            The truth.
        estimate : Labels
            From `predict`.

        Returns
        -------
        dict of str to float
            accuracy (0 or 1) of one class at a time; LRAP (label ranking average precision) of any number; nothing
            where nothing is known.
        """
        truth, found, chosen = self.known(annotations, estimate)
        if not len(truth):
            return {}
        if self.exclusive:
            return {"accuracy": float((truth & chosen).any())}
        order = np.argsort(-found[0], kind="stable")
        held = truth[0][order]
        precision = np.cumsum(held) / np.arange(1, len(held) + 1)
        return {"LRAP": float(precision[held].mean())} if held.any() else {}

    def plot(self, path: Path, outputs: Tensor, times: Times, annotations: Annotations | None = None) -> None:
        """Draw the labels over time and over all.

        Parameters
        ----------
        path : Path
            PNG file to write.
        outputs : Tensor, shape=(classes, stretches)
            Of the model.
        times : ndarray, shape=(stretches,)
            Their middles in seconds.
        annotations : Annotations, optional
            The truth.
        """
        from .label_plots import tagogram

        told = () if annotations is None else annotations.labels.get(self.label, ())
        tagogram(path, self.odds(outputs), times, self.vocabulary, truth=told, whole=True)

    def export(self, folder: Path, name: str, estimate: Labels) -> dict[str, Path]:
        """Write the probabilities as CSV and what was decided as JAMS.

        Parameters
        ----------
        folder : Path
            Where to.
        name : str
            Stem of the files.
        estimate : Labels
            From `predict`.

        Returns
        -------
        dict of str to Path
            Files by format: csv, jams.
        """
        files = {"csv": folder / f"{name}.{self.label}.csv", "jams": folder / f"{name}.jams"}
        with files["csv"].open("w", newline="", encoding="utf-8") as out:
            table = csv.writer(out)
            table.writerow((self.label, "probability"))
            for k in np.argsort(-estimate.probabilities, kind="stable"):
                table.writerow((estimate.names[k], f"{estimate.probabilities[k]:.4f}"))
        held = {"tag_open": [(0.0, estimate.duration, tag) for tag in estimate.chosen]}
        files["jams"].write_text(jams(name, estimate.duration, held), encoding="utf-8")
        return files
