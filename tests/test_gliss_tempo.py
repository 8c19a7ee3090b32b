"""The shipped tempo encoder: what it hears, how it moves with the tempo, and that it is what its card says."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import torch

from glissando import encoders
from glissando.audio import Audio, stretch
from glissando.encoders.shipped import WEIGHTS, shipped_folder
from glissando.features import peak_tempo
from glissando.latent import ShiftTranslator
from glissando.library import Embedder
from glissando.training import load_recipe, shipped_run
from glissando.training.augment import AUGMENTATIONS

RATE = 16_000


def groove(bpm: float, *, seconds: float = 30.0, seed: int = 0) -> np.ndarray:
    """Kick on one and three, snare on two and four, hats in eighths, and a bass note a bar."""
    rng, wave = np.random.default_rng(seed), np.zeros(int(seconds * RATE), np.float32)
    time = np.arange(RATE // 4) / RATE
    kick = np.sin(2 * np.pi * 60 * time) * np.exp(-18 * time)
    snare = rng.normal(size=len(time)) * np.exp(-25 * time) * 0.6
    hat = np.diff(rng.normal(size=len(time) + 1)) * np.exp(-80 * time) * 0.25
    for step, start in enumerate(np.arange(0.05, seconds - 1.2, 30 / bpm)):
        at = int(start * RATE)
        hit = hat + (kick if step % 4 == 0 else 0) + (snare if step % 4 == 2 else 0)
        wave[at : at + len(hit)] += hit
        if step % 8 == 0:
            note = 55 * 2 ** (rng.integers(12) / 12)
            wave[at : at + RATE] += (0.3 * np.sin(2 * np.pi * note * np.arange(RATE) / RATE)).astype(np.float32)
    return (0.5 * wave / np.abs(wave).max() + 1e-4 * rng.normal(size=len(wave))).astype(np.float32)


@pytest.fixture(scope="module")
def encoder() -> encoders.Encoder:
    return encoders.load("gliss-tempo")


@torch.inference_mode()
def hear(encoder: encoders.Encoder, wave: np.ndarray) -> dict[str, np.ndarray]:
    return {name: value[0].mean(0).numpy() for name, value in encoder.outputs(torch.from_numpy(wave)[None]).items()}


@pytest.mark.parametrize("bpm", [84.0, 112.0, 131.0])
def test_a_groove_has_its_tempo(encoder: encoders.Encoder, bpm: float) -> None:
    told = peak_tempo(hear(encoder, groove(bpm))["beats"].astype(np.float64))
    assert told.bpm == pytest.approx(bpm, rel=0.02) and told.confidence > 0.3


def test_the_embedding_of_stretched_audio_is_the_shifted_embedding(encoder: encoders.Encoder) -> None:
    wave, shift = groove(96), ShiftTranslator("gliss-tempo")
    here = hear(encoder, wave)["embedding"]
    for ratio in (0.8, 1.25):
        there = hear(encoder, stretch(Audio(wave, RATE), ratio).samples)["embedding"]
        moved = shift(torch.from_numpy(here), tempo_ratio=ratio).numpy()
        before, after = (float(one @ there / np.linalg.norm(there) / np.linalg.norm(one)) for one in (here, moved))
        assert after > 0.85 > 0.5 > before


def test_translations_of_real_embeddings_form_a_group(encoder: encoders.Encoder) -> None:
    z, shift = torch.from_numpy(hear(encoder, groove(100))["embedding"]), ShiftTranslator("gliss-tempo")
    z = z / z.norm()
    torch.testing.assert_close(shift(z, tempo_ratio=1.0), z, atol=1e-4, rtol=0)
    twice = shift(shift(z, tempo_ratio=2**0.25), tempo_ratio=2**0.5)
    assert twice @ shift(z, tempo_ratio=2**0.75) > 0.999  # whole bins
    back = shift(shift(z, tempo_ratio=1.37), tempo_ratio=1 / 1.37)
    assert back @ z > 0.97


def test_silence_is_zeros_and_has_no_tempo(encoder: encoders.Encoder) -> None:
    assert not any(value.any() for value in hear(encoder, np.zeros(20 * RATE, np.float32)).values())
    assert Embedder({"rhythm": encoder}).embed({RATE: np.zeros(20 * RATE, np.float32)}).tempo is None


def test_the_weights_are_those_of_the_card_and_of_the_shipped_recipe() -> None:
    found = hashlib.sha256((shipped_folder("tempo") / WEIGHTS).read_bytes()).hexdigest()
    assert encoders.card("gliss-tempo").weights_sha256 == found == shipped_run("tempo").result()["sha256"]
    run, recipe = shipped_run("tempo").recipe, load_recipe("tempo/renders")
    where = {**run.data.where, "take": "0"}  # it was trained when there was no other
    assert run.model_copy(update={"data": run.data.model_copy(update={"where": where})}) == recipe


def test_perturbing_adds_noise_and_leaves_channels_out() -> None:
    feature = torch.ones(64, 12, 168, 1) * torch.linspace(0, 1, 168)[:, None]
    perturb = AUGMENTATIONS.build({"perturb": {"noise": 0.5, "drop": 0.25}}, feature=None)
    torch.manual_seed(0)
    found = perturb({"feature": feature})["feature"]
    gone = (found == 0).all((2, 3))
    assert 0.2 < float(gone.float().mean()) < 0.3
    noise = (found - feature)[~gone]
    assert float(noise.std()) == pytest.approx(0.5 * float(feature[0, 0].std()), rel=0.05)
