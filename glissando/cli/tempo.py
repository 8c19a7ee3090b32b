"""``gliss tempo``."""

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
def tempo(
    files: Annotated[list[Path], typer.Argument(help="Audio files or folders.", show_default=False)],
    output: Annotated[str, typer.Option("--format", "-f", help="table or json.")] = "table",
) -> None:
    """Estimate the tempo of audio files, with what else it might be."""
    from .. import encoders
    from ..library import Embedder

    choice(output, ("table", "json"), "--format")
    rows: list[dict[str, Any]] = []

    def show(path: Path, embedded: Embedded) -> None:
        found = embedded.tempo
        row = (
            {"bpm": found.bpm, "confidence": found.confidence, "candidates": list(found.candidates)}
            if found
            else {"bpm": None}
        )
        rows.append({"path": str(path), **row})
        if output == "table":
            words = "no pulse"
            if found:
                others = " or ".join(f"{bpm:.1f}" for bpm in found.candidates[1:])
                words = f"{found.bpm:.1f} BPM, confidence {found.confidence:.2f}" + (
                    f", else {others}" if others else ""
                )
            console.print(f"[bold]{escape(path.name)}[/]  {words}", soft_wrap=True, highlight=False)

    try:
        embed_each(files, Embedder({"rhythm": encoders.load("gliss-tempo")}), show)
    finally:
        if output == "json":
            print_json(rows)
