"""Mixing spaces: embeddings that add up where sounds are mixed, what they sound like, and what completes a mix."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import song
from notes import RATE, make_codec, make_notes
from torch import Tensor
from typer.testing import CliRunner, Result

from glissando import Library, codecs, encoders
from glissando.audio import Audio, read, write
from glissando.codecs import Codec
from glissando.data import load
from glissando.errors import ExpressionError, ModelError, QueryError, RecipeError
from glissando.latent import MixingSpace, load_mixing, missing_part, mixed
from glissando.nn import ACTIVATIONS
from glissando.training import Mixtures, Run, load_recipe, read_recipe, train, validated
from glissando.training.building import paradigm_of

UNITS = 12


def small(place: Path, **changes: Any) -> dict[str, Any]:
    """The shipped recipe for the tests' notes and their codec."""
    content = read_recipe("mixing/gliss-mixing")
    content["data"] = {
        "name": str(place / "notes.pyjama"), "split": "entry", "shares": [0.7, 0.1, 0.2], "patch": 10, "per_entry": 16,
    }  # fmt: skip
    content["feature"] = {"latents": {"codec": "gliss-codec", "weights": str(place / "codec")}}
    project, restore = content["model"]["project"], content["model"]["restore"]
    project[1]["linear"]["units"], project[2]["linear"]["units"] = 24, UNITS
    restore[0]["linear"]["units"], restore[2]["linear"]["units"] = 24, 32
    restore[3]["linear"]["units"] = restore[6]["linear"]["units"] = 16
    content["train"] = {"epochs": 80, "batch": 16, "rate": 0.005, "patience": 80}
    return {**content, **changes}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mixing")
    make_codec(make_notes(folder), folder / "codec")
    make_codec(folder / "notes.pyjama", folder / "other", seed=1)
    return folder


@pytest.fixture(scope="module")
def codec(place: Path) -> Codec:
    return codecs.load("gliss-codec", weights=place / "codec")


@pytest.fixture(scope="module")
def run(place: Path) -> Run:
    return train(validated(small(place), "mixing"), place / "run", accelerator="cpu")


@pytest.fixture(scope="module")
def space(codec: Codec, run: Run) -> MixingSpace:
    return load_mixing(codec, run.folder)


@pytest.fixture(scope="module")
def latents(place: Path) -> Tensor:
    """Latents of two parts and their mix, [mixes, 3, latents, dim], others than in training."""
    feature = paradigm_of(validated(small(place), "mixing"), name="mixing")[0].feature
    entries = [*load(place / "notes.pyjama").values()]
    mixtures = Mixtures(feature, entries, latents=10, count=4, seed=7)  # type: ignore[arg-type]
    return torch.stack([mixtures[i]["latents"] for i in range(len(mixtures))])


def relative(total: Tensor, mix: Tensor) -> float:
    """Error of sums over the mean distance between mixes."""
    return float((total - mix).norm(dim=1).mean() / torch.cdist(mix, mix).mean())


@torch.inference_mode()
def test_sums_are_nearer_to_the_mix_than_by_the_best_scalar(space: MixingSpace, latents: Tensor) -> None:
    a, b, mix = ((one - space.silence).mean(1) for one in latents.unbind(1))
    factor = ((a + b) * mix).sum() / (a + b).square().sum()
    ours = [space.project(one).mean(1) for one in latents.unbind(1)]
    assert ours[0].shape[1] == UNITS
    assert relative(ours[0] + ours[1], ours[2]) < 0.7 * relative(factor * (a + b), mix)
    found = torch.cdist(ours[0] + ours[1], ours[2]).argmin(1)
    assert (found == torch.arange(len(found))).float().mean() > 0.5  # of 64


@torch.inference_mode()
def test_silence_is_nothing_and_latents_stand_alone(space: MixingSpace, latents: Tensor) -> None:
    assert space.project(space.silence.expand(2, 3, -1)).abs().max() < 1e-5
    z = latents[:2, 2]
    assert torch.allclose(space.project(z)[:, 4:5], space.project(z[:, 4:5]), atol=1e-5)
    assert torch.allclose(space.restore(space.project(z))[:, 4:5], space.restore(space.project(z[:, 4:5])), atol=1e-4)


@torch.inference_mode()
def test_sums_and_differences_can_be_mapped_back(space: MixingSpace, latents: Tensor) -> None:
    a, b, mix = latents.unbind(1)
    ua, ub, um = (space.project(one) for one in (a, b, mix))
    for made, truth, instead in ((ua + ub, mix, a), (um - ua, b, mix)):
        assert (space.restore(made) - truth).square().mean() < 0.7 * (instead - truth).square().mean()


def test_mixes_are_as_long_as_the_longest_at_the_rate_of_the_first(codec: Codec, space: MixingSpace) -> None:
    time = np.arange(22_050) / 22_050
    short = Audio(np.float32(0.1 * np.sin(2 * np.pi * 440 * time[:5_001])), 22_050)
    long = Audio(np.float32(0.1 * np.sin(2 * np.pi * 330 * time[:11_003])), 44_100)
    made = mixed(codec, space, [short, long])
    assert made.sample_rate == 22_050 and len(made.samples) == 11_003 // 2
    assert np.isfinite(made.samples).all() and np.abs(made.samples).max() > 0.01
    with pytest.raises(ExpressionError, match="nothing to mix"):
        mixed(codec, space, [])


def test_mixtures_depend_on_the_seed_alone(place: Path) -> None:
    feature = paradigm_of(validated(small(place), "mixing"), name="mixing")[0].feature
    entries = [*load(place / "notes.pyjama").values()]
    one, again, other = (
        Mixtures(feature, entries, latents=4, count=2, seed=seed)  # type: ignore[arg-type]
        for seed in (0, 0, 1)
    )
    assert len(one) == 2 * len(entries) and one[0]["latents"].shape == (3, 4, 16)
    assert torch.equal(one[5]["latents"], again[5]["latents"])
    assert not torch.equal(one[5]["latents"], other[5]["latents"])
    with pytest.raises(RecipeError, match="needs two recordings"):
        Mixtures(feature, entries[:1], latents=4)  # type: ignore[arg-type]


def test_runs_tell_how_well_they_add(run: Run) -> None:
    metrics = run.result()["metrics"]
    assert {"error", "found", "restored"} <= {*metrics}
    assert 0 < metrics["error"]["mean"] < 1 and 0 < metrics["restored"]["mean"] < 1


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"feature": {"log-mel": {"sample_rate": RATE, "n_fft": 512, "hop": 128, "bands": 16}}}, "latents"),
        ({"model": {"project": ["to_sequence", {"linear": {"units": 16}}]}}, "project and restore"),
        ({"paradigm": {"mixing": {"invariance": -1}}}, "not be below 0"),
    ],
)
def test_recipes_that_make_no_sense_are_refused(place: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        paradigm_of(validated(small(place, **changes), "mixing"), name="mixing")


def test_spaces_are_for_one_codec(place: Path, run: Run) -> None:
    with pytest.raises(ModelError, match="train one for it"):
        load_mixing(codecs.load("gliss-codec", weights=place / "other"), run.folder)
    with pytest.raises(ModelError, match="no mixing space"):
        load_mixing(codecs.load("gliss-codec"), place / "codec")
    with pytest.raises(ModelError, match="no trained run"):
        load_mixing(codecs.load("gliss-codec"), place)


def test_a_run_is_an_encoder_of_its_own_space(run: Run) -> None:
    own, shipped = encoders.load("gliss-mixing", weights=run.folder), encoders.load("gliss-mixing")
    assert own.card.dim == UNITS and own.card.space_id != shipped.card.space_id
    wave = torch.from_numpy(song(120, seconds=3, rate=RATE).samples)[None]
    assert own(wave).shape[2] == UNITS and shipped(wave).shape == (1, 3, shipped.card.dim)
    assert shipped(torch.zeros(1, RATE)).abs().max() < 0.01 * shipped(wave).abs().max()  # (edges are heard a little)


def test_the_shipped_space_adds_up(loops: dict[str, Audio]) -> None:
    encoder = encoders.load("gliss-mixing")
    with torch.inference_mode():
        means = {name: encoder(torch.from_numpy(one.samples)[None]).mean(1) for name, one in loops.items()}
        mix = encoder(torch.from_numpy(loops["bass"].samples + loops["bell"].samples)[None]).mean(1)
    total = means["bass"] + means["bell"]
    assert (total - mix).norm() < 0.35 * min((means[name] - mix).norm() for name in ("bass", "bell"))


def test_what_is_missing_is_the_rest() -> None:
    part, mix = np.float32([1, 2, 0]), np.float32([1, 2, 3])
    assert np.array_equal(missing_part(part, mix), np.float32([0, 0, 3]))
    assert np.allclose(missing_part(part, usual=mix / 7), mix / 7 - part / 7, atol=1e-6)
    assert np.array_equal(missing_part(part, usual=np.float32([-1, 0, 2])), np.float32([-1, 0, 2]))  # has none of it
    with pytest.raises(ValueError, match="usual"):
        missing_part(part)


def test_exponentials_stay_within_bounds() -> None:
    made = ACTIVATIONS["exp"]()(torch.tensor([-100.0, 0.0, 1.0, 100.0]))
    assert made.tolist() == pytest.approx([np.exp(-15), 1, np.e, np.exp(8)], rel=1e-5)


@pytest.fixture(scope="module")
def loops() -> dict[str, Audio]:
    """Four loops of two seconds that share little."""
    time = np.arange(2 * RATE) / RATE
    beat = np.exp(-8 * (2 * time % 1))
    off = np.exp(-8 * ((2 * time + 0.5) % 1))
    rng = np.random.default_rng(0)
    made = {
        "bass": 0.3 * beat * sum(np.sin(2 * np.pi * 82 * h * time) / h for h in (1, 2, 3)),
        "bell": 0.2 * off * (np.sin(2 * np.pi * 1245 * time) + np.sin(2 * np.pi * 3320 * time) / 2),
        "hat": 0.1 * off * rng.normal(size=len(time)),
        "organ": 0.1 * sum(np.sin(2 * np.pi * 330 * h * time) / h for h in (1, 2, 4)),
    }
    return {name: Audio(one.astype(np.float32), RATE) for name, one in made.items()}


@pytest.fixture
def library(tmp_path: Path, loops: dict[str, Audio]) -> Library:
    (tmp_path / "loops").mkdir()
    for name, one in loops.items():
        write(tmp_path / "loops" / f"{name}.wav", one)
    made = Library.open(tmp_path / "library", blocks={"mixing": "gliss-mixing"})
    assert made.add(tmp_path / "loops").added == 4
    return made


@pytest.mark.parametrize(("there", "missing"), [("bass", "bell"), ("bell", "bass"), ("hat", "organ"), ("organ", "hat")])
def test_what_completes_a_mix_is_found(
    library: Library, loops: dict[str, Audio], tmp_path: Path, there: str, missing: str
) -> None:
    mix = Audio(loops[there].samples + loops[missing].samples, RATE)
    write(tmp_path / "mix.wav", mix)
    part = tmp_path / "loops" / f"{there}.wav"
    hits = library.search(tmp_path / "mix.wav", completes=part)
    assert Path(hits[0].path).stem == missing and part.stem not in [Path(hit.path).stem for hit in hits]
    assert Path(library.search(mix, completes=loops[there])[0].path).stem == missing


def test_without_a_mix_what_the_library_has_beside_the_loop(library: Library, tmp_path: Path) -> None:
    hits = library.search(completes=tmp_path / "loops" / "bass.wav")
    assert len(hits) == 3 and {Path(hit.path).stem for hit in hits} == {"bell", "hat", "organ"}
    alike = library.search(tmp_path / "loops" / "bass.wav")
    assert hits[0].score > alike[0].score  # it is nearer to what is missing than anything is to the loop


def test_what_completes_needs_its_block_and_is_not_moved(library: Library, tmp_path: Path) -> None:
    loop = tmp_path / "loops" / "bass.wav"
    with pytest.raises(QueryError, match="nothing is missing"):
        library.search(loop, completes=loop)
    for asked in ({"tempo_ratio": 1.1}, {"any_tempo": True}, {"weights": {"mixing": 1.0}}):
        with pytest.raises(QueryError, match="filtered, not moved"):
            library.search(completes=loop, **asked)
    with pytest.raises(QueryError, match="leave out minus"):
        library.search(completes=loop, minus=[loop])
    with pytest.raises(QueryError, match="no track has a vector"):
        Library.open(tmp_path / "empty", blocks={"mixing": "gliss-mixing"}).search(completes=loop)
    other = Library.open(tmp_path / "rhythm", blocks={"rhythm": "rhythm"})
    with pytest.raises(QueryError, match="--encoder gliss-mixing"):
        other.search(completes=loop)


def call(verb: str, *words: object) -> Result:
    return CliRunner().invoke(importlib.import_module(f"glissando.cli.{verb}").app, [str(word) for word in words])


def powers(sound: Audio) -> tuple[float, float]:
    """Below 400 Hz, where the bass is, and from 1 to 4 kHz, where the bell is."""
    power = np.abs(np.fft.rfft(sound.samples)) ** 2
    hz = np.fft.rfftfreq(len(sound.samples), 1 / sound.sample_rate)
    return float(power[hz < 400].sum()), float(power[(hz > 1000) & (hz < 4000)].sum())


def test_mix_by_the_command_line(tmp_path: Path, loops: dict[str, Audio]) -> None:
    both = Audio(loops["bass"].samples + loops["bell"].samples, RATE)
    for name, one in {**loops, "both": both}.items():
        write(tmp_path / f"{name}.wav", one)
    done = call("mix", tmp_path / "both.wav", "--minus", tmp_path / "bass.wav", "-o", tmp_path / "rest.wav")
    assert done.exit_code == 0, done.output
    low, high = powers(both)
    bass, bell = powers(read(tmp_path / "rest.wav"))
    assert bass < 0.05 * low and 0.3 * high < bell < 2 * high
    assert call("mix", tmp_path / "bass.wav", tmp_path / "bell.wav").exit_code == 0
    made = read(tmp_path / "bass-mix.wav")
    assert len(made.samples) == len(both.samples)
    assert all(0.3 < ours / wave < 2 for ours, wave in zip(powers(made), (low, high), strict=True))
    assert call("mix", tmp_path / "bass.wav", "-o", tmp_path / "no" / "x.wav").exit_code != 0


def test_completes_by_the_command_line(library: Library, loops: dict[str, Audio], tmp_path: Path) -> None:
    write(tmp_path / "mix.wav", Audio(loops["hat"].samples + loops["bass"].samples, RATE))
    done = call(
        "search", tmp_path / "mix.wav", "--completes", tmp_path / "loops" / "hat.wav", "--library",
        tmp_path / "library", "-f", "csv", "-k", 1,
    )  # fmt: skip
    assert done.exit_code == 0 and "bass.wav" in done.output


def test_the_shipped_recipe_is_that_of_the_shipped_space() -> None:
    shipped = encoders.card("gliss-mixing")
    assert load_recipe("mixing/gliss-mixing").feature == {"latents": {"codec": "gliss-codec"}}
    assert shipped.weights_mb < 1 and len(shipped.weights_sha256) == 64
