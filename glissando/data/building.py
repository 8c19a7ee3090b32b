"""Building a data set: from the folders of its publishers to the pair of files in the user's cache."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..audio import AudioStream
from ..errors import GlissandoError, RecipeError
from ..paths import aside
from .annotations import Annotations, Labels
from .archives import unpacked
from .cards import card
from .dataset import SYMBOLIC, DataSet, data_folder
from .pyjama import write_pyjama
from .store import ArrayWriter, to_int16


@dataclass(frozen=True)
class Source:
    """One entry of a layout, not read yet.

    Parameters
    ----------
    key : str
        Its name in the data set.
    annotate : callable
        Reads its annotations.
    audio : Path, optional
        Its file; None where there is none.
    sound : callable, optional
        Makes its sound, mono at the rate of the set, where it is played from a score.
    feature : callable, optional
        Reads its feature, for sets that come without audio.
    symbolic : bool
        It has notes and no audio.
    span : tuple of float, optional
        Start and end in seconds of what is taken of its file; all of it if None.
    """

    key: str
    annotate: Callable[[], Annotations]
    audio: Path | None = None
    sound: Callable[[], NDArray[np.float32]] | None = None
    feature: Callable[[], NDArray[np.float32]] | None = None
    symbolic: bool = False
    span: tuple[float, float] | None = None


@dataclass(frozen=True)
class Builder:
    """How to read a layout.

    Parameters
    ----------
    layout : str
        Where its files lie, for people.
    sources : callable
        Lists the entries below a folder.
    default : callable, optional
        Finds the folder where none is named.
    """

    layout: str
    sources: Callable[[Path], Iterable[Source]]
    default: Callable[[], Path] | None = None


@dataclass(frozen=True)
class Failure:
    """An entry that was left out, and why in one sentence."""

    key: str
    reason: str


@dataclass
class BuildReport:
    """What a build did.

    Parameters
    ----------
    path : Path
        The ``.pyjama`` file.
    entries, resumed : int
        Entries in the set; those that an interrupted build had converted already.
    seconds : float
        Of audio.
    failed : list of Failure
        Entries that were left out.
    """

    path: Path
    entries: int = 0
    resumed: int = 0
    seconds: float = 0.0
    failed: list[Failure] = field(default_factory=list)


def labelled(labels: Labels) -> Callable[[], Annotations]:
    """Annotate with labels that a table has told already.

    Parameters
    ----------
    labels : dict
        Global labels by name.

    Returns
    -------
    callable
        For a `Source`.
    """
    return lambda: Annotations(labels=labels)


BUILDERS: dict[str, Builder] = {}
Sources = Callable[[Path], Iterable[Source]]


def builder(name: str, layout: str, *, default: Callable[[], Path] | None = None) -> Callable[[Sources], Sources]:
    """Register a builder.

    Parameters
    ----------
    name : str
        Of the data set; it must have a card.
    layout : str
        See `Builder`.
    default : callable, optional
        See `Builder`.

    Returns
    -------
    callable
        The decorator of the function that lists the entries.
    """
    card(name)

    def _register(sources: Sources) -> Sources:
        BUILDERS[name] = Builder(layout, sources, default)
        return sources

    return _register


def build(
    name: str,
    source: str | Path | None = None,
    *,
    where: Mapping[str, str] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> BuildReport:
    """Build a data set. What an interrupted build had converted is not converted again.

    Parameters
    ----------
    name : str
        Of the set.
    source : str or Path, optional
        Folder with its official layout, or tar archives of it; not needed for sets that are played from scores.
    where : mapping of str to str, optional
        Labels that entries must have, such as ``{"family": "guitar"}``; the others are not converted.
    progress : callable, optional
        Called with the numbers of entries done and in all.

    Returns
    -------
    BuildReport
        What it did; `load` opens the set.

    Raises
    ------
    RecipeError
        If the folder has another layout, or no entry could be read or is wanted.
    """
    from filelock import FileLock, Timeout

    known = card(name)
    if source is None:
        find = BUILDERS[name].default
        if find is None:
            raise RecipeError(f"{name}: name the folder it lies in, with --from DIR; get it from {known.source}")
        source = find()
    folder = data_folder(name)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / ".lock", timeout=0):
            for left in (*folder.glob("unpacked-*"), *folder.glob("*.part")):  # by a killed build
                shutil.rmtree(left) if left.is_dir() else left.unlink()
            with unpacked(Path(source), folder) as root:
                return _build(name, root, known.sample_rate, folder, where or {}, progress)
    except Timeout:
        raise RecipeError(f"{folder}: another process builds {name} there; wait for it") from None


def _build(
    name: str,
    root: Path,
    rate: int,
    folder: Path,
    where: Mapping[str, str],
    progress: Callable[[int, int], None] | None,
) -> BuildReport:
    try:
        sources = list(BUILDERS[name].sources(root))
    except RecipeError as error:
        raise RecipeError(f"{error}; the layout of {name} is {BUILDERS[name].layout}") from error
    if not sources:
        raise RecipeError(f"{root}: holds nothing of {name}; its layout is {BUILDERS[name].layout}")
    if where:
        sources = _wanted(sources, where, f"{root}: none of {len(sources)} entries of {name}")
    report = BuildReport(folder / f"{name}.pyjama")
    parts = folder / "parts"
    parts.mkdir(exist_ok=True)
    ready = {path.stem.rpartition("-")[0]: path for path in parts.glob("*.pcm")}
    made: dict[str, _Made] = {}
    with ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 1)) as pool:
        results = pool.map(lambda one: _make(one, rate, parts, ready), sources)
        for done, (source, one) in enumerate(zip(sources, results, strict=True)):
            if isinstance(one, Failure):
                report.failed.append(one)
            elif source.key in made:
                report.failed.append(Failure(source.key, f"{source.key}: an earlier entry has the same name"))
            else:
                made[source.key] = one
                report.resumed += one.resumed
                report.seconds += one.seconds
            if progress is not None:
                progress(done + 1, len(sources))
    if not made:
        raise RecipeError(f"{root}: none of {len(sources)} entries of {name} can be used; {report.failed[0].reason}")
    _assemble(folder / f"{name}_audio.hdf5", made, rate)
    write_pyjama(report.path, {key: one.annotations for key, one in made.items()})
    (folder / "build.json").write_text(
        json.dumps(_record(report, made), indent=1, ensure_ascii=False), encoding="utf-8"
    )
    shutil.rmtree(parts)
    report.entries = len(DataSet.open(report.path))
    return report


def _wanted(sources: list[Source], where: Mapping[str, str], none: str) -> list[Source]:
    """Take the entries that have labels, and those that can't be read, which are told later."""
    found, held = [], {name: set[str]() for name in where}
    for source in sources:
        try:
            labels = source.annotate().labels
        except GlissandoError:
            found.append(source)
            continue
        for name, values in held.items():
            values.update(labels.get(name, ()))
        if all(value in labels.get(name, ()) for name, value in where.items()):
            found.append(source)
    if not found:
        name = next((name for name, value in where.items() if value not in held[name]), next(iter(where)))
        raise RecipeError(f"{none} has {name} {where[name]!r}; there are: {', '.join(sorted(held[name])) or 'none'}")
    return found


@dataclass(frozen=True)
class _Made:
    annotations: Annotations
    part: Path | None
    source_rate: int
    seconds: float
    resumed: bool


def _make(source: Source, rate: int, parts: Path, ready: dict[str, Path]) -> _Made | Failure:
    try:
        annotations = source.annotate()
        if source.symbolic:
            labels = {**annotations.labels, SYMBOLIC[0]: SYMBOLIC[1]}
            described = Annotations(annotations.notes, annotations.curves, annotations.segments, labels)
            return _Made(described, None, 0, annotations.end, False)
        if source.feature is not None:
            part = parts / f"{_digest(source.key)}.npy"
            values = source.feature()
            _aside(part, lambda out: np.save(out, values, allow_pickle=False))
            return _Made(annotations, part, 0, 0.0, False)
        if source.sound is not None:
            return _played(source, source.sound, annotations, rate, parts, ready)
        if source.audio is None:
            return Failure(source.key, f"{source.key}: there is no audio of it in the folder")
        part, source_rate, resumed = _convert(source.audio, rate, parts, ready, source.span)
        duration = part.stat().st_size / 2 / rate
        annotations = annotations.clipped(duration)
        annotations.check_within(duration, where=str(source.audio))
        return _Made(annotations, part, source_rate, duration, resumed)
    except GlissandoError as error:
        return Failure(source.key, str(error))


def _played(
    source: Source,
    sound: Callable[[], NDArray[np.float32]],
    annotations: Annotations,
    rate: int,
    parts: Path,
    ready: dict[str, Path],
) -> _Made:
    stem = _digest(source.key, annotations.notes.tobytes(), rate)
    part = ready.get(stem, parts / f"{stem}-{rate}.pcm")
    if stem not in ready:
        samples = to_int16(sound())
        _aside(part, lambda out: out.write(samples.tobytes()))
    duration = part.stat().st_size / 2 / rate
    annotations = annotations.clipped(duration)
    annotations.check_within(duration, where=source.key)
    return _Made(annotations, part, rate, duration, stem in ready)


def _convert(
    path: Path, rate: int, parts: Path, ready: dict[str, Path], span: tuple[float, float] | None
) -> tuple[Path, int, bool]:
    """Decode to 16 bits beside its final name; a file that is there already was converted whole."""
    status = path.stat()
    stem = _digest(str(path.absolute()), status.st_size, status.st_mtime_ns, rate, *(span or ()))
    if stem in ready:
        return ready[stem], int(ready[stem].stem.rpartition("-")[2]), True
    start, end = span or (0.0, None)
    with AudioStream(path) as stream:
        part = parts / f"{stem}-{stream.sample_rate}.pcm"

        def write(out: Any) -> None:
            for block in stream.mono(rate, start=start, end=end):
                out.write(to_int16(block).tobytes())

        _aside(part, write)
        return part, stream.sample_rate, False


def _assemble(path: Path, made: dict[str, _Made], rate: int) -> None:
    if all(one.part is None for one in made.values()):
        path.unlink(missing_ok=True)
        return
    with ArrayWriter(path) as writer:
        for key, one in made.items():
            if one.part is None:
                continue
            if one.part.suffix == ".npy":
                writer.add(key, np.load(one.part, allow_pickle=False))
            else:
                samples = np.memmap(one.part, np.int16, "r")
                writer.add(key, samples, rate, bandwidth=min(rate, one.source_rate) / 2)


def _record(report: BuildReport, made: dict[str, _Made]) -> dict[str, Any]:
    return {
        "entries": len(made),
        "seconds": round(report.seconds, 2),
        "failed": [[failure.key, failure.reason] for failure in report.failed],
    }


def _digest(*parts: object) -> str:
    return hashlib.blake2b(repr(parts).encode(), digest_size=16).hexdigest()


def _aside(path: Path, write: Callable[[Any], None]) -> None:
    with aside(path) as part, part.open("wb") as out:
        write(out)
