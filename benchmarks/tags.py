"""Classes and tags from scratch: six front-ends beside k-NN and logistic regression on MFCC statistics.

    python tags.py [--quick] [--only esc10 ...]

Needs the sets (``gliss data build esc10 --from DIR``, and so on). Every cell is a run below CACHE/benchmarks/tags: a
killed benchmark goes on. Intervals resample recordings, where a set says which clips are of one.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from report import Row, write

from glissando.audio import Audio
from glissando.audio import write as write_audio
from glissando.data import DataSet, Split, data_folder, load
from glissando.metrics import label_metrics
from glissando.paths import cache_dir
from glissando.tasks import LabelCurves
from glissando.tasks.labels import one_hot
from glissando.training import Run, draw_split, interval, load_recipe, resume, train

SEED = 0
CACHE = cache_dir() / "benchmarks" / "tags"
FRONT_ENDS = ("mel-conv2d", "wave-conv1d", "wave-tcn", "wave-sincnet", "mel-convnext", "mel-transformer")
ENSEMBLE, LOGISTIC, NEIGHBOURS = (
    "all six, mean probability",
    "MFCC statistics, logistic regression",
    "MFCC statistics, k-NN",
)
PLAYS, HELD = "who-plays-when (segments)", "mel-conv2d, its tags held from beginning to end"

Array = NDArray[np.float64]
Found = dict[str, Array]  # probabilities by key


@dataclass(frozen=True)
class Part:
    """A set: its trainings, and how long each is."""

    cells: Mapping[str, tuple[str, ...]]
    epochs: int
    exclusive: bool = True
    more: Mapping[str, int] = field(default_factory=dict)  # further recipes, and their epochs


def _folds(name: str, count: int) -> dict[str, tuple[str, ...]]:
    return {f"fold{i}": (f"data.name={name}", f"data.fold={i}") for i in range(1, count + 1)}


DRAWN = (
    "data.name=instruments",
    "data.split=entry",
    "data.fold=null",
    "data.group=entry",
    "data.shares=[0.65, 0.1, 0.25]",
)
MIXED = ("task=tags", "data.name=instrument-mixtures", "data.split=official", "data.fold=null")
SETS = {
    "esc10": Part(_folds("esc10", 4), 40),
    "urbansound8k": Part(_folds("urbansound8k", 3), 10, more={"mel-conv2d-varied": 30}),
    "instruments": Part({"seed0": DRAWN}, 25),
    "instrument-mixtures": Part({"official": MIXED}, 20, exclusive=False),
}


def cell(name: str, recipe: str, epochs: int, changes: Sequence[str]) -> Run:
    """The run of a cell, made, resumed, or there already."""
    folder = CACHE / name
    print(name, flush=True)
    if (folder / "recipe.yaml").exists():
        return resume(folder)
    made = load_recipe(f"tags/{recipe}", changes=[*changes, f"train.epochs={epochs}", f"train.patience={epochs}"])
    return train(made, folder, accelerator="cpu")


def heard(run: Run, tested: DataSet) -> dict[str, Any]:
    """What a run estimates of test entries."""
    estimator = run.estimator()
    cache = estimator.cache()
    return {key: estimator.task.predict(*estimator.run(entry, cache)) for key, entry in tested.items()}


def statistics(data: DataSet, name: str) -> dict[str, Array]:
    """Mean and deviation of 20 MFCCs and of their changes; kept."""
    import librosa

    path = CACHE / f"mfcc-{name}.npz"
    if not path.exists():
        found = {}
        for key, entry in data.items():
            wave = np.pad(entry.read(), (0, max(0, 2048 - len(entry.read()))))
            mfcc = librosa.feature.mfcc(y=wave, sr=entry.sample_rate, n_mfcc=20)
            both = np.concatenate([mfcc, librosa.feature.delta(mfcc, mode="nearest", width=9)])
            found[key] = np.concatenate([both.mean(1), both.std(1)])
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, keys=[*found], values=np.array([*found.values()]))
    with np.load(path, allow_pickle=False) as kept:
        return dict(zip(kept["keys"].tolist(), kept["values"], strict=True))


def without_training(
    vectors: dict[str, Array], train_keys: Sequence[str], test_keys: Sequence[str], truth: Found
) -> dict[str, Found]:
    """k-NN and logistic regression on standardised vectors."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    x, z = (np.array([vectors[key] for key in keys]) for keys in (train_keys, test_keys))
    y = np.array([truth[key] for key in train_keys])
    makers: dict[str, Callable[[], Any]] = {
        NEIGHBOURS: lambda: KNeighborsClassifier(5),
        LOGISTIC: lambda: LogisticRegression(max_iter=2000),
    }
    found = {}
    for name, make in makers.items():
        columns = []
        if (y.sum(1) == 1).all():
            columns = make_pipeline(StandardScaler(), make()).fit(x, y.argmax(1)).predict_proba(z)
        else:
            each = [make_pipeline(StandardScaler(), make()).fit(x, y[:, k]) for k in range(y.shape[1])]
            columns = np.stack([one.predict_proba(z)[:, 1] for one in each], 1)
        found[name] = dict(zip(test_keys, np.asarray(columns), strict=True))
    return found


def rows_of(data: str, system: str, truth: Found, found: Found, groups: Mapping[str, str], part: Part) -> list[Row]:
    """Metrics of all folds together; intervals resample recordings."""
    keys = [*found]
    wanted, scores = np.array([truth[key] for key in keys]) > 0, np.array([found[key] for key in keys])
    chosen = one_hot(scores.argmax(1), scores.shape[1]) if part.exclusive else scores >= 0.5
    _, entries = np.unique([groups[key] for key in keys], return_inverse=True)
    metrics = label_metrics(wanted, scores, chosen, entries=entries, exclusive=part.exclusive)
    kept = ("accuracy", "macro recall", "macro AUC") if part.exclusive else ("macro AUC", "micro AUC", "mAP")
    return [
        Row(data, system, name, metrics[name]["mean"], len(keys), low=metrics[name]["low"], high=metrics[name]["high"])
        for name in kept
    ]


def right(truth: Found, found: Found) -> dict[str, float]:
    """Whether every clip was told right."""
    return {key: float(one.argmax() == truth[key].argmax()) for key, one in found.items()}


def networks(
    name: str, data: DataSet, fronts: Mapping[str, int]
) -> tuple[dict[str, Found], dict[str, list[dict[str, Any]]], list[Split]]:
    """Train on all folds: what networks say of the recordings that they did not learn, their results, and the folds."""
    answers: dict[str, Found] = {front: {} for front in fronts}
    results: dict[str, list[dict[str, Any]]] = {front: [] for front in fronts}
    splits = []
    for where, changes in SETS[name].cells.items():
        splits.append(draw_split(data, load_recipe("tags/mel-conv2d", changes=changes).data))
        tested = splits[-1].of(data, "test")
        for front, epochs in fronts.items():
            run = cell(f"{name}-{where}-{front}", front, epochs, changes)
            results[front].append(run.result())
            answers[front] |= {key: one.probabilities for key, one in heard(run, tested).items()}
    return answers, results, splits


def table(name: str, part: Part) -> tuple[list[Row], dict[str, float], dict[str, dict[str, float]]]:
    """All systems on one set: rows, mean validation losses of the front-ends, and who told which clip right."""
    data = load(name)
    label = "class" if part.exclusive else "tag"
    names = data.vocabulary(label)
    truth = {
        key: np.array([one in entry.annotations.labels[label] for one in names], float) for key, entry in data.items()
    }
    groups = {key: entry.groups.get("recording", key) for key, entry in data.items()}
    fronts = {**dict.fromkeys(FRONT_ENDS, part.epochs), **part.more}
    answers, about, splits = networks(name, data, fronts)
    systems: dict[str, Found] = {NEIGHBOURS: {}, LOGISTIC: {}, **answers}
    vectors = statistics(data, name)
    for split in splits:
        learned = [*split.parts["train"], *split.parts["valid"]]
        for system, found in without_training(vectors, learned, split.parts["test"], truth).items():
            systems[system] |= found
    systems[ENSEMBLE] = {
        key: np.mean([systems[front][key] for front in FRONT_ENDS], axis=0) for key in systems[FRONT_ENDS[0]]
    }
    rows, losses = [], {}
    for system, found in systems.items():
        rows += rows_of(name, system, truth, found, groups, part)
        if results := about.get(system):
            losses[system] = float(np.mean([one["valid_loss"] for one in results]))
            minutes = float(np.mean([one["minutes"] for one in results]))
            rows.append(Row(name, system, "minutes of a core per training", minutes, len(found)))
            rows.append(Row(name, system, "parameters", results[0]["parameters"], len(found)))
    return rows, losses, {system: right(truth, found) for system, found in systems.items()} if part.exclusive else {}


def who_plays_when(epochs: int) -> list[Row]:
    """Frames of mixtures: who plays in each, beside the tags of the whole held throughout."""
    data = load("instrument-mixtures")
    run = cell("who-plays-when", "who-plays-when", epochs, ())
    tested = run.split().of(data, "test")
    task, found = run.estimator().task, heard(run, tested)
    whole = heard(Run.open(CACHE / "instrument-mixtures-official-mel-conv2d"), tested)
    flat = {
        key: LabelCurves(one.names, one.times, np.tile(whole[key].probabilities, (len(one.times), 1)), ())
        for key, one in found.items()
    }
    rows = []
    for system, estimates in ((PLAYS, found), (HELD, flat)):
        metrics = task.evaluate_all([(tested[key].annotations, one) for key, one in estimates.items()])
        for name in ("macro AUC", "mAP", *(("macro F",) if system == PLAYS else ())):
            one = metrics[name]
            rows.append(
                Row(
                    "instrument-mixtures, frames of 23 ms",
                    system,
                    name,
                    one["mean"],
                    len(found),
                    low=one["low"],
                    high=one["high"],
                )
            )
    return rows


def speed() -> list[Row]:
    """Seconds of audio a second of one core, of a minute of sounds in a file."""
    from glissando import encoders
    from glissando.library import Embedder, embed_file

    rows = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "minute.wav"
        waves = [entry.read() for entry in [*load("instruments").values()][:20]]
        write_audio(path, Audio(np.resize(np.concatenate(waves), 60 * 22_050), 22_050))
        card = encoders.card("musicnn-msd")
        embedder = Embedder({card.block: encoders.load("musicnn-msd")})
        ways: dict[str, Callable[[], object]] = {"gliss tags (musicnn-msd)": lambda: embed_file(path, embedder)}
        for front in FRONT_ENDS:
            estimator = Run.open(CACHE / f"instruments-seed0-{front}").estimator()
            ways[f"gliss tags --run ({front})"] = lambda estimator=estimator: estimator.estimate(path)
        for name, way in ways.items():
            way()
            taken = []
            for _ in range(5):
                begun = time.process_time()
                way()
                taken.append(60 / (time.process_time() - begun))
            low, high = interval(taken)
            rows.append(
                Row(
                    "speed, model loaded",
                    name,
                    "times real time",
                    float(np.mean(taken)),
                    len(taken),
                    low=low,
                    high=high,
                )
            )
    return rows


def main() -> None:
    """Train, score and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--quick", action="store_true", help="one fold without training, and what is there; writes nothing"
    )
    parser.add_argument("--only", nargs="+", choices=[*SETS], default=[*SETS], help="train these sets; writes nothing")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    built = [name for name in asked.only if (data_folder(name) / f"{name}.pyjama").exists()]
    for name in {*asked.only} - {*built}:
        print(f"{name} is not built; left out")
    if asked.quick:
        _look(built)
        return
    rows: list[Row] = []
    goals: list[dict[str, object]] = []
    for name in built:
        found, losses, told = table(name, SETS[name])
        rows += found
        value = {(row.system, row.metric): row.value for row in found}
        best = min(losses, key=lambda system: losses[system])
        for system in (best, ENSEMBLE) if told else ():
            apart = [told[system][key] - told[LOGISTIC][key] for key in told[system]]
            low, high = interval(apart)
            rows.append(
                Row(
                    name,
                    f"{system}, above {LOGISTIC}",
                    "accuracy",
                    float(np.mean(apart)),
                    len(apart),
                    low=low,
                    high=high,
                )
            )
        if name in (wanted := {"esc10": 0.82, "urbansound8k": 0.60}):
            for system in (best, ENSEMBLE):
                reached = value[system, "accuracy"]
                goals.append(
                    {
                        "issue_line": f"{name}: accuracy from scratch ({system})",
                        "goal": wanted[name],
                        "value": reached,
                        "met": reached >= wanted[name],
                    }
                )
    if built != [*SETS]:
        for row in rows:
            print(f"{row.data:22} {row.system:60} {row.metric:32} {row.value:.3f}")
        return
    rows += who_plays_when(SETS["instrument-mixtures"].epochs) + speed()
    write("tags", rows, seed=SEED, title="Classes and tags from scratch", goals=goals, notes=NOTES)


def _look(built: Sequence[str]) -> None:
    """k-NN and logistic regression on the first fold of the smallest set, and what trainings came to."""
    for name in [one for one in ("instruments", "esc10") if one in built][:1]:
        data, part = load(name), SETS[name]
        names = data.vocabulary("class")
        truth = {
            key: np.array([one in entry.annotations.labels["class"] for one in names], float)
            for key, entry in data.items()
        }
        split = draw_split(data, load_recipe("tags/mel-conv2d", changes=next(iter(part.cells.values()))).data)
        learned = [*split.parts["train"], *split.parts["valid"]]
        for system, found in without_training(statistics(data, name), learned, split.parts["test"], truth).items():
            print(f"{name}, {system}: accuracy {np.mean([*right(truth, found).values()]):.3f}")
    for result in sorted(CACHE.glob("*/result.json")):
        one = json.loads(result.read_text())
        print(
            f"{result.parent.name:45} {one['goal']} {one['metrics'][one['goal']]['mean']:.3f}  {one['minutes']:.1f} min"
        )


NOTES = [
    "ESC-10: its folds 1 to 4 as published (8 clips a class and fold; fold 5 is not here), each tested once by networks that trained on the other three. "
    "UrbanSound8K: folds 1 to 3 (3 in part), two train and the third tests, all three ways; the official protocol has ten folds, so these are not its numbers. "
    "Instruments: one drawn split; clips of one recording may lie on both sides, for nobody knows which they are. "
    "Mixtures: two or three instrument clips at random levels and times, mixed by us; no clip on two sides, and the same doubt.",
    "Every training keeps its last epoch: a tenth of so few recordings, which is set aside, can't choose among epochs, and its loss took the first one more than "
    "once. k-NN and logistic regression learned from that tenth, too. Small networks on one core, one seed, the same head "
    "(Conv-1D, Linear, AutoPool; the transformer has a class token), the same augmentation but for random gain, which needs log-mel. "
    "So few clips rank front-ends, not ideas: intervals overlap, and with more data waveforms lose less.",
    "The goals' front-end is the one with the least mean validation loss; which is best on the test was not looked at. The goal on UrbanSound8K was missed in three attempts: "
    "the epoch of least validation loss, the last of ten epochs, and thirty epochs through random filters and rooms (mel-conv2d-varied).",
]


if __name__ == "__main__":
    main()
