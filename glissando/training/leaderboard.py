"""One table of all encoders: a cell for every encoder, data set, probe and number of examples, kept as JSON."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..data import load
from ..errors import RecipeError
from ..paths import aside
from .embeddings import embed_entries, pools_of, spaces
from .probes import Question, probe

Progress = Callable[[str, int, int], None]
SHOWN = ("accuracy", "macro recall", "macro AUC", "mAP")


@dataclass(frozen=True)
class Cell:
    """What one probe of one encoder found on one data set.

    Parameters
    ----------
    data, label : str
        Data set, and what of it was asked.
    content : str
        Hash of the data.
    encoder, space : str
        As it was named, and the space of its embeddings.
    pool : str
        How frames became one vector.
    probe : str
        linear, mlp or knn.
    shots : int, optional
        Examples of every class; all if None.
    seeds : int
        Repetitions.
    protocol : str
        How it was tested.
    dim, n : int
        Dimensions, and recordings.
    seconds : float
        The probe took.
    metrics : dict of str to dict
        ``mean``, ``low``, ``high`` and ``n`` by name.
    """

    data: str
    label: str
    content: str
    encoder: str
    space: str
    pool: str
    probe: str
    shots: int | None
    seeds: int
    protocol: str = ""
    dim: int = 0
    n: int = 0
    seconds: float = 0.0
    metrics: dict[str, dict[str, float]] = field(default_factory=dict)

    @property
    def key(self) -> tuple[Any, ...]:
        """What makes two cells the same one."""
        return self.data, self.label, self.content, self.space, self.pool, self.probe, self.shots, self.seeds


class Leaderboard:
    """Cells in a JSON file, and as a Markdown table beside it; both are written after every new cell.

    Parameters
    ----------
    path : str or Path
        The file; it may not exist yet.

    Raises
    ------
    RecipeError
        If it is there and no leaderboard.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if self.path.suffix != ".json":
            raise RecipeError(f"{self.path}: name a file that ends in .json; the table is written beside it as .md")
        self.cells: dict[tuple[Any, ...], Cell] = {}
        if self.path.exists():
            try:
                cells = [Cell(**one) for one in json.loads(self.path.read_text(encoding="utf-8"))["cells"]]
                self.cells = {cell.key: cell for cell in cells}
            except (OSError, ValueError, KeyError, TypeError) as error:
                raise RecipeError(f"{self.path}: is no leaderboard ({error}); name another file") from error

    def fill(
        self,
        encoder: str,
        data: str,
        *,
        label: str | None = None,
        pools: Sequence[str] = ("mean",),
        probes: Sequence[str] = ("linear",),
        shots: Sequence[int | None] = (None,),
        seeds: int = 3,
        device: str = "cpu",
        progress: Progress | None = None,
    ) -> Iterator[Cell]:
        """Probe an encoder on a data set; cells that are there are not done again.

        Parameters
        ----------
        encoder : str
            As of `glissando.training.embeddings.embed_entries`.
        data : str
            Data set, or ``.pyjama`` file.
        label : str, optional
            See `Question.of`.
        pools, probes : sequence of str
            How frames are pooled, and what is learned from them.
        shots : sequence of int or None
            Examples of every class; None for all.
        seeds : int
            Repetitions, where anything is drawn.
        device : str
            Where encoders run.
        progress : callable, optional
            Called with what is done, the number of recordings done, and in all.

        Yields
        ------
        Cell
            Every one that was asked for.

        Raises
        ------
        GlissandoError
            If encoder, data, label or probe are not there.
        """
        question = Question.of(load(data), label)
        entries, content, space = (
            [*question.data.values()],
            question.data.content_hash(),
            spaces(encoder, device=device),
        )
        told = None if progress is None else (lambda done: progress(f"{encoder}: {data}", done, len(entries)))
        for pool in pools_of(encoder, pools):
            vectors = None
            for kind in probes:
                for few in shots:
                    cell = Cell(question.data.name, question.label, content, encoder, space, pool, kind, few, seeds)
                    if cell.key not in self.cells:
                        if vectors is None:
                            vectors = embed_entries(encoder, entries, pool=pool, device=device, progress=told)
                        begun = time.monotonic()
                        metrics = probe(vectors, question, kind=kind, shots=few, seeds=seeds)
                        known = {
                            "protocol": question.protocol,
                            "dim": vectors.shape[1],
                            "n": len(entries),
                            "seconds": round(time.monotonic() - begun, 2),
                            "metrics": metrics,
                        }
                        self.cells[cell.key] = Cell(**{**asdict(cell), **known})
                        self.write()
                    yield self.cells[cell.key]

    def write(self) -> None:
        """Write JSON and Markdown."""
        document = {"cells": [asdict(cell) for cell in self.cells.values()]}
        with aside(self.path) as part:
            part.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        with aside(self.path.with_suffix(".md")) as part:
            part.write_text(table([*self.cells.values()]), encoding="utf-8")


def table(cells: Sequence[Cell]) -> str:
    """Write cells as Markdown, a table for every data set, the best first.

    Parameters
    ----------
    cells : sequence of Cell
        Of any data.

    Returns
    -------
    str
        Markdown.
    """
    lines = ["# Probes", ""]
    for data, label in dict.fromkeys((cell.data, cell.label) for cell in cells):
        here = [cell for cell in cells if (cell.data, cell.label) == (data, label)]
        names = [name for name in SHOWN if any(name in cell.metrics for cell in here)]
        lines += [f"## {data}: {label}", "", f"{here[0].n} recordings, {here[0].protocol}.", ""]
        lines += [f"| encoder | dim | pool | probe | examples | {' | '.join(names)} |", "|---" * (5 + len(names)) + "|"]
        for cell in sorted(here, key=lambda one: -one.metrics[names[0]]["mean"]):
            values = [
                f"{one['mean']:.3f} ({one['low']:.3f}..{one['high']:.3f})" if (one := cell.metrics.get(name)) else ""
                for name in names
            ]
            few = "all" if cell.shots is None else f"{cell.shots} a class"
            lines.append(f"| {cell.encoder} | {cell.dim} | {cell.pool} | {cell.probe} | {few} | {' | '.join(values)} |")
        lines.append("")
    return "\n".join(lines)
