"""Spectral features against their definitions, and against librosa."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from conftest import song

from glissando.audio import resample
from glissando.features import CQT, HCQT, MFCC, STFT, Chroma, SpectralPeaks, Waveform

RATE = 22_050


def exact_cqt(waveform: np.ndarray, frequencies: np.ndarray, times: np.ndarray, bins_per_octave: int) -> np.ndarray:
    """The definition in float64: a Hann-windowed correlation at the full rate, sample by sample."""
    quality = 1 / math.tanh(math.log(2) / bins_per_octave)
    result = np.zeros((len(frequencies), len(times)))
    for row, frequency in enumerate(frequencies):
        half = int(quality * RATE / frequency / 2)
        n = np.arange(-half, half + 1)
        kernel = (0.5 + 0.5 * np.cos(2 * np.pi * n * frequency / quality / RATE)) * np.exp(
            -2j * np.pi * frequency * n / RATE
        )
        kernel *= 2 / np.abs(kernel).sum()
        padded = np.pad(waveform.astype(np.float64), half)
        result[row] = [abs(kernel @ padded[t : t + 2 * half + 1]) for t in times]
    return result


@pytest.fixture(scope="module")
def music() -> np.ndarray:
    """Beats, chords and noise: something in every band."""
    rng = np.random.default_rng(0)
    time = np.arange(4 * RATE) / RATE
    tones = sum(np.sin(2 * np.pi * f * time + f) / math.sqrt(f) for f in 55 * 2 ** rng.uniform(0, 7, 40))
    return (0.02 * rng.standard_normal(len(time)) + 0.3 * tones).astype(np.float32)


def test_hcqt_is_within_one_percent_of_the_definition(music: np.ndarray) -> None:
    feature = HCQT(RATE, hop=256)
    ours = feature(torch.from_numpy(music)[None])[0].numpy()
    frames = np.arange(0, ours.shape[-1], 40)
    for channel, harmonic in enumerate(feature.harmonics):
        bins = np.arange(channel, 360, 12)
        frequencies = harmonic * feature.frequencies.double().numpy()[bins]
        truth = exact_cqt(music, frequencies, frames * 256, 60)
        error = np.linalg.norm(ours[channel][bins][:, frames] - truth) / np.linalg.norm(truth)
        assert error < 0.01, (harmonic, error)


@pytest.mark.parametrize("frequency", [32.703 * 2 ** (k / 60) for k in (3, 77, 200, 359)])
def test_a_sinusoid_of_amplitude_one_gives_one_in_its_bin(frequency: float) -> None:
    time = torch.arange(6 * RATE, dtype=torch.float64) / RATE
    tone = torch.sin(2 * math.pi * frequency * time).float()[None]
    feature = HCQT(RATE, harmonics=(1,))
    middle = feature(tone)[0, 0, :, 260]
    assert int(middle.argmax()) == round(60 * math.log2(frequency / 32.703))
    assert float(middle.max()) == pytest.approx(1, abs=0.002)


def test_partials_of_a_tone_lie_in_one_bin_of_all_harmonics() -> None:
    time = torch.arange(4 * RATE, dtype=torch.float64) / RATE
    tone = sum(torch.sin(2 * math.pi * 220 * h * time) for h in (1, 2, 3, 4, 5)).float()[None]
    salience = HCQT(RATE)(tone)[0, 1:, :, 170]
    assert int(salience.log().mean(0).argmax()) == round(60 * math.log2(220 / 32.703))


@pytest.mark.parametrize("make", [lambda: HCQT(RATE), lambda: CQT(RATE), lambda: CQT(RATE, hop=441, octaves=3)])
def test_chunks_are_the_whole(music: np.ndarray, make) -> None:
    feature = make()
    long = torch.from_numpy(np.tile(music, 5))[None]
    whole = feature(long)
    first = 300
    start = first * feature.hop - (feature.context // feature.hop + 1) * feature.hop
    stop = (first + 20) * feature.hop + feature.context
    assert start >= 0 or feature.context > first * feature.hop
    start = max(0, start)
    part = feature(long[:, start:stop])[..., first - start // feature.hop :][..., :20]
    assert float((part - whole[..., first : first + 20]).abs().max()) < 1e-4 * float(whole.max())


def test_bins_above_the_source_are_zero(music: np.ndarray) -> None:
    wave = torch.from_numpy(music)[None]
    narrow, wide = HCQT(RATE, bandwidth=4000)(wave), HCQT(RATE)(wave)
    frequencies = torch.outer(torch.tensor(HCQT(RATE).harmonics), HCQT(RATE).frequencies)
    assert float(narrow[0][frequencies > 4000].abs().max()) == 0
    below = frequencies < 3900
    torch.testing.assert_close(narrow[0][below], wide[0][below])
    high = HCQT(16_000)(torch.randn(1, 16_000))[0]
    assert float(high[frequencies > 8000].abs().max()) == 0 and float(high[frequencies < 7800].min()) > 0


def test_cqt_agrees_with_librosa(music: np.ndarray) -> None:
    librosa = pytest.importorskip("librosa")
    ours = CQT(RATE, hop=512, octaves=6)(torch.from_numpy(music)[None])[0, 0].numpy()
    theirs = np.abs(
        librosa.cqt(music, sr=RATE, hop_length=512, fmin=32.703, n_bins=216, bins_per_octave=36, pad_mode="constant")
    )
    lengths = librosa.filters.wavelet_lengths(
        freqs=CQT(RATE, octaves=6).frequencies.numpy(), sr=RATE, window="hann", filter_scale=1
    )[0]
    theirs = 2 * theirs / np.sqrt(lengths)[:, None]
    inner = slice(60, -60)
    assert np.linalg.norm(ours[:, inner] - theirs[:, inner]) / np.linalg.norm(theirs[:, inner]) < 0.02


def test_stft_and_mfcc_are_librosas() -> None:
    librosa = pytest.importorskip("librosa")
    wave = song(120, seconds=3).samples
    ours = STFT(RATE)(torch.from_numpy(wave)[None])[0, 0].numpy()
    theirs = np.abs(librosa.stft(wave, pad_mode="constant"))
    assert np.abs(ours - theirs).max() < 1e-4 * theirs.max()
    ours = MFCC(RATE)(torch.from_numpy(wave)[None])[0, 0].numpy()
    theirs = librosa.feature.mfcc(y=wave, sr=RATE, n_mfcc=20, center=False)
    assert np.abs(ours - theirs).max() < 0.05


def test_chroma_names_the_chord() -> None:
    time = torch.arange(3 * RATE) / RATE
    chord = sum(torch.sin(2 * math.pi * 440 * 2 ** ((midi - 69) / 12) * time) for midi in (60, 64, 67))[None]
    chroma = Chroma(RATE)(chord)[0, 0, :, 60]
    assert {*chroma.topk(3).indices.tolist()} == {0, 4, 7}
    assert float(chroma.topk(4).values[3]) < 0.2


def test_peaks_are_where_the_tones_are() -> None:
    time = torch.arange(RATE) / RATE
    tones = (torch.sin(2 * math.pi * 500 * time) + 0.1 * torch.sin(2 * math.pi * 3000 * time))[None]
    feature = SpectralPeaks(RATE, floor=40)
    peaks = feature(tones)[0, 0, :, 20]
    found = feature.frequencies[peaks > 0]
    assert len(found) == 2 and float((found - torch.tensor([500.0, 3000.0])).abs().max()) < 8


@pytest.mark.parametrize("make", [HCQT, CQT, STFT, MFCC, Chroma, SpectralPeaks, Waveform])
def test_features_keep_their_contract(make) -> None:
    feature = make(RATE)
    batch = torch.from_numpy(np.stack([resample(song(bpm, seconds=2).samples, RATE, RATE) for bpm in (90, 130)]))
    together = feature(batch)
    assert together.dtype == torch.float32 and together.ndim == 4
    assert abs(together.shape[-1] - batch.shape[-1] / RATE * feature.frame_rate) <= 5
    torch.testing.assert_close(together, torch.cat([feature(one[None]) for one in batch]), rtol=1e-4, atol=1e-5)
    assert torch.equal(feature(batch), together)
    assert torch.isfinite(feature(torch.zeros(1, RATE))).all()
    if feature.frequencies is not None:
        assert len(feature.frequencies) == together.shape[2]
    if make is not SpectralPeaks:
        wave = batch[:1].clone().requires_grad_()
        feature(wave).sum().backward()
        assert wave.grad is not None and torch.isfinite(wave.grad).all() and float(wave.grad.abs().max()) > 0
