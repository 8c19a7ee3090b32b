"""Networks of runs that come with the package, or of a run folder of one's own."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import torch
import yaml
from safetensors import SafetensorError
from safetensors.torch import load_file

from ..errors import ModelError
from ..features import FEATURES, Feature
from ..nn import Model, build

SHIPPED = "glissando"  # source of the card of an encoder whose weights come with the package
PATCH = 128  # frames of a training example, where a recipe does not say how many
RECIPE, WEIGHTS = "recipe.yaml", "weights.safetensors"


def shipped_folder(name: str) -> Path:
    """Tell where a run that comes with the package lies.

    Parameters
    ----------
    name : str
        Of the run, such as "music".

    Returns
    -------
    Path
        Its folder; it may not be there.
    """
    return Path(str(resources.files("glissando") / "weights")) / name


def trained_frames(folder: Path) -> int:
    """Tell how many frames the training examples of a run had.

    Parameters
    ----------
    folder : Path
        Of the run.

    Returns
    -------
    int
        Frames.

    Raises
    ------
    ModelError
        If the folder holds no run.
    """
    place = folder / RECIPE
    try:
        return int(yaml.safe_load(place.read_text(encoding="utf-8"))["data"].get("patch", PATCH))
    except (OSError, KeyError, TypeError, AttributeError, ValueError, yaml.YAMLError) as error:
        said = (str(error).splitlines() or ["it is empty"])[0]
        raise ModelError(f"{folder}: is no trained run ({said}); name a folder with {RECIPE} and {WEIGHTS}") from error


def parts_until(model: Model, last: str, folder: Path) -> list[str]:
    """Name the parts of a run's model up to one whose output is wanted.

    Parameters
    ----------
    model : Model
        Of the run.
    last : str
        The part that is wanted.
    folder : Path
        Of the run, for errors.

    Returns
    -------
    list of str
        In order.

    Raises
    ------
    ModelError
        If there is no such part.
    """
    names = [*model.parts]
    if last not in names:
        raise ModelError(f"{folder}: its model has no part {last!r}; it has {', '.join(names)}")
    return names[: names.index(last) + 1]


def read_network(folder: Path, frames: int) -> tuple[Feature, Model]:
    """Build feature and model of a run, with its weights.

    Parameters
    ----------
    folder : Path
        Of the run.
    frames : int
        That the model gets at once.

    Returns
    -------
    Feature
        From waveforms.
    Model
        Trained.

    Raises
    ------
    ModelError
        If the folder holds no run, or a damaged one.
    """
    place = folder / RECIPE
    try:
        recipe = yaml.safe_load(place.read_text(encoding="utf-8"))
        feature = FEATURES.build(recipe["feature"], where=f"{place}: feature").eval()
        seconds = 2 * feature.first + frames / feature.frame_rate
        heard = feature(torch.zeros(2, int(seconds * feature.sample_rate)))[..., :frames]
        model = build(recipe["model"], heard, where=f"{place}: model")
        state = load_file(folder / WEIGHTS)
        model.load_state_dict({name: one.float() if one.is_floating_point() else one for name, one in state.items()})
    except (OSError, KeyError, TypeError, yaml.YAMLError, SafetensorError, RuntimeError) as error:
        said = (str(error).splitlines() or ["it is empty"])[0]
        raise ModelError(f"{folder}: is no trained run ({said}); name a folder with {RECIPE} and {WEIGHTS}") from error
    return feature, model.eval()
