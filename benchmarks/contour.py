"""Search at any tempo: time and recall of a contour query beside a plain one, on disk and in memory.

    python benchmarks/contour.py [--quick] [--tracks N]

Libraries are made as for `benchmarks/search.py`: real segments drawn with replacement, with noise. Every query is a row
of the library, translated to a tempo of its own between half and double: its true neighbours lie anywhere on the
contour, and mostly between its points. Its own track never counts. Every timing is of the whole search, from the
vectors of the seed to hits; for the contour, that includes making it.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from report import Row, write
from search import PER_TRACK, SEED, WEIGHTS, K, Source, exactly, fill, paths, recall_row, time_rows

from glissando import Library
from glissando.library import vector_index
from glissando.library.columns import matrix
from glissando.library.memory_index import MemoryIndex
from glissando.library.query import Query
from glissando.library.schema import TABLES
from glissando.library.search import Hit, search, search_many
from glissando.library.seeds import SeedVectors
from glissando.library.store import Store
from glissando.library.targets import make_target, translate
from glissando.paths import cache_dir

TRACKS, COUNT = (10_000, 100_000), 100
QUERIES = {"tracks": Query(k=K), "segments": Query(k=K, moments=True)}
FILTER = {"tempo": (100.0, 107.2)}  # of 60 to 120 BPM: one in ten


def seeds(store: Store, table: str, count: int) -> list[SeedVectors]:
    """Rows of a table, each at a tempo of its own."""
    rng = np.random.default_rng(SEED)
    offsets = rng.choice(store.count(table), count, replace=False)
    key = "track_id" if table == "segments" else "id"
    rows = getattr(store, table).take_offsets([int(i) for i in offsets]).select([key, *WEIGHTS]).to_arrow()
    timbre, rhythm = matrix(rows["timbre"]), matrix(rows["rhythm"])
    found = []
    for i, ratio in enumerate(2 ** rng.uniform(-1, 1, count)):
        moved = translate(store, "rhythm", rhythm[i], float(ratio))
        found.append(SeedVectors({"timbre": timbre[i], "rhythm": moved}, None, rows[key][i].as_py()))
    return found


def ask(store: Store, query: Query, seed: SeedVectors) -> list[Hit]:
    """One search, as the library does it."""
    return search(store, make_target(store, [seed], [], query), query, WEIGHTS)


def both(store: Store, plain: Query, along: Query, some: list[SeedVectors]) -> tuple[np.ndarray, np.ndarray]:
    """Milliseconds of plain and contour queries in turn, so that what else the machine does hits both."""
    spent = []
    for seed in [some[0], *some]:
        for query in (plain, along):
            start = time.perf_counter()
            ask(store, query, seed)
            spent.append(1000 * (time.perf_counter() - start))
    return np.array(spent[2::2]), np.array(spent[3::2])  # less the first of each


def measure(folder: Path, count: int) -> Iterator[Row]:
    """Both tables of one library, through its index, from memory and exactly."""
    store = Library.open(folder, create=False).store
    memory = MemoryIndex(store)
    for table, query in QUERIES.items():
        data = f"{store.count(table):,} {table}"
        some = seeds(store, table, count)
        for filtered, extra in (("", {}), (", tempo filter, 1 in 10", FILTER)):
            plain = Query(k=K, moments=query.moments, **extra)  # type: ignore[arg-type]
            along = Query(k=K, moments=query.moments, any_tempo=True, **extra)  # type: ignore[arg-type]
            with exactly():
                asked = [make_target(store, [seed], [], along) for seed in some]
                truth = [
                    hits for i in range(0, count, 10) for hits in search_many(store, asked[i : i + 10], along, WEIGHTS)
                ]
            for system, held in (("index", None), ("in memory", memory)):
                if system == "index" and not vector_index.answers(store, table, WEIGHTS):
                    continue
                store.memory = held
                name = f"Glissando, {system}{filtered}"
                times = both(store, plain, along, some)
                yield from time_rows(data, f"{name}, plain", times[0])
                yield from time_rows(data, f"{name}, any tempo", times[1])
                yield ratio_row(data, f"{name}, any tempo", *times)
                for kind, asking in (("plain", plain), ("any tempo", along)):
                    found = [ask(store, asking, seed) for seed in some]
                    yield recall_row(data, f"{name}, {kind}", paths(truth), paths(found))
                store.memory = None
            if not filtered:
                with exactly():
                    times = both(store, plain, along, some[: 10 if store.count(table) > 100_000 else count])
                yield from time_rows(data, "Glissando, exact, plain", times[0])
                yield from time_rows(data, "Glissando, exact, any tempo", times[1])
                yield ratio_row(data, "Glissando, exact, any tempo", *times)


def ratio_row(data: str, system: str, plain: np.ndarray, along: np.ndarray) -> Row:
    """What a contour query costs in plain queries, with its interval over queries."""
    rng = np.random.default_rng(SEED)
    picks = rng.integers(len(plain), size=(1000, len(plain)))
    low, high = np.percentile(np.median(along[picks], axis=1) / np.median(plain[picks], axis=1), [2.5, 97.5])
    ratio = float(np.median(along) / np.median(plain))
    return Row(data, system, "plain queries", ratio, len(plain), low=float(low), high=float(high))


def run(tracks: int, source: Source, cache: Path, count: int) -> list[Row]:
    """Make the library of one size and measure it, in a process of its own."""
    folder = cache / f"contour-{tracks}"
    shutil.rmtree(folder, ignore_errors=True)
    store = Library.open(folder).store
    fill(store, source, tracks * PER_TRACK)
    for table in TABLES:
        vector_index.build(store, table)
    output = subprocess.run(
        [sys.executable, __file__, "--measure", str(folder), "--count", str(count)], stdout=subprocess.PIPE, check=True
    )
    shutil.rmtree(folder)
    return [Row(**row) for row in json.loads(output.stdout)]


def main() -> None:
    """Measure and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="1,000 tracks; writes nothing")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--count", type=int, default=COUNT, help="number of queries")
    options = parser.parse_args()
    if options.measure:
        print(json.dumps([asdict(row) for row in measure(options.measure, options.count)]))
        return
    cache = cache_dir() / "benchmarks"
    source = Source(cache, quick=options.quick)
    rows: list[Row] = []
    for tracks in (1_000,) if options.quick else TRACKS:
        made = run(tracks, source, cache, 20 if options.quick else options.count)
        for row in made:
            print(f"{row.data:18} {row.system:54} {row.metric:14} {row.value:10.3f} {row.unit}", flush=True)
        rows += made
    if options.quick:
        return
    largest = (f"{TRACKS[-1]:,} tracks", f"{TRACKS[-1] * PER_TRACK:,} segments")
    goals: list[dict[str, Any]] = []
    for data in largest:
        for system in ("index", "in memory"):
            name = f"Glissando, {system}, any tempo"
            value = {row.metric: row.value for row in rows if (row.data, row.system) == (data, name)}
            line = f"a contour query costs at most three plain queries: {data}, {system}"
            goals.append(
                {"issue_line": line, "goal": 3, "value": value["plain queries"], "met": value["plain queries"] <= 3}
            )
    notes = [
        f"Rows are {len(source.track):,} real segments drawn with replacement, with noise (see [search speed](search.md)); ten segments a track. "
        "Queries are rows of the library translated to a tempo of their own, log-uniform between half and double; plain and contour queries are "
        f"timed in turn, from the vectors of the seed to hits, on two cores. Blocks and their dimensions: {source.blocks}.",
        "Recall is against exact contour search, for plain queries too: what they miss of it is what the contour is for.",
    ]
    write("contour", rows, seed=SEED, title="Search at any tempo", notes=notes, goals=goals)


if __name__ == "__main__":
    main()
