"""``gliss vary``."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer

from .generate import (
    CountOption,
    GuidanceOption,
    HowOption,
    InstrumentOption,
    LoudnessOption,
    OutOption,
    PitchOption,
    RunOption,
    SeedOption,
    options_of,
    write_sounds,
)

app = typer.Typer(add_completion=False)


@app.command(no_args_is_help=True)
def vary(
    file: Annotated[Path, typer.Argument(help="Audio file.", show_default=False)],
    amount: Annotated[
        float | None,
        typer.Option(
            "--amount", min=0, max=1, help="0 is the sound itself, 1 forgets it.", show_default="0.4; of a part 1"
        ),
    ] = None,
    first: Annotated[
        float | None, typer.Option("--from", metavar="SECONDS", help="Keep what is before.", show_default=False)
    ] = None,
    last: Annotated[
        float | None, typer.Option("--to", metavar="SECONDS", help="Keep what is after.", show_default=False)
    ] = None,
    run: RunOption = None,
    instrument: InstrumentOption = None,
    pitch: PitchOption = None,
    loudness: LoudnessOption = None,
    count: CountOption = 4,
    seed: SeedOption = 0,
    guidance: GuidanceOption = None,
    how: HowOption = None,
    out: OutOption = Path("varied"),
) -> None:
    """Make variations of a sound, or of the part between two times: WAV files and a sheet of their spectrograms.

    It takes a run of the paradigm flow or diffusion. What is kept sounds as the codec gives it back.
    """
    from .. import training
    from ..audio import read
    from .train import progress_bars

    generator, sound = training.Generator.open(run), read(file)
    whole = first is None and last is None
    part = None if whole else (first or 0.0, math.inf if last is None else last)
    wanted = {"instrument": instrument, "pitch": pitch, "loudness": loudness}
    with progress_bars() as progress:
        made = generator.vary(
            sound, amount=amount, part=part, wanted=wanted, count=count, seed=seed, guidance=guidance,
            told=lambda done: progress("sounds", done, count), **options_of(how),
        )  # fmt: skip
    write_sounds(out, file.stem, generator.audio(made))
