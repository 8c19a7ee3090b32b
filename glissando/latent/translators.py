"""Which translator a space has: the exact shift, or one that was learned here for this very space."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ..encoders import card, names
from ..errors import ModelError
from ..paths import aside, data_dir
from .learned import WAVES, LearnedTranslator
from .tempo import ShiftTranslator, Transform

FILE = "translator.safetensors"
SPACE = re.compile(r"[\w.-]{1,100}:[0-9a-f]{1,64}")  # names a folder, and may come from a stranger's library
LARGEST = 256 * 2**20  # bytes of a file


def translator(space_id: str) -> Transform | None:
    """Find what translates the embeddings of a space in tempo.

    Parameters
    ----------
    space_id : str
        The space.

    Returns
    -------
    Transform or None
        The exact shift where the dimensions are rates, else the translator that was learned here for this space, else
        None.

    Raises
    ------
    ModelError
        If there is a learned one, and it is damaged.
    """
    shift = _shift(space_id)
    if shift is not None or not SPACE.fullmatch(space_id):
        return shift
    path = translator_folder(space_id) / FILE
    try:
        return _loaded(path, space_id, path.stat().st_mtime_ns)
    except FileNotFoundError:
        return None


def translator_folder(space_id: str) -> Path:
    """Tell where the learned translator of a space is looked for.

    Parameters
    ----------
    space_id : str
        The space.

    Returns
    -------
    Path
        A folder among the user's data; it may not exist yet.
    """
    return data_dir() / "translators" / space_id.replace(":", "-")


def save_translator(path: Path, translator: LearnedTranslator) -> None:
    """Write a learned translator.

    Parameters
    ----------
    path : Path
        Safetensors file; it says in which space it may be used.
    translator : LearnedTranslator
        Trained.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in translator.state_dict().items()}
    with aside(path) as part:
        save_file(state, part, metadata={"space_id": translator.space_id})


def load_translator(path: Path, space_id: str) -> LearnedTranslator:
    """Read a learned translator; its size follows from its tensors.

    Parameters
    ----------
    path : Path
        From `save_translator`.
    space_id : str
        The space in which it shall be used.

    Returns
    -------
    LearnedTranslator
        In evaluation mode.

    Raises
    ------
    ModelError
        If it is damaged, or of another space.
    """
    state, _ = read_tensors(path, space_id, kind="translator")
    try:
        with torch.device("meta"):  # (sizes are checked before they take memory)
            found = _of_size(space_id, state)
        found.load_state_dict(state, assign=True)
    except (KeyError, RuntimeError, ValueError) as error:
        raise ModelError(f"{path}: holds other tensors than a translator's; train anew") from error
    return found.requires_grad_(False).eval()


def read_tensors(path: Path, space_id: str, *, kind: str) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read the tensors of what may be used in one space alone.

    Parameters
    ----------
    path : Path
        Safetensors file that says its space.
    space_id : str
        The space in which it shall be used.
    kind : str
        What it is, for errors.

    Returns
    -------
    tensors : dict of str to Tensor
        Finite, float32.
    about : dict of str to str
        What else the file says.

    Raises
    ------
    ModelError
        If it is damaged, or of another space.
    """
    try:
        if path.stat().st_size > LARGEST:
            raise ModelError(f"{path}: is too large for a {kind}; remove it and train one anew")
        with safe_open(path, "pt") as file:
            about = file.metadata() or {}
            state = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{path}: can't be read as a {kind} ({str(error).splitlines()[0]}); train anew") from error
    if about.get("space_id") != space_id:
        told = about.get("space_id")
        raise ModelError(f"{path}: is a {kind} of the space {told}, not of {space_id}; train one for that one")
    if not all(torch.isfinite(tensor).all() for tensor in state.values()):
        raise ModelError(f"{path}: holds NaN or infinite weights; train anew")
    return state, about


@cache
def _shift(space_id: str) -> Transform | None:
    moving = (name for name in names() if card(name).space_id == space_id and card(name).rates)
    return next((ShiftTranslator(name) for name in moving), None)


@cache
def _loaded(path: Path, space_id: str, changed: int) -> LearnedTranslator:
    return load_translator(path, space_id)


def _of_size(space_id: str, state: dict[str, Tensor]) -> LearnedTranslator:
    if "direction" in state:
        return LearnedTranslator(space_id, state["direction"].numel(), hidden=0)
    hidden, width = state["step.0.weight"].shape
    depth = sum(name.endswith(".weight") for name in state) - 1
    return LearnedTranslator(space_id, width - 1 - 2 * WAVES, hidden=hidden, depth=depth)
