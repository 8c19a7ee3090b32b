"""Rhythm on a logarithmic axis of rates, where a change of tempo is a shift."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .base import Feature
from .mel import LogMel

SLOWEST, FASTEST = 0.4, 24.0  # Hz: from two bars of a slow song to drum rolls


def log_rates(count: int) -> Tensor:
    """Pulse rates in Hz, log-spaced from 0.4 to 24 Hz; 60 times them is BPM.

    Parameters
    ----------
    count : int
        Number of rates.

    Returns
    -------
    Tensor, shape=(count,)
        In Hz.
    """
    return torch.logspace(
        torch.log10(torch.tensor(SLOWEST)).item(), torch.log10(torch.tensor(FASTEST)).item(), count, dtype=torch.float64
    ).float()


class OnsetStrength(Feature):
    """Rise of the log-mel spectrogram, averaged over its bands.

    Parameters
    ----------
    sample_rate : int
        In Hz.
    n_fft, hop : int
        Window and hop in samples.
    mel_bands : int
        Mel bands.
    """

    def __init__(self, sample_rate: int = 16_000, *, n_fft: int = 512, hop: int = 256, mel_bands: int = 40) -> None:
        super().__init__()
        self.log_mel = LogMel(sample_rate, n_fft=n_fft, hop=hop, bands=mel_bands, scale=1000.0)
        self.sample_rate, self.frame_rate = sample_rate, self.log_mel.frame_rate

    def forward(self, waveform: Tensor) -> Tensor:
        """Compute onset strength.

        Parameters
        ----------
        waveform : Tensor, shape=(batch, samples)
            At ``sample_rate``.

        Returns
        -------
        Tensor, shape=(batch, 1, 1, frames)
            Zero or positive; one frame less than the log-mel spectrogram.
        """
        rise: Tensor = self.log_mel(waveform).diff(dim=-1).clamp_min(0)
        return rise.mean(2, keepdim=True)


class LogLagRhythm(nn.Module):
    """Onset autocorrelation read at log-spaced rates.

    Parameters
    ----------
    frame_rate : float
        Frames per second of the onset strength.
    rates : Tensor, shape=(rates,)
        Pulse rates in Hz; 60 * rates is BPM.

    References
    ----------
    Foote & Uchihashi, "The beat spectrum", ICME 2001.
    """

    def __init__(self, frame_rate: float, rates: Tensor) -> None:
        super().__init__()
        self.frame_rate = frame_rate
        self.rates: Tensor
        self.register_buffer("rates", rates, persistent=False)

    def forward(self, onsets: Tensor) -> Tensor:
        """Compute the autocorrelation at the rates.

        Parameters
        ----------
        onsets : Tensor, shape=(..., frames)
            Onset strength.

        Returns
        -------
        Tensor, shape=(..., rates)
            In -1..1, 1 for an exact repetition; zeros for a constant.
        """
        frames = onsets.shape[-1]
        centred = onsets - onsets.mean(-1, keepdim=True)
        spectrum = torch.fft.rfft(centred, n=2 * frames)  # padded: no wrap-around
        correlation = torch.fft.irfft(spectrum.real.square() + spectrum.imag.square())[..., :frames]
        correlation = correlation / (correlation[..., :1] + 1e-8)
        lags = (self.frame_rate / self.rates).clamp_max(frames - 1.001)
        left = lags.floor().long()
        return torch.lerp(correlation[..., left], correlation[..., left + 1], lags - left)
