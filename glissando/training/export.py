"""Runs to pass on: what an estimator needs and its card, in half precision."""

from __future__ import annotations

import csv
import hashlib
import json
import logging
import shutil
from pathlib import Path
from typing import Any

import yaml

from ..errors import RecipeError
from ..paths import aside
from .card import ATTRIBUTION, card
from .choosing import all_chosen
from .runs import CARD, ENVIRONMENT, HEADS, RECIPE, RESULT, SPLIT, WEIGHTS, Run, write

NAMED = ("title", "composer", "licence")

logger = logging.getLogger("glissando")


def export(run: Run, folder: str | Path, *, note: str = "") -> Run:
    """Copy a trained run to a folder that can be passed on: no checkpoints, no logs, weights as float16.

    Where entries that it was trained on have licences of their own, ``attribution.csv`` names them.

    Parameters
    ----------
    run : Run
        That is done.
    folder : str or Path
        To make.
    note : str
        A paragraph for the card, such as where else it was measured.

    Returns
    -------
    Run
        The copy.

    Raises
    ------
    RecipeError
        If the run is not done, or the folder is a run already.
    """
    from safetensors.torch import load_file, save_file

    target = Path(folder)
    if run.state != "done":
        raise RecipeError(f"{run.folder}: is not done; go on with: gliss train --resume {run.folder}")
    if (target / RECIPE).exists():
        raise RecipeError(f"{target}: is a run already; name another folder with --out")
    target.mkdir(parents=True, exist_ok=True)
    for name in (WEIGHTS, HEADS):
        if (run.folder / name).exists():
            tensors = load_file(run.folder / name).items()
            halves = {key: tensor.half() if tensor.is_floating_point() else tensor for key, tensor in tensors}
            with aside(target / name) as file:
                save_file(halves, file)
    for name in (SPLIT, ENVIRONMENT):
        shutil.copyfile(run.folder / name, target / name)
    recipe = yaml.safe_load((run.folder / RECIPE).read_text(encoding="utf-8"))
    if start := recipe.get("train", {}).get("start"):  # where it lies here is nobody else's business
        recipe["train"]["start"] = (
            Path(start).name
            if isinstance(start, str)
            else {part: {**one, "run": Path(one["run"]).name} for part, one in start.items()}
        )
    for heard in _heard(recipe["feature"]):
        logger.warning("%s: hears %s, which is not copied; pass it on, too, and name it in %s", target, heard, RECIPE)
    write(target / RECIPE, yaml.safe_dump(recipe, sort_keys=False))
    _attribute(run, target / ATTRIBUTION)
    result = {**run.result(), "sha256": hashlib.sha256((target / WEIGHTS).read_bytes()).hexdigest()}
    write(target / RESULT, json.dumps(result, indent=1))
    copy = Run.open(target)
    write(target / CARD, card(copy, note=note))
    return copy


def _heard(feature: Any) -> list[str]:
    """Folders that the feature of a recipe takes weights from."""
    arguments = next(iter(feature.values())) if isinstance(feature, dict) else None
    named = arguments.values() if isinstance(arguments, dict) else ()
    return [one for one in named if isinstance(one, str) and Path(one).is_absolute()]


def _attribute(run: Run, path: Path) -> None:
    """List what the run was trained and chosen by, with title, composer and licence."""
    try:
        data = all_chosen(run.recipe.data)
    except RecipeError as error:
        logger.warning("%s: names no licences of what it was trained on, which is not here: %s", path.parent, error)
        return
    keys = [key for part in ("train", "valid") for key in run.split().parts[part] if key in data]
    labels = {key: data[key].annotations.labels for key in keys}
    rows = [
        [key, *("; ".join(held.get(name, ())) for name in NAMED)] for key, held in labels.items() if "licence" in held
    ]
    if rows:
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([["entry", *NAMED], *rows])
