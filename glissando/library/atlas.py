"""The map of a library as a picture, and as one self-contained page that plays what is clicked."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..audio import read
from ..errors import AudioError, ModelError

EMBEDDED = 120  # tracks; up to here the page carries excerpts, beyond it links to the files
EXCERPT, EXCERPT_RATE = 12.0, 22_050  # seconds, Hz


def draw_page(tracks: Sequence[dict[str, Any]], points: NDArray[np.float32]) -> str:
    """Draw the page.

    Parameters
    ----------
    tracks : sequence of dict
        Path, artist, title, tempo, key, duration.
    points : ndarray, shape=(tracks, 2)
        In 0..1.

    Returns
    -------
    str
        HTML without outside parts; with excerpts of 12 s if there are at most 120 tracks.
    """
    carries = len(tracks) <= EMBEDDED
    rows = [
        {
            "name": " - ".join(filter(None, (track["artist"], track["title"]))) or Path(track["path"]).stem,
            "path": track["path"],
            "tempo": track["tempo"],
            "key": track["key"],
            "x": round(float(x), 4),
            "y": round(float(y), 4),
            "sound": _excerpt(track)
            if carries
            else Path(track["path"]).as_uri()
            if "://" not in track["path"]
            else None,
        }
        for track, (x, y) in zip(tracks, points, strict=True)
    ]
    data = json.dumps(rows, ensure_ascii=False).replace("<", "\\u003c")  # no name can end the script
    template = resources.files(__package__).joinpath("atlas.html").read_text(encoding="utf-8")
    return template.replace("/*TRACKS*/[]", data)


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
                (track["title"] or Path(track["path"]).stem)[:28],
                (x, y),
                xytext=(6, 4),
                textcoords="offset points",
                fontsize=7,
            )
    figure.colorbar(dots, ax=axes, label="tempo estimate (BPM)", shrink=0.8)
    axes.set(xticks=[], yticks=[], title=f"{len(tracks)} tracks: near is similar")
    for side in axes.spines.values():
        side.set_visible(False)
    figure.savefig(path, dpi=130)


def _excerpt(track: dict[str, Any]) -> str | None:
    """Twelve seconds from the middle, as a data URI; None if the file can't be read now."""
    import soundfile

    middle = max(0.0, track["duration"] / 2 - EXCERPT / 2)
    try:
        audio = read(track["path"], sample_rate=EXCERPT_RATE, start=middle, end=middle + EXCERPT)
    except AudioError:
        return None
    fade = np.minimum(1, np.arange(len(audio.samples)) / (0.02 * EXCERPT_RATE))
    samples = audio.samples * fade * fade[::-1]
    buffer = io.BytesIO()
    peak = float(np.abs(samples).max())
    soundfile.write(buffer, samples / max(1.0, peak), EXCERPT_RATE, format="MP3", subtype="MPEG_LAYER_III")
    return "data:audio/mpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
