"""Analogies of notes: A at pitch p, less A at q, plus B at q, is B at p; answered by nearest neighbours, inputs left out.

    python algebra_analogies.py [--quick]

After: gliss data build of soundfont-notes and guitar-notes. Printed; `measure` is for algebra.py.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from report import Row, bootstrap

from glissando import codecs
from glissando.codecs import encode
from glissando.data import Recording, load, of_data
from glissando.latent import Analogy, answer_ranks, draw_analogies
from glissando.training import embed_sounds

SEED, COUNT = 0, 1000
ENCODERS = ("gliss-codec", "musicnn-msd", "mfcc")
FONTS = ("FluidR3_GM", "MuseScore_General_Full")  # under the MIT licence
PLACES = {
    "FluidR3_GM": "Analogies: notes of the soundfont FluidR3_GM (synthetic)",
    "MuseScore_General_Full": "Analogies: notes of the soundfont MuseScore_General (synthetic)",
    "guitars": "Analogies: an electric and a classical guitar (real), one take",
    "dynamics": "Analogies: electric guitar (real), dynamics in the place of instruments, one take",
}
SECOND = 1.0  # of latents one after another, from the start of a note

Notes = tuple[list[Recording], list[tuple[str, str]]]


def sets(quick: bool) -> Iterator[tuple[str, Notes]]:
    """Notes with what they are and their pitch: one velocity or take for each pair."""
    notes = of_data(load("soundfont-notes"))
    for font in FONTS[: 1 if quick else None]:
        some = [one for one in notes if one.annotations.labels["soundfont"] == (font,)][: 120 if quick else None]
        yield font, (some, [(_label(one, "instrument"), _label(one, "pitch")) for one in some])
    if quick:
        return
    guitars = [one for one in of_data(load("guitar-notes")) if _label(one, "articulation") == "note"]
    takes = [one for one in guitars if not one.key.endswith(("rr2", "rr3"))]
    one_dynamic = [one for one in takes if _label(one, "dynamic") in ("", "mf")]
    yield "guitars", (one_dynamic, [(_label(one, "instrument"), _label(one, "pitch")) for one in one_dynamic])
    electric = [one for one in takes if _label(one, "dynamic")]
    yield "dynamics", (electric, [(_label(one, "dynamic"), _label(one, "pitch")) for one in electric])


def _label(one: Recording, name: str) -> str:
    return one.annotations.labels.get(name, ("",))[0]


def latents(notes: list[Recording]) -> NDArray[np.float32]:
    """The first second of latents, one after another."""
    codec = codecs.load("gliss-codec")
    count = round(SECOND * codec.card.frame_rate)
    heard = [encode(codec, one.read(0.0, SECOND)).values[:count] for one in notes]
    return np.stack([np.pad(one, ((0, count - len(one)), (0, 0)), mode="edge").ravel() for one in heard])


def measure(quick: bool) -> tuple[list[Row], list[dict]]:
    """All numbers, and the goal."""
    torch.set_num_threads(1)
    rows: list[Row] = []
    goals: list[dict] = []
    for name, (notes, labels) in sets(quick):
        drawn = draw_analogies(labels, count=100 if quick else COUNT, seed=SEED)
        groups = np.array([one.answer for one in drawn])
        vectors = {f"{one}, mean": embed_sounds(one, notes).means for one in (ENCODERS[::2] if quick else ENCODERS)}
        vectors["gliss-codec, its latents of a second"] = latents(notes)
        for system, held in vectors.items():
            rows += scored(PLACES[name], system, answer_ranks(held, drawn), groups)
        ours = vectors["gliss-codec, mean"]
        given = {what: alone(ours, drawn, column) for what, column in (("A at p", 0), ("B at q", 2))}
        for what, ranks in given.items():
            rows += scored(PLACES[name], f"gliss-codec, mean: nearest to {what} alone", ranks, groups)
        rows += [Row(PLACES[name], "chance", f"answer among {k}", k / (len(notes) - 3), len(drawn)) for k in (1, 5)]
        goals.append(goal(PLACES[name], answer_ranks(ours, drawn), given["A at p"], groups))
    return rows, goals


def alone(vectors: NDArray, drawn: list[Analogy], column: int) -> NDArray[np.int64]:
    """Where the answers come if one of the inputs is all that is asked for."""
    centred = vectors - vectors.mean(0)
    unit = centred / np.linalg.norm(centred, axis=1, keepdims=True)
    rows = np.array(drawn)
    near = unit[rows[:, column]] @ unit.T
    np.put_along_axis(near, rows[:, :3], -np.inf, axis=1)
    return (near >= np.take_along_axis(near, rows[:, 3:], axis=1)).sum(1)


def scored(place: str, system: str, ranks: NDArray[np.int64], groups: NDArray[np.int64]) -> list[Row]:
    """Accuracy at 1 and 5, with intervals over answers."""
    found = []
    for k in (1, 5):
        right = (ranks <= k).astype(float)
        low, high = bootstrap(right, groups, seed=SEED)
        found.append(Row(place, system, f"answer among {k}", float(right.mean()), len(right), low=low, high=high))
    return found


def goal(place: str, ours: NDArray[np.int64], one: NDArray[np.int64], groups: NDArray[np.int64]) -> dict:
    """How much more often arithmetic is right than the nearest neighbour of one input, at least."""
    more = (ours <= 1).astype(float) - (one <= 1)
    low, _ = bootstrap(more, groups, seed=SEED)
    line = f"{place}: accuracy at 1 of A at p - A at q + B at q above that of A at p alone, lower end of the interval"
    return {"issue_line": line, "goal": 0.0, "value": low, "met": low > 0}


def main() -> None:
    """Print all numbers."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    rows, goals = measure(parser.parse_args().quick)
    for one in rows:
        print(f"{one.data[:50]:50} {one.system:42} {one.metric:18} {one.value:.4f} n={one.n} {one.low} {one.high}")
    print(goals)


if __name__ == "__main__":
    main()
