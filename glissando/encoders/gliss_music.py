"""Our own general music encoder: trained contrastively, without labels, so that what lasts in a recording is near."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import torch.nn.functional as F
from torch import Tensor

from ..features import Feature
from ..nn import Model
from .base import Encoder, EncoderCard
from .framing import Framing
from .registry import register
from .shipped import SHIPPED, WEIGHTS, read_network, shipped_folder

SAMPLE_RATE, N_FFT, HOP, FRAMES = 16_000, 2048, 256, 500  # as the recipe contrastive/gliss-music has them
WINDOW, WINDOW_HOP = N_FFT + (FRAMES - 1) * HOP, 4 * SAMPLE_RATE  # samples


class MusicEncoder(Encoder):
    """Unit vectors of windows of 8.1 s, every 4 s.

    Parameters
    ----------
    card : EncoderCard
        Its card.
    feature : Feature
        Log-mel.
    model : Model
        Of 500 frames to a vector.
    """

    def __init__(self, card: EncoderCard, feature: Feature, model: Model) -> None:
        super().__init__()
        self.card = card
        self.framing = Framing(window=WINDOW, hop=WINDOW_HOP)
        self.feature, self.model = feature, model

    def encode(self, windows: Tensor) -> dict[str, Tensor]:
        """Compute the embedding of windows.

        Parameters
        ----------
        windows : Tensor, shape=(windows, framing.window)
            At 16 kHz.

        Returns
        -------
        dict of str to Tensor
            ``embedding`` of unit norm; zeros for silence.
        """
        heard = self.feature(windows)
        sounding = (heard.amax((1, 2, 3)) > 0)[:, None]
        return {"embedding": F.normalize(self.model(heard), dim=-1, eps=1e-6) * sounding}


def _load(card: EncoderCard, source: Path | None) -> Encoder:
    folder = source or shipped_folder("music")
    network = read_network(folder, FRAMES)
    if source is not None:  # other weights are another space
        digest = hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()
        card = replace(card, source="a run of one's own", weights_sha256=digest)
    return MusicEncoder(card, *network)


register(
    EncoderCard(
        name="gliss-music",
        summary="general music encoder, contrastive with a step from tempo to tempo; small and quick",
        sample_rate=SAMPLE_RATE,
        dim=128,
        window=WINDOW / SAMPLE_RATE,
        frame_rate=SAMPLE_RATE / WINDOW_HOP,
        licence="Apache-2.0",
        source=SHIPPED,
        paper="after McCallum et al., Supervised and Unsupervised Learning of Audio Representations for Music "
        "Understanding, ISMIR 2022; Similar but Faster, 2024",
        block="music",
        preprocessing="16 kHz mono, log(1 + 10000 x) of power mel, 96 bands (2048/256), windows of 500 frames",
        weights_sha256="f3deb77d54cc111b4567e9959b776dce89e31f480fa1ca67da15fe5eab9bbdac",
        weights_mb=0.7,
    ),
    _load,
)
