"""``gliss chords``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from ..errors import AudioError
from .describe import print_json
from .options import choice, console, errors
from .predict import FilesArgument

if TYPE_CHECKING:
    from ..tasks import Chords

app = typer.Typer(add_completion=False)


@app.command(no_args_is_help=True)
def chords(
    files: FilesArgument,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="DIR", help="Also write lab and JAMS files and pictures.", show_default=False
        ),
    ] = None,
    output: Annotated[str, typer.Option("--format", "-f", help="table or json.")] = "table",
) -> None:
    """Write down the chords of audio files: when each begins and ends, and its name in Harte's syntax."""
    from .. import training
    from ..audio import read
    from ..features import CQT
    from ..library.scan import find_audio
    from ..tasks.chord_plots import timeline

    choice(output, ("table", "json"), "--format")
    estimator = training.shipped_run("chords").estimator()
    feature, task = estimator.feature, estimator.task
    assert isinstance(feature, CQT) and feature.frequencies is not None
    octaves = range(0, len(feature.frequencies), feature.bins_per_octave)
    ticks = {bin_: f"C{octave}" for octave, bin_ in enumerate(octaves, start=1)}
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
    failed: list[str] = []
    rows: list[dict[str, Any]] = []
    try:
        for path in (Path(one) for one in find_audio([str(file) for file in files])):
            try:
                heard = estimator.hear(read(path, sample_rate=feature.sample_rate).samples)
            except AudioError as error:
                failed.append(str(error))
                continue
            outputs = estimator.outputs(heard)
            times = estimator.times(outputs.shape[-1])
            found: Chords = task.predict(outputs, times)
            spans = [{"start": round(one.start, 3), "end": round(one.end, 3), "chord": one.label} for one in found]
            rows.append({"path": str(path), "chords": spans})
            if output == "table":
                console.print(f"[bold]{escape(path.name)}[/]", soft_wrap=True, highlight=False)
                for one in found:
                    console.print(f"  {_time(one.start)}  {one.label}", markup=False, highlight=False)
            if out is not None:
                written = task.export(out, path.stem, found)
                picture = out / f"{path.stem}.chords.png"
                timeline(picture, heard[0].float().numpy(), times, ticks, found)
                errors.print(
                    f"{path}: {', '.join(str(one) for one in [*written.values(), picture])}",
                    soft_wrap=True, markup=False, highlight=False,
                )  # fmt: skip
    finally:
        if output == "json":
            print_json(rows)
    for reason in failed:
        errors.print(f"[bold red]Error:[/] {escape(reason)}", soft_wrap=True, highlight=False)
    if failed:
        raise typer.Exit(3)


def _time(seconds: float) -> str:
    """As m:ss.s."""
    tenths = round(10 * seconds)
    return f"{tenths // 600}:{tenths // 10 % 60:02}.{tenths % 10}"
