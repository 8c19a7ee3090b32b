"""Mimi (Defossez et al. 2024)."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from .base import CodecCard
from .hub import HubCodec, register_hub


class MimiCodec(HubCodec):
    """Mimi: convolutions and a transformer, so that it looks far back; the first level of its codes knows of speech."""

    kind = "MimiModel"

    @staticmethod
    def _levels(model: Any) -> int:
        return int(model.config.num_quantizers)

    def _encoded(self, waveform: Tensor) -> Tensor:
        found: Tensor = self.model.encoder(waveform).latents  # type: ignore[operator]
        return found

    def _generated(self, latents: Tensor) -> Tensor:
        found: Tensor = self.model.decoder(latents).audio_values  # type: ignore[operator]
        return found

    def _quantized(self, latents: Tensor) -> Tensor:
        quantizer: Any = self.model.quantizer
        found: Tensor = quantizer.encode(latents, self.card.levels)
        return found.transpose(0, 1)

    def _looked_up(self, codes: Tensor) -> Tensor:
        quantizer: Any = self.model.quantizer
        found: Tensor = quantizer.decode(codes)
        return found


register_hub(
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
    MimiCodec,
)
