"""``gliss map``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from ..errors import GlissandoError
from .codec import DEFAULT, CodecOption, TrustedOption, WeightsOption
from .options import DeviceOption, LibraryOption, choice, console

if TYPE_CHECKING:
    from ..codecs import Codec
    from ..latent.maps import Method
    from ..library import Library

app = typer.Typer(add_completion=False)


@app.command("map")
def draw_map(
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="Page to write, with a picture of the same name beside it; or .parquet for Apple's embedding-atlas.",
            show_default="map.html",
        ),
    ] = None,
    weight: Annotated[
        list[str] | None, typer.Option("--weight", metavar="BLOCK=W", help="Weight of a block.", show_default=False)
    ] = None,
    method: Annotated[
        str | None, typer.Option("--method", help="umap or pca.", show_default="umap; of a trajectory pca")
    ] = None,
    moments: Annotated[bool, typer.Option("--moments", help="Moments of 15 s instead of tracks.")] = False,
    anew: Annotated[bool, typer.Option("--anew", help="Forget the layout that the library keeps.")] = False,
    trajectory: Annotated[
        list[Path] | None,
        typer.Option(
            "--trajectory",
            metavar="FILE",
            help="Not the library, but the course of this sound through a codec's latents; repeat to compare.",
            show_default=False,
        ),
    ] = None,
    codec: CodecOption = DEFAULT,
    weights: WeightsOption = None,
    trusted: TrustedOption = False,
    library: LibraryOption = None,
    device: DeviceOption = "cpu",
) -> None:
    """Draw the library as a map, or sounds as their course through latent space: a picture, and a page to listen.

    The layout stays: it is kept with the library, and new tracks are given a place among the others.
    """
    how = cast("Method", choice(method or ("pca" if trajectory else "umap"), ("umap", "pca"), "--method"))
    target = out or Path("trajectory.html" if trajectory else "map.html")
    if target.suffix not in ((".html",) if trajectory else (".html", ".parquet")):
        raise GlissandoError(f"{target}: name a page that ends in .html" + ("" if trajectory else ", or .parquet"))
    if trajectory:
        if library or weight or moments or anew:
            raise typer.BadParameter("is of sounds, not of a library; leave out what is", param_hint="--trajectory")
        from .. import codecs

        made = codecs.load(codec, weights=weights, device=device, trusted=trusted)
        with console.status("Drawing ..."):
            picture = write_trajectory(made, trajectory, target, method=how)
        console.print(f"Trajectory: {target} (play and turn it) and {picture}", soft_wrap=True)
        return
    from ..library import Library
    from ..library.query import parse_numbers

    opened, shares = Library.open(library, create=False), parse_numbers(weight or [], what="weight")
    with console.status("Drawing ..."):
        told = write_map(opened, target, weights=shares, method=how, moments=moments, anew=anew)
    console.print(f"Map: {target}; {told}", soft_wrap=True, highlight=False)


def write_map(
    library: Library, out: Path, *, weights: dict[str, float] | None = None, method: Method = "umap",
    moments: bool = False, anew: bool = False,
) -> str:  # fmt: skip
    """Write a map of a library.

    Parameters
    ----------
    library : Library
        The library, which keeps the layout.
    out : Path
        The page, beside which a picture of the same name is written; or Parquet, for embedding-atlas.
    weights : dict of str to float, optional
        Block to weight.
    method : {"umap", "pca"}
        How to project.
    moments : bool
        Moments of 15 s instead of tracks.
    anew : bool
        Forget the layout that was kept.

    Returns
    -------
    str
        What there is to say of it.

    Raises
    ------
    GlissandoError
        If there are fewer than two tracks, or an extra is missing.
    """
    from ..library.atlas import draw_page, draw_picture
    from ..library.embedding_atlas import write_atlas
    from ..library.exchange import block_matrix
    from ..library.layouts import lay_out
    from ..library.search import joint_weights

    store, what = library.store, "moments" if moments else "tracks"
    joined = joint_weights(store.blocks(), weights or {})
    rows, vectors = block_matrix(store, joined, moments=moments)
    if len(rows) < 2:
        raise GlissandoError(f"{store.location}: has {len(rows)} {what}; a map needs at least two")
    points, placed = lay_out(store, rows, vectors, joined, method=method, moments=moments, anew=anew)
    out.parent.mkdir(parents=True, exist_ok=True)
    if out.suffix == ".parquet":
        told = f"open it with: {write_atlas(out, rows, points, vectors)}"
    else:
        out.write_text(draw_page(rows, points), encoding="utf-8")
        draw_picture(rows, points, out.with_suffix(".png"))
        told = f"click to play; and {out.with_suffix('.png')}"
    new = f"; {placed} of {len(rows)} {what} are new in this layout (--anew makes another)" if placed else ""
    return told + new


def write_trajectory(codec: Codec, files: list[Path], out: Path, *, method: Method = "pca") -> Path:
    """Write page and picture of the course of sounds.

    Parameters
    ----------
    codec : Codec
        Whose latents.
    files : list of Path
        Audio files.
    out : Path
        The page.
    method : {"umap", "pca"}
        How to project.

    Returns
    -------
    Path
        The picture.
    """
    from ..audio import read
    from ..latent import draw_trajectories, trajectories, trajectory_page

    names = [file.stem for file in files]
    if len({*names}) < len(names):
        names = [str(file) for file in files]
    courses = trajectories(codec, dict(zip(names, map(read, files), strict=True)), method=method)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(trajectory_page(courses), encoding="utf-8")
    picture = out.with_suffix(".png")
    draw_trajectories(picture, courses)
    return picture
