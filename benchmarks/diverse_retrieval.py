"""Searches among notes that say similar in what way: precision of the ten nearest by the weights of the views."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from diverse_cells import CACHE, VIEWS
from numpy.typing import NDArray
from report import Row, bootstrap, goal, ranged

from glissando.data import Entry, data_folder, load
from glissando.library.blocks import DEFAULT_BLOCKS, DEFAULT_WEIGHTS
from glissando.library.embedding import unit
from glissando.training import Run
from glissando.training.embeddings import embed_entries

SEED, K = 0, 10
UNHEARD = "TimGM6mb"
BLOCKS = {**{view: f"gliss-diverse-{view}" for view in VIEWS}, "rhythm": DEFAULT_BLOCKS["rhythm"]}
PLAIN, USUAL = "plain (all views alike)", "gliss search as it is (timbre and rhythm)"
WEIGHTINGS: dict[str, Mapping[str, float]] = {
    PLAIN: dict.fromkeys(VIEWS, 1.0),
    USUAL: DEFAULT_WEIGHTS,
    "pitch=1.0": {"pitch": 1.0},
    "pitch=1.0 timbre=0.2": {"pitch": 1.0, "timbre": 0.2},
    "timbre=1.0": {"timbre": 1.0},
    "pitch=0.2 timbre=1.0": {"pitch": 0.2, "timbre": 1.0},
    **{f"{view}=2.0, others 1.0": {**dict.fromkeys(VIEWS, 1.0), view: 2.0} for view in ("pitch", "timbre")},
    "pitch=0.2, others 1.0": {**dict.fromkeys(VIEWS, 1.0), "pitch": 0.2},
    "waveform=1.0": {"waveform": 1.0},
    "neural=1.0": {"neural": 1.0},
}
ABOVE_PLAIN = {  # systems that should find more of what is asked for
    "same pitch": ("pitch=1.0", "pitch=2.0, others 1.0"),
    "same instrument": ("timbre=1.0", "timbre=2.0, others 1.0", "pitch=0.2, others 1.0"),
}
SHORTEST, OF_STEM = 0.5, 5  # seconds of a note; notes of a stem

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

    Both also among notes that are alike in nothing else: of another instrument, at another pitch. ``every`` thins the
    notes of the unheard soundfont and the chorales.
    """
    made, goals = [], []
    for place, (entries, chosen) in held_out(every).items():
        vectors = {block: unit(embed_entries(encoder, entries)) for block, encoder in BLOCKS.items()}
        pieces = np.array([entry.groups.get("piece", entry.key) for entry in entries])
        pitch, instrument = (
            np.array([entry.annotations.labels[label][0] for entry in entries]) for label in ("pitch", "instrument")
        )
        others = (pieces[:, None] != pieces) & np.array([entry.key in chosen for entry in entries])[:, None]
        asked_for = {
            "same pitch": (pitch, others),
            "same instrument": (instrument, others),
            "same pitch among other instruments": (pitch, others & (instrument[:, None] != instrument)),
            "same instrument among other pitches": (instrument, others & (pitch[:, None] != pitch)),
        }
        for metric, (labels, candidates) in asked_for.items():
            found = {
                name: Precision.of(scores(vectors, weights), labels, candidates) for name, weights in WEIGHTINGS.items()
            }
            one = found[PLAIN]
            groups = np.unique(pieces[one.asked], return_inverse=True)[1]
            for system, precision in found.items():
                low, high = bootstrap(precision.shares, groups, seed=SEED)
                told = {"mean": precision.shares.mean(), "low": low, "high": high}
                made.append(ranged(place, system, f"precision@{K}, {metric}", told, len(precision.shares)))
            for system, values in (("chance", one.chance), ("the most that there is", one.most)):
                made.append(Row(place, system, f"precision@{K}, {metric}", float(values.mean()), len(values)))
            for system in ABOVE_PLAIN.get(metric, ()):
                low = bootstrap(found[system].shares - one.shares, groups, seed=SEED)[0]
                line = f"{place}: precision@{K}, {metric}, by {system} above plain, lower end of the interval"
                goals.append(goal(line, 0, low, low > 0))
    return made, goals


def held_out(every: int) -> dict[str, tuple[list[Entry], Collection[str]]]:
    """Notes that the views did not learn, and the keys of those that are asked, by name of the table."""
    notes = load("soundfont-notes")
    unheard = [one for one in notes.values() if one.annotations.labels["soundfont"] == (UNHEARD,)]
    some = [one for one in unheard if int(one.annotations.labels["instrument"][0]) % every == 0]
    held = {f"Notes of an unheard soundfont ({UNHEARD}, synthetic)": some}
    if (data_folder("chorales") / "chorales.pyjama").exists():
        held["Notes of chorales (synthetic; neighbours of other chorales)"] = chorale_notes(every)
    found = {place: (entries, {entry.key for entry in entries}) for place, entries in held.items()}
    if (CACHE / "notes" / "pitch" / "split.json").exists():
        guitars, parted = load("guitar-notes"), Run.open(CACHE / "notes" / "pitch").split().parts["test"]
        pairs = [{**notes, **guitars}[key] for key in parted]
        found["Held-out pairs of instrument and pitch, heard soundfonts and real guitars"] = (pairs, parted)
        found["Of these, real guitars ask"] = (pairs, [key for key in parted if key in guitars])
    return found


def chorale_notes(every: int) -> list[Entry]:
    """Notes of single voices, cut out by the annotations, evenly over a chorale; of one chorale in ``every``."""
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


class Precision(NamedTuple):
    """Of queries that have a like one: shares of the ten nearest with the query's label, by chance, and at most."""

    shares: Array
    chance: Array
    most: Array
    asked: NDArray[np.bool_]

    @classmethod
    def of(cls, scores: Array, labels: NDArray[np.str_], candidates: NDArray[np.bool_]) -> Precision:
        """Count; ``candidates`` tells for each query among which notes it looks."""
        same = (labels[:, None] == labels) & candidates
        asked = same.any(1)
        ranked = np.argsort(-np.where(candidates, scores, -np.inf), axis=1, kind="stable")[:, :K]
        likes = same.sum(1)[asked]
        shares = np.take_along_axis(same, ranked, 1).mean(1)[asked]
        return cls(shares, likes / candidates.sum(1)[asked], np.minimum(likes, K) / K, asked)


def scores(vectors: Mapping[str, Array], weights: Mapping[str, float]) -> Array:
    """Weighted cosine similarities of all to all, as those of a search."""
    return np.sum([weight * vectors[block] @ vectors[block].T for block, weight in weights.items()], axis=0)
