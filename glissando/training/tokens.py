"""Notes as tokens: a transformer tells the codes of a residual quantizer one step after the other."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..codecs import Latents
from ..data import Beginnings, Entry
from ..features import Feature
from ..nn import CodePattern, Model, draw, guided, steps
from .generative import TOGETHER, Generative
from .network import Network
from .paradigm import PARADIGMS, Batch, Told
from .recipe import DataPart

LOOKED = 5  # steps of the trial whether a model can go on
NEAR = 1e-3


@PARADIGMS.register("tokens")
class Tokens(Generative):
    """Tell the next codes of a note from those before, and from what is asked for, which is added at every step.

    The model hears embeddings of tokens, as many dimensions as the latents have, in the place of latents.

    Parameters
    ----------
    example : Tensor, shape=(batch, steps, dim)
        An output of the model.
    model : Model
        A causal transformer.
    feature : Feature
        The latents of a codec that quantizes.
    conditions : mapping of str to sequence of str, optional
        See `Generative`.
    drop : float
        See `Generative`.
    pattern : {"delayed", "flattened", "parallel"}
        See `glissando.nn.CodePattern`.
    levels : int, optional
        Of the codes, the first ones; all of them if None.

    References
    ----------
    Borsos et al., "AudioLM: a language modeling approach to audio generation", TASLP 2023; Copet et al., "Simple and
    controllable music generation", NeurIPS 2023.
    """

    goal = "accuracy"
    options: ClassVar[Mapping[str, float]] = {"temperature": 1.0, "top_k": 0, "top_p": 0.8, "remember": 1}
    guidance: ClassVar[float] = 2.0

    def __init__(
        self,
        example: Tensor,
        model: Model,
        feature: Feature,
        *,
        conditions: Mapping[str, Sequence[str]] | None = None,
        drop: float = 0.1,
        pattern: str = "delayed",
        levels: int | None = None,
    ) -> None:
        if not isinstance(feature, Latents) or not feature.codec.card.levels:
            raise ValueError(
                "tells codes; take the feature latents of a codec that quantizes, such as a run of codec/rvq"
            )
        card = feature.codec.card
        super().__init__(feature, conditions=conditions, dim=card.dim, drop=drop)
        if levels is not None and not 0 < levels <= card.levels:
            raise ValueError(f"levels must be 1 to {card.levels}, which the codec has; got {levels}")
        self.pattern = CodePattern(pattern, levels or card.levels, card.size)
        words = self.pattern.streams * self.pattern.vocabulary
        self.words, self.begin = nn.Embedding(words, card.dim), nn.Parameter(torch.randn(card.dim))
        self.tell = nn.Linear(example.shape[-1], words)
        self._try(model)

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
        """Take the codes of beginnings of entries; parameters as of `Paradigm.examples`.

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
            With ``conditions`` and ``codes``.
        """
        found = super().examples(network, entries, part, training=training, seed=seed, told=told)
        pieces = torch.split(found.tensors["feature"], TOGETHER)
        found.tensors["codes"] = torch.cat([self._codes(one[:, 0].transpose(1, 2).float()) for one in pieces])
        return found

    def loss(self, model: Model, batch: Batch) -> Tensor:
        """Compare what is told with the next codes.

        Parameters
        ----------
        model : Model
            What learns.
        batch : dict of str to Tensor
            Of `examples`.

        Returns
        -------
        Tensor
            Cross-entropy of a code in nats.
        """
        return self._surprise(model, batch)[0].mean()

    @torch.no_grad()
    def measure(self, model: Model, batch: Batch) -> dict[str, Tensor]:
        """Score examples.

        Parameters
        ----------
        model : Model
            Trained.
        batch : dict of str to Tensor
            Of `examples`.

        Returns
        -------
        dict of str to Tensor, shape=(batch,)
            ``accuracy``, the share of codes that are held for the most probable, and ``bits`` of a code, of all levels
            and of each.
        """
        nats, right = self._surprise(model, batch)
        bits = nats.mean(1) / math.log(2)
        each = {f"bits of level {number}": bits[:, number - 1] for number in range(1, bits.shape[1] + 1)}
        return {"accuracy": right.float().mean((1, 2)), "bits": bits.mean(1), **each}

    def sample(
        self,
        model: Model,
        conditions: Tensor,
        frames: int,
        *,
        guidance: float,
        generator: torch.Generator,
        start: Tensor | None = None,
        **options: float,
    ) -> Tensor:
        """Draw codes, one step after the other.

        Parameters
        ----------
        model : Model
            Trained.
        conditions : Tensor of int, shape=(batch, fields)
            Classes.
        frames : int
            How many.
        guidance : float
            See `glissando.nn.guided`; 1 takes half the time.
        generator : Generator
            Of random numbers.
        start : Tensor, optional, shape=(batch, fewer frames, dim)
            Latents that they begin with.
        **options : float
            See `glissando.nn.draw`; a ``top_k`` of 0 keeps all. Without ``remember``, keys and values of the steps
            before are not kept, which gives the same in more time.

        Returns
        -------
        Tensor, shape=(batch, frames, dim)
            Latents of the codes.
        """
        pattern, count = self.pattern, len(conditions)
        length = pattern.steps(frames)
        tokens = torch.full((count, length, pattern.streams), pattern.nothing)
        known = torch.zeros(length, pattern.streams, dtype=torch.bool)
        first = 0  # step to draw
        if start is not None:
            step, stream, own = pattern.places(start.shape[1])
            tokens[:, step, stream] = self._codes(start) + own
            known[step, stream] = True
            first = start.shape[1] * pattern.stride
        told = self.conditions(conditions)
        if guidance != 1:
            told = torch.cat([told, self.conditions(torch.zeros_like(conditions))])
        times = len(told) // count
        remember, run = bool(options["remember"]), steps(model)
        for now in range(first, length):
            new = slice(0 if now == first or not remember else now, now + 1)
            heard = self._heard(tokens[:, :now], told, times)[:, new]
            out = (run if remember else steps(model))(_as_map(heard))[:, -1]
            logits = self.tell(out).unflatten(-1, (pattern.streams, pattern.vocabulary))
            if guidance != 1:
                logits = guided(logits[:count], logits[count:], guidance)
            drawn = draw(
                logits, temperature=options["temperature"], top_k=int(options["top_k"]) or None,
                top_p=options["top_p"], allowed=pattern.allowed(now, frames), generator=generator,
            )  # fmt: skip
            tokens[:, now] = torch.where(known[now], tokens[:, now], drawn)
        return self.latents.codec.from_codes(pattern.read(tokens))

    def _codes(self, latents: Tensor) -> Tensor:
        return self.latents.codec.codes(latents)[..., : self.pattern.quantizers]

    def _heard(self, tokens: Tensor, told: Tensor, times: int = 1) -> Tensor:
        """What the model hears at each step, and at one more: the tokens of the step before, and what is asked for."""
        offset = torch.arange(self.pattern.streams, device=tokens.device) * self.pattern.vocabulary
        before = self.words(tokens + offset).sum(2)
        begin = self.begin.expand(len(tokens), 1, -1)
        heard: Tensor = torch.cat([begin, before], 1).repeat(times, 1, 1) + told[:, None]
        return heard

    def _surprise(self, model: Model, batch: Batch) -> tuple[Tensor, Tensor]:
        """Nats of every code, and whether it was held for the most probable one [batch, frames, levels]."""
        codes = batch["codes"]
        tokens = self.pattern.lay(codes)
        heard = self._heard(tokens[:, :-1], self.told(batch))
        logits = self.tell(model(_as_map(heard)))
        logits = logits.unflatten(-1, (self.pattern.streams, self.pattern.vocabulary)).float()
        step, stream, _ = self.pattern.places(codes.shape[1], codes.device)
        nats = F.cross_entropy(logits.flatten(0, 2), tokens.flatten(), reduction="none").view_as(tokens)
        return nats[:, step, stream], (logits.argmax(-1) == tokens)[:, step, stream]

    @torch.no_grad()
    def _try(self, model: Model) -> None:
        """Refuse a model that looks ahead, or beyond what it remembers."""
        heard = torch.randn(1, LOOKED, self.words.embedding_dim, generator=torch.Generator().manual_seed(0))
        mode = model.training
        run = steps(model)
        model.eval()
        whole = model(_as_map(heard))
        parts = torch.cat([run(_as_map(one[:, None])) for one in heard.unbind(1)], 1)
        model.train(mode)
        if whole.shape != parts.shape or (whole - parts).abs().max() > NEAR:
            raise ValueError("needs a model that goes on step by step, as many frames as it hears")


def _as_map(heard: Tensor) -> Tensor:
    return heard.transpose(1, 2)[:, None]
