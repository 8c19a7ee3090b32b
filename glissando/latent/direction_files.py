"""Directions as files that name their space."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from ..codecs import CodecCard
from ..errors import ModelError
from ..paths import aside, data_dir
from .directions import ClusterDirection, Direction, MeanDirection
from .effect_translator import EffectTranslator
from .translators import SPACE, read_tensors

NAME = re.compile(r"[A-Za-z0-9][\w-]{0,63}")  # names a file
KINDS: dict[str, type[Direction]] = {one.kind: one for one in (MeanDirection, ClusterDirection, EffectTranslator)}


class Known(NamedTuple):
    """A direction that was learned: its name, where it lies, and what its file says."""

    name: str
    path: Path
    about: dict[str, str]


def directions_folder(space_id: str) -> Path:
    """Tell where the directions of a space are kept.

    Parameters
    ----------
    space_id : str
        The space.

    Returns
    -------
    Path
        A folder among the user's data; it may not exist yet.

    Raises
    ------
    ModelError
        If it is no name of a space.
    """
    if not SPACE.fullmatch(space_id):
        raise ModelError(f"{space_id!r}: is no name of a space")
    return data_dir() / "directions" / space_id.replace(":", "-")


def check_name(name: str) -> None:
    """Refuse what can't be the name of a direction.

    Parameters
    ----------
    name : str
        Letters, digits, - and _.

    Raises
    ------
    ModelError
        If it is anything else.
    """
    if not NAME.fullmatch(name):
        raise ModelError(f"{name!r}: can't be the name of a direction; take letters, digits, - and _ (--name)")


def known_directions() -> list[Known]:
    """List the directions of all spaces.

    Returns
    -------
    list of Known
        By space and name; damaged files are left out.
    """
    found = []
    for path in sorted((data_dir() / "directions").glob("*/*.safetensors")):
        try:
            with safe_open(path, "pt") as file:
                found.append(Known(path.stem, path, file.metadata() or {}))
        except (OSError, SafetensorError):
            continue
    return found


def save_direction(direction: Direction, name: str, about: Mapping[str, str] | None = None) -> Path:
    """Keep a direction where `load_direction` finds it; one of the same name is replaced.

    Parameters
    ----------
    direction : Direction
        Fitted.
    name : str
        Letters, digits, - and _.
    about : mapping of str to str, optional
        What else the file shall say.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ModelError
        If the name can't be one.
    """
    check_name(name)
    path = directions_folder(direction.space_id) / f"{name}.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    state = {key: tensor.detach().cpu().contiguous() for key, tensor in direction.state_dict().items()}
    with aside(path) as part:
        save_file(state, part, metadata={**(about or {}), "space_id": direction.space_id, "kind": direction.kind})
    return path


def load_direction(name: str | Path, card: CodecCard) -> Direction:
    """Read a direction.

    Parameters
    ----------
    name : str or Path
        One that was learned in this space, or a file.
    card : CodecCard
        Of the codec with which it shall be used.

    Returns
    -------
    Direction
        In evaluation mode.

    Raises
    ------
    ModelError
        If there is none, or it is damaged or of another space.
    """
    path = (
        Path(name) if str(name).endswith(".safetensors") else directions_folder(card.space_id) / f"{name}.safetensors"
    )
    if not path.is_file():
        here = [one.name for one in known_directions() if one.about.get("space_id") == card.space_id]
        told = f"there are {', '.join(here)}" if here else "learn one with: gliss direction learn"
        raise ModelError(f"{name}: there is no such direction for {card.space_id}; {told}")
    state, about = read_tensors(path, card.space_id, kind="direction")
    try:
        with torch.device("meta"):  # (sizes are checked before they take memory)
            found = KINDS[about.get("kind", "")].sized(card.space_id, state)
        found.load_state_dict(state, assign=True)
        if found(torch.zeros(1, card.dim), strength=0.0).shape != (1, card.dim):
            raise ValueError("of another size")
    except (KeyError, RuntimeError, ValueError, ZeroDivisionError) as error:
        raise ModelError(f"{path}: holds other tensors than a direction's; learn it anew") from error
    return found.requires_grad_(False).eval()
