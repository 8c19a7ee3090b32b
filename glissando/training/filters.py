"""What the first layer of a model on waveforms has learned, as a picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ..nn import Model
from ..nn.sincnet import SincFilters

POINTS = 2048  # of the transform in which they are looked at
SHOWN = 8  # impulse responses


def first_filters(model: Model) -> NDArray[np.float64] | None:
    """Find the filters that a model lays on a waveform.

    Parameters
    ----------
    model : Model
        Trained, or not.

    Returns
    -------
    ndarray, shape=(filters, taps), or None
        Impulse responses; None if the first layer with weights is no Conv-1D on a waveform and no SincNet.
    """
    for layer in model.modules():
        with torch.no_grad():
            if isinstance(layer, SincFilters):
                return layer.filters()[:, 0].double().numpy()
            if isinstance(layer, nn.Conv1d) and layer.in_channels == 1:
                return layer.weight[:, 0].double().numpy()
        if isinstance(layer, nn.Conv1d | nn.Conv2d | nn.Linear):
            return None
    return None


def responses(filters: NDArray[np.float64], sample_rate: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Compute what filters let through.

    Parameters
    ----------
    filters : ndarray, shape=(filters, taps)
        Impulse responses.
    sample_rate : float
        In Hz.

    Returns
    -------
    centres : ndarray, shape=(filters,)
        Centroids of the squared power in Hz, which are where the loudest is.
    levels : ndarray, shape=(filters, bins)
        In dB below each filter's best, from 0 Hz to half the sample rate.
    """
    power = np.abs(np.fft.rfft(filters, max(POINTS, filters.shape[1]))) ** 2
    power /= power.max(1, keepdims=True).clip(1e-20)
    centres = power**2 @ np.linspace(0, sample_rate / 2, power.shape[1]) / (power**2).sum(1).clip(1e-20)
    return centres, 10 * np.log10(power + 1e-10)


def plot_filters(path: Path, filters: NDArray[np.float64], sample_rate: float) -> None:
    """Draw learned filters by their centre frequencies: magnitude responses, and some impulse responses.

    Parameters
    ----------
    path : Path
        PNG file to write.
    filters : ndarray, shape=(filters, taps)
        Impulse responses.
    sample_rate : float
        In Hz.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    centres, levels = responses(filters, sample_rate)
    order = np.argsort(centres, kind="stable")
    filters, centres, levels = filters[order], centres[order], levels[order]
    figure = Figure(figsize=(11, 5), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2, width_ratios=[3, 2])
    extent = (0, sample_rate / 2000, -0.5, len(filters) - 0.5)
    drawn = left.imshow(levels, origin="lower", aspect="auto", extent=extent, cmap="magma", vmin=-40, vmax=0)
    left.plot(centres / 1000, np.arange(len(centres)), color="tab:cyan", linewidth=1, label="centre")
    left.set(xlabel="kHz", ylabel="filter, by its centre", title="Magnitude responses")
    left.legend(loc="lower right")
    figure.colorbar(drawn, ax=left, label="dB")
    time = (np.arange(filters.shape[1]) - filters.shape[1] // 2) / sample_rate * 1000
    for row, number in enumerate(np.linspace(0, len(filters) - 1, min(SHOWN, len(filters))).round().astype(int)):
        one = filters[number]
        right.plot(time, row + 0.45 * one / max(1e-12, np.abs(one).max()), linewidth=0.8, color="tab:purple")
        right.text(time[0], row + 0.2, f"{centres[number]:.0f} Hz", fontsize="small")
    right.set(xlabel="ms", title="Impulse responses", yticks=[])
    figure.savefig(path, dpi=110)
