"""Runs to pass on: what an estimator needs and its card, in half precision."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

from ..errors import RecipeError
from ..paths import aside
from .card import card
from .runs import CARD, ENVIRONMENT, HEADS, RECIPE, RESULT, SPLIT, WEIGHTS, Run, write


def export(run: Run, folder: str | Path, *, note: str = "") -> Run:
    """Copy a trained run to a folder that can be passed on: no checkpoints, no logs, weights as float16.

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
    for name in (SPLIT, ENVIRONMENT, RECIPE):
        shutil.copyfile(run.folder / name, target / name)
    result = {**run.result(), "sha256": hashlib.sha256((target / WEIGHTS).read_bytes()).hexdigest()}
    write(target / RESULT, json.dumps(result, indent=1))
    copy = Run.open(target)
    write(target / CARD, card(copy, note=note))
    return copy
