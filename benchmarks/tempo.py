"""Similar but faster: are the nearest at the wanted tempo, for every encoder and way to translate its embeddings?

    python tempo.py [--quick] [--workers 2] [--tempocnn PYTHON]

Needs ``gliss data build`` of game-music, tempo-renders and asap. Three test sets: real game music of games that train
nothing, songs of POP909 that train nothing, played by a soundfont that trains nothing, and piano performances of ASAP.
Galleries hold the originals; every clip is a query at nine factors 0.5..2 (and at 0.25 and 4 in rows of their own). The
oracle's query is the clip truly time-stretched. The query's own recording, or piece, never counts. Translations are
learned from songs and games to train, chosen by those to validate.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import tempo_cost
import tempo_prediction
import tempo_tags
import torch
from numpy.typing import NDArray
from report import Row, bootstrap, write
from tempo_sets import RATE, SETS, Clip, demo, embedded

import glissando.encoders
from glissando.data import load, of_data, official
from glissando.features import estimate_key, estimate_tempo, peak_tempo
from glissando.latent import (
    LearnedTranslator,
    Pairs,
    ShiftTranslator,
    Transform,
    embed_at_tempi,
    fit_subspace,
    fit_translator,
)
from glissando.metrics import tempo_hit
from glissando.training import draw_split, load_recipe
from glissando.training.fit import chosen

SEED = 0
INSIDE = [float(2 ** (step / 4)) for step in range(-4, 5)]
FACTORS = [0.25, *INSIDE, 4.0]
KS, LEAST = (1, 5), 10  # nearest that count; tracks in the wanted band without which a query does not
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
    "gliss-music": INSIDE,
    "musicnn-msd": [0.5, 2**-0.5, 1.0, 2**0.5, 2.0],
}
SONGS, CLIPS = 300, 26.0  # renders to learn translations from, and seconds of the original
JOINT = {"timbre": 0.5, "rhythm": 0.5}

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


def unit(vectors: Vectors) -> Vectors:
    """Vectors of length 1."""
    found: Vectors = vectors / np.linalg.norm(vectors, axis=-1, keepdims=True).clip(1e-9)
    return found


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
            if tempo_hit(bpm[others], wanted, tolerance=0.08).sum() >= LEAST:
                ranked = others[np.argsort(-similar(i, j)[others], kind="stable")]
                hits = [tempo_hit(bpm[ranked[:k]], wanted, tolerance=t, octaves=o) for t, o, k in METRICS.values()]
                found.append([float(hit.mean()) for hit in hits])
                owner.append(i)
    return np.array(found).reshape(-1, len(METRICS)), np.array(owner, np.int64)


def by_vectors(queries: Vectors, gallery: Vectors) -> Callable[[int, int], Vectors]:
    """Cosine similarities of [clip, factor, dim] with a gallery."""
    return lambda i, j: gallery @ queries[i, j]


def chance(clips: Sequence[Clip], factors: Sequence[float]) -> Shares:
    """What a gallery in any order gives."""
    rng = np.random.default_rng(SEED)
    return retrieval(lambda i, j: rng.random(len(clips)).astype(np.float32), clips, factors)


def rows_of(data: str, system: str, scored: Shares) -> list[Row]:
    """A row per metric; intervals over clips."""
    shares, owner = scored
    rows = []
    for m, metric in enumerate(METRICS):
        low, high = bootstrap(shares[:, m], owner, seed=SEED) if len(shares) else (0.0, 0.0)
        value = float(shares[:, m].mean()) if len(shares) else float("nan")
        rows.append(Row(data, system, metric, value, len(shares), "", low, high))
    return rows


@torch.inference_mode()
def moved(transform: Transform, gallery: Vectors, factors: Sequence[float]) -> Vectors:
    """Originals translated to every factor, [clip, factor, dim]."""
    given = torch.from_numpy(gallery)
    found: Vectors = torch.stack([transform(given, tempo_ratio=factor) for factor in factors], 1).numpy()
    return found


# Learning translations -------------------------------------------------------------------------------------------


def material(encoder: str, workers: int, most: int) -> tuple[Pairs, Pairs]:
    """Clips at nine tempi of songs and games to train, and of those to validate."""
    part = load_recipe("tempo/renders").data
    songs, split = chosen(part), draw_split(chosen(part), part)
    music = load("game-music")
    sides = []
    for side, count in (("train", most), ("valid", most // 4)):
        keys = np.random.default_rng(SEED).permutation(sorted(split.parts[side]))[:count]
        held = [*of_data(songs.subset([*keys])), *of_data(music.subset(official(music).parts[side]))]

        def told(done: int, total: int, side: str = side) -> None:
            if done % 50 == 0:
                print(f"{encoder}, pairs to {side}: {done}/{total}", flush=True)

        sides.append(embed_at_tempi(held, encoder, workers=workers, progress=told).pairs)
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
    """Every way to translate the embeddings of an encoder, best first."""
    card = glissando.encoders.card(encoder)
    found: dict[str, Transform] = {"shift": ShiftTranslator(encoder)} if card.rates else {}
    found["learned"] = learned(encoder, pairs, valid, steps=steps)
    found["direction"] = learned(encoder, pairs, valid, steps=steps, hidden=0)
    found["subspace"] = fit_subspace(card.space_id, pairs, valid, steps=max(10, steps // 3), seed=SEED)
    return found


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
            row = next(
                row
                for row in rows_of(f"Ablations of the learned translation: {encoder}", said, scored)
                if row.metric == GOAL_METRIC
            )
            rows.append(Row(row.data, said, name, row.value, row.n, "", row.low, row.high))
    return rows


# What must stay --------------------------------------------------------------------------------------------------


def agreement(name: str, clips: list[Clip], timbre: Vectors, rhythm: Held, chroma: Vectors) -> list[Row]:
    """Timbre, key and labels of a translated search's hits, over those of a plain one, both in the joint space."""
    shift = ShiftTranslator("gliss-tempo")
    queries, keys = moved(shift, rhythm.gallery, INSIDE), [estimate_key(one) for one in chroma]
    tonic = [(key.tonic, key.mode) if key else None for key in keys]
    groups = [clip.group for clip in clips]
    bpm = np.array([clip.bpm for clip in clips])
    outcome: dict[str, list[NDArray[np.float64]]] = {"plain": [], "translated": []}
    owner, strict = [], []
    for i in range(len(clips)):
        others = np.delete(np.arange(len(clips)), i)
        alike = JOINT["timbre"] * (timbre[others] @ timbre[i])
        for j, factor in enumerate(INSIDE):
            if tempo_hit(bpm[others], bpm[i] * factor, tolerance=0.08).sum() < LEAST:
                continue
            owner.append(i)
            for system, query in (("plain", rhythm.gallery[i]), ("translated", queries[i, j])):
                best = others[np.argsort(-(alike + JOINT["rhythm"] * (rhythm.gallery[others] @ query)))[:5]]
                same = [
                    float(np.mean(timbre[best] @ timbre[i])),
                    float(np.mean([tonic[hit] == tonic[i] for hit in best])),
                    float(np.mean([groups[hit] == groups[i] for hit in best])),
                ]
                outcome[system].append(np.array(same))
                if system == "translated":
                    strict.append(float(tempo_hit(bpm[best], bpm[i] * factor, tolerance=0.08).mean()))
    rows, data, who = [], f"What stays, timbre .5 and gliss-tempo .5: {name}", np.array(owner)
    held = {system: np.stack(values) for system, values in outcome.items()}
    for m, metric in enumerate(("timbre similarity", "key agreement", "of the same game or piece")):
        for system, values in held.items():
            low, high = bootstrap(values[:, m], who, seed=SEED)
            rows.append(Row(data, system, metric, float(values[:, m].mean()), len(values), "", low, high))
        plain = held["plain"][:, m].mean()
        if plain > 0:
            rows.append(
                Row(data, "translated over plain", metric, float(held["translated"][:, m].mean() / plain), len(who))
            )
    low, high = bootstrap(np.array(strict), who, seed=SEED)
    rows.append(Row(data, "translated", GOAL_METRIC, float(np.mean(strict)), len(strict), "", low, high))
    return rows


# Tempo -----------------------------------------------------------------------------------------------------------


def librosa_tempo(clip: Clip) -> float:
    """Estimate of librosa, as its documentation uses it."""
    import librosa

    return float(np.atleast_1d(librosa.feature.tempo(y=clip.sound(1.0), sr=RATE))[0])


def tempocnn(python: str, clips: Sequence[Clip]) -> NDArray[np.float64]:
    """Estimates of tempocnn's fcn, from its own environment."""
    script = Path(__file__).parent / "peers" / "tempocnn" / "run.py"
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / f"{i:04}.wav" for i in range(len(clips))]
        for file, clip in zip(files, clips, strict=True):
            soundfile.write(file, clip.sound(1.0), RATE)
        out = Path(folder) / "out.json"
        subprocess.run([python, script, out, *files], check=True, capture_output=True)
        told = json.loads(out.read_text())
    return np.array([told[file.stem]["fcn"] for file in files])


def accuracy(name: str, clips: list[Clip], guesses: Mapping[str, NDArray[np.float64]]) -> list[Row]:
    """Acc1 and Acc2 of every system."""
    truth, rows = np.array([clip.bpm for clip in clips]), []
    for system, found in guesses.items():
        for metric, octaves in (("Acc1", False), ("Acc2", True)):
            right = tempo_hit(np.nan_to_num(found), truth, octaves=octaves).astype(float)
            low, high = bootstrap(right, np.arange(len(right)), seed=SEED)
            rows.append(Row(f"Tempo: {name}", system, metric, float(right.mean()), len(right), "", low, high))
    return rows


def estimates(name: str, clips: list[Clip], beats: Vectors, similar: Vectors, python: str | None) -> list[Row]:
    """Ours, trained and not, beside the peers."""
    rough = [estimate_tempo(one) for one in similar]
    guesses = {
        "gliss-tempo": np.array([peak_tempo(one.astype(np.float64)).bpm for one in beats]),
        "rhythm (log-lag autocorrelation)": np.array([one.bpm if one else np.nan for one in rough]),
        "librosa": np.array([librosa_tempo(clip) for clip in clips]),
    }
    if python:
        guesses["tempocnn (fcn)"] = tempocnn(python, clips)
    return accuracy(name, clips, guesses)


def main() -> None:
    """Run every system on every set and write ``results/tempo.json``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="12 clips a set, our tempo encoder; writes nothing")
    parser.add_argument(
        "--workers", type=int, default=1, help="processes that embed what translations are learned from"
    )
    parser.add_argument("--tempocnn", help="Python of the peer's environment (make peer-tempocnn)")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    names = ["gliss-tempo", "rhythm"] if asked.quick else [*ENCODERS]
    steps, songs = (50, 8) if asked.quick else (3000, SONGS)
    sets = {name: [*listed()] for name, listed in SETS.items()}
    if asked.quick:
        sets = {name: clips[:: max(1, len(clips) // 12)] for name, clips in sets.items()}
    encoders = {name: glissando.encoders.load(name) for name in names}
    rows: list[Row] = []
    for name, clips in sets.items():
        rows += rows_of(f"Retrieval: {name}", "chance", chance(clips, INSIDE))
    spaces: dict[str, dict[str, tuple[list[Clip], Held]]] = {}
    for encoder_name in names:
        factors = [1.0] if asked.quick else ENCODERS[encoder_name]
        spaces[encoder_name] = {
            name: (clips, Held(unit(embedded(clips, encoders[encoder_name], factors)["embedding"]), factors))
            for name, clips in sets.items()
        }
        pairs, valid = material(encoder_name, asked.workers, songs)
        ways = translators(encoder_name, pairs, valid, steps)
        for name, (clips, held) in spaces[encoder_name].items():
            said = f"Retrieval: {name}"
            inside = [factor for factor in INSIDE if factor in factors]
            for way, transform in ways.items():
                queries = moved(transform, held.gallery, FACTORS)
                like = by_vectors(queries[:, 1:-1], held.gallery)
                rows += rows_of(said, f"{encoder_name}, {way}", retrieval(like, clips, INSIDE))
                if way == "shift":
                    far = by_vectors(queries[:, [0, -1]], held.gallery)
                    rows += rows_of(
                        f"{said}, at 0.25 and 4", f"{encoder_name}, {way}", retrieval(far, clips, (0.25, 4.0))
                    )
                    if len(inside) < len(INSIDE):
                        continue
            still = np.repeat(held.gallery[:, None], len(INSIDE), 1)
            rows += rows_of(said, f"{encoder_name}, no-op", retrieval(by_vectors(still, held.gallery), clips, INSIDE))
            true = held.vectors[:, [factors.index(factor) for factor in inside]]
            oracle = f"{encoder_name}, oracle" + ("" if len(inside) == len(INSIDE) else f" ({len(inside)} factors)")
            rows += rows_of(said, oracle, retrieval(by_vectors(true, held.gallery), clips, inside))
        rows += (
            ablations(encoder_name, pairs, valid, spaces[encoder_name], steps) if encoder_name != "musicnn-msd" else []
        )
        show(rows)
    chroma = glissando.encoders.load("chroma")
    for name, (clips, held) in spaces["gliss-tempo"].items():
        if "musicnn-msd" in spaces:
            keys = embedded(clips, chroma, [1.0])["chroma"][:, 0]
            rows += agreement(name, clips, spaces["musicnn-msd"][name][1].gallery, held, keys)
    for name, clips in {**sets, "28 demo tracks (nominal)": [*demo()]}.items():
        beats = embedded(clips, encoders["gliss-tempo"], [1.0])["beats"][:, 0]
        similar = embedded(clips, encoders["rhythm"], [1.0])["autocorrelation"][:, 0]
        rows += estimates(name, clips, beats, similar, asked.tempocnn)
    rows += tempo_tags.rows(sets, quick=asked.quick)
    rows += tempo_cost.rows(quick=asked.quick)
    predicted, goals = tempo_prediction.rows(workers=asked.workers, quick=asked.quick)
    rows += predicted
    show(rows)
    if not asked.quick:
        write("tempo", rows, seed=SEED, title="Similar but faster", notes=NOTES, goals=[*wanted(rows), *goals])


def show(rows: Sequence[Row]) -> None:
    """Print what has been found so far."""
    for row in rows:
        if "4%" not in row.metric:
            between = "" if row.low is None else f" ({row.low:.3f}..{row.high:.3f})"
            print(f"{row.data:44} {row.system:34} {row.metric:28} {row.value:.3f}{between} n={row.n}", flush=True)


def wanted(rows: Sequence[Row]) -> list[dict[str, object]]:
    """The goals, and whether they are met."""

    def value(data: str, system: str, metric: str) -> float:
        return next(row.value for row in rows if (row.data, row.system, row.metric) == (data, system, metric))

    pop, real = f"Retrieval: {[*SETS][1]}", f"Retrieval: {next(iter(SETS))}"
    goals: list[tuple[str, float, float, bool]] = []
    for data, least in ((pop, 0.9), (real, 0.75)):
        ours, oracle = (value(data, f"gliss-tempo, {way}", GOAL_METRIC) for way in ("shift", "oracle"))
        goals.append((f"{data}: {GOAL_METRIC}, shift", least, ours, ours >= least))
        goals.append((f"{data}: oracle less shift, at most", 0.03, oracle - ours, oracle - ours <= 0.03))
    for name in SETS:
        kept = value(f"What stays, timbre .5 and gliss-tempo .5: {name}", "translated over plain", "timbre similarity")
        goals.append((f"{name}: timbre similarity of hits over a plain search's", 0.95, kept, kept >= 0.95))
    ours = value("Tempo: 28 demo tracks (nominal)", "gliss-tempo", "Acc1")
    goals.append(("Acc1 on the demo tracks (tempocnn .89)", 0.89, ours, ours >= 0.89))
    if any(row.system == "tempocnn (fcn)" for row in rows):
        ours, peer = (value(f"Tempo: {[*SETS][1]}", system, "Acc1") for system in ("gliss-tempo", "tempocnn (fcn)"))
        goals.append(("Acc1 on the renders, no lower than tempocnn's", peer, ours, ours >= peer))
    return [{"issue_line": line, "goal": goal, "value": found, "met": met} for line, goal, found, met in goals]


NOTES = [
    "Share of the nearest (k=1 and 5; the query's own recording, and its own piece in the synthetic sets, excluded) within 4 % and 8 % of the factor times the "
    f"query's tempo, at nine factors 0.5..2. Only queries with at least {LEAST} tracks within 8 % of the wanted tempo count (n). Intervals: 95 %, bootstrap over clips.",
    "",
    "Tempi of the game music are estimates on which two models of tempocnn agree, not annotations: tempocnn's own accuracy on them means nothing, and gliss-tempo was "
    "trained with such labels of other games. Renders and ASAP are synthetic. The oracle stretches audio; on the renders it hears 26 s of music at whatever length they then have.",
    "",
    "Translations other than the shift are learned from 300 renders and from the game music to train, at nine tempi each; no test set chose anything.",
]

if __name__ == "__main__":
    main()
