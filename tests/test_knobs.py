"""Knobs: components of latents, what they do to decoded sounds, and the properties by which that is measured."""

from __future__ import annotations

import importlib
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from notes import RATE, make_codec, make_notes
from safetensors.torch import save_file
from typer.testing import CliRunner, Result

from glissando import codecs
from glissando.audio import Audio, read, write
from glissando.codecs import Codec
from glissando.data import recordings
from glissando.errors import GlissandoError, ModelError, RecipeError
from glissando.latent import Knobs, bend, fit_knobs, hear, knobs_file, load_knobs, measure, save_knobs
from glissando.metrics import PROPERTIES, sound_properties

TIME = np.arange(RATE) / RATE


def tone(hz: float, *, attack: float = 0.01, decay: float = 0.2, level: float = 0.3) -> np.ndarray:
    """Harmonics that rise on a line and fall off."""
    wave = sum(np.sin(2 * np.pi * hz * h * TIME) / h for h in (1, 2, 3))
    return level * wave * np.where(attack > TIME, TIME / attack, np.exp(-(TIME - attack) / decay))


def test_properties_are_those_of_the_sound() -> None:
    found = sound_properties(tone(220), RATE)
    assert {*found} == {*PROPERTIES} and found["pitch"] == pytest.approx(220, rel=0.01)
    assert found["loudness"] == pytest.approx(10 * np.log10(np.mean(tone(220) ** 2)))
    assert sound_properties(tone(220, level=0.15), RATE)["loudness"] == pytest.approx(
        found["loudness"] - 6.02, abs=0.01
    )
    pure = sound_properties(0.3 * np.sin(2 * np.pi * 1000 * TIME), RATE)
    assert pure["brightness"] == pytest.approx(1000, rel=0.02)
    noise = sound_properties(np.random.default_rng(0).normal(size=RATE), RATE)
    assert noise["noisiness"] == pytest.approx(-2.5, abs=1) and pure["noisiness"] < -40
    slow = sound_properties(tone(220, attack=0.4, decay=0.1), RATE)
    assert slow["attack"] == pytest.approx(0.32, abs=0.03) and slow["decay"] == pytest.approx(0.23, abs=0.03)
    assert found["attack"] < 0.02 and found["decay"] == pytest.approx(0.46, abs=0.04)
    for bad in (np.zeros(RATE), np.full(RATE, np.nan), np.array([])):
        assert all(math.isnan(value) for value in sound_properties(bad, RATE).values())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("knobs")
    make_codec(make_notes(place), place / "codec")
    make_codec(place / "notes.pyjama", place / "other", seed=1)
    (place / "sounds").mkdir()
    for number in range(12):
        sound = tone(150 * 2 ** (number / 6), decay=0.1 + 0.02 * number, level=0.05 * (1 + number % 4))
        write(place / "sounds" / f"{number:02}.wav", Audio(sound.astype(np.float32), RATE))
    return place


@pytest.fixture(scope="module")
def codec(folder: Path) -> Codec:
    return codecs.load("gliss-codec", weights=folder / "codec")


@pytest.fixture(autouse=True)
def own_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLISSANDO_DATA", str(tmp_path / "data"))


@pytest.mark.parametrize("method", ["pca", "ica"])
def test_components_are_found(method: str) -> None:
    """Three independent sources of unit variance, of unlike strength, in six dimensions."""
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.normal(size=(6, 6)))[0][:3]
    skewed = np.array([[1.0, 0.0, 0.0], [0.5, 0.7, 0.0], [0.0, 0.3, 0.4]]) @ basis
    mixing = skewed if method == "ica" else np.diag([3.0, 2.0, 1.0]) @ basis
    sources = rng.uniform(-math.sqrt(3), math.sqrt(3), (20_000, 3))
    latents = (sources @ mixing + 5).astype(np.float32)
    knobs = fit_knobs("toy:0", latents, method=method, count=3)
    order = np.argsort(-np.linalg.norm(mixing, axis=1))
    for found, wanted in zip(knobs.vectors.numpy(), mixing[order], strict=True):
        assert min(np.abs(found - wanted).max(), np.abs(found + wanted).max()) < 0.06
        assert found[np.abs(found).argmax()] > 0
    again = fit_knobs("toy:0", latents, method=method, count=3)
    assert torch.equal(knobs.vectors, again.vectors)
    z, turns = torch.zeros(2, 5, 6), torch.tensor([[0.0, 2.0, 0.0], [0.0, 0.0, 0.0]])
    assert (
        torch.allclose(knobs(z, turns=turns)[0], 2 * knobs.vectors[1].expand(5, 6))
        and not knobs(z, turns=turns)[1].any()
    )
    assert np.allclose(knobs.turned(z[0].numpy(), 2, 2.0), knobs(z, turns=turns)[0].numpy())


def test_turning_is_measured_on_decoded_sounds(codec: Codec, folder: Path) -> None:
    latents, examples = hear(codec, recordings(folder / "sounds"), examples=2)
    assert len(examples) == 2 and examples.shape[2] == latents.shape[1] == codec.card.dim
    louder = codecs.encode(codec, Audio(tone(300, level=0.4).astype(np.float32), RATE)).values[:12].mean(0)
    softer = codecs.encode(codec, Audio(tone(300, level=0.2).astype(np.float32), RATE)).values[:12].mean(0)
    knobs = Knobs(codec.card.space_id, torch.from_numpy(np.stack([louder - softer, 0 * louder])))
    loud, nothing = measure(codec, knobs, examples)
    assert loud["loudness"] > 0.9 and {*loud} == {*PROPERTIES} and all(abs(value) <= 1 for value in loud.values())
    assert nothing == dict.fromkeys(PROPERTIES, 0.0)


def test_knobs_are_kept_for_their_space(codec: Codec, folder: Path) -> None:
    knobs = fit_knobs(codec.card.space_id, hear(codec, recordings(folder / "sounds"))[0], count=2)
    knobs.meaning = [dict.fromkeys(PROPERTIES, 0.5), dict.fromkeys(PROPERTIES, -0.5)]
    path = save_knobs(knobs)
    again = load_knobs("pca", codec.card)
    assert torch.equal(again.vectors, knobs.vectors) and again.meaning == knobs.meaning
    other = codecs.load("gliss-codec", weights=folder / "other").card
    with pytest.raises(ModelError, match="no principal components were learned for .*; use: gliss knobs learn DIR"):
        load_knobs("pca", other)
    target = knobs_file(other.space_id, "pca")
    target.parent.mkdir(parents=True)
    target.write_bytes(path.read_bytes())
    with pytest.raises(ModelError, match=f"is a set of knobs of the space {codec.card.space_id}, not of"):
        load_knobs("pca", other)
    for tensors in ({"vectors": torch.zeros(2, 3)}, {"other": torch.zeros(2, 16)}):
        save_file(tensors, path, metadata={"space_id": codec.card.space_id, "meaning": "[["})
        with pytest.raises(ModelError, match="holds no knobs of gliss-codec"):
            load_knobs("pca", codec.card)
    with pytest.raises(ModelError, match="there is no knob 3; there are 1 to 2 of principal components"):
        knobs.turned(np.zeros((4, 16), np.float32), 3, 1.0)


def test_bad_sounds_are_refused(codec: Codec, tmp_path: Path) -> None:
    write(tmp_path / "silence.wav", Audio(np.zeros(RATE, np.float32), RATE))
    with pytest.raises(RecipeError, match="no knobs can be learned from these 1 recordings: they are silent"):
        hear(codec, recordings(tmp_path))
    (tmp_path / "silence.wav").write_bytes(b"RIFFnothing")
    with pytest.raises(RecipeError, match="silence.wav"):
        hear(codec, recordings(tmp_path))
    with pytest.raises(RecipeError, match="4 latents are too few for 8 knobs"):
        fit_knobs("toy:0", np.zeros((4, 16), np.float32))


def call(verb: str, *words: object) -> Result:
    app = importlib.import_module(f"glissando.cli.{verb}").app
    return CliRunner().invoke(app, [str(word) for word in words])


def test_the_commands(codec: Codec, folder: Path, tmp_path: Path) -> None:
    weights = ["--weights", folder / "codec"]
    done = call("knobs", "learn", folder / "sounds", *weights, "-n", 2, "--out", tmp_path / "out")
    assert done.exit_code == 0 and "loudness" in done.output, done.output
    files = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert len(files) == 11 and "pca2+1.wav" in files and "sheet.png" in files
    sound = read(tmp_path / "out" / "pca1-2.wav")
    assert sound.sample_rate == RATE and np.abs(sound.samples).max() <= 1
    assert call("knobs", "show", *weights).output in done.output
    knobs, path = load_knobs("pca", codec.card), folder / "sounds" / "03.wav"
    done = call("bend", path, *weights, "--knob", "2=+1.5", "--knob", "1=-0.5", "-o", tmp_path / "bent.wav")
    assert done.exit_code == 0, done.output
    expected = bend(codec, read(path), then=lambda z: knobs.turned(knobs.turned(z, 2, 1.5), 1, -0.5))
    assert np.allclose(read(tmp_path / "bent.wav").samples, expected.samples, atol=1e-4)
    for text, sentence in [
        ("3=1", "there is no knob 3"),
        ("ica1=1", "no independent components were learned"),
        ("x=1", "'x' is no knob; write --knob 3=+2"),
        ("1", "is no name with a number"),
    ]:
        done = call("bend", path, *weights, "--knob", text, "-o", tmp_path / "no.wav")
        assert isinstance(done.exception, GlissandoError) and sentence in str(done.exception)
    assert not (tmp_path / "no.wav").exists()
    assert call("knobs", "learn", folder / "sounds", "--method", "nmf").exit_code == 2
