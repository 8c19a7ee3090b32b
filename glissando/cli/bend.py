"""``gliss bend``."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import ExpressionError, GlissandoError
from .codec import DEFAULT, CodecOption, TrustedOption, WeightsOption
from .options import DeviceOption, clock, console

if TYPE_CHECKING:
    from ..audio import Audio
    from ..codecs import Codec
    from ..latent import Expression, Latents

FILES, SECONDS = 200, 10.0  # of a folder, and of each of its files
MOST = 100.0  # that a direction may be added, or a knob turned

app = typer.Typer(add_completion=False)


@app.command(
    no_args_is_help=True,
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    options_metavar="[OPTIONS] [--NAME FILE]...",
)
def bend(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="Audio file; in the expression it is z.", show_default=False)],
    expression: Annotated[
        str, typer.Option("--expr", "-e", metavar="EXPRESSION", help='Such as "z + 0.8*(wet - dry)".')
    ] = "z",
    towards: Annotated[
        str | None,
        typer.Option(
            "--towards", metavar="DIR", help="Take on the style of a folder, file or data set.", show_default=False
        ),
    ] = None,
    amount: Annotated[
        float | None, typer.Option("--amount", min=-MOST, max=MOST, help="How far --towards goes.", show_default="0.5")
    ] = None,
    adds: Annotated[
        list[str] | None,
        typer.Option("--add", metavar="NAME=STRENGTH", help="A direction; see gliss direction.", show_default=False),
    ] = None,
    turns: Annotated[
        list[str] | None,
        typer.Option("--knob", metavar="NUMBER=TURN", help="Turn a knob: 3=+2, ica3=-1; see gliss knobs."),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Audio file.", show_default="FILE-bent.wav")] = None,
    picture: Annotated[
        Path | None, typer.Option("--picture", help="PNG of the spectrograms before and after.", show_default=False)
    ] = None,
    codec: CodecOption = DEFAULT,
    weights: WeightsOption = None,
    trusted: TrustedOption = False,
    device: DeviceOption = "cpu",
) -> None:
    """Calculate with the latents of sounds, and write how that sounds.

    Every other sound in the expression is named by an option of its own: --wet FILE is wet; of a folder, the
    beginnings of its sounds follow one another. An expression has sounds,
    numbers, + - * /, parentheses, and mix(a, b, share), slerp(a, b, share), average(a, b, ...), swap(content, style),
    mean(z), std(z), reverse(z), shift(z, seconds), stretch(z, factor), quantise(z, step), clip(z, low, high),
    noise(z, amount, seed=0), sort(z). Where lengths differ, the shorter sound is filled up with silence.
    What comes of it is moved --towards a style, then by --add, then by --knob.
    """
    from .. import codecs
    from ..audio import read, write
    from ..latent import Expression, Space, load_direction, load_knobs, moved, restyle
    from ..latent import bend as bent_by

    if amount is not None and towards is None:
        raise typer.BadParameter("says how far --towards goes; name a folder by that", param_hint="--amount")
    read_expression = Expression(expression)
    named = [_named(one, "--add", "reverb=0.7") for one in adds or ()]
    knobs_told = [_knob(one) for one in turns or ()]
    others = _others(file, context.args, read_expression)
    target = out or file.with_name(f"{file.stem}-bent.wav")
    _folder_exists(target)
    sound, sounds = read(file), {name: _read(path) for name, path in others.items()}
    made = codecs.load(codec, weights=weights, device=device, trusted=trusted)
    turned = [(load_knobs(method, made.card), number, turn) for method, number, turn in knobs_told]
    added = [(load_direction(name, made.card), strength) for name, strength in named]
    style, space = None if towards is None else _style(made, towards), Space.of(made)

    def _then(z: Latents) -> Latents:
        if style is not None:
            z = restyle(z, style, 0.5 if amount is None else amount, space=space)
        for direction, strength in added:
            z = moved(direction, z, strength)
        for knobs, number, turn in turned:
            z = knobs.turned(z, number, turn)
        return z

    bent = bent_by(made, sound, read_expression, others=sounds, then=_then)
    write(target, bent)
    told = f"{target}: {clock(bent.duration)} at {bent.sample_rate} Hz"
    if picture is not None:
        from .. import training

        _folder_exists(picture)
        training.draw_sheet(picture, {"before": sound, "after": bent})
        told += f"; {picture}"
    console.print(told, soft_wrap=True, highlight=False)


def _others(file: Path, words: list[str], expression: Expression) -> dict[str, Path]:
    """Read the options that name sounds."""
    if str(file).startswith("-"):
        raise ExpressionError(f"{file}: is no file to bend; name that first: gliss bend FILE --wet FILE")
    found: dict[str, Path] = {}
    rest = [part for word in words for part in (word.split("=", 1) if word.startswith("--") else [word])]
    while rest:
        option = rest.pop(0)
        name = option.removeprefix("--")
        if name == option or name not in expression.names - {"z"}:
            raise ExpressionError(f"{option}: is no option, and no sound in {expression.text!r}")
        if not rest or name in found:
            raise ExpressionError(f"{option}: names one file; write {option} FILE, once")
        found[name] = Path(rest.pop(0))
    missing = sorted(expression.names - {"z"} - {*found})
    if missing:
        raise ExpressionError(f"{expression.text!r}: which sound is {missing[0]}? add --{missing[0]} FILE")
    return found


def _read(path: Path) -> list[Audio]:
    """Read a file, or the beginnings of those in a folder."""
    from ..audio import read
    from ..data import recordings

    if not path.is_dir():
        return [read(path)]
    return [one.read(0.0, SECONDS) for one in recordings(path)[:FILES]]


def _style(codec: Codec, name: str) -> Latents:
    """Hear what a style is of."""
    from ..data import Recording, recordings
    from ..latent import hear
    from .train import progress_bars

    sounds = (
        [Recording(name, Path(name))] if Path(name).is_file() and Path(name).suffix != ".pyjama" else recordings(name)
    )
    with progress_bars() as progress:
        heard, _ = hear(codec, sounds, most=FILES, progress=lambda done, total: progress("sounds", done, total))
    return heard


def _named(text: str, option: str, example: str) -> tuple[str, float]:
    """Read NAME=NUMBER."""
    name, _, number = text.rpartition("=")
    try:
        value = float(number)
    except ValueError:
        value = math.nan
    if not name or not abs(value) <= MOST:
        raise ExpressionError(f"{option} {text}: is no name with a number up to {MOST:g}; write {option} {example}")
    return name, value


def _knob(text: str) -> tuple[str, int, float]:
    """Read NUMBER=TURN, or icaNUMBER=TURN."""
    name, turn = _named(text, "--knob", "3=+2")
    method, number = ("ica", name[3:]) if name.startswith("ica") else ("pca", name)
    if not re.fullmatch(r"[0-9]{1,4}", number):
        raise ExpressionError(f"--knob {text}: {name!r} is no knob; write --knob 3=+2 or --knob ica3=+2")
    return method, int(number), turn


def _folder_exists(path: Path) -> None:
    if not path.absolute().parent.is_dir():
        raise GlissandoError(f"{path}: its folder does not exist; make it first")
