"""Sampled audio: from all samples before, a model tells of which step of the mu-law the next one is."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from ..features import Feature, Waveform
from ..nn import Model, draw, from_mu_law, guided, mu_law, steps
from .generative import Generative
from .paradigm import PARADIGMS, Batch

CONDITION = 32  # dimension of what is told


@PARADIGMS.register("samples")
class Samples(Generative):
    """Tell the next sample: cross-entropy of the steps of the mu-law, in bits per sample.

    The model hears the waveform, and perhaps a ``condition``, and gives a log-odds for every step; no frame of it may
    know of the frames to come. A sound begins after silence.

    Parameters
    ----------
    example : Tensor, shape=(batch, samples, steps)
        An output of the model.
    model : Model
        Causal, such as WaveNet or SampleRNN.
    feature : Feature
        The waveform.
    conditions : mapping of str to sequence of str, optional
        What can be asked for; found in the training data, if None.
    drop : float
        See `Conditions.dropped`.

    References
    ----------
    van den Oord et al., "WaveNet: a generative model for raw audio", 2016; Mehri et al., "SampleRNN: an unconditional
    end-to-end neural audio generation model", ICLR 2017.
    """

    goal = "explained"
    makes = Waveform
    given: ClassVar[Mapping[str, int]] = {"condition": CONDITION}
    options: ClassVar[Mapping[str, float]] = {"temperature": 1.0, "top_k": 0, "top_p": 1.0}

    def __init__(
        self,
        example: Tensor,
        model: Model,
        feature: Feature,
        *,
        conditions: Mapping[str, Sequence[str]] | None = None,
        drop: float = 0.1,
    ) -> None:
        super().__init__(feature, conditions=conditions, dim=CONDITION, drop=drop)
        if example.ndim != 3 or example.shape[2] < 2:
            raise ValueError("needs a model that gives a sequence, its dimension the steps of the mu-law, such as 256")
        steps(model)  # (refuses one that looks ahead)
        self.classes = example.shape[2]

    def loss(self, model: Model, batch: Batch) -> Tensor:
        """Measure how uncertain the next sample is.

        Parameters
        ----------
        model : Model
            What learns.
        batch : dict of str to Tensor
            Of `examples`.

        Returns
        -------
        Tensor
            Bits per sample.
        """
        return self._bits(model, batch).mean()

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
            ``bits`` per sample, and ``explained``, the share of all its bits that the past tells: 0 for a guess.
        """
        bits = self._bits(model, batch).mean(1)
        return {"bits": bits, "explained": 1 - bits / math.log2(self.classes)}

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
        """Draw sample by sample; layers keep what they need of the past.

        Parameters
        ----------
        model : Model
            Trained.
        conditions : Tensor of int, shape=(batch, fields)
            Classes.
        frames : int
            How many samples.
        guidance : float
            See `glissando.nn.guided`; not 1 takes twice the time.
        generator : Generator
            Of random numbers.
        start : Tensor, optional, shape=(batch, fewer samples, 1)
            Samples that they begin with.
        **options : float
            See `glissando.nn.draw`; a ``top_k`` of 0 keeps all.

        Returns
        -------
        Tensor, shape=(batch, samples, 1)
            Within -1..1.
        """
        batch, begun = len(conditions), 0 if start is None else start.shape[1]
        apart = guidance != 1
        told = torch.cat([conditions, torch.zeros_like(conditions)]) if apart else conditions
        run = steps(model, condition=self.conditions(told))
        made = torch.zeros(batch, frames, 1)
        if start is not None:
            made[:, :begun] = start
        last = torch.zeros(batch, 1, 1, 1)
        for at in range(frames):
            logits = run(last.repeat(2, 1, 1, 1) if apart else last)[:, 0]
            if at >= begun:
                if apart:
                    told_so, told_nothing = logits.chunk(2)
                    logits = guided(told_so, told_nothing, guidance)
                codes = draw(
                    logits, temperature=options["temperature"], top_k=int(options["top_k"]) or None,
                    top_p=options["top_p"], generator=generator,
                )  # fmt: skip
                made[:, at, 0] = from_mu_law(codes, self.classes)
            last = made[:, at, None, None]
        return made

    def _bits(self, model: Model, batch: Batch) -> Tensor:
        """Cross-entropy of every sample, shape=(batch, samples)."""
        waveform = batch["feature"]
        logits = model(F.pad(waveform, (1, -1)), condition=self.told(batch))
        return F.cross_entropy(logits.mT, mu_law(waveform[:, 0, 0], self.classes), reduction="none") / math.log(2)
