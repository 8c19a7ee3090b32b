"""The training-free rhythm embedding: a change of tempo is a shift of it."""

from __future__ import annotations

import math
from pathlib import Path

import torch.nn.functional as F
from torch import Tensor

from ..features import LogLagRhythm, OnsetStrength, log_rates
from ..features.rhythm import FASTEST, SLOWEST
from .base import Encoder, EncoderCard, RateAxis
from .framing import Framing
from .registry import register

SAMPLE_RATE = 16_000  # Hz
RATES = 72
FINE = 4 * (RATES - 1) + 1  # the same axis, four times as fine, for tempo estimates
WINDOW, WINDOW_HOP = 15.0, 7.5  # seconds


class RhythmEncoder(Encoder):
    """Onset autocorrelation of 15 s windows at 72 log-spaced rates, less its mean.

    Parameters
    ----------
    card : EncoderCard
        Its card.

    Attributes
    ----------
    bpm : Tensor, shape=(72,)
        The axis of the embedding in beats per minute.
    """

    def __init__(self, card: EncoderCard) -> None:
        super().__init__()
        self.card = card
        self.framing = Framing(window=int(WINDOW * SAMPLE_RATE), hop=int(WINDOW_HOP * SAMPLE_RATE), short="zeros")
        self.onsets = OnsetStrength(SAMPLE_RATE)
        self.rhythm = LogLagRhythm(self.onsets.frame_rate, log_rates(FINE))
        self.bpm: Tensor
        self.register_buffer("bpm", 60 * log_rates(RATES), persistent=False)

    def encode(self, windows: Tensor) -> dict[str, Tensor]:
        """Compute the embedding of windows.

        Parameters
        ----------
        windows : Tensor, shape=(windows, framing.window)
            At 16 kHz.

        Returns
        -------
        dict of str to Tensor
            ``embedding`` of unit norm (zeros for silence), and ``autocorrelation`` at 285 rates.
        """
        autocorrelation = self.rhythm(self.onsets(windows)[:, 0, 0])
        coarse = autocorrelation[:, :: (FINE - 1) // (RATES - 1)]
        centred = coarse - coarse.mean(-1, keepdim=True)
        return {"embedding": F.normalize(centred, dim=-1, eps=1e-6), "autocorrelation": autocorrelation}


def _load(card: EncoderCard, source: Path | None) -> Encoder:
    return RhythmEncoder(card)


register(
    EncoderCard(
        name="rhythm",
        summary="onset autocorrelation on a log-rate axis, no training; tempo changes are shifts",
        sample_rate=SAMPLE_RATE,
        dim=RATES,
        window=WINDOW,
        frame_rate=1 / WINDOW_HOP,
        licence="Apache-2.0",
        source="computed",
        paper="after Foote & Uchihashi, The beat spectrum, ICME 2001; log-lag shift as in Glissando",
        block="rhythm",
        rates=RateAxis((RATES - 1) / math.log2(FASTEST / SLOWEST), centred=(True,)),
        preprocessing="16 kHz mono, log-mel 40 bands (512/256), half-wave rise, "
        "autocorrelation at 72 rates 0.4..24 Hz, centred",
    ),
    _load,
)
