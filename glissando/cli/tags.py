"""``gliss tags``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from ..errors import ModelError, RecipeError
from .describe import embed_each, estimate_labels, print_json
from .options import DeviceOption, choice, console

if TYPE_CHECKING:
    from ..library import Embedded

app = typer.Typer(add_completion=False)
Show = Callable[[Path, Sequence[str], Iterable[float]], None]


@app.command()
def tags(
    files: Annotated[list[Path], typer.Argument(help="Audio files or folders.", show_default=False)],
    encoder: Annotated[str, typer.Option("--encoder", "-e", help="A tagger; see gliss models list.")] = "musicnn-msd",
    run: Annotated[
        Path | None,
        typer.Option(
            "--run", metavar="RUN", help="A run that learned classes or tags, in the place of one.", show_default=False
        ),
    ] = None,
    top: Annotated[int, typer.Option("--top", "-n", min=1, help="How many tags.")] = 5,
    output: Annotated[str, typer.Option("--format", "-f", help="table or json.")] = "table",
    device: DeviceOption = "cpu",
) -> None:
    """Name the tags of audio files, with their probabilities."""
    choice(output, ("table", "json"), "--format")
    rows: list[dict[str, Any]] = []

    def show(path: Path, names: Sequence[str], probabilities: Iterable[float]) -> None:
        best = sorted(zip(names, map(float, probabilities), strict=True), key=lambda pair: -pair[1])[:top]
        rows.append({"path": str(path), "tags": dict(best)})
        if output == "table":
            words = ", ".join(f"{name} {probability:.2f}" for name, probability in best)
            console.print(f"[bold]{escape(path.name)}[/]  {escape(words)}", soft_wrap=True, highlight=False)

    try:
        if run is None:
            _by_encoder(encoder, files, device, show)
        else:
            _by_run(run, files, device, show)
    finally:
        if output == "json":
            print_json(rows)


def _by_encoder(encoder: str, files: list[Path], device: str, show: Show) -> None:
    from .. import encoders
    from ..library import Embedder

    card = encoders.card(encoder)
    if not card.tag_names:
        raise ModelError(
            f"{encoder} has no tags; take one of "
            + ", ".join(n for n in encoders.names() if encoders.card(n).tag_names)
        )

    def told(path: Path, embedded: Embedded) -> None:
        assert embedded.tags is not None
        show(path, card.tag_names, embedded.tags.tolist())

    embed_each(files, Embedder({card.block: encoders.load(encoder, device=device)}), told)


def _by_run(run: Path, files: list[Path], device: str, show: Show) -> None:
    from .. import tasks, training

    estimator = training.Run.open(run).estimator()
    if not isinstance(estimator.task, tasks.GlobalLabels):
        raise RecipeError(f"{run}: learned no labels of whole recordings; use: gliss predict {run} FILE")
    estimator.model.to(device)

    def told(path: Path, labels: tasks.Labels) -> None:
        show(path, labels.names, labels.probabilities)

    estimate_labels(files, estimator, told)
