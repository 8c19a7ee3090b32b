"""``gliss tags``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from ..errors import ModelError
from .describe import embed_each, print_json
from .options import DeviceOption, choice, console

if TYPE_CHECKING:
    from ..library import Embedded

app = typer.Typer(add_completion=False)


@app.command()
def tags(
    files: Annotated[list[Path], typer.Argument(help="Audio files or folders.", show_default=False)],
    encoder: Annotated[str, typer.Option("--encoder", "-e", help="A tagger; see gliss models list.")] = "musicnn-msd",
    top: Annotated[int, typer.Option("--top", "-n", min=1, help="How many tags.")] = 5,
    output: Annotated[str, typer.Option("--format", "-f", help="table or json.")] = "table",
    device: DeviceOption = "cpu",
) -> None:
    """Name the tags of audio files, with their probabilities."""
    from .. import encoders
    from ..library import Embedder

    choice(output, ("table", "json"), "--format")
    card = encoders.card(encoder)
    if not card.tag_names:
        raise ModelError(
            f"{encoder} has no tags; take one of "
            + ", ".join(n for n in encoders.names() if encoders.card(n).tag_names)
        )
    rows: list[dict[str, Any]] = []

    def show(path: Path, embedded: Embedded) -> None:
        assert embedded.tags is not None
        best = sorted(zip(card.tag_names, embedded.tags.tolist(), strict=True), key=lambda pair: -pair[1])[:top]
        rows.append({"path": str(path), "tags": dict(best)})
        if output == "table":
            words = ", ".join(f"{name} {probability:.2f}" for name, probability in best)
            console.print(f"[bold]{escape(path.name)}[/]  {escape(words)}", soft_wrap=True, highlight=False)

    try:
        embed_each(files, Embedder({card.block: encoders.load(encoder, device=device)}), show)
    finally:
        if output == "json":
            print_json(rows)
