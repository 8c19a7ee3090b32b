"""Labels: targets, metrics against scikit-learn, and small models that learn timbres, tags, and who plays when."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
import yaml
from sklearn import metrics
from test_builders import magnatagatune
from typer.testing import CliRunner

from glissando.audio import Audio, write
from glissando.cli import app
from glissando.data import Annotations, ArrayWriter, Segment, load, write_pyjama
from glissando.data import build as build_data
from glissando.errors import RecipeError
from glissando.metrics import label_metrics, rank_areas, weighted_mean
from glissando.nn import build
from glissando.tasks import TASKS, Classes, ClassSegments, Labels, Tags, TagSegments
from glissando.training import Estimator, Mask, Mixup, Run, draw_split, evaluate, load_recipe, train
from glissando.training.filters import first_filters, plot_filters, responses
from glissando.training.recipe import Source

RATE = 8_000
NAMES = ("buzz", "hiss", "tone")


def sounding(name: str, seconds: float, seed: int) -> np.ndarray:
    """A sawtooth, noise, or a sine, each at a random pitch or colour."""
    rng = np.random.default_rng(seed)
    time = np.arange(int(seconds * RATE)) / RATE
    hz = rng.uniform(300, 700)
    kinds = {
        "buzz": 2 * (time * hz / 4 % 1) - 1,
        "hiss": rng.normal(size=time.size),
        "tone": np.sin(2 * np.pi * hz * time),
    }
    return (0.2 * rng.uniform(0.5, 1) * kinds[name]).astype(np.float32)


def written(folder: Path, name: str, entries: dict[str, tuple[np.ndarray, Annotations]]) -> Path:
    with ArrayWriter(folder / f"{name}_audio.hdf5") as writer:
        for key, (wave, _) in entries.items():
            writer.add(key, wave, RATE)
    write_pyjama(folder / f"{name}.pyjama", {key: annotations for key, (_, annotations) in entries.items()})
    return folder / f"{name}.pyjama"


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty-six clips of three classes in three folds, of 1 to 1.4 s."""
    rng, entries = np.random.default_rng(0), {}
    for i in range(36):
        name = NAMES[i % 3]
        labels = {"class": (name,), "fold": (str(i // 12 + 1),), "recording": (f"r{i // 2}",)}
        entries[f"clip{i:02}"] = sounding(name, rng.uniform(1, 1.4), i), Annotations(labels=labels)
    return written(tmp_path_factory.mktemp("sounds"), "sounds", entries)


@pytest.fixture(scope="module")
def mixtures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty-four mixtures of one to three sounds, each from some time to another."""
    rng, entries = np.random.default_rng(1), {}
    for i in range(24):
        wave, segments = 0.001 * rng.normal(size=3 * RATE).astype(np.float32), []
        for name in rng.permutation(NAMES)[: 1 + i % 3]:
            start = rng.uniform(0, 1.5)
            end = start + rng.uniform(0.7, 1.5)
            held = sounding(name, end - start, int(rng.integers(9999)))
            wave[int(start * RATE) :][: len(held)] += held[: len(wave) - int(start * RATE)]
            segments.append(Segment(start, end, str(name)))
        labels = {"piece": (str(i),), "tag": tuple(sorted({one.label for one in segments}))}
        entries[f"mix{i:02}"] = wave, Annotations(segments={"instrument": tuple(segments)}, labels=labels)
    return written(tmp_path_factory.mktemp("mixtures"), "mixtures", entries)


def recipe(path: Path, task: object, sounds: Path, **changes: object) -> Path:
    content = {
        "task": task,
        "data": {"name": str(sounds), "patch": 62, "split": "piece", "shares": [0.5, 0.25, 0.25]},
        "feature": {"log-mel": {"sample_rate": RATE, "n_fft": 512, "hop": 128, "bands": 24}},
        "model": {
            "front": {"conv2d": {"channels": 8, "kernel": 3, "stride": [2, 2], "repeat": 2}},
            "head": ["to_sequence", {"linear": {"units": 3}}, "autopool"],
        },
        "train": {"epochs": 25, "batch": 8, "rate": 0.01, "patience": 25},
    }
    for name, change in changes.items():
        content[name] = {**content[name], **change} if isinstance(change, dict) and name != "model" else change
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path


def test_a_class_is_learned_and_its_vocabulary_kept(
    sounds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GLISSANDO_CACHE", str(sounds.parent / "cache"))
    fold = {"split": "fold", "fold": 2, "shares": [0.75, 0.25, 0.2], "group": "recording"}
    run = train(load_recipe(recipe(tmp_path / "r.yaml", "classes", sounds, data=fold)), tmp_path / "run")
    result, opened = run.result(), Run.open(run.folder)
    assert opened.recipe.task == {"classes": {"vocabulary": [*NAMES]}}
    assert result["metrics"]["accuracy"]["mean"] >= 0.9 and result["metrics"]["accuracy"]["n"] == 12
    assert result["metrics"]["macro AUC"]["mean"] >= 0.95
    assert {key: int(key[4:]) // 12 for key in result["entries"]} == dict.fromkeys(result["entries"], 1)
    again = evaluate(opened)
    assert again["metrics"] == result["metrics"]
    compared = CliRunner().invoke(app, ["runs", "compare", str(run.folder), str(run.folder)])
    assert "accuracy +0.000" in compared.output and "12 entries" in compared.output
    assert (run.folder / "confusion.png").stat().st_size > 5_000
    assert (run.folder / "labels.csv").read_text().splitlines()[0] == "label,examples,chosen,precision,recall,F"


def test_who_plays_when_is_learned(mixtures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLISSANDO_CACHE", str(mixtures.parent / "cache"))
    model = {
        "front": {"conv2d": {"channels": 8, "kernel": [5, 3], "stride": [2, 1], "repeat": 2}},
        "head": ["to_sequence", {"linear": {"units": 3}}, "to_map"],
    }
    made = recipe(tmp_path / "r.yaml", "tag-segments", mixtures, model=model, data={"hop": 31})
    run = train(load_recipe(made), tmp_path / "run")
    result = run.result()
    assert result["metrics"]["macro AUC"]["mean"] > 0.9 and result["metrics"]["macro F"]["mean"] > 0.75
    assert set(result["tuned"]) == set(NAMES) and Run.open(run.folder).estimator().task.tuned == result["tuned"]
    assert (run.folder / "example.png").stat().st_size > 5_000
    told = CliRunner().invoke(app, ["tags", str(mixtures), "--run", str(run.folder)])
    assert told.exit_code != 0 and "no labels of whole recordings; use: gliss predict" in str(told.exception)
    told = CliRunner().invoke(app, ["tags", str(mixtures), "--encoder", "rhythm"])
    assert told.exit_code != 0 and "rhythm has no tags; take one of musicnn-msd" in str(told.exception)


def test_tags_hold_beside_one_another(mixtures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLISSANDO_CACHE", str(mixtures.parent / "cache"))
    run = train(load_recipe(recipe(tmp_path / "r.yaml", "tags", mixtures, data={"patch": 187})), tmp_path / "run")
    assert run.result()["goal"] == "mAP" and run.result()["metrics"]["mAP"]["mean"] > 0.8
    both = np.concatenate([sounding("hiss", 2.0, 1), sounding("tone", 2.0, 2)])
    write(tmp_path / "both.wav", Audio(both, RATE))
    told = CliRunner().invoke(
        app, ["tags", str(tmp_path / "both.wav"), "--run", str(run.folder), "-n", "2", "-f", "json"]
    )
    (row,) = json.loads(told.output)
    assert set(row["tags"]) == {"hiss", "tone"}
    done = CliRunner().invoke(app, ["predict", str(run.folder), str(tmp_path / "both.wav"), "--out", str(tmp_path)])
    assert done.exit_code == 0 and (tmp_path / "both.png").stat().st_size > 5_000
    estimate, outputs, times = run.estimator().estimate(tmp_path / "both.wav")
    assert estimate.duration == pytest.approx(4.0, abs=0.1) and outputs.shape == (3, len(times)) and len(times) > 1
    segments = CliRunner().invoke(app, ["tags", str(tmp_path / "both.wav"), "--run", str(tmp_path / "none")])
    assert segments.exit_code != 0 and "is no run" in str(segments.exception or segments.output)


def test_a_long_recording_is_pooled_whole_up_to_a_minute(tmp_path: Path, mixtures: Path) -> None:
    estimator = Estimator(load_recipe(recipe(tmp_path / "r.yaml", {"tags": {"vocabulary": [*NAMES]}}, mixtures)))
    feature = torch.rand(1, 24, 3000)  # 48 s
    with torch.inference_mode():
        torch.testing.assert_close(estimator.outputs(feature), estimator.model(feature[None])[0][:, None])
    assert estimator.outputs(torch.rand(1, 24, 9000)).shape == (3, 3)
    torch.testing.assert_close(  # as an example of training: filled up with zeros
        estimator.outputs(feature[..., :20]), estimator.outputs(torch.nn.functional.pad(feature[..., :20], (0, 42)))
    )


def test_magnatagatune_trains_from_its_official_layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLISSANDO_CACHE", str(tmp_path / "cache"))
    magnatagatune(tmp_path / "official")
    build_data("magnatagatune", tmp_path / "official")
    path = recipe(
        tmp_path / "r.yaml",
        {"tags": {"most": 50}},
        Path("magnatagatune"),
        data={"split": "official"},
        model={"head": ["to_sequence", {"linear": {"units": 2}}, "autopool"]},
        train={"epochs": 1, "batch": 2},
    )
    run = train(load_recipe(path), tmp_path / "run")
    assert run.recipe.task == {"tags": {"most": 50, "vocabulary": ["guitar", "no voice"]}}
    assert run.result()["data"] == {"name": "magnatagatune", "train": 2, "valid": 1, "test": 1}


def test_the_books_magnatagatune_trains_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its pair: float audio under the path of the clip, and a value for every tag."""
    monkeypatch.setenv("GLISSANDO_CACHE", str(tmp_path / "cache"))
    entries = []
    with h5py.File(tmp_path / "mtt_audio.hdf5", "w") as out:
        for i in range(12):
            key, name = f"{i % 10}+++artist{i}-album-01-song-0-29.mp3", NAMES[i % 3]
            out[key] = sounding(name, 1.0, i)
            out[key].attrs["sr_hz"] = RATE
            tags = [{"value": name}, {"value": "loud" if i % 2 else "soft"}]
            entries.append({"filepath": [{"value": key}], "tag": tags if i else []})  # one clip has none
    known = {"filepath": {"typeContent": "text", "typeExtent": "global", "typeConstraint": "filePath"}, "tag": {}}
    document = {"collection": {"descriptiondefinition": known, "entry": entries}, "schemaversion": 1.31}
    (tmp_path / "mtt.pyjama").write_text(json.dumps(document))
    head = {"head": ["to_sequence", {"linear": {"units": 5}}, "autopool"]}
    how = {"data": {"split": "entry", "shares": [0.5, 0.25, 0.25]}, "train": {"epochs": 2, "batch": 3}}
    run = train(
        load_recipe(recipe(tmp_path / "r.yaml", "tags", tmp_path / "mtt.pyjama", model=head, **how)), tmp_path / "run"
    )
    assert run.recipe.task == {"tags": {"vocabulary": ["buzz", "hiss", "loud", "soft", "tone"]}}
    assert run.result()["data"] == {"name": "mtt", "train": 6, "valid": 3, "test": 3}
    assert run.result()["metrics"]["mAP"]["n"] == sum("artist0-" not in key for key in run.split().parts["test"])


def test_a_fold_is_tested_and_the_others_train(sounds: Path) -> None:
    part = {"name": str(sounds), "split": "fold", "fold": 3, "shares": [0.75, 0.25, 0.2], "group": "recording"}
    split = draw_split(load(sounds), Source(**part))
    assert [int(key[4:]) for key in split.parts["test"]] == [*range(24, 36)] and len(split.parts["train"]) == 18
    pairs = {name: {int(key[4:]) // 2 for key in split.parts[name]} for name in ("train", "valid")}
    assert not pairs["train"] & pairs["valid"]
    with pytest.raises(RecipeError, match=r"no fold '4' to test beside others; its folds: 1, 2, 3"):
        draw_split(load(sounds), Source(**{**part, "fold": 4}))
    with pytest.raises(ValueError, match="go together"):
        Source(**{**part, "fold": None})


def test_metrics_are_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    numbers = rng.integers(5, size=300)
    truth = np.eye(5, dtype=bool)[numbers]
    scores = np.round(rng.random((300, 5)) + 0.4 * truth, 2)  # with ties
    chosen = np.eye(5, dtype=bool)[scores.argmax(1)]
    found = label_metrics(truth, scores, chosen, exclusive=True)
    wanted = {
        "accuracy": metrics.accuracy_score(numbers, scores.argmax(1)),
        "macro AUC": metrics.roc_auc_score(truth, scores, average="macro"),
        "micro AUC": metrics.roc_auc_score(truth, scores, average="micro"),
        "mAP": metrics.average_precision_score(truth, scores),
        "macro recall": metrics.recall_score(numbers, scores.argmax(1), average="macro"),
        "macro F": metrics.f1_score(truth, chosen, average="macro"),
        "micro F": metrics.f1_score(truth, chosen, average="micro"),
    }
    assert {name: one["mean"] for name, one in found.items()} == pytest.approx(wanted, abs=1e-9)
    assert all(one["low"] < one["mean"] < one["high"] and one["n"] == 300 for one in found.values())


def test_intervals_resample_recordings_and_not_their_frames() -> None:
    rng = np.random.default_rng(0)
    truth = np.repeat(rng.random((20, 2)) < 0.5, 50, axis=0)
    scores = truth + np.repeat(rng.normal(size=(20, 2)), 50, axis=0)
    entries = np.repeat(np.arange(20), 50)
    wide = label_metrics(truth, scores, scores > 0.5, entries=entries, exclusive=False)["mAP"]
    narrow = label_metrics(truth, scores, scores > 0.5, exclusive=False)["mAP"]
    assert wide["mean"] == narrow["mean"] and wide["n"] == 20
    assert wide["high"] - wide["low"] > 4 * (narrow["high"] - narrow["low"])


def test_intervals_lie_around_the_mean_where_resamples_lose_classes() -> None:
    rng = np.random.default_rng(0)
    truth = np.eye(100, dtype=bool)[np.repeat(np.arange(100), 3)]
    scores = rng.normal(size=truth.shape) + 2 * truth
    chosen = np.eye(100, dtype=bool)[scores.argmax(1)]
    found = label_metrics(truth, scores, chosen, exclusive=True)["mAP"]
    assert found["low"] < found["mean"] - 0.02 and found["mean"] + 0.02 < found["high"]


def test_a_class_without_examples_is_left_out() -> None:
    truth, scores = np.array([[1, 0], [0, 0]], bool), np.array([[0.9, 0.2], [0.1, 0.8]])
    found = label_metrics(truth, scores, scores > 0.5, exclusive=False)
    assert found["macro F"]["mean"] == found["macro AUC"]["mean"] == 1


def test_many_scores_are_merged_without_harm() -> None:
    rng = np.random.default_rng(0)
    truth = rng.random(20_000) < 0.2
    scores = rng.normal(size=20_000) + truth
    (area,), (precision,) = rank_areas(truth, scores, np.ones((1, 1)), np.zeros(20_000, np.int64))
    assert area == pytest.approx(metrics.roc_auc_score(truth, scores), abs=1e-4)
    assert precision == pytest.approx(metrics.average_precision_score(truth, scores), abs=2e-3)


def test_long_recordings_count_more_where_durations_weigh() -> None:
    assert weighted_mean(np.array([1.0, 0.0]), np.array([30.0, 10.0]))["mean"] == 0.75


def test_a_frame_has_its_share_of_every_segment() -> None:
    segments = (Segment(0.0, 1.25, "a"), Segment(1.25, 2.0, "b"), Segment(3.0, 3.5, "other"))
    known = Annotations(segments={"structure": segments, "instrument": segments})
    times = np.array([0.5, 1.5, 2.5, 3.5])
    one = ClassSegments(vocabulary=["a", "b"]).targets(known, times)
    np.testing.assert_allclose(one, [[[1, 0.25, 0, 0], [0, 0.75, 0, 0]]])
    any_number = TagSegments(vocabulary=["a", "b"])
    np.testing.assert_allclose(any_number.targets(known, times), one)
    assert np.isnan(any_number.targets(Annotations(), times)).all()
    assert not ClassSegments(vocabulary=["a", "b"]).targets(Annotations(), times).any()


def test_what_is_unknown_costs_nothing() -> None:
    valid = torch.ones(2, 4, dtype=torch.bool)
    for task, unknown in ((Classes(vocabulary=["a", "b"]), [0.0, 0.0]), (Tags(vocabulary=["a", "b"]), [np.nan] * 2)):
        outputs = torch.tensor([[0.3, -0.2], [9.0, -9.0]], requires_grad=True)
        both = task.loss(outputs, torch.tensor([[1.0, 0.0], unknown]), valid)
        torch.testing.assert_close(both, task.loss(outputs[:1], torch.tensor([[1.0, 0.0]]), valid[:1]))
        both.backward()
        assert outputs.grad is not None and not outputs.grad[1].any() and outputs.grad[0].all()
    segments = ClassSegments(vocabulary=["a", "b"])
    outputs, targets = torch.randn(2, 1, 2, 4), torch.zeros(2, 1, 2, 4)
    targets[:, :, 0] = 1
    half = valid.clone()
    half[1] = False
    torch.testing.assert_close(
        segments.loss(outputs, targets, half), segments.loss(outputs[:1], targets[:1], valid[:1])
    )


def test_the_loss_is_torchs_cross_entropy_with_weights() -> None:
    outputs, numbers = torch.randn(6, 3), torch.tensor([0, 1, 2, 2, 1, 0])
    targets = torch.nn.functional.one_hot(numbers, 3).float()
    weights = [0.5, 1.0, 3.0]
    found = Classes(vocabulary=NAMES, weights=weights).loss(outputs, targets, torch.ones(6, 1, dtype=torch.bool))
    torch.testing.assert_close(found, torch.nn.functional.cross_entropy(outputs, numbers, torch.tensor(weights)))


def test_vocabulary_and_weights_come_from_the_training_data() -> None:
    entries = [Annotations(labels={"tag": tags}) for tags in (("b", "a"), ("b",), ("c", "b"), ("a",), ())]
    assert Tags(most=2, weights="balanced").settle(entries) == {"vocabulary": ["a", "b"], "weights": [1.0, 0.333]}
    assert Tags(vocabulary=["b"]).settle(entries) == {}
    rare = Classes(label="tag", vocabulary=["a", "b"], weights="balanced").settle(entries)
    assert rare["weights"][0] > rare["weights"][1]
    with pytest.raises(RecipeError, match="no label 'class'"):
        Classes().settle(entries)
    with pytest.raises(RecipeError, match="no 'tag' of the entries to train on is in it; they have b, a, c"):
        Tags(vocabulary=["B", "A"]).settle(entries)


@pytest.mark.parametrize(
    ("spec", "wrong"),
    [
        ({"classes": {"vocabulary": "rock"}}, "vocabulary must be a list"),
        ({"classes": {"vocabulary": ["a", "a"]}}, "each once"),
        ({"tags": {"most": 0}}, "most is 0"),
        ({"tags": {"vocabulary": ["a"], "weights": [1, 2]}}, "one above 0 for every label"),
        ({"tags": {"vocabulary": ["a"], "weights": "rare"}}, "balanced"),
        ({"class-segments": {"labels": "x"}}, "did you mean 'label'"),
    ],
)
def test_a_wrong_task_is_named(spec: dict[str, object], wrong: str) -> None:
    with pytest.raises(RecipeError, match=wrong):
        TASKS.build(spec, where="task")


def test_thresholds_part_what_holds_from_what_does_not() -> None:
    task = Tags(vocabulary=["low", "high"])
    odds = [([-2.0, 3.0], ("high",)), ([-1.0, 2.5], ("low", "high")), ([-0.9, 1.0], ("low",)), ([-3.0, 0.8], ())]
    task.tune(
        [
            (Annotations(labels={"tag": tags or ("else",)}), torch.tensor(values)[:, None], np.array([1.0]))
            for values, tags in odds
        ]
    )
    assert 0.12 < task.tuned["low"] <= 0.27 and 0.73 < task.tuned["high"] <= 0.9


def test_stretches_are_averaged_and_segments_joined() -> None:
    found = Classes(vocabulary=["a", "b"]).predict(torch.tensor([[4.0, 0.0], [0.0, 0.0]]), np.array([1.0, 3.0]))
    assert found.chosen == ("a",) and found.duration == 4.0
    assert found.probabilities[0] == pytest.approx((1 / (1 + np.exp(-4)) + 0.5) / 2)
    odds = torch.full((1, 2, 6), -5.0)
    odds[0, 0, 1:4] = odds[0, 1, 3:] = 5.0
    curves = TagSegments(vocabulary=["a", "b"]).predict(odds, np.arange(6) * 0.5 + 0.25)
    assert curves.segments == (Segment(0.5, 2.0, "a"), Segment(1.5, 3.0, "b"))


def test_an_estimate_is_exported(tmp_path: Path) -> None:
    one = Labels(("a", "b"), np.array([0.2, 0.8]), ("b",), 4.0)
    files = Tags(vocabulary=["a", "b"]).export(tmp_path, "song", one)
    assert files["csv"].read_text().split() == ["tag,probability", "b,0.8000", "a,0.2000"]
    (held,) = json.loads(files["jams"].read_text())["annotations"]
    assert held["namespace"] == "tag_open" and held["data"][0]["value"] == "b" and held["data"][0]["duration"] == 4.0


def test_filters_are_found_and_told_by_their_frequencies(tmp_path: Path) -> None:
    for brick in ({"sincnet": {"sample_rate": 8000, "channels": 5}}, {"conv1d": {"channels": 5, "kernel": 251}}):
        filters = first_filters(build({"front": [brick, "global_mean"]}, torch.zeros(1, 4000)))
        assert filters is not None and filters.shape == (5, 251)
    assert first_filters(build({"front": {"conv2d": {"channels": 5}}}, torch.zeros(1, 1, 8, 8))) is None
    hz = np.array([3000.0, 500.0])
    tones = np.cos(2 * np.pi * hz[:, None] * np.arange(401) / 8000) * np.hanning(401)
    centres, levels = responses(tones, 8000)
    np.testing.assert_allclose(centres, hz, rtol=0.01)
    np.testing.assert_allclose(levels.argmax(1) * 8000 / 2048, hz, atol=4)
    plot_filters(tmp_path / "filters.png", tones, 8000)
    assert (tmp_path / "filters.png").stat().st_size > 5_000


def test_mixup_mixes_targets_as_it_mixes_features() -> None:
    feature = torch.eye(6)[:, None, :, None].repeat(1, 1, 1, 3)
    torch.manual_seed(0)
    mixed = Mixup(alpha=1.0)({"feature": feature, "target": torch.eye(6)})
    torch.testing.assert_close(mixed["feature"][:, 0, :, 0], mixed["target"])
    torch.testing.assert_close(mixed["target"].sum(1), torch.ones(6))
    assert (mixed["target"].diagonal() >= 0.5).all() and (mixed["target"].amax(1) < 0.99).any()
    holes = Mask(frames=0.5, bins=0.0)({"feature": torch.ones(50, 1, 4, 100)})["feature"]
    assert torch.equal(holes[:, :, :1].expand(-1, -1, 4, -1), holes) and 0.1 < (1 - holes.mean()) < 0.4
