"""``gliss continue``."""

from __future__ import annotations

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
    SecondsOption,
    SeedOption,
    options_of,
    write_sounds,
)

app = typer.Typer(add_completion=False)


@app.command("continue", no_args_is_help=True)
def go_on(
    file: Annotated[Path, typer.Argument(help="Audio file.", show_default=False)],
    run: RunOption = None,
    instrument: InstrumentOption = None,
    pitch: PitchOption = None,
    loudness: LoudnessOption = None,
    count: CountOption = 1,
    seconds: SecondsOption = 2.0,
    seed: SeedOption = 0,
    guidance: GuidanceOption = None,
    how: HowOption = None,
    out: OutOption = Path("continued"),
) -> None:
    """Go on with a sound: WAV files of it, as the codec gives it back, and what follows."""
    from .. import training
    from ..audio import read
    from .train import progress_bars

    generator, start = training.Generator.open(run), read(file)
    wanted = {"instrument": instrument, "pitch": pitch, "loudness": loudness}
    with progress_bars() as progress:
        made = generator.generate(
            [wanted] * count, seconds=seconds, seed=seed, guidance=guidance, start=start,
            told=lambda done: progress("sounds", done, count), **options_of(how),
        )  # fmt: skip
    write_sounds(out, file.stem, generator.audio(made))
