"""Learning paradigms: which examples a model is given, what a batch costs, and which number chooses the epoch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor, nn
from torch.utils.data import Dataset

from ..data import Annotations, DataSet, Entry
from ..nn import Model
from ..registry import Registry
from .network import Network
from .recipe import DataPart

Batch = dict[str, Tensor]
Told = Callable[[int], None]


class Paradigm(nn.Module, ABC):
    """How a model learns. Layers of its own, such as a predictor, are trained with the model and are no part of it.

    Attributes
    ----------
    goal : str
        The metric by which runs are compared; higher is better.
    monitor, mode : str
        The number of validation that chooses the epoch, and whether the "min" or "max" is best.
    augmented : str
        What of a batch is augmented in training, ``[..., channels, bins, frames]``.
    exchanged : tuple of str
        Parts of the model that may be others than those of the run that training begins with (``train.start``).
    betas : (float, float)
        Of AdamW: how long it remembers slopes, and their squares.
    given : mapping of str to int
        Vectors that the model is given beside what it hears, by name, and their sizes.
    """

    goal: str
    monitor: ClassVar[str] = "valid_loss"
    mode: ClassVar[str] = "min"
    augmented: ClassVar[str]
    exchanged: ClassVar[tuple[str, ...]] = ()
    betas: ClassVar[tuple[float, float]] = (0.9, 0.999)
    given: ClassVar[Mapping[str, int]] = {}

    def settle(self, annotations: Sequence[Annotations]) -> dict[str, Any]:
        """Choose what the recipe leaves to the training data, such as a vocabulary; the run's recipe then says it.

        Parameters
        ----------
        annotations : sequence of Annotations
            Of the entries to train on.

        Returns
        -------
        dict of str to object
            Arguments of the paradigm.
        """
        return {}

    @abstractmethod
    def examples(
        self,
        network: Network,
        entries: Sequence[Entry],
        part: DataPart,
        *,
        training: bool,
        seed: int,
        told: Told | None,
    ) -> Dataset[Batch]:
        """Make examples of entries; features that are missing are computed.

        Parameters
        ----------
        network : Network
            Feature and model.
        entries : sequence of Entry
            What to take them from.
        part : DataPart
            How long they are, and how many.
        training : bool
            Others in every epoch.
        seed : int
            Of what is drawn.
        told : callable, optional
            Called with the number of features that are there.

        Returns
        -------
        Dataset
            Of dicts of tensors, with a ``set_epoch``.
        """

    def prepare(self, model: Model, examples: Dataset[Batch], *, seed: int) -> None:
        """Fit what is not learned step by step, before a training begins.

        Parameters
        ----------
        model : Model
            What will learn.
        examples : Dataset
            Of `examples`.
        seed : int
            Of what is drawn.
        """
        return

    @abstractmethod
    def loss(self, model: Model, batch: Batch) -> Tensor:
        """Compute what a batch costs.

        Parameters
        ----------
        model : Model
            What learns.
        batch : dict of str to Tensor
            Of `examples`, augmented in training.

        Returns
        -------
        Tensor
            One number.
        """

    def observe(self, model: Model, batch: Batch) -> Tensor:
        """Look at a batch of validation.

        Parameters
        ----------
        model : Model
            What learns.
        batch : dict of str to Tensor
            Of `examples`.

        Returns
        -------
        Tensor
            Its loss.
        """
        return self.loss(model, batch)

    def observed(self) -> dict[str, float]:
        """Sum up what was observed since the last time.

        Returns
        -------
        dict of str to float
            Numbers of validation beside the loss.
        """
        return {}

    def tune(self, network: Network, valid: DataSet) -> dict[str, float]:
        """Choose what can't be learned, on validation data, once the model is trained.

        Parameters
        ----------
        network : Network
            Trained.
        valid : DataSet
            To choose by.

        Returns
        -------
        dict of str to float
            What was chosen, by name.
        """
        return {}

    def overall(self) -> dict[str, dict[str, float]]:
        """Score at once all entries that were scored the last time.

        Returns
        -------
        dict of str to dict of str to float
            ``mean``, ``low``, ``high`` and ``n`` of metrics that are no means over entries.
        """
        return {}

    def report(self, folder: Path) -> None:
        """Write pictures and tables of all entries that were scored the last time.

        Parameters
        ----------
        folder : Path
            Of the run.
        """
        return

    @abstractmethod
    def scores(
        self, network: Network, data: DataSet, part: DataPart, seconds: float | None, told: Told | None
    ) -> dict[str, dict[str, float]]:
        """Score entries.

        Parameters
        ----------
        network : Network
            Trained.
        data : DataSet
            What to score.
        part : DataPart
            How long examples are.
        seconds : float, optional
            Of the beginning of every entry; all of it if None.
        told : callable, optional
            Called with the number of entries that are done.

        Returns
        -------
        dict of str to dict of str to float
            Metrics by key of the entry, and by name.
        """


PARADIGMS: Registry[Paradigm] = Registry("paradigm")
