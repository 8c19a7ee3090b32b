"""Sounds of `algebra.py`, what a codec makes of them, and how far apart sounds are."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

import glissando.encoders
from glissando import codecs
from glissando.audio import Audio, as_mono, resample
from glissando.data import Recording, load, of_data
from glissando.metrics import multi_resolution_distance

SEED, RATE = 0, 16_000
SAMPLES = 63 * 512  # two seconds in whole hops
FONTS = ("FluidR3_GM", "MuseScore_General_Full")  # MIT
HELD = 3  # of four programs in a row; each of the four has every fourth pitch, other ones than the three others
BATCH = 16  # sounds decoded at once
LISTENER, HEARS = "musicnn-msd", 3.0  # the encoder that judges, and the seconds that it wants
ITERATIONS = 8  # of Griffin-Lim from phases that are there

Waves = NDArray[np.float32]  # [sounds, samples]
Chosen = list[tuple[Recording, int]]  # recordings, and what each belongs to


@cache
def notes() -> dict[int, list[Recording]]:
    """Notes of the soundfonts by program; to splits, they belong to nothing but their instrument."""
    found: dict[int, list[Recording]] = {}
    for one in of_data(load("soundfont-notes")):
        labels = one.annotations.labels
        if labels["soundfont"][0] in FONTS:
            program = int(labels["instrument"][0])
            alone = replace(one, groups=frozenset({("recording", f"program {program}")}))
            found.setdefault(program, []).append(alone)
    return found


def drawn(*, held: bool, each: int) -> Chosen:
    """So many notes of each instrument, of those that are held out or of the others; and their programs."""
    rng = np.random.default_rng(SEED)
    return [
        (several[i], program)
        for program, several in notes().items()
        if (program % 4 == HELD) == held
        for i in rng.permutation(len(several))[:each]
    ]


def guitar(count: int) -> Chosen:
    """Notes of real guitars, one of each guitar and pitch; and the pitches."""
    found: dict[tuple[str, int], Recording] = {}
    for one in of_data(load("guitar-notes")):
        labels = one.annotations.labels
        if labels["articulation"] == ("note",) and "pitch" in labels:
            found.setdefault((labels["instrument"][0], int(labels["pitch"][0])), one)
    names = sorted(found)
    return [(found[names[i]], names[i][1]) for i in np.random.default_rng(SEED).permutation(len(names))[:count]]


def at_rate(sound: Audio) -> NDArray[np.float32]:
    """Two seconds at the codec's rate, filled up with silence."""
    mono = resample(as_mono(sound.samples, sound.sample_rate), sound.sample_rate, RATE)[:SAMPLES]
    return np.pad(mono, (0, SAMPLES - len(mono))).astype(np.float32)


@torch.inference_mode()
def encoded(codec: codecs.Codec, waves: Waves) -> Tensor:
    """Latents of sounds."""
    found: Tensor = codec(torch.from_numpy(waves))
    return found


@torch.inference_mode()
def decoded(codec: codecs.Codec, latents: Tensor) -> Waves:
    """Sounds of latents."""
    return torch.cat([codec.decode(part) for part in latents.split(BATCH)]).numpy()


@torch.inference_mode()
def kept(codec: codecs.RunCodec, dry: Waves, latents: Tensor, moved: Tensor) -> Waves:
    """Sounds themselves, phases and all, whose spectra are changed as the move of latents changes decoded spectra."""
    feature, waves = codec.feature, torch.from_numpy(dry)
    change = codec.model.run(moved, "decoder") - codec.model.run(latents, "decoder")
    wanted = feature.magnitudes((feature(waves) + change)[:, 0])
    numbers = torch.arange(wanted.shape[-1])
    hint = torch.polar(
        torch.full_like(wanted, 1e-5), feature.phases[:, numbers].expand_as(wanted)
    )  # where it is silent
    estimate, before = feature.spectrum(waves) + hint, torch.zeros_like(hint)
    estimate = wanted * estimate / (estimate.abs() + 1e-8)
    for _ in range(ITERATIONS):
        found = feature.spectrum(feature.waveform(estimate))
        way, before = found - 0.5 * before, found
        estimate = wanted * way / (way.abs() + 1e-8)
    return feature.waveform(estimate).numpy()


@cache
def _listener() -> glissando.encoders.Encoder:
    return glissando.encoders.load(LISTENER)


@torch.inference_mode()
def heard(waves: Waves) -> NDArray[np.float32]:
    """Embeddings of unit length, of sounds that are filled up with silence."""
    longer = np.pad(waves, ((0, 0), (0, round(HEARS * RATE) - waves.shape[1])))
    found = torch.cat([_listener().embed(torch.from_numpy(one[None])) for one in longer])
    return torch.nn.functional.normalize(found, dim=-1).numpy()


@torch.inference_mode()
def apart(waves: Waves, wanted: Waves) -> NDArray[np.float64]:
    """Multi-resolution STFT distance of each of several sounds from what it should be."""
    return np.asarray(multi_resolution_distance(torch.from_numpy(wanted), torch.from_numpy(waves)), np.float64)
