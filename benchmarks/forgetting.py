"""What a space forgets: four small contrastive trainings, whose views of a recording may differ in tempo, in key, in both or in
neither, and what the nearest then have in common.

    python forgetting.py [--quick]     # before: gliss data build tempo-renders

Renderings (synthetic) of songs that are in no training, played with a soundfont that is in none: share of the five nearest, among
the other songs, that have the tempo (within 8 %) or the key (our estimate) of the query. Trainings are resumed, or read where they
are done.
"""

from __future__ import annotations

import argparse
import json

import numpy as np
from music import SEED, UNHEARD, WITHIN, embed, estimated_key, excerpt, nearest, rows
from report import Row, write

from glissando import encoders
from glissando.data import load
from glissando.metrics import tempo_hit
from glissando.paths import cache_dir
from glissando.training import Run, load_recipe, resume, train

SONGS, ASKED, EPOCHS = 192, 160, 24
PLACE = "Renderings (synthetic), unheard songs and soundfont: the five nearest"
CELLS = {
    "neither": [],
    "time-stretch": ["tempo"],
    "pitch shift": ["key"],
    "time-stretch and pitch shift": ["tempo", "key"],
}


def trained(forget: list[str], songs: list[str], epochs: int) -> Run:
    """The training of a cell, done now if it is not yet."""
    name = "-".join(["place", *forget, str(len(songs)), str(epochs)])
    folder = cache_dir() / "benchmarks" / "forgetting" / name
    if folder.exists():
        return resume(folder)
    how = {
        "views": 2,
        "octaves": 0.4,
        "stretched": [],
        "transposed": [-3, 4],
        "excerpt": 40,
        "forget": ["place", *forget],
    }
    changes = [
        f"paradigm={json.dumps({'contrastive': how})}",
        f"data.where={json.dumps({'soundfont': 'FluidR3_GM', 'take': '0', 'piece': songs})}",
        "data.also=[]",
        "data.shares=[0.75, 0.125, 0.125]",
        f"train.epochs={epochs}",
        f"train.patience={epochs}",
    ]
    return train(load_recipe("contrastive/gliss-music", changes=changes), folder)


def main() -> None:
    """Train, measure all and write ``results/forgetting.json``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two short trainings of few songs, nothing written")
    quick = parser.parse_args().quick
    data = load("tempo-renders")
    pieces = sorted({entry.groups["piece"] for entry in data.values()})
    order = [pieces[i] for i in np.random.default_rng(SEED).permutation(len(pieces))]
    songs, asked = (order[:64], order[-30:]) if quick else (order[:SONGS], order[-ASKED:])
    entries = [one for one in data.values() if one.groups["piece"] in asked and one.key.endswith(UNHEARD)]
    tempi = np.array([float(entry.annotations.labels["tempo"][0]) for entry in entries])
    audios = [excerpt(entry) for entry in entries]
    keys, others = np.array([estimated_key(audio) for audio in audios]), ~np.eye(len(entries), dtype=bool)
    same_tempo, same_key = tempo_hit(tempi, tempi[:, None], tolerance=WITHIN), keys == keys[:, None]
    found: list[Row] = []
    for name, forget in [*CELLS.items()][: 2 if quick else 4]:
        run = trained(forget, sorted(songs), 1 if quick else EPOCHS)
        gallery = embed(encoders.load("gliss-music", weights=run.folder), audios)
        for metric, right in (("of its tempo, within 8 %", same_tempo), ("of its key (our estimate)", same_key)):
            found += rows(PLACE, f"views differ by {name}", metric, nearest(gallery, gallery, others, right))
        print(name, [f"{row.metric} {row.value:.3f}" for row in found[-4::2]], flush=True)
    if quick:
        return
    write(
        "forgetting",
        list(dict.fromkeys(found)),
        seed=SEED,
        title="What a space forgets",
        notes=[
            f"Four contrastive trainings of the network of gliss-music on {int(0.75 * SONGS)} songs, {EPOCHS} short epochs, one seed: two views of "
            "every recording, from places far apart, which may also differ in tempo (by up to 0.4 octaves each, frames resampled), in key "
            "(-3, 0 or 4 semitones, audio transposed ahead of time), in both or in neither. Where they do not differ in tempo, both are at the "
            "same changed tempo, so that all four hear as many tempi. Intervals are over recordings, not over trainings. After McCallum et al., "
            "[arXiv 2401.08889](https://arxiv.org/abs/2401.08889).",
        ],
    )


if __name__ == "__main__":
    main()
