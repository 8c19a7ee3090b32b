"""Learning from views of recordings: what lasts in a recording is near, and a change of tempo is a known step.

Two views of one recording at one tempo are alike. Further views at other tempi are as far as those of other recordings,
so that tempo is not forgotten, and a predictor that is told the ratio must lead to them. What views of a recording may
differ in, an embedding that is to find them alike forgets.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import DataLoader

from ..data import DataSet, Entry, Views
from ..data.views import ASPECTS, KEY, PLACE, TEMPO
from ..latent import LearnedTranslator
from ..nn import Model
from .network import Network
from .paradigm import Batch, Paradigm, Told
from .recipe import DataPart

SAME = 1e-3  # octaves: tempi that near are one
TOGETHER = 64  # recordings that are compared or embedded at once


class OfViews(Paradigm):
    """Compare views of recordings, at one tempo and from tempo to tempo; the loss is left to say.

    Parameters
    ----------
    example : Tensor, shape=(batch, dim)
        An output of the model.
    views : int
        Of every recording: two at one tempo, each further one at its own.
    octaves : float
        Tempi lie within so many octaves of the original's.
    stretched : sequence of float
        Tempo ratios at which the audio is kept beside the original.
    transposed : sequence of float
        Semitones by which the audio is kept transposed beside the original, if key is to be forgotten.
    forget : sequence of {"place", "tempo", "key"}
        What the views of a recording may differ in. With place, they lie far apart; with tempo, all have tempi of their
        own and are alike; with key, each is one of the transposed versions.
    excerpt : float, optional
        Seconds from the middle of longer recordings that views are taken of; all of them if None.
    equivariance : float
        Weight of the steps from tempo to tempo; that of views at one tempo is 1.
    hidden : int
        Width of the predictor, a `glissando.latent.LearnedTranslator`.

    References
    ----------
    McCallum et al., "Similar but faster", arXiv 2401.08902; "On the effect of data-augmentation on local embedding
    properties in the contrastive learning of music audio representations", arXiv 2401.08889.
    """

    goal = "MRR"
    monitor: ClassVar[str] = "valid_MRR"
    mode: ClassVar[str] = "max"
    augmented: ClassVar[str] = "views"

    def __init__(
        self,
        example: Tensor,
        *,
        views: int = 4,
        octaves: float = 1.0,
        stretched: Sequence[float] = (0.7071, 1.4142),
        transposed: Sequence[float] = (-5, -3, 3, 5),
        forget: Sequence[str] = (PLACE,),
        excerpt: float | None = None,
        equivariance: float = 1.0,
        hidden: int = 256,
    ) -> None:
        super().__init__()
        if example.ndim != 2:
            raise ValueError(f"needs a model that ends in a vector; it gives [{', '.join(map(str, example.shape))}]")
        if views < 2 or not all(0.25 <= ratio <= 4 for ratio in stretched):
            raise ValueError("views must be at least 2, and stretched ratios within 0.25..4")
        if not all(0 < abs(step) <= 24 for step in transposed) or not {*forget} <= {*ASPECTS}:
            raise ValueError(f"transposed must be semitones within -24..24, and forget some of {', '.join(ASPECTS)}")
        several = views > 2 or TEMPO in forget
        self.views, self.octaves, self.equivariance, self.excerpt = views, octaves, equivariance, excerpt
        self.forget = tuple(forget)
        self.ratios = [1.0, *stretched] if several else [1.0]
        self.steps = [0.0, *transposed] if KEY in forget else [0.0]
        led = views > 2 and TEMPO not in forget
        self.predictor = LearnedTranslator("", example.shape[1], hidden=hidden, depth=1) if led else None
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
        caches = [
            network.cache(tempo_ratio=ratio, semitones=step, excerpt=self.excerpt)
            for ratio in self.ratios
            for step in self.steps
        ]
        return Views(
            caches, entries, frames=part.patch, count=self.views, octaves=self.octaves, forget=self.forget,
            training=training, seed=seed, progress=told,
        )  # fmt: skip

    def loss(self, model: Model, batch: Batch) -> Tensor:
        """Compare the views of a batch.

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
        return self.compare(embed(model, batch["views"]), self._tempi(batch))

    @abstractmethod
    def compare(self, z: Tensor, octaves: Tensor) -> Tensor:
        """Compute what embeddings of views cost.

        Parameters
        ----------
        z : Tensor, shape=(recordings, views, dim)
            Unit vectors.
        octaves : Tensor, shape=(recordings, views)
            Their tempi; all 0 where tempo is to be forgotten.

        Returns
        -------
        Tensor
            One number.
        """

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
        z, octaves = embed(model, batch["views"]), self._tempi(batch)
        self._seen.append((z, octaves))
        return self.compare(z, octaves)

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
            batches = [(embed(network.model, one["views"]), self._tempi(one)) for one in DataLoader(views, TOGETHER)]
            z, octaves = (torch.cat(one) for one in zip(*batches, strict=True))
            ranks = self._ranks(z, octaves)
        return {key: {name: float(values[i]) for name, values in ranks.items()} for i, key in enumerate(data)}

    def _tempi(self, batch: Batch) -> Tensor:
        return batch["octaves"] * (TEMPO not in self.forget)

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


def led(z: Tensor, octaves: Tensor, predictor: LearnedTranslator | None) -> tuple[Tensor, Tensor, Tensor]:
    """Lead every view to the tempo of each other view of its recording.

    Parameters
    ----------
    z : Tensor, shape=(recordings, views, dim)
        Unit vectors.
    octaves : Tensor, shape=(recordings, views)
        Their tempi.
    predictor : LearnedTranslator or None
        What leads them; None leaves them where they are.

    Returns
    -------
    moved : Tensor, shape=(recordings, pairs, dim)
        Every view as it is led to each other.
    end : Tensor, shape=(pairs,)
        Number of that other view.
    step : Tensor, shape=(recordings, pairs)
        Octaves that were led.
    """
    pairs = list(_pairs(z.shape[1]))
    start, end = (torch.tensor(one, device=z.device) for one in zip(*pairs, strict=True))
    step = octaves[:, end] - octaves[:, start]
    moved = z[:, start]
    return moved if predictor is None else predictor(moved, tempo_ratio=torch.exp2(step)), end, step


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
    tempi = octaves[of]
    moved, end, step = led(z[of], tempi, predictor)
    logits = moved.flatten(0, 1) @ z.flatten(0, 1).T
    numbers = torch.arange(len(z), device=z.device)[of]
    targets = (numbers[:, None] * count + end).flatten()
    doubles = (tempi[:, None, :] - tempi[:, end, None]).abs() < SAME
    doubles &= torch.arange(count, device=z.device) != end[:, None]
    at = numbers[:, None, None] * count + torch.arange(count, device=z.device)
    hidden = torch.zeros(logits.shape, dtype=torch.bool, device=z.device)
    hidden.scatter_(1, at.expand(-1, len(end), -1).flatten(0, 1), doubles.flatten(0, 1))
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
