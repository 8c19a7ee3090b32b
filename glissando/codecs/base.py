"""The contract of every codec, and its card."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..encoders import EncoderCard

CHUNK = 30.0  # seconds that are encoded or decoded at once


@dataclass(frozen=True)
class CodecCard(EncoderCard):
    """The short, machine-read description of a codec; its first fields are those of `EncoderCard`.

    Parameters
    ----------
    hop : int
        Samples from latent to latent; ``sample_rate / hop`` is ``frame_rate``.
    levels, size : int
        Codes of a latent, and how many there are to choose from; 0 if it does not quantize.
    """

    hop: int = 1
    levels: int = 0
    size: int = 0

    @property
    def bits_per_second(self) -> float:
        """Bit rate of the codes of all levels; 0 if it does not quantize."""
        return self.frame_rate * self.levels * math.log2(self.size) if self.levels else 0.0


class Codec(nn.Module):
    """Waveform to latents and back.

    Attributes
    ----------
    card : CodecCard
        Its description.
    context : (int, int) or None
        Latents before and after that encoding and decoding look at; None if that has no end, so that chunks can't be
        equal to the whole.
    """

    card: CodecCard
    context: tuple[int, int] | None = None

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return next((one.device for one in (*self.parameters(), *self.buffers())), torch.device("cpu"))

    def encode(self, waveform: Tensor) -> Tensor:
        """Run the encoder on whole hops; what a new codec must write.

        Parameters
        ----------
        waveform : Tensor, shape=(batch, latents * hop)
            At ``card.sample_rate``.

        Returns
        -------
        Tensor, shape=(batch, latents, dim)
            One for every hop.
        """
        raise NotImplementedError

    def generate(self, latents: Tensor, *, first: int = 0) -> Tensor:
        """Run the decoder; what a new codec must write.

        Parameters
        ----------
        latents : Tensor, shape=(batch, latents, dim)
            As of `encode`.
        first : int
            Number of the first latent, where these are a part of more.

        Returns
        -------
        Tensor, shape=(batch, latents * hop)
            At ``card.sample_rate``.
        """
        raise NotImplementedError

    def forward(self, waveform: Tensor) -> Tensor:
        """Encode a batch of waveforms.

        Parameters
        ----------
        waveform : Tensor, shape=(batch, samples)
            At ``card.sample_rate``.

        Returns
        -------
        Tensor, shape=(batch, ceil(samples / hop), dim)
            The latents.

        Raises
        ------
        ValueError
            If the shape is wrong, or it is empty or holds NaN or infinity.
        """
        if waveform.ndim != 2 or waveform.shape[1] == 0:
            raise ValueError(f"{self.card.name}: waveform has shape {tuple(waveform.shape)}, not (batch, samples)")
        if not torch.isfinite(waveform).all():
            raise ValueError(f"{self.card.name}: waveform holds NaN or infinite samples")
        if self.context is None:
            return self.encode(self._whole(waveform))
        parts = self._chunks(math.ceil(waveform.shape[1] / self.card.hop), self.context[0])
        whole, hop = self._whole(waveform), self.card.hop
        return torch.cat(
            [self.encode(whole[:, a * hop : b * hop])[:, keep] for a, b, keep in parts], 1
        )  # fmt: skip

    def decode(self, latents: Tensor, *, samples: int | None = None) -> Tensor:
        """Decode a batch of latents.

        Parameters
        ----------
        latents : Tensor, shape=(batch, latents, dim)
            As of `forward`.
        samples : int, optional
            Of the waveform that was encoded; whole hops if None.

        Returns
        -------
        Tensor, shape=(batch, samples)
            At ``card.sample_rate``; loud sounds may go a little beyond -1..1.

        Raises
        ------
        ValueError
            If the shape is wrong, or they hold NaN or infinity.
        """
        if latents.ndim != 3 or latents.shape[2] != self.card.dim or latents.shape[1] == 0:
            raise ValueError(
                f"{self.card.name}: latents have shape {tuple(latents.shape)}, not (batch, latents, {self.card.dim})"
            )
        if not torch.isfinite(latents).all():
            raise ValueError(f"{self.card.name}: latents hold NaN or infinite numbers")
        if self.context is None:
            return self.generate(latents)[:, :samples]
        hop, made = self.card.hop, []
        for a, b, keep in self._chunks(latents.shape[1], self.context[1]):
            sound = self.generate(latents[:, a:b], first=a)
            made.append(sound[:, keep.start * hop : keep.stop * hop])
        return torch.cat(made, 1)[:, :samples]

    def codes(self, latents: Tensor) -> Tensor:
        """Quantize latents.

        Parameters
        ----------
        latents : Tensor, shape=(batch, latents, dim)
            As of `forward`.

        Returns
        -------
        Tensor of int64, shape=(batch, latents, levels)
            From 0 to ``card.size - 1``.

        Raises
        ------
        ValueError
            If this codec does not quantize.
        """
        raise ValueError(f"{self.card.name}: does not quantize, so there are no codes; use its latents")

    def from_codes(self, codes: Tensor) -> Tensor:
        """Look up what codes stand for.

        Parameters
        ----------
        codes : Tensor of int64, shape=(batch, latents, levels)
            The first levels alone will do, and sound coarser.

        Returns
        -------
        Tensor, shape=(batch, latents, dim)
            For `decode`.

        Raises
        ------
        ValueError
            If this codec does not quantize, or there are no such codes.
        """
        card = self.card
        if not card.levels:
            raise ValueError(f"{card.name}: does not quantize, so it knows no codes; give it latents")
        if codes.ndim != 3 or not 0 < codes.shape[2] <= card.levels or codes.shape[1] == 0:
            raise ValueError(
                f"{card.name}: codes have shape {tuple(codes.shape)}, not (batch, latents, 1 to {card.levels})"
            )
        if codes.is_floating_point() or int(codes.min()) < 0 or int(codes.max()) >= card.size:
            raise ValueError(f"{card.name}: codes must be whole numbers from 0 to {card.size - 1}")
        return self.look_up(codes.long())

    def look_up(self, codes: Tensor) -> Tensor:
        """Look up codes that are checked; what a new codec that quantizes must write, beside `codes`.

        Parameters
        ----------
        codes : Tensor of int64, shape=(batch, latents, levels)
            As of `from_codes`.

        Returns
        -------
        Tensor, shape=(batch, latents, dim)
            For `decode`.
        """
        raise NotImplementedError

    def magnitudes(self, latents: Tensor) -> Tensor | None:
        """Decode to magnitudes of spectra, where a codec goes by way of them; differentiable.

        Parameters
        ----------
        latents : Tensor, shape=(batch, latents, dim)
            As of `forward`.

        Returns
        -------
        Tensor, shape=(batch, bins, frames), or None
            Not scaled; None if it has no spectra.
        """
        return None

    def _whole(self, waveform: Tensor) -> Tensor:
        """Fill the last hop up with silence."""
        return nn.functional.pad(waveform, (0, -waveform.shape[1] % self.card.hop))

    def _chunks(self, count: int, context: int) -> Iterator[tuple[int, int, slice]]:
        """Parts of so many latents with what they look at: first, last, and which of the part's own are kept."""
        step = max(1, round(CHUNK * self.card.frame_rate))
        for start in range(0, count, step):
            low, stop = max(0, start - context), min(count, start + step)
            yield low, min(count, stop + context), slice(start - low, stop - low)
