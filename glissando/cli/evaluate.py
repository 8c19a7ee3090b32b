"""``gliss evaluate``."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from .options import RunArgument

app = typer.Typer(add_completion=False)


@app.command(no_args_is_help=True)
def evaluate(
    run: RunArgument,
    data: Annotated[
        str | None, typer.Option("--data", help="Another data set, all of it, instead of its own.", show_default=False)
    ] = None,
    part: Annotated[str, typer.Option("--part", help="Of the run's own split: train, valid or test.")] = "test",
    seconds: Annotated[
        float | None,
        typer.Option("--seconds", min=1, help="Of every recording's beginning; else all.", show_default=False),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, with every entry.")] = False,
) -> None:
    """Score a trained run by the metrics of its task."""
    from .. import training
    from .runs import show_metrics
    from .train import progress_bars

    with progress_bars() as progress:
        found = training.evaluate(training.Run.open(run), data=data, part=part, seconds=seconds, progress=progress)
    if as_json:
        typer.echo(json.dumps(found, indent=1))
    else:
        show_metrics(found["metrics"], f"{run}: {data or part}")
