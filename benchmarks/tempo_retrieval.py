"""Retrieval at other tempi: rankings and their scores, translations that are learned, and what stays. Part of `tempo.py`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import tempo_prediction
import torch
from numpy.typing import NDArray
from report import Row, bootstrap
from tempo_prediction import splits
from tempo_sets import SETS, Clip, opened

import glissando.encoders
from glissando.data import of_data, official
from glissando.features import estimate_key
from glissando.latent import LearnedTranslator, Pairs, ShiftTranslator, Transform, fit_subspace, fit_translator
from glissando.latent.tempo_pairs import embed_at_tempi
from glissando.metrics import tempo_hit

SEED = 0
INSIDE = [float(2 ** (step / 4)) for step in range(-4, 5)]
FACTORS = [0.25, *INSIDE, 4.0]
KS = (1, 5)  # nearest that count
LEAST = 10  # tracks in the wanted band without which a query does not; fewer only where a set is cut for a quick look
METRICS = {
    f"{name}, {tolerance:.0%}, k={k}": (tolerance, octaves, k)
    for name, octaves in (("strict", False), ("octaves forgiven", True))
    for tolerance in (0.04, 0.08)
    for k in KS
}
GOAL_METRIC = "strict, 8%, k=5"
ENCODERS = {  # and the factors at which their oracle is embedded
    "gliss-tempo": FACTORS,
    "rhythm": FACTORS,
    "musicnn-msd": [0.5, 1.0, 2.0],
    "gliss-music": [0.5, 2**-0.5, 1.0, 2**0.5, 2.0],
}
GAMES = {"train": 120, "valid": 30}  # of whose clips translations are learned, beside the songs of tempo_prediction
STEPS = 2000  # of every learned translation
ABLATED = ("gliss-tempo", "gliss-music")
JOINT = {"timbre": 0.5, "rhythm": 0.5}

GROUPS = dict(zip(SETS, ("game", "drums", "composer"), strict=True))  # labels; no set has genres

DEMO, RENDERS = "28 demo tracks (nominal)", [*SETS][1]

Vectors = NDArray[np.float32]
Shares = tuple[NDArray[np.float64], NDArray[np.int64]]  # [query, metric], and the clips that the queries are of


@dataclass(frozen=True)
class Held:
    """What a set's clips are in one space: [clip, factor, dim], at its factors."""

    vectors: Vectors
    factors: list[float]

    @property
    def gallery(self) -> Vectors:
        """The originals."""
        return self.vectors[:, self.factors.index(1.0)]


def retrieval(similar: Callable[[int, int], Vectors], clips: Sequence[Clip], factors: Sequence[float]) -> Shares:
    """Score the ranking that similarities give, for every clip at every factor that has enough to find."""
    bpm, names = np.array([clip.bpm for clip in clips]), np.array([clip.group for clip in clips])
    keys = np.array([clip.name for clip in clips])
    same = (lambda i: keys == keys[i]) if len({*names}) < len(clips) / 2 else (lambda i: names == names[i])
    found, owner = [], []
    for i in range(len(clips)):
        others = np.flatnonzero(~same(i))
        for j, factor in enumerate(factors):
            wanted = bpm[i] * factor
            if tempo_hit(bpm[others], wanted, tolerance=0.08).sum() >= least(clips):
                ranked = others[np.argsort(-similar(i, j)[others], kind="stable")]
                hits = [tempo_hit(bpm[ranked[:k]], wanted, tolerance=t, octaves=o) for t, o, k in METRICS.values()]
                found.append([float(hit.mean()) for hit in hits])
                owner.append(i)
    return np.array(found).reshape(-1, len(METRICS)), np.array(owner, np.int64)


def least(clips: Sequence[Clip]) -> int:
    """How many tracks in the wanted band a query must have."""
    return min(LEAST, len(clips) // 10)


def by_vectors(queries: Vectors, gallery: Vectors) -> Callable[[int, int], Vectors]:
    """Cosine similarities of [clip, factor, dim] with a gallery."""
    return lambda i, j: gallery @ queries[i, j]


def chance(clips: Sequence[Clip], factors: Sequence[float]) -> Shares:
    """What a gallery in any order gives."""
    rng = np.random.default_rng(SEED)
    return retrieval(lambda i, j: rng.random(len(clips)).astype(np.float32), clips, factors)


def rows_of(data: str, system: str, scored: Shares) -> list[Row]:
    """A row per metric, none where there was no query to score; intervals over clips."""
    shares, owner = scored
    rows = []
    for m, metric in enumerate(METRICS if len(shares) else ()):
        low, high = bootstrap(shares[:, m], owner, seed=SEED)
        rows.append(Row(data, system, metric, float(shares[:, m].mean()), len(shares), "", low, high))
    return rows


@torch.inference_mode()
def moved(transform: Transform, gallery: Vectors, factors: Sequence[float]) -> Vectors:
    """Originals translated to every factor, [clip, factor, dim]."""
    given = torch.from_numpy(gallery)
    found: Vectors = torch.stack([transform(given, tempo_ratio=factor) for factor in factors], 1).numpy()
    return found


def by_group(name: str, system: str, scored: Shares, clips: Sequence[Clip]) -> list[Row]:
    """The goal's metric for every group of clips that holds at least as many as a query must find."""
    shares, owner = scored
    kind, metric = GROUPS[name], [*METRICS].index(GOAL_METRIC)
    named = np.array([", ".join(clips[i].labels.get(kind, ("not known",))) for i in owner])
    rows = []
    for group in sorted({*named}):
        inside = named == group
        if len({*owner[inside]}) >= LEAST:
            mine = shares[inside, metric]
            low, high = bootstrap(mine, owner[inside], seed=SEED)
            said = f"Retrieval by {kind}: {name}"
            rows.append(Row(said, f"{system}: {group}", GOAL_METRIC, float(mine.mean()), len(mine), "", low, high))
    return rows


# Learning translations -------------------------------------------------------------------------------------------


def material(encoder: str, workers: int, songs: int | None) -> tuple[Pairs, Pairs]:
    """Clips at nine tempi of songs and games to train, and of those to validate."""
    music, drawn = opened("game-music"), np.random.default_rng(SEED)
    sides = []
    for side, data in splits(songs or tempo_prediction.songs(encoder)).items():
        if side in GAMES:
            keys = drawn.permutation(sorted(official(music).parts[side]))[: songs or GAMES[side]]
            songs_held, _ = tempo_prediction.clips(data, encoder, workers)
            games_held = embed_at_tempi(of_data(music.subset([*keys])), encoder, workers=workers).pairs
            vectors = np.concatenate([songs_held.pairs.vectors, games_held.vectors])
            sides.append(Pairs(vectors, games_held.factors, [*songs_held.pairs.groups, *games_held.groups]))
    return sides[0], sides[1]


def learned(
    encoder: str, pairs: Pairs, valid: Pairs, *, steps: int, hidden: int = 512, contrast: float = 0.5
) -> Transform:
    """A learned translation; none hidden is one direction."""
    card = glissando.encoders.card(encoder)
    torch.manual_seed(SEED)
    found = LearnedTranslator(card.space_id, card.dim, hidden=hidden)
    fit_translator(found, pairs, valid, steps=steps, contrast=contrast, seed=SEED)
    return found


def translators(encoder: str, pairs: Pairs, valid: Pairs, steps: int) -> dict[str, Transform]:
    """The ways to translate that are learned."""
    card = glissando.encoders.card(encoder)
    return {
        "learned": learned(encoder, pairs, valid, steps=steps),
        "direction": learned(encoder, pairs, valid, steps=steps, hidden=0),
        "subspace": fit_subspace(card.space_id, pairs, valid, steps=max(10, steps // 3), seed=SEED),
    }


def ablations(
    encoder: str, pairs: Pairs, valid: Pairs, sets: Mapping[str, tuple[list[Clip], Held]], steps: int
) -> list[Row]:
    """Size, loss and number of clips of the learned translation, on validation clips and on the test sets."""
    groups = np.array(pairs.groups)
    order = [*np.random.default_rng(SEED).permutation(sorted({*groups}))]
    systems: dict[str, Callable[[], Transform]] = {
        **{
            f"learned, {h} hidden": lambda h=h: learned(encoder, pairs, valid, steps=steps, hidden=h)
            for h in (64, 256, 1024)
        },
        "learned, cosine alone": lambda: learned(encoder, pairs, valid, steps=steps, contrast=0.0),
        "learned, mostly contrast": lambda: learned(encoder, pairs, valid, steps=steps, contrast=5.0),
    }
    for share in (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1):
        some = pairs.part(np.isin(groups, order[: max(4, round(share * len(order)))]))
        said = f"learned, {len(some.groups)} clips"
        systems[said] = lambda some=some: learned(encoder, some, valid, steps=steps)
    if glissando.encoders.card(encoder).rates:
        systems["shift (the line to beat)"] = lambda: ShiftTranslator(encoder)
    rows = []
    for said, made in systems.items():
        transform = made()
        for name, (clips, held) in sets.items():
            scored = retrieval(by_vectors(moved(transform, held.gallery, INSIDE), held.gallery), clips, INSIDE)
            data = f"Ablations of the learned translation: {encoder}"
            rows += [replace(row, metric=name) for row in rows_of(data, said, scored) if row.metric == GOAL_METRIC]
    return rows


# What must stay --------------------------------------------------------------------------------------------------


def agreement(name: str, clips: list[Clip], timbre: Vectors, rhythm: Held, chroma: Vectors) -> list[Row]:
    """Timbre, key and labels of a translated search's hits, over those of a plain one, both in the joint space."""
    shift = ShiftTranslator("gliss-tempo")
    queries, keys = moved(shift, rhythm.gallery, INSIDE), [estimate_key(one) for one in chroma]
    tonic = [one.key if one else None for one in keys]
    groups = [clip.group for clip in clips]
    composers = [clip.labels.get("composer") for clip in clips]
    bpm = np.array([clip.bpm for clip in clips])
    outcome: dict[str, list[NDArray[np.float64]]] = {"plain": [], "translated": []}
    owner, strict = [], []
    for i in range(len(clips)):
        others = np.delete(np.arange(len(clips)), i)
        alike = JOINT["timbre"] * (timbre[others] @ timbre[i])
        for j, factor in enumerate(INSIDE):
            if tempo_hit(bpm[others], bpm[i] * factor, tolerance=0.08).sum() < least(clips):
                continue
            owner.append(i)
            for system, query in (("plain", rhythm.gallery[i]), ("translated", queries[i, j])):
                best = others[np.argsort(-(alike + JOINT["rhythm"] * (rhythm.gallery[others] @ query)))[:5]]
                same = [
                    float(np.mean(timbre[best] @ timbre[i])),
                    float(np.mean([tonic[hit] == tonic[i] for hit in best])),
                    float(np.mean([groups[hit] == groups[i] for hit in best])),
                    float(np.mean([composers[hit] == composers[i] for hit in best])) if composers[i] else np.nan,
                ]
                outcome[system].append(np.array(same))
                if system == "translated":
                    strict.append(float(tempo_hit(bpm[best], bpm[i] * factor, tolerance=0.08).mean()))
    rows, data, who = [], f"What stays, timbre .5 and gliss-tempo .5: {name}", np.array(owner)
    held = {system: np.stack(values) for system, values in outcome.items()}
    for m, metric in enumerate(
        ("timbre similarity", "key agreement", "of the same game or piece", "of the same composer")
    ):
        known = np.isfinite(held["plain"][:, m])
        if not known.any():
            continue
        for system, values in held.items():
            low, high = bootstrap(values[known, m], who[known], seed=SEED)
            rows.append(Row(data, system, metric, float(values[known, m].mean()), int(known.sum()), "", low, high))
        plain, there = (float(held[system][known, m].mean()) for system in ("plain", "translated"))
        if plain > 0:
            rows.append(Row(data, "translated over plain", metric, there / plain, int(known.sum())))
    low, high = bootstrap(np.array(strict), who, seed=SEED)
    rows.append(Row(data, "translated", GOAL_METRIC, float(np.mean(strict)), len(strict), "", low, high))
    return rows
