"""``gliss model``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import typer
from rich.table import Table

from ..errors import RecipeError
from .options import RecipeArgument, SetOption, console

if TYPE_CHECKING:
    from torch import Tensor

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Look at the model of a recipe.")

INPUTS = (("channels", "bins", "frames"), ("frames", "dim"), ("samples",), ("dim",))  # of a map, a sequence, ...
MOST_INPUT = 100_000_000  # values


@app.callback()
def root() -> None:
    """Look at the model of a recipe."""


@app.command()
def show(
    recipe: RecipeArgument,
    changes: SetOption = None,
) -> None:
    """Print the layers with the shape of their output, their parameters and their multiply-adds.

    A file with nothing but model: and input: will do, too.
    """
    from .. import nn, training

    content = training.read_recipe(recipe, changes=changes or ())
    if "input" in content:
        example = _example(content["input"], f"{recipe}: input")
    else:
        example = training.Network(training.validated(content, recipe), name=recipe).example()
    conditions = content.get("given") or {}
    if not isinstance(conditions, Mapping) or not all(isinstance(name, str) for name in conditions):
        raise RecipeError(f"{recipe}: given: write name: {{dim: 10}} for everything that bricks use by name")
    given = {name: _example(size, f"{recipe}: given.{name}") for name, size in conditions.items()}
    model = nn.build(content.get("model"), example, where=f"{recipe}: model", given=given)
    rows = model.summary(example, **given)
    table = Table(box=None, pad_edge=False)
    table.add_column("layer", overflow="fold")
    table.add_column("brick")
    for column in ("output", "parameters", "multiply-adds"):
        table.add_column(column, justify="right")
    table.add_row("input", "", _size(example.shape[1:]), "", "")
    for row in rows:
        table.add_row(row.name, row.brick, _size(row.shape[1:]), f"{row.parameters:,}", f"{row.multiply_adds:,}")
    table.add_section()
    parameters, multiply_adds = sum(row.parameters for row in rows), sum(row.multiply_adds for row in rows)
    table.add_row("all", "", "", f"{parameters:,}", f"{multiply_adds:,}")
    console.print(table)


def _example(size: object, where: str) -> Tensor:
    """One example of the size that a recipe names, without memory."""
    import math

    import torch

    if isinstance(size, Mapping):
        for names in INPUTS:
            if set(size) == set(names):
                sizes = [size[name] for name in names]
                if all(type(each) is int and each > 0 for each in sizes) and math.prod(sizes) <= MOST_INPUT:
                    return torch.empty(1, *sizes, device="meta")
                raise RecipeError(f"{where}: sizes are whole numbers above 0, of at most {MOST_INPUT:,} values in all")
    forms = " or ".join("{" + ", ".join(names) + "}" for names in INPUTS)
    raise RecipeError(f"{where}: write {forms}")


def _size(shape: tuple[int, ...]) -> str:
    return " x ".join(f"{size:,}" for size in shape)
