"""``gliss morph``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .codec import DEFAULT, CodecOption, TrustedOption, WeightsOption
from .generate import OutOption, write_sounds
from .options import DeviceOption

app = typer.Typer(add_completion=False)


@app.command(no_args_is_help=True)
def morph(
    start: Annotated[Path, typer.Argument(help="Audio file to begin with.", show_default=False)],
    end: Annotated[Path, typer.Argument(help="Audio file to end with.", show_default=False)],
    count: Annotated[int, typer.Option("--count", "-n", min=2, max=1000, help="How many sounds, both among them.")] = 5,
    arc: Annotated[bool, typer.Option("--arc", help="Along arcs, in place of straight lines.")] = False,
    out: OutOption = Path("morph"),
    codec: CodecOption = DEFAULT,
    weights: WeightsOption = None,
    trusted: TrustedOption = False,
    device: DeviceOption = "cpu",
) -> None:
    """Go from one sound to another through the latents of a codec: WAV files and a sheet of their spectrograms."""
    from .. import codecs, latent
    from ..audio import read

    first, last = read(start), read(end)
    made = codecs.load(codec, weights=weights, device=device, trusted=trusted)
    write_sounds(out, f"{start.stem}-{end.stem}", latent.morph(made, first, last, count=count, arc=arc))
