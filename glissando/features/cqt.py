"""Constant-Q transforms: one, and several at harmonic multiples of its frequencies, which share octaves and kernels."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .base import Feature

PASS = 0.8  # share of a decimated signal's bandwidth that its filter leaves as it is
TAPS = 63  # of the decimation filter: 0.4 to 0.6 of half the rate, from 0 to -100 dB
BLOCK = 2048  # frames that are cut at once
STRETCH = 32  # samples that one product decimates


class HCQT(Feature):
    """Harmonic constant-Q transform: the magnitudes of CQTs whose lowest frequencies are multiples of one another.

    The same bin number is in channel ``i`` at ``harmonics[i]`` times the frequency, so that the partials of a tone lie
    on top of each other. A sinusoid of amplitude 1 at the centre of a bin gives 1.

    Every octave is computed once, at the lowest rate that holds it, and serves all harmonics in which it lies (0.5, 1,
    2 and 4 share all but the outermost). Kernels are Hann windows of ``filter_scale / tanh(log(2) / bins_per_octave)``
    periods, 87 for 60 bins; as they are even and odd about the frame's centre, half the multiplications do.

    Parameters
    ----------
    sample_rate : int
        In Hz.
    hop : int
        In samples; a power of two reaches the lowest rates.
    fmin : float
        Lowest frequency of harmonic 1 in Hz; C1 by default.
    octaves, bins_per_octave : int
        Number of each.
    harmonics : sequence of float
        Channels.
    filter_scale : float
        Length of the kernels; below 1, bins overlap more and hear shorter stretches of time.
    bandwidth : float, optional
        In Hz, where the source holds less than its rate could; bins above it are 0, as are those above Nyquist.
    compress : float, optional
        ``log(1 + compress * magnitude)`` is given instead of magnitudes.

    References
    ----------
    Bittner et al., "Deep salience representations for f0 estimation in polyphonic music", ISMIR 2017.
    Schörkhuber & Klapuri, "Constant-Q transform toolbox for music processing", SMC 2010.
    """

    def __init__(
        self,
        sample_rate: int,
        *,
        hop: int = 256,
        fmin: float = 32.703,
        octaves: int = 6,
        bins_per_octave: int = 60,
        harmonics: Sequence[float] = (0.5, 1, 2, 3, 4, 5),
        filter_scale: float = 1.0,
        bandwidth: float | None = None,
        compress: float | None = None,
    ) -> None:
        super().__init__()
        self.compress = compress
        self.sample_rate, self.hop, self.frame_rate = sample_rate, hop, sample_rate / hop
        self.harmonics, self.bins_per_octave = tuple(harmonics), bins_per_octave
        steps = torch.arange(octaves * bins_per_octave, dtype=torch.float64) / bins_per_octave
        self.frequencies = (fmin * 2**steps).float()
        top = min(bandwidth or math.inf, sample_rate / 2)
        # (Every octave once, by its lowest frequency; the harmonics name theirs.)
        starts = [[round(fmin * h * 2**o, 6) for o in range(octaves)] for h in self.harmonics]
        lows = sorted({low for octaves in starts for low in octaves})
        self._octaves = {low: _Octave(low, sample_rate, hop, bins_per_octave, filter_scale, top) for low in lows}
        self._starts = starts
        self.levels = max(octave.level for octave in self._octaves.values())
        reach = max(octave.half << octave.level for octave in self._octaves.values())
        self.context = reach + (TAPS << self.levels)  # samples on each side of a frame that it depends on
        self.lowpass: Tensor
        self.register_buffer("lowpass", _lowpass(), persistent=False)
        for number, octave in enumerate(self._octaves.values()):
            self.register_buffer(f"even{number}", octave.even, persistent=False)
            self.register_buffer(f"odd{number}", octave.odd, persistent=False)

    def forward(self, waveform: Tensor) -> Tensor:
        """Transform a batch of waveforms.

        Parameters
        ----------
        waveform : Tensor, shape=(batch, samples)
            At ``sample_rate``.

        Returns
        -------
        Tensor, shape=(batch, harmonics, bins, frames)
            Magnitudes; frame ``i`` lies around sample ``i * hop``, and there are ``1 + samples // hop``.
        """
        unit = 1 << self.levels
        before = -(-self.context // unit) * unit
        frames = 1 + waveform.shape[-1] // self.hop
        after = before + frames * self.hop + unit - waveform.shape[-1]
        signal = F.pad(waveform, (before, after))
        found: dict[float, Tensor] = {}
        for level in range(self.levels + 1):
            if level:
                signal = _halved(signal, self.lowpass)
            for number, (low, octave) in enumerate(self._octaves.items()):
                if octave.level == level:
                    even, odd = self.get_buffer(f"even{number}"), self.get_buffer(f"odd{number}")
                    found[low] = _magnitudes(signal, before >> level, self.hop >> level, frames, even, odd)
        magnitudes = torch.stack([torch.cat([found[low] for low in octaves], 1) for octaves in self._starts], 1)
        return magnitudes if self.compress is None else torch.log1p(self.compress * magnitudes)

    def centres(self) -> Tensor:
        """Tell what every channel and bin stands for.

        Returns
        -------
        Tensor, shape=(harmonics, bins)
            Frequencies in Hz.
        """
        assert self.frequencies is not None
        return torch.tensor(self.harmonics)[:, None] * self.frequencies


class CQT(HCQT):
    """Constant-Q transform: magnitudes of bins at equal distances in pitch; parameters as `HCQT`.

    Parameters
    ----------
    sample_rate : int
        In Hz.
    hop : int
        In samples.
    fmin : float
        Lowest frequency in Hz.
    octaves, bins_per_octave : int
        Number of each.
    filter_scale : float
        Length of the kernels; see `HCQT`.
    bandwidth : float, optional
        In Hz; bins above it are 0.
    compress : float, optional
        ``log(1 + compress * magnitude)`` is given instead of magnitudes.

    References
    ----------
    Brown, "Calculation of a constant Q spectral transform", JASA 1991.
    """

    def __init__(
        self,
        sample_rate: int,
        *,
        hop: int = 256,
        fmin: float = 32.703,
        octaves: int = 7,
        bins_per_octave: int = 36,
        filter_scale: float = 1.0,
        bandwidth: float | None = None,
        compress: float | None = None,
    ) -> None:
        super().__init__(
            sample_rate,
            hop=hop,
            fmin=fmin,
            octaves=octaves,
            bins_per_octave=bins_per_octave,
            harmonics=(1,),
            filter_scale=filter_scale,
            bandwidth=bandwidth,
            compress=compress,
        )


class _Octave:
    """The kernels of one octave at the lowest rate that holds it: their even and odd halves."""

    def __init__(self, low: float, sample_rate: int, hop: int, bins: int, filter_scale: float, top: float) -> None:
        quality = filter_scale / math.tanh(math.log(2) / bins)  # periods a kernel, as librosa has it
        frequencies = low * 2 ** (np.arange(bins) / bins)
        highest = min(frequencies[-1] * (1 + 2 / quality), sample_rate / 2)
        self.level = 0
        while hop % (2 << self.level) == 0 and highest <= PASS * sample_rate / (4 << self.level):
            self.level += 1
        rate = sample_rate / (1 << self.level)
        self.half = int(quality * rate / low / 2)
        n = np.arange(self.half + 1)
        lengths = quality * rate / frequencies
        window = np.where(n < lengths[:, None] / 2, 0.5 + 0.5 * np.cos(2 * np.pi * n / lengths[:, None]), 0.0)
        window *= 2 / (2 * window.sum(1, keepdims=True) - 1)  # the centre counts once
        window[frequencies * (1 + 1 / quality) > top] = 0
        phase = 2 * np.pi * frequencies[:, None] * n / rate
        even = window * np.cos(phase)
        even[:, 0] /= 2  # the centre is added to itself below
        self.even = torch.from_numpy(even.T.astype(np.float32).copy())
        self.odd = torch.from_numpy((window * np.sin(phase)).T.astype(np.float32).copy())


def _lowpass() -> Tensor:
    """Half-band filter (Kaiser-windowed, 0.4 to 0.6 of Nyquist from pass to stop) as a matrix that also decimates."""
    n = np.arange(TAPS) - TAPS // 2
    taps = np.sinc(n / 2) / 2 * np.kaiser(TAPS, 10.06)
    matrix = np.zeros((2 * STRETCH + TAPS - 2, STRETCH), np.float32)
    for column in range(STRETCH):
        matrix[2 * column : 2 * column + TAPS, column] = taps / taps.sum()
    return torch.from_numpy(matrix)


def _halved(signal: Tensor, lowpass: Tensor) -> Tensor:
    """Filter and take every second sample; torch's own convolution is slow with one channel."""
    samples = signal.shape[-1]
    count = (samples + 1) // 2
    blocks = -(-count // STRETCH)
    padded = F.pad(signal, (TAPS // 2, 2 * STRETCH * blocks - samples + TAPS // 2))
    return (padded.unfold(1, len(lowpass), 2 * STRETCH) @ lowpass).flatten(1)[:, :count]


def _magnitudes(signal: Tensor, first: int, hop: int, frames: int, even: Tensor, odd: Tensor) -> Tensor:
    """Correlate frames about ``first``, ``first + hop``, ... with kernels; (batch, bins, frames)."""
    half = len(even) - 1
    cut = signal[:, first - half :].unfold(1, 2 * half + 1, hop)[:, :frames]
    blocks = []
    for start in range(0, frames, BLOCK):
        block = cut[:, start : start + BLOCK]
        later, earlier = block[..., half:], block[..., : half + 1].flip(-1)
        real, imaginary = (later + earlier) @ even, (later - earlier) @ odd
        blocks.append(torch.view_as_complex(torch.stack([real, imaginary], -1)).abs())
    return torch.cat(blocks, 1).transpose(1, 2)
