"""Search from a thousand to a million rows: time, recall, filters, batches, memory, disk.

    python benchmarks/search.py [--quick]

Rows are real segments (game music, indexed once and kept) drawn with replacement, with noise of their own
and noise that the ten segments of one made-up track share, in real libraries. Queries are rows of tracks of the
library, made 15 % faster; their own track never counts. Every timing is of the whole search, from vectors to hits.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import faiss
import game_music
import matplotlib
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from report import TABLES, Row, bootstrap, write

from glissando import Library
from glissando.library import ranking, vector_index
from glissando.library.columns import matrix, vector_column
from glissando.library.memory_index import MemoryIndex
from glissando.library.query import Query
from glissando.library.rows import LEVELS, label
from glissando.library.schema import TABLES as TABLES_
from glissando.library.search import Hit, Target, search, search_many
from glissando.library.store import Store
from glissando.library.targets import translate
from glissando.paths import cache_dir

matplotlib.use("Agg")
import matplotlib.pyplot as plt

SEED, K, PER_TRACK = 0, 10, 10
SIZES = (1_000, 10_000, 100_000, 1_000_000)
WEIGHTS = {"timbre": 0.5, "rhythm": 0.5}
MEMORY = "Glissando, in memory"
SHARED, OWN = 0.35, 0.25  # lengths of the noise that segments of a track share, and of their own
NINE = [float(2 ** (step / 4)) for step in range(-4, 5)]
FILTERS = {
    "no filter": Query(moments=True, k=K),
    "tempo filter, 1 in 10": Query(moments=True, k=K, tempo=(100.0, 107.2)),
    "tag filter, 1 in 4": Query(moments=True, k=K, tags={"jazz": 0.1}),
    "artist filter, 1 in 100": Query(moments=True, k=K, artists=("artist 7",)),
}
Vectors = NDArray[np.float32]


class Source:
    """Real segments to draw from: game music heard whole, or for a quick look a few recordings of it in samples."""

    def __init__(self, cache: Path, *, quick: bool) -> None:
        tracks = game_music.fetch(cache / "packages")
        some = (tracks[:: max(1, len(tracks) // 8)], cache / "quick") if quick else (tracks, cache / "coverage")
        store = game_music.library(*some, coverage=4 if quick else 0).store
        self.blocks = ", ".join(
            f"{name} by {block.encoder} ({block.dim})" for name, block in store.blocks().items() if name in WEIGHTS
        )
        rows = store.rows("segments", ["track_id", *WEIGHTS])
        _, self.track = np.unique(rows["track_id"].to_numpy(zero_copy_only=False), return_inverse=True)
        self.vectors = {block: matrix(rows[block]) for block in WEIGHTS}
        self.tags = matrix(store.rows("tracks", ["tags"])["tags"])
        self.tag_names = store.tag_names()
        self.by_track = [np.flatnonzero(self.track == i) for i in range(self.track.max() + 1)]

    def tables(self, tracks: int, first: int) -> tuple[dict[str, Any], dict[str, Any]]:
        """Make tracks number ``first`` and on: columns of both tables."""
        rng = np.random.default_rng([SEED, first])
        picks = rng.integers(len(self.by_track), size=tracks)
        rows = np.concatenate([rng.choice(self.by_track[pick], PER_TRACK) for pick in picks])
        segments: dict[str, Any] = {}
        for block, values in self.vectors.items():
            dim = values.shape[1]
            noise = SHARED * rng.standard_normal((tracks, 1, dim)) + OWN * rng.standard_normal((tracks, PER_TRACK, dim))
            noisy = values[rows].reshape(tracks, PER_TRACK, dim) + noise / np.sqrt(dim)
            segments[block] = _unit(noisy.reshape(-1, dim).astype(np.float32))
        numbers = np.arange(first, first + tracks)
        tags = self.tags[rng.integers(len(self.tags), size=tracks)]
        whole = {
            "id": [f"{number:032x}" for number in numbers],
            "path": [f"/music/{number // 1000}/{number}.flac" for number in numbers],
            "artist": [f"artist {number % 100}" for number in numbers],
            "tempo": (60 * 2 ** rng.uniform(0, 1, tracks)).astype(np.float32),
            "labels": [[label(n, at) for n, p in zip(self.tag_names, row, strict=True) for at in LEVELS if p >= at] for row in tags],
            "tags": tags,
            **{block: _unit(segments[block].reshape(tracks, PER_TRACK, -1).mean(1)) for block in WEIGHTS},
        }  # fmt: skip
        owner = np.repeat(np.arange(tracks), PER_TRACK)
        segments |= {
            "id": [f"{numbers[i]:032x}:{j % PER_TRACK}" for j, i in enumerate(owner)],
            "track_id": [whole["id"][i] for i in owner],
            "start": np.tile(15.0 * np.arange(PER_TRACK), tracks),
            "end": np.tile(15.0 * np.arange(1, PER_TRACK + 1), tracks),
            **{name: [whole[name][i] for i in owner] for name in ("artist", "tempo", "labels")},
        }
        for table in (whole, segments):
            table["joint"] = np.concatenate([table[block] for block in WEIGHTS], 1)
        return whole, segments


def _unit(values: Vectors) -> Vectors:
    return values / np.linalg.norm(values, axis=-1, keepdims=True)


def fill(store: Store, source: Source, rows: int) -> None:
    """Add tracks until the library has that many segments."""
    for first in range(store.count("tracks"), rows // PER_TRACK, 5000):
        whole, segments = source.tables(min(5000, rows // PER_TRACK - first), first)
        for target, columns in ((store.segments, segments), (store.tracks, whole)):  # many rows: no path to replace
            target.add(
                pa.table({field.name: _column(field, columns) for field in target.schema if field.name in columns})
            )
    store.optimize()


def _column(field: pa.Field, columns: dict[str, Any]) -> pa.Array:
    values = columns[field.name]
    if pa.types.is_fixed_size_list(field.type):
        return vector_column([*values], field.type.list_size)
    return pa.array(values, field.type)


def targets(store: Store, count: int) -> list[list[Target]]:
    """Rows as queries, each at nine tempi; the fifth is the row as it is."""
    rng = np.random.default_rng(SEED)
    offsets = rng.choice(store.count("segments"), count, replace=False)
    rows = store.segments.take_offsets([int(i) for i in offsets]).select(["track_id", *WEIGHTS]).to_arrow()
    vectors = {block: matrix(rows[block]) for block in WEIGHTS}
    nine = [translate(store, "rhythm", vectors["rhythm"], ratio) for ratio in NINE]
    return [
        [
            Target({"timbre": vectors["timbre"][i], "rhythm": r[i]}, frozenset([rows["track_id"][i].as_py()]))
            for r in nine
        ]
        for i in range(count)
    ]


def timed(run: Callable[[Any], Any], arguments: Sequence[Any]) -> NDArray[np.float64]:
    """Milliseconds of every call, after one that does not count."""
    run(arguments[0])
    spent = []
    for argument in arguments:
        start = time.perf_counter()
        run(argument)
        spent.append(1000 * (time.perf_counter() - start))
    return np.array(spent)


def time_rows(data: str, system: str, spent: NDArray[np.float64]) -> Iterator[Row]:
    """Median with its interval, and 95th percentile."""
    medians = np.median(np.random.default_rng(SEED).choice(spent, (1000, len(spent))), axis=1)
    low, high = np.percentile(medians, [2.5, 97.5])
    yield Row(data, system, "p50", float(np.median(spent)), len(spent), "ms", float(low), float(high))
    yield Row(data, system, "p95", float(np.percentile(spent, 95)), len(spent), "ms")


def recall_row(data: str, system: str, truth: list[list[str]], found: list[list[str]]) -> Row:
    """Recall@10, with its interval."""
    shares = np.array([len({*a} & {*b}) / max(1, len(a)) for a, b in zip(truth, found, strict=True)])
    low, high = bootstrap(shares, np.arange(len(shares)), seed=SEED)
    return Row(data, system, "recall@10", float(shares.mean()), len(shares), low=low, high=high)


def exactly() -> Any:
    """Within it, no index is used."""
    return mock.patch.object(vector_index, "answers", return_value=0)


def paths(hits: list[list[Hit]]) -> list[list[str]]:
    """The files of hits."""
    return [[hit.path for hit in some] for some in hits]


def measure(folder: Path, count: int) -> list[Row]:
    """Everything about one library, in a process of its own so that its memory can be told."""
    store = Library.open(folder, create=False).store
    size = store.count("segments")
    data = f"{size:,} rows"
    nines = targets(store, count)
    plain = [nine[len(NINE) // 2] for nine in nines]
    faster = [nine[len(NINE) // 2 + 1] for nine in nines]
    indexed = vector_index.state(store, "segments").indexed > 0
    rows: list[Row] = []
    for name, query in FILTERS.items():
        if indexed:
            rows += time_rows(data, f"Glissando, index, {name}", timed(partial(_search, store, query), faster))
    if indexed:  # told before the exact searches, which read everything
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        rows.append(Row(data, "Glissando, index, no filter", "peak memory of the process", peak, 1, "MB"))
        rows += nine_rows(store, data, "Glissando, index", plain, nines)
    from_memory: dict[str, list[list[str]]] = {}
    if indexed:
        start = time.perf_counter()
        store.memory = MemoryIndex(store)
        rows.append(Row(data, f"{MEMORY}, no filter", "build", time.perf_counter() - start, 1, "s"))
        for name, query in FILTERS.items():
            rows += time_rows(data, f"{MEMORY}, {name}", timed(partial(_search, store, query), faster))
            from_memory[name] = paths([search(store, target, query, WEIGHTS) for target in faster])
        rows += nine_rows(store, data, MEMORY, plain, nines)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        rows.append(Row(data, f"{MEMORY}, no filter", "peak memory of the process", peak, 1, "MB"))
        store.memory = None
    for name, query in FILTERS.items():
        with exactly():
            truth = paths(search_many(store, faster, query, WEIGHTS))
            some = faster[: 5 if size > 100_000 else count]
            rows += time_rows(data, f"Glissando, exact, {name}", timed(partial(_search, store, query), some))
        if indexed:
            found = paths([search(store, target, query, WEIGHTS) for target in faster])
            rows.append(recall_row(data, f"Glissando, index, {name}", truth, found))
            rows.append(recall_row(data, f"{MEMORY}, {name}", truth, from_memory[name]))
    rows += peers(store, data, faster)
    if size == 100_000:
        rows += per_block(store, faster)
    return rows


def nine_rows(store: Store, data: str, system: str, plain: list[Target], nines: list[list[Target]]) -> Iterator[Row]:
    """One seed at nine tempi, beside the seed alone: time, and recall against exact search."""
    query, name, memory = FILTERS["no filter"], f"{system}, batch of 9 tempi", store.memory
    one = timed(partial(_search, store, query), plain)
    nine = timed(lambda some: search_many(store, some, query, WEIGHTS), nines)
    yield from time_rows(data, name, nine)
    yield Row(data, name, "plain queries", float(np.median(nine) / np.median(one)), len(nines))
    some = nines[:10]
    found = [hits for nine in some for hits in paths(search_many(store, nine, query, WEIGHTS))]
    store.memory = None
    with exactly():
        truth = paths(search_many(store, [target for nine in some for target in nine], query, WEIGHTS))
    store.memory = memory
    yield recall_row(data, name, truth, found)


def _search(store: Store, query: Query, target: Target) -> list[Hit]:
    return search(store, target, query, WEIGHTS)


def peers(store: Store, data: str, queries: list[Target]) -> Iterator[Row]:
    """Vectors alone, in memory, without tracks, filters or hits: NumPy, and faiss where it is installed."""
    matrix_ = matrix(store.rows("segments", ["joint"])["joint"])
    joined = [store.joint({block: WEIGHTS[block] * t.vectors[block] for block in WEIGHTS}) for t in queries]
    yield from time_rows(
        data, "NumPy, all rows in memory", timed(lambda q: np.argpartition(-(matrix_ @ q), K)[:K], joined[:20])
    )
    cells = max(1, len(matrix_) // vector_index.ROWS_PER_PARTITION)
    quantizer = faiss.IndexFlatIP(matrix_.shape[1])
    index = faiss.IndexIVFScalarQuantizer(
        quantizer, matrix_.shape[1], cells, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT
    )
    start = time.perf_counter()
    index.train(matrix_[np.random.default_rng(SEED).permutation(len(matrix_))[: 256 * cells]])
    index.add(matrix_)
    name = "faiss, IVF with 8 bits, in memory, scored again"
    yield Row(data, name, "build", time.perf_counter() - start, 1, "s")
    index.nprobe = ranking.PROBES

    def ask(query: Vectors) -> NDArray[np.int64]:
        ids = index.search(query[None], 10 * K)[1][0]
        return ids[np.argsort(-(matrix_[ids] @ query))][:K]

    yield from time_rows(data, name, timed(ask, joined))
    truth = [[*map(str, np.argpartition(-(matrix_ @ query), K)[:K])] for query in joined]
    yield recall_row(data, name, truth, [[*map(str, ask(query))] for query in joined])


def per_block(store: Store, queries: list[Target]) -> Iterator[Row]:
    """Of the ten best joined rows, how many are among the best N of some block?"""
    rows = store.rows("segments", [*WEIGHTS])
    vectors = {block: matrix(rows[block]) for block in WEIGHTS}
    shares: dict[int, list[float]] = {100: [], 500: [], 2000: []}
    for target in queries:
        scores = {block: values @ target.vectors[block] for block, values in vectors.items()}
        best = np.argpartition(-sum(WEIGHTS[block] * s for block, s in scores.items()), K)[:K]
        for n, found in shares.items():
            floors = {block: np.partition(s, -n)[-n] for block, s in scores.items()}
            found.append(float(np.mean([any(scores[b][i] >= floors[b] for b in WEIGHTS) for i in best])))
    for n, found in shares.items():
        low, high = bootstrap(np.array(found), np.arange(len(found)), seed=SEED)
        yield Row(
            "Candidates of an index per block, 100,000 rows",
            f"best {n} of each",
            "recall@10 at most",
            float(np.mean(found)),
            len(found),
            low=low,
            high=high,
        )


def run(size: int, source: Source, cache: Path, count: int) -> list[Row]:
    """Make the library of one size and measure it."""
    folder = cache / f"search-{size}"
    shutil.rmtree(folder, ignore_errors=True)
    store = Library.open(folder).store
    data, system = f"{size:,} rows", "Glissando, index, no filter"
    fill(store, source, size)
    before = _megabytes(folder)
    rows = []
    if size >= 10_000:
        for table in TABLES_:
            start = time.perf_counter()
            vector_index.build(store, table)
            if table == "segments":
                rows.append(Row(data, system, "build", time.perf_counter() - start, 1, "s"))
        rows.append(Row(data, system, "disk, tables", before, 1, "MB"))
        rows.append(Row(data, system, "disk, indexes", _megabytes(folder) - before, 1, "MB"))
    output = subprocess.run(
        [sys.executable, __file__, "--measure", str(folder), "--count", str(count)], stdout=subprocess.PIPE, check=True
    )
    shutil.rmtree(folder)
    return rows + [Row(**row) for row in json.loads(output.stdout)]


def _megabytes(folder: Path) -> float:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6


def plot(rows: list[Row]) -> None:
    """Time against size."""
    figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
    for system in (
        f"{MEMORY}, no filter",
        f"{MEMORY}, tempo filter, 1 in 10",
        "Glissando, index, no filter",
        "Glissando, index, tempo filter, 1 in 10",
        "Glissando, exact, no filter",
        "NumPy, all rows in memory",
        "faiss, IVF with 8 bits, in memory, scored again",
    ):
        points = [
            (int(row.data.split()[0].replace(",", "")), row.value)
            for row in rows
            if row.system == system and row.metric == "p50"
        ]
        if points:
            axes.plot(*zip(*points, strict=True), "o-", label=system)
    axes.set(xscale="log", yscale="log", xlabel="rows (segments)", ylabel="ms a search (median)")
    axes.axhline(20, color="grey", linestyle=":", linewidth=1)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    TABLES.mkdir(parents=True, exist_ok=True)
    figure.savefig(TABLES / "search.png", dpi=120)


def main() -> None:
    """Measure and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="1,000 and 10,000 rows; writes nothing")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--count", type=int, default=100, help="number of queries")
    options = parser.parse_args()
    if options.measure:
        print(json.dumps([asdict(row) for row in measure(options.measure, options.count)]))
        return
    cache = cache_dir() / "benchmarks"
    source = Source(cache, quick=options.quick)
    rows: list[Row] = []
    for size in SIZES[:2] if options.quick else SIZES:
        rows += run(size, source, cache, 20 if options.quick else options.count)
        for row in rows:
            if row.data.startswith(f"{size:,} "):
                print(f"{row.data:18} {row.system:48} {row.metric:28} {row.value:10.3f} {row.unit}", flush=True)
    if options.quick:
        return
    plot(rows)
    value = {(row.data, row.system, row.metric): row.value for row in rows}
    largest, filtered, batch = (
        f"{SIZES[-1]:,} rows",
        f"{MEMORY}, tempo filter, 1 in 10",
        f"{MEMORY}, batch of 9 tempi",
    )
    goals = [
        {
            "issue_line": "p50 in ms at a million rows with a filter",
            "goal": 20,
            "value": (v := value[largest, filtered, "p50"]),
            "met": v < 20,
        },
        {
            "issue_line": "recall@10 at a million rows, the worst of four filters",
            "goal": 0.98,
            "value": (v := min(value[largest, f"{MEMORY}, {name}", "recall@10"] for name in FILTERS)),
            "met": v >= 0.98,
        },
        {
            "issue_line": "a batch of nine costs at most three plain queries",
            "goal": 3,
            "value": (v := value[largest, batch, "plain queries"]),
            "met": v <= 3,
        },
    ]
    notes = [
        f"Rows are {len(source.track):,} real segments drawn with replacement, with noise (length {SHARED} shared by a track's ten segments, "
        f"{OWN} of their own, before the vectors are made unit again): synthetic neighbourhoods on real places. Queries are 15 to 19 % faster rows. "
        f"Blocks and their dimensions: {source.blocks}.",
        "Glissando's timings are of whole searches in a database on disk, from vectors to hits with their tags; NumPy's and faiss's are of the "
        "vectors alone, in memory, without filter or track. The index is built by hand at 10,000 rows here; by itself it comes from 50,000.",
        "![time against size](search.png)",
    ]
    write("search", rows, seed=SEED, title="Search speed", notes=notes, goals=goals)


if __name__ == "__main__":
    main()
