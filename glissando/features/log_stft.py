"""Log-magnitude spectra, and the way back: waveforms whose spectra they are, by fast Griffin-Lim."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from .base import Invertible

MOMENTUM = 0.99  # of fast Griffin-Lim
PHASES = 1024  # frames after which the first phases repeat
TINY = 1e-8


class LogSTFT(Invertible):
    """Half the logarithm of magnitudes (Hann window), ``log(2 |S| / sqrt(n_fft) + floor) / 2``, which can be inverted.

    Frames lie in the middle of their hops, so that a waveform of N hops has N frames.

    Parameters
    ----------
    sample_rate : int
        In Hz.
    n_fft, hop : int
        Window and hop in samples.
    floor : float
        What is added to magnitudes; lower ones are silence.
    iterations : int
        Of Griffin-Lim, in `invert`.

    References
    ----------
    Perraudin, Balazs & Sondergaard, "A fast Griffin-Lim algorithm", WASPAA 2013.
    """

    def __init__(
        self, sample_rate: int, *, n_fft: int = 1024, hop: int = 256, floor: float = 3e-4, iterations: int = 32
    ) -> None:
        super().__init__()
        if not 0 < hop <= n_fft // 2 or (n_fft - hop) % 2:
            raise ValueError(f"hop must be at most half of n_fft, and as even or odd; got {hop} for {n_fft}")
        if not floor > 0 or iterations < 0:
            raise ValueError("floor must be above 0, and iterations not below it")
        self.sample_rate, self.n_fft, self.hop, self.floor, self.iterations = sample_rate, n_fft, hop, floor, iterations
        self.frame_rate, self.first = sample_rate / hop, hop / 2 / sample_rate
        self.frequencies = torch.linspace(0, sample_rate / 2, n_fft // 2 + 1)
        self.unit = math.sqrt(n_fft) / 2
        self.reach = (iterations + 1) * math.ceil(n_fft / hop)  # every iteration spreads
        self.window: Tensor
        self.phases: Tensor
        self.register_buffer("window", torch.hann_window(n_fft), persistent=False)
        drawn = torch.rand(n_fft // 2 + 1, PHASES, generator=torch.Generator().manual_seed(0))
        self.register_buffer("phases", 2 * math.pi * drawn, persistent=False)

    def forward(self, waveform: Tensor) -> Tensor:
        """Compute log-magnitudes.

        Parameters
        ----------
        waveform : Tensor, shape=(batch, samples)
            At ``sample_rate``.

        Returns
        -------
        Tensor, shape=(batch, 1, n_fft // 2 + 1, frames)
            A frame for every hop, also one that has just begun.
        """
        spectrum = self.spectrum(F.pad(waveform, (0, -waveform.shape[1] % self.hop)))
        return self.compress(spectrum.abs())[:, None]

    def compress(self, magnitudes: Tensor) -> Tensor:
        """Take the logarithm of magnitudes.

        Parameters
        ----------
        magnitudes : Tensor
            Of spectra, not scaled.

        Returns
        -------
        Tensor
            As of `forward`.
        """
        return torch.log(magnitudes / self.unit + self.floor) / 2

    def magnitudes(self, feature: Tensor) -> Tensor:
        """Undo `compress`.

        Parameters
        ----------
        feature : Tensor
            As of `forward`.

        Returns
        -------
        Tensor
            Magnitudes; 0 for what lies at the floor or below.
        """
        return (torch.exp(2 * feature) - self.floor).clamp_min(0) * self.unit

    def invert(self, feature: Tensor, *, first: int = 0) -> Tensor:
        """Find waveforms with such magnitudes by fast Griffin-Lim; its first phases depend on the frame's number alone.

        Parameters
        ----------
        feature : Tensor, shape=(batch, 1, n_fft // 2 + 1, frames)
            As of `forward`.
        first : int
            Number of the first frame, where this is a part of a longer feature.

        Returns
        -------
        Tensor, shape=(batch, frames * hop)
            At ``sample_rate``.
        """
        wanted = self.magnitudes(feature[:, 0].float())
        numbers = torch.arange(first, first + wanted.shape[-1], device=wanted.device) % PHASES
        estimate = torch.polar(wanted, self.phases[:, numbers].expand_as(wanted))
        before = torch.zeros_like(estimate)
        for _ in range(self.iterations):
            found = self.spectrum(self.waveform(estimate))
            moved = found - MOMENTUM / (1 + MOMENTUM) * before
            before, estimate = found, wanted * moved / (moved.abs() + TINY)
        return self.waveform(estimate)

    def spectrum(self, waveform: Tensor) -> Tensor:
        """Transform whole hops.

        Parameters
        ----------
        waveform : Tensor, shape=(batch, frames * hop)
            At ``sample_rate``.

        Returns
        -------
        Tensor, shape=(batch, n_fft // 2 + 1, frames)
            Complex.
        """
        around = (self.n_fft - self.hop) // 2
        padded = F.pad(waveform, (around, around))
        return torch.stft(padded, self.n_fft, self.hop, window=self.window, center=False, return_complex=True)

    def waveform(self, spectrum: Tensor) -> Tensor:
        """Transform back, by overlapping and adding.

        Parameters
        ----------
        spectrum : Tensor, shape=(batch, n_fft // 2 + 1, frames)
            Complex.

        Returns
        -------
        Tensor, shape=(batch, frames * hop)
            At ``sample_rate``.
        """
        frames, around = spectrum.shape[-1], (self.n_fft - self.hop) // 2
        pieces = torch.fft.irfft(spectrum, self.n_fft, dim=1) * self.window[:, None]
        shape = {
            "output_size": (1, (frames - 1) * self.hop + self.n_fft),
            "kernel_size": (1, self.n_fft),
            "stride": (1, self.hop),
        }
        added = F.fold(pieces, **shape)[:, 0, 0]
        weights = F.fold(self.window.square()[None, :, None].expand(1, -1, frames), **shape)[0, 0, 0]
        return (added / weights.clamp_min(TINY))[:, around : around + frames * self.hop]
