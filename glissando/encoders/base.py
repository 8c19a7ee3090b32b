"""The contract of every encoder, and its card."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from .framing import Framing


@dataclass(frozen=True)
class RateAxis:
    """Log-spaced rates that the dimensions of an embedding stand for: a change of tempo is a shift along them.

    Parameters
    ----------
    bins_per_octave : float
        Dimensions from a rate to its double.
    centred : tuple of bool
        One for each row of the embedding, which is as many equal parts along the same axis: whether its mean is 0.
    """

    bins_per_octave: float
    centred: tuple[bool, ...]


@dataclass(frozen=True)
class EncoderCard:
    """The short, machine-read description of an encoder.

    Parameters
    ----------
    name : str
        As in the registry.
    summary : str
        One line for lists.
    sample_rate : int
        In Hz; waveforms must come at this rate.
    dim : int
        Dimensions of an embedding.
    window, frame_rate : float
        Length of what one embedding sees in seconds, and embeddings per second.
    licence : str
        Of the weights, and of the code where it differs.
    source : str
        Where the weights come from: a wheel by name and version, a hub name, or "computed".
    paper : str
        The reference.
    block : str
        Name of the library block that it fills by default.
    tag_names : tuple of str
        What its tag probabilities mean; empty if it has none.
    weights_sha256 : str
        Of the file the weights come in; empty if there are none.
    weights_mb : float
        Size of that file in MB.
    preprocessing : str
        What happens between waveform and network; part of the space.
    notice : str
        What a user must know before use, such as a non-commercial licence.
    extra : str
        The extra that must be installed, if any.
    rates : RateAxis, optional
        If its dimensions are rates.
    text : bool
        It also embeds text into its space, by ``embed_text``.
    parts : tuple of str
        Names of encoders that give it piece by piece, each a block of its own; empty if it is one piece.
    """

    name: str
    summary: str
    sample_rate: int
    dim: int
    window: float
    frame_rate: float
    licence: str
    source: str
    paper: str
    block: str
    preprocessing: str
    tag_names: tuple[str, ...] = ()
    weights_sha256: str = ""
    weights_mb: float = 0.0
    notice: str = ""
    extra: str = ""
    rates: RateAxis | None = None
    text: bool = False
    parts: tuple[str, ...] = ()
    pooling: str = field(default="mean", init=False)

    @property
    def space_id(self) -> str:
        """Name of the space: two blocks are comparable only if theirs are equal."""
        parts = [self.name, self.source, self.weights_sha256, self.pooling, self.preprocessing, self.dim]
        return f"{self.name}:{hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:10]}"


class Encoder(nn.Module):
    """Waveform to embeddings.

    Attributes
    ----------
    card : EncoderCard
        Its description.
    framing : Framing
        Where its windows lie.
    """

    card: EncoderCard
    framing: Framing

    def encode(self, windows: Tensor) -> dict[str, Tensor]:
        """Run the network on windows.

        Parameters
        ----------
        windows : Tensor, shape=(windows, framing.window)
            At ``card.sample_rate``.

        Returns
        -------
        dict of str to Tensor
            ``"embedding"`` of shape (windows, dim), ``"tags"`` (probabilities) where the card names tags, and the
            middle layers under their names in the original.
        """
        raise NotImplementedError

    def frames(self, waveform: Tensor) -> Tensor:
        """Cut waveforms into windows.

        Parameters
        ----------
        waveform : Tensor, shape=(batch, samples)
            At ``card.sample_rate``.

        Returns
        -------
        Tensor, shape=(batch, frames, framing.window)
            The windows; differentiable.

        Raises
        ------
        ValueError
            If the shape is wrong, or it is empty or holds NaN or infinity.
        """
        if waveform.ndim != 2 or waveform.shape[1] == 0:
            raise ValueError(f"{self.card.name}: waveform has shape {tuple(waveform.shape)}, not (batch, samples)")
        if not torch.isfinite(waveform).all():
            raise ValueError(f"{self.card.name}: waveform holds NaN or infinite samples")
        missing = self.framing.window - (waveform.shape[1] + self.framing.lead + self.framing.tail)
        if missing > 0 and self.framing.short == "repeat":
            index = torch.arange(waveform.shape[1] + missing, device=waveform.device) % waveform.shape[1]
            waveform, missing = waveform[:, index], 0
        padded = nn.functional.pad(waveform, (self.framing.lead, self.framing.tail + max(0, missing)))
        return padded.unfold(1, self.framing.window, self.framing.hop)

    def outputs(self, waveform: Tensor) -> dict[str, Tensor]:
        """Give everything the network says of every frame.

        Parameters
        ----------
        waveform : Tensor, shape=(batch, samples)
            At ``card.sample_rate``.

        Returns
        -------
        dict of str to Tensor
            As `encode`, each of shape (batch, frames, ...).
        """
        windows = self.frames(waveform)
        encoded = self.encode(windows.flatten(0, 1))
        return {name: value.reshape(*windows.shape[:2], *value.shape[1:]) for name, value in encoded.items()}

    def forward(self, waveform: Tensor) -> Tensor:
        """Embed a batch of waveforms.

        Parameters
        ----------
        waveform : Tensor, shape=(batch, samples)
            Windows of one length at ``card.sample_rate``.

        Returns
        -------
        Tensor, shape=(batch, frames, dim)
            The embeddings.
        """
        return self.outputs(waveform)["embedding"]

    def embed(self, waveform: Tensor, pool: str = "mean") -> Tensor:
        """Embed a batch of waveforms, one vector each.

        Parameters
        ----------
        waveform : Tensor, shape=(batch, samples)
            At ``card.sample_rate``.
        pool : {"mean", "max"}
            How frames become one vector.

        Returns
        -------
        Tensor, shape=(batch, dim)
            The pooled embeddings.

        Raises
        ------
        ValueError
            If the pooling is unknown.
        """
        pools: dict[str, Any] = {"mean": lambda z: z.mean(1), "max": lambda z: z.amax(1)}
        if pool not in pools:
            raise ValueError(f"pool {pool!r} is unknown; choose one of {', '.join(pools)}")
        pooled: Tensor = pools[pool](self(waveform))
        return pooled

    def times(self, frames: int) -> NDArray[np.float64]:
        """Tell where the frames lie.

        Parameters
        ----------
        frames : int
            How many.

        Returns
        -------
        ndarray, shape=(frames,)
            Centre of every frame in seconds.
        """
        framing = self.framing
        return (np.arange(frames) * framing.hop + framing.window / 2 - framing.lead) / self.card.sample_rate
