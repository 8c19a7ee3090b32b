"""Encoders by name. A new encoder is one new file and one registration."""

from __future__ import annotations

import logging
from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path

import torch

from ..errors import ModelError
from .base import Encoder, EncoderCard

logger = logging.getLogger("glissando")

Loader = Callable[[EncoderCard, "Path | None"], Encoder]
_registry: dict[str, tuple[EncoderCard, Loader]] = {}


def register(card: EncoderCard, loader: Loader) -> None:
    """Add an encoder to the registry.

    Parameters
    ----------
    card : EncoderCard
        Its card; the name must be new.
    loader : callable
        Takes the card and a file or folder with weights (None for the usual place) and builds the encoder.

    Raises
    ------
    ModelError
        If the name is taken.
    """
    if card.name in _registry:
        raise ModelError(f"encoder {card.name!r} is registered twice")
    _registry[card.name] = (card, loader)


def names() -> list[str]:
    """List the registered encoders.

    Returns
    -------
    list of str
        Sorted names.
    """
    return sorted(_registry)


def card(name: str) -> EncoderCard:
    """Look up the card of an encoder; needs no weights.

    Parameters
    ----------
    name : str
        As in `names`.

    Returns
    -------
    EncoderCard
        The card.

    Raises
    ------
    ModelError
        If there is none of that name.
    """
    return _find(name)[0]


def load(name: str, *, weights: str | Path | None = None, device: str = "cpu") -> Encoder:
    """Load an encoder; weights that aren't in the cache are fetched first.

    Parameters
    ----------
    name : str
        As in `names`.
    weights : str or Path, optional
        A local file or folder with the weights instead of the usual place.
    device : str
        "cpu", "cuda", "mps" ...

    Returns
    -------
    Encoder
        In evaluation mode.

    Raises
    ------
    ModelError
        If it is unknown, or its weights can't be had or are not what the card says.
    """
    found, loader = _find(name)
    if found.notice:
        logger.warning("%s: %s", name, found.notice)
    encoder = loader(found, Path(weights) if weights is not None else None)
    try:
        return encoder.to(torch.device(device)).eval()
    except (RuntimeError, AssertionError) as error:
        raise ModelError(f"device {device!r} can't be used here ({str(error).splitlines()[0]}); try cpu") from error


def _find(name: str) -> tuple[EncoderCard, Loader]:
    if name not in _registry:
        near = get_close_matches(name, _registry, n=1)
        raise ModelError(
            f"there is no encoder {name!r}"
            + (f"; did you mean {near[0]}?" if near else f"; there are {', '.join(names())}")
        )
    return _registry[name]
