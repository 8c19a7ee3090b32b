"""What the codecs of transformers share (the extra ``codecs``); their weights are those of a hub, or copies."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from ..encoders.weights import files_of, keep_parts, of_other_weights, told_in_a_sentence, weights_folder
from ..errors import ModelError
from .base import Codec, CodecCard
from .registry import register

FILES = (CONFIG, WEIGHTS) = ("config.json", "model.safetensors")


class HubCodec(Codec, ABC):
    """A codec of transformers, whose networks take and give channels first.

    A new one says its ``kind``, counts its levels and quantizes; see `glissando.codecs.dac`.

    Parameters
    ----------
    card : CodecCard
        Its card.
    model : Module
        From transformers.

    Attributes
    ----------
    kind : str
        Name of the model's class in transformers.
    """

    kind: ClassVar[str]

    def __init__(self, card: CodecCard, model: nn.Module) -> None:
        super().__init__()
        self.card, self.model = card, model

    @staticmethod
    @abstractmethod
    def _levels(model: Any) -> int:
        """How many levels its codes have."""

    def encode(self, waveform: Tensor) -> Tensor:
        """Run the encoder.

        Parameters
        ----------
        waveform : Tensor, shape=(batch, latents * hop)
            At ``card.sample_rate``.

        Returns
        -------
        Tensor, shape=(batch, latents, dim)
            Not quantized.
        """
        return _exactly(self._encoded(waveform[:, None]), waveform.shape[1] // self.card.hop).transpose(1, 2)

    def generate(self, latents: Tensor, *, first: int = 0) -> Tensor:
        """Run the decoder.

        Parameters
        ----------
        latents : Tensor, shape=(batch, latents, dim)
            Quantized or not.
        first : int
            Not used.

        Returns
        -------
        Tensor, shape=(batch, latents * hop)
            At ``card.sample_rate``.
        """
        return _exactly(self._generated(latents.transpose(1, 2))[:, 0], latents.shape[1] * self.card.hop)

    def codes(self, latents: Tensor) -> Tensor:
        """Quantize latents, as finely as the codec can.

        Parameters
        ----------
        latents : Tensor, shape=(batch, latents, dim)
            As of `forward`.

        Returns
        -------
        Tensor of int64, shape=(batch, latents, levels)
            From 0 to ``card.size - 1``.
        """
        return self._quantized(latents.transpose(1, 2)).transpose(1, 2)

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
        return self._looked_up(codes.transpose(1, 2)).transpose(1, 2)

    def _encoded(self, waveform: Tensor) -> Tensor:
        """Latents, shape=(batch, dim, latents), of a waveform, shape=(batch, 1, samples)."""
        found: Tensor = self.model.encoder(waveform)  # type: ignore[operator]
        return found

    def _generated(self, latents: Tensor) -> Tensor:
        """The way back from `_encoded`."""
        found: Tensor = self.model.decoder(latents)  # type: ignore[operator]
        return found

    @abstractmethod
    def _quantized(self, latents: Tensor) -> Tensor:
        """Codes, shape=(batch, levels, latents), of latents, shape=(batch, dim, latents)."""

    @abstractmethod
    def _looked_up(self, codes: Tensor) -> Tensor:
        """The way back from `_quantized`."""


def register_hub(card: CodecCard, codec: type[HubCodec]) -> None:
    """Add a codec of transformers to the registry.

    Parameters
    ----------
    card : CodecCard
        Of the weights on the hub; ``source`` names them.
    codec : type of HubCodec
        What makes a codec of the model.
    """
    register(card, partial(_load, codec))


def _load(codec: type[HubCodec], card: CodecCard, source: Path | None, trusted: bool) -> Codec:
    name, hub = card.name, card.source.removesuffix(" (hub)")
    try:
        import transformers
    except ImportError as error:
        raise ModelError(
            f'{name}: needs the extra "codecs"; install it with: pip install "glissando[codecs]"'
        ) from error
    transformers.logging.set_verbosity_error()
    kept = weights_folder(name)
    folder = source or (kept if kept.is_dir() else None)
    if folder:
        files_of(name, folder, FILES)
    remedy = f"get {' and '.join(FILES)} of {hub} and name their folder with --weights"
    with told_in_a_sentence(name, folder, hub, remedy):
        model = getattr(transformers, codec.kind).from_pretrained(
            str(folder or hub), use_safetensors=True, local_files_only=folder is not None
        )
    config = model.config
    if getattr(config, "audio_channels", 1) != 1 or getattr(config, "normalize", False):
        raise ModelError(f"{name}: {folder or hub} is of two channels, or levels them; use weights such as {hub}")
    if folder is None:
        keep_parts(kept, model)
    rate = int(config.sampling_rate)
    hop = int(config.hop_length) if hasattr(config, "hop_length") else round(rate / config.frame_rate)
    card = replace(
        card, sample_rate=rate, frame_rate=rate / hop, hop=hop, dim=int(config.hidden_size),
        levels=codec._levels(model), size=int(config.codebook_size),
    )  # fmt: skip
    if source is not None:
        card = of_other_weights(card, source / WEIGHTS)
    return codec(card, model.eval())


def _exactly(x: Tensor, count: int) -> Tensor:
    """Cut or fill the last axis up, where a network's strides are odd."""
    return F.pad(x, (0, max(0, count - x.shape[-1])))[..., :count]
