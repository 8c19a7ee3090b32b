"""Short-time spectra: linear frequency, and what is read from it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .base import Feature, Invertible


class Waveform(Invertible):
    """The waveform itself: one channel, one bin, a frame a sample.

    Parameters
    ----------
    sample_rate : int
        In Hz.
    """

    def __init__(self, sample_rate: int) -> None:
        super().__init__()
        self.sample_rate, self.frame_rate = sample_rate, float(sample_rate)
        self.hop, self.n_fft, self.reach = 1, 1, 0

    def forward(self, waveform: Tensor) -> Tensor:
        """Give every sample as a frame.

        Parameters
        ----------
        waveform : Tensor, shape=(batch, samples)
            At ``sample_rate``.

        Returns
        -------
        Tensor, shape=(batch, 1, 1, samples)
            As it came.
        """
        return waveform[:, None, None]

    def invert(self, feature: Tensor, *, first: int = 0) -> Tensor:
        """Give frames as samples.

        Parameters
        ----------
        feature : Tensor, shape=(batch, 1, 1, samples)
            As of `forward`.
        first : int
            Number of the first frame, where this is a part of a longer feature.

        Returns
        -------
        Tensor, shape=(batch, samples)
            At ``sample_rate``.
        """
        return feature[:, 0, 0].float()


class STFT(Feature):
    """Magnitudes of the short-time Fourier transform (Hann window).

    Parameters
    ----------
    sample_rate : int
        In Hz.
    n_fft, hop : int
        Window and hop in samples.
    center : bool
        Pad with zeros so that frame ``i`` lies around sample ``i * hop``; otherwise it starts there.
    """

    def __init__(self, sample_rate: int, *, n_fft: int = 2048, hop: int = 512, center: bool = True) -> None:
        super().__init__()
        self.sample_rate, self.n_fft, self.hop, self.center = sample_rate, n_fft, hop, center
        self.frame_rate, self.first = sample_rate / hop, 0.0 if center else n_fft / 2 / sample_rate
        self.frequencies = torch.linspace(0, sample_rate / 2, n_fft // 2 + 1)
        self.window: Tensor
        self.register_buffer("window", torch.hann_window(n_fft), persistent=False)

    def forward(self, waveform: Tensor) -> Tensor:
        """Compute magnitudes.

        Parameters
        ----------
        waveform : Tensor, shape=(batch, samples)
            At ``sample_rate``.

        Returns
        -------
        Tensor, shape=(batch, 1, n_fft // 2 + 1, frames)
            Magnitudes, not scaled.
        """
        if self.center:
            waveform = F.pad(waveform, (self.n_fft // 2, self.n_fft // 2))
        spectrum = torch.stft(waveform, self.n_fft, self.hop, window=self.window, center=False, return_complex=True)
        return spectrum.abs()[:, None]


class SpectralPeaks(STFT):
    """Local maxima of the spectrum: magnitudes at the peaks, zero elsewhere; or ones, so that only pitches are told.

    Parameters
    ----------
    sample_rate : int
        In Hz.
    n_fft, hop : int
        Window and hop in samples.
    center : bool
        As of `STFT`.
    floor : float
        In dB below the loudest bin of the frame; lower peaks are dropped.
    count : int, optional
        Only so many peaks of a frame are kept, the loudest; all above the floor if None.
    highest : float, optional
        In Hz: bins above are left out, once peaks are found; none if None.
    binary : bool
        1 at the peaks instead of magnitudes: what is left is where partials lie, and neither level nor timbre.

    Raises
    ------
    ValueError
        If the count is below 1, or nothing lies below the highest frequency.
    """

    def __init__(
        self,
        sample_rate: int,
        *,
        n_fft: int = 2048,
        hop: int = 512,
        center: bool = True,
        floor: float = 60.0,
        count: int | None = None,
        highest: float | None = None,
        binary: bool = False,
    ) -> None:
        super().__init__(sample_rate, n_fft=n_fft, hop=hop, center=center)
        if count is not None and count < 1:
            raise ValueError(f"count must be at least 1; got {count}")
        if highest is not None and not highest > 0:
            raise ValueError(f"highest must be above 0 Hz; got {highest:g}")
        self.floor, self.count, self.binary = floor, count, binary
        assert self.frequencies is not None
        if highest is not None:
            self.frequencies = self.frequencies[self.frequencies < highest]

    def forward(self, waveform: Tensor) -> Tensor:
        """Find the peaks.

        Parameters
        ----------
        waveform : Tensor, shape=(batch, samples)
            At ``sample_rate``.

        Returns
        -------
        Tensor, shape=(batch, 1, bins, frames)
            Magnitudes of peaks, not scaled, or ones; ``n_fft // 2 + 1`` bins, or those below ``highest``.
        """
        magnitudes = super().forward(waveform)
        padded = F.pad(magnitudes, (0, 0, 1, 1))
        peak = (magnitudes > padded[:, :, :-2]) & (magnitudes >= padded[:, :, 2:])
        loud = magnitudes > magnitudes.amax(2, keepdim=True) * 10 ** (-self.floor / 20)
        assert self.frequencies is not None
        found = (magnitudes * (peak & loud))[:, :, : len(self.frequencies)]
        if self.count is not None and self.count < found.shape[2]:
            found = found * (found >= found.topk(self.count, 2).values[:, :, -1:])
        if not self.binary:
            return found
        return (found > 0).to(found.dtype) + (found - found.detach())  # (slopes are the magnitudes': straight through)
