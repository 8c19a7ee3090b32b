"""VICReg's terms, masked patches, what views may differ in, and that each learns from synthetic tones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import yaml
from test_contrastive import HOP, RATE, make

from glissando import encoders
from glissando.data import Annotations, ArrayWriter, DataSet, FeatureCache, Views, write_pyjama
from glissando.errors import RecipeError
from glissando.features import LogMel
from glissando.nn import Patches, build, covariance_term, variance_term
from glissando.training import Contrastive, Masked, VICReg, evaluate, load_recipe, resume, train
from glissando.training.augment import AUGMENTATIONS

LOG_MEL = {"log-mel": {"sample_rate": RATE, "n_fft": 512, "hop": HOP, "bands": 24}}


@pytest.fixture(scope="module")
def takes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("takes"), "takes", 0, 16)


def write(folder: Path, content: dict) -> Path:
    path = folder / "small.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path


def test_variance_and_covariance_of_made_data() -> None:
    assert variance_term(torch.zeros(8, 3)) == pytest.approx(0.99)  # less the root of epsilon
    signs = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])  # deviation 1, no covariance
    assert variance_term(signs) == 0 and covariance_term(signs) == 0
    assert float(variance_term(signs * torch.tensor([0.5, 2.0]))) == pytest.approx(0.25, abs=1e-4)
    copied = signs[:, :1].repeat(1, 3)  # six pairs with covariance 1, over 3 dimensions
    assert float(covariance_term(copied)) == pytest.approx(2.0)


@torch.no_grad()
def test_vicreg_is_the_weighted_sum_of_its_terms() -> None:
    torch.manual_seed(0)
    z = F.normalize(torch.randn(32, 2, 6), dim=-1)
    how = {"views": 2, "expander": 8}
    paradigm = VICReg(torch.zeros(2, 6), invariance=3.0, variance=0.0, covariance=0.0, **how)
    octaves = torch.zeros(32, 2)
    assert float(paradigm.compare(z, octaves)) > 0
    assert float(paradigm.compare(z[:, :1].repeat(1, 2, 1), octaves)) == pytest.approx(0, abs=1e-10)
    for view in range(2):
        one = VICReg(torch.zeros(2, 6), invariance=0.0, variance=7.0, covariance=2.0, **how).eval()
        same = z[:, view : view + 1].repeat(1, 2, 1)
        expanded = one.expander(z[:, view])
        wanted = 7 * variance_term(expanded) + 2 * covariance_term(expanded)
        assert float(one.compare(same, octaves)) == pytest.approx(float(wanted), rel=1e-4)


def test_only_hidden_patches_count() -> None:
    torch.manual_seed(0)
    x = torch.rand(3, 1, 8, 12)
    spec = {"patches": {"patches": {"bins": 4, "frames": 3, "dim": 8}}, "trunk": {"transformer": {"positions": "none"}}}
    model = build(spec, x)
    paradigm = Masked(model(x), model, share=0.5, dim=16)
    order = torch.rand(3, 8, generator=torch.Generator().manual_seed(0)).argsort(1)

    def loss(feature: torch.Tensor) -> torch.Tensor:
        return paradigm.observe(model, {"feature": feature})

    x.requires_grad_()
    paradigm.enter.requires_grad_(False)
    (seen,) = torch.autograd.grad(loss(x), x)
    per_patch = Patches(1, (4, 3), 8).cut(seen.abs()).amax(-1)
    assert (per_patch > 0).all()  # the visible ones as what is looked at, the hidden ones as what is to be told

    with torch.no_grad():  # without the visible ones as input, they have no part in the loss
        paradigm.enter.weight.zero_()
    (seen,) = torch.autograd.grad(loss(x), x)
    told = Patches(1, (4, 3), 8).cut(seen.abs()).amax(-1) > 0
    hidden = torch.zeros(3, 8, dtype=torch.bool).scatter(1, order[:, 4:], True)
    assert torch.equal(told, hidden)

    louder = 3 * x.detach() + 1  # level and offset of a patch are no news
    with torch.no_grad():
        assert float(loss(louder)) == pytest.approx(float(loss(x)), rel=1e-4)
        assert float(loss(torch.zeros_like(x))) == 0  # silence has nothing to tell


def test_patches_know_their_place_and_come_back_in_order() -> None:
    x = torch.arange(2 * 6 * 9, dtype=torch.float32).view(1, 2, 6, 9)
    brick = Patches(2, (3, 4), 8)
    assert brick.cut(x).shape == (1, 4, 24)  # 2 x 2; the last frame fills none
    assert torch.equal(brick.cut(x)[0, 3], x[0, :, 3:6, 4:8].flatten())
    whole, some = brick(x), brick(x, torch.tensor([[3, 1]]))
    assert torch.allclose(some[0], whole[0, [3, 1]])
    alike = brick(torch.ones(1, 2, 6, 8))[0]
    assert torch.cdist(alike, alike)[~torch.eye(4, dtype=torch.bool)].min() > 0.1


def views_of(tmp_path: Path, **how: object) -> Views:
    time = np.arange(10 * RATE) / RATE
    wave = 0.3 * np.sin(2 * np.pi * 500 * time) * (1 + (time > 5))  # the second half is louder
    with ArrayWriter(tmp_path / "x_audio.hdf5") as writer:
        writer.add("x", wave.astype(np.float32), RATE)
    write_pyjama(tmp_path / "x.pyjama", {"x": Annotations()})
    entries = [*DataSet.open(tmp_path / "x.pyjama").values()]
    feature = LogMel(RATE, n_fft=1024, hop=HOP, bands=60)
    caches = [FeatureCache(feature, "f", folder=tmp_path / "c", semitones=step) for step in (0.0, 12.0)]
    return Views(caches, entries, frames=200, training=True, **how)  # type: ignore[arg-type]


def test_views_differ_in_what_is_to_be_forgotten_alone(tmp_path: Path) -> None:
    def differences(**how: object) -> tuple[set[float], set[int], float]:
        tempi, steps, places = set(), set(), []
        views = views_of(tmp_path, octaves=0.4, **how)
        for epoch in range(8):
            views.set_epoch(epoch)
            found = views[0]
            tempi.add(round(float(found["octaves"][1] - found["octaves"][0]), 3))
            steps.add(round(float(found["semitones"][1] - found["semitones"][0])))
            loud = found["views"].amax((1, 2)).median(-1).values
            places.append(abs(float(loud[0] - loud[1])))
            for view, step in zip(found["views"], found["semitones"].tolist(), strict=True):
                centre = LogMel(RATE, n_fft=1024, hop=HOP, bands=60).frequencies[int(view[0].mean(-1).argmax())]
                assert float(centre) == pytest.approx(500 * 2 ** (step / 12), rel=0.08)
        return tempi, steps, max(places)

    tempi, steps, places = differences(forget=["place"])
    assert tempi == {0.0} and steps == {0} and places > 0.5
    tempi, steps, places = differences(forget=[])
    assert tempi == {0.0} and steps == {0} and places < 0.1
    tempi, steps, _ = differences(forget=["tempo", "key"])
    assert len(tempi) > 5 and steps == {-12, 0, 12}


def test_what_is_forgotten_is_alike() -> None:
    torch.manual_seed(0)
    model = nn_identity()
    views = torch.randn(6, 2, 1, 1, 4)
    batch = {"views": views, "octaves": torch.tensor([[0.0, 0.5]] * 6)}
    keeping = Contrastive(torch.zeros(2, 4), views=2, forget=["place", "tempo"])
    assert keeping.predictor is None
    known = {**batch, "octaves": torch.zeros(6, 2)}
    assert torch.equal(keeping.loss(model, batch), keeping.loss(model, known))
    with pytest.raises(ValueError, match="forget some of place, tempo, key"):
        Contrastive(torch.zeros(2, 4), forget=["timbre"])


def test_filter_and_room_act_on_the_power_of_log_mel() -> None:
    feature = LogMel(RATE, n_fft=512, hop=HOP, bands=24)
    torch.manual_seed(0)
    noise = feature(torch.randn(5, RATE))
    louder = AUGMENTATIONS.build({"equalise": {"db": 0.0, "level": 6.0}}, feature=feature)({"feature": noise})
    ratio = torch.expm1(louder["feature"]) / torch.expm1(noise)
    assert torch.allclose(ratio, ratio[:, :, :1, :1].expand_as(ratio), rtol=1e-2)
    assert 1 < float((10 * ratio[:, 0, 0, 0].log10()).std()) < 12  # dB

    click = torch.zeros(1, 1, 24, 200)
    click[..., 10] = torch.log1p(torch.tensor(1e4))  # a power of 1, at 100 frames a second
    room = AUGMENTATIONS.build({"smear": {"decay": 0.2, "most": 1.0}}, feature=feature)
    wet = torch.expm1(room({"feature": click})["feature"])[0, 0, 0] / 1e4
    assert wet[:10].abs().max() < 1e-6 and float(wet[10]) == pytest.approx(1, rel=1e-3)
    assert float(10 * (wet[18] / wet[13]).log10()) == pytest.approx(-60 * 0.05 / 0.2, abs=0.2)  # 60 dB in 0.2 s


def nn_identity() -> torch.nn.Module:
    return torch.nn.Flatten()


def recipe(takes: Path, paradigm: dict, model: dict, **more: object) -> dict:
    return {
        "paradigm": paradigm,
        "data": {"name": str(takes), "shares": [0.5, 0.25, 0.25], "patch": 200},
        "feature": LOG_MEL,
        "model": model,
        "train": {"epochs": 12, "batch": 4, "rate": 0.005, "patience": 12, "augment": ["gain"], **more},
    }


def neighbours(encoder: encoders.Encoder, takes: Path) -> float:
    """Share of the halves of recordings whose nearest half is of the same recording."""
    data = DataSet.open(takes)
    halves = [entry.read(start, start + 4) for entry in data.values() for start in (0, 4)]
    with torch.inference_mode():
        z = torch.cat([encoder.embed(torch.from_numpy(half)[None]) for half in halves])
    likeness = (F.normalize(z - z.mean(0), dim=-1) @ F.normalize(z - z.mean(0), dim=-1).T).fill_diagonal_(-2)
    return float((likeness.argmax(1) // 2 == torch.arange(len(z)) // 2).float().mean())


def test_vicreg_learns(takes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLISSANDO_CACHE", str(takes.parent / "cache"))
    model = {
        "front": {"conv2d": {"channels": 4, "kernel": [5, 3], "stride": [4, 1]}},
        "pool": [{"global_mean": {"over": "frames"}}, "flatten", {"linear": {"units": 16}}],
    }
    content = recipe(takes, {"vicreg": {"views": 3, "stretched": [1.4142], "expander": 32, "hidden": 16}}, model)
    run = train(load_recipe(write(tmp_path, content)), tmp_path / "run")
    curve = run.curves()["train_loss"][1]
    assert curve[-1] < 0.8 * curve[0]
    assert set(run.result()["metrics"]) == {"MRR", "translated MRR", "untranslated MRR"}
    assert neighbours(encoders.load("gliss-music", weights=run.folder), takes) > 0.5  # chance is .03


def test_a_masked_autoencoder_learns_and_can_be_stopped(
    takes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tones are steady: what is hidden at one time is seen at another."""
    monkeypatch.setenv("GLISSANDO_CACHE", str(takes.parent / "cache"))
    time = np.arange(8 * RATE) / RATE
    with ArrayWriter(tmp_path / "tones_audio.hdf5") as writer:
        for i in range(16):
            tone = sum(np.sin(2 * np.pi * 230 * 1.4 ** (i % 4) * h * time) / h for h in (1, 2, 3, 5))
            noise = np.random.default_rng(i).normal(size=time.size)
            writer.add(f"tone{i}", (0.1 * tone + 0.003 * noise).astype(np.float32), RATE)
    tones = tmp_path / "tones.pyjama"
    write_pyjama(tones, {f"tone{i}": Annotations(labels={"piece": (f"piece{i}",)}) for i in range(16)})
    model = {
        "patches": {"patches": {"bins": 8, "frames": 10, "dim": 32}},
        "trunk": {"transformer": {"depth": 1, "heads": 2, "positions": "none"}},
    }
    content = recipe(tones, {"masked": {"dim": 16, "heads": 2}}, model)
    content["data"]["hop"] = 60
    path = write(tmp_path, content)
    whole = train(load_recipe(path), tmp_path / "whole")
    result, curve = whole.result(), whole.curves()["train_loss"][1]
    assert curve[-1] < 0.8 * curve[0] and result["valid_loss"] < 0.95
    assert result["goal"] == "explained" and evaluate(whole)["metrics"] == result["metrics"]
    explained = result["metrics"]["explained"]["mean"]
    encoder = encoders.load("gliss-music", weights=whole.folder)
    assert encoder.card.dim == 32 and encoder.card.sample_rate == RATE
    assert neighbours(encoder, takes) > 0.5  # of others than it was trained on

    run = train(load_recipe(path, changes=["train.minutes=0.0001"]), tmp_path / "cut")
    assert run.result()["epochs"] == 1 and run.result()["metrics"]["explained"]["mean"] < explained - 0.05
    stopped = yaml.safe_load((run.folder / "recipe.yaml").read_text())
    del stopped["train"]["minutes"]
    (run.folder / "recipe.yaml").write_text(yaml.safe_dump(stopped, sort_keys=False))
    (run.folder / "result.json").unlink()
    again = resume(run.folder)
    assert again.curves()["train_loss"][1][1] == pytest.approx(curve[1], rel=1e-3)
    assert again.result()["metrics"]["explained"]["mean"] == pytest.approx(explained, abs=0.02)


def test_a_share_that_hides_all_is_refused() -> None:
    x = torch.rand(2, 1, 8, 12)
    spec = {"patches": {"patches": {"bins": 4, "frames": 3, "dim": 8}}, "trunk": {"transformer": {"positions": "none"}}}
    model = build(spec, x)
    with pytest.raises(ValueError, match=r"share must lie within 0\.05\.\.0\.95"):
        Masked(model(x), model, share=1.0, dim=16)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("paradigm={vicreg: {expander: 1}}", "expander must be at least 2"),
        ("paradigm={vicreg: {viws: 2}}", "did you mean 'views'"),
        ("paradigm={masked: {}}", "begins with the brick patches"),
        ("paradigm={contrastive: {views: 1}}", "views must be at least 2"),
        ("paradigm={contrastive: {forget: [key], transposed: [40]}}", "semitones within -24..24"),
        ("model.pool=[to_sequence]", "a model that ends in a vector"),
        ("train.augment=[reverb]", "there is no augmentation 'reverb'"),
        ("model={patches: {patches: {bins: 99, frames: 2, dim: 8}}}", "not one patch of 99 bins"),
        ("model={patches: {patches: {bins: 2, frames: 2, dim: 6}}}", "multiple of 4"),
    ],
)
def test_a_wrong_recipe_is_one_sentence(takes: Path, tmp_path: Path, change: str, sentence: str) -> None:
    model = {"pool": ["global_mean", {"linear": {"units": 4}}]}
    path = write(tmp_path, recipe(takes, {"vicreg": {"views": 2}}, model))
    with pytest.raises(RecipeError) as caught:
        train(load_recipe(path, changes=[change]), tmp_path / "run")
    assert sentence in str(caught.value) and "\n" not in str(caught.value)
