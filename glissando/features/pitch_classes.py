"""Energy of the twelve pitch classes, from the peaks of the spectrum, in whatever tuning the music is in."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .base import Feature

LOWEST, HIGHEST = 50.0, 2000.0  # Hz: from G1; above, overtones outweigh fundamentals
FLOOR = 0.01  # of the loudest peak; weaker ones are noise
COMPRESS = 0.5  # power of magnitudes
CONCERT = 0.1  # share of the energy that speaks for 440 Hz, so that noise has a tuning too


class PitchClasses(Feature):
    """Energy of the twelve pitch classes, from C.

    Peaks of the spectrum are placed between its bins by a parabola, so that half a second tells semitones apart from
    C2 upwards. The tuning is that of the waveform as a whole: the mean direction of the peaks' deviations from equal
    temperament at 440 Hz, up to half a semitone.

    Parameters
    ----------
    sample_rate : int
        In Hz.
    n_fft, hop : int
        Window and hop in samples.

    References
    ----------
    Gómez, "Tonal description of polyphonic audio for music content processing", INFORMS Journal on Computing, 2006.
    Dressler & Streich, "Tuning frequency estimation using circular statistics", ISMIR 2007.
    """

    def __init__(self, sample_rate: int = 16_000, *, n_fft: int = 8192, hop: int = 4096) -> None:
        super().__init__()
        self.sample_rate, self.n_fft, self.hop = sample_rate, n_fft, hop
        self.frame_rate, self.first = sample_rate / hop, n_fft / 2 / sample_rate
        self.low, self.high = (round(hz * n_fft / sample_rate) for hz in (LOWEST, HIGHEST))
        self.window: Tensor
        self.register_buffer("window", torch.hann_window(n_fft), persistent=False)

    def forward(self, waveform: Tensor) -> Tensor:
        """Compute pitch classes.

        Parameters
        ----------
        waveform : Tensor, shape=(batch, samples)
            At ``sample_rate``; at least ``n_fft`` samples.

        Returns
        -------
        Tensor, shape=(batch, 1, 12, frames)
            Relative to the loudest peak of the waveform; zeros for silence.
        """
        spectrum = torch.stft(waveform, self.n_fft, self.hop, window=self.window, center=False, return_complex=True)
        magnitudes = spectrum[:, self.low - 1 : self.high + 2].abs()
        magnitudes = magnitudes / magnitudes.amax((1, 2), keepdim=True).clamp_min(1e-12)
        below, here, above = magnitudes[:, :-2], magnitudes[:, 1:-1], magnitudes[:, 2:]
        peaks = ((here > below) & (here >= above) & (here > FLOOR)).nonzero(as_tuple=True)
        left, middle, right = (part[peaks].clamp_min(1e-6).log() for part in (below, here, above))
        offset = 0.5 * (left - right) / (left - 2 * middle + right)
        energy = (COMPRESS * (middle - 0.25 * (left - right) * offset)).exp()
        item, bin_, frame = peaks
        pitch = 69 + 12 * torch.log2((bin_ + self.low + offset) * (self.sample_rate / self.n_fft / 440))
        pitch = pitch - _tuning(pitch.detach(), energy.detach(), item, len(waveform))[item]
        nearest = pitch.round()
        batch, frames = len(waveform), magnitudes.shape[-1]
        place = (item * 12 + nearest.long() % 12) * frames + frame
        found = energy.new_zeros(batch * 12 * frames)
        found = found.index_add(0, place, energy * torch.cos(math.pi * (pitch - nearest)).square())
        return found.reshape(batch, 1, 12, frames)


def _tuning(pitch: Tensor, energy: Tensor, item: Tensor, batch: int) -> Tensor:
    """Deviation from 440 Hz in semitones, of every waveform."""
    angle = 2 * math.pi * pitch
    directions = torch.stack([energy * (angle.cos() + CONCERT), energy * angle.sin()])
    east, north = directions.new_zeros(2, batch).index_add(1, item, directions)
    return torch.atan2(north, east) / (2 * math.pi)
