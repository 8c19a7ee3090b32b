"""What generators of continuous latents have in common: they see them standardised, and are scored by samples."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from ..codecs import Latents
from ..data import Beginnings, Entry
from ..errors import RecipeError
from ..features import Feature
from ..metrics import energy_score
from ..nn import Model
from .generative import Generative
from .network import Network
from .paradigm import Batch, Told
from .recipe import DataPart

CONDITION = 128  # size of the vector that a model is told
SCORED = 4  # samples of every entry that is scored
FLAT = 1e-4  # standard deviation of a dimension in which there is nothing to learn
TOGETHER = 256  # examples that are summed up at once


class Continuous(Generative):
    """Learn to make latents as they are, without codes: from noise, by a model that is told a vector ``condition``.

    The model takes noise or noisy latents, ``[batch, 1, dim, frames]``, and gives ``[batch, frames, dim]``. Latents are
    standardised, every dimension by the training data, and what is made stays within its range.

    Parameters
    ----------
    example : Tensor
        An output of the model.
    feature : Feature
        The latents of a codec.
    conditions : mapping of str to sequence of str, optional
        See `Generative`.
    drop : float
        See `Generative`.
    """

    goal = "skill"
    given: ClassVar[Mapping[str, int]] = {"condition": CONDITION}
    mean: Tensor
    scale: Tensor
    lowest: Tensor
    highest: Tensor

    def __init__(
        self,
        example: Tensor,
        feature: Feature,
        *,
        conditions: Mapping[str, Sequence[str]] | None = None,
        drop: float = 0.1,
    ) -> None:
        super().__init__(feature, conditions=conditions, dim=CONDITION, drop=drop)
        assert isinstance(feature, Latents)
        self.dim = feature.codec.card.dim
        if example.ndim != 3 or example.shape[2] != self.dim:
            raise ValueError(
                f"needs a model that ends in a sequence of the codec's {self.dim} dimensions; it gives "
                f"[{', '.join(map(str, example.shape))}]"
            )
        self.frames = example.shape[1]
        self.mix = nn.Sequential(nn.SiLU(), nn.Linear(CONDITION, CONDITION), nn.SiLU())  # (so that fields can interact)
        self.register_buffer("mean", torch.zeros(self.dim))
        self.register_buffer("scale", torch.ones(self.dim))
        self.register_buffer("lowest", torch.full((self.dim,), -torch.inf))
        self.register_buffer("highest", torch.full((self.dim,), torch.inf))

    def examples(
        self,
        network: Network,
        entries: Sequence[Entry],
        part: DataPart,
        *,
        training: bool,
        seed: int,
        told: Told | None,
    ) -> Beginnings:
        """Take beginnings of entries; parameters as of `Generative.examples`.

        Parameters
        ----------
        network : Network
            Feature and model.
        entries : sequence of Entry
            The notes.
        part : DataPart
            Their length.
        training : bool
            Not used.
        seed : int
            Not used.
        told : callable, optional
            Called with the number of features that are there.

        Returns
        -------
        Beginnings
            With ``conditions``.

        Raises
        ------
        RecipeError
            If the model gives another number of frames than it takes.
        """
        if self.frames != part.patch:
            raise RecipeError(
                f"{network.name}: model: makes {self.frames} frames of {part.patch}; it must give as many as it takes"
            )
        return super().examples(network, entries, part, training=training, seed=seed, told=told)

    def run(self, model: Model, x: Tensor, vectors: Tensor) -> Tensor:
        """Run the model.

        Parameters
        ----------
        model : Model
            Of the recipe.
        x : Tensor, shape=(batch, frames, dim)
            Noise, or noisy latents.
        vectors : Tensor, shape=(batch, size)
            What it is told, such as embedded conditions.

        Returns
        -------
        Tensor, shape=(batch, frames, dim)
            Single precision.
        """
        found: Tensor = model(x.transpose(1, 2)[:, None], condition=self.mix(vectors))
        return found.float()

    @torch.no_grad()
    def prepare(self, model: Model, examples: Dataset[Batch], *, seed: int) -> None:
        """Find mean, standard deviation and range of every dimension.

        Parameters
        ----------
        model : Model
            Not used.
        examples : Dataset
            Of `examples`.
        seed : int
            Not used.
        """
        sums, ends = torch.zeros(3, self.dim, dtype=torch.float64), []
        for batch in DataLoader(examples, TOGETHER):
            x = batch["feature"][:, 0].transpose(0, 1).flatten(1).double()
            sums += torch.stack([torch.full((self.dim,), x.shape[1]), x.sum(1), x.square().sum(1)])
            ends.append(torch.stack(x.aminmax(dim=1)))
        self.lowest.copy_(torch.stack(ends)[:, 0].amin(0))
        self.highest.copy_(torch.stack(ends)[:, 1].amax(0))
        mean = sums[1] / sums[0]
        self.mean.copy_(mean)
        self.scale.copy_((sums[2] / sums[0] - mean.square()).clamp_min(0).sqrt().clamp_min(FLAT))

    def standard(self, latents: Tensor) -> Tensor:
        """Standardise latents.

        Parameters
        ----------
        latents : Tensor, shape=(batch, frames, dim)
            Of the codec.

        Returns
        -------
        Tensor, shape=(batch, frames, dim)
            Of mean 0 and variance 1, over all training data.
        """
        return (latents - self.mean) / self.scale

    def restored(self, made: Tensor) -> Tensor:
        """Undo `standard`, within the range of the training data, so that the codec hears nothing that it can't know.

        Parameters
        ----------
        made : Tensor, shape=(batch, frames, dim)
            Standardised.

        Returns
        -------
        Tensor, shape=(batch, frames, dim)
            Latents for the codec.
        """
        return (made * self.scale + self.mean).clamp(self.lowest, self.highest)

    def data(self, batch: Batch) -> Tensor:
        """Standardise the latents of a batch.

        Parameters
        ----------
        batch : dict of str to Tensor
            Of `examples`.

        Returns
        -------
        Tensor, shape=(batch, frames, dim)
            As of `standard`.
        """
        return self.standard(batch["feature"][:, 0].transpose(1, 2))

    @abstractmethod
    def make(
        self,
        model: Model,
        conditions: Tensor,
        noise: Tensor,
        *,
        guidance: float,
        generator: torch.Generator,
        start: Tensor | None = None,
        **options: float | str,
    ) -> Tensor:
        """Make standardised latents.

        Parameters
        ----------
        model : Model
            Trained.
        conditions : Tensor of int, shape=(batch, fields)
            Classes.
        noise : Tensor, shape=(batch, frames, dim)
            What they are made from.
        guidance : float
            See `glissando.nn.guided`.
        generator : Generator
            Of more noise.
        start : Tensor, optional, shape=(batch, fewer frames, dim)
            Latents that they begin with, standardised.
        **options : float or str
            Of `sample`.

        Returns
        -------
        Tensor, shape=(batch, frames, dim)
            As of `standard`.
        """

    def measure(self, model: Model, batch: Batch) -> dict[str, Tensor]:
        """Score samples of every entry, told what it is, always from the same noise.

        Parameters
        ----------
        model : Model
            Trained.
        batch : dict of str to Tensor
            Of `examples`.

        Returns
        -------
        dict of str to Tensor, shape=(batch,)
            ``skill``: 1 less the `glissando.metrics.energy_score`, relative to how far the mean of all training latents
            is from the entry. 0 is no better than that mean, 1 can't be reached where notes of one class differ.
        """
        data, generator = self.data(batch), seeded(batch)
        noise = drawn((SCORED * len(data), *data.shape[1:]), generator, data)
        made = self.make(
            model, batch["conditions"].repeat(SCORED, 1), noise, guidance=1.0, generator=generator, **self.options
        )
        score = energy_score(made.view(SCORED, *data.shape), data)
        floor = data.flatten(1).double().square().mean(1).sqrt()
        return {"skill": 1 - score / floor.clamp_min(FLAT)}

    def sample(
        self,
        model: Model,
        conditions: Tensor,
        frames: int,
        *,
        guidance: float,
        generator: torch.Generator,
        start: Tensor | None = None,
        **options: float | str,
    ) -> Tensor:
        """Make latents from noise; parameters as of `Generative.sample`.

        Parameters
        ----------
        model : Model
            Trained.
        conditions : Tensor of int, shape=(batch, fields)
            Classes.
        frames : int
            How many.
        guidance : float
            See `glissando.nn.guided`.
        generator : Generator
            Of random numbers.
        start : Tensor, optional, shape=(batch, fewer frames, dim)
            Latents that they begin with.
        **options : float or str
            As named in ``options``.

        Returns
        -------
        Tensor, shape=(batch, frames, dim)
            Latents for the codec.
        """
        noise = drawn((len(conditions), frames, self.dim), generator, self.mean)
        begun = None if start is None else self.standard(start)
        made = self.make(model, conditions, noise, guidance=guidance, generator=generator, start=begun, **options)
        found = self.restored(made)
        return found if start is None else torch.cat([start, found[:, start.shape[1] :]], 1)


def seeded(batch: Batch) -> torch.Generator:
    """Begin random numbers that are the same for a batch whenever it comes.

    Parameters
    ----------
    batch : dict of str to Tensor
        Of `Continuous.examples`.

    Returns
    -------
    Generator
        On the CPU.
    """
    return torch.Generator().manual_seed(int(batch["entry"][0]))


def drawn(shape: Sequence[int], generator: torch.Generator | None, like: Tensor) -> Tensor:
    """Draw standard normal noise, the same on every device.

    Parameters
    ----------
    shape : sequence of int
        Of the noise.
    generator : Generator, optional
        On the CPU; torch's own if None.
    like : Tensor
        Of its device and type.

    Returns
    -------
    Tensor
        Noise.
    """
    return torch.randn(*shape, generator=generator).to(like)
