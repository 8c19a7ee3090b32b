"""Searches among notes that say similar in what way: precision of the ten nearest by the weights of the views."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from diverse_cells import CACHE, VIEWS
from numpy.typing import NDArray
from report import Row, bootstrap, goal, ranged

from glissando.data import Entry, data_folder, load
from glissando.training import Run
from glissando.training.embeddings import embed_entries

SEED, K = 0, 10
UNHEARD = "TimGM6mb"
TOLD_BY = {"pitch": "pitch", "instrument": "timbre"}  # view by label
PLAIN = "plain (all views alike)"
WEIGHTINGS = {
    PLAIN: dict.fromkeys(VIEWS, 1.0),
    "pitch=1.0": {"pitch": 1.0},
    "pitch=1.0 timbre=0.2": {"pitch": 1.0, "timbre": 0.2},
    "timbre=1.0": {"timbre": 1.0},
    "pitch=0.2 timbre=1.0": {"pitch": 0.2, "timbre": 1.0},
    **{f"{view}=2.0, others 1.0": {**dict.fromkeys(VIEWS, 1.0), view: 2.0} for view in ("pitch", "timbre")},
    "pitch=0.2, others 1.0": {**dict.fromkeys(VIEWS, 1.0), "pitch": 0.2},
    "waveform=1.0": {"waveform": 1.0},
    "neural=1.0": {"neural": 1.0},
}
CHORALES, SHORTEST, OF_STEM = 4, 0.5, 5  # every fourth chorale; seconds of a note; notes of a stem

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Note(Entry):
    """A stretch of a recording, of a note's length."""

    onset: float = 0.0
    offset: float = 0.0

    def read(self, start: float = 0.0, stop: float | None = None) -> NDArray[np.float32]:
        """Read its audio."""
        end = self.offset if stop is None else min(self.onset + stop, self.offset)
        return super().read(self.onset + start, end)

    def fingerprint(self) -> str:
        """Tell it from the other notes of its recording."""
        return f"{super().fingerprint()}-{self.onset:.3f}-{self.offset:.3f}"


def retrieval(every: int) -> tuple[list[Row], list[dict[str, object]]]:
    """Precision of the ten nearest of held-out notes: same pitch, same instrument, by the weights of a search.

    ``every`` thins the notes of the unheard soundfont and the chorales.
    """
    made, goals = [], []
    for place, entries in held_out(every).items():
        vectors = {view: unit(embed_entries(f"gliss-diverse-{view}", entries)) for view in VIEWS}
        pieces = np.array([entry.groups.get("piece", entry.key) for entry in entries])
        for label, view in TOLD_BY.items():
            labels = np.array([entry.annotations.labels[label][0] for entry in entries])
            shares = {}
            for system, weights in WEIGHTINGS.items():
                scores = sum(weight * vectors[one] @ vectors[one].T for one, weight in weights.items())
                shares[system], chance, most, asked = precision(scores, labels, pieces)
                made.append(_row(place, system, label, shares[system], pieces[asked]))
            for system, found in (("chance", chance), ("the most that there is", most)):
                made.append(Row(place, system, f"precision@{K}, same {label}", float(found.mean()), len(found)))
            for system in (f"{view}=1.0", f"{view}=2.0, others 1.0"):
                low = bootstrap(shares[system] - shares[PLAIN], _numbers(pieces[asked]), seed=SEED)[0]
                line = f"precision@{K} of the same {label} by {system}, above plain, lower end of the interval"
                goals.append(goal(f"{place}: {line}", 0, low, low > 0))
    return made, goals


def held_out(every: int) -> dict[str, list[Entry]]:
    """Notes that the views did not learn, by name of the table."""
    notes = load("soundfont-notes")
    unheard = [one for one in notes.values() if one.annotations.labels["soundfont"] == (UNHEARD,)]
    some = [one for one in unheard if int(one.annotations.labels["instrument"][0]) % every == 0]
    held = {f"Notes of an unheard soundfont ({UNHEARD}, synthetic)": some}
    if (CACHE / "notes" / "pitch" / "split.json").exists():
        parted = Run.open(CACHE / "notes" / "pitch").split().parts["test"]
        asked = [{**notes, **load("guitar-notes")}[key] for key in parted]
        held["Held-out pairs of instrument and pitch, heard soundfonts and real guitars"] = asked
    if (data_folder("chorales") / "chorales.pyjama").exists():
        held["Notes of chorales (synthetic; neighbours of other chorales)"] = chorale_notes(every)
    return held


def chorale_notes(every: int) -> list[Entry]:
    """Notes of single voices, cut out by the annotations, evenly over a chorale; of every so manieth chorale."""
    stems = [entry for entry in load("chorales").values() if entry.annotations.labels["stem"] != ("mix",)]
    chosen = sorted({entry.groups["piece"] for entry in stems})[::every]
    made: list[Entry] = []
    for entry in stems:
        if entry.groups["piece"] not in chosen:
            continue
        found = entry.annotations.notes
        long = found[found[:, 1] - found[:, 0] >= SHORTEST]
        for i in np.unique(np.linspace(0, len(long) - 1, OF_STEM).round().astype(int)) if len(long) else ():
            onset, offset, pitch = long[i].tolist()
            told = {"pitch": (f"{pitch:g}",), "instrument": entry.annotations.labels["stem"]}
            annotations = replace(entry.annotations, labels={**entry.annotations.labels, **told})
            made.append(Note(entry.key, annotations, entry.array, entry.store, onset=onset, offset=offset))
    return made


def precision(
    scores: Array, labels: NDArray[np.str_], pieces: NDArray[np.str_]
) -> tuple[Array, Array, Array, NDArray[np.bool_]]:
    """Share of the ten nearest of other pieces with the query's label, of all others, and at most, and who was asked.

    Queries without a like one are not asked.
    """
    apart = pieces[:, None] != pieces
    same = (labels[:, None] == labels) & apart
    asked = same.any(1)
    ranked = np.argsort(-np.where(apart, scores, -np.inf), axis=1, kind="stable")[:, :K]
    likes = same.sum(1)[asked]
    shares = np.take_along_axis(same, ranked, 1).mean(1)[asked]
    return shares, likes / apart.sum(1)[asked], np.minimum(likes, K) / K, asked


def unit(vectors: NDArray[np.float32]) -> Array:
    """Unit vectors, as a library keeps them."""
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True).clip(1e-9)


def _row(place: str, system: str, label: str, shares: Array, pieces: NDArray[np.str_]) -> Row:
    low, high = bootstrap(shares, _numbers(pieces), seed=SEED)
    found = {"mean": float(shares.mean()), "low": low, "high": high}
    return ranged(place, system, f"precision@{K}, same {label}", found, len(shares))


def _numbers(names: NDArray[np.str_]) -> NDArray[np.int64]:
    return np.unique(names, return_inverse=True)[1]
