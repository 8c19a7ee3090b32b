"""Rows of the tables, from what the encoders said."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .embedding import Embedded
from .store import Store

LEVELS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.7)  # of tag probability, that an index knows
OF_TRACK = ("artist", "tempo", "key", "chords", "labels")  # what segments repeat of their track

Row = dict[str, Any]


def tempo_columns(embedded: Embedded) -> Row:
    """Give the columns of the tempo estimate.

    Parameters
    ----------
    embedded : Embedded
        What the encoders said.

    Returns
    -------
    dict
        Empty values if nothing has a pulse.
    """
    tempo = embedded.tempo
    return {
        "tempo": tempo.bpm if tempo else None,
        "tempo_confidence": tempo.confidence if tempo else None,
        "tempo_candidates": list(tempo.candidates) if tempo else None,
    }


def key_columns(embedded: Embedded) -> Row:
    """Give the columns of the key estimate.

    Parameters
    ----------
    embedded : Embedded
        What the encoders said.

    Returns
    -------
    dict
        Empty values if nothing has a pitch.
    """
    found = embedded.key
    return {"key": found.key.name if found else None, "key_confidence": found.confidence if found else None}


def labels(tags: NDArray[np.float32] | None, names: Sequence[str]) -> list[str] | None:
    """Name the tags of a track with the levels they reach, for an index to filter on.

    Parameters
    ----------
    tags : ndarray, shape=(tags,), optional
        Probabilities.
    names : sequence of str
        Of the tags.

    Returns
    -------
    list of str or None
        Such as "guitar>=0.1".
    """
    if tags is None:
        return None
    return [label(name, level) for name, p in zip(names, tags, strict=True) for level in LEVELS if p >= level]


def label(name: str, level: float) -> str:
    """Name a tag and the level it reaches.

    Parameters
    ----------
    name : str
        Tag.
    level : float
        One of ``LEVELS``.

    Returns
    -------
    str
        Such as "guitar>=0.1".
    """
    return f"{name}>={level:g}"


def new_rows(store: Store, embedded: Embedded, facts: Mapping[str, Any]) -> tuple[Row, list[Row]]:
    """Make the rows of a new track, under a new id.

    Parameters
    ----------
    store : Store
        Tells the blocks.
    embedded : Embedded
        What the encoders said.
    facts : mapping
        Path, hashes, duration, coverage, sample rate, times and tags of the file.

    Returns
    -------
    track : dict
        Row of ``tracks``.
    segments : list of dict
        Rows of ``segments``.
    """
    new, blocks, names = uuid.uuid4().hex, store.blocks(), store.tag_names()
    track = {
        **facts,
        "id": new,
        **tempo_columns(embedded),
        **key_columns(embedded),
        "chords": None,  # (of their own: see chords.py)
        **({"tags": embedded.tags} if names else {}),
        "labels": labels(embedded.tags, names),
        **{block: embedded.vectors.get(block) for block in blocks},
        "joint": store.joint(embedded.vectors),
    }
    parts = [{b: v[i] for b, v in embedded.segment_vectors.items()} for i in range(len(embedded.segments))]
    segments = [
        {
            "id": f"{new}:{i}",
            "track_id": new,
            "start": start,
            "end": end,
            **{name: track[name] for name in OF_TRACK},
            **{block: vectors.get(block) for block in blocks},
            "joint": store.joint(vectors),
        }
        for i, ((start, end), vectors) in enumerate(zip(embedded.segments, parts, strict=True))
    ]
    return track, segments
