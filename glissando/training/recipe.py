"""Recipes: YAML that names task, data, feature, model and training, and nothing that runs code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ..encoders.shipped import PATCH
from ..errors import RecipeError
from ..registry import short

LARGEST = 200_000  # bytes of a recipe
DEEPEST = 20  # levels of YAML, and recipes that lie on one another

Spec = str | dict[str, Any]
Kind = TypeVar("Kind", bound=BaseModel)


class Strict(BaseModel):
    """Fields that nobody knows are refused, and none changes."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(Strict):
    """Which data, and how they are parted.

    Parameters
    ----------
    name : str
        Data set, as `gliss data list` names it, or path of a ``.pyjama`` file.
    where : dict of str to str or list of str
        Labels that entries must have, such as ``stem: mix``; any of those in a list, whatever it is for ``"*"``.
    split : str
        "official", "fold", or what never lies on both sides: piece, artist, album, clique, recording; "entry" where
        every entry stands alone; "combination" holds out pairs of instrument and pitch.
    fold : int or str, optional
        With the split "fold": the official fold that is tested; the others train.
    shares : (float, float, float)
        Training, validation and test, where the split is drawn. Where the official one has no validation, the second
        share of its training part is taken for it, by ``group``.
    group : str
        See ``shares``.
    seed : int
        Of the draw.
    """

    name: str
    where: dict[str, str | list[str]] = Field(default_factory=dict)
    split: Literal["official", "fold", "piece", "artist", "album", "clique", "recording", "entry", "combination"] = (
        "piece"
    )
    fold: int | str | None = None
    shares: tuple[float, float, float] = (0.7, 0.1, 0.2)
    group: Literal["piece", "artist", "album", "clique", "recording", "entry"] = "piece"
    seed: Annotated[int, Field(ge=0, le=2**31)] = 0

    @model_validator(mode="after")
    def _folds_are_named(self) -> Source:
        if (self.split == "fold") != (self.fold is not None):
            raise ValueError("split: fold and fold: N, the one that is tested, go together")
        return self


class DataPart(Source):
    """Which data, how they are parted and cut; its first fields are those of `Source`.

    Parameters
    ----------
    also : list of Source
        More data sets, each parted in its own way, that are joined part by part.
    patch : int
        Frames of a training example.
    hop : int, optional
        Frames from one example to the next; as long as they are if None.
    per_entry : int, optional
        Examples of each recording in an epoch, so that all count alike however long they are; all of them if None.
    per_epoch : int, optional
        Examples of an epoch; all of them if None.
    seconds : float, optional
        Of every test recording are scored; all of it if None.
    """

    also: list[Source] = Field(default_factory=list, max_length=20)
    patch: Annotated[int, Field(ge=1, le=100_000)] = PATCH
    hop: Annotated[int, Field(ge=1, le=100_000)] | None = None
    per_entry: Annotated[int, Field(ge=1)] | None = None
    per_epoch: Annotated[int, Field(ge=1)] | None = None
    seconds: Annotated[float, Field(gt=0)] | None = None


class Start(Strict):
    """Where the first weights of a part of the model come from.

    Parameters
    ----------
    run : str
        Folder of a run, or the name of a shipped one.
    part : str
        Of that run's model.
    """

    run: str
    part: str


class TrainPart(Strict):
    """How long and how fast.

    Parameters
    ----------
    epochs, batch, patience : int
        Most epochs, patches a step, epochs without improvement before it ends.
    keep : {"best", "last"}
        The epoch whose weights are kept: the best on validation data, or the last, for validation data so few that
        choosing by them is chance.
    rate, decay : float
        Learning rate and weight decay of AdamW.
    augment : list of str or dict
        Changes of every training batch, in order: shift, transpose, equalise, smear, gain, noise, mix, perturb.
    start : str or dict of str to Start, optional
        Run whose weights are the first ones (fine-tuning): its folder, or the name of a shipped run such as "pitch".
        Or, for parts of the model by name, a run and the part of its model to begin with.
    seed : int
        Of weights, order, patches and dropout.
    minutes : float, optional
        Of training after which it ends with the epoch.
    precision : {"32", "bf16-mixed", "16-mixed"}
        Of the arithmetic.
    workers : int
        Processes that load patches; 0 loads in the training process.
    """

    epochs: Annotated[int, Field(ge=1, le=100_000)] = 40
    batch: Annotated[int, Field(ge=1, le=65_536)] = 32
    patience: Annotated[int, Field(ge=1)] = 6
    keep: Literal["best", "last"] = "best"
    rate: Annotated[float, Field(gt=0, le=10)] = 1e-3
    decay: Annotated[float, Field(ge=0, le=10)] = 1e-2
    augment: list[Spec] = Field(default_factory=list, max_length=20)
    start: str | dict[str, Start] | None = None
    seed: Annotated[int, Field(ge=0, le=2**31)] = 0
    minutes: Annotated[float, Field(gt=0)] | None = None
    precision: Literal["32", "bf16-mixed", "16-mixed"] = "32"
    workers: Annotated[int, Field(ge=0, le=64)] = 0


class Recipe(Strict):
    """A whole recipe; a run is a recipe plus its results.

    Parameters
    ----------
    task : str or dict, optional
        What to predict: a name, or name and arguments.
    paradigm : str or dict, optional
        How to learn embeddings without labels, in the place of a task.
    data : DataPart
        Which data.
    feature : str or dict
        What the model hears; at 22,050 Hz unless it says a ``sample_rate``.
    model : dict
        Parts in order, each a brick or a list of bricks.
    train : TrainPart
        How.
    """

    task: Spec | None = None
    paradigm: Spec | None = None
    data: DataPart
    feature: Spec
    model: dict[str, Any]
    train: TrainPart = TrainPart()

    @model_validator(mode="after")
    def _learns_one_thing(self) -> Recipe:
        if (self.task is None) == (self.paradigm is None):
            raise ValueError("name a task, or a paradigm that needs none; one of both")
        return self


def load_recipe(name: str | Path, *, changes: Sequence[str] = ()) -> Recipe:
    """Read a recipe.

    Parameters
    ----------
    name : str or Path
        A file, or the name of a shipped recipe such as ``pitch/hcqt-conv``.
    changes : sequence of str
        Such as ``train.epochs=3``: what is different this time.

    Returns
    -------
    Recipe
        Validated.

    Raises
    ------
    RecipeError
        If there is none of that name, or it is not a recipe.
    """
    return validated(read_recipe(name, changes=changes), str(name))


def read_recipe(name: str | Path, *, changes: Sequence[str] = ()) -> dict[str, Any]:
    """Read the YAML of a recipe and of those it lies on, without checking its fields.

    Parameters
    ----------
    name : str or Path
        See `load_recipe`.
    changes : sequence of str
        See `load_recipe`.

    Returns
    -------
    dict
        As YAML gives it.

    Raises
    ------
    RecipeError
        If there is none of that name, or it is no YAML.
    """
    content = _read(name, depth=0)
    for change in changes:
        path, equals, value = change.partition("=")
        if not equals or not path:
            raise RecipeError(f"{change!r} changes nothing; write it as train.epochs=3")
        content = merge(content, _nested(path.split("."), _parse(value, f"--set {path}")))
    return content


def validated(content: object, where: str) -> Recipe:
    """Check what YAML gave.

    Parameters
    ----------
    content : object
        As YAML gives it.
    where : str
        File or name, for errors.

    Returns
    -------
    Recipe
        Frozen.

    Raises
    ------
    RecipeError
        Naming the field that is wrong.
    """
    return checked(Recipe, content, where)


def checked(kind: type[Kind], content: object, where: str) -> Kind:
    """Check what YAML gave for any kind of recipe.

    Parameters
    ----------
    kind : type
        Of recipe.
    content : object
        As YAML gives it.
    where : str
        File or name, for errors.

    Returns
    -------
    object
        Of that kind.

    Raises
    ------
    RecipeError
        Naming the field that is wrong.
    """
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"])) or "recipe"
        given = first.get("input")
        got = "" if first["type"] in ("missing", "extra_forbidden", "value_error") else f"; got {short(given)}"
        known = {"extra_forbidden": "there is no such field", "missing": "is missing"}
        said = known.get(first["type"], first["msg"].removeprefix("Value error, "))
        raise RecipeError(f"{where}: {field}: {said[0].lower()}{said[1:]}{got}") from error


def shipped() -> list[str]:
    """List the recipes that come with the package.

    Returns
    -------
    list of str
        Names, sorted.
    """
    root = _root()
    return sorted(str(path.relative_to(root).with_suffix("")) for path in root.rglob("*.yaml"))


def merge(base: Mapping[str, Any], overlay: Mapping[str, Any]) -> dict[str, Any]:
    """Lay one recipe over another.

    Parameters
    ----------
    base, overlay : mapping
        As YAML gives them.

    Returns
    -------
    dict
        Mappings are merged; all else is replaced, and so is a brick by a brick of another name.
    """
    merged = dict(base)
    for key, value in overlay.items():
        below = merged.get(key)
        if (
            not isinstance(below, Mapping)
            or not isinstance(value, Mapping)
            or (len(below) == len(value) == 1 and below.keys() != value.keys())
        ):
            merged[key] = value
        else:
            merged[key] = merge(below, value)
    return merged


def _root() -> Path:
    return Path(str(resources.files("glissando") / "recipes"))


def _read(name: str | Path, *, depth: int, where: str = "") -> dict[str, Any]:
    path = Path(name)
    if path.suffix not in (".yaml", ".yml"):
        path = _root() / f"{name}.yaml"
        if not path.is_relative_to(_root()) or ".." in path.parts or not path.is_file():
            near = get_close_matches(str(name), shipped(), 3, 0.4) or shipped()[:3]
            raise RecipeError(
                f"{where}there is no recipe {str(name)!r}; shipped are {', '.join(near)} and more (gliss train --list)"
            )
    try:
        if path.stat().st_size > LARGEST:
            raise RecipeError(f"{path}: is too large for a recipe")
        content = _parse(path.read_text(), str(path))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise RecipeError(
            f"{path}: can't be read ({reason}); name a YAML file, or one of {', '.join(shipped())}"
        ) from error
    if not isinstance(content, dict):
        raise RecipeError(f"{path}: is not a recipe; it should say task, data, feature, model and train")
    base = content.pop("base", None)
    if base is None:
        return content
    if not isinstance(base, str):
        raise RecipeError(f"{path}: base: should be the name of a recipe")
    if depth == DEEPEST:
        raise RecipeError(f"{path}: base: recipes lie on one another more than {DEEPEST} deep, or in a circle")
    beside = path.parent / base
    below = _read(beside if beside.is_file() else base, depth=depth + 1, where=f"{path}: base: ")
    return merge(below, content)


def _parse(text: str, where: str) -> Any:
    try:
        depth = 0
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            if isinstance(event, yaml.AliasEvent):
                raise RecipeError(f"{where}: YAML aliases (*name) are not read; write the part out")
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > DEEPEST:
                raise RecipeError(f"{where}: is nested too deeply")
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        said = getattr(error, "problem", None) or str(error).splitlines()[0]
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise RecipeError(f"{where}{line}: is no plain YAML ({said})") from error


def _nested(path: Sequence[str], value: object) -> dict[str, Any]:
    return {path[0]: _nested(path[1:], value) if len(path) > 1 else value}
