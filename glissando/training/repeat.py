"""The same recipe with several seeds: how much of a number is luck."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import t as student

from .fit import Progress, resume, train
from .recipe import Recipe
from .runs import RECIPE, Run, write

SUMMARY = "repeats.json"


def repeat(
    recipe: Recipe,
    folder: str | Path,
    times: int,
    *,
    progress: Progress | None = None,
    bar: bool = False,
    accelerator: str = "auto",
    devices: int = 1,
) -> list[Run]:
    """Train a recipe with several seeds; runs that are there go on.

    Parameters
    ----------
    recipe : Recipe
        Its seed is that of the first run.
    folder : str or Path
        Of the runs ``seed-0``, ``seed-1``, ... and their summary, ``repeats.json``.
    times : int
        Number of runs.
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
    list of Run
        By seed.
    """
    how: dict[str, Any] = {"progress": progress, "bar": bar, "accelerator": accelerator, "devices": devices}
    runs = []
    for seed in range(recipe.train.seed, recipe.train.seed + times):
        place = Path(folder) / f"seed-{seed}"
        seeded = recipe.model_copy(update={"train": recipe.train.model_copy(update={"seed": seed})})
        there = (place / RECIPE).exists()
        runs.append(resume(place, **how) if there else train(seeded, place, **how))
    write(Path(folder) / SUMMARY, json.dumps(over_seeds([run.result() for run in runs]), indent=1))
    return runs


def over_seeds(results: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Average the means of runs.

    Parameters
    ----------
    results : sequence of mapping
        Of `Run.result`.

    Returns
    -------
    dict of str to dict
        ``mean``, ``low``, ``high`` (95 %, Student's t over runs) and ``n`` of every metric.
    """
    found = {}
    for name in results[0]["metrics"]:
        values = np.array([one["metrics"][name]["mean"] for one in results])
        half = 0.0
        if len(values) > 1:
            half = float(student.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))
        mean = float(values.mean())
        found[name] = {"mean": mean, "low": mean - half, "high": mean + half, "n": len(values)}
    return found
