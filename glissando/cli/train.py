"""``gliss train``."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from .options import SetOption, console, errors

app = typer.Typer(add_completion=False)


@app.command(no_args_is_help=True)
def train(
    recipe: Annotated[
        str | None, typer.Argument(help="A YAML file, or the name of a shipped recipe (--list).", show_default=False)
    ] = None,
    changes: SetOption = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="DIR", help="Run folder; below runs/ otherwise.", show_default=False),
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
    """Train a recipe: its run folder holds weights, split, curves, metrics and card."""
    from .. import training
    from .runs import show_metrics

    if list_recipes:
        for name in training.shipped():
            console.print(name)
        return
    if (recipe is None) == (resume is None):
        raise typer.BadParameter("name a recipe, or a run with --resume")
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
            loaded = training.load_recipe(recipe, changes=changes or ())
            folder = out or _free(Path("runs") / re.sub(r"[^\w.-]+", "-", recipe.removesuffix(".yaml")).strip("-."))
            if repeat > 1:
                runs = training.repeat(loaded, folder, repeat, **how)
                show_metrics(training.over_seeds([one.result() for one in runs]), f"{folder}: {repeat} seeds")
                return
            run = training.train(loaded, folder, **how)
    show_metrics(run.result()["metrics"], f"{run.folder}: test")


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
