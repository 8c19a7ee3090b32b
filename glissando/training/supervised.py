"""Learn a task from annotations."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..data import Annotations, DataSet, Entry, Patches
from ..errors import RecipeError
from ..nn import Model
from .estimator import Estimator
from .network import Network
from .paradigm import Batch, Paradigm, Told
from .recipe import DataPart

TUNING_SECONDS = 60.0  # of every validation entry


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
