"""Masked autoencoding: from a few patches of a spectrogram, a model must tell what the hidden ones hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from .. import nn as bricks
from ..data import DataSet, Entry, Patches, no_targets
from ..nn import Model, Transformer
from ..nn.patches import VISIBLE, grid_places, taken
from .network import Network
from .paradigm import PARADIGMS, Batch, Paradigm, Told
from .recipe import DataPart

TOGETHER = 64  # examples that are scored at once
FLAT = 1e-3  # standard deviation of a patch in which there is nothing to tell


@PARADIGMS.register("masked")
class Masked(Paradigm):
    """Masked autoencoder: the model sees a part of the patches, a small decoder tells the others from what it says.

    Values of a patch are told relative to its own mean and standard deviation, so that 0 for all is right for no part
    of them. The embedding of an excerpt is the mean of the model's tokens. Patches without sound don't count.

    Parameters
    ----------
    example : Tensor, shape=(batch, patches, dim)
        An output of the model.
    model : Model
        Its first layer is the brick `patches`.
    share : float
        Of the patches, that are hidden.
    dim, depth, heads : int
        Of the decoder, a transformer.
    excerpt : float, optional
        Seconds from the middle of longer recordings that are looked at; all of them if None.

    References
    ----------
    He et al., "Masked autoencoders are scalable vision learners", CVPR 2022; Huang et al., "Masked autoencoders that
    listen", NeurIPS 2022.
    """

    goal = "explained"
    augmented: ClassVar[str] = "feature"

    def __init__(
        self,
        example: Tensor,
        model: Model,
        *,
        share: float = 0.75,
        dim: int = 64,
        depth: int = 1,
        heads: int = 4,
        excerpt: float | None = None,
    ) -> None:
        super().__init__()
        first = next(model.layers())
        if not isinstance(first, bricks.Patches) or example.ndim != 3:
            raise ValueError("needs a model that begins with the brick patches and ends in a sequence")
        if not 0.05 <= share <= 0.95 or dim % (4 * heads):
            raise ValueError("share must lie within 0.05..0.95, and dim be a multiple of 4 heads")
        self.cut, self.grid = first.cut, first.grid
        self.share, self.excerpt = share, excerpt
        self.enter = nn.Linear(example.shape[2], dim)
        self.hidden = nn.Parameter(nn.init.normal_(torch.empty(dim), std=0.02))
        self.decoder = Transformer(
            dim, dim=dim, depth=depth, heads=heads, expansion=4, positions="none", max_frames=1, max_distance=1,
            causal=False, token=False, dropout=0.0, uses=None, context_dim=None,
        )  # fmt: skip
        self.leave = nn.Linear(dim, first.enter.in_features)

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
        """Cut stretches of entries; parameters as of `Paradigm.examples`.

        Parameters
        ----------
        network : Network
            Feature and model.
        entries : sequence of Entry
            What to cut.
        part : DataPart
            Length and hop.
        training : bool
            Move them about.
        seed : int
            Of the moves.
        told : callable, optional
            Called with the number of features that are there.

        Returns
        -------
        Patches
            Without targets.
        """
        return Patches(
            network.cache(excerpt=self.excerpt), entries, no_targets, frames=part.patch,
            hop=part.hop if training else None, jitter=training, per_entry=part.per_entry if training else None,
            seed=seed, progress=told,
        )  # fmt: skip

    def loss(self, model: Model, batch: Batch) -> Tensor:
        """Compare hidden patches with what the decoder tells of them.

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
        errors, sounding = self._errors(model, batch["feature"], None)
        return errors.sum() / sounding.sum().clamp_min(1)

    def observe(self, model: Model, batch: Batch) -> Tensor:
        """Look at a batch of validation, of which always the same is hidden.

        Parameters
        ----------
        model : Model
            What learns.
        batch : dict of str to Tensor
            Of `Patches`.

        Returns
        -------
        Tensor
            Its loss.
        """
        errors, sounding = self._errors(model, batch["feature"], torch.Generator().manual_seed(0))
        return errors.sum() / sounding.sum().clamp_min(1)

    def scores(
        self, network: Network, data: DataSet, part: DataPart, seconds: float | None, told: Told | None
    ) -> dict[str, dict[str, float]]:
        """Tell what part of hidden patches is explained; parameters as of `Paradigm.scores`.

        Parameters
        ----------
        network : Network
            Trained.
        data : DataSet
            What to score.
        part : DataPart
            Length of an example.
        seconds : float, optional
            Not used: ``excerpt`` says how much is looked at.
        told : callable, optional
            Called with the number of features that are there.

        Returns
        -------
        dict of str to dict of str to float
            By entry, ``explained``: share of the variance within hidden patches, 0 for telling their means.
        """
        examples = self.examples(network, [*data.values()], part, training=False, seed=0, told=told)
        network.model.eval()
        generator, sums = torch.Generator().manual_seed(0), np.zeros((len(data), 2))
        with torch.inference_mode():
            for batch in DataLoader(examples, TOGETHER):
                errors, sounding = self._errors(network.model, batch["feature"], generator)
                both = torch.stack([errors.sum(1), sounding.sum(1)], 1)
                np.add.at(sums, batch["entry"].numpy(), both.double().numpy())
        explained = 1 - sums[:, 0] / sums[:, 1].clip(1)
        return {key: {"explained": float(value)} for key, value in zip(data, explained, strict=True)}

    def _errors(self, model: Model, feature: Tensor, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """Mean squared errors of hidden patches (0 where all is silent), and where there is sound."""
        values = self.cut(feature)
        batch, count = values.shape[:2]
        device = None if generator is not None else values.device
        order = torch.rand(batch, count, generator=generator, device=device).argsort(1).to(values.device)
        visible, hidden = order.tensor_split([max(1, round((1 - self.share) * count))], 1)
        told = self._tell(model(feature, **{VISIBLE: visible}), order, feature)
        wanted = taken(values, hidden)
        spread = wanted.std(-1, keepdim=True)
        wanted = (wanted - wanted.mean(-1, keepdim=True)) / spread.clamp_min(FLAT)
        sounding = spread[..., 0] > FLAT
        return (told[:, visible.shape[1] :] - wanted).square().mean(-1) * sounding, sounding

    def _tell(self, tokens: Tensor, order: Tensor, feature: Tensor) -> Tensor:
        """Decode: values of all patches in the order in which they were drawn, the visible ones first."""
        known = self.enter(tokens)
        unknown = self.hidden.expand(len(known), order.shape[1] - known.shape[1], -1)
        places = grid_places(*self.grid(feature), known.shape[-1], device=known.device)
        told: Tensor = self.leave(self.decoder(torch.cat([known, unknown], 1) + places[order]))
        return told
