"""``gliss data``."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from .options import clock, console, errors

if TYPE_CHECKING:
    from ..data import DataSet

app = typer.Typer(add_completion=False, no_args_is_help=True, help="List, describe and build data sets.")
SHOWN = 12  # failures, and labels of a kind
JsonOption = Annotated[bool, typer.Option("--json", help="As JSON.")]


@app.command("list")
def list_data(as_json: JsonOption = False) -> None:
    """List the data sets: task, licence, size, and whether they are built here."""
    from .. import data

    rows = [{**asdict(data.card(name)), "built": _path(name).exists()} for name in data.names()]
    if as_json:
        typer.echo(json.dumps(rows, indent=1))
        return
    table = Table(box=None, pad_edge=False)
    for column in ("name", "built", "task", "size", "licence"):
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(row["name"], "yes" if row["built"] else "no", row["task"], row["size"], row["licence"])
    console.print(table)


@app.command()
def info(
    name: Annotated[str, typer.Argument(help="A data set, or a .pyjama file.", show_default=False)],
    as_json: JsonOption = False,
) -> None:
    """Say what a data set is, how to split it, and what is built of it here."""
    from .. import data

    about: dict[str, Any] = {}
    if not name.endswith(".pyjama"):
        about = {**asdict(data.card(name)), "layout": data.BUILDERS[name].layout, "built": _path(name).exists()}
    if about.get("built", True):
        about |= _contents(data.load(name))
    if as_json:
        typer.echo(json.dumps(about, indent=1, ensure_ascii=False))
        return
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for field, value in about.items():
        if value not in ("", 0, {}, []):
            table.add_row(field.replace("_", " "), _shown(value))
    console.print(table)


@app.command()
def build(
    name: Annotated[str, typer.Argument(help="A data set; see gliss data list.", show_default=False)],
    source: Annotated[
        Path | None,
        typer.Option("--from", metavar="DIR", help="Folder (or tar) in its official layout.", show_default=False),
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(
            "--where",
            metavar="LABEL=VALUE",
            help="Only entries that have it, such as family=guitar.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Convert a data set to the pair of files that training reads, in the cache."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from .. import data

    wanted = {}
    for condition in where or ():
        label, equals, value = condition.partition("=")
        if not label or not equals:
            raise typer.BadParameter(f"{condition!r} is not written as LABEL=VALUE", param_hint="--where")
        wanted[label] = value
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=errors, transient=True) as bar:
        task = bar.add_task(data.card(name).name, total=None)
        report = data.build(
            name, source, where=wanted, progress=lambda done, total: bar.update(task, completed=done, total=total)
        )
    again = f", {report.resumed} of them converted before" if report.resumed else ""
    console.print(
        f"{name}: {report.entries} entries{again}, {clock(report.seconds)} of music: {report.path}", soft_wrap=True
    )
    if report.failed:
        errors.print(f"[yellow]{len(report.failed)} entries were left out:[/]")
        for failure in report.failed[:SHOWN]:
            errors.print(f"  {failure.reason}", soft_wrap=True, markup=False, highlight=False)
        if len(report.failed) > SHOWN:
            errors.print(f"  ... all of them: {report.path.parent / 'build.json'}", soft_wrap=True)


def _path(name: str) -> Path:
    from .. import data

    return data.data_folder(name) / f"{name}.pyjama"


def _contents(found: DataSet) -> dict[str, Any]:
    entries = list(found.values())
    labels = {name for entry in entries for name in entry.annotations.labels}
    kinds = {kind: len({entry.groups.get(kind) for entry in entries}) for kind in found.group_kinds()}
    counts = {
        name: Counter(label for one in entries for label in one.annotations.labels.get(name, ())) for name in labels
    }
    return {
        "entries": len(entries),
        "with_audio": sum(entry.has_audio for entry in entries),
        "seconds": round(found.duration, 1),
        "notes": sum(len(entry.annotations.notes) for entry in entries),
        "f0_curves": sum(len(entry.annotations.curves) for entry in entries),
        "segments": dict(Counter(name for entry in entries for name in entry.annotations.segments)),
        "groups": kinds,
        "labels": {name: dict(counts[name].most_common(SHOWN)) for name in sorted(labels) if len(counts[name]) <= 500},
    }


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return "\n".join(f"{key}: {_line(inner)}" for key, inner in value.items())
    return str(value)


def _line(value: object) -> str:
    return ", ".join(f"{key} {count}" for key, count in value.items()) if isinstance(value, dict) else str(value)
