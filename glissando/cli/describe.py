"""What ``gliss tags``, ``tempo`` and ``key`` share: several files, errors last, exit code 3 if any failed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.markup import escape

from ..errors import AudioError
from .options import errors

if TYPE_CHECKING:
    from ..library import Embedded, Embedder
    from ..training import Estimator


def embed_each(files: list[Path], embedder: Embedder, show: Callable[[Path, Embedded], None]) -> None:
    """Embed files one by one; those that can't be read are listed at the end.

    Parameters
    ----------
    files : list of Path
        Files, and folders to look into.
    embedder : Embedder
        The encoders.
    show : callable
        Takes every file and what was said of it.

    Raises
    ------
    Exit
        With code 3 if a file could not be read.
    """
    from ..library import embed_file

    _each(files, lambda path: show(path, embed_file(path, embedder)))


def estimate_labels(files: list[Path], estimator: Estimator, show: Callable[[Path, Any], None]) -> None:
    """Let a trained run estimate of files one by one; parameters as of `embed_each`.

    Parameters
    ----------
    files : list of Path
        Files, and folders to look into.
    estimator : Estimator
        Trained.
    show : callable
        Takes every file and its estimate.

    Raises
    ------
    Exit
        With code 3 if a file could not be read.
    """
    _each(files, lambda path: show(path, estimator.estimate(path)[0]))


def _each(files: list[Path], do: Callable[[Path], None]) -> None:
    from ..library.scan import find_audio

    failed = []
    for file in files:
        paths = find_audio([file]) if file.is_dir() else [file]
        for path in paths:
            try:
                do(Path(path))
            except AudioError as error:
                failed.append(str(error))
    for reason in failed:
        errors.print(f"[bold red]Error:[/] {escape(reason)}", soft_wrap=True, highlight=False)
    if failed:
        raise typer.Exit(3)


def print_json(rows: list[dict[str, Any]]) -> None:
    """Print rows as JSON.

    Parameters
    ----------
    rows : list of dict
        What to print.
    """
    typer.echo(json.dumps(rows, indent=1, ensure_ascii=False))
