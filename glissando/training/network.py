"""Feature and model of a recipe: what every run has, whatever it learns."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from .. import codecs  # noqa: F401  (registers the feature latents)
from ..data import FeatureCache
from ..errors import RecipeError
from ..features import FEATURES, Feature
from ..nn import Model, build
from .augment import AUGMENTATIONS
from .recipe import Recipe

SAMPLE_RATE = 22_050  # Hz, unless the recipe says another
FEATURE_SECONDS, FEATURE_MARGIN = 60.0, 6.0  # of audio at once, and beside it: longer than the lowest kernels


class Network:
    """Feature and model of a recipe.

    Parameters
    ----------
    recipe : Recipe
        What to build.
    name : str
        Of the recipe, for errors.
    given : mapping of str to int, optional
        Vectors that the model is given beside what it hears, by name, and their sizes.
    """

    def __init__(self, recipe: Recipe, *, name: str = "recipe", given: Mapping[str, int] | None = None) -> None:
        self.recipe, self.name = recipe, name
        self.given = {vector: torch.zeros(2, size) for vector, size in (given or {}).items()}
        self.feature: Feature = FEATURES.build(recipe.feature, where=f"{name}: feature", sample_rate=SAMPLE_RATE).eval()
        self.model: Model = build(recipe.model, self.example(), where=f"{name}: model", given=self.given).eval()

    def output(self) -> Tensor:
        """Run the model on its example.

        Returns
        -------
        Tensor, shape=(2, ...)
            Only its shape means anything.
        """
        with torch.no_grad():
            found: Tensor = self.model(self.example(), **self.given)
        return found

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

    def cache(
        self,
        *,
        folder: Path | None = None,
        tempo_ratio: float = 1.0,
        semitones: float = 0.0,
        excerpt: float | None = None,
    ) -> FeatureCache:
        """Make the cache of this feature.

        Parameters
        ----------
        folder : Path, optional
            Where; the user's cache if None.
        tempo_ratio : float
            Of the audio, stretched.
        semitones : float
            By which it is transposed.
        excerpt : float, optional
            Seconds from the middle of longer recordings; all of them if None.

        Returns
        -------
        FeatureCache
            Keyed by the feature's parameters.
        """
        return FeatureCache(
            self.feature, self.recipe.feature, folder=folder, tempo_ratio=tempo_ratio, semitones=semitones,
            excerpt=excerpt,
        )  # fmt: skip

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
        least = 2 * round(self.feature.first * self.feature.sample_rate)  # samples of a frame
        waveform = np.pad(waveform, (0, max(0, least - len(waveform))))
        step, margin = (int(s * self.feature.frame_rate) // 64 * 64 for s in (FEATURE_SECONDS, FEATURE_MARGIN))
        total, parts = max(1, len(waveform) // hop), []
        with torch.inference_mode():
            for start in range(0, total, step):
                low = max(0, start - margin)
                piece = torch.from_numpy(waveform[low * hop : (start + step + margin) * hop].copy())
                found = self.feature(piece[None])[0]
                parts.append(found[..., start - low : start - low + step].half())
        return torch.cat(parts, -1)

    def load_weights(self, path: Path, *, but: Collection[str] = ()) -> None:
        """Take trained weights.

        Parameters
        ----------
        path : Path
            Safetensors, of any float type.
        but : collection of str
            Parts of the model that keep the weights they have.

        Raises
        ------
        RecipeError
            If they are damaged or of another model.
        """
        read_weights(self.model, path, but=[f"parts.{part}." for part in but])

    def load_part(self, part: str, path: Path, *, of: str) -> None:
        """Take trained weights for one part of the model.

        Parameters
        ----------
        part : str
            Its name.
        path : Path
            Safetensors, of any float type.
        of : str
            The part that had these weights.

        Raises
        ------
        RecipeError
            If there is no such part, or the weights are damaged or of another one.
        """
        if part not in self.model.parts:
            raise RecipeError(
                f"{self.name}: train.start: there is no part {part!r}; it has {', '.join(self.model.parts)}"
            )
        read_weights(self.model.parts[part], path, of=f"parts.{of}.")


def read_weights(module: nn.Module, path: Path, *, but: Sequence[str] = (), of: str = "") -> None:
    """Give trained weights to a module.

    Parameters
    ----------
    module : Module
        Changed in place.
    path : Path
        Safetensors, of any float type.
    but : sequence of str
        Beginnings of names of weights that stay as they are.
    of : str
        Beginning of the names of those that are meant, in a file that has others; all if empty.

    Raises
    ------
    RecipeError
        If they are damaged or of another model.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        state = {
            name.removeprefix(of): tensor.float() if tensor.is_floating_point() else tensor
            for name, tensor in load_file(path).items()
            if name.startswith(of) and not name.startswith(tuple(but))
        }
        kept = {name: tensor for name, tensor in module.state_dict().items() if name.startswith(tuple(but))}
        module.load_state_dict({**state, **kept})
    except (OSError, SafetensorError) as error:
        raise RecipeError(f"{path}: can't be read as weights ({str(error).splitlines()[0]}); train again") from error
    except RuntimeError as error:
        raise RecipeError(f"{path}: holds the weights of another model than the recipe") from error
