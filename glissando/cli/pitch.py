"""``gliss pitch``."""

from __future__ import annotations

from pathlib import Path

import typer

from .predict import FilesArgument, OutOption, estimate_each

app = typer.Typer(add_completion=False)


@app.command(no_args_is_help=True)
def pitch(files: FilesArgument, out: OutOption = Path()) -> None:
    """Write down the pitches of audio files: f0 as CSV, notes as MIDI, both as JAMS, and a picture of the salience."""
    from .. import training

    estimate_each(training.shipped_run("pitch").estimator(), files, out)
