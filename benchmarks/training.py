"""Training throughput: our loop, with data loading, beside the same model in plain PyTorch and in the manner of notebooks.

    python training.py [--quick] [--book DIR]

The set is made here: tunes of tones, as long as a small real set. Three systems train the same network (`pitch/hcqt-conv`)
on it without augmentation, at float32 and on one thread, each in a process of its own, by turns:

* Glissando: `glissando.training.train` to the end of its epochs, features computed first, as `gliss train` does.
* plain PyTorch: the same cached features in memory, a DataLoader and a loop of ten lines: the least that training can cost.
* notebook: what teaching notebooks do: six CQTs of librosa a recording, kept in HDF5, patches read from it by a Dataset.
* the book's code, where ``--book DIR`` names a folder with its notebooks: its own ``feature.py`` in the place of ours above.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from report import Row, write

from glissando.data import Annotations, ArrayWriter, DataSet, Entry, pitch_matrix, write_pyjama
from glissando.training import Estimator, Recipe, draw_split, load_recipe, train

SEED, RATE, BATCH, HOP, HARMONICS = 0, 22_050, 8, 1024, (0.5, 1, 2, 3, 4, 5)
COUNT, SECONDS, ROUNDS, EPOCHS = 10, 30.0, 2, (2, 6)
SYSTEMS = ("Glissando", "plain PyTorch", "notebook", "the book's code")
Numbers = dict[str, float]
Hear = Callable[[np.ndarray], np.ndarray]


def make(folder: Path, count: int, seconds: float) -> None:
    """Tunes of random tones of six partials, with their notes."""
    rng = np.random.default_rng(SEED)
    described = {}
    with ArrayWriter(folder / "tunes_audio.hdf5") as writer:
        for number in range(count):
            wave, notes = 0.001 * rng.normal(size=int(seconds * RATE)), []
            for start in np.arange(0, seconds - 1, 0.25):
                pitch, time_ = int(rng.integers(40, 84)), np.arange(int(0.7 * RATE)) / RATE
                hz = 440 * 2 ** ((pitch - 69) / 12)
                tone = sum(np.sin(2 * np.pi * k * hz * time_) / k for k in range(1, 7)) * np.exp(-3 * time_)
                wave[int(start * RATE) : int(start * RATE) + len(tone)] += 0.1 * tone
                notes.append((start, start + 0.7, pitch))
            writer.add(f"{number:03}", wave.astype(np.float32), RATE)
            described[f"{number:03}"] = Annotations(np.array(notes), labels={"piece": (f"{number:03}",)})
    write_pyjama(folder / "tunes.pyjama", described)


def recipe(folder: Path, epochs: int) -> Recipe:
    """What all of them train."""
    changes = [f"data.name={folder / 'tunes.pyjama'}", "data.split=piece", "data.per_epoch=null", f"train.epochs={epochs}",
               "train.patience=1000", "train.augment=[]", f"train.batch={BATCH}", "data.shares=[0.8, 0.1, 0.1]"]  # fmt: skip
    return load_recipe("pitch/hcqt-conv", changes=changes)


def ours(folder: Path, epochs: int) -> Numbers:
    """`gliss train` from nothing to a run folder."""
    start = time.perf_counter()
    run = train(recipe(folder, epochs), folder / f"run-{time.time_ns()}", accelerator="cpu")
    whole = time.perf_counter() - start
    result = run.result()
    return {"loop": result["minutes"] * 60, "whole": whole, "Acc": result["metrics"]["Acc"]["mean"]}


def loop(estimator: Estimator, batches: Iterable[list[torch.Tensor]], epochs: int) -> float:
    """The plain loop; seconds."""
    optimizer = torch.optim.AdamW(estimator.model.parameters(), 0.002)
    estimator.model.train()
    start = time.perf_counter()
    for _ in range(epochs):
        for feature, target in batches:
            optimizer.zero_grad(set_to_none=True)
            loss = torch.nn.functional.binary_cross_entropy_with_logits(estimator.model(feature), target)
            loss.backward()
            optimizer.step()
    return time.perf_counter() - start


def _parts(folder: Path, epochs: int) -> tuple[Recipe, list[Entry]]:
    made = recipe(folder, epochs)
    data = DataSet.open(folder / "tunes.pyjama")
    return made, [*draw_split(data, made.data).of(data, "train").values()]


def plain(folder: Path, epochs: int) -> Numbers:
    """Everything in memory: no cache, no checkpoints, no validation."""
    start = time.perf_counter()
    made, entries = _parts(folder, epochs)
    estimator = Estimator(made)
    patch, pairs = made.data.patch, []
    for entry in entries:
        feature = estimator.hear(entry.read()).float()
        target = torch.from_numpy(pitch_matrix(entry.annotations, estimator.times(feature.shape[-1]))[None]).float()
        pairs += [
            (feature[..., at : at + patch], target[..., at : at + patch])
            for at in range(0, feature.shape[-1] - patch + 1, patch)
        ]
    batches = torch.utils.data.DataLoader(pairs, BATCH, shuffle=True, drop_last=True)
    spent = loop(estimator, batches, epochs)
    return {"loop": spent, "whole": time.perf_counter() - start}


def six_cqts(wave: np.ndarray) -> np.ndarray:
    """Six CQTs of librosa, those above half the rate left out."""
    import librosa

    channels = [
        np.abs(
            librosa.cqt(wave, sr=RATE, hop_length=HOP, fmin=32.7 * h, n_bins=360, bins_per_octave=60, filter_scale=0.5)
        )
        for h in HARMONICS
        if 32.7 * h * 2 ** (359 / 60) < RATE / 2
    ]
    return np.stack(channels + [np.zeros_like(channels[0])] * (len(HARMONICS) - len(channels)))


def books_hcqt(book: Path) -> Hear:
    """The harmonic CQT of the book's own ``feature.py``, which this runs: it must be the user's own copy."""
    spec = importlib.util.spec_from_file_location("book_feature", book / "feature.py")
    if spec is None or spec.loader is None or not (book / "feature.py").is_file():
        raise SystemExit(f"{book}: has no feature.py; name the folder with the book's notebooks")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    asked = SimpleNamespace(h_l=list(HARMONICS), FMIN=32.7, HOP_LENGTH=HOP, BINS_PER_OCTAVE=60, N_BINS=360)
    return lambda wave: module.f_get_hcqt(wave, RATE, asked)[0]


def notebook(folder: Path, epochs: int, hear: Hear = six_cqts) -> Numbers:
    """Features by librosa into HDF5, then patches from it."""
    import h5py

    start = time.perf_counter()
    made, entries = _parts(folder, epochs)
    path = folder / f"features-{time.time_ns()}.hdf5"
    with h5py.File(path, "w") as out:
        for entry in entries:
            feature = np.log1p(100 * hear(entry.read())).astype(np.float32)
            times = np.arange(feature.shape[-1]) * HOP / RATE
            out[f"{entry.key}/feature"] = feature
            out[f"{entry.key}/target"] = pitch_matrix(entry.annotations, times)[None].astype(np.float32)
    patch = made.data.patch
    with h5py.File(path) as held:
        places = [(key, at) for key in held for at in range(0, held[key]["feature"].shape[-1] - patch + 1, patch)]

        class Stored(torch.utils.data.Dataset):
            def __len__(self) -> int:
                return len(places)

            def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
                key, at = places[index]
                return held[key]["feature"][..., at : at + patch], held[key]["target"][..., at : at + patch]

        spent = loop(
            Estimator(made), torch.utils.data.DataLoader(Stored(), BATCH, shuffle=True, drop_last=True), epochs
        )
    return {"loop": spent, "whole": time.perf_counter() - start}


def child(system: str, folder: Path, epochs: int, book: Path | None) -> Numbers:
    """Run one system in a process of its own."""
    environment = {**os.environ, "GLISSANDO_CACHE": str(folder / f"cache-{time.time_ns()}")}
    command = [sys.executable, __file__, "--system", system, "--folder", str(folder), "--epochs", str(epochs)]
    command += [] if book is None else ["--book", str(book)]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Measure and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a smaller set, one round; writes nothing")
    parser.add_argument(
        "--book", type=Path, metavar="DIR", help="folder with the book's notebooks, whose feature.py is run"
    )
    parser.add_argument("--system", choices=SYSTEMS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--epochs", type=int, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.system:
        torch.set_num_threads(1)
        ways = {"Glissando": ours, "plain PyTorch": plain, "notebook": notebook}
        if asked.book:
            ways[SYSTEMS[-1]] = partial(notebook, hear=books_hcqt(asked.book))
        found = ways[asked.system](asked.folder, asked.epochs)
        found["memory"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
        print(json.dumps(found))
        return
    count, seconds, rounds, lengths = (10, 10.0, 1, (2,)) if asked.quick else (COUNT, SECONDS, ROUNDS, EPOCHS)
    systems = SYSTEMS if asked.book else SYSTEMS[:-1]
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        make(folder, count, seconds)
        made, entries = _parts(folder, 1)
        patches = len(entries) * ((int(seconds * RATE / HOP) + 1) // made.data.patch)
        for epochs in lengths:
            spent: dict[str, list[Numbers]] = {system: [] for system in systems}
            for _ in range(rounds):
                for system in systems:
                    spent[system].append(child(system, folder, epochs, asked.book))
            for system, numbers in spent.items():
                rows += rows_of(f"{epochs} epochs", system, numbers, patches * epochs)
    for row in rows:
        print(f"{row.data:10} {row.system:16} {row.metric:24} {row.value:8.2f}")
    if asked.quick:
        return
    value = {(row.data, row.system): row.value for row in rows if "end to end" in row.metric}
    rivals = [system for system in systems if system not in SYSTEMS[:2]]
    goals = [
        {"issue_line": f"times {rival}, end to end, {epochs} epochs", "goal": 2.0, "value": ratio, "met": ratio >= 2}
        for rival in rivals
        for epochs in lengths
        for ratio in [value[f"{epochs} epochs", SYSTEMS[0]] / value[f"{epochs} epochs", rival]]
    ]
    write(
        "training",
        rows,
        seed=SEED,
        title="Training throughput",
        goals=goals,
        notes=[
            f"{count} tunes of {seconds:g} s made for the purpose, batches of {BATCH} patches of {made.data.patch} frames, one thread, "
            "float32, no augmentation. Median, least and most of the rounds, the systems by turns, each in a process of its own from an empty cache.",
            "Glissando's loop validates every epoch, writes checkpoints and logs; end to end it also tunes, scores the test recordings and draws. "
            "The others only train. Its patches are moved at random; counted are as many as the others see.",
            "Nine tenths of a training step are the arithmetic of convolutions, which is the same for all: the longer the training, the less the "
            "faster feature matters.",
            '"Notebook" is written here after the manner of the book\'s notebooks (librosa CQTs into HDF5, a Dataset that reads patches '
            "from it, a plain loop); it is not their code, which `--book DIR` measures as well.",
        ],
    )


def rows_of(length: str, system: str, numbers: list[Numbers], patches: int) -> list[Row]:
    """Median, least and most of the rounds."""
    found = []
    for key, metric, unit in (
        ("loop", "patches/s in the loop", ""),
        ("whole", "patches/s end to end", ""),
        ("memory", "peak memory", "MiB"),
    ):
        values = [one[key] if key == "memory" else patches / one[key] for one in numbers]
        found.append(Row(length, system, metric, float(np.median(values)), len(values), unit, min(values), max(values)))
    return found


if __name__ == "__main__":
    main()
