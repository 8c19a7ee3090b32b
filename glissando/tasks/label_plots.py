"""Pictures of labels: over time (tag-o-gram), and which are taken for which (confusion matrix)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

MOST = 24  # rows of a tag-o-gram


def tagogram(
    path: Path,
    probabilities: Array,
    times: Array,
    names: Sequence[str],
    *,
    truth: Sequence[str] = (),
    segments: Sequence[tuple[str, float, float]] = (),
    whole: bool = False,
) -> None:
    """Draw labels over time, the most probable of many.

    Parameters
    ----------
    path : Path
        PNG file to write.
    probabilities : ndarray, shape=(classes, frames)
        From 0 to 1.
    times : ndarray, shape=(frames,)
        Centres, evenly spaced, in seconds.
    names : sequence of str
        Of the classes.
    truth : sequence of str
        Labels that hold for the whole; their names are bold.
    segments : sequence of (str, float, float)
        Labels that hold from a time to another; drawn as lines.
    whole : bool
        Draw the means over time beside.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    told = {*truth, *(name for name, _, _ in segments)}
    loud = sorted(range(len(names)), key=lambda k: (names[k] not in told, -probabilities[k].max(initial=0)))[:MOST]
    rows = sorted(loud, key=lambda k: probabilities[k].mean(), reverse=True) if whole else sorted(loud)
    figure = Figure(figsize=(11, 1.4 + 0.3 * len(rows)), layout="constrained")
    FigureCanvasAgg(figure)
    widths = [4, 1] if whole else [1]
    axis, *beside = figure.subplots(1, len(widths), sharey=True, squeeze=False, width_ratios=widths)[0]
    half = (times[1] - times[0]) / 2 if len(times) > 1 else max(0.5, float(times[0]) if len(times) else 0.5)
    extent = (times[0] - half, times[-1] + half, len(rows) - 0.5, -0.5) if len(times) else (0, 1, len(rows) - 0.5, -0.5)
    drawn = axis.imshow(
        probabilities[rows], aspect="auto", extent=extent, cmap="magma", vmin=0, vmax=1, interpolation="nearest"
    )
    axis.set_yticks(range(len(rows)), [names[k] for k in rows])
    for tick, k in zip(axis.get_yticklabels(), rows, strict=True):
        tick.set_fontweight("bold" if names[k] in told else "normal")
    place = {names[k]: row for row, k in enumerate(rows)}
    for name, start, end in segments:
        if name in place:
            axis.hlines(place[name] + 0.38, start, end, color="tab:cyan", linewidth=3)
    axis.set(xlabel="seconds", xlim=extent[:2], title="Probability" + (", and truth (lines)" if segments else ""))
    for bars in beside:
        bars.barh(range(len(rows)), [probabilities[k].mean() for k in rows], color="tab:purple")
        bars.set(xlim=(0, 1), title="Mean", xlabel="probability")
    if not beside:
        figure.colorbar(drawn, ax=axis, pad=0.01)
    figure.savefig(path, dpi=110)


def confusion(path: Path, counts: Array, names: Sequence[str]) -> None:
    """Draw which classes are taken for which.

    Parameters
    ----------
    path : Path
        PNG file to write.
    counts : ndarray, shape=(classes, classes)
        Examples by class (rows) and estimate (columns).
    names : sequence of str
        Of the classes.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    side = 3 + 0.42 * len(names)
    figure = Figure(figsize=(side + 0.6, side), layout="constrained")
    FigureCanvasAgg(figure)
    axis = figure.subplots()
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    recall = float(shares.diagonal()[counts.sum(1) > 0].mean())
    drawn = axis.imshow(shares, cmap="Purples", vmin=0, vmax=1)
    axis.set_xticks(range(len(names)), names, rotation=45, ha="right")
    axis.set_yticks(range(len(names)), names)
    axis.set(xlabel="estimate", ylabel="truth", title=f"Mean recall {recall:.3f}")
    if len(names) <= 40:
        for row, column in zip(*np.nonzero(counts), strict=True):
            axis.text(
                column, row, f"{counts[row, column]:.0f}", ha="center", va="center", fontsize="small",
                color="white" if shares[row, column] > 0.6 else "black",
            )  # fmt: skip
    figure.colorbar(drawn, ax=axis, label="share of the true class", shrink=0.8)
    figure.savefig(path, dpi=110)
