"""``gliss index``."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from ..errors import LibraryError
from .options import DeviceOption, LibraryOption, console, errors

if TYPE_CHECKING:
    from ..library import IngestReport, Library
    from ..library import Progress as Step

app = typer.Typer(add_completion=False)
SHOWN_FAILURES = 200


@app.command()
def index(
    folders: Annotated[list[Path], typer.Argument(help="Folders (recursive) and audio files.", show_default=False)],
    library: LibraryOption = None,
    encoder: Annotated[
        list[str] | None,
        typer.Option(
            "--encoder",
            "-e",
            metavar="[BLOCK=]ENCODER",
            help="Fill a block with an encoder, such as effects=aisfx; without BLOCK, the encoder's own one or ones.",
            show_default=False,
        ),
    ] = None,
    jobs: Annotated[
        int | None, typer.Option("--jobs", "-j", min=1, help="CPU cores to use.", show_default="all")
    ] = None,
    coverage: Annotated[
        str | None,
        typer.Option(
            "--coverage",
            "-c",
            metavar="full|N",
            help="Hear all of every track, or N segments of 15 s spread over it: faster, but finds a little less.",
            show_default="as the library is; full in a new one",
        ),
    ] = None,
    chords: Annotated[
        bool, typer.Option("--chords", help="Recognise chords as well (extra train), for gliss search --chords.")
    ] = False,
    device: DeviceOption = "cpu",
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")] = False,
) -> None:
    """Bring the library up to date with folders of music.

    New, changed, moved, retagged and removed files are noticed; what is unchanged costs nothing. Ctrl-C keeps what is
    done, and the next run goes on. Exit code: 0 all read, 3 some files could not be read (they are listed),
    130 interrupted, 1 nothing could be done.
    """
    from ..library import Library

    segments = _coverage(coverage)
    with console.status("Loading ...") if not quiet else nullcontext():
        opened = Library.open(library, blocks=_blocks(encoder, library), device=device)
        for block in opened.store.blocks().values():
            _say_notice(block.encoder)
        opened.embedder()
    report = run_index(opened, folders, jobs=jobs, coverage=segments, quiet=quiet)
    tell(report, len(opened))
    if report.interrupted:
        raise typer.Exit(130)
    unheard = run_chords(opened, folders, quiet=quiet) if chords else []
    if report.failed or unheard:
        raise typer.Exit(3)


def run_chords(library: Library, folders: list[Path], *, quiet: bool) -> list[str]:
    """Recognise the chords of tracks that have none yet, with a progress bar.

    Parameters
    ----------
    library : Library
        The library.
    folders : list of Path
        Whose tracks.
    quiet : bool
        No bar.

    Returns
    -------
    list of str
        Why files have none.
    """
    from ..library.chords import fill_chords

    with Progress(console=errors, transient=True, disable=quiet) as bar:
        task = bar.add_task("Chords", total=None)
        found = fill_chords(
            library.store, folders, on_progress=lambda done, total: bar.update(task, completed=done, total=total)
        )
    console.print(f"chords of {found.done} tracks recognised.")
    for reason in found.failed:
        errors.print(f"  {escape(reason)}", soft_wrap=True, highlight=False)
    return found.failed


def run_index(
    library: Library, folders: list[Path], *, jobs: int | None, quiet: bool, coverage: int | None = None
) -> IngestReport:
    """Index with a progress bar.

    Parameters
    ----------
    library : Library
        The library.
    folders : list of Path
        What to index.
    jobs : int, optional
        CPU cores.
    quiet : bool
        No bar.
    coverage : int, optional
        Segments to hear of every track; 0 for all.

    Returns
    -------
    IngestReport
        What was done.
    """
    if quiet:
        return library.add(*folders, jobs=jobs, coverage=coverage)
    columns = (
        TextColumn("[progress.description]{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[files]}"),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=errors, transient=True) as bar:
        task = bar.add_task("Indexing", total=None, files="", rate="")

        def on_progress(step: Step) -> None:
            elapsed = bar.tasks[0].elapsed or 1e-9
            rate = f"{step.done / elapsed:.1f} tracks/s, {step.audio_seconds / elapsed:.0f} x real time"
            bar.update(
                task, total=step.total_bytes, completed=step.done_bytes, files=f"{step.done}/{step.total}", rate=rate
            )

        return library.add(*folders, jobs=jobs, coverage=coverage, on_progress=on_progress)


def tell(report: IngestReport, total: int) -> None:
    """Print what a run did, failures last.

    Parameters
    ----------
    report : IngestReport
        The run.
    total : int
        Tracks in the library now.
    """
    names = ("added", "changed", "moved", "retagged", "copied", "unchanged", "removed")
    parts = [f"{getattr(report, name)} {name}" for name in names if getattr(report, name)]
    speed = (
        f" ({report.audio_seconds / report.seconds:.0f} x real time)" if report.audio_seconds and report.seconds else ""
    )
    console.print(
        f"{', '.join(parts) or 'nothing to do'} in {report.seconds:.1f} s{speed}; the library has {total} tracks."
    )
    if report.indexing:
        console.print("Its search index is being built in the background; searches work meanwhile.")
    if report.failed:
        errors.print(f"[bold]{len(report.failed)} files could not be read:[/]")
        for failure in report.failed[:SHOWN_FAILURES]:
            errors.print(f"  {escape(failure.reason)}", soft_wrap=True, highlight=False)
        if len(report.failed) > SHOWN_FAILURES:
            errors.print(f"  ... and {len(report.failed) - SHOWN_FAILURES} more")
    if report.interrupted:
        errors.print("Interrupted: what was done is kept; the same command goes on from here.")


def _coverage(text: str | None) -> int | None:
    if text is None or text == "full":
        return None if text is None else 0
    if not text.isdecimal() or int(text) < 1:
        raise LibraryError(f"--coverage {text}: say full, or how many segments of 15 s, such as 4")
    return int(text)


def _blocks(options: list[str] | None, library: str | None) -> dict[str, str] | None:
    if not options:
        return None
    from ..library import DEFAULT_BLOCKS, Library, own_blocks

    try:
        Library.open(library, create=False)
        blocks = {}  # one that is there gets what is named, and keeps the rest as it is
    except LibraryError:
        blocks = dict(DEFAULT_BLOCKS)
    for option in options:
        block, equals, name = option.partition("=")
        blocks |= {block: name} if equals else own_blocks(option)
    return blocks


def _say_notice(encoder: str | None) -> None:
    from .. import encoders

    if encoder and (notice := encoders.card(encoder).notice):
        errors.print(f"[yellow]{encoder}:[/] {notice}")
