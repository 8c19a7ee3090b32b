"""A codec in the place of an encoder: the mean of its latents over a second is an embedding."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

from torch import Tensor

from .. import encoders
from ..encoders import Encoder, EncoderCard, Framing
from . import registry
from .base import Codec, CodecCard

SECONDS = 1.0  # of a window, to whole latents


class CodecEncoder(Encoder):
    """Means of latents over windows of about a second.

    Parameters
    ----------
    codec : Codec
        Whose latents.
    """

    def __init__(self, codec: Codec) -> None:
        super().__init__()
        self.card = encoder_card(codec.card)
        window = round(self.card.window * self.card.sample_rate)
        self.framing = Framing(window=window, hop=window, short="zeros")
        self.codec = codec

    def encode(self, windows: Tensor) -> dict[str, Tensor]:
        """Encode windows.

        Parameters
        ----------
        windows : Tensor, shape=(windows, framing.window)
            At ``card.sample_rate``.

        Returns
        -------
        dict of str to Tensor
            ``embedding`` and ``latents`` of shape (windows, latents, dim).
        """
        latents = self.codec(windows)
        return {"embedding": latents.mean(1), "latents": latents}


def encoder_card(card: CodecCard) -> EncoderCard:
    """Describe a codec as an encoder.

    Parameters
    ----------
    card : CodecCard
        Of the codec.

    Returns
    -------
    EncoderCard
        Of windows; its space is another than that of the latents.
    """
    count = max(1, round(SECONDS * card.frame_rate))
    told = {one.name: getattr(card, one.name) for one in fields(EncoderCard) if one.init}
    window = count * card.hop / card.sample_rate
    told |= {
        "window": window,
        "frame_rate": 1 / window,
        "preprocessing": f"{card.preprocessing}; means of {count} latents",
    }
    return EncoderCard(**told)


def find_encoder_card(name: str) -> EncoderCard:
    """Look up the card of an encoder, or of a codec as one.

    Parameters
    ----------
    name : str
        Of either.

    Returns
    -------
    EncoderCard
        The card.

    Raises
    ------
    ModelError
        If there is none of that name.
    """
    return encoder_card(registry.card(name)) if name in registry.names() else encoders.card(name)


def load_encoder(name: str, *, weights: str | Path | None = None, device: str = "cpu") -> Encoder:
    """Load an encoder, or a codec as one.

    Parameters
    ----------
    name : str
        Of either.
    weights : str or Path, optional
        See `glissando.encoders.load` and `glissando.codecs.load`.
    device : str
        Where it runs.

    Returns
    -------
    Encoder
        In evaluation mode.

    Raises
    ------
    ModelError
        If it is unknown, or its weights can't be had.
    """
    if name in registry.names():
        return CodecEncoder(registry.load(name, weights=weights, device=device)).eval()
    return encoders.load(name, weights=weights, device=device)
