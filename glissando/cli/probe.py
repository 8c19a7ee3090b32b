"""``gliss probe``."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from .options import DeviceOption, choice, console

app = typer.Typer(add_completion=False)


@app.command(no_args_is_help=True)
def probe(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="ENCODER...",
            help="Encoders (gliss models list), NAME:LAYER for another output, NAME=FOLDER for weights of your own, "
            "mfcc or log-mel for the floors; joined by + their embeddings are laid end to end.",
            show_default=False,
        ),
    ],
    data: Annotated[
        list[str], typer.Option("--data", metavar="SET", help="Data set or .pyjama file.", show_default=False)
    ],
    label: Annotated[
        str | None,
        typer.Option(
            "--label", metavar="NAME", help="What is asked; class, instrument, genre or tag.", show_default=False
        ),
    ] = None,
    kinds: Annotated[
        list[str] | None,
        typer.Option("--probe", help="linear, mlp or knn; several by repeating it.", show_default="linear"),
    ] = None,
    pools: Annotated[
        list[str] | None,
        typer.Option("--pool", help="mean, mean+max or mean+std over an encoder's frames.", show_default="mean"),
    ] = None,
    shots: Annotated[
        str | None,
        typer.Option(
            "--shots",
            metavar="N,N,...",
            help="A learning curve: learn from so many recordings of every class.",
            show_default=False,
        ),
    ] = None,
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="Repetitions, where anything is drawn.")] = 3,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Leaderboard to add to; a table is written beside it.")
    ] = Path("probes.json"),
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
    device: DeviceOption = "cpu",
) -> None:
    """Test what frozen embeddings tell: simple classifiers learn the labels of a data set from them.

    Official folds and splits are kept where there are any; else five folds are drawn, groups whole. What the
    leaderboard holds already is not done again.
    """
    from .. import training
    from .train import progress_bars

    pools, kinds = pools or ["mean"], kinds or ["linear"]
    for pool in pools:
        choice(pool, training.POOLS, "--pool")
    for kind in kinds:
        choice(kind, tuple(training.PROBES), "--probe")
    board = training.Leaderboard(out)
    found: list[training.Cell] = []
    with progress_bars() as progress:
        for name in names:
            for one in data:
                found += board.fill(
                    name, one, label=label, pools=pools, probes=kinds, shots=_numbers(shots), seeds=seeds,
                    device=device, progress=progress,
                )  # fmt: skip
    if as_json:
        typer.echo(json.dumps([asdict(cell) for cell in found], indent=1, ensure_ascii=False))
        return
    metrics = [name for name in training.SHOWN_METRICS if any(name in cell.metrics for cell in found)]
    table = Table(box=None, pad_edge=False)
    for column in ("data", "encoder", "pool", "probe", "examples", *metrics):
        table.add_column(column, justify="right" if column in metrics else "left", overflow="fold")
    for cell in found:
        values = [f"{cell.metrics[name]['mean']:.3f}" if name in cell.metrics else "" for name in metrics]
        few = "all" if cell.shots is None else f"{cell.shots} a class"
        table.add_row(cell.data, cell.encoder, cell.pool, cell.probe, few, *values)
    console.print(table)
    console.print(f"{out.with_suffix('.md')}: with intervals", soft_wrap=True, highlight=False)


def _numbers(text: str | None) -> list[int | None]:
    if text is None:
        return [None]
    try:
        numbers = [int(part) for part in text.replace(",", " ").split()]
    except ValueError:
        numbers = []
    if not numbers or min(numbers) < 1:
        raise typer.BadParameter(f"{text!r} should be whole numbers such as 1,5,10", param_hint="--shots")
    return [*numbers]
