"""From a recipe to a run: split, features, training, thresholds, test."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from json import dumps
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from ..data import DataSet, Entry, FeatureCache, Patches, Split, load, official, split_by
from ..errors import RecipeError
from ..paths import aside
from .card import card
from .estimator import Estimator
from .learner import Learner, loader
from .recipe import DataPart, Recipe
from .runs import (
    CARD,
    CHECKPOINTS,
    CURVES,
    RECIPE,
    RESULT,
    SPLIT,
    WEIGHTS,
    Run,
    begin,
    plot_curves,
    shipped_run,
    summarise,
    write,
)
from .trainer import Trainer

TUNING_SECONDS = 60.0  # of every validation entry
Progress = Callable[[str, int, int], None]


@dataclass
class _Material:
    """What a run works on."""

    estimator: Estimator
    cache: FeatureCache
    parts: dict[str, DataSet]


def train(
    recipe: Recipe,
    folder: str | Path,
    *,
    progress: Progress | None = None,
    bar: bool = False,
    accelerator: str = "auto",
    devices: int = 1,
) -> Run:
    """Train a recipe.

    Parameters
    ----------
    recipe : Recipe
        What to train.
    folder : str or Path
        Run folder to make.
    progress : callable, optional
        Called with what is done (features, scores), the number of entries done, and in all.
    bar : bool
        Show a progress bar of training.
    accelerator : str
        As Lightning names it: auto, cpu, gpu.
    devices : int
        How many of them train together, each on batches of its own. A script must then guard its entry point, as
        `multiprocessing` wants it.

    Returns
    -------
    Run
        Done.

    Raises
    ------
    RecipeError
        If the recipe, the data or the folder is not as it should be.
    """
    material = _material(recipe, str(folder))  # (before there is a folder: most mistakes show here)
    _start(material.estimator, recipe)
    data = chosen(recipe.data)
    split = draw_split(data, recipe.data)
    run = begin(Path(folder), recipe)
    split.write(run.folder / SPLIT)
    material.parts = {part: split.of(data, part) for part in split.parts}
    return _train(run, material, progress, bar, accelerator, devices)


def resume(
    folder: str | Path,
    *,
    progress: Progress | None = None,
    bar: bool = False,
    accelerator: str = "auto",
    devices: int = 1,
) -> Run:
    """Go on with a run that was stopped or killed; one that is done stays as it is.

    Parameters
    ----------
    folder : str or Path
        Run folder.
    progress : callable, optional
        See `train`.
    bar : bool
        See `train`.
    accelerator : str
        See `train`.
    devices : int
        See `train`.

    Returns
    -------
    Run
        Done.

    Raises
    ------
    RecipeError
        If it is no run, or its data changed.
    """
    run = Run.open(folder)
    if run.state == "done":
        return run
    material = _material(run.recipe, str(folder))
    if run.state == "begun":
        _start(material.estimator, run.recipe)
    data, split = chosen(run.recipe.data), run.split()
    split.check(data)
    material.parts = {part: split.of(data, part) for part in split.parts}
    return _train(run, material, progress, bar, accelerator, devices)


def chosen(part: DataPart) -> DataSet:
    """Open the data of a recipe.

    Parameters
    ----------
    part : DataPart
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
    data = load(part.name)
    wanted = {name: {value} if isinstance(value, str) else {*value} for name, value in part.where.items()}
    keys = [
        key
        for key, entry in data.items()
        if entry.has_audio
        and all(values & {*entry.annotations.labels.get(name, ())} for name, values in wanted.items())
    ]
    if not keys:
        raise RecipeError(f"data set {part.name}: none of its {len(data)} entries has audio and {part.where}")
    return data.subset(keys)


def draw_split(data: DataSet, part: DataPart) -> Split:
    """Split a data set as a recipe says, and refuse a leak.

    Parameters
    ----------
    data : DataSet
        What to split.
    part : DataPart
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
    if part.split != "official":
        names = ("train", "valid", "test")
        split = split_by(data, part.split, fractions=dict(zip(names, part.shares, strict=True)), seed=part.seed)
    else:
        split = official(data)
        if "valid" not in split.parts:
            shares = {"train": 1 - part.shares[1], "valid": part.shares[1]}
            inner = split_by(split.of(data, "train"), part.group, fractions=shares, seed=part.seed)
            split = Split(data.name, {**inner.parts, "test": split.parts["test"]}, part.group, "official", part.seed)
    split.check(data)
    return split


def evaluate(
    run: Run,
    *,
    data: str | None = None,
    part: str = "test",
    seconds: float | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Score a trained run.

    Parameters
    ----------
    run : Run
        That is done.
    data : str, optional
        Another data set, all of which is scored; that of the run if None.
    part : str
        Of the run's split, if it is its own data.
    seconds : float, optional
        Of every entry's beginning; as the recipe says if None.
    progress : callable, optional
        See `train`.

    Returns
    -------
    dict
        ``metrics`` and ``entries``, as in `Run.result`.

    Raises
    ------
    RecipeError
        If the run or the data are not there.
    """
    estimator = run.estimator()
    scored = load(data) if data else run.split().of(chosen(run.recipe.data), part)
    return _scores(estimator, estimator.cache(), scored, seconds or run.recipe.data.seconds, progress)


def _material(recipe: Recipe, name: str) -> _Material:
    torch.manual_seed(recipe.train.seed)
    estimator = Estimator(recipe, name=name)
    return _Material(estimator, estimator.cache(), {})


def _start(estimator: Estimator, recipe: Recipe) -> None:
    """Take the weights that training begins with, if the recipe says so."""
    start = recipe.train.start
    if start is not None:
        source = Run.open(start) if Path(start).exists() else shipped_run(start)
        estimator.load_weights(source.folder / WEIGHTS)


def _train(run: Run, material: _Material, progress: Progress | None, bar: bool, accelerator: str, devices: int) -> Run:
    part, estimator = run.recipe.train, material.estimator
    patches = {name: _patches(material, name, run.recipe.data, part.seed, progress) for name in ("train", "valid")}
    _check_shape(estimator, patches["valid"], run.folder)
    last = run.folder / CHECKPOINTS / "last.ckpt"
    learner = Learner(estimator.model, estimator.task, part, augment=estimator.augment())
    trainer = Trainer(part, run.folder, accelerator=accelerator, devices=devices, bar=bar)
    begun = time.monotonic()
    trainer.fit(
        learner,
        loader(patches["train"], part, training=True, count=run.recipe.data.per_epoch),
        loader(patches["valid"], part, training=False),
        last if last.exists() else None,
    )
    minutes, (weights, loss) = trainer.minutes, trainer.best()
    estimator.model.to("cpu").load_state_dict(weights)
    estimator.model.eval()
    valid = [
        (entry, *estimator.run(entry, material.cache, seconds=TUNING_SECONDS))
        for entry in material.parts["valid"].values()
    ]
    estimator.task.tune([(entry.annotations, outputs, times) for entry, outputs, times in valid])
    found = _scores(estimator, material.cache, material.parts["test"], run.recipe.data.seconds, progress)
    with aside(run.folder / WEIGHTS) as file:
        save_file(weights, file)
    result = {
        **found,
        "goal": estimator.task.goal,
        "tuned": estimator.task.tuned,
        "valid_loss": loss,
        "epochs": trainer.epochs,
        "minutes": round(minutes, 2),
        "minutes_in_all": round((time.monotonic() - begun) / 60, 2),
        "parameters": sum(weight.numel() for weight in estimator.model.parameters()),
        "sha256": hashlib.sha256((run.folder / WEIGHTS).read_bytes()).hexdigest(),
        "data": {"name": material.parts["train"].name, **{part: len(held) for part, held in material.parts.items()}},
    }
    plot_curves([run], run.folder / CURVES)
    write(run.folder / RESULT, dumps(result, indent=1))
    write(run.folder / CARD, card(run))
    return run


def _patches(material: _Material, name: str, part: DataPart, seed: int, progress: Progress | None) -> Patches:
    if name not in material.parts or not len(material.parts[name]):
        raise RecipeError(f"data set {part.name}: its split has no entries to {name}")
    entries = [*material.parts[name].values()]
    told = None if progress is None else (lambda done: progress(f"features to {name}", done, len(entries)))
    return Patches(
        material.cache, entries, material.estimator.task.targets, frames=part.patch,
        hop=part.hop if name == "train" else None, jitter=name == "train", seed=seed, progress=told,
    )  # fmt: skip


def _check_shape(estimator: Estimator, patches: Patches, folder: Path) -> None:
    """Refuse a model whose outputs are not as large as the targets."""
    wanted = tuple(patches[0]["target"].shape)
    with torch.no_grad():
        given = tuple(estimator.model(patches[0]["feature"][None])[0].shape)
    if given != wanted:
        sizes = [" x ".join(map(str, one)) for one in (given, wanted)]
        raise RecipeError(f"{folder / RECIPE}: model: gives {sizes[0]}, but the task wants {sizes[1]}")


def _scores(
    estimator: Estimator, cache: FeatureCache, data: DataSet, seconds: float | None, progress: Progress | None
) -> dict[str, Any]:
    entries = {
        key: estimator.score(entry, cache, seconds=seconds) for key, entry in _told(data.items(), len(data), progress)
    }
    return {"metrics": summarise([*entries.values()]), "entries": entries}


def _told(items: Iterable[tuple[str, Entry]], total: int, progress: Progress | None) -> Iterator[tuple[str, Entry]]:
    for done, item in enumerate(items):
        if progress is not None:
            progress("scores", done, total)
        yield item
