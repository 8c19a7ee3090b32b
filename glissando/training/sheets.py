"""Sheets of spectrograms, to look at many sounds at once."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import torch

from ..audio import Audio
from ..features import LogSTFT

COLUMNS, MOST = 8, 64  # sounds in a row, and on a sheet
RANGE = 80.0  # dB below full scale that are drawn
DB_A_UNIT = 40 / math.log(10)  # of half a natural logarithm


def draw_sheet(path: str | Path, sounds: Mapping[str, Audio], *, columns: int = COLUMNS) -> None:
    """Draw the spectrograms of sounds, on one scale; of many, the first 64.

    Parameters
    ----------
    path : str or Path
        PNG file to write.
    sounds : mapping of str to Audio
        By what is written above them.
    columns : int
        Sounds in a row.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    shown = [*sounds.items()][:MOST]
    columns = min(columns, len(shown))
    rows = math.ceil(len(shown) / columns)
    figure = Figure(figsize=(1 + 1.9 * columns, 0.5 + 1.9 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(rows, columns, squeeze=False, sharey=True)
    for axes in grid.flat[len(shown) :]:
        axes.set_axis_off()
    for axes, (name, audio) in zip(grid.flat, shown, strict=False):
        with torch.inference_mode():
            heard = LogSTFT(audio.sample_rate)(torch.from_numpy(audio.samples.copy())[None])[0, 0]
        axes.imshow(
            DB_A_UNIT * heard.numpy(), origin="lower", aspect="auto", cmap="magma", vmin=-RANGE, vmax=0,
            extent=(0, audio.duration, 0, audio.sample_rate / 2000),
        )  # fmt: skip
        axes.set_title(name, fontsize=6)
        axes.tick_params(labelsize=5)
    figure.supxlabel("s", fontsize=7)
    figure.supylabel("kHz", fontsize=7)
    figure.savefig(path, dpi=110)
