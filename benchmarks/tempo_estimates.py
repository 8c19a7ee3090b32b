"""Tempo estimates: ours, trained and not, beside librosa and tempocnn. Part of `tempo.py`."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray
from report import Row, bootstrap
from tempo_sets import RATE, Clip

from glissando.features import estimate_tempo, peak_tempo
from glissando.metrics import tempo_hit

SEED, PEER = 0, "tempocnn (fcn)"

Vectors = NDArray[np.float32]


def librosa_tempo(clip: Clip) -> float:
    """Estimate of librosa, as its documentation uses it."""
    import librosa

    return float(np.atleast_1d(librosa.feature.tempo(y=clip.sound(1.0), sr=RATE))[0])


def tempocnn(python: str, clips: Sequence[Clip]) -> NDArray[np.float64]:
    """Estimates of tempocnn's fcn, from its own environment."""
    script = Path(__file__).parent / "peers" / "tempocnn" / "run.py"
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / f"{i:04}.wav" for i in range(len(clips))]
        for file, clip in zip(files, clips, strict=True):
            soundfile.write(file, clip.sound(1.0), RATE)
        out = Path(folder) / "out.json"
        subprocess.run([python, script, out, *files], check=True, capture_output=True)
        told = json.loads(out.read_text())
    return np.array([told[file.stem]["fcn"] for file in files])


def accuracy(name: str, clips: list[Clip], guesses: Mapping[str, NDArray[np.float64]]) -> list[Row]:
    """Acc1 and Acc2 of every system."""
    truth, made = np.array([clip.bpm for clip in clips]), []
    for system, found in guesses.items():
        for metric, octaves in (("Acc1", False), ("Acc2", True)):
            right = tempo_hit(np.nan_to_num(found), truth, octaves=octaves).astype(float)
            low, high = bootstrap(right, np.arange(len(right)), seed=SEED)
            made.append(Row(f"Tempo: {name}", system, metric, float(right.mean()), len(right), "", low, high))
    return made


def rows(name: str, clips: list[Clip], beats: Vectors, similar: Vectors) -> list[Row]:
    """Ours, trained and not, beside librosa."""
    rough = [estimate_tempo(one) for one in similar]
    guesses = {
        "gliss-tempo": np.array([peak_tempo(one.astype(np.float64)).bpm for one in beats]),
        "rhythm (log-lag autocorrelation)": np.array([one.bpm if one else np.nan for one in rough]),
        "librosa": np.array([librosa_tempo(clip) for clip in clips]),
    }
    return accuracy(name, clips, guesses)


def peer(name: str, clips: list[Clip], python: str) -> list[Row]:
    """The peer tempocnn."""
    return accuracy(name, clips, {PEER: tempocnn(python, clips)})
