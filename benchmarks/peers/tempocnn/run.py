"""Label clips with tempocnn (Schreiber & Mueller 2018); runs in the peer's own environment (AGPL-3.0).

    python run.py OUT.json AUDIO...

Writes ``{stem: {"fcn": BPM, "cnn": BPM}}``: two models, so that clips on which they agree can be told apart.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tempocnn.classifier import TempoClassifier
from tempocnn.feature import read_features

MODELS = ("fcn", "cnn")


def main(out: str, *files: str) -> None:
    """Write OUT.json with both models' tempo in BPM for every file."""
    classifiers = {name: TempoClassifier(name) for name in MODELS}
    labels = {}
    for file in files:
        features = read_features(file)
        labels[Path(file).stem] = {
            name: float(classifier.estimate_tempo(features, interpolate=False))
            for name, classifier in classifiers.items()
        }
    Path(out).write_text(json.dumps(labels, indent=1))


if __name__ == "__main__":
    main(*sys.argv[1:])
