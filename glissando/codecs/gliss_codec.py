"""Our own codec, and those of one's own: runs of recipes with the paradigm `codec`."""

from __future__ import annotations

import hashlib
import math
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from ..encoders.shipped import SHIPPED, WEIGHTS, read_network, shipped_folder, trained_frames
from ..errors import ModelError
from ..features import Invertible, LogSTFT
from ..nn import Model, bottlenecks
from .base import Codec, CodecCard
from .context import reach
from .registry import register

PARTS = ("encoder", "bottleneck", "decoder")


class RunCodec(Codec):
    """A feature that can be turned back, and a model that codes it.

    Parameters
    ----------
    card : CodecCard
        Its card.
    feature : Invertible
        Such as log-magnitudes.
    model : Model
        With the parts encoder, bottleneck and decoder.
    """

    def __init__(self, card: CodecCard, feature: Invertible, model: Model) -> None:
        super().__init__()
        self.card, self.feature, self.model = card, feature, model
        self.bottleneck = next(iter(bottlenecks(model.parts["bottleneck"])))
        into, out = reach(model.parts["encoder"]), reach(model.parts["decoder"])
        if into is not None and out is not None:
            frames = card.hop // feature.hop
            seen = into + math.ceil(feature.n_fft / feature.hop)
            self.context = (math.ceil(seen / frames) + 1, math.ceil(out + feature.reach / frames) + 1)

    def encode(self, waveform: Tensor) -> Tensor:
        """Run feature and encoder.

        Parameters
        ----------
        waveform : Tensor, shape=(batch, latents * hop)
            At ``card.sample_rate``.

        Returns
        -------
        Tensor, shape=(batch, latents, dim)
            Before the bottleneck.
        """
        return self.model.run(self.feature(waveform), "encoder")

    def generate(self, latents: Tensor, *, first: int = 0) -> Tensor:
        """Run the decoder, and turn the feature back.

        Parameters
        ----------
        latents : Tensor, shape=(batch, latents, dim)
            Of `encode` or `look_up`.
        first : int
            Number of the first latent.

        Returns
        -------
        Tensor, shape=(batch, latents * hop)
            At ``card.sample_rate``.
        """
        frames = self.card.hop // self.feature.hop
        return self.feature.invert(self.model.run(latents, "decoder"), first=first * frames)

    def codes(self, latents: Tensor) -> Tensor:
        """Quantize latents.

        Parameters
        ----------
        latents : Tensor, shape=(batch, latents, dim)
            As of `forward`.

        Returns
        -------
        Tensor of int64, shape=(batch, latents, levels)
            From 0 to ``card.size - 1``.
        """
        return self.bottleneck.codes(latents) if self.card.levels else super().codes(latents)

    def look_up(self, codes: Tensor) -> Tensor:
        """Look up codes.

        Parameters
        ----------
        codes : Tensor of int64, shape=(batch, latents, levels)
            As of `from_codes`.

        Returns
        -------
        Tensor, shape=(batch, latents, dim)
            For `decode`.
        """
        return self.bottleneck.from_codes(codes)

    def magnitudes(self, latents: Tensor) -> Tensor | None:
        """Decode to magnitudes of spectra, from which `generate` finds a waveform.

        Parameters
        ----------
        latents : Tensor, shape=(batch, latents, dim)
            As of `forward`.

        Returns
        -------
        Tensor, shape=(batch, bins, frames), or None
            Not scaled; None if its feature is the waveform itself.
        """
        if not isinstance(self.feature, LogSTFT):
            return None
        return self.feature.magnitudes(self.model.run(latents, "decoder")[:, 0].float())


def _load(card: CodecCard, source: Path | None, trusted: bool) -> Codec:
    folder = source or shipped_folder("codec")
    feature, model = read_network(folder, frames := trained_frames(folder))
    if not isinstance(feature, Invertible) or tuple(model.parts) != PARTS:
        raise ModelError(f"{folder}: is a run, but of no codec; train one with: gliss train codec/gliss-codec")
    with torch.no_grad():
        latents = model.run(feature(torch.zeros(1, frames * feature.hop)), "encoder")
    hop = frames * feature.hop // latents.shape[1]
    bottleneck = next(iter(bottlenecks(model.parts["bottleneck"])))
    rate = int(feature.sample_rate)
    card = replace(
        card, sample_rate=rate, dim=latents.shape[2], hop=hop, frame_rate=rate / hop, levels=bottleneck.levels,
        size=bottleneck.size,
    )  # fmt: skip
    if source is not None:  # other weights are another space
        digest = hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()
        card = replace(
            card, source="a run of one's own", weights_sha256=digest, preprocessing=f"feature and model of {digest}"
        )
    return RunCodec(card, feature, model)


register(
    CodecCard(
        name="gliss-codec",
        summary="our own small codec: principal components of log-magnitudes, corrected by networks",
        sample_rate=16_000,
        dim=64,
        window=1.0,
        frame_rate=31.25,
        hop=512,
        levels=8,
        size=512,
        licence="Apache-2.0",
        source=SHIPPED,
        paper="after Griffin & Lim, Signal estimation from modified short-time Fourier transform, 1984; "
        "Siuzdak, Vocos, ICLR 2024",
        weights_sha256="668dadc87a731d01be00afc90b437f4956aab2e9daf800f8aeaa84378d80f04f",
        weights_mb=3.7,
        block="latents",
        preprocessing="16 kHz mono, log(2 |S| / 32 + 0.0003) / 2 (1024/256), two frames a latent",
    ),
    _load,
)
