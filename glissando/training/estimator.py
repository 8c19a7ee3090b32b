"""A trained recipe at work: audio in, estimate out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..audio import read
from ..data import Entry, FeatureCache
from ..errors import RecipeError
from ..tasks import TASKS, Task
from .network import Network
from .recipe import Recipe

CHUNK, MARGIN = 768, 96  # frames at once, and on each side of them that are heard and not used


class Estimator(Network):
    """Feature, model and task of a recipe.

    Parameters
    ----------
    recipe : Recipe
        What to build; it names a task.
    name : str
        Of the recipe, for errors.

    Raises
    ------
    RecipeError
        If it names none.
    """

    def __init__(self, recipe: Recipe, *, name: str = "recipe") -> None:
        if recipe.task is None:
            raise RecipeError(f"{name}: learns embeddings and no task, so it estimates nothing")
        self.task: Task = TASKS.build(recipe.task, where=f"{name}: task")
        super().__init__(recipe, name=name)

    @torch.inference_mode()
    def outputs(self, feature: NDArray[Any] | Tensor) -> Tensor:
        """Run the model over a feature of any length, chunk by chunk.

        Parameters
        ----------
        feature : ndarray or Tensor, shape=(channels, bins, frames)
            Of one recording; may be mapped from disk.

        Returns
        -------
        Tensor, shape=(..., frames)
            Of the model, on the CPU.
        """
        device = next(self.model.parameters()).device
        self.model.eval()
        total, parts = feature.shape[-1], []
        for start in range(0, total, CHUNK):
            low, high = max(0, start - MARGIN), min(total, start + CHUNK + MARGIN)
            piece = torch.as_tensor(np.asarray(feature[..., low:high], np.float32))
            short = 2 * MARGIN - piece.shape[-1]
            if short > 0:  # U-Nets and alike want a few frames
                piece = torch.nn.functional.pad(piece, (0, short))
            found = self.model(piece[None].to(device))[0].cpu()
            parts.append(found[..., start - low : min(start + CHUNK, total) - low])
        return torch.cat(parts, -1)

    def estimate(self, path: str | Path) -> tuple[Any, Tensor, NDArray[np.float64]]:
        """Estimate from a file.

        Parameters
        ----------
        path : str or Path
            Audio.

        Returns
        -------
        estimate : object
            As the task gives it.
        outputs : Tensor, shape=(..., frames)
            Of the model.
        times : ndarray, shape=(frames,)
            In seconds.

        Raises
        ------
        AudioError
            If the file can't be read.
        """
        waveform = read(path, sample_rate=self.feature.sample_rate).samples
        outputs = self.outputs(self.hear(waveform))
        times = self.times(outputs.shape[-1])
        return self.task.predict(outputs, times), outputs, times

    def score(self, entry: Entry, cache: FeatureCache, *, seconds: float | None = None) -> dict[str, float]:
        """Score one entry of a data set.

        Parameters
        ----------
        entry : Entry
            With annotations.
        cache : FeatureCache
            From `cache`.
        seconds : float, optional
            Of its beginning; all of it if None.

        Returns
        -------
        dict of str to float
            Metrics by name.
        """
        outputs, times = self.run(entry, cache, seconds=seconds)
        return self.task.evaluate(entry.annotations, self.task.predict(outputs, times))

    def run(
        self, entry: Entry, cache: FeatureCache, *, seconds: float | None = None
    ) -> tuple[Tensor, NDArray[np.float64]]:
        """Run the model over one entry.

        Parameters
        ----------
        entry : Entry
            With audio.
        cache : FeatureCache
            From `cache`.
        seconds : float, optional
            Of its beginning; all of it if None.

        Returns
        -------
        outputs : Tensor, shape=(..., frames)
            Of the model.
        times : ndarray, shape=(frames,)
            In seconds.
        """
        feature = cache.get(entry)
        if seconds is not None:
            feature = feature[..., : max(1, int(seconds * self.feature.frame_rate))]
        outputs = self.outputs(feature)
        return outputs, self.times(outputs.shape[-1])
