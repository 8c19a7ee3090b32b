"""Annotations to targets at given frame times."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..errors import RecipeError
from .annotations import Annotations, F0Curve, Segment, hz_to_midi

LOWEST = 32.7  # Hz, C1
BINS_PER_SEMITONE = 5
BINS = 360  # six octaves


def frame_times(count: int, frame_rate: float, *, first: float = 0.0) -> NDArray[np.float64]:
    """Tell the times of a feature's frames.

    Parameters
    ----------
    count : int
        Number of frames.
    frame_rate : float
        Frames per second.
    first : float
        Centre of the first frame in seconds; 0 for features that pad.

    Returns
    -------
    ndarray, shape=(count,)
        In seconds.
    """
    return first + np.arange(count) / frame_rate


def pitch_matrix(
    annotations: Annotations,
    times: NDArray[np.float64],
    *,
    lowest: float = LOWEST,
    bins_per_semitone: int = BINS_PER_SEMITONE,
    bins: int = BINS,
) -> NDArray[np.uint8]:
    """Say which pitches sound when.

    Parameters
    ----------
    annotations : Annotations
        f0 curves count where there are any, for they are finer; notes otherwise.
    times : ndarray, shape=(frames,)
        Centres of the frames in seconds, rising.
    lowest : float
        Frequency of the lowest bin in Hz.
    bins_per_semitone : int
        5 gives fifths of a semitone.
    bins : int
        Height of the matrix; pitches outside it are left out.

    Returns
    -------
    ndarray, shape=(bins, frames)
        1 where a note or curve sounds, in its nearest bin; a note sounds from its onset until before its offset.
    """
    matrix = np.zeros((bins, len(times)), np.uint8)
    base = float(hz_to_midi(lowest))
    if annotations.curves:
        for curve in annotations.curves:
            pitches = _at(curve, times)
            sounding = np.flatnonzero(np.isfinite(pitches))
            rows = np.rint((pitches[sounding] - base) * bins_per_semitone).astype(np.int64)
            inside = (rows >= 0) & (rows < bins)
            matrix[rows[inside], sounding[inside]] = 1
        return matrix
    firsts = np.searchsorted(times, annotations.notes[:, 0], side="left")
    lasts = np.searchsorted(times, annotations.notes[:, 1], side="left")
    rows = np.rint((annotations.notes[:, 2] - base) * bins_per_semitone).astype(np.int64)
    for row, first, last in zip(rows, firsts, lasts, strict=True):
        if 0 <= row < bins:
            matrix[row, first:last] = 1
    return matrix


def segment_classes(
    segments: Sequence[Segment], times: NDArray[np.float64], classes: Sequence[str], *, otherwise: int = -1
) -> NDArray[np.int64]:
    """Say which class holds at every frame.

    Parameters
    ----------
    segments : sequence of Segment
        Chords, sections; later ones count where they overlap.
    times : ndarray, shape=(frames,)
        Centres of the frames in seconds, rising.
    classes : sequence of str
        Labels in the order of their numbers.
    otherwise : int
        Number for frames outside every segment.

    Returns
    -------
    ndarray, shape=(frames,)
        Numbers of classes.

    Raises
    ------
    RecipeError
        If a label is none of the classes.
    """
    number = {label: i for i, label in enumerate(classes)}
    found = np.full(len(times), otherwise, np.int64)
    for segment in segments:
        if segment.label not in number:
            raise RecipeError(f"label {segment.label!r} at {segment.start:.2f} s is none of the {len(classes)} classes")
        found[np.searchsorted(times, segment.start) : np.searchsorted(times, segment.end)] = number[segment.label]
    return found


def segment_shares(
    segments: Sequence[Segment], times: NDArray[np.float64], classes: Sequence[str]
) -> NDArray[np.float32]:
    """Say which share of every frame each class covers.

    Parameters
    ----------
    segments : sequence of Segment
        Any number at a time.
    times : ndarray, shape=(frames,)
        Centres of the frames in seconds, evenly spaced.
    classes : sequence of str
        Labels in the order of their numbers; segments with others are left out.

    Returns
    -------
    ndarray, shape=(classes, frames)
        From 0 to 1.
    """
    found = np.zeros((len(classes), len(times)), np.float32)
    half = half_frame(times)
    number = {label: i for i, label in enumerate(classes)}
    for one in segments:
        if one.label in number:
            first, last = np.searchsorted(times, [one.start - half, one.end + half])
            near = times[first:last]
            covered = np.minimum(one.end, near + half) - np.maximum(one.start, near - half)
            found[number[one.label], first:last] += covered.clip(0) / (2 * half)
    return found.clip(0, 1)


def half_frame(times: NDArray[np.float64]) -> float:
    """Tell how far a frame reaches from its centre.

    Parameters
    ----------
    times : ndarray, shape=(frames,)
        Centres, evenly spaced, in seconds.

    Returns
    -------
    float
        In seconds; one half where there is no second frame to tell by.
    """
    return float(times[1] - times[0]) / 2 if len(times) > 1 else 0.5


def label_vector(labels: Sequence[str], classes: Sequence[str]) -> NDArray[np.float32]:
    """Say which global labels hold.

    Parameters
    ----------
    labels : sequence of str
        Of an entry; those that are no classes are left out, as rare tags are.
    classes : sequence of str
        Labels in the order of their numbers.

    Returns
    -------
    ndarray, shape=(classes,)
        0 or 1.
    """
    return np.array([label in labels for label in classes], np.float32)


def label_class(annotations: Annotations, name: str, classes: Sequence[str]) -> int:
    """Say which one class an entry is of.

    Parameters
    ----------
    annotations : Annotations
        Of the entry.
    name : str
        Of the label: genre, class.
    classes : sequence of str
        Labels in the order of their numbers.

    Returns
    -------
    int
        Number of the class.

    Raises
    ------
    RecipeError
        If it has not exactly one label of that name, or one that is no class.
    """
    labels = annotations.labels.get(name, ())
    if len(labels) != 1 or labels[0] not in classes:
        raise RecipeError(
            f"{name} is {', '.join(labels) or 'not given'}; exactly one of {len(classes)} classes is needed"
        )
    return list(classes).index(labels[0])


def _at(curve: F0Curve, times: NDArray[np.float64]) -> NDArray[np.float64]:
    """Read a curve at the nearest of its points, and nothing further away than one of its own steps."""
    if not len(curve.times):
        return np.full(len(times), np.nan)
    right = np.searchsorted(curve.times, times).clip(1, max(1, len(curve.times) - 1)).clip(max=len(curve.times) - 1)
    left = np.maximum(right - 1, 0)
    nearest = np.where(times - curve.times[left] <= curve.times[right] - times, left, right)
    step = float(np.median(np.diff(curve.times))) if len(curve.times) > 1 else 0.01
    near = np.abs(curve.times[nearest] - times) <= step
    return np.where(near, curve.pitches[nearest], np.nan)
