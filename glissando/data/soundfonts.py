"""The soundfonts that data sets are played with: those that are installed, and those that recipes count on."""

from __future__ import annotations

import logging
from pathlib import Path

from ..audio.scores import soundfonts
from ..errors import RecipeError

# Under the MIT licence, so that what learns from them can be passed on; by the Debian packages that hold them.
FREE = {"FluidR3_GM": "fluid-soundfont-gm", "MuseScore_General_Full": "musescore-general-soundfont"}

logger = logging.getLogger("glissando")


def installed() -> list[Path]:
    """List the soundfonts to play with; free ones that are missing are logged.

    Returns
    -------
    list of Path
        Sorted by name.

    Raises
    ------
    RecipeError
        If there is none.
    """
    fonts = soundfonts()
    if not fonts:
        raise RecipeError(f"there is no soundfont to play with; install the packages {', '.join(FREE.values())}")
    for name in FREE.keys() - {font.stem for font in fonts}:
        logger.warning("soundfont %s is not installed and plays nothing (package %s)", name, FREE[name])
    return fonts
