"""``gliss predict``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import AudioError
from .options import RunArgument, console, errors

if TYPE_CHECKING:
    from ..training import Estimator

app = typer.Typer(add_completion=False)
FilesArgument = Annotated[list[Path], typer.Argument(help="Audio files or folders.", show_default=False)]
OutOption = Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Where to write.")]


@app.command(no_args_is_help=True)
def predict(run: RunArgument, files: FilesArgument, out: OutOption = Path()) -> None:
    """Let a trained run estimate from audio files: a picture, and files in the formats of its task."""
    from .. import training

    estimate_each(training.Run.open(run).estimator(), files, out)


def estimate_each(estimator: Estimator, files: list[Path], out: Path) -> None:
    """Write the estimates of files; what can't be read is listed at the end.

    Parameters
    ----------
    estimator : Estimator
        Trained.
    files : list of Path
        Audio files or folders.
    out : Path
        Folder to write to.
    """
    from rich.progress import track

    from ..library.scan import find_audio

    out.mkdir(parents=True, exist_ok=True)
    failed: list[str] = []
    paths = [Path(path) for path in find_audio([str(file) for file in files])]
    for path in track(paths, description="", console=errors, transient=True, disable=len(paths) < 2):
        try:
            estimate, outputs, times = estimator.estimate(path)
        except AudioError as error:
            failed.append(str(error))
            continue
        written = estimator.task.export(out, path.stem, estimate)
        picture = out / f"{path.stem}.png"
        estimator.task.plot(picture, outputs, times)
        console.print(
            f"{path}: {', '.join(str(one) for one in [*written.values(), picture])}", soft_wrap=True, markup=False
        )
    for reason in failed:
        errors.print(reason, soft_wrap=True, markup=False, highlight=False)
    if failed:
        raise typer.Exit(1)
