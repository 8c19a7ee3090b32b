"""``gliss knobs``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from ..errors import GlissandoError
from .codec import DEFAULT, CodecOption, TrustedOption, WeightsOption
from .options import DeviceOption, choice, console

if TYPE_CHECKING:
    from ..latent import Knobs

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Learn knobs of a codec and what they do to sounds.")
MethodOption = Annotated[str, typer.Option("--method", "-m", help="pca or ica (independent components).")]
CLEAR = 0.8  # rank correlation from which a knob is said to do something
SHEET = "sheet.png"


@app.command()
def learn(
    folder: Annotated[str, typer.Argument(metavar="DIR", help="Folder of audio, data set or .pyjama file.")],
    method: MethodOption = "pca",
    count: Annotated[int, typer.Option("--count", "-n", min=1, max=64, help="How many knobs.")] = 8,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder for sounds and their sheet.", show_default=False)
    ] = None,
    most: Annotated[int, typer.Option("--most", min=1, max=20_000, help="Recordings to learn from.")] = 300,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of draws.")] = 0,
    codec: CodecOption = DEFAULT,
    weights: WeightsOption = None,
    trusted: TrustedOption = False,
    device: DeviceOption = "cpu",
) -> None:
    """Learn knobs from a folder of sounds, and measure on decoded sounds what turning each of them does.

    With --out, a sound is written with every knob turned from -2 to +2, and a sheet of their spectrograms.
    """
    from .. import codecs, latent
    from ..data import recordings
    from .train import progress_bars

    choice(method, tuple(latent.METHODS), "--method")
    if out is not None:
        _make(out)
    sounds = recordings(folder)
    coder = codecs.load(codec, weights=weights, device=device, trusted=trusted)
    with progress_bars() as progress:
        latents, examples = latent.hear(
            coder, sounds, most=most, seed=seed, progress=lambda done, total: progress("sounds", done, total)
        )
        knobs = latent.fit_knobs(coder.card.space_id, latents, method=method, count=count, seed=seed)
        knobs.meaning = latent.measure(
            coder, knobs, examples, progress=lambda done, total: progress("knobs", done, total)
        )
    path = latent.save_knobs(knobs)
    if out is not None:
        from .. import training
        from ..audio import write

        shown = latent.demonstrate(coder, knobs, examples[0])
        for name, sound in shown.items():
            write(out / f"{name}.wav", sound)
        training.draw_sheet(out / SHEET, shown, columns=len(shown) // len(knobs.vectors))
        console.print(f"{out}: {len(shown)} sounds and {SHEET}", soft_wrap=True, highlight=False)
    _show(knobs)
    console.print(f"{path}; turn one: gliss bend FILE --knob {_name(knobs, 1)}=+2", soft_wrap=True, highlight=False)


@app.command("show")
def show_knobs(
    method: MethodOption = "pca",
    codec: CodecOption = DEFAULT,
    weights: WeightsOption = None,
    trusted: TrustedOption = False,
) -> None:
    """Show what the knobs of a codec do: rank correlations of turning them with properties of the sound."""
    from .. import codecs, latent

    choice(method, tuple(latent.METHODS), "--method")
    _show(latent.load_knobs(method, codecs.load(codec, weights=weights, trusted=trusted).card))


def _show(knobs: Knobs) -> None:
    from ..metrics import PROPERTIES

    table = Table(box=None, pad_edge=False)
    for column in ("knob", *PROPERTIES):
        table.add_column(column, justify="right")
    for number, row in enumerate(knobs.meaning, 1):
        cells = (
            f"[bold]{row[name]:+.2f}[/]" if abs(row[name]) >= CLEAR else f"{row[name]:+.2f}" for name in PROPERTIES
        )
        table.add_row(_name(knobs, number), *cells)
    console.print(table)


def _name(knobs: Knobs, number: int) -> str:
    return str(number) if knobs.method == "pca" else f"{knobs.method}{number}"


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise GlissandoError(f"{folder}: can't be made ({error.strerror}); name another folder with --out") from error
