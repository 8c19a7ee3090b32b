"""Tempograms on a logarithmic axis of rates, from several onset curves: what a tempo network hears."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from .base import Feature
from .mel import LogMel
from .rhythm import LogLagRhythm
from .tempo import TempoEstimate, peak_place

LOWEST = 0.2  # Hz: a bar of four beats at 48 BPM
BINS_PER_OCTAVE = 24  # 2.9 % a bin
OCTAVES = 7
BINS = BINS_PER_OCTAVE * OCTAVES
BANDS = 4  # frequency ranges with an onset curve of their own
TOGETHER = BANDS  # row of the autocorrelation of all ranges
FINER = 4  # places read within a bin, of which the highest counts: peaks of long lags and high rates are narrower
CHANGE = 0.5  # seconds that are compared on both sides of a change of harmony


def tempo_rates(bins: int = BINS) -> Tensor:
    """Rates of a tempogram's bins; 60 times them is BPM.

    Parameters
    ----------
    bins : int
        How many of them, from the lowest.

    Returns
    -------
    Tensor, shape=(bins,)
        In Hz, from 0.2 upwards, 24 an octave.
    """
    return (LOWEST * 2 ** (torch.arange(bins, dtype=torch.float64) / BINS_PER_OCTAVE)).float()


class OnsetCurves(nn.Module):
    """Onset curves of four frequency ranges and of all, and a curve of changes in harmony.

    Parameters
    ----------
    sample_rate : int
        In Hz.

    References
    ----------
    Boeck & Widmer, "Maximum filter vibrato suppression for onset detection", DAFx 2013.
    Foote, "Automatic audio segmentation using a measure of audio novelty", ICME 2000.
    """

    def __init__(self, sample_rate: int) -> None:
        super().__init__()
        self.sharp = LogMel(sample_rate, n_fft=512, hop=128, bands=40, scale=1000.0)
        self.tonal = LogMel(sample_rate, n_fft=2048, hop=512, bands=96, scale=1000.0)
        self.frame_rate = self.sharp.frame_rate

    def forward(self, waveform: Tensor) -> Tensor:
        """Compute the curves.

        Parameters
        ----------
        waveform : Tensor, shape=(batch, samples)
            Of at least 2,048 samples.

        Returns
        -------
        Tensor, shape=(batch, 6, frames)
            Zero or positive, ``frame_rate`` a second.
        """
        loud = self.sharp(waveform)[:, 0]
        earlier = loud[..., :-2]
        above = torch.cat([earlier[:, 1:], earlier[:, -1:]], 1)
        below = torch.cat([earlier[:, :1], earlier[:, :-1]], 1)
        before = torch.maximum(torch.maximum(above, below), earlier)  # of neighbours: vibrato is no onset
        rise = (loud[..., 2:] - before).clamp_min_(0)
        ranges = rise.unflatten(1, (BANDS, -1)).mean(2)
        harmony = F.interpolate(self._change(self.tonal(waveform)[:, 0])[:, None], rise.shape[-1], mode="linear")
        return torch.cat([ranges, ranges.mean(1, keepdim=True), harmony], 1)

    def _change(self, loud: Tensor) -> Tensor:
        """Distance between what sounds before and after every frame, whatever its level."""
        width = max(1, round(CHANGE * self.tonal.frame_rate))
        padded = F.pad(F.normalize(loud, dim=1, eps=1e-3), (width, width), mode="replicate")
        means = F.avg_pool1d(padded, width, 1)
        return (means[..., width:] - means[..., :-width]).abs().sum(1)[..., : loud.shape[-1]]


class Tempogram(Feature):
    """Autocorrelation and spectrum of onset curves at log-spaced rates: a change of tempo is a shift along the bins.

    Parameters
    ----------
    sample_rate : int
        In Hz.
    window, hop : float
        Length of what a frame hears, and from frame to frame, in seconds.

    References
    ----------
    Grosche, Mueller & Kurth, "Cyclic tempogram: a mid-level tempo representation for music signals", ICASSP 2010.
    """

    def __init__(self, sample_rate: int = 16_000, *, window: float = 15.0, hop: float = 7.5) -> None:
        super().__init__()
        if not 4 <= window <= 120 or not 0.1 <= hop <= window:
            raise ValueError(f"wants a window of 4 to 120 s and a hop of 0.1 s up to it; got {window:g} and {hop:g}")
        self.sample_rate, self.window, self.hop = sample_rate, window, hop
        self.frame_rate, self.first = 1 / hop, window / 2
        self.curves = OnsetCurves(sample_rate)
        within = ((torch.arange(FINER) + 0.5) / FINER - 0.5).repeat(BINS)
        rates = tempo_rates().repeat_interleave(FINER) * 2 ** (within / BINS_PER_OCTAVE)
        self.autocorrelation = LogLagRhythm(self.curves.frame_rate, rates)
        count = int(window * self.curves.frame_rate)
        phase = 2 * math.pi * rates[None] * (torch.arange(count) / self.curves.frame_rate)[:, None]
        taper = torch.hann_window(count, periodic=False)[:, None]
        self.waves: Tensor
        self.register_buffer("waves", torch.cat([taper * phase.cos(), taper * phase.sin()], 1), persistent=False)

    def forward(self, waveform: Tensor) -> Tensor:
        """Compute the tempogram.

        Parameters
        ----------
        waveform : Tensor, shape=(batch, samples)
            At ``sample_rate``; shorter ones than a window are followed by silence.

        Returns
        -------
        Tensor, shape=(batch, 12, 168, frames)
            Autocorrelation of the six curves (-1 to 1), then their spectra (of mean square 1); zeros for silence.
        """
        size, step = int(self.window * self.sample_rate), int(self.hop * self.sample_rate)
        padded = F.pad(waveform, (0, max(0, size - waveform.shape[-1])))
        windows = padded.unfold(-1, size, step)  # [batch, frames, size]
        curves = self.curves(windows.flatten(0, 1))
        curves = F.pad(curves, (0, len(self.waves) - curves.shape[-1]), mode="replicate")
        similar = F.max_pool1d(self.autocorrelation(curves), FINER)
        real, imaginary = ((curves - curves.mean(-1, keepdim=True)) @ self.waves).chunk(2, -1)
        strength = F.max_pool1d((real.square() + imaginary.square()).sqrt(), FINER)
        level = strength.square().mean(-1, keepdim=True).sqrt()
        strength = strength / level.clamp_min(1e-4)
        found = torch.cat([similar, strength], 1)
        return found.view(*windows.shape[:2], *found.shape[1:]).movedim(1, -1)


def peak_tempo(probabilities: NDArray[np.float64], *, slowest: float = 30.0, fastest: float = 320.0) -> TempoEstimate:
    """Read a tempo from a distribution over the rates of a tempogram.

    Parameters
    ----------
    probabilities : ndarray, shape=(168,)
        Of `tempo_rates`; sums to 1.
    slowest, fastest : float
        BPM that are considered.

    Returns
    -------
    TempoEstimate
        The highest peak, placed by a parabola through the logarithms; its confidence is the probability within
        4 % of it.
    """
    rates = np.log(60 * tempo_rates(len(probabilities)).numpy().astype(np.float64))
    allowed = (rates >= np.log(slowest)) & (rates <= np.log(fastest))
    padded = np.pad(np.where(allowed, probabilities, 0), 1)
    peaks = np.flatnonzero((padded[1:-1] >= padded[:-2]) & (padded[1:-1] > padded[2:]))
    best = peaks[np.argsort(-probabilities[peaks])][:4] if len(peaks) else np.array([int(np.argmax(padded[1:-1]))])
    logs = np.log(np.maximum(probabilities, 1e-12))
    tempi = tuple(float(np.exp(peak_place(rates, logs, int(i)))) for i in best)
    near = np.abs(rates - np.log(tempi[0])) <= 0.04
    return TempoEstimate(tempi[0], float(probabilities[near].sum()), tempi)
