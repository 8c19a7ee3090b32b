"""Time the original musiCNN, or librosa's mel and tempo, file by file, in the peer's own environment.

    python speed.py musicnn|librosa AUDIO...

Writes one line of JSON a file: seconds of audio, CPU-seconds and seconds. The first file is done once before, so that
loading and librosa's compilation don't count.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
import time
from collections.abc import Callable

import librosa


def _musicnn(path: str) -> None:
    from musicnn.extractor import extractor

    with contextlib.redirect_stdout(io.StringIO()):  # it prints a progress of its own
        extractor(path, model="MSD_musicnn", extract_features=True)


def _librosa(path: str) -> None:
    samples, rate = librosa.load(path, sr=16_000)
    librosa.feature.melspectrogram(y=samples, sr=rate, n_fft=512, hop_length=256, n_mels=96)
    librosa.feature.tempo(y=samples, sr=rate)


def main(system: str, *files: str) -> None:
    """Time every file."""
    run: Callable[[str], None] = {"musicnn": _musicnn, "librosa": _librosa}[system]
    run(files[0])
    for path in files:
        wall, cpu = time.perf_counter(), time.process_time()
        run(path)
        spent = {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall}
        print(json.dumps({"path": path, "audio": librosa.get_duration(path=path), **spent}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
