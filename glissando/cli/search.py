"""``gliss search``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from ..errors import QueryError
from .options import DeviceOption, LibraryOption, OutputOption, choice, clock, console, errors, hit_name

app = typer.Typer(add_completion=False)


@app.command()
def search(
    queries: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="QUERY...",
            help="Files, words of a track in the library, or ranges such as song.mp3@1:05-1:20.",
            show_default=False,
        ),
    ] = None,
    minus: Annotated[
        list[str] | None, typer.Option("--minus", metavar="QUERY", help="Move away from this.", show_default=False)
    ] = None,
    text: Annotated[
        list[str] | None,
        typer.Option(
            "--text",
            metavar="WORDS",
            help='Near to words, such as "slow piano"; needs a block of clap.',
            show_default=False,
        ),
    ] = None,
    completes: Annotated[
        str | None,
        typer.Option(
            "--completes",
            metavar="LOOP",
            help="What is in the mix QUERY beside LOOP, which is as loud there; without QUERY, what the library has on "
            "the average and LOOP has not. Needs a block of gliss-mixing.",
            show_default=False,
        ),
    ] = None,
    faster: Annotated[
        float | None,
        typer.Option("--faster", metavar="RATIO", help="Similar but faster: 1.15 is 15 % faster.", show_default=False),
    ] = None,
    slower: Annotated[
        float | None,
        typer.Option(
            "--slower", metavar="RATIO", help="Similar but slower: 1.15 divides the tempo by 1.15.", show_default=False
        ),
    ] = None,
    any_tempo: Annotated[
        bool, typer.Option("--any-tempo", help="Similar at any tempo from half to double; hits say at which.")
    ] = False,
    tempo: Annotated[
        str | None,
        typer.Option(
            "--tempo", metavar="BPM|LOW-HIGH", help="Similar at this tempo, by the estimate.", show_default=False
        ),
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(
            "--key",
            metavar="KEY|+N|-N",
            help="Only in this key (Am, 8A), or similar but transposed by semitones.",
            show_default=False,
        ),
    ] = None,
    harmonic: Annotated[
        bool, typer.Option("--harmonic", help="Similar, and in a key that mixes with that of the query (or --key).")
    ] = False,
    chords: Annotated[
        str | None,
        typer.Option(
            "--chords", metavar="CHORDS", help='Only where these follow each other: "C G Am F".', show_default=False
        ),
    ] = None,
    any_key: Annotated[bool, typer.Option("--any-key", help="With --chords: transposed to any key.")] = False,
    tag: Annotated[
        list[str] | None,
        typer.Option("--tag", metavar="TAG[=P]", help="Only with this tag (probability from 0.1).", show_default=False),
    ] = None,
    no_tag: Annotated[
        list[str] | None, typer.Option("--no-tag", metavar="TAG[=P]", help="Only without this tag.", show_default=False)
    ] = None,
    artist: Annotated[
        list[str] | None, typer.Option("--artist", metavar="NAME", help="Only of this artist.", show_default=False)
    ] = None,
    no_artist: Annotated[
        list[str] | None, typer.Option("--no-artist", metavar="NAME", help="None of this artist.", show_default=False)
    ] = None,
    weight: Annotated[
        list[str] | None,
        typer.Option("--weight", metavar="BLOCK=W", help="Weight of a block, such as rhythm=0.4.", show_default=False),
    ] = None,
    per_artist: Annotated[
        int | None, typer.Option("--per-artist", metavar="N", help="Most hits of one artist.", show_default=False)
    ] = None,
    per_album: Annotated[
        int | None, typer.Option("--per-album", metavar="N", help="Most hits of one album.", show_default=False)
    ] = None,
    not_same_song: Annotated[
        bool, typer.Option("--not-same-song", help="Leave out copies and near duplicates.")
    ] = False,
    moments: Annotated[bool, typer.Option("--moments", help="Search moments of 15 s instead of tracks.")] = False,
    k: Annotated[int, typer.Option("-k", min=1, help="Number of hits.")] = 10,
    explain: Annotated[bool, typer.Option("--explain", help="Show what every block adds to the score.")] = False,
    output: OutputOption = "table",
    library: LibraryOption = None,
    device: DeviceOption = "cpu",
) -> None:
    """Find what sounds like a track, at any tempo, in any key, by tag.

    Several queries are averaged. Without a query, the tracks that fit tags, tempo, key and chords
    are listed.
    """
    from ..library import Library
    from ..library.exchange import write_hits
    from ..library.query import TAG_THRESHOLD, parse_numbers

    choice(output, ("table", "json", "csv", "m3u8"), "--format")
    opened = Library.open(library, create=False, device=device)
    hits = opened.search(
        *(queries or []),
        minus=minus or [],
        text=text or [],
        completes=completes,
        tempo_ratio=_ratio(faster, slower),
        tempo=tempo,
        key=key,
        harmonic=harmonic,
        chords=chords,
        any_key=any_key,
        tags=parse_numbers(tag or [], what="tag", default=TAG_THRESHOLD),
        no_tags=parse_numbers(no_tag or [], what="tag", default=TAG_THRESHOLD),
        artists=artist or [],
        no_artists=no_artist or [],
        weights=parse_numbers(weight or [], what="weight"),
        per_artist=per_artist,
        per_album=per_album,
        not_same_song=not_same_song,
        moments=moments,
        any_tempo=any_tempo,
        k=k,
    )
    if output != "table":
        typer.echo(write_hits(hits, output), nl=False)
        return
    if not hits:
        errors.print("Nothing fits; loosen the tags, the tempo, the key or the chords.")
        return
    table = Table(box=None, pad_edge=False)
    for name, justify in (
        ("#", "right"),
        ("score", "right"),
        ("track", "left"),
        ("at" if moments else "length", "right"),
        ("BPM", "right"),
        ("key", "left"),
        ("Camelot", "right"),
        *((("tempo", "right"),) if any_tempo else ()),
    ):
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    if explain:
        for block in hits[0].parts:
            table.add_column(block, justify="right")
    for i, hit in enumerate(hits, start=1):
        where = f"{clock(hit.start)}-{clock(hit.end)}" if moments else clock(hit.duration)
        parts = [f"{hit.parts[block]:.2f} ({hit.similarities[block]:.2f})" for block in hit.parts] if explain else []
        bpm = f"{hit.tempo:.0f}" if hit.tempo else "-"
        in_key = (hit.key or "-", hit.camelot or "-")
        factor = [f"x {hit.tempo_ratio:.2f}" if hit.tempo_ratio else "-"] if any_tempo else []
        table.add_row(str(i), f"{hit.score:.3f}", escape(hit_name(hit)), where, bpm, *in_key, *factor, *parts)
    console.print(table)
    if explain:
        console.print("Every block: what it adds to the score (its cosine similarity).", style="dim")
    for name in (
        {str(Path(hit.path).parent) for hit in hits} if len({Path(hit.path).parent for hit in hits}) == 1 else ()
    ):
        console.print(f"All in {escape(name)}", style="dim", soft_wrap=True)


def _ratio(faster: float | None, slower: float | None) -> float:
    if faster is not None and slower is not None:
        raise QueryError("--faster and --slower exclude each other; give one")
    for option, value in (("--faster", faster), ("--slower", slower)):
        if value is not None and not 1 <= value <= 4:
            raise QueryError(f"{option} {value:g} is outside 1..4; {option} 1.15 means a ratio of 1.15")
    return faster or (1 / slower if slower else 1.0)
