"""What completes a sound: the rest of a mix, by subtraction in a space in which mixing is addition."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..audio import Audio
from ..errors import QueryError
from ..latent.mixing import ENCODER, missing_part
from .arrays import embed_array
from .columns import matrix
from .embedding import Embedder, embed_file, unit
from .query import Query, Seed, parse_seed
from .search import Target
from .seeds import SeedLike, find_track
from .store import Store

if TYPE_CHECKING:
    from .library import Library

SAME = 1e-6  # length of what is missing, over that of the mix, below which nothing is


def completing(library: Library, part: SeedLike, mixes: Sequence[SeedLike], query: Query) -> Target:
    """Make the target of a search for what completes a sound.

    Parameters
    ----------
    library : Library
        With a block of gliss-mixing.
    part : str, Path or Audio
        What is there: file, track of the library or range, or audio.
    mixes : sequence of str, Path or Audio
        What it shall become, in which it is as loud; their mean counts. Without any it is what the library has on the
        average, at equal loudness, and the part has not.
    query : Query
        What else is asked: filters and limits alone.

    Returns
    -------
    Target
        Of that block; the sounds themselves are left out of the hits.

    Raises
    ------
    QueryError
        If the library has no such block, the query asks to move the target, or nothing is missing.
    """
    block = next((one.name for one in library.store.blocks().values() if one.encoder == ENCODER), None)
    if block is None:
        raise QueryError(
            f"{library.store.location}: can't tell what completes a sound yet; index it with: "
            f"gliss index FOLDER --encoder {ENCODER}"
        )
    if query.tempo_ratio != 1 or query.any_tempo or query.transpose is not None or query.weights:
        raise QueryError("what completes a sound can be filtered, not moved in tempo or key, nor weighed")
    embedder = library.embedder([block])
    there, known = _heard(library.store, part, embedder, block)
    heard = [_heard(library.store, one, embedder, block) for one in mixes]
    if heard:
        wanted = np.mean([vector for vector, _ in heard], axis=0)
        missing, size = missing_part(there, wanted), float(np.linalg.norm(wanted))
    else:
        usual = _usual(library.store, block)
        missing, size = missing_part(there, usual=usual), float(np.linalg.norm(usual))
    if np.linalg.norm(missing) <= SAME * size:
        raise QueryError("nothing is missing: the mix is what is there already")
    return Target({block: unit(missing)}, frozenset(known + [one for _, ids in heard for one in ids]))


def _heard(store: Store, seed: SeedLike, embedder: Embedder, block: str) -> tuple[NDArray[np.float32], list[str]]:
    """The mean embedding of a sound with its length, which tells how loud it is; and its id in the library."""
    if isinstance(seed, Audio):
        return embed_array(seed, embedder, name="the query").frames[block][1].mean(0), []
    parsed = Seed(str(seed)) if isinstance(seed, Path) or Path(seed).is_file() else parse_seed(seed)
    track = find_track(store, parsed.name)
    path = Path(track["path"] if track else parsed.name).expanduser()
    if not path.is_file():
        raise QueryError(f"{parsed.name}: its sound is not here, so how loud it is can't be told; name a file")
    embedded = embed_file(path, embedder, start=parsed.start or 0.0, end=parsed.end)
    return embedded.frames[block][1].mean(0), [track["id"]] if track else []


def _usual(store: Store, block: str) -> NDArray[np.float32]:
    """The mean of all tracks, each at the same loudness."""
    vectors = matrix(store.rows("tracks", [block])[block])
    known = vectors[np.isfinite(vectors).all(1)] if len(vectors) else vectors
    if not len(known):
        raise QueryError(f"{store.location}: no track has a vector in the block {block} yet; gliss index fills it")
    found: NDArray[np.float32] = known.mean(0)
    return found
