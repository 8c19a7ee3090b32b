"""tbd"""
from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch

from glissando.paths import cache_dir
from glissando.training import Run, load_recipe, resume, train

CACHE = cache_dir() / "benchmarks" / "diverse"
VIEWS = ("pitch", "timbre", "waveform", "neural")


def _set(name, label, classes, kind="classes", **data):
    changes = [f"task={json.dumps({kind: {'label': label, 'chunks': True}})}", f"data.name={name}", "data.also=[]", "data.where=null"]
    return changes


def cell(folder: Path, view: str, changes) -> Run:
    place = folder / view
    print(place.relative_to(CACHE), flush=True)
    if (place / "recipe.yaml").exists():
        return resume(place)
    return train(load_recipe(f"diverse/{view}", changes=changes), place, accelerator="cpu")
