"""NSynth: single notes of a thousand instruments."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import RecipeError
from ..annotations import MAX_PITCH, Annotations
from ..building import Source, builder
from ..layouts import audio_file, inside, number, objects_of, root_of

HELD = 3.0  # seconds that a key is held, of the four of a clip
PARTS = ("train", "valid", "test")
LABELS = {
    "instrument": "instrument_str",
    "recording": "instrument_str",
    "family": "instrument_family_str",
    "source": "instrument_source_str",
    "velocity": "velocity",
}


@builder(
    "nsynth", "nsynth-train, nsynth-valid, nsynth-test (or some of them), each with examples.json and audio/NOTE.wav"
)
def nsynth(folder: Path) -> Iterator[Source]:
    """List the notes; a validation note whose instrument is tested, too, is in no part of the official split.

    Parameters
    ----------
    folder : Path
        With the folders of its parts.

    Yields
    ------
    Source
        Training, validation, test.

    References
    ----------
    Engel et al., "Neural audio synthesis of musical notes with WaveNet autoencoders", ICML 2017.
    """
    root = root_of(folder, *(f"nsynth-{part}/examples.json" for part in PARTS))
    tables = {part: root / f"nsynth-{part}" / "examples.json" for part in PARTS}
    notes = {part: objects_of(table) for part, table in tables.items() if table.is_file()}
    tested = {_told(about, LABELS["instrument"]) for about in notes.get("test", {}).values()}
    for part, named in notes.items():
        for name, about in named.items():
            where = f"{tables[part]}: {name:.80}"
            if not isinstance(about, dict):
                raise RecipeError(f"{where}: is no description of a note")
            path = inside(tables[part].parent / "audio", f"{name}.wav", where=where)
            clean = part != "valid" or _told(about, LABELS["instrument"]) not in tested
            yield Source(name, partial(_note, about, part, where, clean), audio_file(path))


def _note(about: dict[str, Any], part: str, where: str, clean: bool) -> Annotations:
    pitch = number(str(about.get("pitch")), 0, MAX_PITCH, where=f"{where}: pitch")
    labels: dict[str, tuple[str, ...]] = {"part": (part,), "pitch": (f"{pitch:g}",)}
    if clean:
        labels["split"] = (part,)
    for label, field in LABELS.items():
        if field not in about:
            raise RecipeError(f"{where}: has no {field}; it is no table of NSynth")
        labels[label] = (str(about[field]),)
    qualities = about.get("qualities_str")
    if isinstance(qualities, list) and qualities:
        labels["quality"] = tuple(map(str, qualities))
    return Annotations(np.array([[0.0, HELD, pitch]]), labels=labels)


def _told(about: object, field: str) -> object:
    return str(about.get(field)) if isinstance(about, dict) else None
