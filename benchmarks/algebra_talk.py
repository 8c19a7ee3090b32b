"""A talk's examples: one recording of a guitar and one of a piano, dry and with two effects.

A part of `algebra.py`, after S. Hawley, "Mathemangling Audio Embeddings". What is learned from one instrument is judged on the other.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import torch
from algebra_effects import DRY, KEPT, NOTHING, ORACLE, STFT, TRANSLATOR
from algebra_sounds import RATE, Waves, apart, decoded, encoded, heard, kept
from report import Row

from glissando import codecs
from glissando.audio import as_mono, read, resample
from glissando.data import Recording
from glissando.latent import EffectTranslator, MeanDirection, effect_pairs

SECONDS, HOP, WINDOW = 4.096, 512, 32_256  # of each recording that is judged; samples that an encoder hears at once
STEPS = 300
ABOUT = [
    "The talk's examples: four seconds each of a guitar and a piano, dry, overdriven and with reverberation. 'Own difference' adds wet less dry of the very recording, which is the oracle; "
    "all else is learned from the other instrument, and added to this one. Single recordings: no intervals.",
    "",
]


def waves(path: Path) -> Waves:
    """The beginning of a file, as a batch of one."""
    sound = read(path, end=SECONDS + 0.5)
    mono = resample(as_mono(sound.samples, sound.sample_rate), sound.sample_rate, RATE)[
        : round(SECONDS * RATE) // HOP * HOP
    ]
    return mono[None].astype(np.float32)


def embedding(sound: Waves) -> Waves:
    """The mean of the embeddings of its windows."""
    count = sound.shape[1] // WINDOW
    return heard(sound[0, : count * WINDOW].reshape(count, WINDOW)).mean(0)


@torch.no_grad()
def measure(quick: bool, *, folder: Path | None) -> tuple[list[Row], list[dict[str, object]]]:
    """All pairs of a folder."""
    codec = codecs.load("gliss-codec").requires_grad_(False)
    assert isinstance(codec, codecs.RunCodec) and folder is not None
    listed = [*csv.DictReader((folder / "pairs.csv").read_text().splitlines())]
    rows: list[Row] = []
    for one in listed[: 1 if quick else None]:
        others = [row for row in listed if row["effect"] == one["effect"] and row["instrument"] != one["instrument"]]
        if not others:
            continue
        dry, wet, far_dry, far_wet = (waves(folder / row[side]) for row in (one, others[0]) for side in ("dry", "wet"))
        z, oracle, a, b = (encoded(codec, sound) for sound in (dry, wet, far_dry, far_wet))
        pair = tuple(Recording(others[0][side], folder / others[0][side]) for side in ("dry", "wet"))
        with torch.enable_grad():
            pairs = effect_pairs(codec, [pair])
            translator = EffectTranslator.fit(pairs, steps=20 if quick else STEPS, magnitudes=codec.magnitudes)
            mean = MeanDirection.fit(pairs)
        moved = translator(z, strength=1.0)
        count = min(z.shape[1], a.shape[1])
        crossed = z.clone()
        crossed[:, :count] += (b - a)[:, :count]
        made = {
            DRY: dry,
            NOTHING: decoded(codec, z),
            "z + (wet - dry), own difference": decoded(codec, z + (oracle - z)),
            "z + (wet - dry) of the other instrument": decoded(codec, crossed),
            "z + mean(wet - dry) of the other instrument": decoded(codec, mean(z, strength=1.0)),
            f"{TRANSLATOR} of the other instrument": decoded(codec, moved),
            f"{KEPT}, of the other instrument": kept(codec, dry, z, moved),
            ORACLE: decoded(codec, oracle),
        }
        true = embedding(wet)
        for name, sound in made.items():
            found = embedding(sound)
            likeness = float(found @ true / np.linalg.norm(found) / np.linalg.norm(true))
            data = f"The talk's {one['instrument']}, {one['effect']}"
            rows += [
                Row(data, name, STFT, float(apart(sound, wet)[0]), 1),
                Row(data, name, "embedding", 1 - likeness, 1),
            ]
    return rows, []
