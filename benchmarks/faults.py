"""What happens to a library when things go wrong: kill -9, a full disk, a read-only disk, damaged files, little memory.

    python benchmarks/faults.py            # Linux; the parts with a full or read-only disk mount a tmpfs, as root
    python benchmarks/faults.py --quick    # fewer kills, a shorter file; nothing written

Every fault is caused for real, and the library looked at afterwards: no track lost, nothing wrong by its own `verify`,
and searches that find what a comparison with every row finds.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import numpy as np
import soundfile
from report import Row, write

from glissando import Library
from glissando.cli import main as gliss_main
from glissando.library import health, ingest
from glissando.library.columns import matrix
from glissando.library.ranking import rank

SEED, RATE = 0, 16_000
QUERIES, K = 10, 10
GOAL = 1500  # MB of memory, for every process
REPAIRED = "left half written by a killed run"  # what verify may find: the next gliss index removes it
TRACK_BY_TRACK = "import glissando.library.ingest as i; i.FLUSH_TRACKS = 1; "  # a commit each: more moments to hit
CLI = [sys.executable, "-c", TRACK_BY_TRACK + "from glissando.cli import main; main()"]
LOCKED = "import sys; from glissando import Library; s = Library.open(sys.argv[1]).store\nwith s.writing(): "
AGAIN = "import sys, time; from glissando import Library as L; n, end = 0, time.monotonic() + float(sys.argv[1])\n"
AGAIN += "while time.monotonic() < end: n += 1; L.open(f'{sys.argv[3]}/{n}').add(sys.argv[2], jobs=2)"
OPTIMIZE = [sys.executable, "-c", LOCKED + "s.optimize()"]


@dataclass
class Findings:
    """Rows and sentences for the report."""

    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    shown: bool = True

    def add(self, fault: str, step: str, n: int, **metrics: float) -> None:
        """Add a row for every metric."""
        for name, value in metrics.items():
            self.rows.append(Row(fault, step, name, float(value), n))
        if self.shown:
            print(f"{fault}; {step}:", ", ".join(f"{name} {value:g}" for name, value in metrics.items()), flush=True)

    def say(self, sentence: str) -> None:
        """Add a sentence of what the user sees."""
        self.notes += [sentence, ""]
        if self.shown:
            print(sentence, flush=True)


class Said(NamedTuple):
    """How a command ended, and its last words."""

    code: int
    words: str
    tracebacks: int


def gliss(place: Path, *words: object) -> Said:
    """Run a command on a library, in this process: what `main` prints (of a traceback its end), and its exit code."""
    out, code, argv = io.StringIO(), 0, ["gliss", *map(str, words), "--library", str(place)]
    with mock.patch.object(sys, "argv", argv), contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        try:
            gliss_main()
        except SystemExit as ended:
            code = int(ended.code or 0)
        except BaseException:
            traceback.print_exc(file=out)
            code = 1
    lines = out.getvalue().replace(str(place), "LIBRARY").split("\n")
    tracebacks = out.getvalue().count("Traceback")
    return Said(code, " ".join(" ".join(lines[-2:] if tracebacks else lines).split()), tracebacks)


def record(path: Path, seconds: int, *, bpm: float, repeat: int = 1) -> None:
    """Write beats over a tone, block by block."""
    time_ = np.arange(seconds * RATE) / RATE
    beat = np.exp(-(time_ * bpm / 60 % 1) * 20) * np.random.default_rng(int(bpm * 10)).normal(size=len(time_))
    with soundfile.SoundFile(path, "w", RATE, 1, subtype="PCM_16") as out:
        for _ in range(repeat):
            out.write((2000 * beat + 4000 * np.sin(2 * np.pi * 2 * bpm * time_)).astype(np.int16))


def folder_of(path: Path, count: int) -> Path:
    """Make a folder of files of 5 s."""
    path.mkdir()
    for i in range(count):
        record(path / f"{i:03}.flac", 5, bpm=60 + 0.3 * i)
    return path


def filled(place: Path, tracks: int, *, at_once: int) -> Path:
    """Fill a library with rows from nowhere, three segments a track, in 100 clouds of vectors."""
    library = Library.open(place, blocks={"rhythm": "rhythm"})
    dim, rng = library.store.blocks()["rhythm"].dim, np.random.default_rng(SEED)
    centres = rng.normal(size=(100, dim))
    for first in range(0, tracks, at_once):
        vectors = centres[rng.integers(100, size=(at_once, 1))] + 0.5 * rng.normal(size=(at_once, 4, dim))
        vectors = (vectors / np.linalg.norm(vectors, axis=2, keepdims=True)).astype(np.float32)
        common, rows, segments = {"artist": None, "tempo": 120.0, "labels": ["guitar>=0.1"]}, [], []
        for i, (whole, *parts) in enumerate(vectors, start=first):
            rows.append({"id": f"t{i}", "path": f"array://{i}", **common, "rhythm": whole, "joint": whole})
            for j, part in enumerate(parts):
                of_track = {"id": f"t{i}:{j}", "track_id": f"t{i}", "start": 15.0 * j, "end": 15.0 * (j + 1)}
                segments.append({**of_track, **common, "rhythm": part, "joint": part})
        library.store.put(rows, segments)
    return place


def tracks_in(place: Path) -> int:
    """Count the tracks, with eyes that have seen nothing yet."""
    return len(Library.open(place, create=False))


def right(place: Path, rng: random.Random) -> float:
    """Share of the true nearest, by comparison with every row, that searches of tracks and segments give."""
    store = Library.open(place, create=False).store
    shares = []
    for table in ("tracks", "segments"):
        vectors = matrix(store.rows(table, ["rhythm"])["rhythm"])
        queries = [{"rhythm": vectors[i]} for i in rng.sample(range(len(vectors)), min(QUERIES, len(vectors)))]
        truth = rank(store, table, queries, {"rhythm": 1.0}, depth=K, exact=True)
        found = [rank(store, table, [query], {"rhythm": 1.0}, depth=10 * K)[0] for query in queries]
        shares += [len({*t.ids} & {*f.ids[:K]}) / len(t.ids) for t, f in zip(truth, found, strict=True)]
    return float(np.mean(shares)) if shares else float("nan")


def problems_in(place: Path) -> tuple[int, int]:
    """Count what verify finds: what the next run repairs, and the rest."""
    problems = health.verify(Library.open(place, create=False).store)
    repaired = sum(REPAIRED in problem for problem in problems)
    return repaired, len(problems) - repaired


def held(place: Path) -> bool:
    """Tell whether a process holds the writer's lock."""
    inode = lock.stat().st_ino if (lock := place / ".writing.lock").exists() else None
    return any(line.split()[-3].endswith(f":{inode}") for line in Path("/proc/locks").read_text().splitlines())


def kill_during(command: list[str], place: Path, delay: float) -> tuple[float, int | None, int]:
    """Start a command and kill it some time after it began to write, unless it ends before.

    Gives the seconds it wrote, the tracks that were there at the kill (None if there was none), and its exit code.
    """
    process = subprocess.Popen([*command, str(place)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None and not held(place):
        time.sleep(0.001)
    began, committed = time.monotonic(), None
    while held(place) and time.monotonic() - began < delay:
        time.sleep(0.001)
    wrote = time.monotonic() - began
    process.send_signal(signal.SIGSTOP)  # so that nothing is written while the tracks are counted
    if held(place):
        committed = tracks_in(place)
        process.kill()
    process.send_signal(signal.SIGCONT)
    return wrote, committed, process.wait()


def kills(
    findings: Findings, what: str, command: list[str], victim: Path, again: Sequence[object], *, count: int, part: float
) -> None:
    """Kill a command at random moments within a part of its time; look at the library, and let it run to its end.

    A part below 1 lets the next run, itself to be killed, go on where the killed one was, until all is done.
    """
    rng, place, done, lost, halves, problems, shares = random.Random(SEED), victim.with_suffix(".copy"), 0, 0, 0, 0, []
    shutil.copytree(victim, place)
    span, _, code = kill_during(command, place, 3600)
    goal, failed, ended = tracks_in(place), int(code != 0), Said(0, "", 0)
    anew = True
    while done < count:
        if anew:
            shutil.rmtree(place)
            shutil.copytree(victim, place)
        _, committed, code = kill_during(command, place, rng.uniform(0, part * span))
        if committed is None:
            failed += code != 0
        else:
            done += 1
            lost += max(0, committed - tracks_in(place))
            repaired, rest = problems_in(place)
            halves, problems = halves + repaired, problems + rest
            shares.append(right(place, rng))
        anew = part == 1 or done == count or tracks_in(place) == goal
        if anew:
            ended = gliss(place, *again)
            lost += goal - tracks_in(place)
            failed += ended.code != 0 or problems_in(place) != (0, 0)
            shares.append(right(place, rng))
    findings.add(
        *(f"kill -9 during {what}", f"at random moments of {part * span:.1f} s", count),
        **{"tracks before": tracks_in(victim), "tracks after the next run": tracks_in(place), "tracks lost": lost},
        **{"halves left for the next run to remove": halves, "problems found by verify": problems},
        **{"searches right": float(np.nanmean(shares)), "next runs failed": failed},
    )
    shutil.rmtree(place)
    findings.say(f"kill -9 during {what}: {count} kills; the next run ends with “{ended.words}”")


def all_kills(findings: Findings, scratch: Path, music: Path, big: Path, *, quick: bool) -> None:
    """Kill every command that writes."""
    scattered = filled(scratch / "scattered", 200 if quick else 800, at_once=4)
    empty = filled(scratch / "empty", 0, at_once=1)
    build, compact, index = ["library", "build-index"], ["library", "compact"], ["index", "-q", music]
    n = 1 if quick else 10
    kills(findings, "gliss index", [*CLI, *map(str, index), "-l"], empty, index, count=2 * n, part=0.15)
    kills(findings, "gliss library build-index", [*CLI, *map(str, build), "-l"], big, build, count=n, part=1)
    kills(findings, "Store.optimize", OPTIMIZE, scattered, compact, count=n, part=1)
    kills(findings, "gliss library compact", [*CLI, *map(str, compact), "-l"], scattered, compact, count=n, part=1)


def mount(place: Path, options: str) -> None:
    """Mount a disk of memory, or mount it anew with other options."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", place], check=True)


@contextlib.contextmanager
def disk(scratch: Path) -> Iterator[Path]:
    """Mount a small disk of memory."""
    place = scratch / "disk"
    place.mkdir(exist_ok=True)
    mount(place, "size=512m")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", place], check=True)


def full_disk(findings: Findings, scratch: Path, what: str, words: Sequence[object], victim: Path, spare: int) -> None:
    """Let the disk run full during a command, with so many bytes to spare at its start; then make room."""
    with disk(scratch) as room:
        place = room / "library"
        shutil.copytree(victim, place)
        before = tracks_in(place)
        mount(room, f"remount,size={shutil.disk_usage(room).used + spare}")
        failed = gliss(place, *words)
        look(findings, f"disk full during {what}", "while it is full", before, place, failed)
        mount(room, "remount,size=512m")
        before, ended = tracks_in(place), gliss(place, *words)
        look(findings, f"disk full during {what}", "the same command, with room", before, place, ended)
    findings.say(f"Disk full during {what}: “{failed.words}” With room again, the same command: “{ended.words}”")


def look(findings: Findings, fault: str, step: str, before: int, place: Path, ran: Said) -> None:
    """Note how a command ended and how the library is."""
    metrics = {"exit code": ran.code, "tracebacks": ran.tracebacks, "tracks before": before}
    metrics |= {"tracks after": tracks_in(place), "problems found by verify": sum(problems_in(place))}
    findings.add(fault, step, 1, **metrics, **{"searches right": right(place, random.Random(SEED))})


def read_only(findings: Findings, scratch: Path, music: Path, small: Path) -> None:
    """Read and write on a disk that is mounted read-only."""
    with disk(scratch) as room:
        place = room / "library"
        shutil.copytree(small, place)
        mount(room, "remount,ro")
        ways = [["search", "array://1"], ["index", "-q", music]]
        ways += [["library", do] for do in ("status", "build-index", "compact")]
        worked, refused = [], set()
        for words in ways:
            name, ran = f"gliss {' '.join(words[: 1 + (words[0] == 'library')])}", gliss(place, *words)
            look(findings, "read-only disk", name, tracks_in(small), place, ran)
            refused |= {ran.words} if ran.code else set()
            worked += [] if ran.code else [name]
    findings.say(f"Read-only disk: {' and '.join(worked)} work; the rest say {' / '.join(f'“{w}”' for w in refused)}")


def damaged(findings: Findings, scratch: Path, small: Path) -> None:
    """Cut or delete data files of a library, and ask it."""
    asked = ["search array://1 -f json", "search array://1 --moments -f json", "library status", "library verify"]
    commands = {f"gliss {words}": words.split() for words in asked}
    healthy = {name: gliss(small, *words) for name, words in commands.items()}
    for fault, pattern in {
        "a tracks file cut in half": "tracks.lance/data/*.lance",
        "a segments file deleted": "segments.lance/data/*.lance",
        "a blocks file cut in half": "blocks.lance/data/*.lance",
        "a vector index file cut in half": "tracks.lance/_indices/*/*.idx",
    }.items():
        place = scratch / "damaged"
        shutil.copytree(small, place)
        file = max(place.glob(pattern), key=lambda file: file.stat().st_size)
        if "deleted" in fault:
            file.unlink()
        else:
            os.truncate(file, file.stat().st_size // 2)
        heard = {name: gliss(place, *words) for name, words in commands.items()}
        for name, ran in heard.items():
            clear = ran.code == 1 and "LIBRARY: " in ran.words and "damaged" in ran.words and not ran.tracebacks
            same = ran.code == 0 and ran.words == healthy[name].words
            metrics = {"exit code": ran.code, "tracebacks": ran.tracebacks, "works as before": same}
            findings.add(fault, name, 1, **metrics, **{"one sentence naming library and remedy": clear})
        said = " / ".join(dict.fromkeys(f"“{ran.words}”" for ran in heard.values() if ran.code))
        works = [name for name, ran in heard.items() if not ran.code]
        findings.say(f"With {fault}, {', '.join(works) or 'nothing'} works as before; the rest say {said}")
        if "index" in fault:
            findings.say(f"gliss library build-index on it: “{gliss(place, 'library', 'build-index').words}”")
        shutil.rmtree(place)


def memory_of(root: int) -> dict[int, float]:
    """Resident memory in MB of a process and of its children."""
    found = {}
    for status in Path("/proc").glob("[0-9]*/status"):
        with contextlib.suppress(OSError):  # it may end meanwhile
            facts = dict(line.split(":", 1) for line in status.read_text().splitlines())
            if "VmRSS" in facts and root in (int(facts["Pid"]), int(facts["PPid"])):
                found[int(facts["Pid"])] = int(facts["VmRSS"].split()[0]) / 1000
    return found


def memory(scratch: Path, *, quick: bool) -> tuple[Findings, float]:
    """Index a very long file and many short ones, again and again in one process; give the most memory of a process."""
    findings = Findings(shown=False)  # beside the other faults, whose commands' output is caught
    hours, count, minutes = (1, 50, 1) if quick else (10, 500, 30)
    music, place = folder_of(scratch / "long and short", count), scratch / "memory"
    seen = defaultdict[int, list[float]](list)
    record(music / "0 long.flac", 600, bpm=120, repeat=6 * hours)
    began = time.monotonic()
    process = subprocess.Popen([sys.executable, "-c", AGAIN, str(60 * minutes), music, place])
    while process.poll() is None:
        for pid, megabytes in memory_of(process.pid).items():
            seen[pid].append(megabytes)
        time.sleep(0.5)
    seconds, libraries = time.monotonic() - began, sorted(place.iterdir())
    fault = f"memory: a file of {hours} h and {count} of 5 s, indexed again and again, 2 jobs, default encoders"
    main, decoders = seen.pop(process.pid), [max(sizes) for sizes in seen.values()]
    quarter = len(main) // 4
    drift = float(np.mean(main[-quarter:]) - np.mean(main[quarter : 2 * quarter]))
    findings.add(fault, "main process", len(main), **{"peak MB": max(main), "drift MB": drift})
    findings.add(fault, "decoders", len(decoders), **{"peak MB": max(decoders)})
    counts = {"seconds": seconds, "libraries": len(libraries), "tracks in each": min(map(tracks_in, libraries))}
    findings.add(fault, "whole run", 1, **counts)
    findings.say("Memory: resident, sampled twice a second; drift: mean of the run's last quarter less its second.")
    return findings, max([*main, *decoders])


def main() -> None:
    """Cause every fault and write ``results/faults.json``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer kills, a shorter file; nothing written")
    quick = parser.parse_args().quick
    ingest.FLUSH_TRACKS = 1  # in this process too
    findings = Findings()
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(1) as beside:
        scratch = Path(folder)
        remembered = beside.submit(memory, scratch, quick=quick)
        music = folder_of(scratch / "music", 60)
        big = filled(scratch / "big", 20_000, at_once=2_000)
        small = filled(scratch / "small", 1_000, at_once=1_000)
        gliss(small, "library", "build-index")
        damaged(findings, scratch, small)
        try:
            begun, index = filled(scratch / "begun", 0, at_once=1), ["index", "-q", music]
            for file in sorted(music.iterdir())[:10]:
                gliss(begun, "index", "-q", file)
            full_disk(findings, scratch, "gliss index", index, begun, 150_000)
            full_disk(findings, scratch, "gliss library build-index", ["library", "build-index"], big, 3_000_000)
            read_only(findings, scratch, music, small)
        except subprocess.CalledProcessError:
            findings.say("Skipped, because mounting is not permitted here: full disk, read-only disk.")
        all_kills(findings, scratch, music, big, quick=quick)
        also, most = remembered.result()
        findings.rows += also.rows
        findings.notes += also.notes
    if quick:
        return
    goal = {"issue_line": "memory under 1.5 GB per process", "goal": GOAL, "value": most, "met": most < GOAL}
    write(
        "faults",
        findings.rows,
        seed=SEED,
        title="When things go wrong",
        notes=[
            "Every fault was caused for real. After it, the library is opened anew: its tracks are counted, `gliss library verify` looks "
            f"at it, and {QUERIES} searches of tracks and as many of segments are held against a comparison with every row (share of "
            f"the {K} nearest found). 60 files of 5 s are indexed, a commit a track; the index is built on 20,000 made-up tracks with "
            "60,000 segments; the library to optimize or compact was put together in 200 small writes. LIBRARY is the library's folder.",
            *("", *findings.notes),
        ],
        goals=[goal],
    )


if __name__ == "__main__":
    main()
