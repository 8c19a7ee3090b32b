"""Multi-pitch estimation: facts about salience, notes and metrics."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from glissando.audio import Audio, write
from glissando.audio.rooms import reverberate, room
from glissando.audio.scores import Part, Played, midi, render, soundfonts
from glissando.cli import app
from glissando.data import Annotations, F0Curve, frame_times, pitch_matrix, read_notes
from glissando.tasks import Pitch
from glissando.tasks.pitch import PRIOR, FramePitches, peaks, sounding

TIMES = frame_times(200, 50.0)
NOTES = Annotations(np.array([[0.5, 1.5, 60.0], [0.5, 2.5, 64.0], [2.0, 3.5, 67.0]]))


def logits(annotations: Annotations, height: float = 6.0) -> torch.Tensor:
    """What a perfect model would give: sure where a pitch sounds, sure of nothing elsewhere."""
    return torch.from_numpy(pitch_matrix(annotations, TIMES)[None]).float() * 2 * height - height - PRIOR


def test_a_perfect_salience_has_perfect_scores() -> None:
    task = Pitch()
    estimate = task.predict(logits(NOTES), TIMES)
    scores = task.evaluate(NOTES, estimate)
    assert all(abs(value - 1) < 1e-9 for value in scores.values()) and set(scores) == {
        "P",
        "R",
        "Acc",
        "Chroma Acc",
        "Note F",
    }
    assert np.allclose(estimate.notes()[:, 2], [60, 64, 67])
    assert np.abs(estimate.notes()[:, :2] - NOTES.notes[:, :2]).max() <= 0.021


def test_half_of_the_notes_is_half_the_recall() -> None:
    task = Pitch()
    found = task.evaluate(NOTES, task.predict(logits(Annotations(NOTES.notes[1:2])), TIMES))
    assert found["P"] == 1 and found["R"] == pytest.approx(2.0 / (1.0 + 2.0 + 1.5), abs=0.01)
    assert found["Note F"] == pytest.approx(0.5)


def test_an_octave_too_high_is_right_in_chroma_alone() -> None:
    task = Pitch()
    octave = Annotations(NOTES.notes + np.array([0, 0, 12]))
    found = task.evaluate(NOTES, task.predict(logits(octave), TIMES))
    assert found["Acc"] == 0 and found["Chroma Acc"] == 1


def test_peaks_between_bins_are_found_by_a_parabola() -> None:
    salience = np.zeros((1, 360))
    salience[0, 99:102] = [0.5, 0.9, 0.8]
    (hz,) = peaks(salience, np.zeros(1), 0.4).frequencies
    place = 60 * np.log2(hz[0] / 32.7)
    assert len(hz) == 1 and 100.1 < place < 100.5
    assert len(peaks(salience, np.zeros(1), 0.95).frequencies[0]) == 0


def test_a_short_hole_does_not_part_a_note_and_a_click_is_none() -> None:
    times = np.arange(100) / 100
    frequencies = [np.array([440.0]) if 10 <= i < 60 and i not in (30, 31) else np.zeros(0) for i in range(100)]
    frequencies[80] = np.array([880.0])
    notes = FramePitches(times, frequencies).notes()
    assert notes.tolist() == [[pytest.approx(0.1), pytest.approx(0.6), 69.0]]


def test_the_threshold_is_chosen_where_it_parts_notes_from_ghosts() -> None:
    task = Pitch()
    ghosts = Annotations(np.array([[0.0, 4.0, 50.0]]))
    outputs = torch.maximum(logits(NOTES, 2.0), logits(ghosts, 0.3) - 2 * (logits(ghosts, 0.3) < -PRIOR))
    task.tune([(NOTES, outputs, TIMES)])
    assert 0.6 <= task.tuned["threshold"] <= 0.85  # sigmoid of .3 is .57, of 2 is .88
    assert task.evaluate(NOTES, task.predict(outputs, TIMES))["Acc"] == 1


def test_the_loss_is_least_for_the_truth_and_deaf_to_padding() -> None:
    task = Pitch(positive=3.0)
    target = torch.from_numpy(task.targets(NOTES, TIMES))[None]
    valid = torch.ones(1, 200, dtype=torch.bool)
    right, wrong = task.loss(logits(NOTES)[None], target, valid), task.loss(logits(NOTES, -6.0)[None], target, valid)
    assert right < 0.01 < wrong
    valid[:, 100:] = False
    spoiled = logits(NOTES)[None].clone()
    spoiled[..., 100:] *= -1
    assert task.loss(spoiled, target, valid) < 0.01


def test_blurred_targets_spread_over_their_neighbours() -> None:
    target = Pitch(blur=1.0).targets(NOTES, TIMES)[0]
    row = int(np.argmax(target[:, 50]))
    assert target[row, 50] == 1 and target[row + 1, 50] == pytest.approx(np.exp(-0.5))


def test_curves_count_before_notes() -> None:
    curve = F0Curve("voice", TIMES, np.where(TIMES < 2, 69.2, np.nan))
    found = sounding(Annotations(NOTES.notes, (curve,)), TIMES)
    assert len(found[0]) == 1 and abs(found[0][0] - 440 * 2 ** (0.2 / 12)) < 0.1 and len(found[150]) == 0


def test_estimates_are_written_in_the_formats_of_the_field(tmp_path: Path) -> None:
    task = Pitch()
    estimate = task.predict(logits(NOTES), TIMES)
    files = task.export(tmp_path, "take", estimate)
    lines = files["csv"].read_text().splitlines()
    assert len(lines) == 200 and lines[0] == "0.0000" and lines[50].split(",")[0] == "1.0000"
    assert [round(float(hz)) for hz in lines[50].split(",")[1:]] == [262, 330]
    notes = read_notes(files["midi"])
    assert np.abs(notes - estimate.notes()).max() < 2e-3
    document = json.loads(files["jams"].read_text())
    assert [one["namespace"] for one in document["annotations"]] == ["note_midi", "pitch_contour"]
    assert [one["value"] for one in document["annotations"][0]["data"]] == [60, 64, 67]
    task.plot(tmp_path / "take.png", logits(NOTES), TIMES, NOTES)
    assert (tmp_path / "take.png").stat().st_size > 10_000


def test_silence_has_no_pitches(tmp_path: Path) -> None:
    task = Pitch()
    estimate = task.predict(torch.full((1, 360, 200), -9.0), TIMES)
    assert estimate.notes().shape == (0, 3)
    assert task.export(tmp_path, "silence", estimate)["csv"].exists()
    assert task.evaluate(NOTES, estimate)["R"] == 0


def test_midi_files_hold_the_notes_they_were_written_from(tmp_path: Path) -> None:
    path = tmp_path / "score.mid"
    path.write_bytes(midi([Part([Played(0.25, 0.75, 60, 90), Played(0.5, 3.0, 72)], 40)]))
    assert np.abs(read_notes(path) - [[0.25, 0.75, 60], [0.5, 3.0, 72]]).max() < 1e-3


@pytest.mark.skipif(not soundfonts(), reason="no soundfont is installed (Debian: fluid-soundfont-gm, fluidsynth)")
def test_fluidsynth_plays_the_pitch_that_is_written() -> None:
    wave = render([Part([Played(0.1, 1.5, 69)], 73)], soundfont=soundfonts()[0], sample_rate=22_050)
    middle = wave[8_000 : 8_000 + 16_384] * np.hanning(16_384)
    peak = np.argmax(np.abs(np.fft.rfft(middle, 1 << 18))) * 22_050 / (1 << 18)
    assert abs(12 * np.log2(peak / 440)) % 12 < 0.2 and 0.01 < np.abs(wave).max() <= 1


def test_a_room_answers_after_the_sound_and_dies_away() -> None:
    rate = 8_000
    response = room(np.random.default_rng(0), rate, decay=0.5, wet=0.8)
    assert response[0] == 1 and (response[1:] ** 2).sum() == pytest.approx(0.8, rel=1e-3)
    early, late = (response[int(a * rate) : int(b * rate)] for a, b in ((0.05, 0.1), (0.35, 0.4)))
    assert -45 < 10 * np.log10((late**2).sum() / (early**2).sum()) < -30  # 36 dB in 0.3 s, and it dulls
    click = np.zeros(4_000, np.float32)
    click[100] = 1
    wet = reverberate(click, response)
    assert len(wet) == 4_000 and not np.abs(wet[:100]).max() > 1e-6 and wet[100] == pytest.approx(1, abs=1e-5)


def test_the_shipped_weights_hear_a_chord(tmp_path: Path) -> None:
    time = np.arange(22_050 * 3) / 22_050
    wave = np.random.default_rng(0).normal(0, 1e-4, len(time))
    for pitch in (48, 64, 67):
        hz = 440 * 2 ** ((pitch - 69) / 12)
        wave += sum(0.1 / k * np.sin(2 * np.pi * k * hz * time) * np.exp(-(0.6 + 0.3 * k) * time) for k in range(1, 9))
    write(tmp_path / "chord.wav", Audio(wave.astype(np.float32), 22_050))
    done = CliRunner().invoke(app, ["pitch", str(tmp_path / "chord.wav"), "--out", str(tmp_path / "heard")])
    assert done.exit_code == 0, done.output
    lines = (tmp_path / "heard" / "chord.f0.csv").read_text().splitlines()[6:36]  # 0.3 to 1.7 s
    heard = [{round(69 + 12 * np.log2(float(hz) / 440)) for hz in line.split(",")[1:]} for line in lines]
    assert np.mean([{48, 64, 67} <= found for found in heard]) > 0.8
    assert np.mean([{pitch % 12 for pitch in found} == {0, 4, 7} for found in heard]) > 0.8  # no worse than an octave
    notes = read_notes(tmp_path / "heard" / "chord.mid")
    assert {48, 64, 67} <= {int(pitch) for pitch in notes[:, 2]} and (tmp_path / "heard" / "chord.png").exists()
