"""Tempo labels of the data set game-music: tempocnn on the middle 30 s of every recording.

    python benchmarks/game_tempo.py --clips        # cut what has no estimate yet, for the peer to label
    python benchmarks/game_tempo.py --labels FILE  # add the peer's answers to the table in the package

`make peer-tempocnn` does both with the peer between them.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import soundfile

from glissando.audio import is_silent, read
from glissando.data.builders.games import TEMPO, music_of, source_folder
from glissando.paths import cache_dir

CHARACTERS = 12  # of a SHA-256
CLIP, RATE = 30.0, 22_050  # seconds, Hz


def main() -> None:
    """Cut clips, or write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", action="store_true", help="cut the clips that have no estimate yet")
    parser.add_argument("--labels", type=Path, help="JSON from benchmarks/peers/tempocnn/run.py")
    arguments = parser.parse_args()
    known = json.loads(TEMPO.read_text())
    table = {}
    found = {} if arguments.labels is None else json.loads(arguments.labels.read_text())
    clips = cache_dir() / "benchmarks" / "game-tempo"
    clips.mkdir(parents=True, exist_ok=True)
    for piece in music_of(source_folder()):
        name = piece.recording.sha256[:CHARACTERS]
        if name in found:
            table[piece.key] = {"sha256": name, **found[name]}
        elif known.get(piece.key, {}).get("sha256") == name:
            table[piece.key] = known[piece.key]
        elif arguments.clips and not (clips / f"{name}.wav").exists():
            start = max(0.0, (piece.recording.duration - CLIP) / 2)
            samples = read(piece.recording.path, sample_rate=RATE, start=start, end=start + CLIP).samples
            if not is_silent(samples):
                soundfile.write(clips / f"{name}.wav", np.clip(samples, -1, 1), RATE)
    if arguments.labels is not None:
        lines = ",\n".join(f" {json.dumps(key)}: {json.dumps(table[key])}" for key in sorted(table))
        TEMPO.write_text(f"{{\n{lines}\n}}\n")


if __name__ == "__main__":
    main()
