"""Diverse embeddings: views trained apart and fused, what each adds, and searches that say similar in what way.

    python diverse.py [--quick] [--seeds 1] [--only SET...]   # before: gliss data build esc10, urbansound8k, ...

Every training is a cell that is made, resumed or there already (``diverse_cells.py``); ``--made`` trains nothing and writes
what the cells that are there tell. Views are trained apart on the training part of a split, and the network of the
neuralogram on the same part. Frozen embeddings, mean over the seconds of a clip, are laid end to end for a linear head.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import combinations

import numpy as np
import torch
from diverse_cells import JOINT, LARGE, SETS, SHAPES, VIEWS, Part, cell, folder, joint, notes, shape, views
from diverse_retrieval import retrieval
from numpy.typing import NDArray
from report import Row, goal, ranged, write
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

from glissando.data import DataSet, data_folder, load
from glissando.metrics import label_metrics, linear_cka, linear_predictability
from glissando.training import Run
from glissando.training.embeddings import embed_entries

SEED = 0
LEAST = 1e-6  # a probability is never less
STRENGTHS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3)  # C of logistic regression
FROZEN, LATE, WEIGHED = "frozen, linear head", "late averaging", "late, weighed by folds of the training part"
ALL = " + ".join(VIEWS)

Array = NDArray[np.float64]
Found = dict[str, Array]  # probabilities by entry


def done(name: str, split: str, seed: int, view: str) -> bool:
    """Whether a cell is trained."""
    return (folder(name, split, seed) / view / "result.json").exists()


def places(name: str, seeds: int) -> Iterator[tuple[str, int]]:
    """Splits and seeds whose views are all trained."""
    for split in SETS[name].splits:
        for seed in range(seeds):
            if all(done(name, split, seed, view) for view in ("network", *VIEWS)):
                yield split, seed


def told(run: Run, tested: DataSet) -> Found:
    """Probabilities of test clips by a trained run; kept beside it."""
    kept = run.folder / "answers.npz"
    if not kept.exists():
        estimator = run.estimator()
        cache = estimator.cache()
        found = {key: estimator.task.predict(*estimator.run(entry, cache)) for key, entry in tested.items()}
        np.savez(kept, keys=[*found], values=np.array([one.probabilities for one in found.values()]))
    with np.load(kept, allow_pickle=False) as read:
        return dict(zip(read["keys"].tolist(), read["values"], strict=True))


def weighed(name: str, split: str, seed: int, data: DataSet, truth: Found, found: Mapping[str, Found]) -> Found | None:
    """Answers of the views, every view to a power that was learned by clips which the views had not heard.

    Those are the clips of every other fold, as views tell them that learned without it and without the tested fold.
    """
    fold, heard, wanted = split.removeprefix("fold"), [], []
    for pair in SETS[name].pairs:
        folds = pair.removeprefix("folds").split("+")
        if fold not in folds:
            continue
        if not all(done(name, pair, seed, view) for view in VIEWS):
            return None
        held = data.subset([key for key, one in data.items() if one.annotations.labels["fold"][0] in folds])
        answers = [told(Run.open(folder(name, pair, seed) / view), held) for view in VIEWS]
        keys = [key for key, one in held.items() if one.annotations.labels["fold"] != (fold,)]
        heard.append([[one[key] for key in keys] for one in answers])
        wanted += [truth[key] for key in keys]
    if not heard:
        return None
    powers = fit_powers(np.log(np.concatenate(heard, 1).clip(LEAST)), np.array(wanted).argmax(1))
    print(f"{name} {split}: powers of the views {dict(zip(VIEWS, powers.round(2).tolist(), strict=True))}", flush=True)
    alone = [found[f"{view} alone"] for view in VIEWS]
    return {
        key: softmax(sum(power * np.log(one[key].clip(LEAST)) for power, one in zip(powers, alone, strict=True)))
        for key in alone[0]
    }


def fit_powers(logs: Array, classes: NDArray[np.int64]) -> Array:
    """Powers not below 0 with the highest likelihood; ``logs``: [views, clips, classes]."""

    def surprise(powers: Array) -> float:
        return float(-log_softmax(np.tensordot(powers, logs, 1), 1)[np.arange(len(classes)), classes].mean())

    begin = np.full(len(logs), 1 / len(logs))
    return np.asarray(minimize(surprise, begin, bounds=[(0, None)] * len(logs)).x)


def linear(vectors: Array, truth: Array, parts: Mapping[str, NDArray[np.int64]], exclusive: bool) -> Array:
    """Logistic regression on standardised frozen embeddings: probabilities of the tested ones.

    It is held back as clips of the validation part want it, which the views did not learn: the learned ones they know
    by heart. Then it learns both parts.
    """
    learned, valid = parts["train"], parts["valid"]
    surprises = []
    for strength in STRENGTHS:
        told = heads(vectors[learned], truth[learned], vectors[valid], strength, exclusive).clip(LEAST, 1 - LEAST)
        wanted = truth[valid]
        likely = wanted * np.log(told) + (0 if exclusive else (1 - wanted) * np.log(1 - told))
        surprises.append(-likely.sum())
    both, best = np.concatenate([learned, valid]), STRENGTHS[int(np.argmin(surprises))]
    return heads(vectors[both], truth[both], vectors[parts["test"]], best, exclusive)


def heads(x: Array, y: Array, z: Array, strength: float, exclusive: bool) -> Array:
    """Probabilities of ``z`` by one regression, or by one a tag, that learned ``x`` and ``y``."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    def make() -> object:
        return make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=1000))

    if exclusive:
        return make().fit(x, y.argmax(1)).predict_proba(z)
    return np.stack([make().fit(x, y[:, k]).predict_proba(z)[:, 1] for k in range(y.shape[1])], 1)


def subsets() -> list[tuple[str, ...]]:
    """All sets of views, small ones first."""
    return [one for size in range(1, len(VIEWS) + 1) for one in combinations(VIEWS, size)]


def of_split(name: str, split: str, seed: int, data: DataSet, truth: Array) -> tuple[dict[str, Found], Found]:
    """What all systems say of the test clips of one split, and the views' embeddings of those."""
    part, place = SETS[name], folder(name, split, seed)
    runs = {view: Run.open(place / view) for view in VIEWS}
    parted = runs[VIEWS[0]].split()
    tested = parted.of(data, "test")
    number = {key: i for i, key in enumerate(data)}
    parts = {side: np.array([number[key] for key in parted.of(data, side)]) for side in parted.parts}
    entries = [*data.values()]
    vectors = {view: embed_entries(f"gliss-diverse-{view}={place}", entries).astype(float) for view in VIEWS}
    found: dict[str, Found] = {f"{view} alone": told(run, tested) for view, run in runs.items()}
    found[f"{ALL}, {LATE}"] = {key: np.mean([found[f"{view} alone"][key] for view in VIEWS], 0) for key in tested}
    by_name = dict(zip(data, truth, strict=True))
    if (powers := weighed(name, split, seed, data, by_name, found)) is not None:
        found[f"{ALL}, {WEIGHED}"] = powers
    for chosen in subsets():
        joined = np.concatenate([vectors[view] for view in chosen], 1)
        answers = linear(joined, truth, parts, part.exclusive)
        found[f"{' + '.join(chosen)}, {FROZEN}"] = dict(zip(tested, answers, strict=True))
    floor = embed_entries("mfcc", entries).astype(float)
    answers = linear(floor, truth, parts, part.exclusive)
    found["context: statistics of 20 MFCCs, linear head"] = dict(zip(tested, answers, strict=True))
    others = {
        "fused": f"{ALL}, frozen, the recipe fused (by seconds)",
        "gated": f"{ALL}, frozen, the recipe gated (by seconds)",
        JOINT: f"{ALL}, tuned jointly",
        LARGE: "one larger transformer of the waveform",
    }
    for other, system in others.items():
        if done(name, split, seed, other):
            found[system] = told(Run.open(place / other), tested)
    return found, {view: vectors[view][parts["test"]] for view in VIEWS}


def rows_of(name: str, system: str, found: list[Found], truth: Found, groups: Mapping[str, str]) -> list[Row]:
    """Metrics of all splits and seeds together; intervals resample recordings."""
    exclusive = SETS[name].exclusive
    keys = [key for one in found for key in one]
    wanted, scores = np.array([truth[key] for key in keys]) > 0, np.array([s for one in found for s in one.values()])
    chosen = np.eye(scores.shape[1], dtype=bool)[scores.argmax(1)] if exclusive else scores >= 0.5
    _, entries = np.unique([groups[key] for key in keys], return_inverse=True)
    metrics = label_metrics(wanted, scores, chosen, entries=entries, exclusive=exclusive)
    kept = ("accuracy", "mAP") if exclusive else ("mAP", "macro AUC")
    return [ranged(name, system, one, metrics[one], len(keys)) for one in kept]


def costs(name: str, where: list[tuple[str, int]]) -> list[Row]:
    """Minutes and parameters of trainings."""
    made = []
    for view in ("network", *VIEWS, LARGE, JOINT):
        results = [Run.open(folder(name, *one) / view).result() for one in where if done(name, *one, view)]
        if results:
            minutes = float(np.mean([one["minutes"] for one in results]))
            made.append(Row(f"{name}: cost of a training", view, "minutes (shared cores)", minutes, len(results)))
            made.append(Row(f"{name}: cost of a training", view, "parameters", results[0]["parameters"], len(results)))
    return made


def likeness(name: str, embedded: list[Found]) -> list[Row]:
    """CKA and linear predictability of the views' embeddings of test clips, mean over splits."""
    made, place = [], f"{name}: what views have in common, test clips"
    for first in VIEWS:
        for second in VIEWS:
            if first != second:
                count = sum(len(one[first]) for one in embedded)
                alike = float(np.mean([linear_cka(one[first], one[second]) for one in embedded]))
                known = [linear_predictability(one[first], one[second], penalty=0.1) for one in embedded]
                made.append(Row(place, f"{second} from {first}", "linear CKA", alike, count))
                made.append(Row(place, f"{second} from {first}", "variance told", float(np.mean(known)), count))
    return made


def table(name: str, part: Part, seeds: int) -> tuple[list[Row], list[dict[str, object]]]:
    """All systems on one set, and its goals."""
    where = [*places(name, seeds)]
    if not where:
        return [], []
    data = load(name)
    names = data.vocabulary(part.label)
    held = {key: entry.annotations.labels[part.label] for key, entry in data.items()}
    truth = {key: np.array([name in labels for name in names], float) for key, labels in held.items()}
    groups = {key: entry.groups.get("recording", key) for key, entry in data.items()}
    every = [of_split(name, split, seed, data, np.array([*truth.values()])) for split, seed in where]
    systems = [system for system in every[0][0] if all(system in found for found, _ in every)]
    made, value = [], {}
    for system in systems:
        rows = rows_of(name, system, [found[system] for found, _ in every], truth, groups)
        value[system] = rows[0].value
        made += rows
    whole = f"{ALL}, {FROZEN}"
    best = max((f"{view} alone" for view in VIEWS), key=lambda one: value[one])
    frozen = max(value[f"{view}, {FROZEN}"] for view in VIEWS)
    metric, least = ("accuracy", 0.0) if part.exclusive else ("mAP", 0.03)
    goals = []
    for against, other in ((best, value[best]), (f"the best single view, {FROZEN}", frozen)):
        apart = value[whole] - other
        met = apart > 0 if part.exclusive else apart >= least
        goals.append(goal(f"{name}: {metric} of the fusion above {against}", least, apart, met))
    made += costs(name, where) + likeness(name, [vectors for _, vectors in every])
    longest = max(row.value for row in made if row.metric.startswith("minutes"))
    goals.append(goal(f"{name}: minutes of the longest training, at most", 30, longest, longest <= 30))
    return made, goals


def shapes() -> list[Row]:
    """Layers, width and heads of one view, on one split."""
    name, split = "instrument-mixtures", "official"
    made = []
    systems = {"6 layers, 64 dimensions, 12 heads of 16": "timbre", **{one: f"timbre, {one}" for one in SHAPES}}
    for system, view in systems.items():
        if done(name, split, 0, view):
            result = Run.open(folder(name, split, 0) / view).result()
            one = result["metrics"]["mAP"]
            place, count = f"{name}: shapes of the view timbre alone", int(one["n"])
            made.append(ranged(place, system, "mAP", one, count))
            made.append(Row(place, system, "parameters", result["parameters"], count))
            made.append(Row(place, system, "minutes (shared cores)", result["minutes"], count))
    return made


def all_of(made: Callable[..., Iterator[Run]], *of: object) -> list[Run]:
    """Make all of several cells."""
    return [*made(*of)]


def fill(names: list[str], seeds: int) -> None:
    """Train all cells, the most telling first."""
    steps: list[Callable[[], object]] = [partial(all_of, notes)]
    for name in names:
        wanted = [(split, seed) for seed in range(seeds) for split in SETS[name].splits]
        steps += [partial(all_of, views, name, *one) for one in wanted]
        for view in ("fused", "gated", JOINT, LARGE):
            steps += [partial(joint if view == JOINT else cell, name, *one, view) for one in wanted]
    for name in names:
        for pair in SETS[name].pairs:
            steps.append(partial(all_of, views, name, pair, 0))
    if "instrument-mixtures" in names:
        steps += [partial(shape, "instrument-mixtures", "official", one) for one in SHAPES]
    for step in steps:
        step()


def main() -> None:
    """Train, score and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="retrieval by the shipped encoder alone; writes nothing")
    parser.add_argument("--made", action="store_true", help="train nothing more; write what the trained cells tell")
    parser.add_argument("--seeds", type=int, default=1, help="trainings of every split")
    parser.add_argument("--only", nargs="+", choices=[*SETS], default=[*SETS], help="train these sets")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    if asked.quick:
        for row in retrieval(every=16)[0]:
            print(f"{row.data:75} {row.system:42} {row.metric:50} {row.value:.3f}")
        return
    built = [name for name in asked.only if (data_folder(name) / f"{name}.pyjama").exists()]
    if not asked.made:
        fill(built, asked.seeds)
    found, goals = retrieval(every=4)  # instruments
    for name in built:
        rows, reached = table(name, SETS[name], asked.seeds)
        found, goals = found + rows, goals + reached
    write("diverse", found + shapes(), seed=SEED, title="Diverse embeddings", goals=goals, notes=NOTES)


NOTES = [
    "One seed and few epochs on a core that others used, too; splits are those that the rows' n tells (mixtures of instruments: the official split, 120 clips; ESC-10: the four folds at hand; "
    "UrbanSound8K and its mixtures: the three folds at hand, the third of them in part). A system that was not trained on all splits of a set has no row there. No training was chosen or stopped by the test. Intervals resample recordings.",
    "",
    "'alone' is a view's own network, seconds averaged; 'frozen' is logistic regression on standardised embeddings, mean over the seconds of a clip; its C, from 0.001 to 0.3, is the one with which clips of the validation part, which no view learned, are told best, and then it learns both parts. 'tuned jointly' goes on from the views "
    "for a third of their epochs, so it has seen more epochs than each of them. The recipes fused and gated learn their heads from single seconds by gradient steps. The gate learns on clips that the views know already, and trusts the one that knows these by heart. "
    "'weighed' takes every view's probabilities to a power; the four powers are those of the highest likelihood for clips of every other fold, as told by views that learned without it and without the tested fold (six more trainings of all views). "
    "The neuralogram's network learned on the same training part. FSD50K is not here: the paper's 59.6 mAP can't be compared. "
    "Minutes are by the clock, on shared cores, and differ by how busy these were.",
    "",
    "On ESC-10 the frozen fusion gains nothing. There the linear head on the neuralogram alone is better than on all four views, than joint tuning and than weighed answers. With 240 clips to learn from, views that tell little do harm, and the pitch of a rooster or a chainsaw tells little.",
    "",
    "Retrieval is of the shipped encoder, every query against all others of its table: of an unheard soundfont every fourth instrument; pairs of instrument and pitch that were not learned, though "
    "both were in other pairs; notes of the voices of every fourth chorale, five a voice and of half a second or more, cut out by its annotations, against those of the other chorales. Each voice of the chorales has "
    "its instrument and its range, so that pitch tells much of the instrument there, and the other way round. Scores are those of `gliss search`: weighted cosine similarities of the blocks; as it is, without weights, in a new library with these blocks, it hears timbre and rhythm. Intervals of the goals are of the difference, query by query, and resample notes, or chorales. "
    "The timbre view that ships is one of seven (with and without holes, mixtures and dropout, 25 to 90 epochs), which were told apart by pairs held out of another split and by tones of one and of ten partials; "
    "the numbers of this page were seen for four of them. The pitch view gained nothing from 20 epochs.",
]


if __name__ == "__main__":
    main()
