"""Words as seeds: a search by text starts from what an encoder that also reads makes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from .. import encoders
from ..errors import QueryError
from .embedding import Embedder
from .query import Query
from .seeds import SeedVectors
from .store import Store


def text_seeds(
    store: Store, texts: Sequence[str], query: Query, embedder: Callable[[Iterable[str]], Embedder]
) -> list[SeedVectors]:
    """Make seeds of texts.

    Parameters
    ----------
    store : Store
        The library's tables.
    texts : sequence of str
        Such as "slow piano".
    query : Query
        What else is asked.
    embedder : callable
        Loads the encoders of the blocks that are named.

    Returns
    -------
    list of SeedVectors
        One a text, with a vector in every block whose encoder reads.

    Raises
    ------
    QueryError
        If the library has no such block, or the tempo of words should be moved.
    ModelError
        If a text is empty, or the encoder can't read.
    """
    if not texts:
        return []
    if query.tempo_ratio != 1 or query.any_tempo:
        raise QueryError("words have no tempo that could be moved; ask for one with --tempo")
    blocks = [name for name, block in store.blocks().items() if block.encoder and encoders.card(block.encoder).text]
    if not blocks:
        readers = ", ".join(name for name in encoders.names() if encoders.card(name).text)
        raise QueryError(
            f"{store.location}: no block of this library was made by an encoder that reads; add one with: "
            f"gliss index FOLDER --encoder NAME ({readers})"
        )
    loaded: dict[str, Any] = dict(embedder(blocks).encoders)
    found = {name: loaded[name].embed_text(texts).cpu().numpy().astype(np.float32) for name in blocks}
    return [SeedVectors({name: found[name][i] for name in blocks}, None) for i in range(len(texts))]
