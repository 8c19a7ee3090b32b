"""Effect directions: learned from sounds dry and wet, kept for one space, added by strength."""

from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np
import pytest
import torch
from notes import RATE, make_codec, make_notes
from safetensors import safe_open
from safetensors.torch import save_file
from typer.testing import CliRunner, Result

from glissando import codecs
from glissando.audio import Audio, read, write
from glissando.codecs import Codec
from glissando.data import Recording, recordings
from glissando.errors import GlissandoError, ModelError, RecipeError
from glissando.latent import (
    KINDS,
    EffectPairs,
    EffectTranslator,
    bend,
    effect_pairs,
    known_directions,
    left,
    load_direction,
    moved,
    paired,
    save_direction,
)
from glissando.latent.directions import Direction


def echo(dry: np.ndarray) -> np.ndarray:
    """A tenth of a second later again, four times."""
    wet, step = dry.copy(), RATE // 10
    for number in range(1, 5):
        wet[number * step :] += 0.7**number * dry[: -number * step]
    return wet


def tune(seed: int) -> np.ndarray:
    """Short notes, each after silence."""
    rng, time = np.random.default_rng(seed), np.arange(RATE // 2) / RATE
    notes = []
    for _ in range(6):
        hz = 440 * 2 ** (rng.integers(-12, 12) / 12)
        tone = sum(np.sin(2 * np.pi * hz * h * time) / h for h in (1, 2, 3)) * np.exp(-20 * time)
        notes.append(rng.uniform(0.05, 0.3) * tone)
    return np.concatenate(notes).astype(np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("directions")
    make_codec(make_notes(place), place / "codec")
    make_codec(place / "notes.pyjama", place / "other", seed=1)
    for side in ("dry", "wet"):
        (place / side).mkdir()
    for number in range(8):
        dry = tune(number)
        write(place / "dry" / f"{number}.wav", Audio(dry, RATE))
        write(place / "wet" / f"{number}.flac", Audio(echo(dry), RATE))
    return place


@pytest.fixture(scope="module")
def codec(folder: Path) -> Codec:
    return codecs.load("gliss-codec", weights=folder / "codec")


@pytest.fixture(scope="module")
def sides(codec: Codec, folder: Path) -> tuple[EffectPairs, EffectPairs]:
    sounds = paired(recordings(folder / "dry"), recordings(folder / "wet"))
    assert len(sounds) == 8 and all(Path(a.key).stem == Path(b.key).stem for a, b in sounds)
    return effect_pairs(codec, sounds).split(seed=1)


@pytest.fixture(scope="module")
def fitted(sides: tuple[EffectPairs, EffectPairs]) -> dict[str, Direction]:
    return {name: kind.fit(sides[0], steps=250, hidden=64) for name, kind in KINDS.items()}


@pytest.fixture(autouse=True)
def own_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLISSANDO_DATA", str(tmp_path / "data"))


def test_windows_are_of_the_sounds_that_were_given(
    codec: Codec, folder: Path, sides: tuple[EffectPairs, EffectPairs]
) -> None:
    part, held = sides
    assert not {*part.groups} & {*held.groups} and len(held.groups) == 2 * 2
    latents = codecs.encode(codec, read(folder / "dry" / "0.wav")).values
    first = next(one for one in (part, held) if any(name.endswith("0.wav") for name in one.groups))
    row = next(i for i, name in enumerate(first.groups) if name.endswith("0.wav"))
    frames = first.heard.shape[1]
    assert np.allclose(first.dry[row, : first.past], first.silence)
    assert np.allclose(first.dry[row, first.past :], latents[:frames], atol=1e-3)
    wet = codecs.encode(codec, read(folder / "wet" / "0.flac")).values
    assert np.allclose(first.wet[-1, row], wet[:frames], atol=1e-3)
    assert np.allclose(first.dry[row + 1, : first.past], latents[frames - first.past : frames], atol=1e-3)
    assert first.heard[row].all() and first.heard[row + 1].sum() == len(latents) - frames
    assert 0 < part.consistency() < 1


def test_directions_come_nearer_to_the_effect(
    sides: tuple[EffectPairs, EffectPairs], fitted: dict[str, Direction]
) -> None:
    rest = {name: left(direction, sides[1], strengths=(1.0,)) for name, direction in fitted.items()}
    assert rest["translator"] < 0.75 and rest["translator"] < rest["clusters"] < rest["mean"] + 0.05 < 1.05, rest
    assert left(fitted["translator"], sides[1]) < 0.85, "at all strengths"


@pytest.mark.parametrize("kind", KINDS)
def test_strength_is_continuous_and_none_is_none(
    kind: str, fitted: dict[str, Direction], sides: tuple[EffectPairs, EffectPairs]
) -> None:
    z = sides[1].dry[0]
    found = [moved(fitted[kind], z, strength) for strength in (0.0, 0.01, 1.0)]
    assert np.array_equal(found[0], z) and not np.array_equal(found[2], z)
    assert 0 < np.abs(found[1] - z).max() < 0.2 * np.abs(found[2] - z).max()
    batch = torch.from_numpy(sides[1].dry[:2])
    each = fitted[kind](batch, strength=torch.tensor([0.0, 1.0]))
    assert torch.equal(each[0], batch[0]), "a strength for each"
    assert np.allclose(each[1].numpy(), moved(fitted[kind], sides[1].dry[1], 1.0), atol=1e-5)


def test_training_is_reproducible(sides: tuple[EffectPairs, EffectPairs]) -> None:
    first, again = (KINDS["translator"].fit(sides[0], steps=20, hidden=16, seed=3) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first.state_dict().values(), again.state_dict().values(), strict=True))


def test_noise_makes_a_change_even(sides: tuple[EffectPairs, EffectPairs]) -> None:
    part, held = sides
    z = torch.from_numpy(held.dry)
    blur = 0.3 * z.std() * torch.randn(z.shape, generator=torch.Generator().manual_seed(0))
    jumps = []
    for noise in (0.0, 1.0):
        learned = EffectTranslator.fit(part, steps=100, hidden=64, noise=noise)
        change, near = (learned(one, strength=1.0) - one for one in (z, z + blur))
        jumps.append(float((near - change).norm() / change.norm()))
    assert jumps[1] < 0.9 * jumps[0], jumps


def test_decoded_magnitudes_count_where_a_codec_has_them(sides: tuple[EffectPairs, EffectPairs], codec: Codec) -> None:
    part, _ = sides
    codec.requires_grad_(False)
    wanted = codec.magnitudes(torch.from_numpy(part.wet[-1]))
    assert wanted is not None
    rest = []
    for magnitudes in (None, codec.magnitudes, lambda _: None):
        learned = EffectTranslator.fit(part, steps=150, hidden=64, magnitudes=magnitudes)
        made = codec.magnitudes(learned(torch.from_numpy(part.dry), strength=1.0)[:, part.past :])
        assert made is not None
        rest.append(float((made - wanted).norm() / wanted.norm()))
    assert rest[1] < 0.9 * min(rest[0], rest[2]), rest


@pytest.mark.parametrize("kind", KINDS)
def test_directions_are_kept_for_their_space(
    kind: str, fitted: dict[str, Direction], codec: Codec, folder: Path, sides: tuple[EffectPairs, EffectPairs]
) -> None:
    path = save_direction(fitted[kind], "echo", {"source": "a test"})
    again = load_direction("echo", codec.card)
    assert np.array_equal(moved(again, sides[1].dry[0], 0.7), moved(fitted[kind], sides[1].dry[0], 0.7))
    (known,) = known_directions()
    assert known.name == "echo" and known.about["kind"] == kind and known.about["source"] == "a test"
    other = codecs.load("gliss-codec", weights=folder / "other").card
    with pytest.raises(ModelError, match=f"is a direction of the space {codec.card.space_id}, not of {other.space_id}"):
        load_direction(path, other)
    with pytest.raises(ModelError, match="there is no such direction for .*; learn one with"):
        load_direction("echo", other)
    with pytest.raises(ModelError, match="there is no such direction for .*; there are echo"):
        load_direction("../echo", codec.card)


def test_damaged_and_hostile_files_are_refused(fitted: dict[str, Direction], codec: Codec, tmp_path: Path) -> None:
    path = save_direction(fitted["translator"], "echo")
    with safe_open(path, "pt") as file:
        about, state = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    bad = tmp_path / "bad.safetensors"
    cases = [
        ({**state, "silence": state["silence"][:3].contiguous()}, about, "other tensors than a direction's"),
        ({**state, "silence": state["silence"][:0].contiguous()}, about, "other tensors than a direction's"),
        ({"vector": torch.zeros(3)}, {**about, "kind": "mean"}, "other tensors than a direction's"),
        (state, {**about, "kind": "os.system"}, "other tensors than a direction's"),
        ({**state, "scale": torch.tensor([np.nan])}, about, "NaN"),
        (state, {}, "is a direction of the space None"),
    ]
    for tensors, told, sentence in cases:
        save_file(tensors, bad, metadata=told)
        with pytest.raises(ModelError, match=sentence):
            load_direction(bad, codec.card)
    bad.write_bytes(b"nothing")
    with pytest.raises(ModelError, match="can't be read as a direction"):
        load_direction(bad, codec.card)
    for name in ("", "../up", "a b", "x" * 99):
        with pytest.raises(ModelError, match="can't be the name of a direction"):
            save_direction(fitted["mean"], name)


def test_bad_pairs_are_refused(codec: Codec, folder: Path, tmp_path: Path) -> None:
    write(tmp_path / "silence.wav", Audio(np.zeros(RATE, np.float32), RATE))
    silence = Recording("silence.wav", tmp_path / "silence.wav")
    with pytest.raises(RecipeError, match="all sounds are silent or can't be read"):
        effect_pairs(codec, [(silence, silence)])
    with pytest.raises(RecipeError, match="have no wet file of the same name"):
        paired(recordings(folder / "dry"), [silence, silence])
    gone, one = Recording("gone.wav", tmp_path / "gone.wav"), recordings(folder / "dry")[0]
    made = effect_pairs(codec, [(gone, gone), (one, one)])
    assert [failure.key for failure in made.failed] == ["gone.wav"] and {*made.groups} == {one.key}
    with pytest.raises(RecipeError, match="needs three windows"):
        made.part(np.arange(len(made.groups)) < 1).split()


def call(verb: str, *words: object) -> Result:
    app = importlib.import_module(f"glissando.cli.{verb}").app
    return CliRunner().invoke(app, [str(word) for word in words])


def test_the_commands(folder: Path, codec: Codec, tmp_path: Path) -> None:
    assert "none yet" in call("direction", "list").output
    words = ["learn", "--dry", folder / "dry", "--wet", folder / "wet", "--name", "echo", "--kind", "clusters"]
    done = call("direction", *words, "--weights", folder / "codec")
    assert done.exit_code == 0 and "of the way to wet is left" in done.output, done.output
    listed = call("direction", "list").output
    assert "echo" in listed and "clusters" in listed and "wet on dry" in listed
    sound = folder / "dry" / "0.wav"
    done = call("bend", sound, "--weights", folder / "codec", "--add", "echo=0.7", "-o", tmp_path / "out.wav")
    assert done.exit_code == 0, done.output
    direction = load_direction("echo", codec.card)
    expected = bend(codec, read(sound), then=lambda z: moved(direction, z, 0.7))
    assert np.allclose(read(tmp_path / "out.wav").samples, expected.samples, atol=1e-4)
    quiet = slice(RATE // 10, RATE // 5)  # an echo is here, and the note is nearly over
    assert np.square(expected.samples[quiet]).sum() > np.square(bend(codec, read(sound)).samples[quiet]).sum()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            ["bend", "dry/0.wav", "--add", "echo"],
            "--add echo: is no name with a number up to 100; write --add reverb=0.7",
        ),
        (["bend", "dry/0.wav", "--add", "echo=nan"], "is no name with a number"),
        (["bend", "dry/0.wav", "--add", "echo=1"], "there is no such direction"),
        (["direction", "learn", "--dry", "dry", "--wet", "wet", "--name", "a/b"], "can't be the name of a direction"),
        (["direction", "learn", "--dry", "nowhere", "--wet", "wet"], "nowhere"),
        (["direction", "learn", "--dry", "dry", "--effect", "Reverb(size"], "is no effect"),
    ],
)
def test_bad_commands_are_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], sentence: str
) -> None:
    monkeypatch.chdir(folder)
    done = call(*words, "--weights", "codec")
    assert isinstance(done.exception, GlissandoError) and sentence in str(done.exception)
    assert call("direction", "learn", "--dry", "dry").exit_code == 2
    assert call("direction", "learn", "--dry", "dry", "--wet", "wet", "--kind", "x").exit_code == 2


def test_an_effect_by_name(folder: Path) -> None:
    pytest.importorskip("pedalboard")
    words = ["learn", "--dry", folder / "dry", "--effect", "Reverb(room_size=0.8)", "--kind", "mean"]
    done = call("direction", *words, "--weights", folder / "codec")
    assert done.exit_code == 0, done.output
    (known,) = known_directions()
    assert known.name == "reverb" and known.about["source"] == "Reverb(room_size=0.8) on dry"
    assert 0 < float(known.about["left"]) < 1
