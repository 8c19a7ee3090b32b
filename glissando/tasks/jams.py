"""JAMS files: annotations of one recording as JSON, as the package jams reads them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

VERSION = "0.3.4"


def jams(title: str, duration: float, annotations: Mapping[str, Iterable[tuple[float, float, Any]]]) -> str:
    """Write annotations as JAMS.

    Parameters
    ----------
    title : str
        Of the recording.
    duration : float
        In seconds.
    annotations : mapping of str to iterable of (float, float, object)
        By namespace (note_midi, pitch_contour, chord, tag_open): time [s], duration [s], value.

    Returns
    -------
    str
        JSON.

    References
    ----------
    Humphrey et al., "JAMS: a JSON annotated music specification for reproducible MIR research", ISMIR 2014.
    """
    found = [
        {
            "namespace": namespace,
            "time": 0,
            "duration": duration,
            "data": [
                {"time": time, "duration": length, "value": value, "confidence": None} for time, length, value in held
            ],
            "annotation_metadata": {"annotation_tools": "glissando", "data_source": "estimate"},
            "sandbox": {},
        }
        for namespace, held in annotations.items()
    ]
    metadata = {"title": title, "artist": "", "release": "", "duration": duration, "jams_version": VERSION}
    return json.dumps({"annotations": found, "file_metadata": {**metadata, "identifiers": {}}, "sandbox": {}})
