"""SincNet's front-end: band-pass filters of which only the cut-offs are learned."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..features.mel import hz_to_mel, mel_to_hz
from .bricks import BRICKS, AlongFrames, finish, said
from .checks import MOST_TAPS, count, number


class SincFilters(nn.Module):
    """Band-pass filters with unit gain, at first evenly spaced in mel.

    The parameters are in units of the sample rate, so that usual learning rates move them.

    Parameters
    ----------
    channels : int
        Filters.
    kernel : int
        Odd length in samples.
    stride : int
        In samples.
    sample_rate : float
        Of the waveform, in Hz.
    least_low, least_band : float
        Lower cut-offs and bandwidths are never below these, in Hz.

    References
    ----------
    Ravanelli & Bengio, "Speaker recognition from raw waveform with SincNet", SLT 2018.
    """

    def __init__(
        self, channels: int, kernel: int, stride: int, sample_rate: float, least_low: float, least_band: float
    ) -> None:
        super().__init__()
        self.kernel, self.stride, self.sample_rate = kernel, stride, sample_rate
        self.least_low, self.least_band = least_low, least_band
        top = sample_rate / 2 - least_low - least_band
        if kernel % 2 == 0 or top <= 30:
            what = "kernel must be odd" if kernel % 2 == 0 else "sample_rate is too low for least_low and least_band"
            raise ValueError(f"{what} (kernel {kernel}, sample rate {sample_rate:g} Hz)")
        mel = hz_to_mel(torch.tensor([30.0, 0.99 * top]), htk=True)
        steps = torch.linspace(0, 1, channels + 1)
        edges = mel_to_hz(mel[0] + steps * (mel[1] - mel[0]), htk=True) / sample_rate
        self.low = nn.Parameter(edges[:-1].clone())
        self.band = nn.Parameter(edges.diff())

    def cutoffs(self) -> tuple[Tensor, Tensor]:
        """Compute where the filters lie.

        Returns
        -------
        Tensor, Tensor
            Lower and upper cut-offs in Hz, shape=(channels,).
        """
        low = self.least_low + self.low.abs() * self.sample_rate
        high = low + self.least_band + self.band.abs() * self.sample_rate
        return low, high.clamp(max=self.sample_rate / 2)

    def filters(self) -> Tensor:
        """Compute the impulse responses: the difference of two low-passes in a Hamming window.

        Returns
        -------
        Tensor, shape=(channels, 1, kernel)
            Symmetric.
        """
        low, high = (2 * cutoff[:, None] / self.sample_rate for cutoff in self.cutoffs())
        time = torch.arange(self.kernel, device=low.device) - self.kernel // 2
        window = torch.hamming_window(self.kernel, periodic=False, device=low.device)
        return ((high * torch.sinc(high * time) - low * torch.sinc(low * time)) * window).unsqueeze(1)

    def forward(self, waveform: Tensor) -> Tensor:
        """Filter.

        Parameters
        ----------
        waveform : Tensor, shape=(batch, samples)
            At the sample rate.

        Returns
        -------
        Tensor, shape=(batch, ceil(samples / stride), channels)
            A sequence.
        """
        filtered = F.conv1d(waveform.unsqueeze(1), self.filters(), stride=self.stride, padding=self.kernel // 2)
        return filtered.transpose(1, 2)


@BRICKS.register("sincnet")
def sincnet(
    inputs: Sequence[int],
    *,
    sample_rate: float,
    channels: int = 80,
    kernel: int = 251,
    stride: int = 1,
    least_low: float = 50.0,
    least_band: float = 50.0,
    norm: str = "none",
    activation: str = "none",
) -> nn.Module:
    """Make a bank of learned band-pass filters; see `SincFilters`.

    Parameters
    ----------
    inputs : sequence of int
        Shape of the waveform that comes in.
    sample_rate : float
        Of the waveform, in Hz.
    channels : int
        Filters.
    kernel : int
        Odd length in samples.
    stride : int
        In samples.
    least_low, least_band : float
        Lower cut-offs and bandwidths are never below these, in Hz.
    norm, activation : str
        As of `conv1d`, after the filters.

    Returns
    -------
    Module
        Waveform to sequence.

    Raises
    ------
    ValueError
        If a waveform is not what comes in, or an argument is out of its range.
    """
    if len(inputs) != 2:
        raise ValueError(f"takes a waveform [batch, samples], got {said(inputs)}")
    filters = SincFilters(
        count(channels, "channels"),
        count(kernel, "kernel", high=MOST_TAPS),
        count(stride, "stride", high=MOST_TAPS),
        number(sample_rate, "sample_rate", low=1),
        number(least_low, "least_low", low=0),
        number(least_band, "least_band", low=0),
    )
    return nn.Sequential(filters, AlongFrames(*finish(channels, 1, norm, activation)))
