"""From a recipe to what learns, and how."""

from __future__ import annotations

from ..registry import parse
from .estimator import Estimator
from .network import Network
from .paradigm import PARADIGMS, Paradigm
from .recipe import Recipe
from .supervised import Supervised


def paradigm_of(recipe: Recipe, *, name: str) -> tuple[Network, Paradigm]:
    """Build what a recipe names.

    Parameters
    ----------
    recipe : Recipe
        With a task or a paradigm.
    name : str
        Of the recipe, for errors.

    Returns
    -------
    Network
        An `Estimator`, if there is a task.
    Paradigm
        How it learns.

    Raises
    ------
    RecipeError
        If a part can't be built.
    """
    if recipe.paradigm is None:
        estimator = Estimator(recipe, name=name)
        return estimator, Supervised(estimator)
    where = f"{name}: paradigm"
    kind = PARADIGMS.maker(parse(recipe.paradigm, "paradigm", where=where)[0], where=where)
    network = Network(recipe, name=name, given=getattr(kind, "given", None))
    return network, PARADIGMS.build(
        recipe.paradigm, where=where, example=network.output(), model=network.model,
        feature=network.feature,
    )  # fmt: skip
