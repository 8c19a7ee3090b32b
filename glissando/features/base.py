"""The contract of every feature."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class Feature(nn.Module):
    """A fixed transform of a waveform, ``[batch, samples]`` to ``[batch, channels, bins, frames]``.

    Attributes
    ----------
    sample_rate : int
        Rate in Hz at which the waveform must come.
    frame_rate : float
        Frames per second.
    first : float
        Time in seconds of the centre of the first frame; 0 for features that pad.
    frequencies : Tensor or None
        Centre of every bin in Hz, or None where bins are no frequencies.
    space : str
        What values depend on beside its arguments, such as the weights of a codec; empty if they do on nothing.
    """

    sample_rate: int
    frame_rate: float
    first: float = 0.0
    frequencies: Tensor | None = None
    space: str = ""

    def settled(self) -> dict[str, Any]:
        """Tell the arguments that a run's recipe must say, so that the feature stays what it was.

        Returns
        -------
        dict of str to object
            Beside those that the recipe says already.
        """
        return {}

    def centres(self) -> Tensor | None:
        """Tell what every channel and bin stands for.

        Returns
        -------
        Tensor or None
            Frequencies in Hz that can be compared with ``[channels, bins]``, or None where bins are none.
        """
        return None if self.frequencies is None else self.frequencies[None]

    def forward(self, waveform: Tensor) -> Tensor:
        """Transform a batch of waveforms.

        Parameters
        ----------
        waveform : Tensor, shape=(batch, samples)
            At ``sample_rate``.

        Returns
        -------
        Tensor, shape=(batch, channels, bins, frames)
            The feature.
        """
        raise NotImplementedError


class Invertible(Feature):
    """A feature that can be turned back into a waveform, so that a codec can be made of it.

    Attributes
    ----------
    hop : int
        Samples from frame to frame; N hops have N frames.
    n_fft : int
        Samples that a frame sees, in the middle of which its hop lies.
    reach : int
        Frames before and after a sample that `invert` makes it from.
    """

    hop: int
    n_fft: int
    reach: int

    @torch.no_grad()
    def silence(self) -> Tensor:
        """Transform silence.

        Returns
        -------
        Tensor, shape=(channels, bins, 1)
            A frame of it.
        """
        heard: Tensor = self(torch.zeros(1, self.n_fft + self.hop))
        return heard[0, ..., :1]

    def invert(self, feature: Tensor, *, first: int = 0) -> Tensor:
        """Turn it back.

        Parameters
        ----------
        feature : Tensor, shape=(batch, channels, bins, frames)
            As of `forward`.
        first : int
            Number of the first frame, where this is a part of a longer feature.

        Returns
        -------
        Tensor, shape=(batch, frames * hop)
            At ``sample_rate``.
        """
        raise NotImplementedError
