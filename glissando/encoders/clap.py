"""CLAP (Wu et al. 2023) through the extra ``clap``: audio and text in one space."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import ModelError
from .base import Encoder, EncoderCard
from .framing import Framing
from .registry import register
from .weights import files_of, keep_parts, of_other_weights, told_in_a_sentence, weights_folder

HUB = "laion/clap-htsat-unfused"  # (laion/larger_clap_music has a text tower that says the same of everything)
FILES = ("model.safetensors", "config.json", "preprocessor_config.json", "tokenizer.json", "tokenizer_config.json")
SAMPLE_RATE, SECONDS, DIM = 48_000, 10, 512
LONGEST = 77  # tokens of a text
PROBES = ("slow piano", "heavy metal with a screaming singer", "rain on a roof", "a dog barks")
ALIKE = 0.98  # cosine similarity of unlike texts from which a text tower is dead


class ClapEncoder(Encoder):
    """CLAP on windows of 10 s, and on texts.

    Parameters
    ----------
    card : EncoderCard
        Its card.
    model : ClapModel
        From transformers.
    extractor : ClapFeatureExtractor
        With its filters.
    tokenizer : callable
        Of texts.
    """

    def __init__(self, card: EncoderCard, model: nn.Module, extractor: Any, tokenizer: Any) -> None:
        super().__init__()
        self.card = card
        self.framing = Framing(window=SECONDS * SAMPLE_RATE, hop=SECONDS * SAMPLE_RATE)
        self.model, self._tokenizer, self._checked = model, tokenizer, False
        self.n_fft, self.hop = int(extractor.fft_window_size), int(extractor.hop_length)
        self.window: Tensor
        self.matrix: Tensor
        self.register_buffer("window", torch.hann_window(self.n_fft), persistent=False)
        filters = torch.as_tensor(extractor.mel_filters_slaney, dtype=torch.float32)
        self.register_buffer("matrix", filters.T.contiguous(), persistent=False)

    def log_mel(self, windows: Tensor) -> Tensor:
        """Compute what the network hears, as the original does, but differentiable.

        Parameters
        ----------
        windows : Tensor, shape=(windows, samples)
            At 48 kHz.

        Returns
        -------
        Tensor, shape=(windows, 1, frames, bands)
            Power in dB.
        """
        spectrum = torch.stft(windows, self.n_fft, self.hop, window=self.window, return_complex=True)
        power = spectrum.real.square() + spectrum.imag.square()
        mel = F.linear(power.transpose(1, 2), self.matrix)
        return 10 * torch.log10(mel.clamp_min(1e-10))[:, None]

    def encode(self, windows: Tensor) -> dict[str, Tensor]:
        """Run the audio tower on windows.

        Parameters
        ----------
        windows : Tensor, shape=(windows, framing.window)
            At 48 kHz.

        Returns
        -------
        dict of str to Tensor
            ``embedding`` of unit norm.
        """
        told = self.model.get_audio_features(input_features=self.log_mel(windows))  # type: ignore[operator]
        return {"embedding": told.pooler_output}

    @torch.inference_mode()
    def embed_text(self, texts: Sequence[str]) -> Tensor:
        """Run the text tower; the first time, check that it is alive.

        Parameters
        ----------
        texts : sequence of str
            Such as "slow piano".

        Returns
        -------
        Tensor, shape=(texts, dim)
            Of unit norm, in the space of the audio.

        Raises
        ------
        ModelError
            If a text is empty, or the tower says the same of unlike texts.
        """
        if not texts or not all(text.strip() for text in texts):
            raise ModelError(f"{self.card.name}: an empty text says nothing; write what to search for")
        if not self._checked:
            self._check_text()
        return self._embed_text(texts)

    def _embed_text(self, texts: Sequence[str]) -> Tensor:
        tokens = self._tokenizer([*texts], padding=True, truncation=True, max_length=LONGEST, return_tensors="pt")
        told = self.model.get_text_features(  # type: ignore[operator]
            input_ids=tokens["input_ids"].to(self.matrix.device),
            attention_mask=tokens["attention_mask"].to(self.matrix.device),
        )
        embedded: Tensor = told.pooler_output.float()
        return embedded

    def _check_text(self) -> None:
        z = self._embed_text(PROBES)
        unlike = (z @ z.T)[~torch.eye(len(z), dtype=torch.bool, device=z.device)]
        if not torch.isfinite(z).all() or (z.norm(dim=1) - 1).abs().max() > 0.01 or unlike.max() > ALIKE:
            raise ModelError(
                f"{self.card.name}: its text tower is dead: unlike texts have embeddings with a cosine of "
                f"{float(unlike.max()):.3f}; searches by text need other weights, such as {HUB}"
            )
        self._checked = True


def _load(card: EncoderCard, source: Path | None) -> Encoder:
    try:
        from transformers import AutoTokenizer, ClapFeatureExtractor, ClapModel, logging
    except ImportError as error:
        raise ModelError('clap: needs the extra "clap"; install it with: pip install "glissando[clap]"') from error
    logging.set_verbosity_error()
    folder = source or (weights_folder("clap") if weights_folder("clap").is_dir() else None)
    if folder:
        files_of("clap", folder, FILES)
    where, how = str(folder or HUB), {"local_files_only": folder is not None}
    with told_in_a_sentence("clap", folder, HUB):
        model = ClapModel.from_pretrained(where, use_safetensors=True, **how)
        extractor, tokenizer = (one.from_pretrained(where, **how) for one in (ClapFeatureExtractor, AutoTokenizer))
    if model.config.audio_config.enable_fusion or (extractor.sampling_rate, extractor.max_length_s) != (
        SAMPLE_RATE,
        SECONDS,
    ):
        raise ModelError(f"clap: {where} is a fused CLAP, or not one of 10 s at 48 kHz; use weights such as {HUB}")
    if folder is None:
        keep_parts(weights_folder("clap"), model, extractor, tokenizer)
    if source is not None:
        card = of_other_weights(card, source / FILES[0])
    return ClapEncoder(card, model.eval(), extractor, tokenizer)


register(
    EncoderCard(
        name="clap",
        summary="audio and text in one space: search by words",
        sample_rate=SAMPLE_RATE,
        dim=DIM,
        window=float(SECONDS),
        frame_rate=1 / SECONDS,
        licence="Apache-2.0",
        source=f"{HUB} (hub)",
        paper="Wu et al., Large-scale Contrastive Language-Audio Pretraining with Feature Fusion and "
        "Keyword-to-Caption Augmentation, ICASSP 2023",
        block="clap",
        preprocessing="48 kHz mono, power mel 64 bands 50..14000 Hz (1024/480) in dB, windows of 10 s",
        weights_mb=615.0,
        extra="clap",
        text=True,
    ),
    _load,
)
