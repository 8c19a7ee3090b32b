"""Learning without labels: views, NT-Xent and its step across tempi, and a run that can be stopped."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import yaml
from torch import nn

from glissando.data import Annotations, ArrayWriter, DataSet, FeatureCache, Views, write_pyjama
from glissando.encoders.shipped import read_network
from glissando.errors import ModelError, RecipeError
from glissando.features import LogMel
from glissando.nn import build
from glissando.training import (
    Contrastive,
    Network,
    Run,
    evaluate,
    export,
    load_recipe,
    read_recipe,
    resume,
    shipped,
    train,
)
from glissando.training.augment import AUGMENTATIONS
from glissando.training.building import paradigm_of
from glissando.training.choosing import draw_splits
from glissando.training.views import comparisons, reciprocal_ranks

RATE, HOP = 8000, 80  # 100 frames a second


def beats(bpm: float, pitch: float, seconds: float, seed: int) -> np.ndarray:
    """Bursts of noise at a tempo over a steady tone."""
    rng = np.random.default_rng(seed)
    wave = 0.05 * np.sin(2 * np.pi * pitch * np.arange(int(seconds * RATE)) / RATE)
    burst = 0.8 * rng.normal(size=240) * np.exp(-np.arange(240) / 40)
    for start in np.arange(0.05, seconds - 0.1, 60 / bpm):
        wave[int(start * RATE) : int(start * RATE) + 240] += burst
    return wave.astype(np.float32)


def make(folder: Path, name: str, first: int, count: int, seconds: float = 8.0) -> Path:
    described = {}
    with ArrayWriter(folder / f"{name}_audio.hdf5") as writer:
        for number in range(first, first + count):
            wave = beats(80 * 1.06 ** (number % 12), 200 + 97 * number, seconds, number)
            writer.add(f"take{number:02}", wave, RATE)
            described[f"take{number:02}"] = Annotations(labels={"piece": (f"piece{number}",)})
    write_pyjama(folder / f"{name}.pyjama", described)
    return folder / f"{name}.pyjama"


@pytest.fixture(scope="module")
def takes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("takes"), "takes", 0, 16)


@pytest.fixture
def recipe(takes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GLISSANDO_CACHE", str(takes.parent / "cache"))
    content = {
        "paradigm": {"contrastive": {"views": 3, "stretched": [1.4142], "hidden": 32}},
        "data": {"name": str(takes), "shares": [0.5, 0.25, 0.25], "patch": 200},
        "feature": {"log-mel": {"sample_rate": RATE, "n_fft": 512, "hop": HOP, "bands": 24}},
        "model": {
            "front": [{"conv2d": {"channels": 4, "kernel": [5, 3], "stride": [4, 1]}}, {"store": "front"}],
            "rhythm": [
                "to_sequence",
                {"conv1d": {"channels": 4}},
                {"autocorrelation": {"shortest": 10, "longest": 150, "lags": 40}},
                "flatten",
                {"store": "rhythm"},
            ],
            "sound": [{"recall": "front"}, {"global_mean": {"over": "frames"}}, "flatten", {"join": "rhythm"}],
            "head": {"linear": {"units": 16}},
        },
        "train": {"epochs": 16, "batch": 4, "rate": 0.01, "patience": 16, "augment": ["gain", "noise", "mix"]},
    }
    path = tmp_path / "small.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path


def unit(*shape: int, seed: int = 0) -> torch.Tensor:
    return F.normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(seed)), dim=-1)


class Turn(nn.Module):
    """A translator that is right: an octave is a quarter of a turn."""

    def forward(self, z: torch.Tensor, *, tempo_ratio: torch.Tensor) -> torch.Tensor:
        angle = torch.log2(tempo_ratio) * math.pi / 2
        cos, sin = angle.cos(), angle.sin()
        return torch.stack([cos * z[..., 0] - sin * z[..., 1], sin * z[..., 0] + cos * z[..., 1]], -1)


def contrastive(dim: int, **how: object) -> Contrastive:
    return Contrastive(torch.zeros(2, dim), **how)  # type: ignore[arg-type]


def test_two_views_are_nt_xent() -> None:
    z, temperature = unit(5, 2, 7), 0.2
    flat = z.flatten(0, 1).double()
    terms = []
    for i in range(10):  # Chen et al. 2020, equation 1
        others = [k for k in range(10) if k != i]
        exponents = {k: math.exp(float(flat[i] @ flat[k]) / temperature) for k in others}
        terms.append(-math.log(exponents[i ^ 1] / sum(exponents.values())))
    loss = contrastive(7, views=2, temperature=temperature).compare(z, torch.zeros(5, 2))
    assert float(loss) == pytest.approx(np.mean(terms), rel=1e-5)


def test_other_tempi_of_a_recording_are_negatives_and_doubles_are_none() -> None:
    octaves = torch.tensor([[0.3, 0.3, -0.4, 0.8]] * 3)
    logits, targets, alike = comparisons(unit(3, 4, 6), octaves, None)
    assert logits.shape == (3 * 12, 12) and alike.view(3, 12).sum(1).tolist() == [2, 2, 2]
    rows = [(a, b) for a in range(4) for b in range(4) if a != b]
    for recording in range(3):
        for row, (_, wanted) in enumerate(rows):
            at = recording * 12 + row
            assert targets[at] == recording * 4 + wanted
            missing = set(np.flatnonzero(logits[at] == -torch.inf).tolist())
            assert missing == ({recording * 4 + (1 - wanted)} if wanted < 2 else set())


def test_an_embedding_without_tempo_pays_and_only_the_right_step_ranks_first() -> None:
    octaves = torch.tensor([[0.0, 0.0, -0.5, 0.7], [0.0, 0.0, 0.6, 0.2], [0.0, 0.0, -0.3, 0.9]])
    angle = torch.tensor([0.0, 2.0, 4.0])[:, None] + octaves * math.pi / 2
    z = torch.stack([angle.cos(), angle.sin()], -1)
    for predictor, best in ((Turn(), True), (None, False)):
        logits, targets, alike = comparisons(z, octaves, predictor)  # type: ignore[arg-type]
        ranks = reciprocal_ranks(logits - 1e-6 * F.one_hot(targets, 12), targets)
        assert bool((reciprocal_ranks(logits + 1e-4 * F.one_hot(targets, 12), targets)[~alike] == 1).all()) is best
        assert bool((ranks[alike] > 0.3).all())
    deaf = torch.stack([(angle - octaves * math.pi / 2).cos(), (angle - octaves * math.pi / 2).sin()], -1)
    logits, targets, alike = comparisons(deaf, octaves, None)
    assert (reciprocal_ranks(logits, targets)[~alike] <= 1 / 3).all()  # its other tempi are as near
    losing = F.cross_entropy(logits / 0.01, targets, reduction="none")[~alike]
    assert losing.min() > math.log(2)


def test_ranks_of_parts_are_those_of_the_whole() -> None:
    z, octaves = unit(9, 3, 5), torch.tensor([[0.0, 0.0, 0.5]] * 9)
    whole = comparisons(z, octaves, None)
    for first, last in ((0, 4), (4, 9)):
        part = comparisons(z, octaves, None, of=slice(first, last))
        for a, b in zip(whole, part, strict=True):
            assert torch.equal(a[first * 6 : last * 6], b)


def lag(view: np.ndarray) -> float:
    """Frames from beat to beat, by the autocorrelation of the rise of energy."""
    rise = np.maximum(np.diff(view[0].sum(0)), 0)
    rise -= rise.mean()
    full = np.correlate(rise, rise, "full")[len(rise) - 1 :]
    return float(15 + np.argmax(full[15:260]))


def test_views_have_the_tempo_they_say(tmp_path: Path) -> None:
    wave = beats(150, 300.0, 30.0, 0)  # 40 frames a beat
    with ArrayWriter(tmp_path / "x_audio.hdf5") as writer:
        writer.add("x", wave, RATE)
    write_pyjama(tmp_path / "x.pyjama", {"x": Annotations()})
    entries = [*DataSet.open(tmp_path / "x.pyjama").values()]
    feature = LogMel(RATE, n_fft=256, hop=HOP, bands=16)
    caches = [FeatureCache(feature, "f", folder=tmp_path / "c", tempo_ratio=ratio) for ratio in (1.0, 2**0.5, 2**-0.5)]
    assert len({cache.folder for cache in caches}) == 3
    views = Views(caches, entries, frames=500, count=4, octaves=0.8, training=True)
    seen, first = set(), views[0]
    for epoch in range(12):
        views.set_epoch(epoch)
        found = views[0]
        assert torch.equal(found["views"], views[0]["views"])
        assert found["octaves"][0] == found["octaves"][1]
        assert min(abs(a - b) for i, a in enumerate(found["octaves"][1:]) for b in found["octaves"][1:][i + 1 :]) >= 0.1
        for view, octave in zip(found["views"].numpy(), found["octaves"].tolist(), strict=True):
            heard = lag(view) / (40 / 2**octave)
            assert heard == pytest.approx(max(1, round(heard)), rel=0.05), (epoch, octave)  # or of two beats
            seen.add(round(octave, 3))
    assert len(seen) > 20 and not torch.equal(first["views"], views[0]["views"])
    still = Views(caches, entries, frames=500, count=4, octaves=0.8)
    assert still[0]["octaves"].tolist() == pytest.approx([0, 0, -0.5, 0.5])
    still.set_epoch(3)
    assert torch.equal(still[0]["views"], Views(caches, entries, frames=500, count=4, octaves=0.8)[0]["views"])
    with pytest.raises(RecipeError, match="original tempo among"):
        Views(caches[1:], entries, frames=500)
    short = Views(caches, entries, frames=5000, count=2)[0]["views"]
    assert short[..., :2900].abs().sum() > 0 and not short[..., 3000:].any()


def test_augmentations_do_what_they_say() -> None:
    feature = LogMel(RATE, n_fft=512, hop=HOP, bands=24)
    batch = {"feature": feature(torch.randn(6, RATE, generator=torch.Generator().manual_seed(0)))}
    power = torch.expm1(batch["feature"])
    torch.manual_seed(0)
    louder = torch.expm1(AUGMENTATIONS.build({"gain": {"db": 6.0}}, feature=feature)(batch)["feature"]) / power
    assert (louder.amax((1, 2, 3)) / louder.amin((1, 2, 3)) < 1.01).all() and louder.max() <= 10**0.61
    assert louder.amax((1, 2, 3)).std() > 0
    for spec in ({"noise": {"low": -20, "high": -20}}, {"mix": {"low": -20, "high": -20}}):
        changed = torch.expm1(AUGMENTATIONS.build(spec, feature=feature)(batch)["feature"])
        added = (changed - power).mean((1, 2, 3)) / power.mean((1, 2, 3))
        assert added.mean() == pytest.approx(0.01, rel=0.3)  # 20 dB below
    with pytest.raises(RecipeError, match="such as log-mel"):
        AUGMENTATIONS.build("mix", feature=nn.Module())


def test_a_period_is_a_place_and_a_change_of_tempo_a_shift() -> None:
    model = build({"a": {"autocorrelation": {"shortest": 8, "longest": 128, "lags": 81}}}, torch.zeros(1, 400, 2))
    x = torch.zeros(1, 400, 2)
    x[0, ::32, 0], x[0, ::16, 1] = 1, 1
    found = model(x)[0]
    assert found.shape == (81, 2)
    assert found[:41, 0].argmax() == 40 and found[:21, 1].argmax() == 20  # 20 places an octave
    with pytest.raises(RecipeError, match="below the 100 frames"):
        build({"a": {"autocorrelation": {"shortest": 8, "longest": 128, "lags": 9}}}, torch.zeros(1, 100, 2))


def test_a_branch_begins_where_it_was_stored() -> None:
    layers = [
        {"store": "x"},
        {"global_mean": {}},
        {"store": "mean"},
        {"recall": "x"},
        {"global_max": {}},
        {"join": "mean"},
    ]
    x = torch.randn(3, 2, 5, 7)
    torch.testing.assert_close(build({"a": layers}, x)(x), torch.cat([x.amax((2, 3)), x.mean((2, 3))], 1))


def test_a_run_learns_can_be_stopped_and_is_passed_on(recipe: Path, tmp_path: Path) -> None:
    whole = train(load_recipe(recipe), tmp_path / "whole")
    result, curves = whole.result(), whole.curves()
    assert result["goal"] == "MRR" and set(result["metrics"]) == {"MRR", "translated MRR", "untranslated MRR"}
    assert len(result["entries"]) == 4 and result["valid_MRR"] == pytest.approx(max(curves["valid_MRR"][1]), abs=1e-4)
    assert curves["train_loss"][1][-1] < 0.8 * curves["train_loss"][1][0]
    assert result["metrics"]["MRR"]["mean"] > 0.5  # chance is .3
    assert evaluate(whole)["metrics"] == result["metrics"]
    assert "Paradigm contrastive" in (whole.folder / "card.md").read_text()
    with pytest.raises(RecipeError, match="learned embeddings and no task"):
        whole.estimator()

    run = train(load_recipe(recipe, changes=["train.minutes=0.0001"]), tmp_path / "cut")
    assert run.result()["epochs"] == 1
    content = yaml.safe_load((run.folder / "recipe.yaml").read_text())
    del content["train"]["minutes"]
    (run.folder / "recipe.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    (run.folder / "result.json").unlink()
    again = resume(run.folder)
    assert again.result()["epochs"] == 16
    second = again.curves()["train_loss"][1][1]  # the same views, changes and rate as without the stop
    assert second == pytest.approx(curves["train_loss"][1][1], rel=1e-3)
    assert again.result()["metrics"]["MRR"]["mean"] == pytest.approx(result["metrics"]["MRR"]["mean"], abs=0.1)

    light = export(whole, tmp_path / "light")
    metrics = evaluate(light)["metrics"]
    assert metrics["MRR"]["mean"] == pytest.approx(result["metrics"]["MRR"]["mean"], abs=0.1)
    feature, model = read_network(light.folder, 200)
    views = torch.rand(2, 1, 24, 200)
    torch.testing.assert_close(model(views), Run.open(light.folder).trained()[0].model(views))
    assert feature.sample_rate == RATE
    (light.folder / "weights.safetensors").write_bytes(b"nothing")
    with pytest.raises(ModelError, match="is no trained run"):
        read_network(light.folder, 200)


def test_two_data_sets_are_joined_part_by_part(recipe: Path, tmp_path: Path) -> None:
    more = make(tmp_path, "more", 40, 4, seconds=4.0)
    loaded = load_recipe(recipe, changes=[f"data.also=[{{name: {more}, shares: [0.5, 0.25, 0.25]}}]"])
    data, split = draw_splits(loaded.data)
    assert {part: len(keys) for part, keys in split.parts.items()} == {"train": 10, "valid": 5, "test": 5}
    assert sum(int(key[4:]) >= 40 for key in split.parts["train"]) == 2 and len(data) == 20
    double = load_recipe(recipe, changes=[f"data.also=[{{name: {loaded.data.name}}}]"])
    with pytest.raises(RecipeError, match="'take00' is in another set of this recipe"):
        draw_splits(double.data)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("task=pitch", "recipe: name a task, or a paradigm"),
        ("paradigm=vigreg", "did you mean 'vicreg'"),
        ("paradigm.contrastive.temperature=0", "temperature must be above 0"),
        ("model.head={to_map: {}}", "takes a sequence"),
        ("model.rhythm=[to_sequence, {store: rhythm}]", "can't concatenate"),
        ("paradigm.contrastive.views=20", "views need tempi"),
        ("data.also=[{name: takes, patch: 3}]", "there is no such field"),
    ],
)
def test_a_wrong_recipe_is_one_sentence(recipe: Path, tmp_path: Path, change: str, sentence: str) -> None:
    with pytest.raises(RecipeError) as caught:
        train(load_recipe(recipe, changes=[change]), tmp_path / "run")
    assert sentence in str(caught.value) and "\n" not in str(caught.value)


def test_a_model_must_end_in_a_vector(recipe: Path, tmp_path: Path) -> None:
    changed = recipe.with_name("other.yaml")
    content = yaml.safe_load(recipe.read_text())
    changed.write_text(yaml.safe_dump({**content, "model": {"trunk": {"conv2d": {"channels": 4}}}}))
    with pytest.raises(RecipeError, match="ends in a vector"):
        train(load_recipe(changed), tmp_path / "run")


OTHERS = ("codec/", "generate/")
EMBEDDING = [name for name in shipped() if "paradigm" in read_recipe(name) and not name.startswith(OTHERS)]


@pytest.mark.parametrize("name", EMBEDDING)
def test_shipped_recipes_without_a_task_give_vectors_or_tokens(name: str) -> None:
    network, _ = paradigm_of(load_recipe(name), name=name)
    assert isinstance(network, Network) and network.output().ndim in (2, 3)
    assert sum(weight.numel() for weight in network.model.parameters()) < 2_500_000


def test_shipped_weights_are_those_of_their_card() -> None:
    import hashlib

    from glissando.encoders import card
    from glissando.encoders.shipped import WEIGHTS, shipped_folder

    file = shipped_folder("music") / WEIGHTS
    result = json.loads((file.parent / "result.json").read_text())
    assert hashlib.sha256(file.read_bytes()).hexdigest() == card("gliss-music").weights_sha256 == result["sha256"]
    assert file.stat().st_size < 5_000_000


def test_a_wanted_label_that_nothing_has_is_said(recipe: Path, caplog: pytest.LogCaptureFixture) -> None:
    wanted = json.dumps({"piece": ["piece0", "piece1", "piece2", "piece99"]})
    data, _ = draw_splits(load_recipe(str(recipe), changes=[f"data.where={wanted}"]).data)
    assert [*data] == ["take00", "take01", "take02"]
    assert "no entry has piece piece99" in caplog.text
    caplog.clear()
    draw_splits(load_recipe(str(recipe), changes=[f"data.where={json.dumps({'piece': '*'})}"]).data)
    assert caplog.text == ""
