"""Views of a sound: peaks, neuralograms, features as bricks, gates, and the encoder whose blocks they are."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from typer.testing import CliRunner

from glissando import encoders
from glissando.audio import Audio, write
from glissando.cli import app
from glissando.data import Annotations, ArrayWriter, DataSet, write_pyjama
from glissando.encoders import DiverseEncoder, Neuralogram
from glissando.encoders.gliss_diverse import DIGESTS, VIEWS, View
from glissando.encoders.shipped import shipped_folder
from glissando.errors import GlissandoError, ModelError, RecipeError
from glissando.features import FEATURES, MFCC, SpectralPeaks
from glissando.library import Library, own_blocks
from glissando.metrics import linear_cka, linear_predictability
from glissando.nn import Gate, Transformer, build
from glissando.training import Estimator, Run, export, load_recipe, train
from glissando.training.building import paradigm_of

RATE = 16_000
PITCHES = (48, 55, 60, 67)  # of notes in the data set that is made
KINDS = ("pure", "rich")  # timbres


def note(pitch: float, kind: str, *, seconds: float = 1.6, seed: int = 0) -> np.ndarray:
    """A note: one partial, or ten."""
    rng = np.random.default_rng(seed)
    t = np.arange(int(seconds * RATE)) / RATE
    hz = 440 * 2 ** ((pitch - 69) / 12)
    partials = range(1, 2 if kind == "pure" else 11)
    tone = sum(np.sin(2 * np.pi * (hz * k * t + rng.random())) for k in partials) / len(partials)
    return (0.3 * tone * rng.uniform(0.5, 1.5) + 0.001 * rng.standard_normal(len(t))).astype(np.float32)


def peaks(**changes: Any) -> SpectralPeaks:
    return SpectralPeaks(RATE, **{"n_fft": 2048, "hop": 320, "center": False, "binary": True, **changes})


def test_binary_peaks_are_ones_at_the_partials_whatever_the_level() -> None:
    feature, tone = peaks(floor=40, count=20, highest=4000), torch.from_numpy(note(69, "rich"))[None]
    found = feature(tone)
    assert set(found.unique().tolist()) == {0.0, 1.0} and torch.equal(found, feature(tone * 0.01))
    told = feature.frequencies[found[0, 0].mean(1) > 0.9]
    wanted = torch.arange(440.0, 4000, 440)
    assert len(told) == len(wanted) and (told - wanted).abs().max() <= RATE / 2048
    assert feature.frequencies.max() < 4000 and len(feature.frequencies) == found.shape[2]


def test_peaks_are_counted_and_those_too_soft_are_dropped() -> None:
    t = torch.arange(RATE) / RATE
    tone = sum(level * torch.sin(2 * torch.pi * hz * t) for hz, level in ((500, 1.0), (1500, 0.1), (2500, 0.003)))[None]
    strengths = {floor: peaks(floor=floor, binary=False)(tone)[0, 0, :, 10].count_nonzero() for floor in (15, 35, 55)}
    assert [*strengths.values()] == [1, 2, 3]
    loudest = peaks(floor=55, count=1)(tone)[0, 0]
    assert (loudest.sum(0) == 1).all() and loudest[:, 10].argmax() == round(500 * 2048 / RATE)
    assert not peaks()(torch.zeros(1, RATE)).any()
    for wrong in ({"count": 0}, {"highest": 0.0}):
        with pytest.raises(RecipeError, match="must be"):
            FEATURES.build({"peaks": wrong}, sample_rate=RATE)


def test_frames_of_peaks_and_of_mfccs_are_the_same_moments() -> None:
    pitch, timbre = peaks(), MFCC(RATE, n_fft=2048, hop=320, bands=64, coefficients=12)
    wave = torch.zeros(1, RATE)
    wave[:, 8000:] = torch.from_numpy(note(60, "rich", seconds=0.5))
    assert (pitch.frame_rate, pitch.first) == (timbre.frame_rate, timbre.first)
    first = [int(((x - x[..., :1]).abs().amax((0, 1, 2)) > 0).nonzero()[0]) for x in (pitch(wave), timbre(wave))]
    assert pitch(wave).shape[-1] == timbre(wave).shape[-1] and timbre(wave).shape[2] == 12
    assert abs(first[0] - first[1]) <= 2
    assert abs((0.5 - pitch.first) - first[0] / pitch.frame_rate) <= pitch.first + 0.02


def test_heads_need_not_divide_the_dimension() -> None:
    spec = {"view": {"transformer": {"dim": 64, "depth": 1, "heads": 12, "head_dim": 16}}}
    model = build(spec, torch.zeros(2, 5, 64))
    (layer,) = model.layers()
    assert isinstance(layer, Transformer) and layer.blocks[0].attention.query.weight.shape == (192, 64)
    x = torch.randn(3, 5, 64)
    assert model(x).shape == x.shape
    with pytest.raises(RecipeError, match="heads must divide dim.*head_dim"):
        build({"view": {"transformer": {"dim": 64, "heads": 12}}}, torch.zeros(2, 5, 64))
    with pytest.raises(RecipeError, match="even parts"):
        build({"view": {"transformer": {"dim": 64, "heads": 12, "head_dim": 5}}}, torch.zeros(2, 5, 64))


def test_a_gate_begins_as_the_identity_and_weighs_whole_parts() -> None:
    model = build({"fusion": {"gate": {"parts": 4}}}, torch.zeros(2, 8))
    (layer,) = model.layers()
    assert isinstance(layer, Gate)
    x = torch.randn(5, 8)
    assert torch.equal(model(x), x)
    with torch.no_grad():
        layer.read.bias.copy_(torch.tensor([0.0, 0.0, 0.0, 50.0]))
    weighed = model(x)
    assert torch.allclose(weighed[:, 6:], 4 * x[:, 6:]) and weighed[:, :6].abs().max() < 1e-6
    with pytest.raises(RecipeError, match="parts must divide the dimension, got 3 for 8"):
        build({"fusion": {"gate": {"parts": 3}}}, torch.zeros(2, 8))
    with pytest.raises(RecipeError, match="takes a vector or a sequence"):
        build({"fusion": {"gate": {"parts": 2}}}, torch.zeros(2, 1, 8, 4))


def test_a_feature_as_a_brick_is_that_feature() -> None:
    spec = {"mfcc": {"sample_rate": RATE, "n_fft": 1024, "hop": 320, "bands": 40, "coefficients": 12}}
    wave = torch.from_numpy(note(60, "rich"))[None]
    for given in (wave, wave[:, None, None]):
        model = build({"ear": {"hear": {"feature": spec}}}, given)
        assert torch.equal(model(given), FEATURES.build(spec)(wave)) and not [*model.parameters()]
    with pytest.raises(RecipeError, match="takes a waveform"):
        build({"ear": {"hear": {"feature": spec}}}, torch.zeros(1, 1, 8, 20))
    with pytest.raises(RecipeError, match="there is no feature 'os'"):
        build({"ear": {"hear": {"feature": "os"}}}, wave)
    with pytest.raises(RecipeError, match="has weights of its own"):
        build({"ear": {"hear": {"feature": {"latents": {"codec": "gliss-codec"}}}}}, wave)


def test_likeness_of_known_cases() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((400, 6))
    turned = x @ np.linalg.qr(rng.standard_normal((6, 6)))[0] * 3 + 5
    other = rng.standard_normal((400, 6))
    assert linear_cka(x, turned) == pytest.approx(1) and linear_predictability(x, turned) == pytest.approx(1, abs=1e-3)
    assert linear_cka(x, other) < 0.05 and abs(linear_predictability(x, other)) < 0.06
    half = np.concatenate([x[:, :3], other[:, :3]], 1)  # half of its variance is known
    assert linear_predictability(x, half) == pytest.approx(0.5, abs=0.05)
    assert linear_predictability(x[:, :3], x) == pytest.approx(0.5, abs=0.05)  # it is not symmetric
    assert linear_predictability(x, x[:, :3]) == pytest.approx(1, abs=1e-3)
    assert linear_cka(x, half) == pytest.approx(linear_cka(half, x)) and 0.3 < linear_cka(x, half) < 0.7
    for wrong, said in (((x, x[:9]), "400 and 9 samples"), ((x, np.ones((400, 2))), "same for all")):
        for likeness in (linear_cka, linear_predictability):
            with pytest.raises(GlissandoError, match=said):
                likeness(*wrong)
    with pytest.raises(GlissandoError, match="at least 2 folds"):
        linear_predictability(x, x, folds=1)


@pytest.fixture(scope="module")
def notes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Notes of four pitches and two timbres; eight takes of each, by recording."""
    folder = tmp_path_factory.mktemp("notes")
    path = folder / "notes.pyjama"
    annotations = {}
    with ArrayWriter(folder / "notes_audio.hdf5") as writer:
        for i, (pitch, kind, take) in enumerate([(p, k, t) for p in PITCHES for k in KINDS for t in range(8)]):
            writer.add(f"n{i:03}", note(pitch, kind, seed=i), RATE)
            labels = {"pitch": (str(pitch),), "class": (kind,), "fold": (str(1 + take % 4),)}
            annotations[f"n{i:03}"] = Annotations(labels=labels)
    write_pyjama(path, annotations)
    return path


SMALL = "[{transformer: {dim: 16, depth: 1, heads: 3, head_dim: 8, positions: sinusoidal}}, global_mean]"


def learn(notes: Path, folder: Path, view: str, label: str, *more: str) -> Run:
    count = {"pitch": len(PITCHES), "class": len(KINDS)}[label]
    before = "to_sequence, global_mean, " if view == "network" else ""
    changes = [
        f"task={{classes: {{label: {label}, chunks: true}}}}",
        f"data.name={notes}",
        "data.also=[]",
        "data.split=fold",
        "data.fold=1",
        "data.group=entry",
        f"model.head=[{before}{{linear: {{units: {count}}}}}]",
        "train.epochs=8",
        "train.batch=8",
        "train.rate=0.01",
        "train.augment=[]",
        *([] if view == "network" else [f"model.view={SMALL}"]),
        *more,
    ]
    return train(load_recipe(f"diverse/{view}", changes=changes), folder / view, accelerator="cpu")


@pytest.fixture(scope="module")
def views(notes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All four views, the neuralogram by a network of the same training part."""
    folder = tmp_path_factory.mktemp("views")
    learn(notes, folder, "pitch", "pitch", "model.entry=[to_sequence, {linear: {units: 16, norm: batch}}]")
    learn(notes, folder, "timbre", "class", "model.entry=[to_sequence, {linear: {units: 16, norm: batch}}]")
    learn(notes, folder, "waveform", "class", "train.epochs=1")
    learn(notes, folder, "network", "class", "train.epochs=3")
    learn(notes, folder, "neural", "class", f"feature.neuralogram.run={folder / 'network'}", "train.epochs=3")
    return folder


def test_views_learn_what_they_are_for(views: Path) -> None:
    found = {name: Run.open(views / name).result()["metrics"]["accuracy"]["mean"] for name in VIEWS}
    assert found["pitch"] > 0.9 and found["timbre"] > 0.9, found  # chance is .25 and .5


def test_chunks_are_as_long_as_training_examples(views: Path) -> None:
    estimator = Run.open(views / "timbre").estimator()
    feature = torch.randn(1, 12, 130)
    outputs = estimator.outputs(feature)
    assert outputs.shape == (2, 3)  # 130 frames in stretches of 50, from the beginning to the end
    with torch.no_grad():
        last = estimator.model(feature[None, ..., 80:].float())[0]
    assert torch.allclose(outputs[:, 2], last, atol=1e-5)
    whole = Estimator(load_recipe(views / "timbre" / "recipe.yaml", changes=["task.classes.chunks=false"]))
    assert whole.outputs(feature).shape == (2, 1)


def test_a_neuralogram_is_what_the_network_gives_along_time(views: Path) -> None:
    run = Run.open(views / "network")
    feature = FEATURES.build({"neuralogram": {"run": str(run.folder), "until": "view"}})
    assert isinstance(feature, Neuralogram) and feature.frame_rate == 25 and feature.sample_rate == RATE
    wave = torch.from_numpy(note(60, "rich"))[None]
    network = run.trained()[0]
    with torch.no_grad():
        wanted = network.model.run(network.feature(wave), "entry", "view").flatten(1, 2)[:, None]
        assert torch.allclose(feature(wave), wanted, atol=1e-5) and wanted.shape[2] == 64
    recipe = Run.open(views / "neural").recipe
    assert recipe.feature["neuralogram"]["space"] == feature.space  # what it learned from is kept
    with pytest.raises(ModelError, match="is of the space run:.*but what was learned is of elsewhere"):
        Neuralogram(run=str(run.folder), until="view", space="elsewhere")
    with pytest.raises(ModelError, match="has no part 'middle'; it has entry, view, head"):
        Neuralogram(run=str(run.folder), until="middle")
    with pytest.raises(RecipeError, match="one vector"):
        Neuralogram(run=str(run.folder), until="head")
    for wrong in ({}, {"encoder": "rhythm", "run": "x"}, {"run": "x", "weights": "y"}):
        with pytest.raises(RecipeError, match="name one of them"):
            Neuralogram(**wrong)
    with pytest.raises(ModelError, match="is no trained run"):
        Neuralogram(run=str(views))


def test_a_recording_shorter_than_a_frame_is_filled_up(tmp_path: Path) -> None:
    with ArrayWriter(tmp_path / "short_audio.hdf5") as writer:
        writer.add("click", note(60, "rich", seconds=0.05), RATE)
    write_pyjama(tmp_path / "short.pyjama", {"click": Annotations(labels={"class": ("x",)})})
    (entry,) = DataSet.open(tmp_path / "short.pyjama").values()
    network, _ = paradigm_of(load_recipe("diverse/timbre"), name="timbre")
    found = network.cache(folder=tmp_path / "features").get(entry)
    assert found.shape == (1, 12, 1) and np.allclose(network.hear(entry.read()), found, atol=0.5)


def test_an_export_says_which_network_must_go_with_it(
    views: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    heard = export(Run.open(views / "neural"), tmp_path / "neural").recipe.feature["neuralogram"]["run"]
    assert f"hears {heard}, which is not copied" in caplog.text
    caplog.clear()
    export(Run.open(views / "timbre"), tmp_path / "timbre")
    assert "not copied" not in caplog.text


def test_any_registered_encoder_gives_a_neuralogram() -> None:
    feature, encoder = Neuralogram(encoder="rhythm"), encoders.load("rhythm")
    wave = torch.from_numpy(note(60, "rich", seconds=20))[None]
    with torch.no_grad():
        assert torch.allclose(feature(wave)[:, 0].transpose(1, 2), encoder(wave), atol=1e-6)
    assert (feature.frame_rate, feature.space) == (encoder.card.frame_rate, encoder.card.space_id)
    assert feature.settled() == {"space": encoder.card.space_id}


def test_blocks_of_the_encoder_are_its_views(views: Path) -> None:
    whole = encoders.load("gliss-diverse", weights=views)
    assert isinstance(whole, DiverseEncoder) and whole.card.dim == 4 * 16
    wave = torch.from_numpy(np.concatenate([note(p, "rich", seconds=1) for p in PITCHES]))[None]
    told = whole.outputs(wave)
    assert torch.allclose(told["embedding"].norm(dim=-1), torch.ones(1, told["embedding"].shape[1]), atol=1e-5)
    assert torch.allclose(told["embedding"] * 2, torch.cat([told[name] for name in VIEWS], -1), atol=1e-5)
    for name in VIEWS:
        alone = encoders.load(f"gliss-diverse-{name}", weights=views)
        assert alone.card.block == name and alone.card.space_id != whole.card.space_id
        samples = View.read(views / name).samples
        first = (whole.framing.window - samples) // 2
        given = wave[:, : whole.framing.window]
        heard = alone.encode(given[:, first : first + samples])[name]
        assert torch.allclose(heard, whole.encode(given)[name], atol=1e-5)
    assert not whole.encode(torch.zeros(1, whole.framing.window))["embedding"].any()
    with pytest.raises(ModelError, match="has no run in a folder named pitch or timbre"):
        encoders.load("gliss-diverse", weights=views / "pitch")
    with pytest.raises(ModelError, match="has no run in a folder named waveform"):
        encoders.load("gliss-diverse-waveform", weights=views / "pitch")


def test_views_of_other_rates_are_refused(views: Path, tmp_path: Path) -> None:
    for name in ("pitch", "timbre"):
        shutil.copytree(views / name, tmp_path / name)
    recipe = tmp_path / "timbre" / "recipe.yaml"
    recipe.write_text(recipe.read_text().replace("sample_rate: 16000", "sample_rate: 8000"))
    with pytest.raises(ModelError, match="8000, 16000 Hz, not one"):
        encoders.load("gliss-diverse", weights=tmp_path)


def test_frozen_views_are_fused_by_a_recipe(views: Path, notes: Path, tmp_path: Path) -> None:
    for name, parts in (("fused", ()), ("gated", ("model.view=[global_mean, {gate: {parts: 2}}]",))):
        changes = [
            "task={classes: {label: class}}", f"data.name={notes}", "data.also=[]", "data.split=fold", "data.fold=1",
            "data.group=entry", f"feature.neuralogram.weights={views}", "model.head=[{linear: {units: 2}}]",
            "train.epochs=3", "train.rate=0.03", *parts,
        ]  # fmt: skip
        run = train(load_recipe(f"diverse/{name}", changes=changes), tmp_path / name, accelerator="cpu")
        assert run.result()["metrics"]["accuracy"]["mean"] > 0.9
        assert run.recipe.feature["neuralogram"]["weights"] == str(views.resolve())


def test_parts_begin_with_those_of_several_runs(views: Path, notes: Path, tmp_path: Path) -> None:
    start = {
        part: {"run": str(views / "network"), "part": of}
        for part, of in (("network_entry", "entry"), ("network_view", "view"))
    }
    changes = [
        "task={classes: {label: class}}", f"data.name={notes}", "data.also=[]", "data.split=fold", "data.fold=1",
        "data.group=entry", "train.epochs=1", "train.batch=100", "train.rate=1.0e-9", "train.decay=0",
        *(f"model.{name}_view={SMALL}" for name in VIEWS),
        f"train.start={yaml.safe_dump(start, default_flow_style=True, width=10_000).strip()}",
    ]  # fmt: skip
    recipe = load_recipe("diverse/joint", changes=changes)
    run = train(recipe, tmp_path / "joint", accelerator="cpu")
    theirs, ours = Run.open(views / "network").trained()[0].model, run.trained()[0].model
    for of, part in (("entry", "network_entry"), ("view", "network_view")):
        for wanted, found in zip(theirs.parts[of].parameters(), ours.parts[part].parameters(), strict=True):
            assert torch.allclose(wanted, found, atol=1e-5)
    for wrong, said in (
        ({"middle": {"run": str(views / "network"), "part": "view"}}, "there is no part 'middle'"),
        ({"network_view": {"run": str(views / "network"), "part": "entry"}}, "weights of another model"),
        ({"network_view": {"run": "nowhere", "part": "view"}}, "nowhere"),
    ):
        listed = yaml.safe_dump(wrong, default_flow_style=True, width=10_000).strip()
        with pytest.raises(RecipeError, match=said):
            train(load_recipe("diverse/joint", changes=[*changes[:-1], f"train.start={listed}"]), tmp_path / "wrong")


def test_the_larger_transformer_has_as_many_parameters_as_all_views() -> None:
    def size(name: str) -> int:
        network, _ = paradigm_of(load_recipe(f"diverse/{name}"), name=name)
        return sum(weight.numel() for part in ("entry", "view") for weight in network.model.parts[part].parameters())

    together = sum(size(name) for name in ("network", *VIEWS))
    assert size("waveform-large") == pytest.approx(together, rel=0.07)


def test_shipped_views_are_those_of_their_cards() -> None:
    for name in VIEWS:
        assert View.read(shipped_folder("diverse") / name).digest == DIGESTS[name]
        loaded = encoders.load(f"gliss-diverse-{name}")
        assert loaded.framing.window == View.read(shipped_folder("diverse") / name).samples
    files = [*shipped_folder("diverse").rglob("*.safetensors")]
    assert sum(file.stat().st_size for file in files) < 6_000_000
    whole = encoders.load("gliss-diverse").card
    assert whole.weights_sha256 == hashlib.sha256("".join(DIGESTS[name] for name in VIEWS).encode()).hexdigest()


def test_a_search_says_similar_in_what_way(tmp_path: Path) -> None:
    """By pitch the same note of another timbre is nearest, by timbre another note of the same."""
    (tmp_path / "notes").mkdir()
    names = [f"{kind}{pitch}" for pitch in PITCHES for kind in KINDS]
    for name in names:
        write(tmp_path / "notes" / f"{name}.wav", Audio(note(int(name[4:]), name[:4], seconds=3), RATE))
    runner, library = CliRunner(), str(tmp_path / "library")
    said = runner.invoke(app, ["index", str(tmp_path / "notes"), "--library", library, "-e", "gliss-diverse", "-q"])
    assert said.exit_code == 0, said.output
    opened = Library.open(library)
    assert {"pitch", "timbre", "waveform", "neural"} <= {*opened.store.blocks()}
    assert opened.store.blocks()["timbre"].encoder == "gliss-diverse-timbre"
    for block, part in (("pitch", slice(4, None)), ("timbre", slice(4))):
        others = [f"--weight={one}=0" for one in ("rhythm", "timbre") if one != block]
        asked = ["--library", library, f"--weight={block}=1", *others, "-k", "1", "--format", "json"]
        found = {}
        for name in names:
            said = runner.invoke(app, ["search", str(tmp_path / "notes" / f"{name}.wav"), *asked])
            found[name] = Path(json.loads(said.output)[0]["path"]).stem
        assert all(name != one for name, one in found.items())
        assert sum(name[part] == one[part] for name, one in found.items()) >= 7, (block, found)
    assert own_blocks("gliss-diverse") == {name: f"gliss-diverse-{name}" for name in VIEWS}
    assert own_blocks("rhythm") == {"rhythm": "rhythm"}
