"""How far a sound is from what it should be: by spectra, by samples."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ..features import LogSTFT, mel_matrix

TO_DB = 8.685889638065037  # dB of the natural logarithm of a magnitude
SIZES = (2048, 1024, 512, 256)  # samples of the windows of several resolutions
BANDS, MEL_SIZE = 80, 1024
QUIET = 0.1  # length of the magnitudes of a spectrum, below which nothing is heard
FLOOR = 1e-5  # of magnitudes, where they are compared as logarithms


def log_spectral_distance(reference: Tensor, estimate: Tensor, *, sample_rate: int) -> Tensor:
    """Mean over frames of the root mean square over bins of the difference of magnitudes in dB.

    Magnitudes have the floor of `LogSTFT`, 70 dB below those of a sine of full scale, so that silence is no news.

    Parameters
    ----------
    reference, estimate : Tensor, shape=(batch, samples)
        What should be, and what is.
    sample_rate : int
        In Hz.

    Returns
    -------
    Tensor, shape=(batch,)
        In dB; 0 for the same.
    """
    spectra = LogSTFT(sample_rate).to(reference.device)
    return log_distance(spectra(reference), spectra(estimate))


def log_distance(reference: Tensor, estimate: Tensor) -> Tensor:
    """Compute `log_spectral_distance` of spectra that are there.

    Parameters
    ----------
    reference, estimate : Tensor, shape=(batch, 1, bins, frames)
        As `LogSTFT` gives them.

    Returns
    -------
    Tensor, shape=(batch,)
        In dB.
    """
    apart = (reference.float() - estimate.float()).square().mean((1, 2))
    return 2 * TO_DB * (apart + 1e-12).sqrt().mean(-1)


def spectral_convergence(reference: Tensor, estimate: Tensor) -> Tensor:
    """Length of the difference of magnitudes relative to that of the reference: what is loud counts most.

    Parameters
    ----------
    reference, estimate : Tensor, shape=(batch, 1, bins, frames)
        As `LogSTFT` gives them.

    Returns
    -------
    Tensor, shape=(batch,)
        0 for the same, 1 for silence.

    References
    ----------
    Arik, Jun & Diamos, "Fast spectrogram inversion using multi-head convolutional neural networks", 2018.
    """
    one, other = (torch.exp(2 * each.float()) for each in (reference, estimate))
    length = one.square().sum((1, 2, 3)).sqrt().clamp_min(QUIET)
    return (one - other).square().sum((1, 2, 3)).add(1e-12).sqrt() / length


def multi_resolution_distance(reference: Tensor, estimate: Tensor, *, sizes: Sequence[int] = SIZES) -> Tensor:
    """Spectral convergence plus the mean difference of log-magnitudes, averaged over window lengths.

    Parameters
    ----------
    reference, estimate : Tensor, shape=(batch, samples)
        What should be, and what is.
    sizes : sequence of int
        Of the windows, in samples; hops are a quarter.

    Returns
    -------
    Tensor, shape=(batch,)
        0 for the same.

    References
    ----------
    Yamamoto, Song & Kim, "Parallel WaveGAN", ICASSP 2020.
    """
    found = []
    for size in sizes:
        one, other = (_magnitudes(each, size) for each in (reference, estimate))
        length = one.square().sum((1, 2)).clamp_min(FLOOR).sqrt()
        convergence = (one - other).square().sum((1, 2)).add(1e-12).sqrt() / length
        logs = (one.clamp_min(FLOOR).log() - other.clamp_min(FLOOR).log()).abs().mean((1, 2))
        found.append(convergence + logs)
    return torch.stack(found).mean(0)


def mel_distance(reference: Tensor, estimate: Tensor, *, sample_rate: int) -> Tensor:
    """Mean difference of 80 mel bands in dB.

    Parameters
    ----------
    reference, estimate : Tensor, shape=(batch, samples)
        What should be, and what is.
    sample_rate : int
        In Hz.

    Returns
    -------
    Tensor, shape=(batch,)
        In dB.
    """
    matrix = mel_matrix(sample_rate, MEL_SIZE, BANDS).to(reference.device)
    one, other = ((matrix @ _magnitudes(each, MEL_SIZE)).clamp_min(FLOOR**0.5).log() for each in (reference, estimate))
    return TO_DB * (one - other).abs().mean((1, 2))


def si_sdr(reference: Tensor, estimate: Tensor) -> Tensor:
    """Scale-invariant signal-to-distortion ratio; it asks for the very waveform, phases and all.

    Parameters
    ----------
    reference, estimate : Tensor, shape=(batch, samples)
        What should be, and what is.

    Returns
    -------
    Tensor, shape=(batch,)
        In dB.

    References
    ----------
    Le Roux et al., "SDR - half-baked or well done?", ICASSP 2019.
    """
    share = (reference * estimate).sum(1, keepdim=True) / reference.square().sum(1, keepdim=True).clamp_min(1e-12)
    wanted = share * reference
    return 10 * torch.log10(
        wanted.square().sum(1).clamp_min(1e-12) / (estimate - wanted).square().sum(1).clamp_min(1e-12)
    )


def _magnitudes(waveform: Tensor, size: int) -> Tensor:
    window = torch.hann_window(size, device=waveform.device)
    padded = F.pad(waveform.float(), (size // 2, size // 2))
    spectrum = torch.stft(padded, size, size // 4, window=window, center=False, return_complex=True)
    return (spectrum.real.square() + spectrum.imag.square() + 1e-14).sqrt()
