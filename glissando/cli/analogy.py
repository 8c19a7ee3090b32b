"""``gliss analogy``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from ..errors import GlissandoError
from .options import DeviceOption, console, errors

app = typer.Typer(add_completion=False)


@app.command(no_args_is_help=True)
def analogy(
    a: Annotated[Path, typer.Argument(metavar="A", help="Audio file.", show_default=False)],
    b: Annotated[Path, typer.Argument(metavar="B", help="What is taken from it.", show_default=False)],
    c: Annotated[Path, typer.Argument(metavar="C", help="What is added.", show_default=False)],
    folder: Annotated[
        str, typer.Option("--in", metavar="DIR", help="Folder of audio, data set or .pyjama file to look in.")
    ],
    encoder: Annotated[str, typer.Option("--encoder", "-e", help="Whose embeddings; a codec, too.")] = "gliss-codec",
    k: Annotated[int, typer.Option("-k", min=1, help="Number of answers.")] = 5,
    device: DeviceOption = "cpu",
) -> None:
    """Find what is nearest to A - B + C: what is to a violin (C) as a trumpet (A) is to a flute (B).

    The three are no answers.
    """
    from .. import latent, training
    from ..data import Recording, recordings
    from .train import progress_bars

    listed = recordings(folder)
    with progress_bars() as progress:
        given = training.embed_sounds(encoder, [Recording(str(one), one) for one in (a, b, c)], device=device)
        if given.failed:
            raise GlissandoError(given.failed[0].reason)
        sounds = training.embed_sounds(
            encoder, listed, device=device, progress=lambda done: progress("sounds", done, len(listed))
        )
    for failure in sounds.failed:
        errors.print(failure.reason, style="bold red", soft_wrap=True, markup=False, highlight=False)
    if not sounds.recordings:
        raise GlissandoError(f"{folder}: none of its {len(listed)} sounds can be read")
    known = {one.fingerprint() for one in given.recordings}
    inputs = [row for row, one in enumerate(sounds.recordings) if one.fingerprint() in known]
    near = latent.solve(sounds.means, *given.means)
    table = Table("#", "cosine", "sound", box=None, pad_edge=False)
    for place, row in enumerate(latent.nearest(near, inputs=inputs, k=k), 1):
        table.add_row(str(place), f"{near[row]:.3f}", escape(sounds.recordings[row].key))
    console.print(table)
