"""``gliss nmf``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from ..errors import GlissandoError
from .options import console

app = typer.Typer(add_completion=False)
PICTURE = "parts.png"


@app.command(no_args_is_help=True)
def nmf(
    file: Annotated[Path, typer.Argument(help="Audio file.", show_default=False)],
    parts: Annotated[int, typer.Option("--parts", "-n", min=1, max=64, help="How many.")] = 4,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write to.")] = Path("parts"),
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of what is drawn.")] = 0,
) -> None:
    """Take a sound apart by nonnegative matrix factorisation: WAV files whose sum is the sound, and a picture."""
    from ..audio import Audio, decompose, draw_parts, read, write

    sound = read(file, mono=False)
    with console.status("Taking it apart ..."):
        found = decompose(sound, parts=parts, seed=seed)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise GlissandoError(f"{out}: can't be made ({error.strerror}); name another folder with --out") from error
    peak = max(1.0, *(float(np.abs(one.samples).max()) for one in found.sounds))
    for number, one in enumerate(found.sounds, 1):
        name = f"{file.stem}-{number:0{len(str(parts))}}.wav"
        write(out / name, Audio(one.samples / np.float32(peak), one.sample_rate))
    draw_parts(out / PICTURE, found)
    softer = f"; all softer by {20 * np.log10(peak):.1f} dB, or one would clip" if peak > 1 else ""
    console.print(f"{out}: {parts} sounds and {PICTURE}{softer}", soft_wrap=True, highlight=False)
