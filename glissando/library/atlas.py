"""The map of a library as a picture, and as one self-contained page that plays what is clicked."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..audio import as_data_uri, read
from ..errors import AudioError, ModelError

EMBEDDED = 120  # tracks; up to here the page carries excerpts, beyond it links to the files
EXCERPT = 12.0  # seconds


def draw_page(tracks: Sequence[dict[str, Any]], points: NDArray[np.float32]) -> str:
    """Draw the page.

    Parameters
    ----------
    tracks : sequence of dict
        Path, artist, title, tempo, key, duration; start and end of moments.
    points : ndarray, shape=(tracks, 2)
        In 0..1.

    Returns
    -------
    str
        HTML without outside parts; with excerpts of 12 s if there are at most 120.
    """
    carries = len(tracks) <= EMBEDDED
    rows = [
        {
            "name": name_of(track),
            "path": track["path"],
            "tempo": track["tempo"],
            "key": track["key"],
            "x": round(float(x), 4),
            "y": round(float(y), 4),
            "sound": excerpt(track) if carries else _link(track),
        }
        for track, (x, y) in zip(tracks, points, strict=True)
    ]
    data = json.dumps(rows, ensure_ascii=False).replace("<", "\\u003c")  # no name can end the script
    template = resources.files(__package__).joinpath("atlas.html").read_text(encoding="utf-8")
    return template.replace("/*WHAT*/tracks", _what(tracks)).replace("/*TRACKS*/[]", data)


def draw_picture(tracks: Sequence[dict[str, Any]], points: NDArray[np.float32], path: Path) -> None:
    """Draw the picture.

    Parameters
    ----------
    tracks : sequence of dict
        Artist, title, path, tempo.
    points : ndarray, shape=(tracks, 2)
        In 0..1.
    path : Path
        PNG to write.

    Raises
    ------
    ModelError
        If matplotlib isn't installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ModelError('maps need the extra "maps"; install it with: pip install "glissando[maps]"') from error
    figure = Figure(figsize=(11, 8), layout="constrained")
    axes = figure.subplots()
    tempi = np.array([track["tempo"] or np.nan for track in tracks])
    dots = axes.scatter(
        points[:, 0], points[:, 1], c=tempi, cmap="viridis", s=70 if len(tracks) <= 100 else 14, plotnonfinite=True
    )
    if len(tracks) <= 60:
        for track, (x, y) in zip(tracks, points, strict=True):
            axes.annotate(
                name_of(track)[-28:] if "start" in track else (track["title"] or Path(track["path"]).stem)[:28],
                (x, y),
                xytext=(6, 4),
                textcoords="offset points",
                fontsize=7,
            )
    figure.colorbar(dots, ax=axes, label="tempo estimate (BPM)", shrink=0.8)
    axes.set(xticks=[], yticks=[], title=f"{len(tracks)} {_what(tracks)}: near is similar")
    for side in axes.spines.values():
        side.set_visible(False)
    figure.savefig(path, dpi=130)


def excerpt(track: dict[str, Any]) -> str | None:
    """Cut twelve seconds from the middle of a track or moment.

    Parameters
    ----------
    track : dict
        Path and duration; start and end of a moment.

    Returns
    -------
    str or None
        A data URI; None if the file can't be read now.
    """
    middle = (track.get("start", 0.0) + track.get("end", track["duration"])) / 2
    start = max(0.0, middle - EXCERPT / 2)
    try:
        return as_data_uri(read(track["path"], start=start, end=start + EXCERPT))
    except AudioError:
        return None


def name_of(track: dict[str, Any]) -> str:
    """Name a track, or a moment by its track and start.

    Parameters
    ----------
    track : dict
        Path, artist and title; start of a moment.

    Returns
    -------
    str
        For people.
    """
    name = " - ".join(filter(None, (track["artist"], track["title"]))) or Path(track["path"]).stem
    return name if "start" not in track else f"{name} @{int(track['start']) // 60}:{int(track['start']) % 60:02}"


def _what(tracks: Sequence[dict[str, Any]]) -> str:
    return "moments" if tracks and "start" in tracks[0] else "tracks"


def _link(track: dict[str, Any]) -> str | None:
    """Where a browser finds the file, and the moment in it."""
    if "://" in track["path"]:
        return None
    moment = f"#t={track['start']:g},{track['end']:g}" if "start" in track else ""
    return Path(track["path"]).as_uri() + moment
