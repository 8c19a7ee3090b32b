"""Features state facts of music on signals that the tests make."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from conftest import song
from hypothesis import given, settings
from hypothesis import strategies as st

from glissando.audio import resample, stretch
from glissando.encoders import Framing, StreamFramer, load
from glissando.features import (
    LogLagRhythm,
    LogMel,
    MelSpectrogram,
    OnsetStrength,
    estimate_tempo,
    log_rates,
    mel_matrix,
)
from glissando.latent import ShiftTranslator
from glissando.metrics import tempo_hit

RATE = 16_000


def rhythm_of(bpm: float, *, ratio: float = 1.0, seconds: float = 40.0) -> tuple[torch.Tensor, float]:
    audio = song(bpm, seconds=seconds)
    if ratio != 1:
        audio = stretch(audio, ratio)
    encoder = load("rhythm")
    waveform = torch.from_numpy(resample(audio.samples, audio.sample_rate, RATE))[None]
    outputs = encoder.outputs(waveform)
    tempo = estimate_tempo(outputs["autocorrelation"][0].mean(0).numpy())
    assert tempo is not None
    return torch.nn.functional.normalize(outputs["embedding"][0].mean(0), dim=0), tempo.bpm


@pytest.mark.parametrize(("htk", "unit_sum", "norm"), [(False, False, "slaney"), (True, True, 1)])
def test_mel_matrix_is_librosas(htk: bool, unit_sum: bool, norm: object) -> None:
    librosa = pytest.importorskip("librosa")
    theirs = librosa.filters.mel(sr=RATE, n_fft=512, n_mels=96, htk=htk, norm=norm)
    assert np.abs(mel_matrix(RATE, 512, 96, htk=htk, unit_sum=unit_sum).numpy() - theirs).max() < 1e-6


def test_log_mel_is_librosas_within_a_hundredth_of_a_decibel() -> None:
    librosa = pytest.importorskip("librosa")
    waveform = resample(song(120, seconds=3).samples, 22_050, RATE)
    theirs = librosa.feature.melspectrogram(y=waveform, sr=RATE, n_fft=512, hop_length=256, n_mels=96, center=False)
    ours = MelSpectrogram(RATE, n_fft=512, hop=256, bands=96)(torch.from_numpy(waveform)[None])[0, 0].numpy()
    loud = theirs > 1e-6 * theirs.max()
    assert np.abs(10 * np.log10(ours[loud] / theirs[loud])).max() < 0.01


@pytest.mark.parametrize(
    "feature",
    [
        LogMel(RATE, n_fft=512, hop=256, bands=40),
        MelSpectrogram(RATE, n_fft=512, hop=256, bands=40),
        OnsetStrength(RATE),
    ],
)
def test_feature_contract(feature: torch.nn.Module) -> None:
    waveform = torch.randn(3, 8_000, requires_grad=True)
    out = feature(waveform)
    assert out.ndim == 4 and out.shape[:2] == (3, 1)
    assert torch.allclose(out[1:2], feature(waveform[1:2]), atol=1e-4)
    assert torch.equal(out, feature(waveform))
    assert torch.isfinite(feature(torch.zeros(1, 8_000))).all()
    out.sum().backward()
    assert torch.isfinite(waveform.grad).all()
    assert feature.sample_rate / feature.frame_rate == 256


@pytest.mark.parametrize("bpm", [60, 75, 120, 150])
def test_clicks_have_their_peak_at_their_tempo(bpm: float) -> None:
    onsets = torch.zeros(1, 4_000)
    onsets[0, :: round(60 / bpm * 100)] = 1
    rates = log_rates(285)
    rhythm = LogLagRhythm(100.0, rates)(onsets)[0]
    near = (60 * rates / bpm).log().abs() < 0.3
    assert 60 * rates[near][rhythm[near].argmax()] == pytest.approx(bpm, rel=0.02)


def test_autocorrelation_is_one_for_exact_repetition_and_zero_for_a_constant() -> None:
    onsets = torch.zeros(1, 3_200)
    onsets[0, ::50] = 1
    rhythm = LogLagRhythm(100.0, torch.tensor([2.0]))
    assert rhythm(onsets).item() == pytest.approx(1, abs=0.03)
    assert rhythm(torch.ones(1, 3_200)).abs().item() < 1e-6


@pytest.mark.parametrize("bpm", [70, 100, 125, 150])
def test_tempo_estimate(bpm: float) -> None:
    assert tempo_hit(rhythm_of(bpm)[1], bpm, tolerance=0.02, octaves=True)


def test_tempo_of_a_drone_is_none() -> None:
    assert estimate_tempo(np.zeros(285, np.float32)) is None


@pytest.mark.parametrize("ratio", [0.7, 0.87, 1.15, 1.5])
def test_shift_is_what_stretching_does(ratio: float) -> None:
    """120 BPM stretched by 1.25 sounds as 150; the shifted embedding is nearer to that than the unshifted one."""
    original, bpm = rhythm_of(110)
    stretched, faster = rhythm_of(110, ratio=ratio, seconds=60)
    shifted = ShiftTranslator("rhythm")(original, tempo_ratio=ratio)
    # Clicks have peaks narrower than the axis is fine, the hardest case for reading between its points.
    assert float(shifted @ stretched) > 0.5
    assert float(shifted @ stretched) > float(original @ stretched) + 0.5
    assert tempo_hit(faster, bpm * ratio, tolerance=0.03, octaves=True)


def test_shift_there_and_back_and_by_one() -> None:
    original, _ = rhythm_of(110)
    shift = ShiftTranslator("rhythm")
    assert torch.allclose(shift(original, tempo_ratio=1.0), original, atol=1e-5)
    inner = slice(12, 60)  # what left the axis does not come back
    back = shift(shift(original, tempo_ratio=1.2), tempo_ratio=1 / 1.2)
    assert torch.nn.functional.cosine_similarity(back[inner], original[inner], dim=0) > 0.97
    batch = shift(original.expand(2, 3, -1), tempo_ratio=1.1)
    assert torch.allclose(batch[1, 2], shift(original, tempo_ratio=1.1))


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 900),
    st.lists(st.integers(0, 300), max_size=8),
    st.sampled_from(
        [Framing(100, 40), Framing(64, 64, 16, 16), Framing(50, 20, 10, 5, "zeros"), Framing(30, 30, 8, 8)]
    ),
)
def test_streamed_windows_equal_whole(samples: int, cuts: list[int], framing: Framing) -> None:
    waveform = np.random.default_rng(samples).normal(size=samples).astype(np.float32)
    whole = framing.cut(waveform)
    assert len(whole) == framing.count(samples)
    stream = StreamFramer(framing)
    pieces = np.split(waveform, sorted(min(cut, samples) for cut in cuts))
    streamed = np.concatenate([*(stream.push(piece) for piece in pieces), stream.finish()])
    assert np.array_equal(streamed, whole)


def test_tempo_hit() -> None:
    assert tempo_hit([100, 104, 104.1, 50, 200, 33.4], 100).tolist() == [True, True, False, False, False, False]
    assert tempo_hit([50, 200, 300, 33.4, 75], 100, octaves=True).tolist() == [True, True, True, True, False]
