"""Options and helpers that several verbs share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

if TYPE_CHECKING:
    from ..library import Hit

LibraryOption = Annotated[
    str | None,
    typer.Option("--library", "-l", metavar="PATH|URI", help="Library to use instead of your own.", show_default=False),
]
DeviceOption = Annotated[str, typer.Option("--device", help="Where encoders run: cpu, cuda, mps.")]
RecipeArgument = Annotated[
    str, typer.Argument(help="A recipe: a YAML file, or a name that gliss train --list shows.", show_default=False)
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Change a field, such as train.epochs=3.", show_default=False),
]
RunArgument = Annotated[Path, typer.Argument(help="A run folder.", show_default=False)]
OutputOption = Annotated[str, typer.Option("--format", "-f", help="table, json, csv or m3u8.")]

console = Console()
errors = Console(stderr=True)


def track_name(path: str, artist: str | None, title: str | None) -> str:
    """Name a track for people.

    Parameters
    ----------
    path : str
        The file.
    artist, title : str, optional
        From its tags.

    Returns
    -------
    str
        Artist and title, or the file's name.
    """
    if title:
        return f"{artist} - {title}" if artist else title
    return Path(path).stem


def hit_name(hit: Hit) -> str:
    """Name a hit for people.

    Parameters
    ----------
    hit : Hit
        A search result.

    Returns
    -------
    str
        As `track_name`.
    """
    return track_name(hit.path, hit.artist, hit.title)


def clock(seconds: float | None) -> str:
    """Write a time.

    Parameters
    ----------
    seconds : float, optional
        The time.

    Returns
    -------
    str
        As m:ss or h:mm:ss.
    """
    if seconds is None:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def choice(value: str, allowed: tuple[str, ...], option: str) -> str:
    """Check an option against its values.

    Parameters
    ----------
    value : str
        What was given.
    allowed : tuple of str
        What may be given.
    option : str
        Name for the error.

    Returns
    -------
    str
        The value.

    Raises
    ------
    BadParameter
        If it is none of them.
    """
    if value not in allowed:
        raise typer.BadParameter(f"{value!r} is none of {', '.join(allowed)}", param_hint=option)
    return value
