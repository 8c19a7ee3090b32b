"""Our own rhythm embedding: a network along the log-rate axis, so that a change of tempo is a shift of it."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from ..features import Feature
from ..features.tempogram import BINS_PER_OCTAVE, TOGETHER
from ..nn import Model
from .base import Encoder, EncoderCard, RateAxis
from .framing import Framing
from .registry import register
from .shipped import SHIPPED, read_network, shipped_folder

SAMPLE_RATE = 16_000  # Hz
WINDOW, WINDOW_HOP = 15.0, 7.5  # seconds
FIRST, RATES = 18, 120  # of the tempogram's bins: five octaves, 20 to 640 BPM
PATTERN = 0.3  # weight of the autocorrelation, which tells rhythms of one tempo apart, beside that of the tempo
SHA256 = "c8964ef01a23f383c41f6879319eb4ccd3f66727d095def8d780b44d8ac1a615"


class TempoEncoder(Encoder):
    """Where the beat lies, and what repeats, every 7.5 s.

    Two rows of 120 log-spaced rates: the square root of the distribution over beat rates, whose scalar product is the
    overlap of two distributions (Bhattacharyya), and the onset autocorrelation, less its mean.

    Parameters
    ----------
    card : EncoderCard
        Its card.
    feature : Feature
        Tempogram.
    model : Model
        Tempogram to log-odds of beat and bar rates, as the task tempo trains it.
    """

    def __init__(self, card: EncoderCard, feature: Feature, model: Model) -> None:
        super().__init__()
        self.card = card
        self.framing = Framing(window=int(WINDOW * SAMPLE_RATE), hop=int(WINDOW_HOP * SAMPLE_RATE), short="zeros")
        self.tempogram, self.model = feature, model

    def encode(self, windows: Tensor) -> dict[str, Tensor]:
        """Compute the embedding of windows.

        Parameters
        ----------
        windows : Tensor, shape=(windows, framing.window)
            At 16 kHz.

        Returns
        -------
        dict of str to Tensor
            ``embedding`` of unit norm, ``beats`` and ``bars``: probabilities of the 168 rates; all zeros for silence.
        """
        feature = self.tempogram(windows)
        heard = (feature.abs().amax((1, 2, 3)) > 0)[:, None, None]
        beats, bars = (torch.softmax(self.model(feature)[..., 0], -1) * heard).unbind(1)
        inside = slice(FIRST, FIRST + RATES)
        similar = feature[:, TOGETHER, inside, 0]
        pattern = F.normalize(similar - similar.mean(-1, keepdim=True), dim=-1, eps=1e-6)
        joined = torch.cat([beats[:, inside].sqrt(), PATTERN * pattern], 1)
        return {"embedding": F.normalize(joined, dim=-1, eps=1e-6), "beats": beats, "bars": bars}


def _load(card: EncoderCard, source: Path | None) -> Encoder:
    return TempoEncoder(card, *read_network(source or shipped_folder("tempo"), 1))


register(
    EncoderCard(
        name="gliss-tempo",
        summary="our own rhythm embedding: distribution of the beat and what repeats; tempo changes are shifts",
        sample_rate=SAMPLE_RATE,
        dim=2 * RATES,
        window=WINDOW,
        frame_rate=1 / WINDOW_HOP,
        licence="Apache-2.0",
        source=SHIPPED,
        paper="Glissando; after Schreiber & Mueller, ISMIR 2018, and Foote & Uchihashi, ICME 2001",
        block="rhythm",
        weights_sha256=SHA256,
        weights_mb=0.2,
        rates=RateAxis(BINS_PER_OCTAVE, centred=(False, True)),
        preprocessing=f"16 kHz mono, tempogram of 15 s, square root of the beat posterior and {PATTERN} times the "
        "autocorrelation at 120 rates 0.34..10.5 Hz",
    ),
    _load,
)
