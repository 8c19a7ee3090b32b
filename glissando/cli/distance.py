"""``gliss distance``."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from ..errors import GlissandoError
from .options import DeviceOption, choice, console, errors

if TYPE_CHECKING:
    from ..training import Score, Sounds, SoundScore

app = typer.Typer(add_completion=False)
SOURCES = "Folder of audio, data set or .pyjama file"


@app.command(no_args_is_help=True)
def distance(
    generated: Annotated[str, typer.Argument(help=f"{SOURCES}: what was generated.", show_default=False)],
    reference: Annotated[
        str, typer.Argument(help=f"{SOURCES}: what it should sound like; the training for copies.", show_default=False)
    ],
    encoder: Annotated[
        str, typer.Option("--encoder", "-e", help="Whose embeddings are compared; see gliss models list.")
    ] = "musicnn-msd",
    metrics: Annotated[
        list[str] | None,
        typer.Option(
            "--metric",
            "-m",
            help="fad, fad-inf, kid, is, precision, recall, density, coverage, nearer, copied; repeat for several.",
            show_default="fad, fad-inf, kid",
        ),
    ] = None,
    held_out: Annotated[
        str | None,
        typer.Option(
            "--held-out",
            metavar="FOLDER",
            help="Real sounds that trained nothing: how near is near, for nearer and copied.",
            show_default=False,
        ),
    ] = None,
    classifier: Annotated[
        Path | None,
        typer.Option("--classifier", metavar="RUN", help="A run that learned classes, for is.", show_default=False),
    ] = None,
    per_file: Annotated[
        Path | None,
        typer.Option(
            "--per-file", metavar="CSV", help="Write a row for every generated file, too.", show_default=False
        ),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of random halves and subsets.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
    device: DeviceOption = "cpu",
) -> None:
    """Score generated audio by real audio, each number with a 95 % interval.

    Numbers of two encoders can't be compared, and numbers of different counts of files only with care.
    """
    from .. import training
    from ..data import recordings
    from .train import progress_bars

    chosen = [choice(metric, tuple(training.METRICS), "--metric") for metric in metrics or ("fad", "fad-inf", "kid")]
    if ("is" in chosen) != (classifier is not None):
        raise typer.BadParameter("is and --classifier go together", param_hint="--metric")
    if per_file is not None and not per_file.absolute().parent.is_dir():
        raise GlissandoError(f"{per_file}: its folder does not exist; make it first")
    held: list[Sounds] = []
    with progress_bars() as progress:

        def bar(what: str, total: int) -> Callable[[int], None]:
            return lambda done: progress(what, done, total)

        for name in (generated, reference, *([held_out] if held_out else [])):
            found = recordings(name)
            held.append(training.embed_sounds(encoder, found, device=device, progress=bar(name, len(found))))
        odds = None
        if classifier is not None:
            told = bar("classes", len(held[0].recordings))
            odds = training.class_probabilities(classifier, held[0].recordings, progress=told)
    failed = [failure for sounds in held for failure in sounds.failed]
    ours, theirs, others = held[0], held[1], held[2] if held_out else None
    try:
        scores, warnings = training.compare(ours, theirs, chosen, held_out=others, probabilities=odds, seed=seed)
        if per_file is not None:
            _write(per_file, training.score_each(ours, theirs, others))
        if as_json:
            counts = dict(zip(("generated", "reference", "held_out"), (len(one.frames) for one in held), strict=False))
            about = {"encoder": encoder, "space": ours.space, "sounds": counts, "warnings": warnings}
            rows = {"scores": [asdict(one) for one in scores], "failed": [asdict(one) for one in failed]}
            typer.echo(json.dumps({**about, **rows}, indent=1, ensure_ascii=False))
        else:
            _print(scores)
            counted = f"{len(ours.frames)} generated and {len(theirs.frames)} reference sounds, heard by {encoder}"
            console.print(counted, soft_wrap=True, highlight=False)
        for warning in warnings:
            errors.print(warning, style="yellow", soft_wrap=True, markup=False, highlight=False)
    finally:
        for failure in failed:
            errors.print(failure.reason, style="bold red", soft_wrap=True, markup=False, highlight=False)
    if failed:
        raise typer.Exit(3)


def _print(scores: list[Score]) -> None:
    table = Table("metric", box=None, pad_edge=False)
    for column in ("value", "95 %"):
        table.add_column(column, justify="right")
    for score in scores:
        table.add_row(score.metric, f"{score.value:.4g}", f"{score.low:.4g}..{score.high:.4g}")
    console.print(table)


def _write(path: Path, scores: list[SoundScore]) -> None:
    with path.open("w", newline="", encoding="utf-8") as out:
        rows = csv.writer(out)
        rows.writerow(("file", "fad", "nearest", "distance", "ratio"))
        for one in scores:
            rows.writerow((one.file, f"{one.fad:.6g}", one.nearest, f"{one.distance:.6g}", f"{one.ratio:.6g}"))
