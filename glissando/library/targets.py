"""What to look for: seeds joined into one target, moved to the tempo and key that are asked for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from ..errors import QueryError
from ..latent import Contour, translations, translator
from ..latent.contour import FACTORS
from .blocks import Block
from .embedding import unit
from .keys import chroma_space, transposed
from .query import Query
from .search import Target
from .seeds import SeedVectors
from .store import Store

MINUS = 0.5  # how strongly a seed to move away from counts (Rocchio)

Vectors = NDArray[np.float32]


def translate(store: Store, block: str, vector: Vectors, ratio: float) -> Vectors:
    """Translate a vector of one block in tempo.

    Parameters
    ----------
    store : Store
        The library's tables.
    block : str
        Which block.
    vector : ndarray, shape=(dim,)
        The vector.
    ratio : float
        Wanted tempo over the present one.

    Returns
    -------
    ndarray, shape=(dim,)
        The vector itself in a block that tempo does not move.
    """
    transform = translator(store.blocks()[block].space_id)
    if ratio == 1 or transform is None:
        return vector
    translated: Vectors = transform(torch.from_numpy(np.array(vector)), tempo_ratio=ratio).numpy()
    return translated


def shared_blocks(store: Store, seeds: Sequence[SeedVectors]) -> dict[str, Block]:
    """List the blocks in which all seeds have a vector.

    Parameters
    ----------
    store : Store
        The library's tables.
    seeds : sequence of SeedVectors
        At least one.

    Returns
    -------
    dict of str to Block
        By name, in the order of the library.

    Raises
    ------
    QueryError
        If there is none.
    """
    shared = set.intersection(*(set(seed.vectors) for seed in seeds))
    blocks = {name: block for name, block in store.blocks().items() if name in shared}
    if not blocks:
        raise QueryError("the seeds have no block in common; index them with the same encoders")
    return blocks


def make_target(store: Store, plus: Sequence[SeedVectors], away: Sequence[SeedVectors], query: Query) -> Target:
    """Join seeds to one target.

    Parameters
    ----------
    store : Store
        The library's tables.
    plus, away : sequence of SeedVectors
        What to be near to, and what to move away from; not both empty.
    query : Query
        Which tempo and key are wanted.

    Returns
    -------
    Target
        Unit vectors, or contours of them for a search at any tempo.

    Raises
    ------
    QueryError
        If the seeds have no block in common, or none that moves with the tempo where any tempo is asked for.
    """
    blocks = shared_blocks(store, [*plus, *away])
    vectors: dict[str, Vectors | Contour] = {}
    for name, block in blocks.items():
        transform = translator(block.space_id) if query.any_tempo else None
        if transform:
            moved = [[translations(transform, seed.vectors[name]) for seed in side] for side in (plus, away)]
            vectors[name] = Contour(FACTORS, _centre(*moved))
        else:
            vectors[name] = _centre(*([_moved(store, block, seed, query) for seed in side] for side in (plus, away)))
    if query.any_tempo and not any(isinstance(vector, Contour) for vector in vectors.values()):
        raise QueryError(
            f"none of the blocks {', '.join(blocks)} can be moved in tempo; index with the encoder rhythm, "
            "or learn it: gliss train tempo-translation --encoder NAME"
        )
    every = [*plus, *away]
    return Target(
        vectors,
        frozenset(seed.id for seed in every if seed.id),
        frozenset(seed.audio_hash for seed in every if seed.audio_hash),
        tuple(seed.vectors for seed in every),
    )


def _moved(store: Store, block: Block, seed: SeedVectors, query: Query) -> Vectors:
    """A seed as the query wants it: at another tempo, in another key."""
    vector = seed.vectors[block.name]
    if block.space_id == chroma_space():
        return transposed(vector, query, seed.key)
    return translate(store, block.name, vector, _ratio(seed, query))


def _ratio(seed: SeedVectors, query: Query) -> float:
    if query.tempo and seed.tempo and not query.any_tempo:
        return query.tempo_ratio * float(np.sqrt(query.tempo[0] * query.tempo[1])) / seed.tempo
    return query.tempo_ratio


def _centre(plus: Sequence[Vectors], away: Sequence[Vectors]) -> Vectors:
    """Mean of the seeds, less a part of those to move away from."""
    centre = np.mean(plus, axis=0) if plus else np.zeros_like(away[0])
    return unit(centre - MINUS * np.mean(away, axis=0) if away else centre)
