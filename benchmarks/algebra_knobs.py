"""Knobs: what turning each of the first eight does to decoded sounds, and how surely.

A part of `algebra.py`. Learned from notes of the soundfonts; judged on notes of held-out instruments.
"""

from __future__ import annotations

import numpy as np
from algebra_sounds import SEED, drawn
from numpy.typing import NDArray
from report import Row, bootstrap

from glissando import codecs
from glissando.latent import METHODS, fit_knobs, hear
from glissando.latent import measure as measure_each
from glissando.metrics import PROPERTIES

COUNT, LEARNED, EXAMPLES = 8, 250, 8  # knobs, notes that they are learned from, notes that they are judged by
GOAL, LEAST = 0.8, 3  # rank correlation, and properties that shall reach it
BEST = "The best knob of each property"

ABOUT = [
    f"Knobs: the first {COUNT} of each kind, learned from notes of all but the held-out instruments. Spearman's rank correlation of nine turns from -2 to 2 with each property of "
    f"the decoded sound, mean over {EXAMPLES} notes of held-out instruments. For the goal, the knob of each property is chosen by one half of these notes and judged by the other half.",
    "",
]


def measure(quick: bool) -> tuple[list[Row], list[dict[str, object]]]:
    """Both kinds of knobs."""
    codec = codecs.load("gliss-codec")
    rows: list[Row] = []
    each: list[NDArray[np.float64]] = []
    learned = [recording for recording, _ in drawn(held=False, each=4)]
    latents = hear(codec, learned, most=30 if quick else LEARNED, examples=1)[0]
    judges = [recording for recording, _ in drawn(held=True, each=1)]
    examples = hear(codec, judges, most=2 if quick else EXAMPLES, examples=2 if quick else EXAMPLES, seed=SEED)[1]
    for method, said in METHODS.items():
        knobs = fit_knobs(codec.card.space_id, latents, method=method, count=2 if quick else COUNT)
        told = [measure_each(codec, knobs, one[None]) for one in examples]  # (one by one, for intervals)
        found = np.array([[[knob[name] for name in PROPERTIES] for knob in one] for one in told])
        for number in range(found.shape[1]):
            for column, name in enumerate(PROPERTIES):
                values = found[:, number, column]
                low, high = bootstrap(values, np.arange(len(values)), seed=SEED)
                data = f"Knobs of {said}"
                rows.append(Row(data, f"{method} {number + 1}", name, float(values.mean()), len(values), "", low, high))
        each.append(found)
    both = np.concatenate(each, 1)  # [notes, knobs of both kinds, properties]
    named = [
        f"{method} {number + 1}" for method, some in zip(METHODS, each, strict=True) for number in range(some.shape[1])
    ]
    chosen, judged = (np.abs(half.mean(0)) for half in (both[::2], both[1::2]))
    best = chosen.argmax(0)
    values = np.take_along_axis(judged, best[None], 0)[0]
    rows += [
        Row(BEST, f"{name}: {named[knob]}", "absolute correlation", float(value), len(both[1::2]))
        for name, knob, value in zip(PROPERTIES, best, values, strict=True)
    ]
    count = int((values > GOAL).sum())
    line = f"Properties with a knob whose absolute rank correlation is over {GOAL}, on notes that did not choose it"
    return rows, [{"issue_line": line, "goal": LEAST, "value": count, "met": count >= LEAST}]
