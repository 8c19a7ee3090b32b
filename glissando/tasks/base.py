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
    """

    goal: ClassVar[str]

    def __init__(self) -> None:
        self.tuned: dict[str, float] = {}
        self.layers: nn.Module | None = None

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
