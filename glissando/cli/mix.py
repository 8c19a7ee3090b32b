"""``gliss mix``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..errors import GlissandoError
from .codec import DEFAULT, CodecOption, TrustedOption, WeightsOption
from .options import DeviceOption, clock, console

app = typer.Typer(add_completion=False)


@app.command(no_args_is_help=True)
def mix(
    files: Annotated[list[Path], typer.Argument(help="Audio files that sound together.", show_default=False)],
    minus: Annotated[
        list[Path] | None,
        typer.Option("--minus", metavar="FILE", help="Take this out, as loud as it is there.", show_default=False),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Audio file.", show_default="FILE-mix.wav")] = None,
    space: Annotated[
        Path | None,
        typer.Option(
            "--space", metavar="RUN", help="A run of mixing/gliss-mixing.", show_default="that of gliss-codec"
        ),
    ] = None,
    codec: CodecOption = DEFAULT,
    weights: WeightsOption = None,
    trusted: TrustedOption = False,
    device: DeviceOption = "cpu",
) -> None:
    """Add the embeddings of sounds in the mixing space, or subtract them, and write how that sounds.

    The waveforms are not mixed: what comes out was made from embeddings, and tells what they hold. With --minus it is
    what a mix holds beside one of its parts: gliss mix band.wav --minus piano.wav.
    """
    from .. import codecs
    from ..audio import read, write
    from ..latent import load_mixing, mixed

    target = out or files[0].with_name(f"{files[0].stem}-mix.wav")
    if not target.absolute().parent.is_dir():
        raise GlissandoError(f"{target}: its folder does not exist; make it first")
    sounds, others = [read(file) for file in files], [read(file) for file in minus or ()]
    made = codecs.load(codec, weights=weights, device=device, trusted=trusted)
    found = mixed(made, load_mixing(made, space), sounds, minus=others)
    write(target, found)
    console.print(f"{target}: {clock(found.duration)} at {found.sample_rate} Hz", soft_wrap=True, highlight=False)
