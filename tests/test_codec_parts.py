"""What codecs stand on: spectra that can be turned back, distances, how far a network looks, discriminators."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from glissando.codecs.context import reach
from glissando.features import FEATURES, LogSTFT
from glissando.metrics import (
    log_distance,
    log_spectral_distance,
    mel_distance,
    multi_resolution_distance,
    si_sdr,
    spectral_convergence,
)
from glissando.nn import build
from glissando.training.adversary import Adversary

RATE = 16_000


def tone(pitch: float, *, seconds: float = 1.0, level: float = 0.3) -> Tensor:
    time = torch.arange(int(seconds * RATE)) / RATE
    return level * sum(torch.sin(2 * torch.pi * pitch * h * time) / h for h in (1, 2, 3))[None]


def noise(seconds: float = 1.0, seed: int = 0) -> Tensor:
    return 0.1 * torch.randn(1, int(seconds * RATE), generator=torch.Generator().manual_seed(seed))


def test_a_spectrum_and_back_is_the_waveform() -> None:
    feature = FEATURES.build("log-stft", sample_rate=RATE)
    assert isinstance(feature, LogSTFT)
    wave = noise()[:, : 62 * 256]
    assert torch.allclose(feature.waveform(feature.spectrum(wave)), wave, atol=1e-6)
    magnitudes = feature.spectrum(wave).abs()
    assert torch.allclose(feature.magnitudes(feature.compress(magnitudes)), magnitudes, atol=1e-3)
    assert feature(wave[:, :-255]).shape[-1] == 62, "a hop that has just begun has a frame"


def test_griffin_lim_finds_phases() -> None:
    found = []
    for iterations in (0, 4, 32):
        feature = LogSTFT(RATE, iterations=iterations)
        wave = tone(330) + noise() / 10
        back = feature.invert(feature(wave))[:, :RATE]
        found.append(float(log_spectral_distance(wave, back, sample_rate=RATE)))
    assert found[0] > found[1] > found[2] and found[2] < 2  # dB
    assert not feature.invert(feature(torch.zeros(1, RATE))).abs().max() > 1e-6, "silence stays silent"


def test_parts_are_turned_back_as_in_the_whole() -> None:
    feature = LogSTFT(RATE, iterations=5)
    spectra = feature(tone(330, seconds=2) + noise(2))
    whole = feature.invert(spectra)
    first, last = 40, 40 + 20
    low, high = first - feature.reach, last + feature.reach
    part = feature.invert(spectra[..., low:high], first=low)
    inner = part[:, feature.reach * 256 : -feature.reach * 256]
    assert torch.allclose(inner, whole[:, first * 256 : last * 256], atol=1e-4)


def test_distances_are_what_they_say() -> None:
    wave = noise()
    for distance in (
        lambda a, b: log_spectral_distance(a, b, sample_rate=RATE),
        lambda a, b: mel_distance(a, b, sample_rate=RATE),
        multi_resolution_distance,
    ):
        assert float(distance(wave, wave)) == pytest.approx(0, abs=1e-4)
        assert 0 < float(distance(wave, 1.1 * wave)) < float(distance(wave, noise(seed=1)))
    louder = 20 * math.log10(2)
    assert float(log_spectral_distance(wave, 2 * wave, sample_rate=RATE)) == pytest.approx(louder, rel=0.02)
    assert float(mel_distance(wave, 2 * wave, sample_rate=RATE)) == pytest.approx(louder, rel=0.02)
    assert float(si_sdr(wave, 3 * wave)) > 80, "loudness does not count"
    other = noise(seed=1) * 0.1
    other = other - (other * wave).sum() / wave.square().sum() * wave  # at right angles
    wanted = 10 * math.log10(float(wave.square().sum() / other.square().sum()))
    assert float(si_sdr(wave, wave + other)) == pytest.approx(wanted, abs=0.01)


def test_convergence_hears_what_is_loud() -> None:
    spectra = LogSTFT(RATE)(noise())
    assert float(spectral_convergence(spectra, spectra)) == pytest.approx(0, abs=1e-4)
    assert float(spectral_convergence(spectra, spectra + math.log(1.5) / 2)) == pytest.approx(0.5, abs=1e-4)
    assert float(spectral_convergence(spectra, LogSTFT(RATE)(torch.zeros(1, RATE)))) == pytest.approx(1, abs=0.01)
    loud, faint = spectra.clone(), spectra.clone()
    loud[..., spectra.amax((1, 2))[0].argmax()] += 0.5
    faint[..., spectra.amax((1, 2))[0].argmin()] += 0.5
    assert float(spectral_convergence(spectra, loud)) > float(spectral_convergence(spectra, faint))
    assert float(log_distance(spectra, loud)) == pytest.approx(float(log_distance(spectra, faint)), rel=1e-4)


def sees(network: nn.Module, frames: int, dim: int) -> int:
    """How far the middle of what comes out looks, to the farther side."""
    x = torch.randn(1, frames, dim, generator=torch.Generator().manual_seed(0)).requires_grad_()
    y = network(x)
    (seen,) = torch.autograd.grad(y[0, y.shape[1] // 2].sum(), x)
    where = seen[0].abs().sum(1).nonzero().flatten()
    return max(frames // 2 - int(where[0]), int(where[-1]) - frames // 2)


@pytest.mark.parametrize(
    "layers",
    [
        [{"convnext1d": {"kernel": 5, "repeat": 3}}],
        [{"conv1d": {"channels": 4, "kernel": 7, "padding": "causal", "norm": "none", "activation": "none"}}],
        [{"stack": {"frames": 2}}, {"convnext1d": {"kernel": 3, "repeat": 2}}],
        [
            {"conv1d": {"channels": 4, "kernel": 8, "stride": 4, "norm": "none", "activation": "elu"}},
            {"tcn": {"channels": 4, "kernel": 3, "blocks": 2, "causal": False, "norm": "none"}},
        ],
    ],
)
def test_reach_is_a_bound_and_no_wild_one(layers: list[object]) -> None:
    torch.manual_seed(0)
    network = build({"part": layers}, torch.empty(1, 128, 4)).eval()
    truly, bound = sees(network, 128, 4), reach(network)
    assert bound is not None and truly <= bound <= 3 * truly + 4


def test_reach_of_what_sees_everything_is_none() -> None:
    for layer in ({"rnn": {"units": 4}}, {"transformer": {"heads": 2}}):
        assert reach(build({"part": layer}, torch.empty(1, 16, 8))) is None


@pytest.mark.parametrize("sizes", [[128], []])  # waveforms, log-magnitudes
def test_both_sides_learn_from_one_number(sizes: list[int]) -> None:
    torch.manual_seed(0)
    adversary = Adversary(channels=2, sizes=sizes, weight=0.5)
    real, made = noise(0.1), noise(0.1, seed=1)
    if not sizes:
        real, made = (LogSTFT(RATE)(one) for one in (real, made))
    made.requires_grad_()
    loss = adversary(real, made)
    loss.backward()
    assert made.grad is not None and made.grad.abs().sum() > 0
    grads = [weight.grad.clone() for weight in adversary.parameters() if weight.grad is not None]
    adversary.zero_grad()
    judge = adversary.judges[0]
    (torch.relu(1 - judge(real)[-1]).mean() + torch.relu(1 + judge(made.detach())[-1]).mean()).backward()
    wanted = [weight.grad for weight in adversary.parameters() if weight.grad is not None]
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(grads, wanted, strict=True)), "passing moves no judge"
