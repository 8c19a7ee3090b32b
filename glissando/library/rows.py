"""Rows of the tables, from what the encoders said."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from .embedding import Embedded
from .store import Store

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
    new, blocks = uuid.uuid4().hex, store.blocks()
    track = {
        **facts,
        "id": new,
        **tempo_columns(embedded),
        **({"tags": embedded.tags} if store.tag_names() else {}),
        **{block: embedded.vectors.get(block) for block in blocks},
    }
    segments = [
        {
            "id": f"{new}:{i}",
            "track_id": new,
            "start": start,
            "end": end,
            **{b: embedded.segment_vectors[b][i] if b in embedded.segment_vectors else None for b in blocks},
        }
        for i, (start, end) in enumerate(embedded.segments)
    ]
    return track, segments
