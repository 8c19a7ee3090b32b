"""What embeddings and translations cost, alone and in a search. Part of `tempo.py`."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from report import Row
from tempo_sets import demo, embedded

import glissando.encoders
from glissando.latent import Contour, LearnedTranslator, ShiftTranslator, Transform, translations
from glissando.latent.contour import FACTORS
from glissando.library.embedding import unit

TIMES, MANY, GALLERY = 30, 100_000, 100_000
NOISE = 0.25  # length, on embeddings of the demo's tracks that are drawn again and again


def rows(*, quick: bool) -> list[Row]:
    """Milliseconds of a translation, seconds of a million, and of a search along a contour beside a plain one."""
    made = []
    rng = np.random.default_rng(0)
    for name, way in (("gliss-tempo", "shift"), ("rhythm", "shift"), ("gliss-tempo", "learned, 512 hidden")):
        card = glissando.encoders.card(name)
        transform = ShiftTranslator(name) if way == "shift" else LearnedTranslator(card.space_id, card.dim)
        one, many = (
            torch.from_numpy(rng.normal(size=(n, card.dim)).astype(np.float32))
            for n in (1, MANY // (10 if quick else 1))
        )
        for metric, measure, scale, vectors in (
            ("one vector", "ms", 1e3, one),
            ("a million vectors", "s", 1e6 / len(many), many),
        ):
            low, middle, high = timed(run(transform, vectors), TIMES if len(vectors) == 1 else 5) * scale
            made.append(
                Row(
                    "Cost of a translation, one core",
                    f"{name}, {way}",
                    metric,
                    middle,
                    TIMES if len(vectors) == 1 else 5,
                    measure,
                    low,
                    high,
                )
            )
    for name in ("gliss-tempo", "rhythm", "gliss-music", "musicnn-msd"):
        encoder = glissando.encoders.load(name)
        wave = torch.from_numpy(rng.normal(0, 0.1, (1, 60 * encoder.card.sample_rate)).astype(np.float32))
        low, middle, high = timed(embed(encoder, wave), 5)
        made.append(Row("Cost of embedding, one core", name, "a minute of audio", middle, 5, "s", low, high))
    shift, real = ShiftTranslator("gliss-tempo"), embedded([*demo()], glissando.encoders.load("gliss-tempo"), [1.0])
    drawn = real["embedding"][rng.integers(len(real["embedding"]), size=GALLERY // (10 if quick else 1)), 0]
    gallery = unit(drawn + NOISE / np.sqrt(drawn.shape[1]) * rng.standard_normal(drawn.shape, np.float32))
    plain = timed(lambda: gallery @ gallery[0], TIMES)
    contour = timed(lambda: Contour(FACTORS, translations(shift, gallery[0])).nearest(gallery), 5)
    data = f"Exact search of {len(gallery):,} vectors of gliss-tempo, in memory"
    made.append(Row(data, "plain query", "time", 1e3 * plain[1], TIMES, "ms", 1e3 * plain[0], 1e3 * plain[2]))
    made.append(Row(data, "along the contour", "time", 1e3 * contour[1], 5, "ms", 1e3 * contour[0], 1e3 * contour[2]))
    made.append(Row(data, "along the contour", "plain queries", float(contour[1] / plain[1]), 5))
    return made


def run(transform: Transform, vectors: torch.Tensor) -> Callable[[], object]:
    """One translation, without gradients."""

    def once() -> object:
        with torch.inference_mode():
            return transform(vectors, tempo_ratio=1.3)

    return once


def embed(encoder: glissando.encoders.Encoder, wave: torch.Tensor) -> Callable[[], object]:
    """One embedding, without gradients."""

    def once() -> object:
        with torch.inference_mode():
            return encoder(wave)

    return once


def timed(what: Callable[[], object], times: int) -> NDArray[np.float64]:
    """Lower quartile, median and upper quartile of the seconds it takes, after a first time."""
    what()
    spent = []
    for _ in range(times):
        begun = time.perf_counter()
        what()
        spent.append(time.perf_counter() - begun)
    return np.percentile(spent, [25, 50, 75])
