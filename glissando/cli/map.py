"""``gliss map``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import GlissandoError
from .options import LibraryOption, choice, console

if TYPE_CHECKING:
    from ..library import Library

app = typer.Typer(add_completion=False)


@app.command("map")
def draw_map(
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Page to write; a picture of the same name is written beside it.")
    ] = Path("map.html"),
    weight: Annotated[
        list[str] | None, typer.Option("--weight", metavar="BLOCK=W", help="Weight of a block.", show_default=False)
    ] = None,
    method: Annotated[str, typer.Option("--method", help="umap or pca.")] = "umap",
    library: LibraryOption = None,
) -> None:
    """Draw the library as a map: a picture, and a page to click and listen."""
    from ..library import Library
    from ..library.query import parse_numbers

    choice(method, ("umap", "pca"), "--method")
    if out.suffix != ".html":
        raise GlissandoError(f"{out}: name a page that ends in .html")
    opened = Library.open(library, create=False)
    with console.status("Drawing ..."):
        picture = write_map(opened, out, weights=parse_numbers(weight or [], what="weight"), method=method)
    console.print(f"Map: {out} (click to play) and {picture}", soft_wrap=True)


def write_map(library: Library, out: Path, *, weights: dict[str, float] | None = None, method: str = "umap") -> Path:
    """Write the page and the picture.

    Parameters
    ----------
    library : Library
        The library.
    out : Path
        The page.
    weights : dict of str to float, optional
        Block to weight.
    method : {"umap", "pca"}
        How to project.

    Returns
    -------
    Path
        The picture.

    Raises
    ------
    GlissandoError
        If there are fewer than two tracks, or an extra is missing.
    """
    from ..latent import project
    from ..library.atlas import draw_page, draw_picture
    from ..library.exchange import block_matrix
    from ..library.search import joint_weights

    joined = joint_weights(library.store.blocks(), weights or {})
    tracks, vectors = block_matrix(library.store, joined, joined)
    if len(tracks) < 2:
        raise GlissandoError(f"{library.store.location}: has {len(tracks)} tracks; a map needs at least two")
    points = project(vectors, method=method)  # type: ignore[arg-type]
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(draw_page(tracks, points), encoding="utf-8")
    picture = out.with_suffix(".png")
    draw_picture(tracks, points, picture)
    return picture
