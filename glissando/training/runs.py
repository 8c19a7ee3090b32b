"""Run folders: a recipe, its split, its surroundings, curves, metrics, card and weights."""

from __future__ import annotations

import csv
import json
import os
import platform
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from ..data import Split
from ..errors import RecipeError
from ..paths import aside
from .building import paradigm_of
from .estimator import Estimator
from .network import Network, read_weights
from .paradigm import Paradigm
from .recipe import Recipe, load_recipe

RECIPE, SPLIT, RESULT, WEIGHTS = "recipe.yaml", "split.json", "result.json", "weights.safetensors"
HEADS = "heads.safetensors"  # layers that a paradigm trained beside the model
FILTERS = "filters.png"  # of a first layer on waveforms
ENVIRONMENT, CARD, CURVES, LOGS, CHECKPOINTS = "environment.json", "card.md", "curves.png", "logs", "checkpoints"


@dataclass(frozen=True)
class Run:
    """A run folder; what training has not come to yet is not there.

    Parameters
    ----------
    folder : Path
        The folder.
    recipe : Recipe
        What was run.
    """

    folder: Path
    recipe: Recipe

    @classmethod
    def open(cls, folder: str | Path) -> Run:
        """Open a run.

        Parameters
        ----------
        folder : str or Path
            Its folder.

        Returns
        -------
        Run
            Its recipe is read, nothing else.

        Raises
        ------
        RecipeError
            If it is no run.
        """
        path = Path(folder)
        if not (path / RECIPE).is_file():
            raise RecipeError(f"{path}: is no run; a run folder holds {RECIPE}. Make one with: gliss train RECIPE")
        return cls(path, load_recipe(path / RECIPE))

    @property
    def name(self) -> str:
        """Name of the folder."""
        return self.folder.name

    @property
    def state(self) -> str:
        """One of "done", "stopped" (can be resumed) and "begun"."""
        if (self.folder / RESULT).exists():
            return "done"
        return "stopped" if (self.folder / CHECKPOINTS / "last.ckpt").exists() else "begun"

    def result(self) -> dict[str, Any]:
        """Read what the run came to.

        Returns
        -------
        dict
            ``metrics`` (mean, low, high, n by name), ``entries`` (metrics by key), ``tuned``, ``minutes``, ``epochs``,
            ``parameters``, ``data``; empty before the run is done.

        Raises
        ------
        RecipeError
            If the file is damaged.
        """
        path = self.folder / RESULT
        if not path.exists():
            return {}
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise RecipeError(f"{path}: can't be read ({error}); train again") from error
        return found if isinstance(found, dict) else {}

    def split(self) -> Split:
        """Read the split."""
        return Split.read(self.folder / SPLIT)

    def estimator(self) -> Estimator:
        """Build the trained estimator.

        Returns
        -------
        Estimator
            With weights and tuned thresholds.

        Raises
        ------
        RecipeError
            If the run is not done, learned no task, or its weights are damaged.
        """
        network, _ = self.trained()
        if not isinstance(network, Estimator):
            raise RecipeError(f"{self.folder}: learned embeddings and no task, so it estimates nothing")
        return network

    def trained(self) -> tuple[Network, Paradigm]:
        """Build what was trained.

        Returns
        -------
        Network
            With weights; an `Estimator` with tuned thresholds, if there is a task.
        Paradigm
            How it learned, with the layers it trained beside the model.

        Raises
        ------
        RecipeError
            If the run is not done, or its weights are damaged.
        """
        if not (self.folder / WEIGHTS).exists():
            raise RecipeError(f"{self.folder}: has no weights yet; go on with: gliss train --resume {self.folder}")
        network, paradigm = paradigm_of(self.recipe, name=str(self.folder / RECIPE))
        network.load_weights(self.folder / WEIGHTS)
        if paradigm.state_dict():
            read_weights(paradigm, self.folder / HEADS)
        if isinstance(network, Estimator):
            tuned = self.result().get("tuned", {})
            for name in network.task.tuned.keys() & tuned.keys():
                network.task.tuned[name] = float(tuned[name])
        return network, paradigm.eval()

    def curves(self) -> dict[str, tuple[list[int], list[float]]]:
        """Read the curves of training.

        Returns
        -------
        dict of str to (list of int, list of float)
            Epochs and values by name.
        """
        found: dict[str, dict[int, float]] = {}
        for path in sorted((self.folder / LOGS).glob("*/metrics.csv"), key=lambda path: path.stat().st_mtime):
            with path.open(encoding="utf-8", newline="") as lines:
                for row in csv.DictReader(lines):
                    for name, value in row.items():
                        if value and name not in ("epoch", "step") and row.get("epoch"):
                            found.setdefault(name, {})[int(row["epoch"])] = float(value)
        return {name: ([*sorted(values)], [values[key] for key in sorted(values)]) for name, values in found.items()}


def shipped_run(name: str) -> Run:
    """Open a trained run that comes with the package.

    Parameters
    ----------
    name : str
        Of its task, such as "pitch".

    Returns
    -------
    Run
        With weights and card.

    Raises
    ------
    RecipeError
        If there is none.
    """
    folder = Path(str(resources.files("glissando") / "weights")) / name
    if not name.isidentifier() or not folder.is_dir():
        raise RecipeError(f"no trained run {name!r} comes with this package; train one with: gliss train")
    return Run.open(folder)


def list_runs(folder: str | Path) -> list[Run]:
    """Find runs.

    Parameters
    ----------
    folder : str or Path
        Folder of runs.

    Returns
    -------
    list of Run
        Sorted by path; also those of repeats, below their folders.
    """
    return [Run.open(path.parent) for path in sorted(Path(folder).glob(f"**/{RECIPE}"))]


def begin(folder: Path, recipe: Recipe) -> Run:
    """Make a run folder.

    Parameters
    ----------
    folder : Path
        Where; must not be a run yet.
    recipe : Recipe
        What will be run.

    Returns
    -------
    Run
        With recipe and environment.

    Raises
    ------
    RecipeError
        If there is a run.
    """
    if (folder / RECIPE).exists():
        raise RecipeError(
            f"{folder}: is a run already; go on with --resume {folder}, or name another folder with --out"
        )
    folder.mkdir(parents=True, exist_ok=True)
    content = recipe.model_dump(mode="json", exclude_defaults=True)
    write(folder / ENVIRONMENT, json.dumps(environment(), indent=1))
    write(folder / RECIPE, yaml.safe_dump(content, sort_keys=False))
    return Run(folder, recipe)


def environment() -> dict[str, Any]:
    """Describe the surroundings of a run.

    Returns
    -------
    dict
        Versions, machine, commit (of a checkout; "-dirty" if the code differs from it), time.
    """
    from importlib.metadata import version

    names = ("glissando", "torch", "lightning", "numpy", "mir_eval", "h5py")
    package = str(Path(__file__).parents[1])
    head = ["git", "-C", package, "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty"]
    done = subprocess.run(head, capture_output=True, text=True, check=False)
    return {
        "versions": {"python": platform.python_version(), **{name: version(name) for name in names}},
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs",
        "commit": done.stdout.strip() or None,
        "begun": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Bootstrap the mean.

    Parameters
    ----------
    values : sequence of float
        One an entry or run.

    Returns
    -------
    float, float
        95 % interval of the mean; from 2,000 resamples of a fixed seed.
    """
    array = np.asarray(values, np.float64)
    drawn = np.random.default_rng(0).integers(len(array), size=(2000, len(array)))
    low, high = np.percentile(array[drawn].mean(1), [2.5, 97.5])
    return float(low), float(high)


def summarise(scores: Sequence[Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """Average metrics over entries.

    Parameters
    ----------
    scores : sequence of mapping
        Metrics by name, one mapping an entry.

    Returns
    -------
    dict of str to dict
        ``mean``, ``low``, ``high`` and ``n`` of every metric.
    """
    names = dict.fromkeys(name for one in scores for name in one)
    found = {}
    for name in names:
        values = [one[name] for one in scores if name in one]
        low, high = interval(values)
        found[name] = {"mean": float(np.mean(values)), "low": low, "high": high, "n": len(values)}
    return found


def write(path: Path, text: str) -> None:
    """Write a file aside and rename it, so that a killed run leaves no half one.

    Parameters
    ----------
    path : Path
        The file.
    text : str
        Its content.
    """
    with aside(path) as part:
        part.write_text(text, encoding="utf-8")


def plot_curves(runs: Sequence[Run], path: Path) -> None:
    """Draw the losses of runs over epochs.

    Parameters
    ----------
    runs : sequence of Run
        Which.
    path : Path
        PNG file to write.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for number, run in enumerate(runs):
        for name, style in (("train_loss", "--"), ("valid_loss", "-")):
            if name in (curves := run.curves()):
                label = name.replace("_", " ") if len(runs) == 1 else f"{run.name}, {name.split('_')[0]}"
                axes.plot(*curves[name], style, color=f"C{number}", label=label)
    axes.set(xlabel="epoch", ylabel="loss")
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    figure.savefig(path, dpi=120)
