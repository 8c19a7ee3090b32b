"""``gliss codec``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from .options import DeviceOption, clock, console

if TYPE_CHECKING:
    from ..codecs import Codec, CodecCard

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="Turn sounds into latents or codes, and those into sounds."
)
CodecOption = Annotated[str, typer.Option("--codec", "-c", help="A codec; see gliss codec info.")]
WeightsOption = Annotated[
    Path | None,
    typer.Option("--weights", help="File or folder with its weights; of gliss-codec a run.", show_default=False),
]
TrustedOption = Annotated[
    bool, typer.Option("--trusted", help="The weights are TorchScript, which can run code: I trust this file.")
]
DEFAULT = "gliss-codec"


@app.command("encode")
def encode_file(
    file: Annotated[Path, typer.Argument(help="Audio file.", show_default=False)],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="File to write.", show_default="FILE.safetensors")
    ] = None,
    codec: CodecOption = DEFAULT,
    codes: Annotated[bool, typer.Option("--codes", help="Codes, not latents.")] = False,
    levels: Annotated[
        int | None, typer.Option("--levels", min=1, help="Of the codes: fewer are coarser.", show_default="all")
    ] = None,
    weights: WeightsOption = None,
    trusted: TrustedOption = False,
    device: DeviceOption = "cpu",
) -> None:
    """Write a sound of any format and rate as latents, or as codes."""
    from .. import codecs
    from ..audio import read

    made = codecs.load(codec, weights=weights, device=device, trusted=trusted)
    encoded = codecs.encode(made, read(file), codes=codes or levels is not None, levels=levels)
    target = out or file.with_suffix(".safetensors")
    encoded.write(target)
    count, width = encoded.values.shape
    console.print(f"{target}: {count} x {width} {encoded.kind} of {encoded.space_id}", soft_wrap=True, highlight=False)


@app.command("decode")
def decode_file(
    file: Annotated[Path, typer.Argument(help="Latents or codes.", show_default=False)],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Audio file.", show_default="FILE.wav")] = None,
    codec: CodecOption = DEFAULT,
    weights: WeightsOption = None,
    trusted: TrustedOption = False,
    device: DeviceOption = "cpu",
) -> None:
    """Write the sound of latents or codes; those of another space are refused."""
    from .. import codecs
    from ..audio import write

    encoded = codecs.Encoded.read(file)
    audio = codecs.decode(codecs.load(codec, weights=weights, device=device, trusted=trusted), encoded)
    target = out or file.with_suffix(".wav")
    write(target, audio)
    told = f"{target}: {clock(audio.duration)} at {audio.sample_rate} Hz"
    console.print(told, soft_wrap=True, highlight=False)


@app.command()
def info(
    name: Annotated[
        str | None, typer.Argument(help="A codec, or a file of latents or codes.", show_default="all codecs")
    ] = None,
    weights: WeightsOption = None,
    trusted: TrustedOption = False,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Say what a codec is (latents and bits a second, licence, space), or what a file holds."""
    from .. import codecs

    if name is not None and name not in codecs.names() and Path(name).suffix == ".safetensors":
        told = [_of_file(Path(name))]
    elif name is None:
        told = [_of_card(codecs.card(one)) for one in codecs.names()]
    elif weights is None:
        told = [_of_card(codecs.card(name))]
    else:
        made = codecs.load(name, weights=weights, trusted=trusted)
        told = [{**_of_card(made.card), "context_seconds": _context(made)}]
    if as_json:
        typer.echo(json.dumps(told if name is None else told[0], indent=1))
        return
    if name is None:
        table = Table(box=None, pad_edge=False)
        columns = ("name", "sample_rate", "latent_rate", "dim", "bits_per_second", "licence", "summary")
        for column in columns:
            table.add_column(column.replace("_", " "), overflow="fold")
        for row in told:
            table.add_row(*(str(row[column]) for column in columns))
    else:
        table = Table(box=None, pad_edge=False, show_header=False)
        table.add_column(style="bold")
        table.add_column(overflow="fold")
        for key, value in told[0].items():
            if value not in ("", None):
                table.add_row(key.replace("_", " "), str(value))
    console.print(table)


def _of_card(card: CodecCard) -> dict[str, Any]:
    names = ("name", "summary", "sample_rate", "dim", "levels", "size", "licence", "source", "paper", "notice", "extra")
    told = {name: getattr(card, name) for name in names}
    rates = {"latent_rate": round(card.frame_rate, 3), "bits_per_second": round(card.bits_per_second)}
    return {**told, **rates, "space_id": card.space_id}


def _context(codec: Codec) -> list[float] | None:
    """Seconds to either side that encoding and decoding look at."""
    return None if codec.context is None else [round(one / codec.card.frame_rate, 3) for one in codec.context]


def _of_file(path: Path) -> dict[str, Any]:
    from .. import codecs

    found = codecs.Encoded.read(path)
    count, width = found.values.shape
    return {
        "kind": found.kind, "latents": count, "width": width, "seconds": round(found.samples / found.sample_rate, 3),
        "sample_rate": found.sample_rate, "space_id": found.space_id,
    }  # fmt: skip
