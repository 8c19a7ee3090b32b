"""Probes: what a frozen embedding tells of a recording, by simple classifiers on top of it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data import DataSet, folds, official
from ..data.official_splits import FOLD
from ..errors import RecipeError
from ..metrics import label_metrics

LABELS = ("class", "instrument", "genre", "tag")  # which is asked for, unless one is named
FOLDS = 5  # that are drawn, where the publishers made none
STRENGTHS = (0.01, 0.1, 1.0)  # inverse weights of the penalty of linear probes
ENOUGH = 6  # examples of a class, from which the penalty is chosen
NEIGHBOURS = 5
HIDDEN = 256  # units of the perceptron
DRAWS = 200  # resamples of intervals

Array = NDArray[np.float64]
Numbers = NDArray[np.int64]
Truth = NDArray[np.bool_]


@dataclass(frozen=True)
class Question:
    """Which labels are asked for, and how data are parted to learn and to test them.

    Parameters
    ----------
    data : DataSet
        Recordings that have the label.
    label : str
        Its name.
    classes : tuple of str
        Its values.
    truth : ndarray of bool, shape=(recordings, classes)
        Which hold.
    exclusive : bool
        Every recording has one class.
    groups : ndarray of int, shape=(recordings,)
        What must not be parted: number of the recording, piece, ...
    parting : {"folds", "split", "drawn"}
        Official folds, an official split, or folds that are drawn.
    """

    data: DataSet
    label: str
    classes: tuple[str, ...]
    truth: Truth
    exclusive: bool
    groups: Numbers
    parting: str

    @classmethod
    def of(cls, data: DataSet, label: str | None = None) -> Question:
        """Ask for a label of a data set.

        Parameters
        ----------
        data : DataSet
            With global labels.
        label : str, optional
            Its name; the first of class, instrument, genre and tag that there is, if None.

        Returns
        -------
        Question
            Recordings without the label are left out.

        Raises
        ------
        RecipeError
            If there is no such label, or it tells nothing apart.
        """
        known = dict.fromkeys(name for entry in data.values() for name in entry.annotations.labels)
        chosen = label or next((name for name in LABELS if name in known), None)
        if chosen is None or chosen not in known:
            wanted = f"no label {label!r}" if label else f"none of the labels {', '.join(LABELS)}"
            raise RecipeError(f"data set {data.name}: has {wanted}; it has {', '.join(known) or 'no labels'}")
        held = data.subset([key for key, one in data.items() if one.has_audio and one.annotations.labels.get(chosen)])
        values = [entry.annotations.labels[chosen] for entry in held.values()]
        classes = tuple(sorted({value for one in values for value in one}))
        if len(classes) < 2:
            raise RecipeError(f"data set {data.name}: its label {chosen!r} has one value, which tells nothing apart")
        truth = np.array([[name in one for name in classes] for one in values])
        kind = next(iter(data.group_kinds()), None)
        names = [entry.groups.get(kind, key) if kind else key for key, entry in held.items()]
        groups = np.unique(names, return_inverse=True)[1]
        given = {name for entry in held.values() for name in entry.annotations.labels.get(FOLD, ())}
        parting = "folds" if len(given) > 1 else "split" if _has_split(held) else "drawn"
        return cls(held, chosen, classes, truth, bool((truth.sum(1) == 1).all()), groups, parting)

    @property
    def protocol(self) -> str:
        """How it is tested, for people."""
        kind = next(iter(self.data.group_kinds()), None)
        drawn = f"{FOLDS} folds, drawn" + (f" by {kind}" if kind else "")
        return {"folds": "official folds, each tested once", "split": "official split", "drawn": drawn}[self.parting]

    def parts(self, seed: int) -> Iterator[tuple[Numbers, Numbers]]:
        """Part the data.

        Parameters
        ----------
        seed : int
            Of the draw, if there is one.

        Yields
        ------
        ndarray, ndarray
            Numbers of the recordings to learn from, and of those to test.
        """
        every = np.arange(len(self.data))
        if self.parting == "folds":
            named = np.array([entry.annotations.labels.get(FOLD, ("",))[0] for entry in self.data.values()])
            for name in sorted({*named} - {""}):
                yield every[(named != name) & (named != "")], every[named == name]
            return
        place = {key: number for number, key in enumerate(self.data)}
        kind = next(iter(self.data.group_kinds()), None)
        splits = [official(self.data)] if self.parting == "split" else folds(self.data, FOLDS, kind, seed=seed)
        for split in splits:
            learned = [place[key] for part in ("train", "valid") for key in split.parts.get(part, ())]
            yield np.array(sorted(learned)), np.array([place[key] for key in split.parts["test"]])


def probe(
    vectors: NDArray[np.float32], question: Question, *, kind: str = "linear", shots: int | None = None, seeds: int = 3
) -> dict[str, dict[str, float]]:
    """Learn labels from frozen embeddings, and test them on recordings that were not learned.

    Parameters
    ----------
    vectors : ndarray, shape=(recordings, dim)
        Embeddings of the question's recordings.
    question : Question
        What is asked.
    kind : {"linear", "mlp", "knn"}
        Logistic regression, whose penalty is chosen within the training part; a perceptron with one hidden layer; the
        five nearest by cosine. All on dimensions that are standardised by the training part.
    shots : int, optional
        Learn from so many recordings of every class; from all if None.
    seeds : int
        Repetitions, where anything is drawn.

    Returns
    -------
    dict of str to dict
        As of `score_answers`.

    Raises
    ------
    RecipeError
        If there is no such probe, a number makes no sense, or a part to learn from has one class alone.
    """
    return score_answers(*answers(vectors, question, kind=kind, shots=shots, seeds=seeds), question)


def answers(
    vectors: NDArray[np.float32], question: Question, *, kind: str = "linear", shots: int | None = None, seeds: int = 3
) -> tuple[Array, Numbers]:
    """Learn as `probe` does, and give the answers themselves, so that those of several probes can be averaged.

    Parameters
    ----------
    vectors : ndarray, shape=(recordings, dim)
        Embeddings of the question's recordings.
    question : Question
        What is asked.
    kind : {"linear", "mlp", "knn"}
        As of `probe`.
    shots : int, optional
        As of `probe`.
    seeds : int
        As of `probe`.

    Returns
    -------
    probabilities : ndarray, shape=(tested, classes)
        Of the classes, for every recording that was tested, one repetition after the other.
    tested : ndarray of int, shape=(tested,)
        Numbers of these recordings.

    Raises
    ------
    RecipeError
        As of `probe`.
    """
    if kind not in PROBES:
        raise RecipeError(f"there is no probe {kind!r}; there are {', '.join(PROBES)}")
    if seeds < 1 or (shots is not None and shots < 1):
        raise RecipeError("seeds and shots must be at least 1")
    drawn = kind == "mlp" or shots is not None or question.parting == "drawn"
    told, tested = [], []
    for seed in range(seeds if drawn else 1):
        for learned, test in question.parts(seed):
            some = learned if shots is None else _few(question.truth, learned, shots, seed)
            middle, spread = vectors[some].mean(0), vectors[some].std(0)
            x = (vectors - middle) / np.where(spread > 1e-6, spread, 1)
            truth = question.truth[some]
            if question.exclusive and truth.any(0).sum() < 2:
                raise RecipeError(
                    f"data set {question.data.name}: a part to learn from ({question.protocol}) "
                    f"has one {question.label} alone, and a probe needs two; take more of the set"
                )
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of classes without examples, and steps that did not converge
                scores = PROBES[kind](x[some], truth, question.groups[some], x[test], question.exclusive, seed)
            told.append(scores)
            tested.append(test)
    return np.concatenate(told), np.concatenate(tested)


def score_answers(probabilities: Array, tested: Numbers, question: Question) -> dict[str, dict[str, float]]:
    """Score answers of a probe, or the mean of several.

    Parameters
    ----------
    probabilities : ndarray, shape=(tested, classes)
        As of `answers`.
    tested : ndarray of int, shape=(tested,)
        Numbers of the recordings.
    question : Question
        What was asked.

    Returns
    -------
    dict of str to dict
        ``mean``, ``low``, ``high`` (95 %) and ``n`` (groups) of accuracy and macro recall, where classes exclude each
        other, macro AUC and mAP; over all tested recordings together.
    """
    truth = question.truth[tested]
    chosen = probabilities >= 0.5
    if question.exclusive:
        chosen = np.eye(probabilities.shape[1], dtype=bool)[probabilities.argmax(1)]
    groups = np.unique(question.groups[tested], return_inverse=True)[1]
    found = label_metrics(truth, probabilities, chosen, entries=groups, exclusive=question.exclusive, draws=DRAWS)
    wanted = ("accuracy", "macro recall", "macro AUC", "mAP") if question.exclusive else ("macro AUC", "mAP")
    return {name: found[name] for name in wanted}


def _linear(x: Array, truth: Truth, groups: Numbers, test: Array, exclusive: bool, seed: int) -> Array:
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV, GroupKFold
    from sklearn.multiclass import OneVsRestClassifier

    single = LogisticRegression(max_iter=300)
    model, field = (single, "C") if exclusive else (OneVsRestClassifier(single), "estimator__C")
    target: Any = truth.argmax(1) if exclusive else truth.astype(int)
    if truth.sum(0).min() >= ENOUGH and len(np.unique(groups)) >= 3:
        score = None if exclusive else _mean_precision
        model = GridSearchCV(model, {field: STRENGTHS}, cv=GroupKFold(3), scoring=score)
        model.fit(x, target, groups=groups)
    else:
        model.set_params(**{field: STRENGTHS[1]}).fit(x, target)
    return _columns(model.predict_proba(test), model.classes_ if exclusive else None, truth.shape[1])


def _mlp(x: Array, truth: Truth, groups: Numbers, test: Array, exclusive: bool, seed: int) -> Array:
    from sklearn.neural_network import MLPClassifier

    model = MLPClassifier((HIDDEN,), alpha=0.1, max_iter=60, batch_size=min(64, len(x)), random_state=seed)
    model.fit(x, truth.argmax(1) if exclusive else truth.astype(int))
    return _columns(model.predict_proba(test), model.classes_ if exclusive else None, truth.shape[1])


def _knn(x: Array, truth: Truth, groups: Numbers, test: Array, exclusive: bool, seed: int) -> Array:
    known, asked = (one / np.linalg.norm(one, axis=1, keepdims=True).clip(1e-9) for one in (x, test))
    likeness = asked @ known.T
    nearest = np.argsort(-likeness, axis=1, kind="stable")[:, : min(NEIGHBOURS, len(known))]
    weights = np.exp(np.take_along_axis(likeness, nearest, 1))  # so that ties go to the nearer ones
    weights /= weights.sum(1, keepdims=True)
    found: Array = np.einsum("nk,nkc->nc", weights, truth[nearest].astype(np.float64))
    return found


PROBES: dict[str, Callable[[Array, Truth, Numbers, Array, bool, int], Array]] = {
    "linear": _linear,
    "mlp": _mlp,
    "knn": _knn,
}


def _columns(scores: Array, classes: Sequence[int] | None, count: int) -> Array:
    """Put scores where their classes are; those without an example have 0."""
    if classes is None:
        return scores
    found = np.zeros((len(scores), count))
    found[:, classes] = scores
    return found


def _mean_precision(model: Any, x: Array, truth: NDArray[Any]) -> float:
    """Mean average precision of the classes that occur."""
    from sklearn.metrics import average_precision_score

    scores, held = model.predict_proba(x), truth.any(0)
    return float(average_precision_score(truth[:, held], scores[:, held])) if held.any() else 0.0


def _few(truth: Truth, learned: Numbers, shots: int, seed: int) -> Numbers:
    """Draw so many recordings of every class."""
    order = np.random.default_rng(seed).permutation(learned)
    few = {int(number) for column in truth.T for number in order[column[order]][:shots]}
    return np.array(sorted(few))


def _has_split(data: DataSet) -> bool:
    try:
        official(data)
    except RecipeError:
        return False
    return True
