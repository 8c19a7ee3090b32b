"""Which entries a recipe means, and on which side of the split each lies."""

from __future__ import annotations

import logging

from ..data import DataSet, Entry, Split, load, official, official_fold, split_by, split_combinations
from ..errors import RecipeError
from .recipe import DataPart, Source

PARTS = ("train", "valid", "test")

logger = logging.getLogger("glissando")


def all_chosen(part: DataPart) -> DataSet:
    """Open all data of a recipe.

    Parameters
    ----------
    part : DataPart
        Which entries of which data sets.

    Returns
    -------
    DataSet
        Joined, where there are several.

    Raises
    ------
    RecipeError
        If one has none, or two have an entry of one name.
    """
    return _joined([chosen(source) for source in (part, *part.also)])


def draw_splits(part: DataPart) -> tuple[DataSet, Split]:
    """Open all data of a recipe and part each set in its own way.

    Parameters
    ----------
    part : DataPart
        Which data.

    Returns
    -------
    DataSet
        Joined.
    Split
        Joined part by part.

    Raises
    ------
    RecipeError
        As of `chosen` and `draw_split`.
    """
    sources = (part, *part.also)
    sets = [chosen(source) for source in sources]
    splits = [draw_split(data, source) for data, source in zip(sets, sources, strict=True)]
    if len(splits) == 1:
        return sets[0], splits[0]
    parts = {name: tuple(key for split in splits for key in split.parts.get(name, ())) for name in PARTS}
    origin = ", ".join(dict.fromkeys(split.origin for split in splits))
    joined = _joined(sets)
    return joined, Split(joined.name, parts, None, origin, part.seed)


def _joined(sets: list[DataSet]) -> DataSet:
    entries = {}
    for data in sets:
        for key, entry in data.items():
            if key in entries:
                raise RecipeError(f"data set {data.name}: its entry {key!r} is in another set of this recipe, too")
            entries[key] = entry
    return DataSet("+".join(data.name for data in sets), entries)


def chosen(part: Source) -> DataSet:
    """Open a data set of a recipe.

    Parameters
    ----------
    part : Source
        Which entries.

    Returns
    -------
    DataSet
        Those with audio and with the labels that the recipe wants.

    Raises
    ------
    RecipeError
        If there are none.
    """
    return matching(load(part.name), part)


def matching(data: DataSet, part: Source) -> DataSet:
    """Choose from a data set that is open already.

    Parameters
    ----------
    data : DataSet
        All of it.
    part : Source
        Which entries.

    Returns
    -------
    DataSet
        Those with audio and with the labels that the recipe wants.

    Raises
    ------
    RecipeError
        If there are none.
    """
    wanted = {name: {value} if isinstance(value, str) else {*value} for name, value in part.where.items()}
    keys = [
        key
        for key, entry in data.items()
        if entry.has_audio and all(_told_any(entry, name, values) for name, values in wanted.items())
    ]
    if not keys:
        raise RecipeError(f"data set {part.name}: none of its {len(data)} entries has audio and {part.where}")
    for name, values in wanted.items():
        held = {value for key in keys for value in data[key].annotations.labels[name]}
        if missing := values - held - {"*"}:
            said = ", ".join(sorted(missing))
            logger.warning("data set %s: no entry has %s %s; learning goes on without", part.name, name, said)
    return data.subset(keys)


def _told_any(entry: Entry, name: str, values: set[str]) -> bool:
    labels = entry.annotations.labels.get(name, ())
    return bool(labels) and ("*" in values or bool(values & {*labels}))


def draw_split(data: DataSet, part: Source) -> Split:
    """Split a data set as a recipe says, and refuse a leak.

    Parameters
    ----------
    data : DataSet
        What to split.
    part : Source
        How.

    Returns
    -------
    Split
        With train, valid and test.

    Raises
    ------
    RecipeError
        If a group would lie on two sides.
    """
    group = None if part.group == "entry" else part.group
    if part.split in ("official", "fold"):
        split = official(data) if part.split == "official" else official_fold(data, str(part.fold))
        if "valid" not in split.parts:
            shares = {"train": 1 - part.shares[1], "valid": part.shares[1]}
            inner = split_by(split.of(data, "train"), group, fractions=shares, seed=part.seed)
            split = Split(data.name, {**inner.parts, "test": split.parts["test"]}, group, split.origin, part.seed)
    elif part.split == "combination":
        split = split_combinations(data, fractions=_shares(part), seed=part.seed)
    else:
        kind = None if part.split == "entry" else part.split
        split = split_by(data, kind, fractions=_shares(part), seed=part.seed)
    split.check(data)
    return split


def _shares(part: Source) -> dict[str, float]:
    return dict(zip(PARTS, part.shares, strict=True))
