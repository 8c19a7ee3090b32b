"""Pictures of chords over time."""

from __future__ import annotations

import colorsys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..data import Segment
from .chord_labels import parse_chord

INCHES = 0.45  # a second
NARROW, WIDE = 11.0, 60.0  # inches
FIFTHS = 7  # semitones; neighbours on the circle of fifths have like colours


def timeline(
    path: Path,
    values: ArrayLike,
    times: NDArray[np.float64],
    ticks: Mapping[int, str],
    estimate: Sequence[Segment],
    truth: Sequence[Segment] | None = None,
) -> None:
    """Draw chords below what they were heard in.

    Parameters
    ----------
    path : Path
        PNG file to write.
    values : array_like, shape=(bins, frames)
        Such as a CQT, or probabilities of roots.
    times : ndarray, shape=(frames,)
        In seconds.
    ticks : mapping of int to str
        Names of bins.
    estimate : sequence of Segment
        Chords.
    truth : sequence of Segment, optional
        Drawn below it.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    image = np.asarray(values, np.float32)
    step = float(times[1] - times[0]) if len(times) > 1 else 1.0
    length = float(times[-1] + step / 2) if len(times) else 1.0
    rows = {"chords": estimate} if truth is None else {"estimate": estimate, "truth": truth}
    width = float(np.clip(INCHES * length, NARROW, WIDE))
    figure = Figure(figsize=(width, 3.6 + 0.7 * len(rows)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1 + len(rows), 1, sharex=True, height_ratios=[5] + [1] * len(rows))
    first = float(times[0]) if len(times) else 0.0
    axes[0].imshow(
        image, origin="lower", aspect="auto", cmap="magma", extent=(first - step / 2, length, -0.5, len(image) - 0.5)
    )
    axes[0].set_yticks([*ticks], [*ticks.values()])
    for axis, (name, chords) in zip(axes[1:], rows.items(), strict=True):
        _strip(axis, chords, width / length)
        axis.set(ylabel=name, ylim=(0, 1), yticks=[])
    axes[-1].set(xlabel="seconds", xlim=(0, length))
    figure.savefig(path, dpi=100)


def _strip(axis: Any, chords: Sequence[Segment], inches: float) -> None:
    for one in chords:
        axis.axvspan(one.start, one.end, color=_colour(one.label), linewidth=0)
        axis.axvline(one.end, color="white", linewidth=0.6)
        name = one.label.replace(":maj", "", 1) if one.label.endswith(":maj") else one.label
        flat = (one.end - one.start) * inches > 0.085 * len(name)
        if flat or (one.end - one.start) * inches > 0.13:
            axis.text(
                (one.start + one.end) / 2, 0.5, name,
                ha="center", va="center", fontsize=8, rotation=0 if flat else 90, clip_on=True,
            )  # fmt: skip


def _colour(label: str) -> tuple[float, float, float]:
    """Hue by root along the circle of fifths; minor thirds are darker, and what has no root is grey."""
    chord = parse_chord(label)
    if chord.root < 0:
        return 0.85, 0.85, 0.85
    return colorsys.hls_to_rgb(chord.root * FIFTHS % 12 / 12, 0.62 if 3 in chord.quality else 0.78, 0.65)
