"""The Descript audio codec (Kumar et al. 2023)."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from .base import CodecCard
from .context import reach
from .hub import HubCodec, register_hub


class DacCodec(HubCodec):
    """The Descript audio codec: convolutions alone.

    Parameters
    ----------
    card : CodecCard
        Its card.
    model : Module
        From transformers.
    """

    kind = "DacModel"

    def __init__(self, card: CodecCard, model: nn.Module) -> None:
        super().__init__(card, model)
        into, out = reach(model.encoder), reach(model.decoder)  # type: ignore[arg-type]
        if into is not None and out is not None:
            self.context = (int(into / card.hop) + 2, int(out) + 2)

    @staticmethod
    def _levels(model: Any) -> int:
        return int(model.config.n_codebooks)

    def _quantized(self, latents: Tensor) -> Tensor:
        found: Tensor = self.model.quantizer(latents)[1]  # type: ignore[operator]
        return found

    def _looked_up(self, codes: Tensor) -> Tensor:
        quantizer: Any = self.model.quantizer
        found: Tensor = quantizer.from_codes(codes)[0]
        return found


register_hub(
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
    DacCodec,
)
