"""``gliss generate``, and what its neighbours share with it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import ModelError
from .options import console

if TYPE_CHECKING:
    from ..audio import Audio

app = typer.Typer(add_completion=False)
SHEET = "sheet.png"
RunOption = Annotated[
    str | None,
    typer.Option("--run", metavar="RUN", help="A run of a generator.", show_default="the one that comes with this"),
]
InstrumentOption = Annotated[
    str | None, typer.Option("--instrument", "-i", help="Such as classical guitar.", show_default="any")
]
PitchOption = Annotated[
    str | None, typer.Option("--pitch", "-p", help="A name (E3), a MIDI number, or 164.8Hz.", show_default="any")
]
LoudnessOption = Annotated[str | None, typer.Option("--loudness", help="p, mp, mf or f.", show_default="any")]
CountOption = Annotated[int, typer.Option("--count", "-n", min=1, max=1000, help="How many sounds.")]
SecondsOption = Annotated[float, typer.Option("--seconds", help="Length of what is made.")]
SeedOption = Annotated[int, typer.Option("--seed", min=0, help="Of what is drawn; the same one gives the same sounds.")]
GuidanceOption = Annotated[
    float | None,
    typer.Option("--guidance", min=0, help="1 as learned, more follows what is asked for.", show_default="the run's"),
]
HowOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="NAME=VALUE", help="How: temperature=0.8 of tokens, steps=50 of flow.", show_default=False
    ),
]
OutOption = Annotated[Path, typer.Option("--out", "-o", help="Folder to write to.")]


@app.command()
def generate(
    run: RunOption = None,
    instrument: InstrumentOption = None,
    pitch: PitchOption = None,
    loudness: LoudnessOption = None,
    count: CountOption = 8,
    seconds: SecondsOption = 2.0,
    seed: SeedOption = 0,
    guidance: GuidanceOption = None,
    how: HowOption = None,
    out: OutOption = Path("generated"),
) -> None:
    """Make notes of an instrument at a pitch: WAV files and a sheet of their spectrograms.

    What is not said is the generator's to choose. A word that several instruments share (guitar) takes them in turn.
    """
    from .. import training
    from .train import progress_bars

    generator = training.Generator.open(run)
    wanted = {"instrument": instrument, "pitch": pitch, "loudness": loudness}
    meant = generator.paradigm.conditions.instruments(instrument) if instrument else [None]
    asked = [{**wanted, "instrument": meant[turn % len(meant)]} for turn in range(count)]
    with progress_bars() as progress:
        made = generator.generate(
            asked, seconds=seconds, seed=seed, guidance=guidance,
            told=lambda done: progress("sounds", done, count), **options_of(how),
        )  # fmt: skip
    name = "-".join(value.replace(" ", "-") for value in wanted.values() if value) or "note"
    write_sounds(out, name, generator.audio(made))


def options_of(how: Sequence[str] | None) -> dict[str, Any]:
    """Read how sounds are made.

    Parameters
    ----------
    how : sequence of str, optional
        Such as ``temperature=0.8``.

    Returns
    -------
    dict of str to float or str
        Values by name.

    Raises
    ------
    ModelError
        If one is not written so.
    """
    found: dict[str, Any] = {}
    for one in how or ():
        name, equals, value = one.partition("=")
        if not name or not equals or not value:
            raise ModelError(f"--set {one}: is no value by name; write it as temperature=0.8")
        try:
            found[name] = float(value)
        except ValueError:
            found[name] = value
    return found


def write_sounds(folder: Path, name: str, sounds: Sequence[Audio]) -> None:
    """Write sounds and the sheet of their spectrograms.

    Parameters
    ----------
    folder : Path
        Made, if it is not there.
    name : str
        What files begin with.
    sounds : sequence of Audio
        To write.

    Raises
    ------
    ModelError
        If the folder can't be made.
    """
    from .. import training
    from ..audio import write

    name = "".join(sign if sign.isalnum() or sign in "-+#." else "_" for sign in name)
    names = [f"{name}-{number:0{len(str(len(sounds)))}}" for number in range(1, len(sounds) + 1)]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ModelError(f"{folder}: can't be made ({error.strerror}); name another folder with --out") from error
    for one, sound in zip(names, sounds, strict=True):
        write(folder / f"{one}.wav", sound)
    training.draw_sheet(folder / SHEET, dict(zip(names, sounds, strict=True)))
    console.print(f"{folder}: {len(sounds)} sounds and {SHEET}", soft_wrap=True, highlight=False)
