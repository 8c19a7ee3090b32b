"""A trained recipe at work: audio in, estimate out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..audio import read
from ..data import Entry, FeatureCache
from ..errors import RecipeError
from ..features import FEATURES, Feature
from ..nn import Model, build
from ..tasks import TASKS, Task
from .augment import AUGMENTATIONS
from .recipe import Recipe

SAMPLE_RATE = 22_050  # Hz, unless the recipe says another
CHUNK, MARGIN = 768, 96  # frames at once, and on each side of them that are heard and not used
FEATURE_SECONDS, FEATURE_MARGIN = 60.0, 6.0  # of audio at once, and beside it: longer than the lowest kernels


class Estimator:
    """Feature, model and task of a recipe.

    Parameters
    ----------
    recipe : Recipe
        What to build.
    name : str
        Of the recipe, for errors.
    """

    def __init__(self, recipe: Recipe, *, name: str = "recipe") -> None:
        self.recipe = recipe
        self.task: Task = TASKS.build(recipe.task, where=f"{name}: task")
        self.feature: Feature = FEATURES.build(recipe.feature, where=f"{name}: feature", sample_rate=SAMPLE_RATE).eval()
        self.model: Model = build(recipe.model, self.example(), where=f"{name}: model").eval()

    def augment(self) -> nn.Module | None:
        """Build what changes training batches.

        Returns
        -------
        Module or None
            None if the recipe wants nothing.
        """
        specs = self.recipe.train.augment
        made = [
            AUGMENTATIONS.build(spec, where=f"train.augment[{i}]", feature=self.feature) for i, spec in enumerate(specs)
        ]
        return nn.Sequential(*made) if made else None

    def example(self) -> Tensor:
        """Make an input of the model, of zeros.

        Returns
        -------
        Tensor, shape=(2, channels, bins, patch)
            A batch of two.
        """
        seconds = self.feature.first * 2 + 0.1
        with torch.inference_mode():
            found = self.feature(torch.zeros(1, int(seconds * self.feature.sample_rate)))
        return torch.zeros(2, *found.shape[1:3], self.recipe.data.patch)

    def cache(self, *, folder: Path | None = None) -> FeatureCache:
        """Make the cache of this feature.

        Parameters
        ----------
        folder : Path, optional
            Where; the user's cache if None.

        Returns
        -------
        FeatureCache
            Keyed by the feature's parameters.
        """
        return FeatureCache(self.feature, self.recipe.feature, folder=folder)

    def times(self, frames: int) -> NDArray[np.float64]:
        """Tell the centres of frames.

        Parameters
        ----------
        frames : int
            How many.

        Returns
        -------
        ndarray, shape=(frames,)
            In seconds.
        """
        return self.feature.first + np.arange(frames) / self.feature.frame_rate

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

    def hear(self, waveform: NDArray[np.float32]) -> Tensor:
        """Compute the feature of a recording, block by block.

        Parameters
        ----------
        waveform : ndarray, shape=(samples,)
            Mono, at the feature's rate.

        Returns
        -------
        Tensor, shape=(channels, bins, frames)
            Half precision.
        """
        hop = round(self.feature.sample_rate / self.feature.frame_rate)
        step, margin = (int(s * self.feature.frame_rate) // 64 * 64 for s in (FEATURE_SECONDS, FEATURE_MARGIN))
        total, parts = max(1, len(waveform) // hop), []
        with torch.inference_mode():
            for start in range(0, total, step):
                low = max(0, start - margin)
                piece = torch.from_numpy(waveform[low * hop : (start + step + margin) * hop].copy())
                found = self.feature(piece[None])[0]
                parts.append(found[..., start - low : start - low + step].half())
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

    def load_weights(self, path: Path) -> None:
        """Take trained weights.

        Parameters
        ----------
        path : Path
            Safetensors, of any float type.

        Raises
        ------
        RecipeError
            If they are damaged or of another model.
        """
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            state = {
                name: tensor.float() if tensor.is_floating_point() else tensor
                for name, tensor in load_file(path).items()
            }
            self.model.load_state_dict(state)
        except (OSError, SafetensorError) as error:
            raise RecipeError(
                f"{path}: can't be read as weights ({str(error).splitlines()[0]}); train again"
            ) from error
        except RuntimeError as error:
            raise RecipeError(f"{path}: holds the weights of another model than the recipe") from error
