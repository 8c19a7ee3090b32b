"""Generators of continuous latents: flow, diffusion and GAN learn what they are told, vary sounds and fill gaps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from notes import PITCHES, RATE, make_codec, make_notes
from torch import Tensor
from typer.testing import CliRunner

from glissando.audio import Audio, read, write
from glissando.cli import app
from glissando.codecs import Latents
from glissando.errors import GlissandoError, ModelError, RecipeError
from glissando.metrics import energy_score
from glissando.nn import build
from glissando.training import PARADIGMS, Flow, Generator, Run, load_recipe, train, validated
from glissando.training.continuous import CONDITION, Continuous

DIM, FRAMES = 16, 8
SMALL: dict[str, Any] = {
    "enter": ["to_sequence", {"linear": {"units": 64, "activation": "silu"}}],
    "trunk": [
        {"film": {"condition": "condition"}}, {"conv1d": {"channels": 64, "norm": "none", "activation": "silu"}},
        {"film": {"condition": "condition"}}, {"conv1d": {"channels": 64, "norm": "none", "activation": "silu"}},
    ],
    "leave": {"linear": {"units": DIM}},
}  # fmt: skip
JUDGE: dict[str, Any] = {
    "trunk": [
        "to_sequence", {"conv1d": {"channels": 32, "norm": "none", "activation": "leaky_relu"}},
        {"film": {"condition": "condition"}}, {"conv1d": {"channels": 32, "norm": "none", "activation": "leaky_relu"}},
    ],
    "head": {"linear": {"units": 1}},
}  # fmt: skip
SPECS: dict[str, dict[str, Any]] = {"flow": {}, "diffusion": {}, "gan": {"discriminator": JUDGE}}


@pytest.fixture(scope="module")
def notes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_notes(tmp_path_factory.mktemp("notes"))


@pytest.fixture(scope="module")
def codec(notes: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return make_codec(notes, tmp_path_factory.mktemp("codec") / "run")


def recipe(notes: Path, codec: Run, name: str, **spec: Any) -> dict[str, Any]:
    return {
        "paradigm": {name: {**SPECS[name], **spec}},
        "data": {"name": str(notes), "split": "combination", "shares": [0.7, 0.15, 0.15], "patch": FRAMES},
        "feature": {"latents": {"weights": str(codec.folder)}},
        "model": SMALL,
        "train": {
            "epochs": 150 if name == "flow" else 20,
            "batch": 8,
            "rate": 0.0005 if name == "gan" else 0.005,
            "keep": "last",
            "patience": 150,
        },
    }


@pytest.fixture(scope="module")
def runs(notes: Path, codec: Run, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("runs")
    return {name: train(validated(recipe(notes, codec, name), name), folder / name).folder for name in SPECS}


@pytest.fixture(scope="module")
def generators(runs: dict[str, Path]) -> dict[str, Generator]:
    return {name: Generator.open(folder) for name, folder in runs.items()}


def hum(pitch: int = 60) -> Audio:
    time = np.arange(RATE // 2) / RATE
    return Audio(np.float32(0.4 * np.sin(2 * np.pi * 440 * 2 ** ((pitch - 69) / 12) * time)), RATE)


def two_clouds(count: int, *, seed: int) -> tuple[Tensor, dict[str, Tensor]]:
    """Latents of two instruments: of one about -3, of the other about 5, which of them by turns."""
    generator = torch.Generator().manual_seed(seed)
    which = torch.arange(count) % 2
    centre = torch.tensor([-3.0, 5.0])[which][:, None, None]
    latents = centre + 0.5 * torch.randn(count, FRAMES, DIM, generator=generator)
    numbers = torch.stack([which + 1, 0 * which, 0 * which], 1)
    return which, {"feature": latents.transpose(1, 2)[:, None], "conditions": numbers, "entry": torch.arange(count)}


@pytest.mark.parametrize("name", SPECS)
def test_two_clouds_are_learned_by_what_is_told(name: str, codec: Run) -> None:
    torch.manual_seed(0)
    feature = Latents(weights=str(codec.folder))
    example = torch.zeros(2, FRAMES, DIM)
    model = build(SMALL, torch.zeros(2, 1, DIM, FRAMES), given={"condition": torch.zeros(2, CONDITION)})
    paradigm = PARADIGMS.build(
        {name: {**SPECS[name], "conditions": {"instrument": ["low", "high"]}}}, example=example, model=model,
        feature=feature,
    )  # fmt: skip
    assert isinstance(paradigm, Continuous)
    _, batch = two_clouds(256, seed=0)
    paradigm.prepare(model, [{key: value[i] for key, value in batch.items()} for i in range(256)], seed=0)
    assert paradigm.mean.mean() == pytest.approx(1, abs=0.05) and paradigm.scale.mean() == pytest.approx(4, abs=0.1)
    parameters = [*model.parameters(), *paradigm.parameters()]
    optimizer = torch.optim.AdamW(parameters, betas=paradigm.betas)
    steps, rate = (300, 0.003) if name == "gan" else (200, 0.005)  # adversaries get there slowly
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = rate * (1 - step / steps)
        _, batch = two_clouds(64, seed=step)
        optimizer.zero_grad()
        paradigm.loss(model.train(), batch).backward()
        optimizer.step()
    model.eval()
    paradigm.eval()
    which, batch = two_clouds(200, seed=999)
    with torch.no_grad():
        made = paradigm.sample(
            model, batch["conditions"], FRAMES, guidance=1.0, generator=torch.Generator().manual_seed(0),
            **paradigm.options,
        )  # fmt: skip
        skill = paradigm.measure(model, batch)["skill"]
    centres = [made[which == one].mean() for one in (0, 1)]
    least, near = (0.6, 0.5) if name == "gan" else (0.85, 0.3)
    assert centres[0] == pytest.approx(-3, abs=near) and centres[1] == pytest.approx(5, abs=near)
    assert all(made[which == one].std(0).mean() == pytest.approx(0.5, abs=0.2) for one in (0, 1))
    wrong = {**batch, "conditions": batch["conditions"].roll(1, 0)}
    with torch.no_grad():
        assert skill.mean() > least > 0 > paradigm.measure(model, wrong)["skill"].mean()


@pytest.mark.parametrize("name", SPECS)
def test_a_run_makes_notes_and_keeps_what_it_standardises_by(name: str, generators: dict[str, Generator]) -> None:
    generator = generators[name]
    assert isinstance(generator.paradigm, Continuous)
    assert generator.paradigm.scale.std() > 0, "not what it was before training"
    wanted = [{"instrument": "reed", "pitch": PITCHES[0]}, {}]
    made = [generator.generate(wanted, seconds=0.5, seed=seed) for seed in (1, 1, 2)]
    assert made[0].shape == (2, 16 * 512) and np.isfinite(made[0]).all() and np.abs(made[0]).max() <= 1
    assert np.array_equal(made[0], made[1]) and not np.allclose(made[0], made[2])


def test_what_is_made_stays_within_what_was_heard(generators: dict[str, Generator]) -> None:
    paradigm = generators["flow"].paradigm
    assert isinstance(paradigm, Continuous)
    assert (paradigm.lowest < paradigm.mean).all() and (paradigm.mean < paradigm.highest).all()
    wild = 100 * torch.randn(2, 9, DIM, generator=torch.Generator().manual_seed(0))
    restored = paradigm.restored(wild)
    assert (restored >= paradigm.lowest).all() and (restored <= paradigm.highest).all()
    inside = (paradigm.lowest + paradigm.highest) / 2
    torch.testing.assert_close(paradigm.restored(paradigm.standard(inside)), inside)
    assert np.isfinite(generators["flow"].sound(restored)).all()


def test_what_is_asked_for_is_heard(generators: dict[str, Generator]) -> None:
    """At each pitch the loudest partial is one of that pitch."""
    made = generators["flow"].generate([{"instrument": "string", "pitch": pitch} for pitch in PITCHES], seconds=0.25)
    for pitch, wave in zip(PITCHES, made, strict=True):
        loudest = np.abs(np.fft.rfft(wave * np.hanning(len(wave)), RATE)).argmax()
        partial = loudest / (440 * 2 ** ((pitch - 69) / 12))
        assert abs(partial - round(partial)) < 0.06, (pitch, partial)


@pytest.mark.parametrize("name", ["flow", "diffusion"])
def test_variations_go_from_the_sound_itself_to_any_other(name: str, generators: dict[str, Generator]) -> None:
    generator, sound = generators[name], hum()
    latents = generator.latents(sound)
    same = generator.sound(latents)[:, : len(sound.samples)]
    assert np.array_equal(generator.vary(sound, amount=0), same)
    far = []
    for amount in (0.05, 0.4, 1.0):
        made = generator.vary(sound, amount=amount, count=3, seed=1)
        assert made.shape == (3, len(sound.samples)) and np.abs(made).max() <= 1
        assert np.array_equal(made, generator.vary(sound, amount=amount, count=3, seed=1))
        assert not np.allclose(made[0], made[1])
        far.append(float((generator.latents(Audio(made[0], RATE)) - latents).square().mean()))
    assert far[0] < far[1] < far[2]


@pytest.mark.parametrize("name", ["flow", "diffusion"])
@pytest.mark.parametrize("method", [0, 1])
def test_inpainting_keeps_what_it_must_keep(name: str, method: int, generators: dict[str, Generator]) -> None:
    generator, sound = generators[name], hum()
    given = generator.latents(sound)
    paradigm = generator.paradigm
    assert isinstance(paradigm, Flow)
    keep = torch.ones(given.shape[1], dtype=torch.bool)
    keep[4:9] = False
    with torch.inference_mode():
        made = paradigm.vary(
            generator.network.model, torch.zeros(2, 3, dtype=torch.int64), given, amount=1.0, keep=keep, guidance=1.0,
            generator=torch.Generator().manual_seed(0), steps=7, method=paradigm.methods[method],
        )  # fmt: skip
    assert torch.equal(made[:, keep], given.expand(2, -1, -1)[:, keep])
    assert ((made - given)[:, ~keep].abs().amax(2) > 1e-3).all()
    heard = generator.vary(sound, part=(0.2, 0.3), seed=0)
    plain = generator.vary(sound, amount=0)
    start, end = (round(second * RATE) for second in (0.2, 0.3))
    assert np.abs(heard - plain)[:, start:end].max() > 0.01
    assert np.abs(heard - plain)[:, : start - 2048].max() < np.abs(heard - plain)[:, start:end].max() / 2


def test_a_sound_goes_on(generators: dict[str, Generator]) -> None:
    generator, sound = generators["flow"], hum()
    latents = generator.latents(sound)
    with torch.inference_mode():
        made = generator.paradigm.sample(
            generator.network.model, torch.zeros(1, 3, dtype=torch.int64), 20, guidance=1.0,
            generator=torch.Generator().manual_seed(0), start=latents, **generator.paradigm.options,
        )  # fmt: skip
    assert made.shape == (1, 20, DIM) and torch.equal(made[:, : latents.shape[1]], latents)


@pytest.mark.parametrize("name", SPECS)
def test_validation_says_the_same_twice(name: str, generators: dict[str, Generator]) -> None:
    generator = generators[name]
    _, batch = two_clouds(6, seed=0)
    with torch.no_grad():
        losses = [float(generator.paradigm.observe(generator.network.model, batch)) for _ in range(2)]
    assert losses[0] == losses[1] and np.isfinite(losses[0])


def test_steps_methods_and_guidance_matter_and_are_checked(generators: dict[str, Generator]) -> None:
    flow, wanted = generators["flow"], [{"instrument": "reed", "pitch": PITCHES[0]}]

    def make(**how: Any) -> Any:
        return flow.generate(wanted, seconds=0.2, **how)

    plain = make()
    for how in ({"steps": 3}, {"method": "midpoint"}, {"guidance": 5.0}):
        assert not np.allclose(make(**how), plain), how
    fine = [make(steps=steps, method="midpoint", guidance=1.0) for steps in (1, 50, 100)]
    assert np.abs(fine[1] - fine[2]).max() < np.abs(fine[0] - fine[2]).max()
    for wrong, said in (
        ({"steps": 0}, "0 steps can't be taken; ask for a whole number from 1"),
        ({"steps": 2.5}, "2.5 steps can't be taken"),
        ({"method": "ddim"}, "no method 'ddim'; take euler or midpoint"),
        ({"temperature": 1.0}, "takes no temperature; it takes steps, method"),
    ):
        with pytest.raises(ModelError, match=said):
            make(**wrong)
    with pytest.raises(ModelError, match="no method 'euler'; take ddim or ancestral"):
        generators["diffusion"].generate(wanted, method="euler")


def test_what_can_not_be_done_is_said(generators: dict[str, Generator]) -> None:
    flow, gan, sound = generators["flow"], generators["gan"], hum()
    for how, said in (
        ({"amount": 1.5}, "by an amount from 0 to 1"),
        ({"count": 0}, "ask for 1 or more"),
        ({"part": (0.4, 0.2)}, "nothing from 0.4 to 0.2 s of a sound of 0.5 s"),
        ({"part": (0.6, 0.8)}, "nothing from 0.6 to 0.8 s"),
        ({"wanted": {"pitch": 1}}, "knows no pitch '1'"),
    ):
        with pytest.raises(ModelError, match=said):
            flow.vary(sound, **how)
    with pytest.raises(ModelError, match="makes no variations; take a run of the paradigm flow or diffusion"):
        gan.vary(sound)
    with pytest.raises(ModelError, match="a GAN has no guidance, but 3 is asked for"):
        gan.generate([{}], guidance=3.0)
    with pytest.raises(ModelError, match="can't go on from a sound"):
        gan.generate([{}], start=sound)


def test_on_the_command_line(runs: dict[str, Path], tmp_path: Path) -> None:
    sound = tmp_path / "hum.wav"
    write(sound, hum())
    runner, run = CliRunner(), ["--run", str(runs["flow"])]

    def gliss(*words: object) -> str:
        done = runner.invoke(app, [str(word) for word in words])
        assert done.exit_code == 0, done.output
        return done.output

    out = tmp_path / "out"
    assert "3 sounds" in gliss("vary", sound, "--amount", 0.4, "-n", 3, "-o", out / "a", *run)
    gliss("vary", sound, "--from", 0.2, "--to", 0.3, "-n", 1, "-o", out / "b", "--pitch", PITCHES[0], *run)
    gliss("vary", sound, "--from", 0.3, "-n", 1, "-o", out / "c", *run, "--set", "method=midpoint", "--set", "steps=4")
    gliss("generate", "-n", 1, "--instrument", "reed", "--seconds", 0.3, "-o", out / "d", *run, "--set", "steps=2")
    for name, count in (("a", 3), ("b", 1), ("c", 1), ("d", 1)):
        assert len([*(out / name).glob("*.wav")]) == count
    assert len(read(out / "a" / "hum-1.wav").samples) == RATE // 2
    for wrong, said in (
        (["--set", "steps"], "is no value by name"),
        (["--set", "steps=many"], "steps must be a number, got many"),
        (["--set", "method=3"], "method must be a word"),
        (["--from", "3"], "there is nothing from 3"),
    ):
        done = runner.invoke(app, ["vary", str(sound), *run, "-o", str(out / "e"), *wrong])
        assert isinstance(done.exception, ModelError) and said in str(done.exception), wrong
    assert not (out / "e").exists()


@pytest.mark.parametrize(
    "change, said",
    [
        ({"model": {"trunk": ["to_sequence", {"linear": {"units": 5}}]}}, "codec's 16 dimensions; it gives"),
        ({"model": {"trunk": ["to_sequence", {"stack": {"frames": 2}}, {"linear": {"units": DIM}}]}}, "4 frames of 8"),
        ({"feature": "log-stft", "model": {"trunk": ["to_sequence", {"linear": {"units": 5}}]}}, "the feature latents"),
        ({"paradigm": {"flow": {"time_std": 0}}}, "time_std must be above 0"),
        ({"paradigm": {"gan": {"discriminator": JUDGE, "penalty": -1}}}, "penalty must not be below 0"),
        ({"paradigm": {"gan": {"discriminator": {"a": "nonsense"}}}}, "discriminator.a: .*nonsense"),
        ({"paradigm": "gan"}, "discriminator"),
    ],
)
def test_recipes_that_make_no_sense(change: dict[str, Any], said: str, notes: Path, codec: Run, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=said):
        train(validated({**recipe(notes, codec, "flow"), **change}, "mine"), tmp_path / "run")


@pytest.mark.parametrize("name", ["flow", "flow-guitar", "flow-transformer", "diffusion", "gan"])
def test_shipped_recipes_have_a_network_for_the_codec(name: str) -> None:
    shipped = load_recipe(f"generate/{name}")
    frames = shipped.data.patch
    x, given = torch.randn(2, 1, 64, frames), {"condition": torch.randn(2, CONDITION)}
    model = build(shipped.model, x, given=given)
    assert model(x, **given).shape == (2, frames, 64)
    assert 1.5e6 < sum(weight.numel() for weight in model.parameters()) < 4.5e6
    if name == "gan":
        assert isinstance(shipped.paradigm, dict)
        judge = build(shipped.paradigm["gan"]["discriminator"], x, given=given)
        assert judge(x, **given).shape[0] == 2


def test_the_energy_score_is_least_for_the_distribution_itself() -> None:
    generator = torch.Generator().manual_seed(0)
    truth = torch.randn(2000, 2, generator=generator)

    def score(mean: float, std: float) -> float:
        samples = mean + std * torch.randn(8, 2000, 2, generator=generator)
        return float(energy_score(samples, truth).mean())

    best = score(0, 1)
    assert best < min(score(0.5, 1), score(0, 0.5), score(0, 1.6), score(0, 0))
    # of one dimension: E|X - y| - E|X - X'| / 2 = 2 / sqrt(pi) - 1 / sqrt(pi) on average over y
    flat = torch.randn(16, 20_000, 1, generator=generator)
    assert float(energy_score(flat, torch.randn(20_000, 1, generator=generator)).mean()) == pytest.approx(
        np.pi**-0.5, abs=0.01
    )
    with pytest.raises(GlissandoError, match="two or more"):
        energy_score(truth[None], truth)
