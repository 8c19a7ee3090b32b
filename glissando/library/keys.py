"""Searches in key: what is asked, as keys to filter on, semitones to transpose by, and a weight of the chroma block."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from ..audio import Audio
from ..encoders import card
from ..errors import QueryError
from ..features import Key
from ..latent import KeyShift
from .query import Query
from .seeds import SeedVectors
from .store import Store

TRANSPOSED, HARMONIC = 1.0, 0.5  # weights of the chroma block, where it alone speaks for the key and beside a filter
MOST = 12  # semitones up or down


def chroma_space() -> str:
    """Tell the space of the chroma block.

    Returns
    -------
    str
        By its encoder's card.
    """
    return card("chroma").space_id


def parse_key(wanted: str | int | None) -> tuple[tuple[str, ...], int | None]:
    """Read what is asked of the key: a key, or a transposition.

    Parameters
    ----------
    wanted : str, int or None
        Such as ``Am``, ``F# minor``, ``8A``; or semitones such as ``+2``, ``-3``.

    Returns
    -------
    keys : tuple of str
        The key by its name, if one was asked for.
    semitones : int or None
        The transposition, if one was.

    Raises
    ------
    QueryError
        If it is neither.
    """
    if wanted is None:
        return (), None
    text = str(wanted).strip() if isinstance(wanted, str) else f"{wanted:+d}"
    if text[:1] not in ("+", "-"):
        return (Key.parse(text).name,), None
    if not text[1:].isdecimal() or int(text[1:]) > MOST:
        raise QueryError(f"{text!r} is no transposition; write semitones from -{MOST} to +{MOST}, such as +2")
    return (), int(text)


def in_key(store: Store, query: Query, seeds: Sequence[tuple[object, SeedVectors]]) -> Query:
    """Settle what a query asks of keys, once its seeds are known.

    Parameters
    ----------
    store : Store
        The library's tables.
    query : Query
        What is asked.
    seeds : sequence of (object, SeedVectors)
        The seeds to move towards, as they were named and as they are.

    Returns
    -------
    Query
        With all keys that count, and a weight of the chroma block where the query is transposed or harmonic.

    Raises
    ------
    QueryError
        If the library knows no keys, or the keys of the seeds are unknown or have no compatible key in common.
    """
    moved = query.transpose is not None
    if not (query.keys or moved or query.harmonic):
        return query
    chroma = next((block.name for block in store.blocks().values() if block.space_id == chroma_space()), None)
    if chroma is None:
        raise QueryError(f"{store.location}: knows no keys yet; add them with: gliss index FOLDER --encoder chroma")
    if not seeds and (moved or (query.harmonic and not query.keys)):
        raise QueryError("there is no track to be in key with; name one, or a key such as Am")
    keys = _compatible(query, seeds) if query.harmonic else query.keys
    if bare := [_name(said) for said, seed in seeds if moved and chroma not in seed.vectors]:
        raise QueryError(f"{bare[0]}: has no vector in the block {chroma} yet; gliss index on its folder fills it")
    weights = dict(query.weights)
    if seeds and (moved or query.harmonic):
        weights.setdefault(chroma, HARMONIC if query.harmonic else TRANSPOSED)
    return replace(query, keys=keys, weights=weights)


def transposed(vector: NDArray[np.float32], query: Query, key: str | None) -> NDArray[np.float32]:
    """Transpose the chroma vector of a seed.

    Parameters
    ----------
    vector : ndarray, shape=(dim,)
        In the chroma space.
    query : Query
        What is asked.
    key : str or None
        Of the seed.

    Returns
    -------
    ndarray, shape=(dim,)
        By as many semitones as is asked for, or to the notes of the one key that is.
    """
    semitones = query.transpose or 0
    if query.keys and not query.harmonic and key:
        semitones = Key.parse(query.keys[0]).signature - Key.parse(key).signature
    shifted: NDArray[np.float32] = KeyShift()(torch.tensor(vector), semitones=semitones).numpy()
    return shifted


def _compatible(query: Query, seeds: Sequence[tuple[object, SeedVectors]]) -> tuple[str, ...]:
    """Names of the keys that mix with the key that is asked for, or with those of all seeds as transposed."""
    starts = [Key.parse(name) for name in query.keys]
    for said, seed in () if starts else seeds:
        if seed.key is None:
            raise QueryError(f"{_name(said)}: its key is not known; say which with --key, such as --key Am")
        starts.append(Key.parse(seed.key).transposed(query.transpose or 0))
    common = set.intersection(*({*key.compatible()} for key in starts))
    if not common:
        names = ", ".join(key.name for key in starts)
        raise QueryError(f"no key is compatible with all of {names}; search from fewer tracks, or name a key")
    return tuple(sorted(key.name for key in common))


def _name(seed: object) -> str:
    return "the query" if isinstance(seed, Audio) else str(seed)
