"""What a task is: how annotations become targets, how outputs become estimates, and which metrics count."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from ..data import Annotations
from ..registry import Registry

Times = NDArray[np.float64]


class Task(ABC):
    """One task. Its only state is what is tuned on validation data, which a run keeps.

    Attributes
    ----------
    goal : str
        The metric by which thresholds are chosen and runs are compared; higher is better.
    tuned : dict of str to float
        Thresholds and alike.
    layers : Module or None
        What a task learns beside the model, such as transitions between classes.
    pooled : bool
        The model gives one output for all frames that it hears. Recordings are then heard in stretches, and outputs
        have these where others have frames.
    chunked : bool
        With ``pooled``: stretches are as long as an example of training, and not the whole recording.
    """

    goal: ClassVar[str]
    pooled: ClassVar[bool] = False

    def __init__(self) -> None:
        self.tuned: dict[str, float] = {}
        self.layers: nn.Module | None = None
        self.chunked = False

    def settle(self, annotations: Sequence[Annotations]) -> dict[str, Any]:
        """Choose what the recipe leaves to the training data, such as a vocabulary; the run's recipe then says it.

        Parameters
        ----------
        annotations : sequence of Annotations
            Of the entries to train on.

        Returns
        -------
        dict of str to object
            Arguments of the task.
        """
        return {}

    @abstractmethod
    def targets(self, annotations: Annotations, times: Times) -> NDArray[Any]:
        """Make the target of a stretch of frames.

        Parameters
        ----------
        annotations : Annotations
            Of the entry.
        times : ndarray, shape=(frames,)
            Centres of the frames in seconds.

        Returns
        -------
        ndarray, shape=(..., frames)
            What the model should give.
        """

    @abstractmethod
    def loss(self, outputs: Tensor, targets: Tensor, valid: Tensor) -> Tensor:
        """Compare outputs with targets.

        Parameters
        ----------
        outputs, targets : Tensor, shape=(batch, ..., frames)
            Of the model, and of `targets`.
        valid : Tensor, shape=(batch, frames)
            False where an entry has ended.

        Returns
        -------
        Tensor
            One number.
        """

    @abstractmethod
    def predict(self, outputs: Tensor, times: Times) -> Any:
        """Turn the outputs for one entry into an estimate.

        Parameters
        ----------
        outputs : Tensor, shape=(..., frames)
            Of the model, without a batch axis.
        times : ndarray, shape=(frames,)
            Centres of the frames in seconds.

        Returns
        -------
        object
            What the task estimates.
        """

    @abstractmethod
    def evaluate(self, annotations: Annotations, estimate: Any) -> dict[str, float]:
        """Score the estimate of one entry by the metrics of the field.

        Parameters
        ----------
        annotations : Annotations
            The truth.
        estimate : object
            From `predict`.

        Returns
        -------
        dict of str to float
            Metrics by name.
        """

    def evaluate_all(self, examples: Sequence[tuple[Annotations, Any]]) -> dict[str, dict[str, float]]:
        """Score a whole set at once, where a metric is no mean over entries.

        Parameters
        ----------
        examples : sequence of (Annotations, object)
            Truths, and estimates from `predict`.

        Returns
        -------
        dict of str to dict of str to float
            ``mean``, ``low``, ``high`` and ``n`` by name; one that `evaluate` has too takes the place of its mean.
        """
        return {}

    def report(self, folder: Path, examples: Sequence[tuple[Annotations, Any]]) -> None:
        """Write pictures and tables of a whole set into the folder of a run.

        Parameters
        ----------
        folder : Path
            Of the run.
        examples : sequence of (Annotations, object)
            Truths, and estimates from `predict`.
        """
        return  # most tasks show single recordings

    def tune(self, examples: Sequence[tuple[Annotations, Tensor, Times]]) -> None:
        """Choose what can't be learned, such as thresholds, on validation data.

        Parameters
        ----------
        examples : sequence of (Annotations, Tensor, ndarray)
            Truth, outputs and frame times of entries.
        """
        return  # most tasks have nothing to tune

    @abstractmethod
    def plot(self, path: Path, outputs: Tensor, times: Times, annotations: Annotations | None = None) -> None:
        """Draw the outputs for one entry, its estimate, and the truth where it is known.

        Parameters
        ----------
        path : Path
            PNG file to write.
        outputs : Tensor, shape=(..., frames)
            Of the model.
        times : ndarray, shape=(frames,)
            In seconds.
        annotations : Annotations, optional
            The truth.
        """

    @abstractmethod
    def export(self, folder: Path, name: str, estimate: Any) -> Mapping[str, Path]:
        """Write an estimate as files of the field's formats.

        Parameters
        ----------
        folder : Path
            Where to.
        name : str
            Stem of the files.
        estimate : object
            From `predict`.

        Returns
        -------
        mapping of str to Path
            Files by format.
        """


TASKS: Registry[Task] = Registry("task")
