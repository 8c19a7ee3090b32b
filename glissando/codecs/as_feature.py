"""A codec in the place of a feature: its latents are what a model hears, and what a generator makes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import ModelError
from ..features import FEATURES, Feature
from .registry import load


@FEATURES.register("latents")
class Latents(Feature):
    """Latents of a codec, ``[batch, 1, dim, frames]``, which can be turned back into sound.

    Parameters
    ----------
    codec : str
        Name of a registered codec.
    weights : str, optional
        A file or folder with its weights, such as a run of one's own; the usual place if None.
    space : str, optional
        The space that the codec must have. A run's recipe names that of its training, so that it refuses another codec.

    Raises
    ------
    ModelError
        If there is no such codec, its weights can't be had, or it is of another space.
    """

    def __init__(self, *, codec: str = "gliss-codec", weights: str | None = None, space: str | None = None) -> None:
        super().__init__()
        self.codec = load(codec, weights=weights).requires_grad_(False)
        card = self.codec.card
        if space is not None and space != card.space_id:
            raise ModelError(
                f"{weights or codec}: is a codec of the space {card.space_id}, but what was learned is of {space}; "
                "name the codec that it was trained on as weights"
            )
        self.weights, self.space = weights, card.space_id
        self.sample_rate, self.frame_rate, self.hop = card.sample_rate, card.frame_rate, card.hop
        self.first = card.hop / 2 / card.sample_rate

    def settled(self) -> dict[str, Any]:
        """Tell which codec this is, for good.

        Returns
        -------
        dict of str to object
            Its space, and where its weights lie.
        """
        placed = {} if self.weights is None else {"weights": str(Path(self.weights).resolve())}
        return {**placed, "space": self.space}

    def forward(self, waveform: Tensor) -> Tensor:
        """Encode a batch of waveforms.

        Parameters
        ----------
        waveform : Tensor, shape=(batch, samples)
            At ``sample_rate``.

        Returns
        -------
        Tensor, shape=(batch, 1, dim, frames)
            A frame for every hop, also one that has just begun.
        """
        latents: Tensor = self.codec(waveform)
        return latents.transpose(1, 2)[:, None]

    @torch.no_grad()
    def silence(self) -> Tensor:
        """Encode silence.

        Returns
        -------
        Tensor, shape=(1, dim, 1)
            The latent in the middle of it.
        """
        heard: Tensor = self(torch.zeros(1, self.sample_rate))[0]
        middle = heard.shape[-1] // 2
        return heard[..., middle : middle + 1]

    def invert(self, feature: Tensor) -> Tensor:
        """Decode latents.

        Parameters
        ----------
        feature : Tensor, shape=(batch, 1, dim, frames)
            As of `forward`.

        Returns
        -------
        Tensor, shape=(batch, frames * hop)
            At ``sample_rate``.
        """
        sound: Tensor = self.codec.decode(feature[:, 0].transpose(1, 2))
        return sound
