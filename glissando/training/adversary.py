"""Discriminators of spectra: they learn to tell sounds from reconstructions, and reconstructions learn to pass."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.utils.parametrizations import weight_norm

MATCHING = 10.0  # weight of what the discriminators' layers say of both sounds, beside their verdict


class Judge(nn.Module):
    """One discriminator: convolutions over a spectrum.

    Parameters
    ----------
    size : int
        Of the window, in samples, through which it hears waveforms; the hop is a quarter. 0 for log-magnitudes, which
        it hears as they are.
    channels : int
        Of its layers.
    """

    window: Tensor

    def __init__(self, size: int, channels: int) -> None:
        super().__init__()
        self.size = size
        self.register_buffer("window", torch.hann_window(size), persistent=False)
        steps = [(2 if size else 1, channels, 1), (channels, channels, 2), (channels, channels, 2)]
        self.layers = nn.ModuleList(
            weight_norm(nn.Conv2d(before, after, (9, 3), (stride, 1), (4, 1))) for before, after, stride in steps
        )
        self.verdict = weight_norm(nn.Conv2d(channels, 1, 3, padding=1))

    def forward(self, sound: Tensor) -> list[Tensor]:
        """Judge sounds.

        Parameters
        ----------
        sound : Tensor, shape=(batch, samples) or (batch, 1, bins, frames)
            Waveforms at least as long as the window, or log-magnitudes.

        Returns
        -------
        list of Tensor
            What each layer says, the verdict last: above 0 for real.
        """
        x, said = sound, []
        if self.size:
            spectrum = torch.stft(sound, self.size, self.size // 4, window=self.window, return_complex=True)
            x = torch.view_as_real(spectrum).permute(0, 3, 1, 2) / self.size**0.5
        for layer in self.layers:
            x = F.leaky_relu(layer(x), 0.2)
            said.append(x)
        return [*said, self.verdict(x)]


class Adversary(nn.Module):
    """Discriminators of several resolutions.

    Both sides learn from one number: the codec through discriminators that are held still, the discriminators from
    reconstructions that are. So one optimizer serves both.

    Parameters
    ----------
    channels : int
        Of their layers.
    sizes : sequence of int
        Of their windows, in samples; none for one discriminator of log-magnitudes.
    weight : float
        Of the adversarial loss, beside the spectral one.

    References
    ----------
    Defossez et al., "High fidelity neural audio compression", 2022.
    """

    def __init__(self, *, channels: int = 16, sizes: Sequence[int] = (2048, 1024, 512), weight: float = 0.1) -> None:
        super().__init__()
        if channels < 1 or min(sizes, default=16) < 16 or not weight > 0:
            raise ValueError("an adversary wants channels, sizes of at least 16 samples, and a weight above 0")
        self.weight, self.waves = weight, bool(sizes)
        self.judges = nn.ModuleList(Judge(int(size), channels) for size in sizes or [0])

    def forward(self, real: Tensor, made: Tensor) -> Tensor:
        """Compute what both sides learn by.

        Parameters
        ----------
        real, made : Tensor, shape=(batch, samples) or (batch, 1, bins, frames)
            Sounds and their reconstructions, as of `Judge`.

        Returns
        -------
        Tensor
            One number: hinge losses of the codec, of the discriminators, and the distance of their layers.
        """
        loss = real.new_zeros(())
        for judge in self.judges:
            still = {name: weight.detach() for name, weight in judge.named_parameters()}
            told, wanted = functional_call(judge, still, (made,)), functional_call(judge, still, (real,))
            matching = torch.stack(
                [(a - b).abs().mean() / b.abs().mean().clamp_min(1e-3) for a, b in zip(told[:-1], wanted, strict=False)]
            )
            passing = torch.relu(1 - told[-1]).mean() + MATCHING * matching.mean()
            telling = torch.relu(1 - judge(real)[-1]).mean() + torch.relu(1 + judge(made.detach())[-1]).mean()
            loss = loss + self.weight * passing + telling
        return loss / len(self.judges)
