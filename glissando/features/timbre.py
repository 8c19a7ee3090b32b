"""Features derived from mel and constant-Q spectra: MFCC and chroma."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .base import Feature
from .cqt import CQT
from .mel import MelSpectrogram


class MFCC(Feature):
    """Mel-frequency cepstral coefficients: the cosine transform of mel power in dB.

    Parameters
    ----------
    sample_rate : int
        In Hz.
    n_fft, hop : int
        Window and hop in samples.
    bands, coefficients : int
        Mel bands, and coefficients kept of as many.
    range_db : float
        Powers that lie further below the loudest are raised to that.

    References
    ----------
    Davis & Mermelstein, "Comparison of parametric representations for monosyllabic word recognition", TASSP 1980.
    """

    def __init__(
        self,
        sample_rate: int,
        *,
        n_fft: int = 2048,
        hop: int = 512,
        bands: int = 128,
        coefficients: int = 20,
        range_db: float = 80.0,
    ) -> None:
        super().__init__()
        self.mel = MelSpectrogram(sample_rate, n_fft=n_fft, hop=hop, bands=bands)
        self.sample_rate, self.frame_rate, self.first = sample_rate, self.mel.frame_rate, self.mel.first
        self.range_db = range_db
        n, k = torch.arange(bands, dtype=torch.float64), torch.arange(coefficients, dtype=torch.float64)
        basis = torch.cos(math.pi / bands * (n + 0.5) * k[:, None]) * math.sqrt(2 / bands)
        basis[0] /= math.sqrt(2)
        self.basis: Tensor
        self.register_buffer("basis", basis.float(), persistent=False)

    def forward(self, waveform: Tensor) -> Tensor:
        """Compute the coefficients.

        Parameters
        ----------
        waveform : Tensor, shape=(batch, samples)
            At ``sample_rate``; at least ``n_fft`` samples.

        Returns
        -------
        Tensor, shape=(batch, 1, coefficients, frames)
            Orthonormal coefficients of dB.
        """
        decibel = 10 * torch.log10(self.mel(waveform).clamp_min(1e-10))
        decibel = torch.maximum(decibel, decibel.amax((1, 2, 3), keepdim=True) - self.range_db)
        return self.basis @ decibel


class Chroma(Feature):
    """Energy of the twelve pitch classes, from C: a constant-Q transform folded over its octaves.

    Parameters
    ----------
    sample_rate : int
        In Hz.
    hop : int
        In samples.
    octaves, bins_per_octave : int
        Of the transform, from C1; three bins a semitone by default, of which neighbours share their energy.
    """

    def __init__(self, sample_rate: int, *, hop: int = 512, octaves: int = 7, bins_per_octave: int = 36) -> None:
        super().__init__()
        self.cqt = CQT(sample_rate, hop=hop, octaves=octaves, bins_per_octave=bins_per_octave)
        self.sample_rate, self.frame_rate = sample_rate, self.cqt.frame_rate
        semitone = torch.arange(octaves * bins_per_octave) * 12 / bins_per_octave
        near = 1 - (torch.arange(12)[:, None] - semitone + 6).remainder(12).sub(6).abs()
        self.fold: Tensor
        self.register_buffer("fold", near.clamp_min(0), persistent=False)

    def forward(self, waveform: Tensor) -> Tensor:
        """Compute chroma.

        Parameters
        ----------
        waveform : Tensor, shape=(batch, samples)
            At ``sample_rate``.

        Returns
        -------
        Tensor, shape=(batch, 1, 12, frames)
            Each frame's largest is 1, unless the frame is silent.
        """
        energy: Tensor = self.fold @ self.cqt(waveform)
        return energy / energy.amax(2, keepdim=True).clamp_min(1e-6)
