"""``gliss models``."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from .options import console, errors

FOLDERS = ("clap", "mert", "mule")  # whose weights are several files, from a hub

app = typer.Typer(add_completion=False, no_args_is_help=True, help="List and fetch model weights.")


@app.command("list")
def list_models(as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False) -> None:
    """List the encoders: licence, size, space, and whether the weights are here."""
    from .. import encoders, latent  # noqa: F401  (registers gliss-mixing)

    rows: list[dict[str, Any]] = [
        {
            "name": name,
            "summary": (card := encoders.card(name)).summary,
            "licence": card.licence,
            "sample_rate": card.sample_rate,
            "dim": card.dim,
            "size_mb": card.weights_mb,
            "space_id": card.space_id,
            "present": _present(name),
            "notice": card.notice,
        }
        for name in encoders.names()
    ]
    if as_json:
        typer.echo(json.dumps(rows, indent=1))
        return
    table = Table(box=None, pad_edge=False)
    for column in ("name", "here", "MB", "licence", "space", "what"):
        table.add_column(column, overflow="fold")
    for row in rows:
        size = f"{row['size_mb']:.0f}" if row["size_mb"] else "-"
        table.add_row(
            row["name"], "yes" if row["present"] else "no", size, row["licence"], row["space_id"], row["summary"]
        )
    console.print(table)


@app.command()
def get(
    name: Annotated[str, typer.Argument(help="An encoder; see gliss models list.", show_default=False)],
    source: Annotated[
        Path | None,
        typer.Option("--from", help="Wheel or folder on this computer, instead of fetching.", show_default=False),
    ] = None,
) -> None:
    """Fetch the weights of an encoder, check them and keep them in the cache."""
    from .. import encoders, latent  # noqa: F401  (registers gliss-mixing)

    card = encoders.card(name)
    if card.notice:
        errors.print(f"[yellow]{name}:[/] {card.notice}")
    if _present(name) and source is None:
        console.print(f"{name} is here already.")
        return
    if name in FOLDERS and source is not None:
        _copy(name, source)
    with console.status(f"Fetching {card.source} ({card.weights_mb:.0f} MB, {card.licence}) ..."):
        encoders.load(name, weights=source if name not in FOLDERS else None)
    console.print(f"{name} is ready (space {card.space_id}, {card.licence}).")


def _present(name: str) -> bool:
    from .. import encoders

    card = encoders.card(name)
    if name in FOLDERS:
        return encoders.weights_folder(name).is_dir()
    return card.source == encoders.SHIPPED or not card.weights_sha256 or encoders.weights_path(card).exists()


def _copy(name: str, source: Path) -> None:
    from .. import encoders

    files = encoders.files_of(name, source, getattr(encoders, name).FILES)
    target = encoders.weights_folder(name)
    target.mkdir(parents=True, exist_ok=True)
    for file in files:
        shutil.copyfile(source / file, target / file)
