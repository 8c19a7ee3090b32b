"""``gliss embed``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import GlissandoError
from .describe import embed_each
from .options import DeviceOption, console

if TYPE_CHECKING:
    from ..library import Embedded

app = typer.Typer(add_completion=False)


@app.command()
def embed(
    files: Annotated[list[Path], typer.Argument(help="Audio files or folders.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", "-o", help="File to write: .npz or .parquet.", show_default=False)],
    encoder: Annotated[
        list[str] | None,
        typer.Option("--encoder", "-e", help="Encoders; see gliss models list.", show_default="musicnn-msd, rhythm"),
    ] = None,
    frames: Annotated[
        bool, typer.Option("--frames", help="Every frame with its time instead of one vector per file.")
    ] = False,
    device: DeviceOption = "cpu",
) -> None:
    """Write the embeddings of audio files, pooled or frame by frame."""
    from .. import encoders
    from ..library import Embedder
    from ..library.exchange import write_vectors

    if out.suffix not in (".npz", ".parquet"):
        raise GlissandoError(f"{out}: name a file that ends in .npz or .parquet")
    names = encoder or ["musicnn-msd", "gliss-tempo"]
    found: list[tuple[str, Embedded]] = []
    try:
        embed_each(
            files,
            Embedder({name: encoders.load(name, device=device) for name in names}),
            lambda path, e: found.append((str(path), e)),
        )
    finally:
        if found:
            write_vectors(out, found, frames=frames)
            console.print(f"{len(found)} files, {', '.join(names)}: {out}", soft_wrap=True)
