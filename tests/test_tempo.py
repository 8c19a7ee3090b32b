"""Tempograms, the task tempo, and renderings at exact tempi."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import mido
import numpy as np
import pytest
import torch
from test_builders import tempo_renders

from glissando.audio import Audio, stretch
from glissando.audio.scores import DRUMS, Part, Played, midi, render, render_each, soundfonts
from glissando.data import Annotations, Segment, build, load
from glissando.features import FEATURES, Tempogram, peak_tempo, tempo_rates
from glissando.tasks import TASKS, Tempo
from glissando.tasks.tempo import local_rates

RATE = 16_000
LOGS = np.log2(tempo_rates().numpy())
STEP = LOGS[1] - LOGS[0]


def clicks(bpm: float, seconds: float = 16.0) -> np.ndarray:
    rng = np.random.default_rng(0)
    wave = 1e-4 * rng.normal(size=int(seconds * RATE))
    burst = rng.normal(size=400) * np.exp(-np.arange(400) / 60)
    for start in np.arange(0.1, seconds - 0.1, 60 / bpm):
        wave[int(start * RATE) : int(start * RATE) + 400] += burst
    return wave.astype(np.float32)


def metronome(bpm: float, count: int = 64, bar: int = 4) -> Annotations:
    times = np.arange(count) * 60 / bpm
    beats = (Segment(t, t, "downbeat" if i % bar == 0 else "beat") for i, t in enumerate(times.tolist()))
    return Annotations(segments={"beat": tuple(beats)})


def rows(wave: np.ndarray) -> np.ndarray:
    return Tempogram(RATE)(torch.from_numpy(wave)[None])[0, :, :, 0].numpy()


def test_rates_are_24_an_octave_from_a_fifth_of_a_hertz() -> None:
    assert tempo_rates()[0] == pytest.approx(0.2)
    assert tempo_rates()[24 * 3] == pytest.approx(1.6)
    assert len(tempo_rates()) == 168


def test_clicks_repeat_at_their_rate_and_its_fractions_but_not_between() -> None:
    similar = rows(clicks(120))[4]  # autocorrelation of all ranges
    at = {bpm: similar[np.abs(LOGS - np.log2(bpm / 60)).argmin()] for bpm in (120, 60, 30, 160, 80)}
    assert min(at[120], at[60]) > 0.5 > 0.2 > max(at[160], at[80])


def test_a_stretch_shifts_autocorrelation_and_spectrum_along_the_bins() -> None:
    wave = clicks(100, 30.0)
    fast = stretch(Audio(wave, RATE), 2**0.5).samples
    slow, quick = rows(wave), rows(fast)
    for channel in (4, 10):
        middle = slice(30, 120)
        scores = [np.dot(quick[channel, 30 + by : 120 + by], slow[channel, middle]) for by in range(-20, 21)]
        assert int(np.argmax(scores)) - 20 == 12  # half an octave


def test_silence_and_noise_have_finite_tempograms() -> None:
    assert not rows(np.zeros(RATE * 15, np.float32)).any()
    assert np.isfinite(rows(np.random.default_rng(0).normal(size=RATE).astype(np.float32))).all()


def test_changes_of_harmony_are_heard_without_onsets() -> None:
    time = np.arange(20 * RATE) / RATE
    chords = np.where((time // 2).astype(int) % 2 == 0, 220.0, 311.0)  # a change every two seconds
    wave = 0.3 * np.sin(2 * np.pi * np.cumsum(chords) / RATE)
    spectrum = rows(wave.astype(np.float32))[11]  # of the curve of harmony
    assert abs(LOGS[spectrum.argmax()] - np.log2(0.5)) < 3 * STEP


@pytest.mark.parametrize("bpm", [52.0, 97.3, 141.0, 199.0])
def test_a_tempo_is_read_between_the_bins(bpm: float) -> None:
    weights = np.exp(-0.5 * ((LOGS - np.log2(bpm / 60)) / (1.2 * STEP)) ** 2)
    estimate = peak_tempo(weights / weights.sum())
    assert estimate.bpm == pytest.approx(bpm, rel=2e-3)
    assert estimate.confidence > 0.5


def test_octaves_are_candidates() -> None:
    single, double = (np.exp(-0.5 * ((LOGS - np.log2(bpm / 60)) / (1.2 * STEP)) ** 2) for bpm in (90, 180))
    weights = single + 0.4 * double
    estimate = peak_tempo(weights / weights.sum())
    assert estimate.candidates[:2] == pytest.approx((90, 180), rel=5e-3)


def test_targets_lie_at_the_rates_of_beats_and_bars() -> None:
    target = Tempo().targets(metronome(126.0, bar=3), np.array([7.5, 15.0]))
    assert target.shape == (2, 168, 2)
    np.testing.assert_allclose(target.sum(1), 1, atol=1e-5)
    for row, rate in ((0, 2.1), (1, 0.7)):
        assert abs(LOGS[target[row, :, 0].argmax()] - np.log2(rate)) <= STEP / 2


def test_the_local_tempo_follows_a_ritardando() -> None:
    times = np.cumsum(np.concatenate([np.full(40, 0.5), np.full(40, 1.0)]))
    markers = tuple(Segment(t, t, "beat") for t in times.tolist())
    beats, bars = local_rates(Annotations(segments={"beat": markers}), np.array([8.0, 50.0, 500.0]))
    np.testing.assert_allclose(beats[:2], [2.0, 1.0])
    assert np.isnan(beats[2]) and np.isnan(bars).all()


def test_a_label_counts_where_there_are_no_beats() -> None:
    target = Tempo().targets(Annotations(labels={"tempo": ("120",)}), np.array([7.5]))
    assert target[0].sum() == pytest.approx(1) and not target[1].any()


def test_what_is_unknown_costs_nothing() -> None:
    task, valid = Tempo(), torch.ones(1, 1, dtype=torch.bool)
    target = torch.from_numpy(task.targets(Annotations(labels={"tempo": ("120",)}), np.array([7.5])))[None]
    outputs = torch.zeros(1, 2, 168, 1)
    wild = outputs.clone()
    wild[:, 1] = torch.randn(168, 1, generator=torch.Generator().manual_seed(0)) * 9
    assert task.loss(outputs, target, valid) == task.loss(wild, target, valid)
    right = torch.log(target + 1e-6)
    assert task.loss(right, target, valid) < task.loss(outputs, target, valid)
    assert task.loss(right, target, ~valid) == 0


def test_perfect_outputs_are_scored_as_right_and_doubled_ones_as_octaves(tmp_path: Path) -> None:
    task, times, truth = Tempo(), np.array([7.5, 15.0]), metronome(80.0)
    for bpm, wanted in ((80.0, (1, 1)), (160.0, (0, 1)), (90.0, (0, 0))):
        outputs = torch.log(torch.from_numpy(task.targets(metronome(bpm), times)) + 1e-9)
        found = task.evaluate(truth, task.predict(outputs, times))
        assert (found["Acc1"], found["Acc2"]) == wanted
    curve = task.predict(outputs, times)
    files = task.export(tmp_path, "song", curve)
    with files["csv"].open() as table:
        assert [float(row["bpm"]) for row in csv.DictReader(table)] == pytest.approx([90, 90], rel=3e-3)
    data = json.loads(files["jams"].read_text())["annotations"][0]
    assert data["namespace"] == "tempo" and data["data"][0]["value"] == pytest.approx(90, rel=3e-3)
    task.plot(tmp_path / "song.png", outputs, times, truth)
    assert (tmp_path / "song.png").stat().st_size > 5_000


def test_the_names_are_registered() -> None:
    assert "tempogram" in FEATURES.names() and "tempo" in TASKS.names()


def test_drums_play_on_their_channel(tmp_path: Path) -> None:
    path = tmp_path / "a.mid"
    path.write_bytes(
        midi([Part([Played(0, 1, 60)], 40), Part([Played(0, 1, 38)], 8, drums=True), Part([Played(0, 1, 62)])])
    )
    messages = [message for message in mido.MidiFile(path) if message.type == "note_on"]
    assert {message.note: message.channel for message in messages} == {60: 0, 38: DRUMS, 62: 1}


@pytest.mark.skipif(not soundfonts(), reason="needs a soundfont")
def test_renderings_have_the_tempo_they_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLISSANDO_CACHE", str(tmp_path / "cache"))
    tempo_renders(tmp_path / "POP909")
    assert build("tempo-renders", tmp_path / "POP909").failed == []
    data = load("tempo-renders")
    assert len(data) == len(soundfonts())
    assert len({entry.annotations.labels["tempo"] for entry in data.values()}) == len(data)
    for entry in data.values():
        bpm = float(entry.annotations.labels["tempo"][0])
        beats = np.array([marker.start for marker in entry.annotations.segments["beat"]])
        assert 50 <= bpm <= 200
        np.testing.assert_allclose(np.diff(beats), 60 / bpm, rtol=1e-3)
        assert [m.label == "downbeat" for m in entry.annotations.segments["beat"]][:5] == [
            True,
            False,
            False,
            False,
            True,
        ]
        chords = entry.annotations.segments["chord"]  # one in two beats, none in every third
        bounds = np.array([chord.start for chord in chords] + [chords[-1].end])
        assert bounds[0] == 0 and bounds[-1] == 26
        np.testing.assert_allclose(np.diff(bounds)[:-1], 120 / bpm, atol=1e-3)
        cycle = ["C:maj/3", "F:maj/3", "N"]
        first = cycle.index(chords[0].label)
        assert [chord.label for chord in chords] == [cycle[(first + i) % 3] for i in range(len(chords))]
        onsets = np.unique(entry.annotations.notes[:, 0])
        assert np.abs(onsets[:, None] - beats).min(1).max() < 0.06  # players are loose, by up to 12 ms (deviation)
        wave = entry.read()
        assert len(wave) == 26 * RATE and 0.1 < np.abs(wave).max() <= 1
        similar = rows(wave)[4]
        assert similar[np.abs(LOGS - np.log2(bpm / 60)).argmin()] > np.percentile(similar, 75)


@pytest.mark.skipif(not soundfonts(), reason="needs a soundfont")
def test_parts_sound_together() -> None:
    low, high = Part([Played(0.1, 1, 45)], 73), Part([Played(0.1, 1, 69)], 73)
    both = render([low, high], soundfont=soundfonts()[0], sample_rate=RATE)
    spectrum = np.abs(np.fft.rfft(both[4000:12000] * np.hanning(8000)))
    assert min(spectrum[55], spectrum[220]) > 30 * np.median(spectrum)  # 110 and 440 Hz, 2 Hz a bin


@pytest.mark.skipif(not soundfonts(), reason="needs a soundfont")
def test_bands_after_one_another_sound_as_each_alone() -> None:
    flute, organ = Part([Played(0.1, 1.3, 45)], 73), Part([Played(0.2, 0.9, 69)], 19)
    bands = [[flute], [organ, Part([Played(0.2, 0.9, 38)], drums=True)]]
    together = render_each(bands, soundfont=soundfonts()[0], sample_rate=RATE)
    for band, found in zip(bands, together, strict=True):
        alone = render(band, soundfont=soundfonts()[0], sample_rate=RATE)
        assert len(found) == len(alone)
        spectra = [np.abs(np.fft.rfft(wave[: RATE * 2])) for wave in (found, alone)]
        assert np.corrcoef(*spectra)[0, 1] > 0.98  # (onsets lie on FluidSynth's grid of 4 ms)
