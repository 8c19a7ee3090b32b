"""``python -m glissando.cli``."""

from . import main

main()
