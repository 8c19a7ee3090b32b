"""Codecs by name. A new codec is one new file and one registration."""

from __future__ import annotations

import logging
from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path

import torch

from ..errors import ModelError
from .base import Codec, CodecCard

logger = logging.getLogger("glissando")

Loader = Callable[[CodecCard, "Path | None", bool], Codec]
_registry: dict[str, tuple[CodecCard, Loader]] = {}


def register(card: CodecCard, loader: Loader) -> None:
    """Add a codec to the registry.

    Parameters
    ----------
    card : CodecCard
        Its card; the name must be new.
    loader : callable
        Takes the card, a file or folder with weights (None for the usual place) and whether the user trusts it, and
        builds the codec.

    Raises
    ------
    ModelError
        If the name is taken.
    """
    if card.name in _registry:
        raise ModelError(f"codec {card.name!r} is registered twice")
    _registry[card.name] = (card, loader)


def names() -> list[str]:
    """List the registered codecs.

    Returns
    -------
    list of str
        Sorted names.
    """
    return sorted(_registry)


def card(name: str) -> CodecCard:
    """Look up the card of a codec; needs no weights.

    Parameters
    ----------
    name : str
        As in `names`.

    Returns
    -------
    CodecCard
        The card; weights of one's own have another.

    Raises
    ------
    ModelError
        If there is none of that name.
    """
    return _find(name)[0]


def load(name: str, *, weights: str | Path | None = None, device: str = "cpu", trusted: bool = False) -> Codec:
    """Load a codec.

    Parameters
    ----------
    name : str
        As in `names`.
    weights : str or Path, optional
        A local file or folder with the weights instead of the usual place; for "gliss-codec" the folder of a run.
    device : str
        "cpu", "cuda", "mps" ...
    trusted : bool
        The file may run code on this computer, as TorchScript can: only "rave" asks for it.

    Returns
    -------
    Codec
        In evaluation mode.

    Raises
    ------
    ModelError
        If it is unknown, or its weights can't be had or are not what they should be.
    """
    found, loader = _find(name)
    if weights is not None and not Path(weights).exists():
        raise ModelError(f"{name}: there is no {weights}; name a file or folder with weights")
    if found.notice:
        logger.warning("%s: %s", name, found.notice)
    codec = loader(found, Path(weights) if weights is not None else None, trusted)
    try:
        return codec.to(torch.device(device)).eval()
    except (RuntimeError, AssertionError) as error:
        raise ModelError(f"device {device!r} can't be used here ({str(error).splitlines()[0]}); try cpu") from error


def _find(name: str) -> tuple[CodecCard, Loader]:
    if name not in _registry:
        near = get_close_matches(name, _registry, n=1)
        raise ModelError(
            f"there is no codec {name!r}"
            + (f"; did you mean {near[0]}?" if near else f"; there are {', '.join(names())}")
        )
    return _registry[name]
