"""``gliss runs``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from .options import RunArgument, console

app = typer.Typer(add_completion=False, no_args_is_help=True, help="List, show, compare and export runs.")
FolderArgument = Annotated[Path, typer.Argument(help="Folder of runs.")]


@app.command("list")
def list_runs(folder: FolderArgument = Path("runs"), as_json: Annotated[bool, typer.Option("--json")] = False) -> None:
    """List the runs below a folder: state, data, and the metric that counts."""
    from .. import training

    rows = []
    for run in training.list_runs(folder):
        result = run.result()
        goal = result.get("goal", "")
        value = result.get("metrics", {}).get(goal, {}).get("mean")
        rows.append(
            {"run": str(run.folder), "state": run.state, "data": run.recipe.data.name, "goal": goal, "value": value}
        )
    if as_json:
        typer.echo(json.dumps(rows, indent=1))
        return
    table = Table(box=None, pad_edge=False)
    for column in ("run", "state", "data", "metric"):
        table.add_column(column, overflow="fold")
    for row in rows:
        metric = "" if row["value"] is None else f"{row['goal']} {row['value']:.3f}"
        table.add_row(row["run"], row["state"], row["data"], metric)
    console.print(table if rows else f"no runs in {folder}; make one with: gliss train RECIPE")


@app.command()
def show(run: RunArgument) -> None:
    """Show the card of a run, or how far it is."""
    from rich.markdown import Markdown

    from .. import training

    opened = training.Run.open(run)
    if opened.state == "done":
        console.print(Markdown((run / "card.md").read_text(encoding="utf-8")))
        return
    curves = opened.curves().get("valid_loss", ([], []))
    console.print(f"{run}: {opened.state}, {len(curves[0])} epochs; go on with: gliss train --resume {run}")


@app.command()
def compare(
    runs: Annotated[list[Path], typer.Argument(help="Run folders.", show_default=False)],
    plot: Annotated[
        Path | None, typer.Option("--plot", metavar="PNG", help="Draw their losses.", show_default=False)
    ] = None,
) -> None:
    """Compare runs: metrics side by side, and the interval of their differences where they scored the same entries."""
    from .. import training

    opened = [training.Run.open(run) for run in runs]
    results = [run.result() for run in opened]
    names = dict.fromkeys(name for result in results for name in result.get("metrics", {}))
    table = Table(box=None, pad_edge=False)
    for column in ("run", *names, "minutes", "parameters"):
        table.add_column(column, justify="left" if column == "run" else "right", overflow="fold")
    for run, result in zip(opened, results, strict=True):
        values = [f"{result['metrics'][name]['mean']:.3f}" if result else "" for name in names]
        about = [f"{result['minutes']:.1f}", f"{result['parameters']:,}"] if result else [run.state, ""]
        table.add_row(str(run.folder), *values, *about)
    console.print(table)
    for run, result in zip(opened[1:], results[1:], strict=True):
        for name in [results[0].get("goal")] if result and results[0] else []:
            held = [{key for key, one in each["entries"].items() if name in one} for each in (results[0], result)]
            both = [key for key in results[0]["entries"] if key in held[0] & held[1]]
            if both:
                apart = [result["entries"][key][name] - results[0]["entries"][key][name] for key in both]
                low, high = training.interval(apart)
                console.print(
                    f"{run.name} above {opened[0].name}: {name} {sum(apart) / len(apart):+.3f} "
                    f"({low:+.3f} to {high:+.3f}, {len(both)} entries)",
                    highlight=False,
                )
    if plot is not None:
        training.plot_curves(opened, plot)
        console.print(f"losses: {plot}", soft_wrap=True)


@app.command()
def export(
    run: RunArgument,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Folder to make.", show_default=False)],
    note: Annotated[str, typer.Option("--note", metavar="TEXT", help="A paragraph for its card.")] = "",
) -> None:
    """Copy a trained run to pass on: half the size, no checkpoints; gliss predict reads it as any run."""
    from .. import training

    copy = training.export(training.Run.open(run), out, note=note)
    size = (copy.folder / "weights.safetensors").stat().st_size
    console.print(f"{copy.folder}: {size / 1e6:.2f} MB of weights, and a card", soft_wrap=True, markup=False)


def show_metrics(metrics: Mapping[str, Mapping[str, Any]], title: str) -> None:
    """Print metrics with their intervals.

    Parameters
    ----------
    metrics : mapping
        ``mean``, ``low``, ``high`` and ``n`` by name.
    title : str
        Of what.
    """
    table = Table(box=None, pad_edge=False, title=title, title_justify="left")
    table.add_column("metric")
    for column in ("mean", "95 % interval", "n"):
        table.add_column(column, justify="right")
    for name, one in metrics.items():
        table.add_row(name, f"{one['mean']:.3f}", f"{one['low']:.3f} to {one['high']:.3f}", f"{one['n']:.0f}")
    console.print(table)
