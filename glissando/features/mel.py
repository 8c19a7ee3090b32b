"""Mel spectrograms, in agreement with librosa."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from .base import Feature


def hz_to_mel(frequency: Tensor, *, htk: bool = False) -> Tensor:
    """Convert Hz to mel.

    Parameters
    ----------
    frequency : Tensor
        In Hz.
    htk : bool
        HTK's formula instead of Slaney's (linear below 1 kHz).

    Returns
    -------
    Tensor
        In mel.
    """
    if htk:
        return 2595.0 * torch.log10(1.0 + frequency / 700.0)
    linear = frequency * 3.0 / 200.0
    return torch.where(
        frequency < 1000.0, linear, 15.0 + torch.log(frequency.clamp_min(1.0) / 1000.0) * 27.0 / math.log(6.4)
    )


def mel_to_hz(mel: Tensor, *, htk: bool = False) -> Tensor:
    """Convert mel to Hz.

    Parameters
    ----------
    mel : Tensor
        In mel.
    htk : bool
        HTK's formula instead of Slaney's.

    Returns
    -------
    Tensor
        In Hz.
    """
    if htk:
        return 700.0 * (10.0 ** (mel / 2595.0) - 1.0)
    return torch.where(mel < 15.0, mel * 200.0 / 3.0, 1000.0 * torch.exp((mel - 15.0) * math.log(6.4) / 27.0))


def mel_matrix(sample_rate: int, n_fft: int, bands: int, *, htk: bool = False, unit_sum: bool = False) -> Tensor:
    """Triangular mel filters from 0 Hz to Nyquist.

    Parameters
    ----------
    sample_rate : int
        In Hz.
    n_fft : int
        Length of the transform in samples.
    bands : int
        Number of filters.
    htk : bool
        HTK's mel scale instead of Slaney's.
    unit_sum : bool
        Scale every filter to sum 1 instead of Slaney's unit area.

    Returns
    -------
    Tensor, shape=(bands, n_fft // 2 + 1)
        Float32.

    References
    ----------
    Slaney, "Auditory Toolbox", 1998; librosa.filters.mel.
    """
    bins = torch.linspace(0, sample_rate / 2, n_fft // 2 + 1, dtype=torch.float64)
    top = hz_to_mel(torch.tensor(sample_rate / 2, dtype=torch.float64), htk=htk)
    edges = mel_to_hz(torch.linspace(0, float(top), bands + 2, dtype=torch.float64), htk=htk)
    widths = edges.diff()
    ramps = edges[:, None] - bins[None, :]
    rising = -ramps[:-2] / widths[:-1, None]
    falling = ramps[2:] / widths[1:, None]
    weights = torch.minimum(rising, falling).clamp_min(0)
    scale = 1 / weights.sum(1, keepdim=True).clamp_min(1e-12) if unit_sum else (2 / (edges[2:] - edges[:-2]))[:, None]
    return (weights * scale).float()


class MelSpectrogram(Feature):
    """Power spectrogram in mel bands (Hann window, no padding: the first frame starts at the first sample).

    Parameters
    ----------
    sample_rate : int
        In Hz.
    n_fft, hop : int
        Window and hop in samples.
    bands : int
        Number of mel bands.
    htk, unit_sum : bool
        See `mel_matrix`.
    """

    def __init__(
        self, sample_rate: int, *, n_fft: int, hop: int, bands: int, htk: bool = False, unit_sum: bool = False
    ) -> None:
        super().__init__()
        self.sample_rate, self.n_fft, self.hop = sample_rate, n_fft, hop
        self.frame_rate, self.first = sample_rate / hop, n_fft / 2 / sample_rate
        self.window: Tensor
        self.matrix: Tensor
        self.register_buffer("window", torch.hann_window(n_fft), persistent=False)
        matrix = mel_matrix(sample_rate, n_fft, bands, htk=htk, unit_sum=unit_sum)
        self.register_buffer("matrix", matrix, persistent=False)
        top = hz_to_mel(torch.tensor(sample_rate / 2.0), htk=htk)
        self.frequencies = mel_to_hz(torch.linspace(0, float(top), bands + 2), htk=htk)[1:-1]

    def forward(self, waveform: Tensor) -> Tensor:
        """Compute mel power.

        Parameters
        ----------
        waveform : Tensor, shape=(batch, samples)
            At ``sample_rate``; at least ``n_fft`` samples.

        Returns
        -------
        Tensor, shape=(batch, 1, bands, frames)
            Power.
        """
        spectrum = torch.stft(waveform, self.n_fft, self.hop, window=self.window, center=False, return_complex=True)
        power = spectrum.real.square() + spectrum.imag.square()
        return F.linear(power.transpose(1, 2), self.matrix).transpose(1, 2).unsqueeze(1)


class LogMel(MelSpectrogram):
    """``log(1 + scale * mel power)``, natural logarithm; parameters as `MelSpectrogram`.

    Parameters
    ----------
    sample_rate : int
        In Hz.
    n_fft, hop : int
        Window and hop in samples.
    bands : int
        Number of mel bands.
    scale : float
        Power is multiplied by it before the logarithm.
    """

    def __init__(self, sample_rate: int, *, n_fft: int, hop: int, bands: int, scale: float = 10_000.0) -> None:
        super().__init__(sample_rate, n_fft=n_fft, hop=hop, bands=bands)
        self.scale = scale

    def forward(self, waveform: Tensor) -> Tensor:
        """Compute the log-mel spectrogram.

        Parameters
        ----------
        waveform : Tensor, shape=(batch, samples)
            At ``sample_rate``.

        Returns
        -------
        Tensor, shape=(batch, 1, bands, frames)
            Log power.
        """
        return torch.log1p(self.scale * super().forward(waveform))
