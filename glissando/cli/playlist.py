"""``gliss playlist``."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from ..errors import GlissandoError
from .options import DeviceOption, LibraryOption, OutputOption, choice, clock, console, errors, hit_name

app = typer.Typer(add_completion=False)


@app.command()
def playlist(
    start: Annotated[str, typer.Option("--from", metavar="TRACK", help="Begin here: a file or words, as in search.")],
    end: Annotated[str, typer.Option("--to", metavar="TRACK", help="End here.")],
    tempo: Annotated[
        str | None,
        typer.Option(
            "--tempo",
            metavar="BPM..BPM",
            help="Tempo at the beginning and at the end, or one to stay at; without it, those of the two tracks.",
            show_default=False,
        ),
    ] = None,
    n: Annotated[int, typer.Option("-n", min=2, help="Number of tracks.")] = 20,
    weight: Annotated[
        list[str] | None,
        typer.Option("--weight", metavar="BLOCK=W", help="Weight of a block, such as rhythm=0.4.", show_default=False),
    ] = None,
    m3u: Annotated[
        Path | None, typer.Option("--m3u", metavar="FILE", help="Write a playlist for players.", show_default=False)
    ] = None,
    output: OutputOption = "table",
    library: LibraryOption = None,
    device: DeviceOption = "cpu",
) -> None:
    """Walk from one track to another along a tempo curve, without repeats."""
    from ..library import Library
    from ..library.exchange import write_hits
    from ..library.query import parse_numbers

    choice(output, ("table", "json", "csv", "m3u8"), "--format")
    opened = Library.open(library, create=False, device=device)
    made = opened.playlist(start, end, tempo=tempo, n=n, weights=parse_numbers(weight or [], what="weight"))
    if m3u:
        try:
            m3u.write_text(write_hits(made.hits, "m3u8"), encoding="utf-8")
        except OSError as error:
            raise GlissandoError(f"{m3u}: can't be written ({error.strerror})") from error
    if output == "json":
        rows = [{**asdict(step.hit), "wanted_tempo": step.wanted, "octave": step.octave} for step in made.steps]
        typer.echo(json.dumps(rows, indent=1, ensure_ascii=False))
    elif output != "table":
        typer.echo(write_hits(made.hits, output), nl=False)
    else:
        table = Table(box=None, pad_edge=False)
        for name in ("#", "score", "track", "length", "BPM", "wanted"):
            table.add_column(name, justify="left" if name == "track" else "right")
        for i, step in enumerate(made.steps, start=1):
            hit, level = step.hit, "" if step.octave == 1 else f" x {step.octave:g}"
            bpm = f"{hit.tempo:.0f}{level}"
            name, length = escape(hit_name(hit)), clock(hit.duration)
            table.add_row(str(i), f"{hit.score:.3f}", name, length, bpm, f"{step.wanted:.0f}")
        console.print(table)
    if made.missing:
        places = ", ".join(f"{bpm:.0f}" for bpm in made.missing)
        errors.print(f"{len(made.missing)} of {n} steps are left out: no track is left near {places} BPM.")
    if made.no_tempo:
        errors.print(f"{made.no_tempo} tracks have no tempo estimate and can't be placed.")
