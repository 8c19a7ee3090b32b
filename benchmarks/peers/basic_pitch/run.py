"""Let basic-pitch (Bittner et al. 2022, ONNX weights of its wheel) hear recordings; runs in the peer's own environment.

    python run.py OUT_DIR AUDIO...

Writes for every recording OUT_DIR/STEM.npz: ``times`` [s], and ``note``, the salience of 88 semitones from A0 by frame.
Prints a line of JSON with the seconds it took.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np
from basic_pitch import ICASSP_2022_MODEL_PATH
from basic_pitch.inference import Model, run_inference
from basic_pitch.note_creation import model_frames_to_time


def main(out: str, *files: str) -> None:
    """Write the salience of every file; the times are those that basic-pitch itself corrects for its windows."""
    path = Path(ICASSP_2022_MODEL_PATH)
    model = Model(path if path.suffix == ".onnx" else path.with_suffix(".onnx"))
    Path(out).mkdir(parents=True, exist_ok=True)
    for file in files:
        start = time.perf_counter()
        found = run_inference(file, model)
        spent = time.perf_counter() - start
        note = found["note"].astype(np.float32)
        np.savez(Path(out) / f"{Path(file).stem}.npz", times=model_frames_to_time(len(note)), note=note)
        print(json.dumps({"file": file, "seconds": spent}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
