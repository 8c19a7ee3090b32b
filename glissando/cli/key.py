"""``gliss key``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from .describe import embed_each, print_json
from .options import choice, console

if TYPE_CHECKING:
    from ..library import Embedded

app = typer.Typer(add_completion=False)


@app.command()
def key(
    files: Annotated[list[Path], typer.Argument(help="Audio files or folders.", show_default=False)],
    output: Annotated[str, typer.Option("--format", "-f", help="table or json.")] = "table",
) -> None:
    """Estimate the key of audio files, with its Camelot code and what else it might be."""
    from .. import encoders
    from ..library import Embedder

    choice(output, ("table", "json"), "--format")
    rows: list[dict[str, Any]] = []

    def show(path: Path, embedded: Embedded) -> None:
        found = embedded.key
        row: dict[str, Any] = {"path": str(path), "key": None}
        words = "no pitch"
        if found:
            others = [one.name for one in found.candidates[1:]]
            row |= {"key": found.key.name, "camelot": found.key.camelot, "confidence": found.confidence}
            row |= {"candidates": [found.key.name, *others]}
            words = (
                f"{found.key.name} ({found.key.camelot}), confidence {found.confidence:.2f}, else {' or '.join(others)}"
            )
        rows.append(row)
        if output == "table":
            console.print(f"[bold]{escape(path.name)}[/]  {words}", soft_wrap=True, highlight=False)

    try:
        embed_each(files, Embedder({"chroma": encoders.load("chroma")}), show)
    finally:
        if output == "json":
            print_json(rows)
