"""Packages of the extra ``train``, imported when needed."""

from __future__ import annotations

import importlib
from typing import Any, Literal

from ..errors import RecipeError


def extra(name: Literal["h5py", "music21", "scipy.io"]) -> Any:
    """Import a package that the core does without.

    Parameters
    ----------
    name : {"h5py", "music21", "scipy.io"}
        Of the package.

    Returns
    -------
    module
        The package.

    Raises
    ------
    RecipeError
        If it is not installed, saying how to install it.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        if name == "music21":
            raise RecipeError("chorales are read by music21; install it with: pip install music21") from error
        raise RecipeError(
            f'data sets need {name}, which is in the extra "train"; install it with: pip install "glissando[train]"'
        ) from error
