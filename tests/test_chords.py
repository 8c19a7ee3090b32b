"""Chords: facts about Harte's labels, transposition, chains, scores and files."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import mir_eval
import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from glissando import Library
from glissando.audio import Audio, write
from glissando.cli import app
from glissando.data import Annotations, Segment, frame_times
from glissando.data.layouts import segments_from
from glissando.errors import RecipeError
from glissando.features import CQT
from glissando.library.chords import fill_chords
from glissando.metrics import chord_scores
from glissando.nn.chains import CountedChain, LearnedChain, best_path, sum_of_paths
from glissando.tasks import ChordTask
from glissando.tasks.chord_labels import NO_CHORD, QUALITIES, ROOTS, UNKNOWN, VOCABULARIES, laid_out, parse_chord
from glissando.tasks.chords import weighted_scores
from glissando.training import load_recipe, shipped_run
from glissando.training.transpose import Transpose

TIMES = frame_times(80, 10.0)
SONG = Annotations(
    segments={
        "chord": (
            Segment(0.0, 2.0, "C:maj"),
            Segment(2.0, 4.0, "A:min7/b3"),
            Segment(4.0, 5.0, "N"),
            Segment(5.0, 6.0, "G:sus4(b7)"),
            Segment(6.0, 8.0, "F#:hdim7"),
        )
    }
)


def sure(task: ChordTask, song: Annotations = SONG) -> torch.Tensor:
    """What a perfect model would give."""
    return 12 * torch.from_numpy(task.targets(song, TIMES)) - 6


def test_every_label_of_a_vocabulary_is_its_own_class() -> None:
    for size, vocabulary in VOCABULARIES.items():
        assert len(vocabulary) == size
        assert [vocabulary.number(label) for label in vocabulary.labels] == [*range(size)]


def test_labels_are_classed_as_mir_eval_compares_them() -> None:
    small, large = VOCABULARIES[25], VOCABULARIES[170]
    for quality in QUALITIES:
        label = f"Eb:{quality}"
        (right,) = mir_eval.chord.majmin([label], [label])
        assert (small.number(label) >= 0) == (right >= 0), label
        assert large.labels[large.number(label)] == label
    assert small.labels[small.number("D#:maj7/7")] == "Eb:maj" and small.number("C:sus2") == -1
    assert large.labels[large.number("Cb:9")] == "B:7" and large.labels[large.number("C:(1,5)")] == UNKNOWN
    assert small.labels[small.number("N")] == NO_CHORD and small.number("X") == -1
    assert parse_chord("C:min/b3").bass == 3 and parse_chord("G:sus4(b7)").pitches == (0, 2, 5, 7)


@pytest.mark.parametrize("label", ["", "H:maj", "C:foo", "C:maj/99", "C:(", "/", "C:maj(b99)", "C:" + "(" * 5000])
def test_what_is_no_chord_is_refused_in_a_sentence(label: str) -> None:
    with pytest.raises(RecipeError, match="is no chord; write it as"):
        parse_chord(label)
    with pytest.raises(RecipeError, match="is no chord"):
        ChordTask().targets(Annotations(segments={"chord": (Segment(0, 1, label),)}), TIMES)


@pytest.mark.parametrize("text", ["0 1\n", "0 nan C:maj\n", "a b C:maj\n", "0 1e99 C:maj\n"])
def test_damaged_lab_files_are_refused_by_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "bad.lab").write_text("0 1 N\n" + text)
    with pytest.raises(RecipeError, match="line 2"):
        segments_from(tmp_path / "bad.lab")


def test_a_lab_file_without_a_line_is_a_song_without_chords(tmp_path: Path) -> None:
    (tmp_path / "empty.lab").write_text("\n")
    assert segments_from(tmp_path / "empty.lab") == ()
    silent = Annotations(segments={"chord": ()})
    for task in (ChordTask(), ChordTask(vocabulary=25, structured=True)):
        assert not task.targets(silent, TIMES).any() and task.evaluate(silent, SONG.segments["chord"]) == {}
        assert task.settle([silent, SONG]) == {}
        with pytest.raises(RecipeError, match="no entry to train on has segments 'chord'"):
            task.settle([silent, Annotations()])
    task = ChordTask(decoding="frames")
    assert task.predict(torch.zeros(1, 170, 0), TIMES[:0]) == ()
    assert task.evaluate(SONG, ())["majmin"] == pytest.approx(1 / 5)  # its silent second, of five that have triads or N


def test_root_bass_and_pitches_are_told() -> None:
    task = ChordTask(structured=True)
    told = task.structure(sure(task))
    assert {name: one.shape for name, one in told.items()} == {"root": (13, 80), "bass": (13, 80), "pitches": (12, 80)}
    np.testing.assert_allclose(told["root"].sum(0), 1)
    moment = int(np.searchsorted(TIMES, 3.0))  # A:min7/b3
    assert told["root"][:, moment].argmax() == 9 and told["bass"][:, moment].argmax() == 0
    assert [*np.flatnonzero(told["pitches"][:, moment] > 0.5)] == [0, 4, 7, 9]
    moment = int(np.searchsorted(TIMES, 4.5))  # N
    assert told["root"][:, moment].argmax() == told["bass"][:, moment].argmax() == 12
    assert told["pitches"][:, moment].max() < 0.5
    with pytest.raises(RecipeError, match="structured: true"):
        ChordTask().structure(torch.zeros(1, 170, 4))


def test_transitions_are_shared_by_transpositions_alone() -> None:
    vocabulary = VOCABULARIES[25]
    index, number = vocabulary.transitions(), vocabulary.number
    assert index[number("C:maj"), number("G:maj")] == index[number("D:maj"), number("A:maj")]
    assert index[number("C:maj"), number("G:maj")] != index[number("C:maj"), number("F:maj")]
    assert index[number("A:min"), number("N")] == index[number("B:min"), number("N")]
    assert index.max() + 1 == 2 * 2 * 12 + 2 + 2 + 1


def test_the_sum_of_paths_is_that_of_all_paths() -> None:
    torch.manual_seed(0)
    emissions, transitions = torch.randn(2, 3, 4), 3 * torch.randn(3, 3)
    for example, found in zip(emissions, sum_of_paths(emissions, transitions), strict=True):
        totals = {
            path: sum(example[k, i] for i, k in enumerate(path))
            + sum(transitions[a, b] for a, b in itertools.pairwise(path))
            for path in itertools.product(range(3), repeat=4)
        }
        assert torch.allclose(found, torch.stack([*totals.values()]).logsumexp(0), atol=1e-5)
        assert tuple(best_path(example, transitions)) == max(totals, key=lambda path: totals[path])


def test_the_sum_of_paths_stays_finite_over_a_long_song() -> None:
    emissions = 30 * torch.randn(1, 25, 3000, generator=torch.Generator().manual_seed(0))
    emissions.requires_grad_()
    total = sum_of_paths(emissions, torch.full((25, 25), -8.0).fill_diagonal_(0)).sum()
    total.backward()
    assert total.isfinite() and torch.allclose(emissions.grad.sum(1), torch.ones(1, 3000), atol=1e-3)  # marginals


def test_counted_transitions_are_the_shares_of_what_followed() -> None:
    chain = CountedChain(np.array([[0, 1], [2, 3]]))
    chain.count(torch.tensor([[0] * 900 + [1] * 100 + [-1] + [0]]))
    assert chain.counts.tolist() == [899, 1, 0, 99]
    assert torch.allclose(chain().exp().sum(1), torch.ones(2)) and float(chain()[0, 0].exp()) == pytest.approx(
        900 / 902
    )


def test_a_chain_that_stays_bridges_a_wrong_frame() -> None:
    scores = torch.zeros(2, 9)
    scores[0] = 1.0
    scores[1, 4] = 2.0
    stays = torch.tensor([[0.0, -3.0], [-3.0, 0.0]])
    assert best_path(scores, stays).tolist() == [0] * 9
    assert best_path(scores, 0 * stays).tolist() == [0] * 4 + [1] + [0] * 4


def test_a_random_field_learns_which_chord_follows_which() -> None:
    torch.manual_seed(0)
    task = ChordTask(vocabulary=25, decoding="crf")
    chain = task.layers
    assert isinstance(chain, LearnedChain)
    song = Annotations(segments={"chord": tuple(Segment(i, i + 1, "GC"[i % 2] + ":maj") for i in range(8))})
    target = torch.from_numpy(task.targets(song, TIMES))[None]
    valid, silent = torch.ones(1, len(TIMES), dtype=torch.bool), torch.zeros_like(target)
    optimizer = torch.optim.Adam(chain.parameters(), 0.1)
    before = task.loss(silent, target, valid)
    for _ in range(60):
        optimizer.zero_grad()
        task.loss(silent, target, valid).backward()
        optimizer.step()
    number = task.vocabulary.number
    scores = chain()[number("A:maj")]
    assert task.loss(silent, target, valid) < 0.5 * before
    assert scores[number("D:maj")] > scores[number("F:maj")] and scores[number("E:maj")] > scores[number("F:maj")]


@pytest.mark.parametrize("decoding", ["hmm", "crf", "frames"])
@pytest.mark.parametrize("structured", [False, True])
def test_a_perfect_model_has_perfect_scores(decoding: str, structured: bool) -> None:
    task = ChordTask(structured=structured, decoding=decoding)
    task.tuned["sharpness"] = 1.0
    outputs, target = sure(task), torch.from_numpy(task.targets(SONG, TIMES))
    assert outputs.shape == (1, 208 if structured else 170, 80)
    estimate = task.predict(outputs, TIMES)
    scores = task.evaluate(SONG, estimate)
    for name in ("root", "thirds", "majmin", "mirex", "sevenths", "seg"):
        assert scores[name] > 0.96, name  # ends lie between frames of a tenth of a second
    assert task.evaluate_all([(SONG, estimate)])["majmin"]["mean"] == pytest.approx(scores["majmin"])
    valid = torch.ones(1, 80, dtype=torch.bool)
    wrong = torch.roll(outputs, 1, 1)
    assert task.loss(outputs[None], target[None], valid) < 0.3 < task.loss(wrong[None], target[None], valid)
    if structured:
        assert "A:min7/b3" in [one.label for one in estimate]


def test_what_is_unknown_or_over_costs_nothing() -> None:
    for decoding in ("hmm", "crf"):
        task = ChordTask(vocabulary=25, decoding=decoding)
        song = Annotations(segments={"chord": (Segment(0, 4, "C:maj"), Segment(4, 6, "C:sus2"), Segment(6, 8, "G"))})
        target, valid = torch.from_numpy(task.targets(song, TIMES))[None], torch.ones(1, 80, dtype=torch.bool)
        valid[:, 60:] = False
        outputs = sure(task, song)[None].clone().requires_grad_()
        task.loss(outputs, target, valid).backward()
        assert outputs.grad[..., 60:].abs().max() == 0
        assert outputs.grad[..., 45:55].abs().max() < 1e-3 * (1 if decoding == "crf" else 0) + 1e-12


def test_transposing_the_transform_transposes_the_chords() -> None:
    feature = CQT(16_000, hop=1536, octaves=6, bins_per_octave=36, filter_scale=0.5)
    seconds = np.arange(2 * 16_000) / 16_000

    def heard(pitches: tuple[int, ...]) -> torch.Tensor:
        wave = sum(np.sin(2 * np.pi * 440 * 2 ** ((pitch - 69) / 12) * seconds) for pitch in pitches)
        return feature(torch.from_numpy(np.float32(wave))[None])[0]

    task = ChordTask(structured=True)
    times = frame_times(21, feature.frame_rate)
    label = {name: Annotations(segments={"chord": (Segment(0, 3, name),)}) for name in ("A:min/b3", "D:min/b3")}
    batch = {
        "feature": heard((57, 60, 64))[None].repeat(64, 1, 1, 1),
        "target": torch.from_numpy(task.targets(label["A:min/b3"], times))[None].repeat(64, 1, 1, 1),
    }
    torch.manual_seed(0)
    found = Transpose(feature, semitones=5)(batch)
    wanted = torch.from_numpy(task.targets(label["D:min/b3"], times))
    fourth = [i for i in range(64) if torch.equal(found["target"][i], wanted)]
    assert fourth and len(fourth) < 20
    apart = found["feature"][fourth[0]][..., 5:-5] - heard((62, 65, 69))[..., 5:-5]
    assert apart.abs().max() < 0.03  # (kernels of a bin are the same number of periods at every pitch)
    none = Annotations(segments={"chord": (Segment(0, 3, "N"),)})
    silence = torch.from_numpy(task.targets(none, times))[None]
    turned = Transpose(feature)({"feature": batch["feature"][:1], "target": silence})
    assert torch.equal(turned["target"], silence)


def test_scores_are_weighted_by_what_can_be_compared() -> None:
    whole = np.array([[0.0, 10.0]])
    right = chord_scores(whole, ["C:maj"], whole, ["C:7"])
    assert right["majmin"] == (1.0, 10.0) and right["sevenths"] == (0.0, 10.0)
    halves = np.array([[0.0, 4.0], [4.0, 10.0]])
    half = chord_scores(halves, ["C:maj", "D:sus4"], whole, ["C:maj"])
    assert half["majmin"] == (1.0, 4.0) and half["root"] == (pytest.approx(0.4), 10.0)
    assert chord_scores(whole, ["X"], whole, ["C:maj"]).keys().isdisjoint({"majmin", "root"})
    wrong = chord_scores(np.array([[0.0, 30.0]]), ["C:maj"], np.zeros((0, 2)), [])
    assert wrong["majmin"] == (0.0, 30.0)
    assert weighted_scores([right, wrong])["majmin"]["mean"] == pytest.approx(0.25)
    over = chord_scores(whole, ["C:maj"], halves, ["C:maj", "G:maj"])
    assert over["underseg"][0] == 1.0 and over["overseg"][0] == pytest.approx(0.6)


def test_segments_with_holes_are_laid_end_to_end() -> None:
    chords = [Segment(3, 5, "C"), Segment(0, 2, "G"), Segment(4, 6, "D"), Segment(7, 7, "E")]
    intervals, labels = laid_out(chords)
    assert labels == ["G", "X", "C", "D", "X"] and intervals.tolist() == [[0, 2], [2, 3], [3, 4], [4, 6], [6, 7]]


def test_chords_are_written_in_the_formats_of_the_field(tmp_path: Path) -> None:
    task = ChordTask(decoding="frames", structured=True)
    estimate = task.predict(sure(task), TIMES)
    files = task.export(tmp_path, "song", estimate)
    intervals, labels = mir_eval.io.load_labeled_intervals(str(files["lab"]))
    mir_eval.chord.validate(labels, labels)
    assert labels == ["C:maj", "A:min7/b3", "N", "G:sus4", "F#:hdim7"]
    assert np.abs(intervals[:, 0] - [0, 2, 4, 5, 6]).max() < 0.051 and segments_from(files["lab"])[1].label == labels[1]
    (chords,) = json.loads(files["jams"].read_text())["annotations"]
    assert chords["namespace"] == "chord" and [one["value"] for one in chords["data"]] == labels
    task.plot(tmp_path / "song.png", sure(task), TIMES, SONG)
    assert (tmp_path / "song.png").stat().st_size > 10_000


def test_the_share_of_the_model_is_tuned() -> None:
    task = ChordTask(vocabulary=25)
    rng = torch.Generator().manual_seed(0)
    noisy = 0.15 * sure(task) + 1.5 * torch.randn(1, 25, 80, generator=rng)
    assert isinstance(task.layers, CountedChain)
    task.layers.count(torch.from_numpy(task.targets(SONG, TIMES))[0, :25].argmax(0)[None].repeat(20, 1))
    task.tune([(SONG, noisy, TIMES)])
    chain = task.evaluate(SONG, task.predict(noisy, TIMES))["majmin"]
    alone = ChordTask(vocabulary=25, decoding="frames")
    assert chain > alone.evaluate(SONG, alone.predict(noisy, TIMES))["majmin"] + 0.05


def test_roots_are_those_of_the_field() -> None:
    assert [mir_eval.chord.pitch_class_to_semitone(root) for root in ROOTS] == [*range(12)]


def played(progression: tuple[tuple[int, ...], ...], seconds: float = 2.0) -> np.ndarray:
    """Plucked chords with their roots in the bass."""
    time = np.arange(int(seconds * 22_050)) / 22_050
    chords = []
    for pitches in progression:
        wave = np.random.default_rng(0).normal(0, 1e-4, len(time))
        for pitch in (pitches[0] - 12, *pitches):
            hz = 440 * 2 ** ((pitch - 69) / 12)
            wave += sum(0.08 / k * np.sin(2 * np.pi * k * hz * time) * np.exp(-0.4 * k * time) for k in range(1, 7))
        chords.append(wave)
    return np.concatenate(chords).astype(np.float32)


PROGRESSION = ((48, 64, 67), (45, 60, 64), (53, 60, 69), (43, 62, 71))  # C, Am, F, G


def test_the_shipped_weights_hear_a_progression_and_its_transposition(tmp_path: Path) -> None:
    for name, by in (("low", 0), ("high", 5)):
        transposed = tuple(tuple(pitch + by for pitch in pitches) for pitches in PROGRESSION)
        write(tmp_path / f"{name}.wav", Audio(np.tile(played(transposed), 2), 22_050))
    out = tmp_path / "heard"
    done = CliRunner().invoke(app, ["chords", str(tmp_path / "low.wav"), "--out", str(out), "--format", "json"])
    assert done.exit_code == 0, done.output
    intervals, labels = mir_eval.io.load_labeled_intervals(str(out / "low.lab"))
    truth = np.arange(9.0) * 2
    scores = chord_scores(np.c_[truth[:-1], truth[1:]], ["C", "A:min", "F", "G"] * 2, intervals, labels)
    assert (
        scores["majmin"][0] > 0.9 and (out / "low.jams").exists() and (out / "low.chords.png").stat().st_size > 10_000
    )
    (row,) = json.loads(done.stdout)
    assert [one["chord"] for one in row["chords"]] == labels
    library = Library.open(tmp_path / "lib", blocks={"chroma": "chroma"})
    library.add(tmp_path / "low.wav", tmp_path / "high.wav")
    found = fill_chords(library.store, [tmp_path])
    assert (found.done, found.failed) == (2, []) and fill_chords(library.store, [tmp_path]).done == 0
    assert [Path(hit.path).stem for hit in library.search(chords="C Am F G")] == ["low"]
    assert [Path(hit.path).stem for hit in library.search(chords="F Dm Bb C")] == ["high"]
    assert {Path(hit.path).stem for hit in library.search(chords="C Am F G", any_key=True)} == {"low", "high"}


def test_a_reduction_is_read_and_finds_its_place() -> None:
    """Of the benchmark that lays chords beside scores: the rows of ABC are chords, and their edges are found."""
    pytest.importorskip("music21")
    from benchmarks.chords_by_eye import BRAHMS, TCHAIKOVSKY, aligned, reduction

    brahms, arpeggios = reduction(BRAHMS), reduction(TCHAIKOVSKY)
    assert len(brahms) == 64 and len(arpeggios) == 16  # quarters
    assert [name for _, name in brahms[24:28]] == ["Eb:maj", "D:min", "C:min", "Bb:maj"]
    assert brahms[24][0] == "13, beat 1" and {name for _, name in arpeggios[::2]} == {"D:7", "F:maj7", "A:hdim7"}
    chords, edges = ["C:maj", "G:maj", "A:min", "F:maj"], [0, 10, 14, 30, 40]
    chroma = 0.3 * torch.rand(12, 40, generator=torch.Generator().manual_seed(0))
    for label, (start, end) in zip(chords, itertools.pairwise(edges), strict=True):
        chroma[list(parse_chord(label).pitches), start:end] += 1
    assert aligned(chords, chroma) == [*itertools.pairwise(edges)]


def test_a_file_that_is_no_audio_is_told_at_the_end(tmp_path: Path) -> None:
    (tmp_path / "bad.wav").write_bytes(b"RIFF0000WAVE")
    done = CliRunner().invoke(app, ["chords", str(tmp_path / "bad.wav")])
    assert done.exit_code == 3 and "bad.wav" in done.output


def test_the_shipped_weights_are_of_the_recipe() -> None:
    assert shipped_run("chords").recipe == load_recipe("chords/structured")
