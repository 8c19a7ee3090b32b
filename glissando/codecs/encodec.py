"""EnCodec (Defossez et al. 2022), of one channel."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from .base import CodecCard
from .hub import HubCodec, register_hub


class EncodecCodec(HubCodec):
    """EnCodec of one channel, at its highest bandwidth; recurrent, so that it looks at all that was before."""

    kind = "EncodecModel"

    @staticmethod
    def _levels(model: Any) -> int:
        return int(model.quantizer.get_num_quantizers_for_bandwidth(max(model.config.target_bandwidths)))

    def _quantized(self, latents: Tensor) -> Tensor:
        model: Any = self.model
        found: Tensor = model.quantizer.encode(latents, max(model.config.target_bandwidths))
        return found.transpose(0, 1)

    def _looked_up(self, codes: Tensor) -> Tensor:
        quantizer: Any = self.model.quantizer
        found: Tensor = quantizer.decode(codes.transpose(0, 1))
        return found


register_hub(
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
    EncodecCodec,
)
