"""Let crema (McFee & Bello 2017, weights of its wheel, ISC) hear chords; runs in the peer's own environment.

    python run.py OUT_DIR AUDIO...

Writes for every recording OUT_DIR/STEM.lab: start, end and chord. Prints a line of JSON with the seconds it took.
"""

from __future__ import annotations

import json
import os
import sys
import time
import warnings
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
warnings.filterwarnings("ignore")  # (its pickles are of an older scikit-learn)

import librosa  # noqa: E402
from crema.models.chord import ChordModel  # noqa: E402


def main(out: str, *files: str) -> None:
    """Write the chords of every file."""
    model = ChordModel()
    Path(out).mkdir(parents=True, exist_ok=True)
    for file in files:
        samples, rate = librosa.load(file, sr=44_100)
        start = time.perf_counter()
        found = model.predict(y=samples, sr=rate)
        spent = time.perf_counter() - start
        lines = [f"{one.time:.4f}\t{one.time + one.duration:.4f}\t{one.value}\n" for one in found.data]
        (Path(out) / f"{Path(file).stem}.lab").write_text("".join(lines))
        print(json.dumps({"file": file, "seconds": spent}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
