"""Fetch weights once, check them, keep them as safetensors in the user's cache."""

from __future__ import annotations

import hashlib
import logging
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from ..errors import ModelError
from ..paths import aside, cache_dir
from .base import EncoderCard

logger = logging.getLogger("glissando")

Convert = Callable[[Path], dict[str, Tensor]]
Card = TypeVar("Card", bound=EncoderCard)


def weights_path(card: EncoderCard) -> Path:
    """Tell where the weights of an encoder are kept, there or not.

    Parameters
    ----------
    card : EncoderCard
        Its card.

    Returns
    -------
    Path
        A safetensors file named after the space.
    """
    return cache_dir() / "models" / f"{card.space_id.replace(':', '-')}.safetensors"


def weights_folder(name: str) -> Path:
    """Tell where a copy of the files of a hub is looked for before the hub.

    Parameters
    ----------
    name : str
        Of the encoder or codec.

    Returns
    -------
    Path
        A folder; it may not exist.
    """
    return cache_dir() / "models" / name


def load_weights(card: EncoderCard, source: Path | None, convert: Convert) -> dict[str, Tensor]:
    """Load the weights of an encoder, fetching and converting them if they aren't in the cache.

    Parameters
    ----------
    card : EncoderCard
        Names the wheel and its SHA-256.
    source : Path, optional
        The wheel on this computer, instead of fetching it.
    convert : callable
        Takes a folder with the unpacked wheel and gives the tensors.

    Returns
    -------
    dict of str to Tensor
        The state of the network.

    Raises
    ------
    ModelError
        If the wheel can't be had or is not the one the card names.
    """
    path = weights_path(card)
    if source is None and path.exists():
        return load_file(path)
    with tempfile.TemporaryDirectory() as folder:
        wheel = source or fetch_wheel(card.source, card.weights_sha256, Path(folder))
        check_sha256(wheel, card.weights_sha256)
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(Path(folder) / "wheel")
        state = {name: tensor.contiguous() for name, tensor in convert(Path(folder) / "wheel").items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    with aside(path) as part:
        save_file(state, part, metadata={"space_id": card.space_id, "licence": card.licence, "source": card.source})
    return state


def fetch_wheel(requirement: str, sha256: str, folder: Path) -> Path:
    """Fetch one wheel with the pip client, without installing it or what it asks for.

    Parameters
    ----------
    requirement : str
        Such as ``musicnn==0.1.0``.
    sha256 : str
        What it must be.
    folder : Path
        Where to put it.

    Returns
    -------
    Path
        The wheel.

    Raises
    ------
    ModelError
        If pip can't fetch it, or it is another file.
    """
    logger.info("fetching %s with pip", requirement)
    options = ["--no-deps", "--only-binary=:all:", "--quiet", "--disable-pip-version-check", "--no-input"]
    run = subprocess.run(
        [sys.executable, "-m", "pip", "download", *options, "--dest", str(folder), requirement],
        capture_output=True,
        text=True,
        check=False,
    )
    wheels = [*folder.glob("*.whl")]
    if run.returncode or len(wheels) != 1:
        said = (run.stderr.strip().splitlines() or ["no wheel"])[-1]
        raise ModelError(
            f"{requirement}: pip could not fetch it ({said}); check the network, or fetch the wheel elsewhere and "
            "name it with --from"
        )
    check_sha256(wheels[0], sha256)
    return wheels[0]


def check_sha256(path: Path, expected: str) -> None:
    """Compare a file with its known SHA-256.

    Parameters
    ----------
    path : Path
        The file.
    expected : str
        Hexadecimal digest.

    Raises
    ------
    ModelError
        If it is missing or another file.
    """
    if not path.is_file():
        raise ModelError(f"{path}: there is no such file")
    with path.open("rb") as handle:
        found = hashlib.file_digest(handle, "sha256").hexdigest()
    if found != expected:
        raise ModelError(f"{path.name}: SHA-256 is {found[:16]}..., not {expected[:16]}...; it was not used")


def files_of(name: str, folder: Path, wanted: Sequence[str]) -> list[str]:
    """Find the files of a model that lies in a folder.

    Parameters
    ----------
    name : str
        Of the encoder, for the error.
    folder : Path
        Where they should lie.
    wanted : sequence of str
        Names; where one of several will do, they are joined by ``|``, the best first.

    Returns
    -------
    list of str
        One name for each.

    Raises
    ------
    ModelError
        If one is missing.
    """
    found = [next((one for one in names.split("|") if (folder / one).is_file()), None) for names in wanted]
    said = [" or ".join(names.split("|")) for names in wanted]
    if missing := [one for one, there in zip(said, found, strict=True) if there is None]:
        raise ModelError(f"{name}: {folder} holds no {' and no '.join(missing)}; name a folder with {', '.join(said)}")
    return [one for one in found if one is not None]


def of_other_weights(card: Card, weights: Path) -> Card:
    """Make the card of weights that a user names: other weights are another space.

    Parameters
    ----------
    card : EncoderCard
        Of the usual weights; that of a codec is one, too.
    weights : Path
        The file.

    Returns
    -------
    EncoderCard
        With a space of its own.
    """
    with weights.open("rb") as handle:
        digest = hashlib.file_digest(handle, "sha256").hexdigest()
    return replace(card, source="weights of one's own", weights_sha256=digest)


@contextmanager
def told_in_a_sentence(name: str, folder: Path | None, hub: str, remedy: str = "") -> Iterator[None]:
    """Turn whatever goes wrong with a hub's files, as transformers reads them, into one sentence.

    Parameters
    ----------
    name : str
        Of the encoder or codec.
    folder : Path, optional
        What is read in the place of the hub.
    hub : str
        Name of the model on it.
    remedy : str
        What to do; ``gliss models get NAME --from FOLDER`` unless said.

    Yields
    ------
    None
        To read in.

    Raises
    ------
    ModelError
        If reading fails.
    """
    with torch.device(
        "cpu"
    ):  # torch lists its factories now, before transformers puts another torch.linspace among them
        torch.empty(0)
    try:
        yield
    except ModelError:
        raise
    except Exception as error:  # hub, network and file errors are of many kinds
        why = f"{folder} can't be read as {name.upper()}" if folder else f"the hub could not be reached for {hub}"
        remedy = remedy or f"get them with: gliss models get {name} --from FOLDER"
        raise ModelError(f"{name}: the weights could not be loaded ({why}); {remedy}") from error


def keep_parts(folder: Path, *parts: Any) -> None:
    """Keep what came from a hub, whole or not at all.

    Parameters
    ----------
    folder : Path
        Where to; it must not exist.
    *parts : object
        Each with ``save_pretrained``: model, feature extractor, tokenizer.
    """
    partial = folder.with_name(f"{folder.name}.{os.getpid()}.part")
    for one in parts:
        one.save_pretrained(partial)
    partial.rename(folder)
