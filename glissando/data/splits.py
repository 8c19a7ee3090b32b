"""Splits as data: which entries train, validate and test, kept in a file, with what belongs together on one side."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import RecipeError
from ..paths import aside
from .annotations import COMBINATION, GROUPS
from .dataset import DataSet

FRACTIONS = {"train": 0.8, "valid": 0.1, "test": 0.1}


@dataclass(frozen=True)
class Split:
    """Which entries are for what.

    Parameters
    ----------
    data : str
        Name of the data set.
    parts : mapping
        Keys of entries by part: train, valid, test.
    group : str, optional
        Kind of group that is never parted.
    origin : str
        "official", or how it was made.
    seed : int, optional
        Of the draw, if there was one.
    """

    data: str
    parts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    group: str | None = None
    origin: str = "official"
    seed: int | None = None

    def of(self, data: DataSet, part: str) -> DataSet:
        """Take one part.

        Parameters
        ----------
        data : DataSet
            What was split.
        part : str
            Its name.

        Returns
        -------
        DataSet
            Its entries.

        Raises
        ------
        RecipeError
            If the split has no such part, or names an entry that is not there.
        """
        if part not in self.parts:
            raise RecipeError(f"split of {self.data}: has no part {part!r}; there are {', '.join(self.parts)}")
        return data.subset(self.parts[part])

    def check(self, data: DataSet, *, groups: Sequence[str] | None = None) -> None:
        """Refuse a split with a leak: an entry in two parts, or a group on two sides.

        Parameters
        ----------
        data : DataSet
            What was split.
        groups : sequence of str, optional
            Kinds of groups to check; that of the split, or every kind that the data name, if None.

        Raises
        ------
        RecipeError
            Naming the group and two of its entries.
        """
        if groups is None:
            groups = [self.group] if self.group else data.group_kinds()
        seen: dict[str, str] = {}
        first: dict[tuple[str, str], tuple[str, str]] = {}
        for part, key in self._members():
            if key in seen:
                raise RecipeError(f"split of {self.data}: entry {key!r} is in {seen[key]} and in {part}")
            seen[key] = part
            of = data[key].groups
            if (pair := data[key].annotations.combination) is not None:
                of[COMBINATION] = pair
            for kind in groups:
                if kind not in of:
                    continue
                other, where = first.setdefault((kind, of[kind]), (key, part))
                if where != part:
                    raise RecipeError(
                        f"split of {self.data}: leaks {kind} {of[kind]!r}, which has {other!r} in {where} and {key!r} "
                        f"in {part}; split by {kind}"
                    )

    def write(self, path: str | Path) -> None:
        """Write it as JSON.

        Parameters
        ----------
        path : str or Path
            The file.
        """
        path = Path(path)
        document = {
            "data": self.data,
            "origin": self.origin,
            "group": self.group,
            "seed": self.seed,
            "parts": {name: list(keys) for name, keys in self.parts.items()},
        }
        with aside(path) as part:
            part.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: str | Path) -> Split:
        """Read it from JSON.

        Parameters
        ----------
        path : str or Path
            The file.

        Returns
        -------
        Split
            As it was written.

        Raises
        ------
        RecipeError
            If the file is no split.
        """
        try:
            document: Any = json.loads(Path(path).read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise RecipeError(f"{path}: can't be read as a split ({error})") from error
        parts = document.get("parts") if isinstance(document, dict) else None
        if not isinstance(parts, dict) or not all(
            isinstance(keys, list) and all(isinstance(key, str) for key in keys) for keys in parts.values()
        ):
            raise RecipeError(f"{path}: is no split; it must hold parts, each a list of keys")
        group, seed = document.get("group"), document.get("seed")
        if group not in (None, *GROUPS, COMBINATION):
            raise RecipeError(f"{path}: group is {group!r}; it must be one of {', '.join((*GROUPS, COMBINATION))}")
        if seed is not None and (isinstance(seed, bool) or not isinstance(seed, int)):
            raise RecipeError(f"{path}: seed is {seed!r}, not a whole number")
        keys = {name: tuple(members) for name, members in parts.items()}
        return cls(str(document.get("data", "")), keys, group, str(document.get("origin", "")), seed)

    def _members(self) -> Iterator[tuple[str, str]]:
        for part, keys in self.parts.items():
            for key in keys:
                yield part, key


def split_by(
    data: DataSet, group: str | None = None, *, fractions: Mapping[str, float] | None = None, seed: int = 0
) -> Split:
    """Draw a split at random, groups whole.

    Parameters
    ----------
    data : DataSet
        What to split.
    group : {"piece", "artist", "album", "clique", "recording"}, optional
        What stays together; entries that name none stand alone, as all do if None.
    fractions : mapping, optional
        Share of the entries by part, in sum 1; 0.8, 0.1 and 0.1 for train, valid and test if None.
    seed : int
        Of the draw.

    Returns
    -------
    Split
        The same one for the same seed and entries.

    Raises
    ------
    RecipeError
        If there are fewer groups than parts, or the fractions make no sense.
    """
    fractions = checked_fractions(fractions)
    groups = _grouped(data, group, seed)
    if len(groups) < len(fractions):
        raise RecipeError(
            f"data set {data.name}: has {len(groups)} groups ({group or 'entries'}), too few for {len(fractions)} parts"
        )
    parts = _deal(groups, {name: share * len(data) for name, share in fractions.items()})
    return Split(data.name, in_order(data, parts), group, "random", seed)


def folds(data: DataSet, count: int, group: str | None = None, *, seed: int = 0) -> list[Split]:
    """Draw folds at random, groups whole: every entry is tested once.

    Parameters
    ----------
    data : DataSet
        What to split.
    count : int
        Number of folds; at least 3, for each trains, validates and tests.
    group : str, optional
        See `split_by`.
    seed : int
        Of the draw.

    Returns
    -------
    list of Split
        Fold i tests on part i and validates on the next one.

    Raises
    ------
    RecipeError
        If there are too few groups.
    """
    groups = _grouped(data, group, seed)
    if not 3 <= count <= len(groups):
        raise RecipeError(
            f"data set {data.name}: can't be cut into {count} folds; it has {len(groups)} groups "
            f"({group or 'entries'}) and 3 folds are the least"
        )
    dealt = _deal(groups, {str(i): len(data) / count for i in range(count)})
    return rotated(data, [dealt[str(i)] for i in range(count)], group, "random", seed)


def checked_fractions(fractions: Mapping[str, float] | None) -> dict[str, float]:
    """Refuse shares that are none.

    Parameters
    ----------
    fractions : mapping, optional
        See `split_by`.

    Returns
    -------
    dict of str to float
        Shares by part.

    Raises
    ------
    RecipeError
        If they are not above 0, or have another sum than 1.
    """
    fractions = dict(FRACTIONS if fractions is None else fractions)
    if not fractions or min(fractions.values()) <= 0 or abs(sum(fractions.values()) - 1) > 1e-6:
        raise RecipeError(f"fractions of a split must be above 0 and have the sum 1; got {fractions}")
    return fractions


def _grouped(data: DataSet, group: str | None, seed: int) -> list[list[str]]:
    if group is not None and group not in GROUPS:
        raise RecipeError(f"there is no kind of group {group!r}; there are {', '.join(GROUPS)}")
    members: dict[tuple[str, str], list[str]] = defaultdict(list)
    for key, entry in data.items():
        named = entry.groups.get(group) if group else None
        members[("alone", key) if named is None else ("group", named)].append(key)
    if group and not any(kind == "group" for kind, _ in members):
        kinds = ", ".join(data.group_kinds()) or "none"
        raise RecipeError(f"data set {data.name}: its entries name no {group}; the kinds they name: {kinds}")
    ordered = [members[name] for name in sorted(members)]  # not the order of the file, which may change
    return [ordered[i] for i in np.random.default_rng(seed).permutation(len(ordered))]


def _deal(groups: list[list[str]], wanted: Mapping[str, float]) -> dict[str, list[str]]:
    """Give large groups first, each to the part that lacks the largest share of what it wants."""
    parts: dict[str, list[str]] = {name: [] for name in wanted}
    for members in sorted(groups, key=len, reverse=True):
        lacking = max(parts, key=lambda name: (1 - len(parts[name]) / wanted[name], wanted[name]))
        parts[lacking] += members
    return parts


def in_order(data: DataSet, parts: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """Put keys in the order of the data.

    Parameters
    ----------
    data : DataSet
        That was split.
    parts : mapping
        Keys by part.

    Returns
    -------
    dict of str to tuple of str
        The same parts.
    """
    place = {key: i for i, key in enumerate(data)}
    return {name: tuple(sorted(keys, key=place.__getitem__)) for name, keys in parts.items()}


def rotated(
    data: DataSet, parts: Sequence[Sequence[str]], group: str | None, origin: str, seed: int | None = None
) -> list[Split]:
    """Let every part be tested once.

    Parameters
    ----------
    data : DataSet
        That was split.
    parts : sequence of sequence of str
        Keys of at least 3 parts.
    group, origin, seed : str, str, int
        See `Split`.

    Returns
    -------
    list of Split
        Fold i tests on part i and validates on the next one.
    """
    made = []
    for i, test in enumerate(parts):
        valid = parts[(i + 1) % len(parts)]
        held = {*test, *valid}
        train = [key for part in parts for key in part if key not in held]
        chosen: dict[str, Sequence[str]] = {"train": train, "valid": valid, "test": test}
        made.append(Split(data.name, in_order(data, chosen), group, f"{origin} fold {i + 1} of {len(parts)}", seed))
    return made
