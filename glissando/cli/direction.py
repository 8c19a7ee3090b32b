"""``gliss direction``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from .codec import DEFAULT, CodecOption, TrustedOption, WeightsOption
from .options import DeviceOption, choice, console, errors

if TYPE_CHECKING:
    from ..audio import Effect
    from ..data import Recording

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Learn what effects do to latents, for gliss bend.")
SOURCES = "Folder of audio, file, data set or .pyjama file"


@app.command()
def learn(
    dry: Annotated[str, typer.Option("--dry", metavar="DIR", help=f"{SOURCES}: sounds without the effect.")],
    wet: Annotated[
        str | None,
        typer.Option("--wet", metavar="DIR", help="The same with it, by the same names.", show_default=False),
    ] = None,
    effect: Annotated[
        str | None,
        typer.Option("--effect", help='In place of --wet: "Reverb(room_size=0.8)"; needs the extra effects.'),
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", "-n", help="What to call it.", show_default="the effect's")
    ] = None,
    kind: Annotated[
        str,
        typer.Option("--kind", "-k", help="mean: one vector; clusters: one for each kind of sound; translator."),
    ] = "translator",
    most: Annotated[int, typer.Option("--most", min=2, max=20_000, help="Windows of 2 s to learn from.")] = 400,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of draws and weights.")] = 0,
    codec: CodecOption = DEFAULT,
    weights: WeightsOption = None,
    trusted: TrustedOption = False,
    device: DeviceOption = "cpu",
) -> None:
    """Learn a direction from sounds dry and wet; a fifth of them, by recording, tells how well it does."""
    from .. import codecs, latent
    from ..audio import Effect
    from .train import progress_bars

    if (wet is None) == (effect is None):
        raise typer.BadParameter("name what is wet by --wet or by --effect, one of them", param_hint="--wet")
    learner = latent.KINDS[choice(kind, tuple(latent.KINDS), "--kind")]
    made = Effect.read(effect) if effect is not None else None
    called = name or (made.name.lower() if made is not None else Path(str(wet)).stem)
    latent.check_name(called)
    sources, partners = _recordings(dry), None if wet is None else _recordings(wet)
    sounds: list[tuple[Recording, Recording | Effect]]
    if partners is None:
        sounds = [(one, made) for one in sources if made is not None]
    else:
        sounds = [*latent.paired(sources, partners)]
    coder = codecs.load(codec, weights=weights, device=device, trusted=trusted)
    with progress_bars() as progress:
        pairs = latent.effect_pairs(
            coder, sounds, most=most, seed=seed, progress=lambda done, total: progress("sounds", done, total)
        )
        for one in pairs.failed:
            errors.print(f"left out: {one.reason}", soft_wrap=True, highlight=False, markup=False)
        part, held = pairs.split(seed=seed)
        found = learner.fit(
            part, magnitudes=coder.requires_grad_(False).magnitudes, seed=seed,
            progress=lambda done, total: progress("steps", done, total),
        )  # fmt: skip
    rest, same = latent.left(found, held), pairs.consistency()
    about = {
        "source": f"{made or Path(str(wet)).name} on {Path(dry).name}",
        "left": f"{rest:.3f}", "consistency": f"{same:.3f}",
        "windows": str(len(pairs.groups)),
    }  # fmt: skip
    latent.save_direction(found, called, about)
    told = f"{called}: {rest:.2f} of the way to wet is left on held-out sound (doing nothing leaves 1, an effect 0); "
    told += (
        f"its directions have a cosine of {same:.2f} from sound to sound. Use it: gliss bend FILE --add {called}=0.7"
    )
    console.print(told, soft_wrap=True, highlight=False, markup=False)


@app.command("list")
def list_directions() -> None:
    """List the directions that were learned."""
    from .. import latent

    table = Table(box=None, pad_edge=False)
    for column in ("name", "kind", "learned from", "left", "consistency", "space"):
        table.add_column(column, overflow="fold")
    known = latent.known_directions()
    for one in known:
        table.add_row(
            one.name, *(one.about.get(key, "") for key in ("kind", "source", "left", "consistency", "space_id"))
        )
    console.print(table if known else "none yet; learn one with: gliss direction learn")


def _recordings(name: str) -> list[Recording]:
    from ..audio import SUFFIXES
    from ..data import Recording, recordings

    path = Path(name)
    if path.is_file() and path.suffix.lower() in SUFFIXES:
        return [Recording(name, path)]
    return recordings(name)
