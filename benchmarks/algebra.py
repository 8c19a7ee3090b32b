"""Audio algebra: effect directions, mixing, knobs, analogies and operations on the latents of gliss-codec.

    python algebra.py [--quick] [--only PART ...] [--effects DIR]

Needs ``gliss data build`` of soundfont-notes and guitar-notes (and of esc10 and game-music for the operations), and pedalboard
(extra "effects"). DIR is a folder of dry and wet sounds with a ``pairs.csv`` (columns dry, wet, instrument, effect); without it, that part
is left out. What a part finds is kept in the cache; to measure it anew, name it with ``--only``. ``--quick`` writes nothing.
"""

from __future__ import annotations

import argparse
import importlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

import torch
from report import Row, write

from glissando.codecs import card
from glissando.paths import cache_dir

SEED = 0
PARTS = ("effects", "talk", "knobs", "operations", "mixing", "analogies", "style")  # each a module: algebra_NAME
TALK = "talk"
CACHE = cache_dir() / "benchmarks" / "algebra"

Found = tuple[list[Row], list[dict[str, object]]]  # rows and goals


def measured(name: str, *, quick: bool, folder: Path | None) -> Found:
    """Do a part."""
    module = importlib.import_module(f"algebra_{name}")
    measure: Callable[[bool], Found] = partial(module.measure, folder=folder) if name == TALK else module.measure
    return measure(quick)


def kept(name: str) -> Path:
    """Where what a part finds is kept."""
    return CACHE / f"{name}-{card('gliss-codec').space_id.replace(':', '-')}.json"


def save(name: str, found: Found) -> None:
    """Keep what a part found."""
    path = kept(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"rows": [asdict(row) for row in found[0]], "goals": found[1]}))


def read(name: str) -> Found:
    """What a part found."""
    found = json.loads(kept(name).read_text())
    return [Row(**row) for row in found["rows"]], found["goals"]


def notes(parts: Sequence[str], missing: Sequence[str]) -> list[str]:
    """What must be known to read the tables."""
    said = [f"Not measured yet: {', '.join(missing)}.", ""] if missing else []
    for name in parts:
        said += getattr(importlib.import_module(f"algebra_{name}"), "ABOUT", [])
    return said


def main() -> None:
    """Do every part that has not been done, and write ``results/algebra.json``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a look at every part; writes nothing")
    parser.add_argument(
        "--only", nargs="+", choices=PARTS, metavar="PART", help=f"only these, anew: {', '.join(PARTS)}"
    )
    parser.add_argument("--effects", type=Path, metavar="DIR", help="dry and wet sounds, listed by pairs.csv")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    here = Path(__file__).parent
    missing = []
    for name in PARTS:
        wanted = name in asked.only if asked.only else asked.quick or not kept(name).exists()
        able = (here / f"algebra_{name}.py").exists() and (name != TALK or asked.effects is not None)
        if wanted and able:
            rows, goals = measured(name, quick=asked.quick, folder=asked.effects)
            for row in rows:
                print(f"{row.data:44} {row.system:34} {row.metric:40} {row.value:.3f} n={row.n}", flush=True)
            if not asked.quick:
                save(name, (rows, goals))
        elif wanted:
            print(f"{name}: left out" + (", for want of --effects DIR" if name == TALK else ""))
        if not asked.quick and not kept(name).exists():
            missing.append(name)
    if not asked.quick:
        parts = [name for name in PARTS if name not in missing]
        found = [read(name) for name in parts]
        rows = [row for some, _ in found for row in some]
        goals = [goal for _, some in found for goal in some]
        write("algebra", rows, seed=SEED, title="Audio algebra", notes=notes(parts, missing), goals=goals)


if __name__ == "__main__":
    main()
