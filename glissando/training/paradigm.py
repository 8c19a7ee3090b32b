"""Learning paradigms: which examples a model is given, what a batch costs, and which number chooses the epoch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from ..data import Annotations, DataSet, Entry, Patches
from ..errors import RecipeError
from ..nn import Model
from ..registry import Registry, parse
from .estimator import Estimator
from .network import Network
from .recipe import DataPart, Recipe

Batch = dict[str, Tensor]
Told = Callable[[int], None]

TUNING_SECONDS = 60.0  # of every validation entry


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


class Supervised(Paradigm):
    """Learn a task from annotations.

    Parameters
    ----------
    estimator : Estimator
        With the task.
    """

    augmented = "feature"

    def __init__(self, estimator: Estimator) -> None:
        super().__init__()
        self.task, self.goal = estimator.task, estimator.task.goal
        self.layers = estimator.task.layers  # (they are trained and kept with the paradigm's)
        self._scored: list[tuple[Annotations, Any]] = []

    def examples(
        self,
        network: Network,
        entries: Sequence[Entry],
        part: DataPart,
        *,
        training: bool,
        seed: int,
        told: Told | None,
    ) -> Patches:
        """Cut patches with their targets; parameters as of `Paradigm.examples`.

        Parameters
        ----------
        network : Network
            Feature and model.
        entries : sequence of Entry
            What to cut.
        part : DataPart
            Patch and hop.
        training : bool
            Move them about.
        seed : int
            Of the moves.
        told : callable, optional
            Called with the number of features that are there.

        Returns
        -------
        Patches
            Of the task.

        Raises
        ------
        RecipeError
            If the model's outputs are not as large as the targets.
        """
        patches = Patches(
            network.cache(), entries, self.task.targets, frames=part.patch, hop=part.hop if training else None,
            jitter=training, per_entry=part.per_entry, seed=seed, progress=told,
        )  # fmt: skip
        wanted = tuple(patches[0]["target"].shape)
        with torch.no_grad():
            given = tuple(network.model(patches[0]["feature"][None])[0].shape)
        if given != wanted:
            sizes = [" x ".join(map(str, one)) for one in (given, wanted)]
            raise RecipeError(f"{network.name}: model: gives {sizes[0]}, but the task wants {sizes[1]}")
        return patches

    def loss(self, model: Model, batch: Batch) -> Tensor:
        """Compare outputs with targets.

        Parameters
        ----------
        model : Model
            What learns.
        batch : dict of str to Tensor
            Of `Patches`.

        Returns
        -------
        Tensor
            One number.
        """
        return self.task.loss(model(batch["feature"]), batch["target"], batch["valid"])

    def tune(self, network: Network, valid: DataSet) -> dict[str, float]:
        """Tune the task.

        Parameters
        ----------
        network : Network
            An estimator, trained.
        valid : DataSet
            To choose by.

        Returns
        -------
        dict of str to float
            Thresholds and alike.
        """
        assert isinstance(network, Estimator)
        cache = network.cache()
        runs = [(entry, *network.run(entry, cache, seconds=TUNING_SECONDS)) for entry in valid.values()]
        self.task.tune([(entry.annotations, outputs, times) for entry, outputs, times in runs])
        return self.task.tuned

    def scores(
        self, network: Network, data: DataSet, part: DataPart, seconds: float | None, told: Told | None
    ) -> dict[str, dict[str, float]]:
        """Score entries by the metrics of the task; parameters as of `Paradigm.scores`.

        Parameters
        ----------
        network : Network
            An estimator, trained.
        data : DataSet
            What to score.
        part : DataPart
            Not used: whole entries are scored.
        seconds : float, optional
            Of the beginning of every entry.
        told : callable, optional
            Called with the number of entries that are done.

        Returns
        -------
        dict of str to dict of str to float
            Metrics by key of the entry, and by name.
        """
        assert isinstance(network, Estimator)
        cache, found = network.cache(), {}
        self._scored = []
        for done, (key, entry) in enumerate(data.items()):
            if told is not None:
                told(done)
            estimate = self.task.predict(*network.run(entry, cache, seconds=seconds))
            found[key] = self.task.evaluate(entry.annotations, estimate)
            self._scored.append((entry.annotations, estimate))
        return found

    def overall(self) -> dict[str, dict[str, float]]:
        """Score at once all entries that were scored the last time.

        Returns
        -------
        dict of str to dict of str to float
            As the task's `evaluate_all` gives it.
        """
        return self.task.evaluate_all(self._scored)

    def report(self, folder: Path) -> None:
        """Write the task's pictures and tables of all entries that were scored the last time.

        Parameters
        ----------
        folder : Path
            Of the run.
        """
        self.task.report(folder, self._scored)


PARADIGMS: Registry[Paradigm] = Registry("paradigm")


def paradigm_of(recipe: Recipe, *, name: str) -> tuple[Network, Paradigm]:
    """Build what a recipe names.

    Parameters
    ----------
    recipe : Recipe
        With a task or a paradigm.
    name : str
        Of the recipe, for errors.

    Returns
    -------
    Network
        An `Estimator`, if there is a task.
    Paradigm
        How it learns.

    Raises
    ------
    RecipeError
        If a part can't be built.
    """
    if recipe.paradigm is None:
        estimator = Estimator(recipe, name=name)
        return estimator, Supervised(estimator)
    where = f"{name}: paradigm"
    kind = PARADIGMS.maker(parse(recipe.paradigm, "paradigm", where=where)[0], where=where)
    network = Network(recipe, name=name, given=getattr(kind, "given", None))
    return network, PARADIGMS.build(
        recipe.paradigm, where=where, example=network.output(), model=network.model,
        feature=network.feature,
    )  # fmt: skip
