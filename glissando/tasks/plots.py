"""Pictures of what tasks estimate."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class Pitched(Protocol):
    """Pitches by frame."""

    @property
    def times(self) -> Array:
        """Of the frames, in seconds."""

    @property
    def frequencies(self) -> list[Array]:
        """In Hz, by frame."""


def salience(
    path: Path,
    values: Array,
    times: Array,
    lowest: float,
    bins_per_semitone: int,
    estimate: Pitched,
    truth: Pitched | None = None,
) -> None:
    """Draw a salience with the pitches that were picked from it.

    Parameters
    ----------
    path : Path
        PNG file to write.
    values : ndarray, shape=(frames, bins)
        From 0 to 1.
    times : ndarray, shape=(frames,)
        In seconds.
    lowest : float
        MIDI number of the lowest bin.
    bins_per_semitone : int
        Bins.
    estimate : FramePitches
        Drawn as dots.
    truth : FramePitches, optional
        Drawn below it.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = 2 if truth is not None else 1
    figure = Figure(figsize=(11, 4.2 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    found = np.flatnonzero(values.max(0) > 0.1)
    low = lowest + (found[0] if len(found) else 0) / bins_per_semitone - 3
    high = lowest + (found[-1] if len(found) else values.shape[1]) / bins_per_semitone + 3
    axes = figure.subplots(rows, 1, sharex=True, squeeze=False)[:, 0]
    extent = (times[0], times[-1], lowest, lowest + values.shape[1] / bins_per_semitone)
    for axis, title in zip(axes, ("Salience and estimate", "Estimate and truth"), strict=False):
        axis.set(ylabel="pitch", ylim=(low, high), title=title)
        octaves = np.arange(np.ceil(low / 12) * 12, high, 12)
        axis.set_yticks(octaves, [f"C{int(key) // 12 - 1}" for key in octaves])
    axes[0].imshow(values.T, origin="lower", aspect="auto", extent=extent, cmap="magma", vmin=0, vmax=1)
    _dots(axes[0], estimate, "tab:cyan", 1.0)
    if truth is not None:
        _dots(axes[1], truth, "tab:gray", 12.0, "truth")
        _dots(axes[1], estimate, "tab:blue", 1.5, "estimate")
        axes[1].legend(loc="upper right", markerscale=3)
        axes[1].grid(alpha=0.3)
    axes[-1].set_xlabel("seconds")
    figure.savefig(path, dpi=110)


def rates(path: Path, values: Array, times: Array, bpm: Array, estimate: Array, truth: Array | None = None) -> None:
    """Draw distributions over beat and bar rates, with the tempo that was read from them.

    Parameters
    ----------
    path : Path
        PNG file to write.
    values : ndarray, shape=(2, rates, frames)
        Of beats and of bars, from 0 to 1.
    times : ndarray, shape=(frames,)
        In seconds.
    bpm : ndarray, shape=(rates,)
        Log-spaced.
    estimate : ndarray, shape=(frames,)
        Tempo in BPM.
    truth : ndarray, shape=(2, frames), optional
        Beats and bars a minute.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 7), layout="constrained")
    FigureCanvasAgg(figure)
    half = (times[1] - times[0]) / 2 if len(times) > 1 else 1.0
    extent = (times[0] - half, times[-1] + half, np.log2(bpm[0]), np.log2(bpm[-1]))
    ticks = [tempo for tempo in (15, 20, 30, 40, 60, 80, 120, 160, 240) if bpm[0] <= tempo <= bpm[-1]]
    for row, (axis, title) in enumerate(zip(figure.subplots(2, 1, sharex=True), ("Beats", "Bars"), strict=True)):
        axis.imshow(np.sqrt(values[row]), origin="lower", aspect="auto", cmap="magma", vmin=0, extent=extent)
        axis.set(title=f"{title} a minute", ylim=np.log2([ticks[0], ticks[-1]] if row == 0 else [ticks[0], 120]))
        axis.set_yticks(np.log2(ticks), [str(tempo) for tempo in ticks])
        if truth is not None:
            axis.plot(times, np.log2(truth[row]), "_", color="tab:gray", markersize=14, label="truth")
    axes = figure.axes
    axes[0].plot(times, np.log2(estimate), ".", color="tab:cyan", label="estimate")
    axes[0].legend(loc="upper right")
    axes[-1].set_xlabel("seconds")
    figure.savefig(path, dpi=110)


def _dots(axis: Any, pitches: Pitched, color: str, size: float, label: str | None = None) -> None:
    times = np.repeat(pitches.times, [len(one) for one in pitches.frequencies])
    hz = np.concatenate([*pitches.frequencies, np.zeros(0)])
    axis.scatter(times, 69 + 12 * np.log2(hz / 440), s=size, color=color, linewidths=0, label=label)
