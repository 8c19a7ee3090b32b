"""Splits that hold out pairs of instrument and pitch, for what must make a note that it never heard."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping

import numpy as np

from ..errors import RecipeError
from .annotations import COMBINATION
from .dataset import DataSet
from .splits import Split, checked_fractions, in_order


def split_combinations(data: DataSet, *, fractions: Mapping[str, float] | None = None, seed: int = 0) -> Split:
    """Hold out pairs of instrument and pitch, both of which are learned in other pairs.

    All notes of a pair, louder or softer, lie on one side; entries without instrument or pitch are learned.

    Parameters
    ----------
    data : DataSet
        Of notes.
    fractions : mapping, optional
        Share of the pairs by part, as of `split_by`; of the parts after the first fewer, where no more can be held out.
    seed : int
        Of the draw.

    Returns
    -------
    Split
        The same one for the same seed and entries.

    Raises
    ------
    RecipeError
        If the fractions make no sense, or no pairs can be held out.
    """
    first, *others = (fractions := checked_fractions(fractions))
    pairs: dict[tuple[str, int], list[str]] = defaultdict(list)
    parts: dict[str, list[str]] = {name: [] for name in fractions}
    for key, entry in data.items():
        instrument, pitch = entry.annotations.instrument, entry.annotations.pitch
        if instrument is None or pitch is None:
            parts[first].append(key)
        else:
            pairs[instrument, pitch].append(key)
    left = Counter(one for pair in pairs for one in pair)
    lacking = {name: round(fractions[name] * len(pairs)) for name in others}
    ordered = sorted(pairs)  # not the order of the file, which may change
    for number in np.random.default_rng(seed).permutation(len(ordered)):
        pair, to = ordered[number], first
        if any(lacking.values()) and min(left[one] for one in pair) > 1:
            to = max(others, key=lambda name: lacking[name] / fractions[name])
            lacking[to] -= 1
            left.subtract(pair)
        parts[to] += pairs[pair]
    if not all(parts.values()):
        raise RecipeError(
            f"data set {data.name}: has {len(pairs)} pairs of instrument and pitch, of which too few can be held out "
            f"for {', '.join(fractions)} while each instrument and each pitch stays in others"
        )
    return Split(data.name, in_order(data, parts), COMBINATION, "random", seed)
