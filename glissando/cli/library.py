"""``gliss library``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from ..errors import LibraryError
from .options import LibraryOption, choice, console, errors

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Look after the library.")


@app.command()
def status(
    library: LibraryOption = None, as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False
) -> None:
    """Tell what the library holds: tracks, hours, blocks and their spaces."""
    from ..library import Library, health

    found = health.status(Library.open(library, create=False).store)
    if as_json:
        typer.echo(json.dumps(asdict(found), indent=1))
        return
    size = f", {found.size_mb:.1f} MB" if found.size_mb is not None else ""
    console.print(f"[bold]{escape(found.location)}[/]", soft_wrap=True, highlight=False)
    console.print(f"{found.tracks} tracks, {found.hours:.1f} hours, {found.segments} segments{size}")
    table = Table(box=None, pad_edge=False)
    for column in ("block", "encoder", "space", "dim", "tracks"):
        table.add_column(column)
    for block in found.blocks:
        old = "" if block["current"] else " (another version)"
        table.add_row(
            block["name"],
            block["encoder"] or "imported",
            block["space_id"] + old,
            str(block["dim"]),
            str(block["filled"]),
        )
    console.print(table)
    for index in found.index:
        console.print(f"search of {index['table']}: {_index_state(index)}")


def _index_state(index: Mapping[str, Any]) -> str:
    if index["lacking"]:
        return "exact, and slow at this size; make it fast with: gliss library build-index"
    if not index["indexed"]:
        return "exact (an index would not be faster at this size)"
    waiting = f", {index['waiting']} more searched exactly until the next gliss index" if index["waiting"] else ""
    return f"{index['indexed']} rows in the index{waiting}; recall@10 {index['recall']:.3f} on sampled rows"


@app.command("build-index")
def build_index(
    tables: Annotated[list[str] | None, typer.Argument(help="tracks, segments, or both.", show_default="both")] = None,
    library: LibraryOption = None,
) -> None:
    """Build the search index of a large library anew; gliss index does it by itself when it is first needed."""
    from ..library import Library, vector_index
    from ..library.schema import TABLES

    for table in tables or ():
        choice(table, TABLES, "table")
    store = Library.open(library, create=False).store
    with store.writing():
        for table in tables or TABLES:
            count = store.count(table)
            if not count:
                raise LibraryError(f"{store.location}: has no {table} to index; fill it with: gliss index FOLDER")
            with console.status(f"Indexing {count} {table} ..."):
                vector_index.build(store, table)
            console.print(f"{table}: {vector_index.state(store, table).indexed} rows in the index.")


@app.command()
def verify(library: LibraryOption = None) -> None:
    """Check the library: no half or double tracks, unit vectors, current spaces, files still there."""
    from ..library import Library, health

    problems = health.verify(Library.open(library, create=False).store)
    for problem in problems:
        errors.print(f"[bold red]![/] {escape(problem)}", soft_wrap=True, highlight=False)
    if problems:
        raise typer.Exit(1)
    console.print("The library is well.")


@app.command()
def remove(
    paths: Annotated[
        list[str], typer.Argument(help="Files or folders to drop; the files themselves stay.", show_default=False)
    ],
    library: LibraryOption = None,
) -> None:
    """Drop tracks from the library."""
    from ..library import Library, health

    console.print(
        f"{health.remove(Library.open(library, create=False).store, paths)} tracks removed; the files were not touched."
    )


@app.command()
def compact(library: LibraryOption = None) -> None:
    """Merge small files and drop old versions; run it while nobody searches."""
    from ..library import Library

    opened = Library.open(library, create=False)
    with opened.store.writing():
        opened.store.remove_orphans()
        opened.store.optimize(keep=timedelta(0))
    console.print("Compacted.")


@app.command("export")
def export_tracks(
    out: Annotated[Path, typer.Argument(help="File to write: .csv, .json or .parquet.", show_default=False)],
    library: LibraryOption = None,
    vectors: Annotated[bool, typer.Option(help="Also the vectors (not in csv).")] = True,
) -> None:
    """Write all tracks with tags, tempo, key and vectors to a file."""
    from ..library import Library
    from ..library.exchange import export

    count = export(Library.open(library, create=False).store, out, vectors=vectors)
    console.print(f"{count} tracks: {out}", soft_wrap=True)


@app.command("import")
def import_block(
    file: Annotated[
        Path, typer.Argument(help=".parquet, .json, .csv or .npz with path and vector.", show_default=False)
    ],
    block: Annotated[str, typer.Option("--block", "-b", help="Name of the block to fill.", show_default=False)],
    space: Annotated[
        str, typer.Option("--space", "-s", help="Model and version that made the vectors.", show_default=False)
    ],
    library: LibraryOption = None,
) -> None:
    """Take vectors made elsewhere as a block, to search with --weight BLOCK=W."""
    from ..library import Library
    from ..library.exchange import import_vectors

    count, unknown = import_vectors(Library.open(library, create=False).store, file, block=block, space=space)
    console.print(f"{count} tracks have a vector in block {block} now.")
    if unknown:
        errors.print(f"{len(unknown)} paths are not in the library, such as {escape(unknown[0])}", soft_wrap=True)
