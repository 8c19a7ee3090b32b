"""Learn the tempo translation of an encoder, and put it where libraries find it."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
import yaml
from pydantic import Field

from ..data import Annotations, DataSet, Entry, Failure, Recording, joined, recordings, split_by
from ..data import card as describe
from ..data import names as data_names
from ..data.official_splits import SPLIT
from ..encoders import card as encoder_card
from ..errors import RecipeError
from ..latent import (
    LearnedTranslator,
    Pairs,
    Transform,
    fit_subspace,
    fit_translator,
    retrieval,
    save_translator,
    similarity,
    translator_folder,
)
from ..latent.tempo_pairs import SECONDS, embed_at_tempi
from ..latent.translators import FILE
from .fit import Progress
from .recipe import Strict, checked, read_recipe
from .runs import CARD, ENVIRONMENT, RESULT, environment, write

TASK = "tempo-translation"
RECIPE = "translation.yaml"
SIDES = ("train", "valid", "test")  # what belongs to two of them goes to the later one
SYSTEMS = {
    "no-op": "the embedding as it is",
    "direction": "one direction of the space, the same for all",
    "subspace": "a turn of the directions that vary with tempo",
    "learned": "this translator",
}


class PairData(Strict):
    """Of which recordings clips are taken.

    Parameters
    ----------
    name : str or list of str
        Data sets, ``.pyjama`` files or folders of audio.
    clips : int, optional
        Most recordings of each of them, drawn at random; all of them if None.
    seconds : float
        Of a clip, at every tempo.
    shares : (float, float, float)
        Training, validation and test, where a set comes without a split; what belongs together stays together.
    seed : int
        Of the draws.
    """

    name: str | list[str] = "tempo-renders"
    clips: Annotated[int, Field(ge=3)] | None = 600
    seconds: Annotated[float, Field(ge=3, le=120)] = SECONDS
    shares: tuple[float, float, float] = (0.7, 0.1, 0.2)
    seed: Annotated[int, Field(ge=0, le=2**31)] = 0


class TranslatorPart(Strict):
    """The perceptron.

    Parameters
    ----------
    hidden, depth : int
        Width and number of its hidden layers.
    """

    hidden: Annotated[int, Field(ge=1, le=8192)] = 512
    depth: Annotated[int, Field(ge=1, le=16)] = 2


class TranslatorTraining(Strict):
    """How it is trained; see `glissando.latent.fit_translator`.

    Parameters
    ----------
    steps, batch : int
        Of training.
    rate, contrast : float
        Learning rate; weight of telling clips apart.
    seed : int
        Of weights and batches.
    """

    steps: Annotated[int, Field(ge=1, le=1_000_000)] = 3000
    batch: Annotated[int, Field(ge=2, le=65_536)] = 256
    rate: Annotated[float, Field(gt=0, le=1)] = 1e-3
    contrast: Annotated[float, Field(ge=0, le=100)] = 0.5
    seed: Annotated[int, Field(ge=0, le=2**31)] = 0


class TranslationRecipe(Strict):
    """A recipe whose task is the tempo translation of an encoder.

    Parameters
    ----------
    task : {"tempo-translation"}
        What tells it from other recipes.
    encoder : str
        Whose embeddings are translated.
    data : PairData
        Of which recordings.
    model : TranslatorPart
        The perceptron.
    train : TranslatorTraining
        How.
    """

    task: Literal["tempo-translation"]
    encoder: str
    data: PairData = PairData()
    model: TranslatorPart = TranslatorPart()
    train: TranslatorTraining = TranslatorTraining()


@dataclass(frozen=True)
class Translation:
    """A translation that was learned.

    Parameters
    ----------
    folder : Path
        With weights, recipe, split, numbers and card.
    result : dict
        The numbers.
    failed : list of Failure
        Recordings that were left out.
    """

    folder: Path
    result: dict[str, Any]
    failed: list[Failure] = field(default_factory=list)


def load_translation_recipe(name: str | Path, *, changes: Sequence[str] = ()) -> TranslationRecipe:
    """Read a recipe for tempo translation.

    Parameters
    ----------
    name : str or Path
        A file, or ``tempo-translation``.
    changes : sequence of str
        Such as ``train.steps=500``.

    Returns
    -------
    TranslationRecipe
        Validated.

    Raises
    ------
    RecipeError
        If there is none of that name, or it is not such a recipe.
    """
    return checked(TranslationRecipe, read_recipe(name, changes=changes), str(name))


def train_translation(
    recipe: TranslationRecipe,
    folder: str | Path | None = None,
    *,
    workers: int = 1,
    progress: Progress | None = None,
) -> Translation:
    """Learn the tempo translation of an encoder.

    Parameters
    ----------
    recipe : TranslationRecipe
        What to learn from.
    folder : str or Path, optional
        Where to put it; where libraries find it if None.
    workers : int
        Processes that embed; see `glissando.latent.embed_at_tempi`.
    progress : callable, optional
        Called with what is done (embeddings, steps), how many, and in all.

    Returns
    -------
    Translation
        Its numbers are those of the test clips.

    Raises
    ------
    ModelError
        If there is no such encoder.
    RecipeError
        If the encoder needs none, the data are not as they should be, or there is a translator in the folder.
    """
    known, part = encoder_card(recipe.encoder), recipe.train
    if known.rates is not None:
        raise RecipeError(f"{known.name}: needs no translation; its dimensions are rates, along which tempo is a shift")
    target = Path(folder) if folder is not None else translator_folder(known.space_id)
    if (target / FILE).exists():
        raise RecipeError(f"{target}: holds a translator already; remove that folder, or name another with --out")
    begun = time.monotonic()
    sides = draw_sides(recipe.data)
    made = embed_at_tempi(
        [one for held in sides.values() for one in held],
        recipe.encoder,
        seconds=recipe.data.seconds,
        workers=workers,
        progress=None if progress is None else lambda done, total: progress("embeddings", done, total),
    )
    keys = [one.key for one in made.recordings]
    split = {side: [one.key for one in held if one.key in {*keys}] for side, held in sides.items()}
    parts = {side: made.pairs.part(np.isin(keys, held)) for side, held in split.items()}
    for side in SIDES:
        if not split[side]:
            raise RecipeError(f"{_names(recipe)}: no clips are left for {side}; name more data")
    torch.manual_seed(part.seed)
    dim, space = known.dim, known.space_id
    found = LearnedTranslator(space, dim, hidden=recipe.model.hidden, depth=recipe.model.depth)
    fit_translator(
        found,
        parts["train"],
        parts["valid"],
        **part.model_dump(),
        progress=None if progress is None else lambda done, total: progress("steps", done, total),
    )
    direction, quick = LearnedTranslator(space, dim, hidden=0), max(1, part.steps // 3)
    fit_translator(direction, parts["train"], parts["valid"], steps=quick, rate=1e-2, contrast=0.0)
    systems: dict[str, Transform] = {
        "no-op": LearnedTranslator(space, dim, hidden=0),
        "direction": direction,
        "subspace": fit_subspace(space, parts["train"], parts["valid"], steps=quick, seed=part.seed),
        "learned": found,
    }
    result = {
        "encoder": known.name,
        "space_id": space,
        "clips": {side: len(held.vectors) for side, held in parts.items()},
        "factors": [round(float(factor), 4) for factor in made.pairs.factors],
        "metrics": {name: _scores(system, parts["test"]) for name, system in systems.items()},
        "failed": [[one.key, one.reason] for one in made.failed],
        "parameters": sum(weight.numel() for weight in found.parameters()),
        "minutes": round((time.monotonic() - begun) / 60, 2),
    }
    _keep(target, recipe, found, split, result)
    return Translation(target, result, made.failed)


def draw_sides(part: PairData) -> dict[str, list[Recording]]:
    """Tell which recordings train, validate and test, so that nothing that belongs together lies on two sides.

    Parameters
    ----------
    part : PairData
        Which recordings.

    Returns
    -------
    dict of str to list of Recording
        By side. A set with an official split keeps it; what the sets share goes to the test, or to the validation.

    Raises
    ------
    RecipeError
        If there are no such data, or too few.
    """
    rng = np.random.default_rng(part.seed)
    held: list[Recording] = []
    rank: list[int] = []
    kept: list[bool] = []
    for name in [part.name] if isinstance(part.name, str) else part.name:
        every, sides = _sides(str(name), recordings(name), part)
        chosen = np.zeros(len(every), bool)
        chosen[rng.permutation(len(every))[: part.clips]] = True
        held, rank, kept = held + every, rank + sides, kept + chosen.tolist()
    groups = joined(held)
    latest: dict[str, int] = {}
    for group, side in zip(groups, rank, strict=True):
        latest[group] = max(side, latest.get(group, 0))
    found: dict[str, list[Recording]] = {side: [] for side in SIDES}
    for one, group, taken in zip(held, groups, kept, strict=True):
        if taken:
            found[SIDES[latest[group]]].append(one)
    return found


def _sides(name: str, every: list[Recording], part: PairData) -> tuple[list[Recording], list[int]]:
    """The split of one set: its own, or one that is drawn."""
    told = [next(iter(one.annotations.labels.get(SPLIT, ())), None) for one in every]
    if not any(side in SIDES for side in told):
        return every, _drawn(name, every, dict(zip(SIDES, part.shares, strict=True)), part.seed)
    pairs = [(one, SIDES.index(side)) for one, side in zip(every, told, strict=True) if side in SIDES]
    every, sides = [one for one, _ in pairs], [side for _, side in pairs]
    if 1 not in sides:
        inner = [i for i, side in enumerate(sides) if side == 0]
        shares = {"train": 1 - part.shares[1], "valid": part.shares[1]}
        for i, side in zip(inner, _drawn(name, [every[i] for i in inner], shares, part.seed), strict=True):
            sides[i] = side
    return every, sides


def _drawn(name: str, every: list[Recording], shares: Mapping[str, float], seed: int) -> list[int]:
    groups = dict(zip((one.key for one in every), joined(every), strict=True))
    bare = {key: Entry(key, Annotations(labels={"recording": (group,)})) for key, group in groups.items()}
    split = split_by(DataSet(name, bare), "recording", fractions=shares, seed=seed)
    side = {key: SIDES.index(part) for part, keys in split.parts.items() for key in keys}
    return [side[one.key] for one in every]


def _scores(system: Transform, pairs: Pairs) -> dict[str, float]:
    clip, version = retrieval(system, pairs)
    return {"cosine": similarity(system, pairs), "clip": clip, "version": version}


def _keep(
    folder: Path,
    recipe: TranslationRecipe,
    found: LearnedTranslator,
    split: Mapping[str, list[str]],
    result: Mapping[str, Any],
) -> None:
    """Write the folder, the weights last: once they are there, they are used."""
    folder.mkdir(parents=True, exist_ok=True)
    write(folder / ENVIRONMENT, json.dumps(environment(), indent=1))
    write(folder / RECIPE, yaml.safe_dump(recipe.model_dump(mode="json", exclude_defaults=False), sort_keys=False))
    write(folder / "split.json", json.dumps(split, indent=1, ensure_ascii=False))
    write(folder / RESULT, json.dumps(result, indent=1, ensure_ascii=False))
    write(folder / CARD, _card(recipe, result))
    save_translator(folder / FILE, found)


def _names(recipe: TranslationRecipe) -> str:
    return recipe.data.name if isinstance(recipe.data.name, str) else ", ".join(recipe.data.name)


def _card(recipe: TranslationRecipe, result: Mapping[str, Any]) -> str:
    clips, factors = result["clips"], result["factors"]
    sets = [recipe.data.name] if isinstance(recipe.data.name, str) else recipe.data.name
    told = [f"{(known := describe(name)).title}. Licence: {known.licence}." for name in sets if name in data_names()]
    encoder = encoder_card(recipe.encoder)
    return "\n".join(
        [
            f"# Tempo translation of {recipe.encoder}",
            "",
            f"For the space `{result['space_id']}` alone. Learned from {_names(recipe)}: {clips['train']} clips to "
            f"train, {clips['valid']} to validate, {clips['test']} to test, each of {recipe.data.seconds:g} s or less "
            f"at {len(factors)} factors from {factors[0]:g} to {factors[-1]:g}; what belongs together is on one side. "
            f"Seed {recipe.train.seed}; {result['parameters']:,} parameters; {result['minutes']:.1f} minutes.",
            "",
            "| on the test clips | cosine | right clip | right clip at the right tempo |",
            "|---|---|---|---|",
            *(
                f"| {name}: {SYSTEMS[name]} | {row['cosine']:.3f} | {row['clip']:.3f} | {row['version']:.3f} |"
                for name, row in result["metrics"].items()
            ),
            f"| chance | | {1 / clips['test']:.3f} | {1 / (clips['test'] * len(factors)):.4f} |",
            "",
            "Cosine: of the translated original with the clip that was stretched. Right clip: the nearest of all test "
            "clips at the wanted factor; at the right tempo: the nearest of all at all factors.",
            "",
            *told,
            f"Encoder: {encoder.source}, {encoder.licence}.",
            "",
        ]
    )
