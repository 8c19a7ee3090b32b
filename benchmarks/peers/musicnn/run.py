"""Run the original musiCNN package and write what it says as numbers.

Runs in the peer's own environment (see `benchmarks/peers/README.md`), never in Glissando's.

    python run.py OUT.npz AUDIO...

Front-end, network and weights are the package's own; only its outer loop is not used, because musicnn 0.1.0
repeats the first window's penultimate layer for all later windows (``penultimate_`` instead of ``backend_``).

For every model and file: ``MODEL/STEM/mean`` (tag probabilities, mean over windows), and for the first, middle and
last window ``.../tags``, ``.../embedding``; ``.../windows`` names those windows and ``.../count`` how many there are.
"""

from __future__ import annotations

import sys
from pathlib import Path

import musicnn
import numpy as np
import tensorflow as tf
from musicnn import models
from musicnn.extractor import batch_data

MODELS = ("MSD_musicnn", "MTT_musicnn", "MSD_vgg", "MTT_vgg")
FRAMES, BANDS, TAGS = 187, 96, 50
LAYERS = {
    "musicnn": ("tags", "timbral", "temporal", "cnn1", "cnn2", "cnn3", "mean_pool", "max_pool", "embedding"),
    "vgg": ("tags", "pool1", "pool2", "pool3", "pool4", "embedding"),
}


def main(out: str, *files: str) -> None:
    """Write OUT.npz with the outputs of every model for every file."""
    tf.compat.v1.disable_eager_execution()
    numbers: dict[str, np.ndarray] = {}
    windows = {Path(file).stem: batch_data(file, FRAMES, FRAMES)[0] for file in files}
    for model in MODELS:
        tf.compat.v1.reset_default_graph()
        with tf.name_scope("model"):
            x = tf.compat.v1.placeholder(tf.float32, [None, FRAMES, BANDS])
            training = tf.compat.v1.placeholder(tf.bool)
            outputs = models.define_model(x, training, model, TAGS)
        with tf.compat.v1.Session() as session:
            tf.compat.v1.train.Saver().restore(session, f"{Path(musicnn.__file__).parent}/{model}/")
            names = LAYERS["vgg" if model.endswith("vgg") else "musicnn"]
            wanted = dict(zip(names, [tf.nn.sigmoid(outputs[0]), *outputs[1:]], strict=True))
            for stem, batch in windows.items():
                rows = [
                    session.run({k: wanted[k] for k in ("tags", "embedding")}, {x: one[None], training: False})
                    for one in batch
                ]
                tags = np.concatenate([row["tags"] for row in rows])
                embedding = np.concatenate([row["embedding"] for row in rows]).reshape(len(rows), -1)
                chosen = sorted({0, len(rows) // 2, len(rows) - 1})
                for name, value in {
                    "count": np.int32(len(rows)),
                    "windows": np.array(chosen, np.int32),
                    "mean": tags.mean(0),
                    "tags": tags[chosen],
                    "embedding": embedding[chosen],
                }.items():
                    numbers[f"{model}/{stem}/{name}"] = value
    np.savez_compressed(out, **numbers)


if __name__ == "__main__":
    main(*sys.argv[1:])
