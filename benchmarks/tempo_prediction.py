"""Tempo from frozen embeddings: is translating them as good for training as stretching the audio, and how much faster?

Part of `tempo.py`. A classifier of tempo is trained on the embeddings of each encoder three times: on the clips alone, on
clips that were stretched and embedded again, and on embeddings that were translated. Embeddings lie in the cache.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from report import Row, bootstrap
from tempo_sets import Clip, embedded, first_takes, of_recipe

from glissando import encoders
from glissando.audio import Audio, stretch
from glissando.data import DataSet, Recording, of_data
from glissando.latent import (
    LearnedTranslator,
    Pairs,
    ShiftTranslator,
    Transform,
    fit_translator,
)
from glissando.latent.tempo_pairs import TempoPairs, embed_at_tempi, embed_clip, excerpt
from glissando.library.embedding import unit
from glissando.metrics import tempo_hit
from glissando.tasks import fit_tempo_classifier, tempi

SEEDS = (0, 1, 2)
CLIP = 13.0  # seconds; renderings have 26, and a clip at twice the tempo needs all of them
BATCH, BATCHES = 16, 12  # of the timing
NAMES = {"none": "no augmentation", "stretched": "stretched and embedded again", "translated": "translated embeddings"}
FASTER, GOAL = "times faster", 100.0  # times faster; the paper says 40 of its own


def clips(data: DataSet, encoder: str, workers: int) -> tuple[TempoPairs, NDArray[np.float64]]:
    """Clips of entries at all factors, and the tempi of their originals; those without one are left out."""
    held = [one for one in of_data(data) if np.isfinite(tempi([one])).all()]

    def told(done: int, total: int) -> None:
        if done % 100 == 0:
            print(f"{encoder}: {done}/{total}", flush=True)

    made = embed_at_tempi(held, encoder, seconds=CLIP, workers=workers, progress=told)
    for failure in made.failed:
        print(failure.reason)
    return made, tempi(made.recordings)


def splits(songs: int | None) -> dict[str, DataSet]:
    """What the recipe tempo/renders keeps for training and for validation, or about so many songs of all."""
    data, split = of_recipe()
    held = {side: first_takes(split.of(data, side)) for side in ("train", "valid")}
    if songs is not None:
        step = max(1, len(first_takes(data)) // (2 * songs))
        held = {side: some.subset([*some][::step]) for side, some in held.items()}
    return held


def translator(encoder: str, pairs: Pairs, valid: Pairs, steps: int) -> Transform:
    """The exact shift where there is one, else learned from the same clips."""
    card = encoders.card(encoder)
    if card.rates is not None:
        return ShiftTranslator(encoder)
    torch.manual_seed(0)
    found = LearnedTranslator(card.space_id, card.dim)
    fit_translator(found, pairs, valid, steps=steps)
    return found


def accuracies(
    data: str, system: str, bpm: NDArray[np.float64], guesses: Sequence[NDArray[np.float64]], groups: NDArray[np.int64]
) -> list[Row]:
    """Acc1 and Acc2 over clips and seeds; intervals over songs."""
    rows = []
    for metric, octaves in (("Acc1", False), ("Acc2", True)):
        values = np.mean([tempo_hit(guess, bpm, octaves=octaves) for guess in guesses], axis=0)
        low, high = bootstrap(values, groups, seed=0)
        rows.append(Row(data, system, metric, float(values.mean()), len(values), low=low, high=high))
    return rows


def timing(encoder: str, recordings: Sequence[Recording], transform: Transform, batches: int, batch: int) -> list[Row]:
    """Seconds of a batch of both ways in turn, on one core, and their ratio; medians, intervals over batches."""
    torch.set_num_threads(1)
    rng, loaded = np.random.default_rng(0), encoders.load(encoder)
    spent = np.zeros((batches, 2))
    with torch.inference_mode():
        for row in range(-1, batches):  # the first one warms up
            picked = [recordings[i] for i in rng.integers(len(recordings), size=batch)]
            factors = 2 ** rng.uniform(-1, 1, batch)
            audio = [one.read(0.0, one.duration()) for one in picked]  # reading is not what is compared
            vectors = torch.from_numpy(np.stack([embed_clip(loaded, excerpt(one, 1.0)) for one in picked]))
            begun = time.perf_counter()
            transform(vectors, tempo_ratio=torch.from_numpy(factors).float())
            between = time.perf_counter()
            for sound, factor in zip(audio, factors, strict=True):
                embed_clip(loaded, stretched(sound, float(factor)))
            if row >= 0:
                spent[row] = between - begun, time.perf_counter() - between
    each = np.arange(batches)
    ratio = spent[:, 1] / spent[:, 0]
    values = {
        "translated, ms a batch": 1e3 * spent[:, 0],
        "stretched, ms a batch": 1e3 * spent[:, 1],
        FASTER: ratio,
    }
    rows = []
    for metric, found in values.items():
        low, high = median_interval(found)
        rows.append(
            Row(
                f"Time of {batch} augmented embeddings, one core",
                encoder,
                metric,
                float(np.median(found)),
                len(each),
                low=low,
                high=high,
            )
        )
    return rows


def stretched(audio: Audio, factor: float) -> Audio:
    """The middle of a sound that is in memory, at another tempo."""
    lasting = audio.duration / 2
    start, stop = (int((audio.duration + side * lasting * factor) / 2 * audio.sample_rate) for side in (-1, 1))
    return stretch(Audio(audio.samples[start:stop], audio.sample_rate), factor)


def median_interval(values: NDArray[np.float64]) -> tuple[float, float]:
    """95 % interval of a median."""
    drawn = np.random.default_rng(0).integers(len(values), size=(2000, len(values)))
    low, high = np.percentile(np.median(values[drawn], axis=1), [2.5, 97.5])
    return float(low), float(high)


def rows(encoder: str, sets: Mapping[str, list[Clip]], *, workers: int, quick: bool) -> list[Row]:
    """Train and test a classifier on the embeddings of an encoder by each augmentation, and time these."""
    seeds, steps, learning = ((0,), 100, 200) if quick else (SEEDS, 2000, 2000)
    sides = splits(5 if quick else songs(encoder))
    train, bpm = clips(sides["train"], encoder, workers)
    valid, valid_bpm = clips(sides["valid"], encoder, workers)
    transform = translator(encoder, train.pairs, valid.pairs, learning)
    ways = {"none": "none", "stretched": "stretched", "translated": transform}
    models = {
        name: [
            fit_tempo_classifier(train.pairs, bpm, valid.pairs, valid_bpm, augment=way, steps=steps, seed=seed)
            for seed in seeds
        ]
        for name, way in ways.items()
    }
    found: list[Row] = []
    for where, some in sets.items():
        vectors = unit(embedded(some, encoders.load(encoder), [1.0])["embedding"][:, 0])
        truth, groups = (
            np.array([clip.bpm for clip in some]),
            np.unique([clip.group for clip in some], return_inverse=True)[1],
        )
        for name, trained in models.items():
            guesses = [np.array([one.bpm for one in model.estimate(vectors)]) for model in trained]
            system = f"{encoder}, {NAMES[name]} ({len(bpm)} clips)"
            found += accuracies(f"Classifier of tempo on embeddings: {where}", system, truth, guesses, groups)
    return found + timing(encoder, train.recordings, transform, *((2, 2) if quick else (BATCHES, BATCH)))


def songs(encoder: str) -> int:
    """Of how many songs clips are embedded at nine tempi."""
    return 100 if encoder.startswith("musicnn") else 300


NOTES = [
    "A classifier over log-spaced tempi (two hidden layers of 256) hears one pooled embedding and names the tempo. It is trained on clips of 13 s, from the "
    "middle of the songs of the recipe `tempo/renders` with the soundfonts FluidR3_GM and MuseScore_General_Full; validation songs choose among its states. "
    "It is tested on the clips of the other tables, from 26 s on. Accuracies are means over three seeds, intervals are over songs (games, pieces).",
    "",
    "*Stretched and embedded again*: every clip at nine tempi from half to double, stretched by `glissando.audio.stretch` and embedded. "
    "*Translated embeddings*: the originals' embeddings at the same factors, by the exact shift for encoders whose dimensions are rates, "
    "else by a translator that was learned from the stretched clips of the same training songs (which must be made once, whatever is trained later).",
    "",
    "Time: both ways in turn on the same clips, in one process on one core, medians over batches; reading the audio is not counted, and "
    "neither is the embedding of the originals, which both need.",
]
