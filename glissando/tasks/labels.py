"""Labels of a vocabulary: one at a time (softmax) or any number (sigmoid), of recordings or of stretches of them."""

from __future__ import annotations

import csv
import math
from abc import abstractmethod
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from ..data import Annotations
from ..errors import RecipeError
from ..metrics import label_metrics
from .base import Task, Times

HEAVIEST = 20.0  # weight of a class that is hardly there, and the inverse of the least
THRESHOLDS = tuple(round(0.05 * step, 2) for step in range(1, 20))

Array = NDArray[np.float64]
Truth = NDArray[np.bool_]


class LabelTask(Task):
    """What all labels have in common; who inherits says what an annotation tells and how outputs are decided on.

    Parameters
    ----------
    label : str, optional
        Name of the annotations that count: of global labels, or of segments; the task's `usual` one if None.
    vocabulary : sequence of str, optional
        Classes in order; those of the training data if None, and then a run's recipe holds them.
    most : int, optional
        Of the training data's labels only so many, the most frequent, are the vocabulary; all if None.
    weights : "balanced" or sequence of float, optional
        Of the classes in the loss: of one class among several by how rare it is, of one that holds or not against its
        absence. All count alike if None; "balanced" is counted in the training data.

    Attributes
    ----------
    exclusive : bool
        One class at a time (softmax, cross-entropy), or any number (sigmoid, binary cross-entropy).
    usual : str
        Name of the annotations, unless a recipe has another.
    """

    exclusive: ClassVar[bool]
    usual: ClassVar[str]

    def __init__(
        self,
        *,
        label: str | None = None,
        vocabulary: Sequence[str] | None = None,
        most: int | None = None,
        weights: str | Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        if most is not None and (isinstance(most, bool) or not isinstance(most, int) or most < 1):
            raise ValueError(f"most is {most!r}; it must be a number of labels")
        self.label, self.most = label or self.usual, most
        self.vocabulary = _vocabulary(vocabulary)
        self.balanced = weights == "balanced"
        self.weights = None if self.balanced or weights is None else _weights(weights, len(self.vocabulary))
        if not self.exclusive:
            self.tuned |= dict.fromkeys(self.vocabulary, 0.5)

    @abstractmethod
    def amounts(self, annotations: Annotations) -> tuple[dict[str, float], float]:
        """Tell how much of an entry its labels hold, to count classes by.

        Parameters
        ----------
        annotations : Annotations
            Of the entry.

        Returns
        -------
        dict of str to float
            By label: 1, or seconds.
        float
            Of the whole; 0 where nothing is known.
        """

    @abstractmethod
    def probabilities(self, estimate: Any) -> Array:
        """Read probabilities from an estimate.

        Parameters
        ----------
        estimate : object
            From `predict`.

        Returns
        -------
        ndarray, shape=(examples, classes)
            From 0 to 1; examples are frames, or the whole is the only one.
        """

    @abstractmethod
    def truth(self, annotations: Annotations, estimate: Any) -> Array:
        """Tell what an estimate should have been.

        Parameters
        ----------
        annotations : Annotations
            Of the entry.
        estimate : object
            Whose examples count.

        Returns
        -------
        ndarray, shape=(examples, classes)
            Shares from 0 to 1. An example of which nothing is known has zeros (one class at a time) or NaN.
        """

    def settle(self, annotations: Sequence[Annotations]) -> dict[str, Any]:
        """Take vocabulary and weights from the training data, if the recipe leaves them open.

        Parameters
        ----------
        annotations : sequence of Annotations
            Of the entries to train on.

        Returns
        -------
        dict of str to object
            Arguments ``vocabulary`` and ``weights``.

        Raises
        ------
        RecipeError
            If the data have none of these labels.
        """
        held: Counter[str] = Counter()
        total = 0.0
        for one in annotations:
            amounts, whole = self.amounts(one)
            held.update(amounts)  # type: ignore[arg-type]  # (a counter of seconds is one, too)
            total += whole
        vocabulary = self.vocabulary or tuple(sorted(name for name, _ in held.most_common(self.most)))
        if not held or not vocabulary:
            raise RecipeError(f"task: the entries to train on have no label {self.label!r}; name one that they have")
        if not any(held[name] for name in vocabulary):
            there = ", ".join(name for name, _ in held.most_common(5))
            raise RecipeError(
                f"task: vocabulary: no {self.label!r} of the entries to train on is in it; they have {there}"
            )
        if self.vocabulary and not self.balanced:
            return {}
        found: dict[str, Any] = {"vocabulary": [*vocabulary]}
        if self.balanced:
            share = np.array([held[name] for name in vocabulary], np.float64) / total
            ratio = 1 / np.maximum(share * len(vocabulary), 1e-9) if self.exclusive else (1 - share) / (share + 1e-9)
            found["weights"] = [round(float(one), 3) for one in ratio.clip(1 / HEAVIEST, HEAVIEST)]
        return found

    def costs(self, outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Compare outputs with targets, class by class; unknown examples cost nothing.

        Parameters
        ----------
        outputs, targets : Tensor, shape=(batch, classes, ...)
            Log-odds, and shares from 0 to 1.

        Returns
        -------
        costs : Tensor, shape=(batch, ...)
            Cross-entropy.
        known : Tensor, shape=(batch, ...)
            How much is known.
        """
        weights = None if self.weights is None else torch.tensor(self.weights, device=outputs.device)
        if weights is not None:
            weights = weights.view(-1, *(1 for _ in outputs.shape[2:]))
        if self.exclusive:
            told = targets if weights is None else targets * weights
            return -(told * F.log_softmax(outputs, 1)).sum(1), told.sum(1)
        known = targets.isfinite()
        every = F.binary_cross_entropy_with_logits(outputs, targets.nan_to_num(), pos_weight=weights, reduction="none")
        return (every * known).mean(1), known.float().mean(1)

    def odds(self, outputs: Tensor) -> Array:
        """Turn log-odds into probabilities.

        Parameters
        ----------
        outputs : Tensor, shape=(classes, ...)
            Of the model.

        Returns
        -------
        ndarray, shape=(classes, ...)
            From 0 to 1; of one class at a time they sum to 1.
        """
        held = outputs.detach().double().cpu()
        found: Array = (torch.softmax(held, 0) if self.exclusive else torch.sigmoid(held)).numpy()
        return found

    def decide(self, probabilities: Array) -> Truth:
        """Decide which labels hold: the most probable one, or all above their thresholds.

        Parameters
        ----------
        probabilities : ndarray, shape=(examples, classes)
            From 0 to 1.

        Returns
        -------
        ndarray of bool, shape=(examples, classes)
            What holds.
        """
        if self.exclusive:
            return one_hot(probabilities.argmax(1), len(self.vocabulary))
        return probabilities >= np.array([self.tuned[name] for name in self.vocabulary])

    def known(self, annotations: Annotations, estimate: Any) -> tuple[Truth, Array, Truth]:
        """Line up truth and estimate, without what is unknown.

        Parameters
        ----------
        annotations : Annotations
            The truth.
        estimate : object
            From `predict`.

        Returns
        -------
        truth : ndarray of bool, shape=(examples, classes)
            What holds.
        probabilities : ndarray, shape=(examples, classes)
            From 0 to 1.
        chosen : ndarray of bool, shape=(examples, classes)
            What was decided.
        """
        shares, found = self.truth(annotations, estimate), self.probabilities(estimate)
        wanted = one_hot(shares.argmax(1), len(self.vocabulary)) if self.exclusive else shares >= 0.5
        held = shares.max(1) > 0 if self.exclusive else np.isfinite(shares).all(1)
        return wanted[held], found[held], self.decide(found)[held]

    def evaluate_all(self, examples: Sequence[tuple[Annotations, Any]]) -> dict[str, dict[str, float]]:
        """Score a whole set at once by `glissando.metrics.label_metrics`.

        Parameters
        ----------
        examples : sequence of (Annotations, object)
            Truths, and estimates from `predict`.

        Returns
        -------
        dict of str to dict of str to float
            ``mean``, ``low``, ``high`` and ``n`` by name; nothing where nothing is known.
        """
        each = [one for one in (self.known(*pair) for pair in examples) if len(one[0])]
        if not each or not any(one[0].any() for one in each):
            return {}
        entries = np.repeat(np.arange(len(each)), [len(one[0]) for one in each])
        truth, found, chosen = (np.concatenate(parts) for parts in zip(*each, strict=True))
        return label_metrics(truth, found, chosen, entries=entries, exclusive=self.exclusive)

    def tune(self, examples: Sequence[tuple[Annotations, Tensor, Times]]) -> None:
        """Choose for every label that may hold beside others the threshold with the best F.

        Parameters
        ----------
        examples : sequence of (Annotations, Tensor, ndarray)
            Truth, outputs and times of entries.
        """
        if self.exclusive:
            return
        each = [self.known(truth, self.predict(outputs, times)) for truth, outputs, times in examples]
        truth, found = (np.concatenate([one[i] for one in each]) for i in (0, 1))
        for k, name in enumerate(self.vocabulary):
            best = self.tuned[name], -1.0
            for threshold in THRESHOLDS:
                chosen = found[:, k] >= threshold
                score = 2 * (chosen & truth[:, k]).sum() / max(1, chosen.sum() + truth[:, k].sum())
                # (of equally good ones the nearest to one half)
                if (score, -abs(threshold - 0.5)) > (best[1], -abs(best[0] - 0.5)):
                    best = threshold, float(score)
            self.tuned[name] = best[0] if truth[:, k].any() else 0.5

    def report(self, folder: Path, examples: Sequence[tuple[Annotations, Any]]) -> None:
        """Write what every label came to, ``labels.csv``; of one at a time also ``confusion.png``.

        Parameters
        ----------
        folder : Path
            Of the run.
        examples : sequence of (Annotations, object)
            Truths, and estimates from `predict`.
        """
        each = [one for one in (self.known(*pair) for pair in examples) if len(one[0])]
        if not each:
            return
        truth, _, chosen = (np.concatenate(parts) for parts in zip(*each, strict=True))
        hits, there, told = (truth & chosen).sum(0), truth.sum(0), chosen.sum(0)
        with (folder / "labels.csv").open("w", newline="", encoding="utf-8") as out:
            table = csv.writer(out)
            table.writerow(("label", "examples", "chosen", "precision", "recall", "F"))
            for name, hit, held, found in zip(self.vocabulary, hits, there, told, strict=True):
                rates = hit / max(1, found), hit / max(1, held), 2 * hit / max(1, held + found)
                table.writerow((name, held, found, *(f"{rate:.4f}" for rate in rates)))
        if self.exclusive:
            from .label_plots import confusion

            confusion(folder / "confusion.png", truth.astype(np.float64).T @ chosen, self.vocabulary)


def one_hot(numbers: NDArray[np.int64], classes: int) -> Truth:
    """Mark one class of every example.

    Parameters
    ----------
    numbers : ndarray of int, shape=(examples,)
        Of the classes.
    classes : int
        How many there are.

    Returns
    -------
    ndarray of bool, shape=(examples, classes)
        True once a row.
    """
    marked: Truth = np.arange(classes) == numbers[:, None]
    return marked


def _vocabulary(given: Sequence[str] | None) -> tuple[str, ...]:
    if given is None:
        return ()
    if isinstance(given, str) or not all(isinstance(name, str) for name in given) or len({*given}) < len(given):
        raise ValueError("vocabulary must be a list of labels, each once (numbers in quotes)")
    return tuple(given)


def _weights(given: Any, classes: int) -> tuple[float, ...]:
    if isinstance(given, str) or len(given) != classes or not all(0 < one < math.inf for one in given):
        raise ValueError('weights must be "balanced", or one above 0 for every label of the vocabulary')
    return tuple(float(one) for one in given)
