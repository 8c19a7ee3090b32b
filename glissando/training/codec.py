"""Codecs: a model whose parts encoder, bottleneck and decoder give back what they were given."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Subset

from ..data import DataSet, Entry, Patches, no_targets
from ..errors import RecipeError
from ..features import Invertible, LogSTFT, Waveform
from ..metrics import log_distance, multi_resolution_distance, spectral_convergence
from ..nn import PCA, Bottleneck, Codebooks, InversePCA, Model, bottlenecks
from .adversary import Adversary
from .network import Network
from .paradigm import PARADIGMS, Batch, Paradigm, Told
from .recipe import DataPart

PARTS = ("encoder", "bottleneck", "decoder")
LOUD = 4.0  # dB of log-spectral distance that an error as large as the sound is worth
TOGETHER = 32  # examples that are scored at once
FITTED_TO = 4096  # examples, at most
FLAT = 1e-6  # variance of log-magnitudes, below which there is nothing to explain


@PARADIGMS.register("codec")
class Autoencoding(Paradigm):
    """Autoencoder of spectra, or of waveforms: what the decoder makes of the latents is as the input.

    Of spectra (`log-stft`) the loss is the log-spectral distance and the spectral convergence, without which a few
    decibels too much at an onset cost nothing; of waveforms the multi-resolution spectral distance, beside which
    discriminators may judge. Principal components, and codebooks of latents that are learned already, are
    fitted before training.

    Parameters
    ----------
    example : Tensor
        An output of the model.
    model : Model
        With the parts encoder, bottleneck and decoder; the bottleneck is one of its bricks.
    feature : Feature
        One that can be inverted.
    bottleneck : float
        Weight of what the bottleneck costs.
    freeze : sequence of str
        Parts that stay as they are, for runs that begin with another's weights (``train.start``).
    adversary : mapping, optional
        Arguments of `Adversary`; without ``sizes`` it judges log-magnitudes, with them waveforms.
    excerpt : float, optional
        Seconds from the middle of longer recordings that are looked at; all of them if None.
    """

    goal = "explained"
    augmented: ClassVar[str] = "feature"
    exchanged: ClassVar[tuple[str, ...]] = ("bottleneck",)

    def __init__(
        self,
        example: Tensor,
        model: Model,
        feature: Any,
        *,
        bottleneck: float = 1.0,
        freeze: Sequence[str] = (),
        adversary: Mapping[str, Any] | None = None,
        excerpt: float | None = 30.0,
    ) -> None:
        super().__init__()
        if not isinstance(feature, Invertible):
            raise ValueError("needs a feature that can be turned back into sound: log-stft or waveform")
        if tuple(model.parts) != PARTS or len([*bottlenecks(model.parts["bottleneck"])]) != 1:
            raise ValueError(f"needs a model of the parts {', '.join(PARTS)}, the second of which is a bottleneck")
        if not {*freeze} <= {*PARTS} or {"encoder", "decoder"} <= {*freeze}:
            raise ValueError("freeze must name encoder or decoder; with both there is nothing to learn")
        if bottleneck < 0:
            raise ValueError("the weight of the bottleneck must not be below 0")
        self.weight, self.excerpt = bottleneck, excerpt
        self.waves = isinstance(feature, Waveform)
        self.adversary = None if adversary is None else Adversary(**adversary)
        if self.adversary is not None and self.adversary.waves != self.waves:
            raise ValueError("the sizes of an adversary's windows are for waveforms; of log-stft, say sizes: []")
        self.spectra = LogSTFT(feature.sample_rate)
        self.silence: Tensor
        self.register_buffer("silence", feature.silence()[None], persistent=False)
        for part in freeze:
            model.parts[part].requires_grad_(False)
        self._counts: Tensor | None = None

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
            Length, hop, and how many of every recording.
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
            hop=part.hop if training else None, jitter=training, per_entry=part.per_entry, seed=seed, progress=told,
        )  # fmt: skip

    @torch.no_grad()
    def prepare(self, model: Model, examples: Dataset[Batch], *, seed: int) -> None:
        """Fit principal components and codebooks that are not fitted yet.

        Parameters
        ----------
        model : Model
            What will learn.
        examples : Dataset
            Of `examples`.
        seed : int
            Of the choice of examples, and of the clusters.

        Raises
        ------
        RecipeError
            If there are too few.
        """
        model.eval()
        count = len(examples)  # type: ignore[arg-type]
        drawn = torch.randperm(count, generator=torch.Generator().manual_seed(seed))[:FITTED_TO].tolist()
        batches = DataLoader(Subset(examples, drawn), TOGETHER)
        into = [layer for layer in model.modules() if isinstance(layer, PCA)]
        out = [layer for layer in model.modules() if isinstance(layer, InversePCA)]
        for one, back in zip(into, out, strict=True):
            if not one.fitted:
                try:
                    one.fit(self._heard(model, batches, one), back)
                except ValueError as error:
                    raise RecipeError(f"model: {error}; take more data or fewer units") from error
        bottleneck = _bottleneck(model)
        if isinstance(bottleneck, Codebooks) and not bottleneck.fitted:
            latents = torch.cat([model.run(self._input(batch), "encoder").flatten(0, 1) for batch in batches])
            bottleneck.fit(latents, lambda vectors, level: _clusters(vectors, bottleneck.size, seed + level))

    def loss(self, model: Model, batch: Batch) -> Tensor:
        """Compare what comes out with what went in.

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
        x = self._input(batch)
        squeezed = _bottleneck(model).squeeze(model.run(x, "encoder"))
        made = model.run(squeezed.latents, "decoder")
        loss = self._distance(x, made) + self.weight * squeezed.cost
        if self.adversary is not None:
            pair = (x, made.float())
            loss = loss + self.adversary(*((one[:, 0, 0] for one in pair) if self.waves else pair))
        return loss

    def observe(self, model: Model, batch: Batch) -> Tensor:
        """Look at a batch of validation, and count its codes.

        Parameters
        ----------
        model : Model
            What learns.
        batch : dict of str to Tensor
            Of `Patches`.

        Returns
        -------
        Tensor
            How far the reconstruction is from what it should be.
        """
        return self._distance(*self._through(model, self._input(batch)))

    def observed(self) -> dict[str, float]:
        """Tell how much of the codebooks was used since the last time.

        Returns
        -------
        dict of str to float
            ``valid_codebook_use`` and ``valid_perplexity``, where there are codes.
        """
        return {f"valid_{name}": value for name, value in self._use().items()}

    def overall(self) -> dict[str, dict[str, float]]:
        """Tell how much of the codebooks was used by all entries that were scored the last time.

        Returns
        -------
        dict of str to dict of str to float
            ``codebook_use``, the share of codes that occur, and ``perplexity``, as how many codes that occur equally
            often they are worth; means over the levels.
        """
        return {name: {"mean": value, "low": value, "high": value, "n": 1} for name, value in self._use().items()}

    def scores(
        self, network: Network, data: DataSet, part: DataPart, seconds: float | None, told: Told | None
    ) -> dict[str, dict[str, float]]:
        """Score reconstructions of entries, before phases are found; parameters as of `Paradigm.scores`.

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
            By entry, ``LSD``, the log-spectral distance in dB, and ``explained``, the share of the variance of
            log-magnitudes.
        """
        whole = part.model_copy(update={"per_entry": None})
        examples = self.examples(network, [*data.values()], whole, training=False, seed=0, told=told)
        network.model.eval()
        self._counts, sums, numbers = None, np.zeros((len(data), 4)), np.zeros(len(data))
        with torch.inference_mode():
            for batch in DataLoader(examples, TOGETHER):
                x, made = (self._log(one) for one in self._through(network.model, self._input(batch)))
                means = [one.mean((1, 2, 3)) for one in ((x - made).square(), x.square(), x)]
                np.add.at(
                    sums, batch["entry"].numpy(), torch.stack([log_distance(x, made), *means], 1).double().numpy()
                )
                np.add.at(numbers, batch["entry"].numpy(), 1.0)
        found = sums / numbers[:, None]
        variances = (found[:, 2] - found[:, 3] ** 2).clip(FLAT)
        return {
            key: {"LSD": float(row[0]), "explained": float(1 - row[1] / spread)}
            for key, row, spread in zip(data, found, variances, strict=True)
        }

    def _input(self, batch: Batch) -> Tensor:
        """What the model hears: silence where an entry has ended."""
        feature = batch["feature"]
        return torch.where(batch["valid"][:, None, None], feature, self.silence.to(feature.device))

    def _through(self, model: Model, x: Tensor) -> tuple[Tensor, Tensor]:
        """What went in and what comes out; codes are counted."""
        bottleneck = _bottleneck(model)
        squeezed = bottleneck.squeeze(model.run(x, "encoder"))
        if squeezed.codes is not None:
            codes = squeezed.codes.flatten(0, 1).T.cpu()
            counts = torch.stack([torch.bincount(level, minlength=bottleneck.size) for level in codes])
            self._counts = counts if self._counts is None else self._counts + counts
        return x, model.run(squeezed.latents, "decoder")

    def _use(self) -> dict[str, float]:
        if self._counts is None:
            return {}
        counts, self._counts = self._counts.double(), None
        shares = counts / counts.sum(1, keepdim=True)
        perplexity = torch.exp(-(shares * shares.clamp_min(1e-12).log()).sum(1))
        return {"codebook_use": float((counts > 0).double().mean()), "perplexity": float(perplexity.mean())}

    def _distance(self, x: Tensor, made: Tensor) -> Tensor:
        if self.waves:
            return multi_resolution_distance(x[:, 0, 0], made[:, 0, 0]).mean()
        return (log_distance(x, made) + LOUD * spectral_convergence(x, made)).mean()

    def _log(self, x: Tensor) -> Tensor:
        return self.spectra(x[:, 0, 0].float()) if self.waves else x.float()

    def _heard(self, model: Model, batches: DataLoader[Batch], layer: PCA) -> Iterator[Tensor]:
        """What comes to a layer."""
        heard: list[Tensor] = []
        hook = layer.register_forward_pre_hook(lambda _, given: heard.append(given[0]))
        try:
            for batch in batches:
                model.run(self._input(batch), "encoder")
                yield heard.pop()
        finally:
            hook.remove()


def _bottleneck(model: Model) -> Bottleneck:
    return next(iter(bottlenecks(model.parts["bottleneck"])))


def _clusters(vectors: Tensor, size: int, seed: int) -> Tensor:
    """Centres of clusters by k-means, on batches."""
    from sklearn.cluster import MiniBatchKMeans

    if len(vectors) < size:
        raise RecipeError(f"{len(vectors)} latents are too few to fit {size} codes; take more data or fewer codes")
    found = MiniBatchKMeans(size, random_state=seed, n_init=1, batch_size=4096, max_iter=60).fit(vectors.numpy())
    return torch.from_numpy(found.cluster_centers_)
