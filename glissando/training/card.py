"""The card of a run, in Markdown."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import yaml

from ..data import card as describe
from ..data import names

if TYPE_CHECKING:
    from .recipe import Recipe
    from .runs import Run


ATTRIBUTION = "attribution.csv"
TOLD = f"Title, composer and licence of the recordings that it was trained on and chosen by: `{ATTRIBUTION}`."


def card(run: Run, *, note: str = "") -> str:
    """Describe a run that is done.

    Parameters
    ----------
    run : Run
        With a result.
    note : str
        A paragraph after the metrics.

    Returns
    -------
    str
        Markdown.
    """
    result, split = run.result(), run.split()
    surroundings = json.loads((run.folder / "environment.json").read_text(encoding="utf-8"))
    data = result["data"]
    lines = [
        f"# {run.name}",
        "",
        f"{_learned(run.recipe)} on {data['name']}: {data['train']} entries to train, {data['valid']} to "
        f"validate, {data['test']} to test ({split.origin} split, {split.group or 'entries'} never parted, "
        f"seed {split.seed}).",
        *(line for source in (run.recipe.data, *run.recipe.data.also) for line in _about(source.name)),
        "",
        "| metric | test mean | 95 % interval | n |",
        "|---|---|---|---|",
        *(
            f"| {name} | {one['mean']:.3f} | {one['low']:.3f} to {one['high']:.3f} | {one['n']:.0f} |"
            for name, one in result["metrics"].items()
        ),
        "",
        *([note, ""] if note else []),
        *([TOLD, ""] if (run.folder / ATTRIBUTION).exists() else []),
        f"{result['parameters']:,} parameters, {result['epochs']} epochs, {result['minutes']:.1f} minutes of training "
        f"on {surroundings['machine']}; seed {run.recipe.train.seed}; tuned on validation: "
        f"{', '.join(f'{name} {value:g}' for name, value in result['tuned'].items()) or 'nothing'}.",
        f"Weights: SHA-256 `{result['sha256']}`; glissando {surroundings['versions']['glissando']}, "
        f"torch {surroundings['versions']['torch']}, commit {surroundings['commit'] or 'unknown'}.",
        "",
        "```yaml",
        yaml.safe_dump(run.recipe.model_dump(mode="json", exclude_defaults=True), sort_keys=False).rstrip(),
        "```",
        "",
    ]
    return "\n".join(lines)


def _about(data: str) -> list[str]:
    """What the card of a known data set says."""
    if data not in names():
        return []
    known = describe(data)
    rendered = f" Synthetic: {known.synthetic}." if known.synthetic else ""
    return ["", f"Data: {known.title}. Source: {known.source}. Licence: {known.licence}.{rendered}"]


def _learned(recipe: Recipe) -> str:
    return f"Paradigm {_name(recipe.paradigm)}" if recipe.paradigm else f"Task {_name(recipe.task)}"


def _name(spec: object) -> str:
    return spec if isinstance(spec, str) else str(next(iter(spec))) if isinstance(spec, dict) else "?"
