"""Mixing spaces: a map of latents under which the embedding of a mix is the sum of the embeddings of its parts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from ..audio import resample
from ..codecs import Latents
from ..data import DataSet, Entry
from ..errors import RecipeError
from ..latent.mixing import PARTS, MixingSpace
from ..nn import Model, covariance_term, variance_term
from .network import Network
from .paradigm import PARADIGMS, Batch, Paradigm, Told
from .recipe import DataPart

TOGETHER = 64  # examples that are encoded or scored at once
THINNED = 4  # in training every so many-th latent of an example is looked at, and of those again mapped back
PEAK = 1e-3  # below which a stretch is silent, and another is drawn
DRAWS = 8  # of a stretch, at most


@PARADIGMS.register("mixing")
class Mixing(Paradigm):
    """Learn a mixing space: sums of projected parts are near the projected mix, by VICReg, and can be mapped back.

    Invariance is between the sum and the mix, latent by latent and on the average over an example; variance and
    covariance keep the averages from collapsing. The map back learns from what is projected, and from sums and
    differences of it.

    Parameters
    ----------
    example : Tensor
        An output of the model.
    model : Model
        With the parts project and restore.
    feature : Feature
        Latents of a codec.
    invariance, variance, covariance : float
        Weights of the terms of VICReg.
    restoration : float
        Weight of the squared error of latents that are mapped back.
    quietest : float
        Decibels by which a part is made softer at most.

    References
    ----------
    Bardes, Ponce & LeCun, "VICReg", ICLR 2022, arXiv 2105.04906.
    """

    goal = "found"
    augmented: ClassVar[str] = "latents"

    def __init__(
        self,
        example: Tensor,
        model: Model,
        feature: Any,
        *,
        invariance: float = 50.0,
        variance: float = 25.0,
        covariance: float = 2.0,
        restoration: float = 20.0,
        quietest: float = 18.0,
    ) -> None:
        super().__init__()
        if not isinstance(feature, Latents):
            raise ValueError("needs the feature latents, of a codec")
        silence = feature.silence()[0, :, 0]
        if tuple(model.parts) != PARTS or example.ndim != 3 or example.shape[2] != len(silence):
            raise ValueError(
                f"needs a model of the parts {' and '.join(PARTS)} that gives {len(silence)} numbers a latent"
            )
        if min(invariance, variance, covariance, restoration, quietest) < 0:
            raise ValueError("the weights of the terms, and quietest, must not be below 0")
        self.invariance, self.variance, self.covariance = invariance, variance, covariance
        self.restoration, self.quietest, self.space_id = restoration, quietest, str(feature.space)
        self.silence: Tensor
        self.register_buffer("silence", silence, persistent=False)
        self._scored: dict[str, float] = {}

    def examples(
        self,
        network: Network,
        entries: Sequence[Entry],
        part: DataPart,
        *,
        training: bool,
        seed: int,
        told: Told | None,
    ) -> Mixtures:
        """Mix stretches of entries in pairs; parameters as of `Paradigm.examples`.

        Parameters
        ----------
        network : Network
            Feature and model.
        entries : sequence of Entry
            Each is mixed with others that are drawn.
        part : DataPart
            Length of a stretch in latents, and how many of every recording.
        training : bool
            Not used: what is mixed is encoded once, and the same in every epoch.
        seed : int
            Of what is drawn.
        told : callable, optional
            Called with the number of recordings that are mixed.

        Returns
        -------
        Mixtures
            Latents of two parts and of their mix.
        """
        assert isinstance(network.feature, Latents)
        return Mixtures(
            network.feature, entries, latents=part.patch, count=part.per_entry or 1, quietest=self.quietest,
            seed=seed + (not training), progress=told,
        )  # fmt: skip

    def loss(self, model: Model, batch: Batch) -> Tensor:
        """Compute what a batch costs.

        Parameters
        ----------
        model : Model
            What learns.
        batch : dict of str to Tensor
            Of `Mixtures`.

        Returns
        -------
        Tensor
            One number.
        """
        first, some = torch.randint(THINNED, (2,)).tolist()
        return self._cost(model, batch["latents"][:, :, first::THINNED], slice(some, None, THINNED))

    def observe(self, model: Model, batch: Batch) -> Tensor:
        """Look at a batch of validation.

        Parameters
        ----------
        model : Model
            What learns.
        batch : dict of str to Tensor
            Of `Mixtures`.

        Returns
        -------
        Tensor
            Its loss.
        """
        return self._cost(model, batch["latents"], slice(None))

    def scores(
        self, network: Network, data: DataSet, part: DataPart, seconds: float | None, told: Told | None
    ) -> dict[str, dict[str, float]]:
        """Score mixes of entries; parameters as of `Paradigm.scores`.

        Parameters
        ----------
        network : Network
            Trained.
        data : DataSet
            What to score.
        part : DataPart
            Length of an example.
        seconds : float, optional
            Not used.
        told : callable, optional
            Called with the number of recordings that are mixed.

        Returns
        -------
        dict of str to dict of str to float
            By entry: ``error``, the distance between the sum of the parts' embeddings and that of the mix, over the
            mean distance between mixes; ``found``, 1 if no other mix is nearer to the sum; ``restored``, the squared
            error of the latents that the sum is mapped back to, over that of either part in the place of the mix.
        """
        one = part.model_copy(update={"per_entry": 1})
        examples = self.examples(network, [*data.values()], one, training=False, seed=0, told=told)
        space = MixingSpace(network.model, self.silence, self.space_id).eval()
        sums, mixes, back, apart = [], [], [], []
        with torch.inference_mode():
            for batch in DataLoader(examples, TOGETHER):
                z = batch["latents"].float()
                a, b, mix = (space.project(each) for each in z.unbind(1))
                sums.append((a + b).mean(1))
                mixes.append(mix.mean(1))
                back.append((space.restore(a + b) - z[:, 2]).square().mean((1, 2)))
                apart.append((z[:, :2] - z[:, 2:]).square().mean((1, 2, 3)))
            distances = torch.cdist(torch.cat(sums), torch.cat(mixes))
            between = torch.cdist(torch.cat(mixes), torch.cat(mixes)).sum() / max(
                1, len(distances) * (len(distances) - 1)
            )
            error = distances.diagonal() / between.clamp_min(1e-9)
            found = (distances.argmin(1) == torch.arange(len(distances))).float()
            restored = torch.cat(back) / torch.cat(apart).mean().clamp_min(1e-9)
        return {
            key: {"error": float(error[i]), "found": float(found[i]), "restored": float(restored[i])}
            for i, key in enumerate(data)
        }

    def _cost(self, model: Model, z: Tensor, some: slice) -> Tensor:
        """Of latents of parts and mixes, some of which are mapped back."""
        space = MixingSpace(model, self.silence, self.space_id)
        flat = space.project(z.flatten(0, 1))
        projected = flat.view(*z.shape[:2], *flat.shape[1:])
        a, b, mix = projected.unbind(1)
        apart = mix - a - b
        loss: Tensor = self.invariance * (apart.square().mean() + apart.mean(1).square().mean())
        for one in projected.mean(2).unbind(1):
            loss = loss + (self.variance * variance_term(one) + self.covariance * covariance_term(one)) / 3
        wanted = torch.cat([z[:, 2], z[:, 2], z[:, 1], z[:, 0]])[:, some]
        made = space.restore(torch.cat([mix, a + b, mix - a, a])[:, some])
        return loss + self.restoration * (made - wanted).square().mean()


class Mixtures(Dataset[Batch]):
    """Latents of stretches of two recordings, softer by chance, and of their mix.

    Parameters
    ----------
    feature : Latents
        Of the codec.
    entries : sequence of Entry
        At least two.
    latents : int
        Length of a stretch.
    count : int
        Mixes of every entry with another.
    quietest : float
        Decibels by which a part is made softer at most.
    seed : int
        Of partners, places and levels.
    progress : callable, optional
        Called with the number of entries that are mixed.

    Raises
    ------
    RecipeError
        If there are fewer than two entries.
    """

    def __init__(
        self,
        feature: Latents,
        entries: Sequence[Entry],
        *,
        latents: int,
        count: int = 1,
        quietest: float = 18.0,
        seed: int = 0,
        progress: Callable[[int], None] | None = None,
    ) -> None:
        if len(entries) < 2:
            raise RecipeError("a mix needs two recordings; this part of the split has fewer")
        self._feature, self._samples, self._quietest = feature, latents * feature.hop, quietest
        made = []
        for first in range(0, len(entries), TOGETHER):
            few = range(first, min(first + TOGETHER, len(entries)))
            waves = [self._mix(entries, number, turn, seed) for number in few for turn in range(count)]
            made.append(self._encoded(np.concatenate(waves)))
            if progress is not None:
                progress(few.stop)
        self._latents = torch.cat(made)

    def set_epoch(self, epoch: int) -> None:
        """Stay: mixes are the same in every epoch.

        Parameters
        ----------
        epoch : int
            Not used.
        """

    def __len__(self) -> int:
        """Count the mixes."""
        return len(self._latents)

    def __getitem__(self, index: int) -> Batch:
        """Give a mix.

        Parameters
        ----------
        index : int
            Its number.

        Returns
        -------
        dict
            ``latents``, float32 [3, latents, dim]: of one part, of the other, of both.
        """
        return {"latents": self._latents[index].float()}

    def _mix(self, entries: Sequence[Entry], number: int, turn: int, seed: int) -> NDArray[np.float32]:
        rng = np.random.default_rng([seed, number, turn])
        other = (number + 1 + int(rng.integers(len(entries) - 1))) % len(entries)
        a, b = (self._stretch(entries[one], rng) for one in (number, other))
        return np.stack([a, b, a + b])

    def _stretch(self, entry: Entry, rng: np.random.Generator) -> NDArray[np.float32]:
        """A stretch that is not silent, if there is one."""
        rate = self._feature.sample_rate
        seconds = self._samples / rate
        level = 10 ** (-float(rng.uniform(0, self._quietest)) / 20)
        for _ in range(DRAWS):
            start = float(rng.uniform(0, max(0.0, entry.duration - seconds)))
            heard = resample(entry.read(start, start + seconds), entry.sample_rate, rate)[: self._samples]
            if np.abs(heard).max(initial=0) > PEAK:
                break
        return np.pad(np.float32(level) * heard, (0, self._samples - len(heard))).astype(np.float32)

    @torch.inference_mode()
    def _encoded(self, waves: NDArray[np.float32]) -> Tensor:
        few = torch.split(torch.from_numpy(waves), TOGETHER)
        found = torch.cat([self._feature(one)[:, 0].transpose(1, 2).half() for one in few])
        return found.view(-1, 3, *found.shape[1:])
