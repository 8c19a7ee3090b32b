"""``gliss train``."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from .options import SetOption, console, errors

app = typer.Typer(add_completion=False)
SHOWN = 12  # failures


@app.command(no_args_is_help=True)
def train(
    recipe: Annotated[
        str | None, typer.Argument(help="A YAML file, or the name of a shipped recipe (--list).", show_default=False)
    ] = None,
    changes: SetOption = None,
    encoder: Annotated[
        str | None,
        typer.Option("--encoder", "-e", help="Whose embeddings tempo-translation moves.", show_default=False),
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(
            "--data",
            metavar="SET",
            help="Data set, .pyjama file or (tempo-translation) folder of audio.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="DIR",
            show_default=False,
            help="Run folder; below runs/ otherwise, and where libraries find it for tempo-translation.",
        ),
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option("--resume", metavar="RUN", help="Go on with a run that was stopped.", show_default=False),
    ] = None,
    repeat: Annotated[
        int, typer.Option("--repeat", min=1, help="Train with so many seeds; gives mean and interval.")
    ] = 1,
    device: Annotated[str, typer.Option("--device", help="auto, cpu or gpu.")] = "auto",
    devices: Annotated[int, typer.Option("--devices", min=1, help="How many devices train together.")] = 1,
    list_recipes: Annotated[bool, typer.Option("--list", help="List the shipped recipes.")] = False,
) -> None:
    """Train a recipe: its run folder holds weights, split, curves, metrics and card.

    The recipe tempo-translation learns, for any encoder, what its embeddings become at another tempo: from then on
    libraries move that encoder's block with --faster, --slower and --tempo.
    """
    from .. import training
    from .runs import show_metrics

    if list_recipes:
        for name in training.shipped():
            console.print(name)
        return
    if (recipe is None) == (resume is None):
        raise typer.BadParameter("name a recipe, or a run with --resume")
    changes = [*(changes or ()), *_short(encoder, data)]
    if recipe is not None and training.read_recipe(recipe, changes=changes).get("task") == training.TRANSLATION:
        if repeat > 1 or devices > 1 or device == "gpu":
            raise typer.BadParameter(f"{recipe} takes no --repeat, --device or --devices")
        _translate(recipe, changes, out)
        return
    with progress_bars() as progress:
        how: dict[str, Any] = {
            "progress": progress,
            "bar": console.is_terminal,
            "accelerator": device,
            "devices": devices,
        }
        if resume is not None:
            run = training.resume(resume, **how)
        else:
            assert recipe is not None
            loaded = training.load_recipe(recipe, changes=changes)
            folder = out or _free(Path("runs") / re.sub(r"[^\w.-]+", "-", recipe.removesuffix(".yaml")).strip("-."))
            if repeat > 1:
                runs = training.repeat(loaded, folder, repeat, **how)
                show_metrics(training.over_seeds([one.result() for one in runs]), f"{folder}: {repeat} seeds")
                return
            run = training.train(loaded, folder, **how)
    show_metrics(run.result()["metrics"], f"{run.folder}: test")


def _short(encoder: str | None, data: list[str] | None) -> list[str]:
    """Options that stand for fields of a recipe."""
    sets = data and json.dumps(data[0] if len(data) == 1 else data)
    return [f"{name}={value}" for name, value in (("encoder", encoder), ("data.name", sets)) if value]


def _translate(recipe: str, changes: list[str], out: Path | None) -> None:
    from .. import training

    with progress_bars() as progress:
        loaded = training.load_translation_recipe(recipe, changes=changes)
        found = training.train_translation(loaded, out, workers=os.cpu_count() or 1, progress=progress)
    metrics = found.result["metrics"]
    table = Table("on test clips", "cosine", "right clip", "right clip and tempo", box=None, pad_edge=False)
    for name, row in metrics.items():
        table.add_row(name, *(f"{row[key]:.3f}" for key in ("cosine", "clip", "version")))
    console.print(table)
    if metrics["learned"]["cosine"] <= metrics["no-op"]["cosine"]:
        errors.print("[yellow]What was learned is no better than nothing: this space may not tell tempi apart.[/]")
    if found.failed:
        errors.print(f"[yellow]{len(found.failed)} recordings were left out:[/]")
        for failure in found.failed[:SHOWN]:
            errors.print(f"  {failure.reason}", soft_wrap=True, markup=False, highlight=False)
        if len(found.failed) > SHOWN:
            errors.print(f"  ... all of them: {found.folder / 'result.json'}", soft_wrap=True)
    used = "" if out is None else "; libraries use one that lies at its own place, without --out"
    console.print(f"{loaded.encoder}: {found.folder}{used}", soft_wrap=True, highlight=False)


def _free(folder: Path) -> Path:
    numbered = (folder if number == 1 else folder.with_name(f"{folder.name}-{number}") for number in range(1, 10_000))
    return next(one for one in numbered if not one.exists())


@contextmanager
def progress_bars() -> Iterator[Callable[[str, int, int], None]]:
    """Show a bar for every kind of work that tells of itself.

    Yields
    ------
    callable
        To be called with what is done, how many, and in all.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    bars: dict[str, TaskID] = {}
    bar = Progress(*columns, console=errors, transient=True)

    def told(what: str, done: int, total: int) -> None:
        bar.start()
        if what not in bars:
            bars[what] = bar.add_task(what, total=total)
        bar.update(bars[what], completed=done)
        if done >= total:
            bar.stop()  # the bar of training takes the line

    try:
        yield told
    finally:
        bar.stop()
