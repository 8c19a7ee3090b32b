"""How fast is indexing, where does the time go, and what does it cost to hear only a sample of every track?

    python benchmarks/index.py [--quick]      # beside the peers, if `make peer-musicnn` has set them up

Speed: game recordings nearest to four minutes. "1 core" is one process (its decoder included) pinned to one core;
"2 cores" is `jobs=2` for Glissando, and two processes, pinned to a core each, for the peers. Coverage: all game
recordings; every track is a query in a library heard whole and in libraries heard in samples.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import game_music
import matplotlib
import numpy as np
import torch
from numpy.typing import NDArray
from report import TABLES, Row, bootstrap, write

from glissando import Library, encoders
from glissando.audio import AudioStream, StreamResampler
from glissando.encoders import StreamFramer
from glissando.library.blocks import DEFAULT_BLOCKS
from glissando.library.columns import matrix
from glissando.paths import cache_dir

matplotlib.use("Agg")
import matplotlib.pyplot as plt

SEED, K = 0, 10
PEERS = {"musicnn": "original musicnn 0.1.0, TensorFlow 2.15", "librosa": "librosa, mel and tempo alone"}
PEER = Path(__file__).parent / "peers" / "musicnn" / "speed.py"
SAMPLES = (8, 4, 2, 1)  # segments of 15 s
Spent = dict[str, float]
SPEED, STAGES, COVERAGE = "Speed", "Where the time goes", "What a sample of every track costs"


@contextmanager
def cores(*numbers: int) -> Iterator[None]:
    """Pin this process, and the decoders it starts, to some cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, numbers)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _cpu() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def ours(group: list[str], jobs: int, coverage: int) -> Spent:
    """Index files into a library of their own: audio, CPU-seconds, seconds, tracks."""
    with tempfile.TemporaryDirectory() as folder, cores(*range(jobs)):
        library = Library.open(folder)
        library.embedder()
        cpu, wall = _cpu(), time.perf_counter()
        report = library.add(*group, jobs=jobs, coverage=coverage)
        assert report.added == len(group), report.failed
        return {
            "audio": report.audio_seconds,
            "cpu": _cpu() - cpu,
            "wall": time.perf_counter() - wall,
            "tracks": report.added,
        }


def theirs(group: list[str], python: Path, system: str, processes: int) -> Spent:
    """Run a peer over files, split among processes that are pinned to a core each."""
    running = [
        subprocess.Popen(
            ["taskset", "-c", str(core), python, PEER, system, *group[core::processes]],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        for core in range(processes)
    ]
    outputs = [[json.loads(line) for line in process.communicate()[0].splitlines()] for process in running]
    files = [row for rows in outputs for row in rows]
    assert len(files) == len(group)
    return {
        "audio": sum(row["audio"] for row in files),
        "cpu": sum(row["cpu"] for row in files),
        "wall": max(sum(row["wall"] for row in rows) for rows in outputs),
        "tracks": len(files),
    }


def contestants(quick: bool) -> dict[str, Callable[[list[str]], Spent]]:
    """Name everything that is timed over a group of files."""
    runs: dict[str, Callable[[list[str]], Spent]] = {}
    for coverage in (0, *SAMPLES):
        for jobs in (1, 2) if coverage in (0, 4) else (2,):
            runs[_name(coverage, jobs)] = partial(ours, jobs=jobs, coverage=coverage)
    python = cache_dir() / "benchmarks" / "peers" / "musicnn" / "bin" / "python"
    for system, name in PEERS.items() if python.exists() else ():
        for processes in (1, 2):
            run = partial(theirs, python=python, system=system, processes=processes)
            few = quick or processes == 1  # slow: fewer files
            runs[f"{name}, {processes} core{'s' * (processes > 1)}"] = (
                (lambda group, run=run: run(group[:2])) if few else run
            )
    return runs


def speed_rows(system: str, spent: list[Spent]) -> list[Row]:
    """Throughput of groups, with an interval over the groups."""
    n = int(sum(one["tracks"] for one in spent))
    rows = []
    for metric, above, below, scale in (
        ("minutes of audio per CPU-second", "audio", "cpu", 60),
        ("times real time", "audio", "wall", 1),
        ("four-minute tracks per second", "audio", "wall", 240),
    ):
        ratios = np.array([one[above] / one[below] / scale for one in spent])
        low, high = bootstrap(ratios, np.arange(len(ratios)), seed=SEED) if len(ratios) > 1 else (None, None)
        value = sum(one[above] for one in spent) / sum(one[below] for one in spent) / scale
        rows.append(Row(SPEED, system, metric, float(value), n, low=low, high=high))
    return rows


def stage_rows(files: list[str]) -> list[Row]:
    """CPU-seconds of every stage on one core, per four minutes of audio."""
    each = {block: encoders.load(name) for block, name in DEFAULT_BLOCKS.items()}
    musicnn = each["timbre"]
    spent: dict[str, float] = {}
    audio = 0.0

    @contextmanager
    def stage(name: str) -> Iterator[None]:
        start = time.process_time()
        yield
        spent[name] = spent.get(name, 0.0) + time.process_time() - start

    torch.set_num_threads(1)
    with cores(0), torch.inference_mode():
        for path in files:
            with AudioStream(path) as stream:
                with stage("decode, to mono"):
                    blocks = [*stream.mono(seconds=60)]
                audio += sum(map(len, blocks)) / stream.sample_rate
                resampler = StreamResampler(stream.sample_rate, 16_000)
            with stage("resample to 16 kHz"):
                chunks = [*map(resampler.push, blocks), resampler.finish()]
            for block, encoder in each.items():
                framer = StreamFramer(encoder.framing)
                for windows in [*map(framer.push, chunks), framer.finish()]:
                    if not len(windows):
                        continue
                    batch = torch.from_numpy(windows.copy())
                    if encoder is musicnn:
                        with stage("musiCNN: log-mel"):
                            encoder.mel(batch)
                        with stage("musiCNN: log-mel and network"):
                            encoder.encode(batch)
                    else:
                        with stage(f"{block} ({encoder.card.name})"):
                            encoder.encode(batch)
    torch.set_num_threads(2)
    with tempfile.TemporaryDirectory() as folder:
        library = Library.open(folder)
        library.add(*files[:4])
        written = [_rows(library, table) for table in ("tracks", "segments")]
        with tempfile.TemporaryDirectory() as other:
            store = Library.open(other).store
            with stage("write"):
                store.put(*written)
                store.optimize()
    spent["write"] *= len(files) / 4
    spent["musiCNN: network"] = spent.pop("musiCNN: log-mel and network") - spent["musiCNN: log-mel"]
    total = sum(spent.values())
    rows = []
    for name, seconds in sorted(spent.items(), key=lambda pair: -pair[1]):
        rows.append(Row(STAGES, name, "CPU-seconds per four minutes", seconds / audio * 240, len(files)))
        rows.append(Row(STAGES, name, "share", seconds / total, len(files)))
    return rows


def _rows(library: Library, table: str) -> list[dict[str, Any]]:
    columns = getattr(library.store, table).schema.names
    rows = library.store.rows(table, columns).to_pylist()
    arrays = {*library.store.blocks(), "tags", "joint"}
    return [{k: np.asarray(v, np.float32) if k in arrays else v for k, v in row.items()} for row in rows]


def _vectors(library: Library, paths: Iterable[str]) -> tuple[dict[str, NDArray[np.float32]], NDArray[np.float64]]:
    table = library.store.rows("tracks", ["path", "timbre", "rhythm", "tempo"])
    place = {path: i for i, path in enumerate(table["path"].to_pylist())}
    order = [place[path] for path in paths]
    return {block: matrix(table[block])[order] for block in ("timbre", "rhythm")}, table["tempo"].to_numpy()[order]


def _top(vectors: Mapping[str, NDArray[np.float32]]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    scores = sum(0.5 * values @ values.T for values in vectors.values())
    np.fill_diagonal(scores, -np.inf)
    return scores, np.argsort(-scores, axis=1)[:, :K]


def coverage_rows(tracks: list[game_music.Track], cache: Path) -> tuple[list[Row], dict[int, float]]:
    """Recall@10 of libraries heard in samples against the one heard whole."""
    libraries = {coverage: game_music.library(tracks, cache, coverage=coverage) for coverage in (0, *SAMPLES)}
    kept = set.intersection(*({*lib.store.rows("tracks", ["path"])["path"].to_pylist()} for lib in libraries.values()))
    paths = [track.path for track in tracks if track.path in kept]
    whole, tempo = _vectors(libraries[0], paths)
    scores, truth = _top(whole)
    best = np.take_along_axis(scores, truth, 1).mean(1)
    rows, recalls = [], {}
    for coverage in SAMPLES:
        sample, sampled_tempo = _vectors(libraries[coverage], paths)
        found = _top(sample)[1]
        values = {
            "recall@10": np.array([len({*a} & {*b}) / K for a, b in zip(truth, found, strict=True)]),
            "similarity kept": np.take_along_axis(scores, found, 1).mean(1) / best,
            "same tempo within 4 %": (np.abs(sampled_tempo / tempo - 1) < 0.04).astype(float),
        }
        recalls[coverage] = float(values["recall@10"].mean())
        for metric, value in values.items():
            low, high = bootstrap(value, np.arange(len(paths)), seed=SEED)
            name = f"{coverage} segments of 15 s" if coverage > 1 else "1 segment of 15 s"
            rows.append(Row(COVERAGE, name, metric, float(value.mean()), len(paths), low=low, high=high))
    return rows, recalls


def plot(rows: list[Row], recalls: Mapping[int, float]) -> None:
    """Recall against speed, as the choice of a default is made."""
    speeds = {row.system: row.value for row in rows if row.metric == "four-minute tracks per second"}
    figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    for coverage, recall in {**recalls, 0: 1.0}.items():
        if (speed := speeds.get(_name(coverage, 2))) is not None:
            axes.plot(speed, recall, "o", color="tab:blue")
            axes.annotate(
                f"{coverage} segment{'s' if coverage > 1 else ''}" if coverage else "full",
                (speed, recall),
                (6, -4),
                textcoords="offset points",
            )
    axes.set(
        xlabel="four-minute tracks per second, 2 cores", ylabel="recall@10 against full coverage", ylim=(0.5, 1.05)
    )
    axes.set_xlim(0, 1.2 * axes.get_xlim()[1])
    axes.grid(alpha=0.3)
    TABLES.mkdir(parents=True, exist_ok=True)
    figure.savefig(TABLES / "coverage.png", dpi=120)


def _name(coverage: int, jobs: int) -> str:
    heard = f"{coverage} segments" if coverage > 1 else "1 segment" if coverage else "full"
    return f"Glissando, {heard}, {jobs} core{'s' if jobs > 1 else ''}"


def main() -> None:
    """Measure and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="eight tracks, no coverage; writes nothing")
    quick = parser.parse_args().quick
    cache = cache_dir() / "benchmarks"
    tracks = game_music.fetch(cache / "packages")
    near = sorted(tracks, key=lambda track: abs(track.duration - 240))[: 8 if quick else 64]
    files = [near[i].path for i in np.random.default_rng(SEED).permutation(len(near))]
    groups = [files[i :: 2 if quick else 4] for i in range(2 if quick else 4)]
    runs = contestants(quick)
    spent: dict[str, list[Spent]] = {name: [] for name in runs}
    for group in groups:  # all of them by turns, so that a machine that slows down does so for all
        for name, run in runs.items():
            spent[name].append(run(group))
    rows = [row for name in runs for row in speed_rows(name, spent[name])]
    rows += stage_rows(files[: 4 if quick else 16])
    value = {(row.system, row.metric): row.value for row in rows}
    for row in rows:
        print(f"{row.system:45} {row.metric:36} {row.value:9.3f}")
    if quick:
        return
    sampled, recalls = coverage_rows(tracks, cache / "coverage")
    rows += sampled
    plot(rows, recalls)
    per_core = "minutes of audio per CPU-second"
    original = value.get((f"{PEERS['musicnn']}, 1 core", per_core))
    rates = {coverage: value[_name(coverage, 2), "four-minute tracks per second"] for coverage in SAMPLES}
    most = max((coverage for coverage in SAMPLES if rates[coverage] > 3), default=SAMPLES[-1])
    sparse = f"four-minute tracks per second on 2 cores, {most} segments of each (recall@10 {recalls[most]:.2f})"
    goals = [{"issue_line": sparse, "goal": 3.0, "value": rates[most], "met": rates[most] > 3}]
    if original:
        ratio = value[_name(0, 1), per_core] / original
        goals.append(
            {"issue_line": "times the original per core, full coverage", "goal": 4.0, "value": ratio, "met": ratio >= 4}
        )
    notes = [
        f"Speed on {len(files)} game recordings nearest to four minutes (Ogg Vorbis and Opus mostly, whose decoding is slower "
        "than that of MP3), in four groups; the intervals are over the groups. The peers' one-core rows are of eight of the "
        "recordings. Loading of models is in no row; starting the decoder processes is in Glissando's.",
        "The original's network and librosa's features do less than Glissando's rows: neither hashes, nor pools segments, "
        "nor writes a database; the original has no rhythm.",
        f"Coverage: every one of {sampled[0].n} recordings is a query (joined, weights 0.5 and 0.5), the truth being its ten "
        "nearest in the library heard whole. \"Similarity kept\" is the true similarity of the hits over that of the true ten.",
        "![recall against speed](coverage.png)",
    ]  # fmt: skip
    write("index", rows, seed=SEED, title="Indexing speed", notes=notes, goals=goals)


if __name__ == "__main__":
    main()
