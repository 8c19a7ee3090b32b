"""The command ``gliss``: one module a verb, loaded when called."""

from __future__ import annotations

import importlib
import logging
import sys
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup
from typer.main import get_command

from ..errors import GlissandoError

VERBS = {
    "index": "Bring the library up to date with folders of music.",
    "search": "Find what sounds like a track, at any tempo, in any key, by tag.",
    "playlist": "Walk from one track to another along a tempo curve.",
    "tags": "Name the tags of audio files.",
    "tempo": "Estimate the tempo of audio files.",
    "key": "Estimate the key of audio files.",
    "chords": "Write down the chords of audio files: a timeline, lab, JAMS, picture.",
    "embed": "Write the embeddings of audio files.",
    "map": "Draw the library as a map to click and listen, or the course of a sound.",
    "library": "Look after the library: status, verify, remove, compact, export, import.",
    "pitch": "Write down the pitches of audio files: f0, notes (MIDI), picture.",
    "codec": "Turn sounds into latents or codes, and those into sounds.",
    "bend": "Do arithmetic on the latents of sounds, and hear it.",
    "direction": "Learn what effects do to latents, for gliss bend.",
    "knobs": "Learn knobs of a codec and what they do to sounds, for gliss bend.",
    "mix": "Mix sounds by adding embeddings, or take one out of a mix by subtracting.",
    "morph": "Go from one sound to another in steps.",
    "analogy": "Find what is to one sound as a second is to a third.",
    "nmf": "Take a sound apart into parts whose sum it is.",
    "generate": "Make notes of an instrument at a pitch.",
    "continue": "Go on with a sound.",
    "vary": "Make variations of a sound, or of a part of it.",
    "models": "List and fetch model weights.",
    "train": "Train a recipe.",
    "evaluate": "Score a trained run.",
    "probe": "Test what frozen embeddings tell: probes, k-NN, learning curves, a leaderboard.",
    "distance": "Score generated audio by a folder of real audio: FAD, KID, memorisation.",
    "predict": "Let a trained run estimate from audio files.",
    "runs": "List, show and compare runs.",
    "model": "Look at the model of a recipe: layers, shapes, parameters.",
    "data": "List, describe and build data sets.",
    "demo": "Index 28 free tracks and search them.",
}
TRAIN = ("h5py", "lightning", "matplotlib", "mir_eval", "scipy", "sklearn", "tensorboardX")  # packages of that extra


class LazyGroup(TyperGroup):
    """Imports a verb when it is called, so that help comes at once."""

    def list_commands(self, ctx: Any) -> list[str]:
        """List the verbs in the order of a first evening."""
        return [*VERBS]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Give the help line of a verb, for the list of verbs."""
        if cmd_name not in VERBS:
            return None
        line = typer.Typer()
        line.command(cmd_name, help=VERBS[cmd_name])(lambda: None)
        return get_command(line)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Import the verb that is called."""
        if args[0] not in VERBS:
            return super().resolve_command(ctx, args)  # says what it does not know
        command = get_command(importlib.import_module(f".{args[0]}", __name__).app)
        command.name = args[0]
        return args[0], command, args[1:]


app = typer.Typer(cls=LazyGroup, no_args_is_help=True, rich_markup_mode="markdown", pretty_exceptions_enable=False)


def _version(value: bool) -> None:
    if value:
        from .. import __version__

        typer.echo(f"glissando {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Music-audio embeddings: index a folder, search it by sound, tag and tempo."""


def main() -> None:
    """Run the command line; errors are one sentence and exit code 1."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logging.getLogger("glissando").setLevel(logging.INFO)
    try:
        app()
    except GlissandoError as error:
        _fail(str(error))
    except ModuleNotFoundError as error:
        name = (error.name or "").partition(".")[0]
        if name not in TRAIN:
            raise
        _fail(f'this needs {name}, which is in the extra "train"; install it with: pip install "glissando[train]"')
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)


def _fail(sentence: str) -> NoReturn:
    from rich.console import Console
    from rich.markup import escape

    Console(stderr=True).print(f"[bold red]Error:[/] {escape(sentence)}", soft_wrap=True, highlight=False)
    sys.exit(1)
