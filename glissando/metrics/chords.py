"""Scores of chords with the seconds they rest on, so that a set can be scored as one long recording."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

COMPARED = ("root", "thirds", "majmin", "mirex", "sevenths", "tetrads")
SEGMENTED = ("underseg", "overseg", "seg")
SPARE = 1e-6  # seconds between ends that are the same

Intervals = NDArray[np.float64]


def chord_scores(
    reference: Intervals, reference_labels: Sequence[str], estimate: Intervals, estimate_labels: Sequence[str]
) -> dict[str, tuple[float, float]]:
    """Compare chords by `mir_eval.chord`.

    Parameters
    ----------
    reference : ndarray, shape=(segments, 2)
        In seconds, end to end.
    reference_labels : sequence of str
        In Harte's syntax.
    estimate : ndarray, shape=(segments, 2)
        End to end; what lies outside the reference does not count, and what is left open is no chord.
    estimate_labels : sequence of str
        In Harte's syntax.

    Returns
    -------
    dict of str to (float, float)
        Score from 0 to 1, and the seconds of which it is the mean: share of right chords by root, thirds, majmin,
        mirex, sevenths and tetrads, and segmentation: underseg, overseg, seg (the lesser of both). A comparison is
        missing if nothing of the reference can be compared by it.

    References
    ----------
    Pauwels & Peeters, "Evaluating automatically estimated chord sequences", ICASSP 2013. Raffel et al., "mir_eval: a
    transparent implementation of common MIR metrics", ISMIR 2014.
    """
    from mir_eval import chord, util

    if not len(reference) or reference[-1, 1] - reference[0, 0] <= SPARE:
        return {}
    start, end = float(reference[0, 0]), float(reference[-1, 1])
    if len(estimate):
        estimate, labels = util.adjust_intervals(
            estimate, [*estimate_labels], start, end, chord.NO_CHORD, chord.NO_CHORD
        )
    else:
        estimate, labels = np.array([[start, end]]), [chord.NO_CHORD]
    joined, wanted, given = util.merge_labeled_intervals(reference, [*reference_labels], estimate, labels)
    seconds = util.intervals_to_durations(joined)
    found: dict[str, tuple[float, float]] = {}
    for name in COMPARED:
        right = getattr(chord, name)(wanted, given)
        counted = float(seconds[right >= 0].sum())
        if counted > SPARE:
            found[name] = (float((seconds * right)[right >= 0].sum() / counted), counted)
    ours = chord.merge_chord_intervals(estimate, labels)
    theirs = chord.merge_chord_intervals(reference, [*reference_labels])
    under, over = float(chord.underseg(theirs, ours)), float(chord.overseg(theirs, ours))
    for name, value in zip(SEGMENTED, (under, over, min(under, over)), strict=True):
        found[name] = (value, end - start)
    return found
