"""Similar but faster, on real music: are the nearest at the wanted tempo, and do they still sound alike?

    python benchmarks/retrieval.py      # labels: benchmarks/peers/tempocnn/labels.json, made by `make peer-tempocnn`

One clip of 30 s a recording (Debian's game music, recordings of at least 60 s), a gallery of originals in a real
library, and every clip as query at seven factors 0.5..2. The oracle's query is the clip truly time-stretched (a longer
excerpt, so that it lasts 30 s too). The query's own recording never counts as a hit.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import game_music
import numpy as np
import soundfile
from numpy.typing import NDArray
from report import Row, bootstrap, write

from glissando import Library
from glissando.audio import Audio, is_silent, read, resample, stretch
from glissando.library.embedding import Embedded
from glissando.library.query import Query, tempo_range
from glissando.library.search import Target, joint_weights, search
from glissando.library.targets import translate
from glissando.metrics import tempo_hit
from glissando.paths import cache_dir

CLIP, RATE = 30.0, 22_050  # seconds, Hz
FACTORS = [float(2 ** (step / 3)) for step in range(-3, 4)]
K, SEED = 5, 0
DEPTH = 60  # hits asked for, so that five remain among the recordings whose labels agree
ORACLE_EVERY = 3
PLAIN = "no-op, rhythm 0.5, timbre 0.5"
FILTERED = "shift and filter on our estimate, rhythm 0.5, timbre 0.5"
JOINT_ORACLE = "oracle, rhythm 0.5, timbre 0.5 (every third recording)"
LABELS = Path(__file__).parent / "peers" / "tempocnn" / "labels.json"
METRICS = {
    "octave-strict, 4 %": (0.04, False),
    "octave-strict, 8 %": (0.08, False),
    "octave-tolerant, 4 %": (0.04, True),
    "octave-tolerant, 8 %": (0.08, True),
}


def clips(cache: Path) -> list[tuple[str, str, Path]]:
    """Cut the clips: name, game, and the file with the 60 s around the middle; the clip itself as wav for tempocnn."""
    folder, originals = cache / "clips", cache / "originals"
    folder.mkdir(parents=True, exist_ok=True)
    originals.mkdir(exist_ok=True)
    made = []
    for i, track in enumerate(one for one in game_music.fetch(cache / "packages") if one.duration >= 2 * CLIP):
        path = folder / f"{i:03}.flac"
        if not path.exists():
            cut(track.path, track.duration, path)
        original = originals / f"{path.stem}.wav"
        if not original.exists():
            soundfile.write(original, excerpt(path, 1.0).samples, RATE)
        if not is_silent(read(original).samples):  # one soundtrack holds a pause of half a minute
            made.append((path.stem, track.game, path))
    return made


def cut(recording: str | Path, duration: float, path: Path) -> None:
    """Write the 60 s around the middle of a recording, or all of a shorter one."""
    middle = duration / 2
    audio = read(recording, sample_rate=RATE, start=max(0.0, middle - CLIP), end=middle + CLIP)
    soundfile.write(path, np.clip(audio.samples, -1, 1), RATE)


def excerpt(path: Path, factor: float) -> Audio:
    """The clip at a factor of its tempo: always 30 s."""
    audio = read(path)
    half = CLIP * factor / 2 * RATE
    middle = len(audio.samples) // 2
    part = Audio(audio.samples[max(0, int(middle - half)) : int(middle + half)], RATE)
    return part if factor == 1 else stretch(part, factor)


def embeddings(library: Library, made: list[tuple[str, str, Path]], cache: Path) -> dict[str, NDArray[np.float32]]:
    """Vectors of every clip at every factor, [clip, factor, dim] by block, and tempo estimates; kept in the cache.

    Timbre of stretched clips is needed for the joint oracle alone, and computed for every third recording.
    """
    folder = cache / "embeddings"
    folder.mkdir(exist_ok=True)
    space = "-".join(sorted(block.space_id.replace(":", "_") for block in library.store.blocks().values()))
    rhythm_only, both = library.embedder(["rhythm"]), library.embedder()
    collected: dict[str, list[Any]] = {"timbre": [], "rhythm": [], "tempo": []}
    for i, (name, _, path) in enumerate(made):
        file = folder / f"{name}-{space}.npz"
        if not file.exists():
            found: list[Embedded] = []
            for factor in FACTORS:
                embedder = both if i % ORACLE_EVERY == 0 or factor == 1 else rhythm_only
                rates = embedder.sample_rates
                audio = excerpt(path, factor)
                found.append(embedder.embed({rate: resample(audio.samples, RATE, rate) for rate in rates}))
            np.savez(
                file,
                timbre=np.stack([one.vectors.get("timbre", np.full(200, np.nan, np.float32)) for one in found]),
                rhythm=np.stack([one.vectors["rhythm"] for one in found]),
                tempo=np.array([one.tempo.bpm if one.tempo else np.nan for one in found]),
            )
            print(f"embedded {i + 1}/{len(made)}", flush=True)
        with np.load(file) as arrays:
            for key in collected:
                collected[key].append(arrays[key])
    return {key: np.stack(values) for key, values in collected.items()}


def gallery(library: Library, made: list[tuple[str, str, Path]]) -> None:
    """Put the originals into the library, once."""
    if len(library) != len(made):
        library.add(*(excerpt(path, 1.0) for *_, path in made), names=[name for name, *_ in made])


def main() -> None:
    """Run every system on every query and write ``results/retrieval.json``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--labels", type=Path, default=LABELS, help="JSON from benchmarks/peers/tempocnn/run.py")
    parser.add_argument("--clips", action="store_true", help="only cut the clips, for the peer to label")
    parser.add_argument("--quick", action="store_true", help="every tenth query, nothing written")
    arguments = parser.parse_args()
    cache = cache_dir() / "benchmarks"
    made = clips(cache)
    if arguments.clips:
        print(cache / "originals")
        return
    library = Library.open(cache / "gallery")
    gallery(library, made)
    vectors = embeddings(library, made, cache)
    tempo = json.loads(arguments.labels.read_text())
    labels = np.array([tempo[name]["fcn"] for name, *_ in made])
    agreed = np.array([abs(tempo[name]["fcn"] / tempo[name]["cnn"] - 1) <= 0.04 for name, *_ in made])
    rows = report(library, made, vectors, labels, agreed, every=10 if arguments.quick else 1)
    rows += estimates(vectors["tempo"][:, FACTORS.index(1.0)], labels, agreed)
    if arguments.quick:
        return
    write(
        "retrieval",
        rows,
        seed=SEED,
        title="Similar but faster, on real music",
        notes=[
            f"{len(made)} recordings of Debian's game-music packages, one clip of 30 s each; gallery of originals in a real library, "
            f"queries at factors {', '.join(f'{factor:.2f}' for factor in FACTORS)}; share of the {K} nearest (own recording "
            "excluded) within 4 % and 8 % of the wanted tempo. Octave-tolerant also accepts 1/3, 1/2, 2 and 3 times it. Only queries "
            f"with at least {K} recordings within 8 % of the wanted tempo count. Intervals: 95 %, bootstrap over recordings.",
            "",
            'Tempo labels are tempocnn\'s (fcn), not annotations; "labels agree" keeps the recordings on which its two models (fcn, '
            "cnn) agree within 4 %, queries and gallery alike. The constants of our tempo estimate were fitted to the agreeing labels of "
            "this very set, so the rows that use the estimate flatter it here; the demo tracks, not used for fitting, are the fair test.",
            "",
            "Weights: timbre (musiCNN) and rhythm. Oracle: the truly stretched clip. No-op: the untranslated query, which at factor 1 "
            "is the shift too; with both blocks it is the plain search. Where the filter leaves fewer than five hits, the missing ones "
            "count as misses.",
        ],
    )


def report(
    library: Library,
    made: list[tuple[str, str, Path]],
    vectors: dict[str, NDArray[np.float32]],
    labels: NDArray[np.float64],
    agreed: NDArray[np.bool_],
    *,
    every: int,
) -> list[Row]:
    """Tempo and timbre of the hits, for every system."""
    store = library.store
    ids = {row["title"]: row["id"] for row in store.rows("tracks", ["id", "title"]).to_pylist()}
    position = {name: i for i, (name, *_) in enumerate(made)}
    original = FACTORS.index(1.0)
    timbre = vectors["timbre"][:, original]

    def run(
        i: int, target: dict[str, NDArray[np.float32]], weights: dict[str, float], tempo: float | None = None
    ) -> list[int]:
        query = Query(k=DEPTH, tempo=tempo_range(tempo) if tempo else None)
        joined = joint_weights(target, weights)
        hits = search(store, Target(target, frozenset([ids[made[i][0]]])), query, joined)
        return [position[Path(hit.path).name] for hit in hits]

    systems: dict[str, Any] = {}
    for share in (1.0, 0.7, 0.5, 0.3):
        weights = {"timbre": 1 - share, "rhythm": share}
        said = "rhythm only" if share == 1 else f"rhythm {share:g}, timbre {1 - share:.1f}"
        systems[f"shift, {said}"] = lambda i, j, w=weights: run(i, shifted(library, vectors, i, j), w)
    both = {"timbre": 0.5, "rhythm": 0.5}
    systems[FILTERED] = lambda i, j: run(
        i, shifted(library, vectors, i, j), both, tempo=float(vectors["tempo"][i, original]) * FACTORS[j]
    )
    systems["oracle, rhythm only"] = lambda i, j: run(
        i, {b: vectors[b][i, j] for b in both}, {"timbre": 0.0, "rhythm": 1.0}
    )
    systems[JOINT_ORACLE] = lambda i, j: run(i, {b: vectors[b][i, j] for b in both}, both)
    systems["no-op, rhythm only"] = lambda i, j: run(
        i, {b: vectors[b][i, original] for b in both}, {"timbre": 0.0, "rhythm": 1.0}
    )
    systems[PLAIN] = lambda i, j: run(i, {b: vectors[b][i, original] for b in both}, both)
    systems["no-op, timbre only"] = lambda i, j: run(
        i, {b: vectors[b][i, original] for b in both}, {"timbre": 1.0, "rhythm": 0.0}
    )

    everyone = {"all recordings": np.ones(len(made), bool), "labels agree": agreed}
    outcome: dict[tuple[str, str], list[tuple[int, list[float]]]] = {}
    alike: dict[str, list[tuple[int, float]]] = {}
    for i in range(0, len(made), every):
        others = np.arange(len(made)) != i
        alike.setdefault("chance: all other recordings", []).append((i, float((timbre[others] @ timbre[i]).mean())))
        for j, factor in enumerate(FACTORS):
            wanted = labels[i] * factor
            joint_oracle = i % ORACLE_EVERY == 0
            rankings = {name: system(i, j) for name, system in systems.items() if joint_oracle or name != JOINT_ORACLE}
            for name, ranking in rankings.items():
                if ranking[:K] and not name.startswith("oracle"):
                    alike.setdefault(name, []).append((i, float(np.mean(timbre[ranking[:K]] @ timbre[i]))))
            for data, kept in everyone.items():
                pool = others & kept
                if not kept[i] or tempo_hit(labels[pool], wanted, tolerance=0.08).sum() < K:
                    continue
                for name, ranking in rankings.items():
                    nearest = labels[[hit for hit in ranking if kept[hit]][:K]]
                    counts = [
                        float(np.sum(tempo_hit(nearest, wanted, tolerance=t, octaves=o))) for t, o in METRICS.values()
                    ]
                    outcome.setdefault((data, name), []).append((i, [count / K for count in counts]))
                    if name == FILTERED and len(nearest):
                        shares = [count / len(nearest) for count in counts]
                        outcome.setdefault((data, f"{name}: of the hits it gives"), []).append((i, shares))
                chance = [
                    float(tempo_hit(labels[pool], wanted, tolerance=t, octaves=o).mean()) for t, o in METRICS.values()
                ]
                outcome.setdefault((data, "chance"), []).append((i, chance))
        print(f"query {i + 1}/{len(made)}", end="\r", flush=True)
    rows = []
    for (data, name), values in outcome.items():
        groups = np.array([i for i, _ in values])
        for m, metric in enumerate(METRICS):
            numbers = np.array([hits[m] for _, hits in values])
            low, high = bootstrap(numbers, groups, seed=SEED)
            rows.append(
                Row(
                    f"Tempo of the five nearest: {data}",
                    name,
                    metric,
                    float(numbers.mean()),
                    len(values),
                    "",
                    low,
                    high,
                )
            )
        print(f"{data:16} {name:58}", *(f"{row.value:.2f}" for row in rows[-4:]))
    plain = float(np.mean([value for _, value in alike[PLAIN]]))
    for name, pairs in alike.items():
        numbers, groups = np.array([value for _, value in pairs]), np.array([i for i, _ in pairs])
        low, high = bootstrap(numbers, groups, seed=SEED)
        data = "Do they still sound alike? Timbre similarity of query and five nearest"
        rows.append(Row(data, name, "mean cosine (musiCNN)", float(numbers.mean()), len(pairs), "", low, high))
        share = float(numbers.mean()) / plain
        rows.append(Row(data, name, "relative to the plain search", share, len(pairs)))
        print(f"{name:58} {numbers.mean():.3f} {share:.3f}")
    return rows


def shifted(
    library: Library, vectors: dict[str, NDArray[np.float32]], i: int, j: int
) -> dict[str, NDArray[np.float32]]:
    """The query as a search with this tempo ratio makes it."""
    original = FACTORS.index(1.0)
    rhythm = translate(library.store, "rhythm", vectors["rhythm"][i, original], FACTORS[j])
    return {"timbre": vectors["timbre"][i, original], "rhythm": rhythm}


def estimates(found: NDArray[np.float64], labels: NDArray[np.float64], agreed: NDArray[np.bool_]) -> list[Row]:
    """Accuracy of our tempo estimate against the labels, and on the demo tracks against their nominal tempo."""
    import glissando.encoders
    from glissando.cli.demo import fetch_tracks
    from glissando.library import Embedder, embed_file

    rows = []
    embedder = Embedder({"rhythm": glissando.encoders.load("rhythm")})
    music, nominal = fetch_tracks(cache_dir() / "demo")
    files = sorted(music.rglob("*.opus"))
    tempi = [embed_file(file, embedder).tempo for file in files]
    sets = {
        "game music, against tempocnn": (found, labels),
        "game music, labels agree (fitted to these)": (found[agreed], labels[agreed]),
        "28 demo tracks, nominal tempo (held out)": (
            np.array([one.bpm if one else np.nan for one in tempi]),
            np.array([nominal[file.name] for file in files]),
        ),
    }
    for name, (ours, truth) in sets.items():
        for metric, octaves in (("Acc1 (4 %)", False), ("Acc2 (4 %, octaves forgiven)", True)):
            right = tempo_hit(np.nan_to_num(ours), truth, tolerance=0.04, octaves=octaves).astype(float)
            low, high = bootstrap(right, np.arange(len(right)), seed=SEED)
            rows.append(Row("Tempo estimate", name, metric, float(right.mean()), len(right), "", low, high))
            print(f"{name:45} {metric:30} {right.mean():.3f}")
    return rows


if __name__ == "__main__":
    main()
