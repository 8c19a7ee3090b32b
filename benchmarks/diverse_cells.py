"""Trainings of the benchmark of diverse embeddings, cell by cell: each is made, resumed, or there already."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

from glissando.paths import cache_dir
from glissando.training import Run, load_recipe, resume, train

CACHE = cache_dir() / "benchmarks" / "diverse"
VIEWS = ("pitch", "timbre", "waveform", "neural")
LARGE, JOINT = "waveform-large", "joint"
USUAL = {"dim": 64, "depth": 6, "heads": 12, "head_dim": 16, "expansion": 4, "positions": "sinusoidal"}
SHAPES = {  # of the view of timbre, beside the usual one
    "2 layers": {"depth": 2},
    "12 layers": {"depth": 12},
    "32 dimensions": {"dim": 32},
    "128 dimensions": {"dim": 128},
    "4 heads of 16": {"heads": 4},
}


DROPPED = json.dumps([{"transformer": {**USUAL, "dropout": 0.2}}, "global_mean"])


def _longer(epochs: int, rate: float, *more: str) -> tuple[str, ...]:
    return f"train.epochs={epochs}", f"train.patience={epochs}", f"train.rate={rate}", *more


NOTES = {  # 114 instruments are learned slowly; from 12 MFCCs with dropout instead of holes and mixtures
    "network": ("train.epochs=7", "train.patience=7"),
    "timbre": _longer(60, 0.002, "train.augment=[]", f"model.view={DROPPED}"),
    "waveform": _longer(30, 0.002),
    "neural": _longer(20, 0.002),
}


@dataclass(frozen=True)
class Part:
    """A data set: its label, how it is parted, and how long is learned; ``pairs`` leave out two folds at once."""

    label: str
    classes: int
    splits: Mapping[str, tuple[str, ...]]
    epochs: int
    per_entry: int = 1
    exclusive: bool = True
    pairs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def task(self) -> str:
        """As a recipe says it."""
        return json.dumps({"classes" if self.exclusive else "tags": {"label": self.label, "chunks": True}})


BY_FOLD = ("data.split=fold", "data.group=recording", "data.shares=[0.9, 0.1, 0.2]")


def _folds(count: int, *more: str) -> dict[str, tuple[str, ...]]:
    return {f"fold{i}": (*BY_FOLD, *more, f"data.fold={i}") for i in range(1, count + 1)}


def _pairs(count: int) -> dict[str, tuple[str, ...]]:
    made = {}
    for first, second in combinations(range(1, count + 1), 2):
        others = json.dumps({"fold": [str(i) for i in range(1, count + 1) if i != first]})
        made[f"folds{first}+{second}"] = (*BY_FOLD, f"data.where={others}", f"data.fold={second}")
    return made


SETS = {
    "instrument-mixtures": Part("tag", 10, {"official": ("data.split=official",)}, 30, per_entry=2, exclusive=False),
    "esc10": Part("class", 10, _folds(4), 45, pairs=_pairs(4)),
    "urbansound8k": Part("class", 10, _folds(3), 8),
    "urban-mixtures": Part("tag", 10, _folds(3, "data.group=entry"), 30, per_entry=2, exclusive=False),
}


def folder(name: str, split: str, seed: int) -> Path:
    """Where the trainings of one split and seed lie, a run a view: what gliss-diverse takes as weights."""
    return CACHE / f"{name}-{split}-seed{seed}"


def cell(name: str, split: str, seed: int, view: str, *, recipe: str = "", more: Sequence[str] = ()) -> Run:
    """The run of a cell."""
    place = folder(name, split, seed) / view
    if (place / "recipe.yaml").exists():
        return resume(place)
    print(place.relative_to(CACHE), flush=True)
    part, recipe = SETS[name], recipe or view
    head = f"{{linear: {{units: {part.classes}}}}}"
    changes = [
        f"task={part.task}",
        f"data.name={name}",
        "data.also=[]",
        *{**part.splits, **part.pairs}[split],
        f"data.per_entry={part.per_entry}",
        f"model.head=[{'to_sequence, global_mean, ' if recipe == 'network' else ''}{head}]",
        f"train.epochs={part.epochs}",
        f"train.patience={part.epochs}",
        f"train.seed={seed}",
        *more,
    ]
    if recipe in ("fused", "gated"):
        changes += [f"feature.neuralogram.weights={place.parent}", "train.epochs=40", "train.patience=40"]
    if recipe == "neural":
        changes.append(f"feature.neuralogram.run={place.parent / 'network'}")
    return train(load_recipe(f"diverse/{recipe}", changes=changes), place, accelerator="cpu")


def views(name: str, split: str, seed: int) -> Iterator[Run]:
    """The network of the neuralogram, and the views."""
    for view in ("network", *VIEWS):
        yield cell(name, split, seed, view)


def notes() -> Iterator[Run]:
    """The runs that gliss-diverse is made of: the recipes as they are, but for what `NOTES` says.

    The view of the neuralogram hears the network that comes with the package.
    """
    for view in ("network", *VIEWS):
        place = CACHE / "notes" / view
        if (place / "recipe.yaml").exists():
            yield resume(place)
            continue
        print(place.relative_to(CACHE), flush=True)
        yield train(load_recipe(f"diverse/{view}", changes=NOTES.get(view, ())), place, accelerator="cpu")


def joint(name: str, split: str, seed: int, view: str = JOINT) -> Run:
    """All views and the network tuned together, from where they are."""
    place = folder(name, split, seed)
    parts = [(one, part) for one in ("network", *VIEWS) for part in ("entry", "view")]
    begins = {f"{one}_{part}": {"run": str(place / one), "part": part} for one, part in parts}
    recalled = "{store: neural}, {recall: pitch}, {join: timbre}, {join: waveform}, {join: neural}"
    head = f"model.head=[{recalled}, {{linear: {{units: {SETS[name].classes}}}}}]"
    epochs = max(1, SETS[name].epochs // 3)
    more = (head, f"train.start={json.dumps(begins)}", f"train.epochs={epochs}", f"train.patience={epochs}")
    return cell(name, split, seed, view, recipe=JOINT, more=more)


def shape(name: str, split: str, which: str) -> Run:
    """The view of timbre with another depth, width or number of heads."""
    view = f"model.view={json.dumps([{'transformer': {**USUAL, **SHAPES[which]}}, 'global_mean'])}"
    return cell(name, split, 0, f"timbre, {which}", recipe="timbre", more=[view])
