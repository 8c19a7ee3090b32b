"""From a recipe to a run: split, features, training, thresholds, test."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from json import dumps
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from ..data import DataSet, load
from ..errors import RecipeError
from ..paths import aside
from ..registry import parse
from .building import paradigm_of
from .card import card
from .choosing import all_chosen, draw_splits
from .estimator import Estimator
from .filters import first_filters, plot_filters
from .learner import Learner, loader
from .network import Network
from .paradigm import Paradigm
from .recipe import DataPart, Recipe
from .runs import (
    CARD,
    CHECKPOINTS,
    CURVES,
    FILTERS,
    HEADS,
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

Progress = Callable[[str, int, int], None]


@dataclass
class _Material:
    """What a run works on."""

    network: Network
    paradigm: Paradigm
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
    _start(material, recipe)
    data, split = draw_splits(recipe.data)
    parts = {part: split.of(data, part) for part in split.parts}
    if (settled := _settled(recipe, material, parts["train"])) is not recipe:
        recipe, material = settled, _material(settled, str(folder))
        _start(material, recipe)
    run = begin(Path(folder), recipe)
    split.write(run.folder / SPLIT)
    material.parts = parts
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
        _start(material, run.recipe)
    data, split = all_chosen(run.recipe.data), run.split()
    split.check(data, groups=[] if run.recipe.data.also else None)  # (each set was checked in its own way)
    material.parts = {part: split.of(data, part) for part in split.parts}
    return _train(run, material, progress, bar, accelerator, devices)


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
    network, paradigm = run.trained()
    scored = load(data) if data else run.split().of(all_chosen(run.recipe.data), part)
    return _scores(network, paradigm, scored, run.recipe.data, seconds or run.recipe.data.seconds, progress)


def _material(recipe: Recipe, name: str) -> _Material:
    torch.manual_seed(recipe.train.seed)
    return _Material(*paradigm_of(recipe, name=name), {})


def _start(material: _Material, recipe: Recipe) -> None:
    """Take the weights that training begins with, if the recipe says so; a part that it exchanges begins anew."""
    start = recipe.train.start
    if isinstance(start, dict):
        for part, one in start.items():
            material.network.load_part(part, _started(one.run).folder / WEIGHTS, of=one.part)
    elif start is not None:
        source = _started(start)
        other = [part for part in material.paradigm.exchanged if recipe.model[part] != source.recipe.model.get(part)]
        material.network.load_weights(source.folder / WEIGHTS, but=other)


def _started(run: str) -> Run:
    return Run.open(run) if Path(run).exists() else shipped_run(run)


def _settled(recipe: Recipe, material: _Material, data: DataSet) -> Recipe:
    """Write into the recipe what it leaves to the training data, and which codec it hears by."""
    network, annotations = material.network, [entry.annotations for entry in data.values()]
    found = {"feature": network.feature.settled()}
    if isinstance(network, Estimator):
        found["task"] = network.task.settle(annotations)
    else:
        found["paradigm"] = material.paradigm.settle(annotations)
    changes = {}
    for field, settled in found.items():
        name, arguments = parse(getattr(recipe, field), field)
        if {**arguments, **settled} != arguments:
            changes[field] = {name: {**arguments, **settled}}
    return recipe.model_copy(update=changes) if changes else recipe


def _train(run: Run, material: _Material, progress: Progress | None, bar: bool, accelerator: str, devices: int) -> Run:
    part, data, network, paradigm = run.recipe.train, run.recipe.data, material.network, material.paradigm
    examples = {name: _examples(material, name, data, part.seed, progress) for name in ("train", "valid")}
    last = run.folder / CHECKPOINTS / "last.ckpt"
    if not last.exists():
        paradigm.prepare(network.model, examples["train"], seed=part.seed)
    learner = Learner(network.model, paradigm, part, augment=network.augment())
    trainer = Trainer(
        part, run.folder, accelerator=accelerator, devices=devices, bar=bar,
        monitor=paradigm.monitor, mode=paradigm.mode,
    )  # fmt: skip
    begun = time.monotonic()
    trainer.fit(
        learner,
        loader(examples["train"], part, training=True, count=data.per_epoch),
        loader(examples["valid"], part, training=False),
        last if last.exists() else None,
    )
    minutes, (weights, heads, score) = trainer.minutes, trainer.kept()
    network.model.to("cpu").load_state_dict(weights)
    network.model.eval()
    paradigm.to("cpu").load_state_dict(heads)
    paradigm.eval()
    tuned = paradigm.tune(network, material.parts["valid"])
    found = _scores(network, paradigm, material.parts["test"], data, data.seconds, progress)
    for state, name in ((weights, WEIGHTS), (heads, HEADS)):
        if state:
            with aside(run.folder / name) as file:
                save_file(state, file)
    result = {
        **found,
        "goal": paradigm.goal,
        "tuned": tuned,
        paradigm.monitor: score,
        "epochs": trainer.epochs,
        "minutes": round(minutes, 2),
        "minutes_in_all": round((time.monotonic() - begun) / 60, 2),
        "parameters": sum(weight.numel() for weight in network.model.parameters()),
        "sha256": hashlib.sha256((run.folder / WEIGHTS).read_bytes()).hexdigest(),
        "data": {"name": material.parts["train"].name, **{part: len(held) for part, held in material.parts.items()}},
    }
    plot_curves([run], run.folder / CURVES)
    paradigm.report(run.folder)
    if (filters := first_filters(network.model)) is not None:
        plot_filters(run.folder / FILTERS, filters, network.feature.sample_rate)
    write(run.folder / RESULT, dumps(result, indent=1))
    write(run.folder / CARD, card(run))
    return run


def _examples(material: _Material, name: str, part: DataPart, seed: int, progress: Progress | None) -> Any:
    if name not in material.parts or not len(material.parts[name]):
        raise RecipeError(f"data set {part.name}: its split has no entries to {name}")
    entries = [*material.parts[name].values()]
    told = None if progress is None else (lambda done: progress(f"features to {name}", done, len(entries)))
    return material.paradigm.examples(
        material.network, entries, part, training=name == "train", seed=seed, told=told
    )  # fmt: skip


def _scores(
    network: Network,
    paradigm: Paradigm,
    data: DataSet,
    part: DataPart,
    seconds: float | None,
    progress: Progress | None,
) -> dict[str, Any]:
    told = None if progress is None else (lambda done: progress("scores", done, len(data)))
    entries = paradigm.scores(network, data, part, seconds, told)
    return {"metrics": {**summarise([*entries.values()]), **paradigm.overall()}, "entries": entries}
