"""EnCodec, DAC and Mimi through the extra ``codecs``: the networks of transformers, with weights of the hub."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from ..encoders.weights import files_of, keep_parts, told_in_a_sentence
from ..errors import ModelError
from ..paths import cache_dir
from .base import Codec, CodecCard
from .context import reach
from .registry import register

FILES = (CONFIG, WEIGHTS) = ("config.json", "model.safetensors")


class HubCodec(Codec):
    """What the three have in common; their networks take and give ``[batch, channels, frames]``.

    Parameters
    ----------
    card : CodecCard
        Its card.
    model : Module
        From transformers.
    """

    def __init__(self, card: CodecCard, model: nn.Module) -> None:
        super().__init__()
        self.card, self.model = card, model

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
        found = self.encoded(waveform[:, None])
        return _exactly(found, waveform.shape[1] // self.card.hop).transpose(1, 2)

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
        return _exactly(self.generated(latents.transpose(1, 2))[:, 0], latents.shape[1] * self.card.hop)

    def encoded(self, waveform: Tensor) -> Tensor:
        """Run the network's encoder.

        Parameters
        ----------
        waveform : Tensor, shape=(batch, 1, samples)
            Mono.

        Returns
        -------
        Tensor, shape=(batch, dim, latents)
            Not quantized.
        """
        found: Tensor = self.model.encoder(waveform)  # type: ignore[operator]
        return found

    def generated(self, latents: Tensor) -> Tensor:
        """Run the network's decoder.

        Parameters
        ----------
        latents : Tensor, shape=(batch, dim, latents)
            Quantized or not.

        Returns
        -------
        Tensor, shape=(batch, 1, samples)
            Mono.
        """
        found: Tensor = self.model.decoder(latents)  # type: ignore[operator]
        return found


class EncodecCodec(HubCodec):
    """EnCodec of one channel; recurrent, so that it looks at all that was before."""

    def codes(self, latents: Tensor) -> Tensor:
        """Quantize latents, at the highest bandwidth.

        Parameters
        ----------
        latents : Tensor, shape=(batch, latents, dim)
            As of `forward`.

        Returns
        -------
        Tensor of int64, shape=(batch, latents, levels)
            From 0 to ``card.size - 1``.
        """
        quantizer: Any = self.model.quantizer
        found: Tensor = quantizer.encode(latents.transpose(1, 2), max(self.model.config.target_bandwidths))  # type: ignore[union-attr,arg-type]
        return found.permute(1, 2, 0)

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
        quantizer: Any = self.model.quantizer
        found: Tensor = quantizer.decode(codes.permute(2, 0, 1))
        return found.transpose(1, 2)


class DacCodec(HubCodec):
    """The Descript audio codec: convolutions alone.

    Parameters
    ----------
    card : CodecCard
        Its card.
    model : Module
        From transformers.
    """

    def __init__(self, card: CodecCard, model: nn.Module) -> None:
        super().__init__(card, model)
        into, out = reach(model.encoder), reach(model.decoder)  # type: ignore[arg-type]
        if into is not None and out is not None:
            self.context = (int(into / card.hop) + 2, int(out) + 2)

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
        found: Tensor = self.model.quantizer(latents.transpose(1, 2))[1]  # type: ignore[operator]
        return found.transpose(1, 2)

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
        quantizer: Any = self.model.quantizer
        found: Tensor = quantizer.from_codes(codes.transpose(1, 2))[0]
        return found.transpose(1, 2)


class MimiCodec(HubCodec):
    """Mimi: convolutions and a transformer, so that it looks far back; made for speech."""

    def encoded(self, waveform: Tensor) -> Tensor:
        """Run the network's encoder.

        Parameters
        ----------
        waveform : Tensor, shape=(batch, 1, samples)
            Mono.

        Returns
        -------
        Tensor, shape=(batch, dim, latents)
            Not quantized.
        """
        found: Tensor = self.model.encoder(waveform).latents  # type: ignore[operator]
        return found

    def generated(self, latents: Tensor) -> Tensor:
        """Run the network's decoder.

        Parameters
        ----------
        latents : Tensor, shape=(batch, dim, latents)
            Quantized or not.

        Returns
        -------
        Tensor, shape=(batch, 1, samples)
            Mono.
        """
        found: Tensor = self.model.decoder(latents).audio_values  # type: ignore[operator]
        return found

    def codes(self, latents: Tensor) -> Tensor:
        """Quantize latents.

        Parameters
        ----------
        latents : Tensor, shape=(batch, latents, dim)
            As of `forward`.

        Returns
        -------
        Tensor of int64, shape=(batch, latents, levels)
            From 0 to ``card.size - 1``; the first is the one that knows of speech.
        """
        quantizer: Any = self.model.quantizer
        found: Tensor = quantizer.encode(latents.transpose(1, 2), self.card.levels)
        return found.permute(1, 2, 0)

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
        quantizer: Any = self.model.quantizer
        found: Tensor = quantizer.decode(codes.transpose(1, 2))
        return found.transpose(1, 2)


Sizes = Callable[[Any], dict[str, Any]]  # of a model, for its card
KINDS: dict[str, tuple[str, type[HubCodec], Sizes]] = {
    "encodec": (
        "EncodecModel",
        EncodecCodec,
        lambda model: {
            "hop": int(model.config.hop_length),
            "dim": int(model.config.hidden_size),
            "levels": int(model.quantizer.get_num_quantizers_for_bandwidth(max(model.config.target_bandwidths))),
            "size": int(model.config.codebook_size),
        },
    ),
    "dac": (
        "DacModel",
        DacCodec,
        lambda model: {
            "hop": int(model.config.hop_length),
            "dim": int(model.config.hidden_size),
            "levels": int(model.config.n_codebooks),
            "size": int(model.config.codebook_size),
        },
    ),
    "mimi": (
        "MimiModel",
        MimiCodec,
        lambda model: {
            "hop": round(model.config.sampling_rate / model.config.frame_rate),
            "dim": int(model.config.hidden_size),
            "levels": int(model.config.num_quantizers),
            "size": int(model.config.codebook_size),
        },
    ),
}


def weights_folder(name: str) -> Path:
    """Tell where a copy of the weights is looked for before the hub.

    Parameters
    ----------
    name : str
        Of the codec.

    Returns
    -------
    Path
        Folder for the files of `FILES`; it may not exist.
    """
    return cache_dir() / "models" / name


def _exactly(x: Tensor, count: int) -> Tensor:
    """Cut or fill the last axis up, where a network's strides are odd."""
    return F.pad(x, (0, max(0, count - x.shape[-1])))[..., :count]


def _load(card: CodecCard, source: Path | None, trusted: bool) -> Codec:
    name, hub = card.name, card.source.removesuffix(" (hub)")
    kind, codec, sizes = KINDS[name]
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
        model = getattr(transformers, kind).from_pretrained(
            str(folder or hub), use_safetensors=True, local_files_only=folder is not None
        )
    config = model.config
    if getattr(config, "audio_channels", 1) != 1 or getattr(config, "normalize", False):
        raise ModelError(f"{name}: {folder or hub} is of two channels, or levels them; use weights such as {hub}")
    if folder is None:
        keep_parts(kept, model)
    told = sizes(model)
    rate = int(config.sampling_rate)
    card = replace(card, sample_rate=rate, frame_rate=rate / told["hop"], **told)
    if source is not None:  # other weights are another space
        with (source / WEIGHTS).open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        card = replace(card, source="weights of one's own", weights_sha256=digest)
    return codec(card, model.eval())


register(
    CodecCard(
        name="encodec",
        summary="EnCodec at 24 kHz: general audio, 1.5 to 24 kbit/s",
        sample_rate=24_000,
        dim=128,
        window=0.1,
        frame_rate=75.0,
        hop=320,
        levels=32,
        size=1024,
        licence="MIT (code); of the weights as their publisher says, unchecked",
        source="facebook/encodec_24khz (hub)",
        paper="Defossez et al., High fidelity neural audio compression, 2022",
        block="latents",
        preprocessing="24 kHz mono",
        weights_mb=93.0,
        extra="codecs",
    ),
    _load,
)
register(
    CodecCard(
        name="dac",
        summary="Descript audio codec at 44.1 kHz: general audio, 8 kbit/s",
        sample_rate=44_100,
        dim=1024,
        window=0.2,
        frame_rate=44_100 / 512,
        hop=512,
        levels=9,
        size=1024,
        licence="MIT",
        source="descript/dac_44khz (hub)",
        paper="Kumar et al., High-fidelity audio compression with improved RVQGAN, NeurIPS 2023",
        block="latents",
        preprocessing="44.1 kHz mono",
        weights_mb=307.0,
        extra="codecs",
    ),
    _load,
)
register(
    CodecCard(
        name="mimi",
        summary="Mimi at 24 kHz: made for speech, 12.5 latents a second, up to 4.4 kbit/s",
        sample_rate=24_000,
        dim=512,
        window=1.0,
        frame_rate=12.5,
        hop=1920,
        levels=32,
        size=2048,
        licence="code Apache-2.0, weights CC BY 4.0",
        source="kyutai/mimi (hub)",
        paper="Defossez et al., Moshi: a speech-text foundation model for real-time dialogue, 2024",
        block="latents",
        preprocessing="24 kHz mono",
        weights_mb=385.0,
        extra="codecs",
    ),
    _load,
)
