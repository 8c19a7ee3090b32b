"""What generators share: latents as a feature, what they are told, pairs that are held out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from notes import INSTRUMENTS, PITCHES, RATE, make_codec, make_notes

from glissando.codecs import Latents
from glissando.data import (
    Annotations,
    ArrayWriter,
    Beginnings,
    DataSet,
    FeatureCache,
    load,
    split_combinations,
    write_pyjama,
)
from glissando.errors import ModelError, RecipeError
from glissando.training import Conditions, Generative, Run, load_recipe, shipped
from glissando.training.building import paradigm_of


@pytest.fixture(scope="session")
def notes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_notes(tmp_path_factory.mktemp("notes"))


@pytest.fixture(scope="session")
def codec(notes: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return make_codec(notes, tmp_path_factory.mktemp("codec") / "run")


def test_latents_are_a_feature_that_sounds(notes: Path, codec: Run) -> None:
    feature = Latents(weights=str(codec.folder))
    waveform = torch.from_numpy(load(notes)["reed-57-f"].read())[None]
    heard = feature(waveform)
    assert heard.shape == (1, 1, feature.codec.card.dim, -(-waveform.shape[1] // feature.hop))
    assert torch.equal(heard[0, 0].T, feature.codec(waveform)[0])
    sound = feature.invert(heard)
    spectrum = torch.fft.rfft(sound[0]).abs()
    assert abs(int(spectrum.argmax()) * RATE / sound.shape[1] - 220) < 4, "the pitch is kept"
    assert feature.invert(feature.silence()[None].expand(-1, -1, -1, 9)).abs().max() < 0.01
    assert feature.first == pytest.approx(feature.hop / 2 / RATE) and not any(
        x.requires_grad for x in feature.parameters()
    )


def test_codecs_are_not_confused(notes: Path, codec: Run, tmp_path: Path) -> None:
    one = Latents(weights=str(codec.folder))
    other = make_codec(notes, tmp_path / "other", seed=1).folder
    with pytest.raises(ModelError, match=f"is a codec of the space gliss-codec:.*learned is of {one.space}") as caught:
        Latents(weights=str(other), space=one.space)
    assert "\n" not in str(caught.value)
    spec = {"latents": {"weights": "the same path"}}
    caches = [FeatureCache(each, spec, folder=tmp_path) for each in (one, Latents(weights=str(other)))]
    assert caches[0].folder != caches[1].folder, "what a path led to once is not what it leads to now"
    assert one.settled() == {"weights": str(codec.folder.resolve()), "space": one.space}


def test_beginnings_start_with_the_note_and_end_in_silence(notes: Path, codec: Run, tmp_path: Path) -> None:
    with ArrayWriter(tmp_path / "late_audio.hdf5") as writer:
        tone = np.sin(np.arange(RATE // 4) * 0.2).astype(np.float32)
        writer.add("late", np.concatenate([np.zeros(RATE), tone]).astype(np.float32), RATE)
        writer.add("early", tone, RATE)
    late = Annotations(np.array([[1.0, 1.2, 60.0]]))
    write_pyjama(tmp_path / "late.pyjama", {"late": late, "early": Annotations()})
    feature = Latents(weights=str(codec.folder))
    data, cache = load(tmp_path / "late.pyjama"), FeatureCache(feature, "x", folder=tmp_path)
    made = Beginnings(cache, [*data.values()], frames=16, silence=feature.silence())
    assert len(made) == 2 and made[0]["feature"].shape == (1, feature.codec.card.dim, 16)
    assert made[0]["feature"].dtype == torch.float32
    sounding = round(0.25 * feature.frame_rate)
    assert torch.allclose(made[1]["feature"][..., -4:], feature.silence().half().float())
    assert (made[0]["feature"][..., 2:4] - made[1]["feature"][..., 2:4]).abs().mean() < 0.2
    assert not torch.allclose(made[0]["feature"][..., sounding - 2], feature.silence()[..., 0], atol=0.1)
    with pytest.raises(RecipeError, match="no entry"):
        Beginnings(cache, [], frames=16, silence=feature.silence())
    with pytest.raises(IndexError):
        made[2]


def test_pairs_are_held_out_and_nothing_is_unseen(notes: Path) -> None:
    data = load(notes)
    split = split_combinations(data, fractions={"train": 0.6, "valid": 0.2, "test": 0.2}, seed=1)
    pairs = {
        part: {(data[key].annotations.instrument, data[key].annotations.pitch) for key in keys}
        for part, keys in split.parts.items()
    }
    assert not pairs["train"] & pairs["test"] and not pairs["valid"] & (pairs["train"] | pairs["test"])
    assert {one for one, _ in pairs["train"]} == {*INSTRUMENTS} and {one for _, one in pairs["train"]} == {*PITCHES}
    assert sum(map(len, split.parts.values())) == len(data) and len(split.parts["test"]) == 4, "two pairs, both layers"
    split.check(data)
    moved = {**split.parts, "train": (*split.parts["train"], split.parts["test"][0]), "test": split.parts["test"][1:]}
    with pytest.raises(RecipeError, match="leaks combination"):
        type(split)(split.data, moved, split.group).check(data)
    assert split_combinations(data, fractions={"train": 0.6, "valid": 0.2, "test": 0.2}, seed=1) == split
    few = DataSet("few", {key: entry for key, entry in data.items() if key.startswith("reed")})
    with pytest.raises(RecipeError, match="too few can be held out"):
        split_combinations(few)


def test_conditions(notes: Path) -> None:
    data = load(notes)
    vocabulary = Conditions.settle([entry.annotations for entry in data.values()])
    assert vocabulary["instrument"] == ["reed", "string"] and vocabulary["pitch"] == [str(one) for one in PITCHES]
    conditions = Conditions(vocabulary, 12)
    soft, loud = (conditions.of(data[f"string-60-{name}"]) for name in "pf")
    assert soft == conditions.numbers({"instrument": "string", "pitch": 60, "loudness": "p"})
    assert loud[:2] == soft[:2] and loud[2] == 4
    assert conditions.numbers({}) == [0, 0, 0] == conditions.numbers({"pitch": None})
    rows = torch.tensor([soft, loud, [0, 0, 0]])
    assert conditions(rows).shape == (3, 12) and not torch.equal(conditions(rows)[0], conditions(rows)[1])
    torch.manual_seed(0)
    many = conditions.dropped(rows[:1].expand(4000, -1), 0.1)
    told_all, told_nothing = (many == rows[0]).all(1).double().mean(), (many == 0).all(1).double().mean()
    assert float(told_nothing) == pytest.approx(0.1, abs=0.02) and float(told_all) == pytest.approx(0.9**4, abs=0.03)
    assert torch.equal(conditions.dropped(rows, 0.0), rows)
    assert Conditions({}, 4).numbers({}) == [0, 0, 0]


def test_words_of_instruments() -> None:
    names = ["classical guitar", "electric guitar", "guitar harmonics", "violin"]
    conditions = Conditions({"instrument": names}, 4)
    assert conditions.instruments("guitar") == names[:3] and conditions.instruments("Electric Guitar") == names[1:2]
    assert conditions.instruments("violin") == ["violin"]
    assert conditions.instruments("viol") == ["viol"], "parts of words mean nothing"


@pytest.mark.parametrize(
    ("wanted", "sentence"),
    [
        ({"instrument": "strng"}, "no instrument 'strng'; did you mean 'string'? It knows reed, string"),
        ({"pitch": 58}, "no pitch '58'; it knows MIDI pitches from 57 to 67: 57, 60, 64, 67"),
        ({"loudness": "fff"}, "no loudness 'fff'; it knows p, mp, mf, f"),
        ({"colour": "red"}, "is told instrument, pitch, loudness; there is no 'colour'"),
    ],
)
def test_what_is_not_known_is_said(notes: Path, wanted: dict[str, object], sentence: str) -> None:
    conditions = Conditions(Conditions.settle([entry.annotations for entry in load(notes).values()]), 4)
    with pytest.raises(ModelError) as caught:
        conditions.numbers(wanted)
    assert sentence in str(caught.value) and "\n" not in str(caught.value)


def test_general_midi_has_names() -> None:
    from glissando.data.general_midi import PROGRAMS

    assert len(PROGRAMS) == len({*PROGRAMS}) == 128
    assert Annotations(labels={"instrument": ("24",)}).instrument == "nylon guitar"
    assert Annotations(labels={"instrument": ("banjo",)}).instrument == "banjo"
    assert Annotations(labels={"instrument": ("24", "25")}).instrument is None
    assert (
        Annotations(np.array([[0, 1, 60.2]])).pitch == 60
        and Annotations(np.array([[0, 1, 60], [1, 2, 61]])).pitch is None
    )


@pytest.mark.parametrize("name", [name for name in shipped() if name.startswith("generate/")])
def test_shipped_recipes_build(name: str, codec: Run) -> None:
    latents = "latents" in load_recipe(name).feature
    recipe = load_recipe(name, changes=[f"feature.latents.weights={codec.folder}"] if latents else [])
    if "leave" in recipe.model:  # those that make latents themselves end in the codec's dimensions, here 16
        leave = json.loads(json.dumps(recipe.model["leave"]).replace('"units": 64', '"units": 16'))
        recipe = recipe.model_copy(update={"model": {**recipe.model, "leave": leave}})
    _, paradigm = paradigm_of(recipe, name=name)
    assert isinstance(paradigm, Generative) and recipe.data.split == "combination"
    assert paradigm.conditions.numbers({}) == [0, 0, 0]


def test_a_codec_whose_recipe_leaves_the_patch_out_is_found(notes: Path, tmp_path: Path) -> None:
    run = make_codec(notes, tmp_path / "run", patch=128)
    assert "patch" not in (run.folder / "recipe.yaml").read_text()
    assert Latents(weights=str(run.folder)).hop == 512
