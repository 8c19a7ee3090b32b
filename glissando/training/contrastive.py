"""Contrastive learning: views of one recording are near, all others far; and a change of tempo is a known step.

With two views at one tempo this is NT-Xent, as MULE is trained. Further views at other tempi are negatives like those
of other recordings, so that tempo is not forgotten, and a predictor that is told the ratio must lead to the others.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import DataLoader

from ..data import DataSet, Entry, Views
from ..latent import LearnedTranslator
from ..nn import Model
from .network import Network
from .paradigm import PARADIGMS, Batch, Paradigm, Told
from .recipe import DataPart

SAME = 1e-3  # octaves: tempi that near are one
TOGETHER = 64  # recordings that are compared or embedded at once


@PARADIGMS.register("contrastive")
class Contrastive(Paradigm):
    """NT-Xent over views of recordings, at one tempo and from tempo to tempo.

    Parameters
    ----------
    example : Tensor, shape=(batch, dim)
        An output of the model.
    temperature : float
        Of the softmax over cosine similarities.
    views : int
        Of every recording: two at one tempo, each further one at its own.
    octaves : float
        Tempi lie within so many octaves of the original's.
    stretched : sequence of float
        Tempo ratios at which the audio is kept beside the original.
    excerpt : float, optional
        Seconds from the middle of longer recordings that views are taken of; all of them if None.
    equivariance : float
        Weight of the steps from tempo to tempo; that of views at one tempo is 1.
    hidden : int
        Width of the predictor, a `glissando.latent.LearnedTranslator`.

    References
    ----------
    McCallum et al., "Supervised and unsupervised learning of audio representations for music understanding", ISMIR
    2022, arXiv 2210.03799. Chen et al., "A simple framework for contrastive learning of visual representations", ICML
    2020. McCallum et al., "Similar but faster", arXiv 2401.08902.
    """

    goal = "MRR"
    monitor: ClassVar[str] = "valid_MRR"
    mode: ClassVar[str] = "max"
    augmented: ClassVar[str] = "views"

    def __init__(
        self,
        example: Tensor,
        *,
        temperature: float = 0.1,
        views: int = 4,
        octaves: float = 1.0,
        stretched: Sequence[float] = (0.7071, 1.4142),
        excerpt: float | None = None,
        equivariance: float = 1.0,
        hidden: int = 256,
    ) -> None:
        super().__init__()
        if example.ndim != 2:
            raise ValueError(f"needs a model that ends in a vector; it gives [{', '.join(map(str, example.shape))}]")
        if temperature <= 0 or views < 2 or not all(0.25 <= ratio <= 4 for ratio in stretched):
            raise ValueError("temperature must be above 0, views at least 2, and stretched ratios within 0.25..4")
        self.temperature, self.views, self.octaves, self.equivariance = temperature, views, octaves, equivariance
        self.excerpt = excerpt
        self.ratios = [1.0, *stretched] if views > 2 else [1.0]
        self.predictor = LearnedTranslator("", example.shape[1], hidden=hidden, depth=1) if views > 2 else None
        self._seen: list[tuple[Tensor, Tensor]] = []

    def examples(
        self,
        network: Network,
        entries: Sequence[Entry],
        part: DataPart,
        *,
        training: bool,
        seed: int,
        told: Told | None,
    ) -> Views:
        """Take views of entries; parameters as of `Paradigm.examples`.

        Parameters
        ----------
        network : Network
            Feature and model.
        entries : sequence of Entry
            The recordings.
        part : DataPart
            Length of a view.
        training : bool
            Others in every epoch.
        seed : int
            Of what is drawn.
        told : callable, optional
            Called with the number of features that are there.

        Returns
        -------
        Views
            One example a recording.
        """
        caches = [network.cache(tempo_ratio=ratio, excerpt=self.excerpt) for ratio in self.ratios]
        return Views(
            caches, entries, frames=part.patch, count=self.views, octaves=self.octaves, training=training, seed=seed,
            progress=told,
        )  # fmt: skip

    def loss(self, model: Model, batch: Batch) -> Tensor:
        """Tell every view's partner from all other views of the batch.

        Parameters
        ----------
        model : Model
            What learns.
        batch : dict of str to Tensor
            Of `Views`.

        Returns
        -------
        Tensor
            One number.
        """
        return self._loss(embed(model, batch["views"]), batch["octaves"])

    def observe(self, model: Model, batch: Batch) -> Tensor:
        """Keep the embeddings of a validation batch.

        Parameters
        ----------
        model : Model
            What learns.
        batch : dict of str to Tensor
            Of `Views`.

        Returns
        -------
        Tensor
            Its loss.
        """
        z = embed(model, batch["views"])
        self._seen.append((z, batch["octaves"]))
        return self._loss(z, batch["octaves"])

    def observed(self) -> dict[str, float]:
        """Mean reciprocal rank of partners among all views of validation.

        Returns
        -------
        dict of str to float
            ``valid_MRR``, the mean over the kinds: at one tempo, and across tempi by the predictor.
        """
        z, octaves = (torch.cat(one) for one in zip(*self._seen, strict=True))
        self._seen.clear()
        found = self._ranks(z, octaves)
        means = {name: float(values.mean()) for name, values in found.items() if name != "untranslated MRR"}
        kinds = {f"valid_{name.replace(' ', '_')}_alone": value for name, value in means.items() if len(means) > 1}
        return {"valid_MRR": sum(means.values()) / len(means), **kinds}

    def scores(
        self, network: Network, data: DataSet, part: DataPart, seconds: float | None, told: Told | None
    ) -> dict[str, dict[str, float]]:
        """Rank the partners of views among all views of all entries; parameters as of `Paradigm.scores`.

        Parameters
        ----------
        network : Network
            Trained.
        data : DataSet
            What to score.
        part : DataPart
            Length of a view.
        seconds : float, optional
            Not used: views lie far apart.
        told : callable, optional
            Called with the number of features that are there.

        Returns
        -------
        dict of str to dict of str to float
            By entry: ``MRR`` at one tempo; across tempi ``translated MRR`` by the predictor, and ``untranslated MRR``
            without it, which is the floor.
        """
        views = self.examples(network, [*data.values()], part, training=False, seed=0, told=told)
        network.model.eval()
        with torch.inference_mode():
            batches = [(embed(network.model, one["views"]), one["octaves"]) for one in DataLoader(views, TOGETHER)]
            z, octaves = (torch.cat(one) for one in zip(*batches, strict=True))
            ranks = self._ranks(z, octaves)
        return {key: {name: float(values[i]) for name, values in ranks.items()} for i, key in enumerate(data)}

    def _loss(self, z: Tensor, octaves: Tensor) -> Tensor:
        logits, targets, alike = comparisons(z, octaves, self.predictor)
        losses = F.cross_entropy(logits / self.temperature, targets, reduction="none")
        loss = losses[alike].mean()
        if not alike.all():
            loss = loss + self.equivariance * losses[~alike].mean()
        return loss

    def _ranks(self, z: Tensor, octaves: Tensor) -> dict[str, Tensor]:
        """Mean reciprocal ranks of every recording."""
        kinds: dict[str, list[Tensor]] = {"MRR": []}
        for first in range(0, len(z), TOGETHER):
            few = slice(first, first + TOGETHER)
            logits, targets, alike = comparisons(z, octaves, self.predictor, of=few)
            rows = reciprocal_ranks(logits, targets).view(len(z[few]), -1)
            kind = alike.view_as(rows)
            kinds["MRR"].append(_mean(rows, kind))
            if self.predictor is not None:
                kinds.setdefault("translated MRR", []).append(_mean(rows, ~kind))
                plain = reciprocal_ranks(*comparisons(z, octaves, None, of=few)[:2]).view_as(rows)
                kinds.setdefault("untranslated MRR", []).append(_mean(plain, ~kind))
        return {name: torch.cat(values) for name, values in kinds.items()}


def embed(model: Model, views: Tensor) -> Tensor:
    """Embed views.

    Parameters
    ----------
    model : Model
        To vectors.
    views : Tensor, shape=(recordings, views, channels, bins, frames)
        Of `Views`.

    Returns
    -------
    Tensor, shape=(recordings, views, dim)
        Unit vectors.
    """
    return F.normalize(model(views.flatten(0, 1)).float(), dim=-1, eps=1e-6).view(*views.shape[:2], -1)


def comparisons(
    z: Tensor, octaves: Tensor, predictor: LearnedTranslator | None, *, of: slice = slice(None)
) -> tuple[Tensor, Tensor, Tensor]:
    """Compare every view, led to the tempo of each other view of its recording, with all views.

    The wanted view's doubles (those of the same recording at its tempo) don't count. What does, beside all views of
    other recordings, are those of its own recording at other tempi, the one it is led from included: a predictor that
    stays where it is, and an embedding without tempo, are wrong.

    Parameters
    ----------
    z : Tensor, shape=(recordings, views, dim)
        Unit vectors.
    octaves : Tensor, shape=(recordings, views)
        Their tempi.
    predictor : LearnedTranslator or None
        What leads them; None leaves them where they are.
    of : slice
        Recordings whose views are led; they are compared with those of all.

    Returns
    -------
    logits : Tensor, shape=(rows, recordings * views)
        Cosine similarities; minus infinity for what doesn't count.
    targets : Tensor, shape=(rows,)
        Number of the wanted view.
    alike : Tensor, shape=(rows,)
        Both have one tempo.
    """
    count = z.shape[1]
    here, tempi = z[of], octaves[of]
    pairs = list(_pairs(count))
    start, end = (torch.tensor(one, device=z.device) for one in zip(*pairs, strict=True))
    step = tempi[:, end] - tempi[:, start]
    moved = here[:, start]
    if predictor is not None:
        moved = predictor(moved, tempo_ratio=torch.exp2(step))
    logits = moved.flatten(0, 1) @ z.flatten(0, 1).T
    numbers = torch.arange(len(z), device=z.device)[of]
    targets = (numbers[:, None] * count + end).flatten()
    doubles = (tempi[:, None, :] - tempi[:, end, None]).abs() < SAME
    doubles &= torch.arange(count, device=z.device) != end[:, None]
    at = numbers[:, None, None] * count + torch.arange(count, device=z.device)
    hidden = torch.zeros(logits.shape, dtype=torch.bool, device=z.device)
    hidden.scatter_(1, at.expand(-1, len(pairs), -1).flatten(0, 1), doubles.flatten(0, 1))
    return logits.masked_fill(hidden, -torch.inf), targets, (step.abs() < SAME).flatten()


def reciprocal_ranks(logits: Tensor, targets: Tensor) -> Tensor:
    """One over the place of the wanted view, ties to its disadvantage.

    Parameters
    ----------
    logits : Tensor, shape=(rows, candidates)
        Similarities.
    targets : Tensor, shape=(rows,)
        Number of the wanted candidate.

    Returns
    -------
    Tensor, shape=(rows,)
        1 for the first place.
    """
    wanted = logits.gather(1, targets[:, None])
    return 1 / (logits >= wanted).sum(1)


def _pairs(count: int) -> Iterator[tuple[int, int]]:
    return ((a, b) for a in range(count) for b in range(count) if a != b)


def _mean(rows: Tensor, kind: Tensor) -> Tensor:
    return (rows * kind).sum(1) / kind.sum(1).clamp_min(1)
