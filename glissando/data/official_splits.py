"""Splits and folds that the publishers of a data set made."""

from __future__ import annotations

from collections import defaultdict

from ..errors import RecipeError
from .dataset import DataSet
from .splits import FRACTIONS, Split, in_order, rotated

SPLIT, FOLD = "split", "fold"  # labels that official layouts give


def official(data: DataSet) -> Split:
    """Take the split that the publishers of a data set made.

    Parameters
    ----------
    data : DataSet
        Entries have a label ``split``: train, valid, test; others are left out.

    Returns
    -------
    Split
        Parts in the order train, valid, test.

    Raises
    ------
    RecipeError
        If they made none.
    """
    parts: dict[str, list[str]] = {name: [] for name in FRACTIONS}
    for key, entry in data.items():
        for name in entry.annotations.labels.get(SPLIT, ()):
            if name in parts:
                parts[name].append(key)
    if not parts["train"] or not parts["test"]:
        raise RecipeError(
            f"data set {data.name}: has no official split; draw one by group: "
            f"{', '.join(data.group_kinds()) or 'it names no groups'}"
        )
    return Split(data.name, {name: tuple(keys) for name, keys in parts.items() if keys})


def official_fold(data: DataSet, fold: str) -> Split:
    """Take one of the folds that the publishers of a data set made for the test, and train on all others.

    Parameters
    ----------
    data : DataSet
        Entries have a label ``fold``.
    fold : str
        Its name.

    Returns
    -------
    Split
        Parts train and test.

    Raises
    ------
    RecipeError
        If there is no such fold, or no other.
    """
    parts = _by_fold(data)
    train = [key for name, keys in parts.items() if name != fold for key in keys]
    if fold not in parts or not train:
        named = ", ".join(sorted(parts, key=_in_numbers)) or "none"
        raise RecipeError(f"data set {data.name}: has no fold {fold!r} to test beside others; its folds: {named}")
    return Split(
        data.name, in_order(data, {"train": train, "test": parts[fold]}), None, f"official, fold {fold} for the test"
    )


def official_folds(data: DataSet) -> list[Split]:
    """Take the folds that the publishers of a data set made.

    Parameters
    ----------
    data : DataSet
        Entries have a label ``fold``.

    Returns
    -------
    list of Split
        Fold i tests on part i and validates on the next one.

    Raises
    ------
    RecipeError
        If they made fewer than three.
    """
    parts = _by_fold(data)
    if len(parts) < 3:
        raise RecipeError(f"data set {data.name}: has {len(parts)} official folds; at least 3 are needed here")
    return rotated(data, [parts[name] for name in sorted(parts, key=_in_numbers)], None, "official")


def _by_fold(data: DataSet) -> dict[str, list[str]]:
    parts: dict[str, list[str]] = defaultdict(list)
    for key, entry in data.items():
        for name in entry.annotations.labels.get(FOLD, ()):
            parts[name].append(key)
    return parts


def _in_numbers(name: str) -> tuple[int, str]:
    return len(name), name
