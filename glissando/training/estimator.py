"""A trained recipe at work: audio in, estimate out."""

from __future__ import annotations

import math
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
LONGEST = 60.0  # seconds that a model pools over at once


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
            Of the model, on the CPU. A task that pools has stretches in the place of frames: the whole, or equal parts
            of at most a minute; if it is chunked, as long as an example of training, end to end.
        """
        if self.task.pooled:
            total = feature.shape[-1]
            if self.task.chunked:
                length = self.recipe.data.patch
                return self.stretches(feature, length=length, count=max(1, math.ceil(total / length)))
            parts = max(1, math.ceil(total / (LONGEST * self.feature.frame_rate)))
            return self.stretches(feature, length=math.ceil(total / parts), count=parts)
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

    @torch.inference_mode()
    def stretches(self, feature: NDArray[Any] | Tensor, *, length: int, count: int) -> Tensor:
        """Run a model that pools over stretches of a feature, evenly spaced from its beginning to its end.

        Parameters
        ----------
        feature : ndarray or Tensor, shape=(channels, bins, frames)
            Of one recording.
        length, count : int
            Frames of a stretch, and how many. Stretches shorter than an example of training are filled up with zeros,
            as examples are.

        Returns
        -------
        Tensor, shape=(..., stretches)
            Of the model, on the CPU.
        """
        device = next(self.model.parameters()).device
        self.model.eval()
        found = []
        for start in np.linspace(0, max(0, feature.shape[-1] - length), count).round().astype(int):
            piece = torch.as_tensor(np.asarray(feature[..., start : start + length], np.float32))
            short = self.recipe.data.patch - piece.shape[-1]
            piece = torch.nn.functional.pad(piece, (0, max(0, short)))
            found.append(self.model(piece[None].to(device))[0].cpu())
        return torch.stack(found, -1)

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
            Of the model; of one that pools, of stretches as long as an example of training, to look at.
        times : ndarray, shape=(frames,)
            In seconds.

        Raises
        ------
        AudioError
            If the file can't be read.
        """
        waveform = read(path, sample_rate=self.feature.sample_rate).samples
        feature = self.hear(waveform)
        outputs, times = self._timed(feature)
        estimate = self.task.predict(outputs, times)
        if self.task.pooled:
            total, length = feature.shape[-1], min(feature.shape[-1], self.recipe.data.patch)
            count = 2 * math.ceil(total / length) - 1
            outputs = self.stretches(feature, length=length, count=count)
            times = (np.linspace(0, total - length, count) + length / 2) / self.feature.frame_rate
        return estimate, outputs, times

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
        return self._timed(feature)

    def _timed(self, feature: NDArray[Any] | Tensor) -> tuple[Tensor, NDArray[np.float64]]:
        """Outputs, and the times of their frames or the middles of their stretches."""
        outputs = self.outputs(feature)
        count = outputs.shape[-1]
        if self.task.pooled:
            return outputs, (np.arange(count) + 0.5) * feature.shape[-1] / self.feature.frame_rate / count
        return outputs, self.times(count)
