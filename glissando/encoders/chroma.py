"""The training-free chroma embedding: a transposition is a circular shift of it."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from ..features import PitchClasses, key_probabilities
from .base import Encoder, EncoderCard
from .framing import Framing
from .registry import register

SAMPLE_RATE = 16_000  # Hz
WINDOW, WINDOW_HOP = 15.0, 7.5  # seconds
QUIET = 0.1  # of the loudest frame


class ChromaEncoder(Encoder):
    """Pitch classes of 15 s windows, and the keys they speak for: three groups of twelve that turn together.

    Parameters
    ----------
    card : EncoderCard
        Its card.
    """

    def __init__(self, card: EncoderCard) -> None:
        super().__init__()
        self.card = card
        self.framing = Framing(window=int(WINDOW * SAMPLE_RATE), hop=int(WINDOW_HOP * SAMPLE_RATE), short="zeros")
        self.pitch_classes = PitchClasses(SAMPLE_RATE)

    def encode(self, windows: Tensor) -> dict[str, Tensor]:
        """Compute the embedding of windows.

        Parameters
        ----------
        windows : Tensor, shape=(windows, framing.window)
            At 16 kHz.

        Returns
        -------
        dict of str to Tensor
            ``embedding`` of unit norm (zeros for silence): roots of the pitch classes, probabilities of the major and
            of the minor keys, each from C and less its mean; ``chroma``: mean pitch classes, shape=(windows, 12).
        """
        frames = self.pitch_classes(windows)[:, 0]
        level = frames.sum(1, keepdim=True)  # frames count alike, unless they are far below the loudest
        chroma = (frames / (level + QUIET * level.amax(-1, keepdim=True)).clamp_min(1e-6)).mean(-1)
        parts = (chroma.clamp_min(1e-9).sqrt()[:, None], key_probabilities(chroma))
        centred = [(part - part.mean(-1, keepdim=True)).flatten(1) for part in parts]
        joined = torch.cat([F.normalize(part, dim=-1, eps=1e-6) for part in centred], 1)
        return {"embedding": F.normalize(joined, dim=-1, eps=1e-6), "chroma": chroma}


def _load(card: EncoderCard, source: Path | None) -> Encoder:
    return ChromaEncoder(card)


register(
    EncoderCard(
        name="chroma",
        summary="pitch classes and likely keys, no training; transpositions are circular shifts",
        sample_rate=SAMPLE_RATE,
        dim=36,
        window=WINDOW,
        frame_rate=1 / WINDOW_HOP,
        licence="Apache-2.0",
        source="computed",
        paper="after Gómez, Tonal description of polyphonic audio, INFORMS Journal on Computing 2006",
        block="chroma",
        preprocessing="16 kHz mono, spectral peaks 50..2000 Hz (8192/4096) in the tuning of the window, roots of mean "
        "pitch classes, probabilities of 24 keys, centred",
    ),
    _load,
)
