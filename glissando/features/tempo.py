"""Tempo from onset autocorrelation on the log-rate axis."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .rhythm import log_rates

SLOWEST, FASTEST = 40.0, 220.0  # BPM that are considered
# Preferred tempo in BPM and its spread in nepers, and how much each metrical level speaks for a tempo: fitted to
# tempocnn's labels on Debian's game music; the demo tracks were not used.
PREFERRED, SPREAD = 106.0, 0.55
LEVELS = {1 / 4: 1.0, 1 / 2: 1.0, 2 / 3: 0.5, 1: 1.0, 3 / 2: -0.1, 2: 0.8, 4: 0.4}


@dataclass(frozen=True)
class TempoEstimate:
    """A tempo, how sure it is, and the others it might be.

    Parameters
    ----------
    bpm : float
        Beats per minute.
    confidence : float
        0..1: the share of this tempo among the candidates, times the strength of its pulse.
    candidates : tuple of float
        The best tempi at other metrical levels or of other pulses, in BPM, the estimate first.
    """

    bpm: float
    confidence: float
    candidates: tuple[float, ...]


def estimate_tempo(autocorrelation: NDArray[np.float32]) -> TempoEstimate | None:
    """Estimate the tempo.

    Parameters
    ----------
    autocorrelation : ndarray, shape=(rates,)
        Onset autocorrelation at `log_rates`; finer than 200 rates to be within 4 %.

    Returns
    -------
    TempoEstimate or None
        None if nothing repeats, as in a drone.
    """
    rates = np.log(60 * log_rates(len(autocorrelation)).numpy().astype(np.float64))  # log BPM
    salience = sum(
        weight * np.interp(rates + np.log(level), rates, autocorrelation, left=0, right=0)
        for level, weight in LEVELS.items()
    ) / sum(map(abs, LEVELS.values()))
    strength = np.maximum(salience, 0)
    allowed = (rates >= np.log(SLOWEST)) & (rates <= np.log(FASTEST))
    scores = np.where(allowed, strength * np.exp(-0.5 * ((rates - np.log(PREFERRED)) / SPREAD) ** 2), 0)
    inner = scores[1:-1]
    peaks = np.flatnonzero((inner > 0) & (inner >= scores[:-2]) & (inner > scores[2:])) + 1
    if not len(peaks):
        return None
    best = peaks[np.argsort(-scores[peaks])][:4]
    candidates = tuple(float(np.exp(peak_place(rates, scores, i))) for i in best)
    share = scores[best[0]] / scores[best].sum()
    pulse = min(1.0, 2 * float(strength[best[0]]))
    return TempoEstimate(candidates[0], float(share * pulse), candidates)


def peak_place(axis: NDArray[np.float64], values: NDArray[np.float64], i: int) -> float:
    """Place a peak between the points, by a parabola through three of them.

    Parameters
    ----------
    axis, values : ndarray, shape=(points,)
        Evenly spaced places, and what is there.
    i : int
        The highest point.

    Returns
    -------
    float
        On the axis; the point itself at its ends.
    """
    if not 0 < i < len(values) - 1:
        return float(axis[i])
    left, centre, right = values[i - 1 : i + 2]
    bend = left - 2 * centre + right
    offset = 0.5 * (left - right) / bend if abs(bend) > 1e-12 else 0.0
    return float(axis[i] + np.clip(offset, -0.5, 0.5) * (axis[1] - axis[0]))
