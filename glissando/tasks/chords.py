"""Chords: classes of a vocabulary by frame, perhaps with root, bass and pitches, decoded along a chain."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from ..data import Annotations, Segment
from ..errors import RecipeError
from ..metrics import chord_scores, weighted_mean
from ..nn.chains import NEVER, CountedChain, LearnedChain, best_path, sum_of_paths
from .base import TASKS, Task, Times
from .chord_labels import ROOTS, VOCABULARIES, inverted, laid_out, parse_chord
from .jams import jams

DECODERS = ("hmm", "crf", "frames")
SHARPNESS = (0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0)
STRUCTURE = 3 * 12 + 2  # rows of root, bass and pitches: twelve each, and no root, no bass

Chords = tuple[Segment, ...]


@TASKS.register("chords")
class ChordTask(Task):
    """Chords over time.

    A model gives rows of log-odds by frame: twelve roots from C for every quality of the vocabulary; with a structure
    twelve roots, twelve basses, twelve pitches; and last what has no pitch: N, X where the vocabulary has it, no root,
    no bass. So a transposition turns every whole group of twelve rows.

    Parameters
    ----------
    vocabulary : {25, 170}
        Major, minor and N; or 14 qualities, N and X.
    structured : bool
        Learn root, bass and pitches beside the class, and name inversions.
    decoding : {"hmm", "crf", "frames"}
        Viterbi by transitions that are counted in the training data; by transitions that are learned together with
        the model; or every frame for itself.

    References
    ----------
    McFee & Bello, "Structured training for large-vocabulary chord recognition", ISMIR 2017.
    """

    goal = "majmin"

    def __init__(self, *, vocabulary: int = 170, structured: bool = False, decoding: str = "hmm") -> None:
        super().__init__()
        if vocabulary not in VOCABULARIES:
            raise ValueError(f"vocabulary is {vocabulary!r}; there are {', '.join(map(str, VOCABULARIES))}")
        if decoding not in DECODERS:
            raise ValueError(f"decoding is {decoding!r}; there are {', '.join(DECODERS)}")
        self.vocabulary, self.structured, self.decoding = VOCABULARIES[vocabulary], structured, decoding
        self.groups = 12 * len(self.vocabulary.qualities)  # rows of classes that have a pitch
        self.rows = len(self.vocabulary) + structured * STRUCTURE
        index = self.vocabulary.transitions()
        chains = {"hmm": CountedChain, "crf": LearnedChain}
        self.layers = chains[decoding](index) if decoding in chains else None
        if decoding == "hmm":
            self.tuned["sharpness"] = 1.0  # weight of the model's log-probabilities beside the chain's

    def settle(self, annotations: Sequence[Annotations]) -> dict[str, Any]:
        """Make sure that there is something to learn.

        Parameters
        ----------
        annotations : sequence of Annotations
            Of the entries to train on.

        Returns
        -------
        dict of str to object
            Nothing.

        Raises
        ------
        RecipeError
            If none has a chord.
        """
        if not any(one.segments.get("chord") for one in annotations):
            raise RecipeError("task chords: no entry to train on has segments 'chord'; take a data set that has chords")
        return {}

    def targets(self, annotations: Annotations, times: Times) -> NDArray[np.float32]:
        """Mark what holds.

        Parameters
        ----------
        annotations : Annotations
            With segments "chord".
        times : ndarray, shape=(frames,)
            In seconds.

        Returns
        -------
        ndarray, shape=(1, rows, frames)
            0 or 1, in the rows of the model; none of a kind holds where it is unknown.

        Raises
        ------
        RecipeError
            If a label is no chord.
        """
        found = np.zeros((self.rows, len(times)), np.float32)
        parts = self._parts()
        for segment in annotations.segments.get("chord", ()):
            frames = slice(*np.searchsorted(times, (segment.start, segment.end)))
            found[:, frames] = 0
            number, chord = self.vocabulary.number(segment.label), parse_chord(segment.label)
            if number >= 0:
                found[parts["class"][number], frames] = 1
            if self.structured and chord.known:
                found[parts["root"][chord.root], frames] = 1  # (-1, the last one, is no root)
                found[parts["bass"][chord.bass], frames] = 1
                found[parts["pitches"][list(chord.pitches)], frames] = 1
        return found[None]

    def loss(self, outputs: Tensor, targets: Tensor, valid: Tensor) -> Tensor:
        """Cross-entropy of classes, or the negative log-likelihood of their path; and of the structure.

        Parameters
        ----------
        outputs, targets : Tensor, shape=(batch, 1, rows, frames)
            Of the model, and of `targets`.
        valid : Tensor, shape=(batch, frames)
            False where an entry has ended.

        Returns
        -------
        Tensor
            Mean over valid frames.
        """
        given, wanted = outputs[:, 0], targets[:, 0] * valid[:, None]
        parts = self._parts()
        classes, truth = given[:, parts["class"]], wanted[:, parts["class"]]
        known = truth.sum(1)
        if isinstance(self.layers, LearnedChain):
            total = self._unlikely(classes * valid[:, None], truth)
        else:
            total = _cross_entropy(classes, truth)
        if isinstance(self.layers, CountedChain) and self.layers.training:
            self.layers.count(torch.where(known > 0, truth.argmax(1), -1))
        if self.structured:
            for name in ("root", "bass"):
                total = total + _cross_entropy(given[:, parts[name]], wanted[:, parts[name]])
            told = wanted[:, parts["root"]].sum(1)
            every = F.binary_cross_entropy_with_logits(
                given[:, parts["pitches"]], wanted[:, parts["pitches"]], reduction="none"
            )
            total = total + (every.mean(1) * told).sum() / told.sum().clamp_min(1)
        return total

    def predict(self, outputs: Tensor, times: Times) -> Chords:
        """Decode the most probable chords.

        Parameters
        ----------
        outputs : Tensor, shape=(1, rows, frames)
            Of the model.
        times : ndarray, shape=(frames,)
            In seconds.

        Returns
        -------
        tuple of Segment
            End to end, from 0.
        """
        if not len(times):
            return ()
        path = self._decode(outputs, self.tuned.get("sharpness", 1.0))
        changes = np.flatnonzero(np.diff(path)) + 1
        starts, ends = np.r_[0, changes], np.r_[changes, len(path)]
        half = (times[1] - times[0]) / 2 if len(times) > 1 else 0.5
        edges = np.r_[0.0, times[1:] - half, times[-1] + half]
        basses = F.log_softmax(outputs[0, self._parts()["bass"][:-1]].double(), 0).numpy() if self.structured else None
        found = []
        for start, end in zip(starts, ends, strict=True):
            label = self.vocabulary.labels[path[start]]
            chord = parse_chord(label)
            if basses is not None and chord.root >= 0:
                label = inverted(label, max(chord.pitches, key=lambda pitch: basses[pitch, start:end].mean()))
            found.append(Segment(float(edges[start]), float(edges[end]), label))
        return tuple(found)

    def structure(self, outputs: Tensor) -> dict[str, NDArray[np.float64]]:
        """Tell how probable roots, basses and pitches are.

        Parameters
        ----------
        outputs : Tensor, shape=(1, rows, frames)
            Of the model.

        Returns
        -------
        dict of str to ndarray
            ``root`` and ``bass``, shape=(13, frames), from C, and that there is none; each frame sums to 1.
            ``pitches``, shape=(12, frames), each for itself.

        Raises
        ------
        RecipeError
            If the task has no structure.
        """
        if not self.structured:
            raise RecipeError("task chords: learned classes alone; train with chords: {structured: true}")
        parts, given = self._parts(), outputs[0].detach().double().cpu()
        found = {name: torch.softmax(given[parts[name]], 0).numpy() for name in ("root", "bass")}
        return {**found, "pitches": torch.sigmoid(given[parts["pitches"]]).numpy()}

    def evaluate(self, annotations: Annotations, estimate: Chords) -> dict[str, float]:
        """Score one recording by `mir_eval.chord`.

        Parameters
        ----------
        annotations : Annotations
            With segments "chord".
        estimate : tuple of Segment
            From `predict`.

        Returns
        -------
        dict of str to float
            As of `glissando.metrics.chord_scores`; what can't be compared is missing.
        """
        scores = _compared(annotations.segments.get("chord", ()), estimate)
        return {name: score for name, (score, _) in scores.items()}

    def evaluate_all(self, examples: Sequence[tuple[Annotations, Chords]]) -> dict[str, dict[str, float]]:
        """Score a set as one long recording: weighted chord symbol recall.

        Parameters
        ----------
        examples : sequence of (Annotations, tuple of Segment)
            Truths, and estimates from `predict`.

        Returns
        -------
        dict of str to dict of str to float
            ``mean``, ``low``, ``high`` and ``n`` by name.
        """
        pairs = ((annotations.segments.get("chord", ()), estimate) for annotations, estimate in examples)
        return weighted_scores([_compared(*pair) for pair in pairs])

    def tune(self, examples: Sequence[tuple[Annotations, Tensor, Times]]) -> None:
        """Choose how much the model counts beside the counted transitions: so that most frames are right by majmin.

        Parameters
        ----------
        examples : sequence of (Annotations, Tensor, ndarray)
            Truth, outputs and frame times of entries.
        """
        if self.decoding != "hmm":
            return
        small = VOCABULARIES[25]
        triads = np.array([small.number(label) for label in self.vocabulary.labels])
        right, known = np.zeros(len(SHARPNESS)), 0
        for told, outputs, times in examples:
            truth = np.full(len(times), -1)
            for one in told.segments.get("chord", ()):
                truth[slice(*np.searchsorted(times, (one.start, one.end)))] = small.number(one.label)
            known += int((truth >= 0).sum())
            for i, sharpness in enumerate(SHARPNESS):
                right[i] += (triads[self._decode(outputs, sharpness)] == truth)[truth >= 0].sum()
        if known:
            self.tuned["sharpness"] = SHARPNESS[int(np.argmax(right))]

    def plot(self, path: Path, outputs: Tensor, times: Times, annotations: Annotations | None = None) -> None:
        """Draw the probabilities of the classes, and below them the chords.

        Parameters
        ----------
        path : Path
            PNG file to write.
        outputs : Tensor, shape=(1, rows, frames)
            Of the model.
        times : ndarray, shape=(frames,)
            In seconds.
        annotations : Annotations, optional
            The truth.
        """
        from .chord_plots import timeline

        values = torch.softmax(outputs[0, self._parts()["class"]].float(), 0).numpy()
        roots = values[: self.groups].reshape(-1, 12, len(times)).sum(0)
        truth = None if annotations is None else annotations.segments.get("chord", ())
        timeline(path, roots, times, dict(enumerate(ROOTS)), self.predict(outputs, times), truth)

    def export(self, folder: Path, name: str, estimate: Chords) -> dict[str, Path]:
        """Write chords as a lab file (start, end and label a line) and as JAMS.

        Parameters
        ----------
        folder : Path
            Where to.
        name : str
            Stem of the files.
        estimate : tuple of Segment
            From `predict`.

        Returns
        -------
        dict of str to Path
            Files by format: lab, jams.
        """
        files = {"lab": folder / f"{name}.lab", "jams": folder / f"{name}.jams"}
        lines = [f"{one.start:.3f}\t{one.end:.3f}\t{one.label}\n" for one in estimate]
        files["lab"].write_text("".join(lines), encoding="utf-8")
        held = [(round(one.start, 3), round(one.end - one.start, 3), one.label) for one in estimate]
        duration = estimate[-1].end if estimate else 0.0
        files["jams"].write_text(jams(name, round(duration, 3), {"chord": held}), encoding="utf-8")
        return files

    def _parts(self) -> dict[str, NDArray[np.int64]]:
        """Rows by what they are: pitched ones first, those without a pitch last."""
        pitched = self.groups + 36 * self.structured
        singles = len(self.vocabulary) - self.groups
        found = {"class": np.r_[0 : self.groups, pitched : pitched + singles]}
        if self.structured:
            for place, name in enumerate(("root", "bass", "pitches")):
                first = self.groups + 12 * place
                found[name] = np.arange(first, first + 12)
            for place, name in enumerate(("root", "bass")):
                found[name] = np.r_[found[name], pitched + singles + place]
        return found

    def _unlikely(self, classes: Tensor, truth: Tensor) -> Tensor:
        """How unlikely the true path is, a known frame; where nothing is known, every class may be."""
        assert self.layers is not None
        transitions = self.layers()
        open_ = truth.sum(1, keepdim=True) == 0
        allowed = torch.where((truth > 0) | open_, 0.0, NEVER)
        apart = sum_of_paths(classes, transitions) - sum_of_paths(classes + allowed, transitions)
        return apart.sum() / truth.sum().clamp_min(1)

    def _decode(self, outputs: Tensor, sharpness: float) -> NDArray[np.int64]:
        scores = outputs[0, self._parts()["class"]].float()
        if self.layers is None:
            path: NDArray[np.int64] = scores.argmax(0).numpy()
            return path
        if self.decoding == "hmm":
            scores = sharpness * F.log_softmax(scores, 0)
        return best_path(scores, self.layers())


@lru_cache(maxsize=10_000)
def _compared(reference: Chords, estimate: Chords) -> dict[str, tuple[float, float]]:
    """Kept, as a set is scored one by one and then as a whole."""
    return chord_scores(*laid_out(reference), *laid_out(estimate))


def weighted_scores(scores: Sequence[dict[str, tuple[float, float]]]) -> dict[str, dict[str, float]]:
    """Average scores of recordings by the seconds they rest on.

    Parameters
    ----------
    scores : sequence of dict
        From `glissando.metrics.chord_scores`, one a recording.

    Returns
    -------
    dict of str to dict of str to float
        ``mean``, ``low``, ``high`` and ``n`` by name.
    """
    found = {}
    for name in dict.fromkeys(name for one in scores for name in one):
        pairs = np.array([one[name] for one in scores if name in one])
        found[name] = weighted_mean(pairs[:, 0], pairs[:, 1])
    return found


def _cross_entropy(outputs: Tensor, targets: Tensor) -> Tensor:
    """Mean over the frames in which one holds."""
    return -(targets * F.log_softmax(outputs, 1)).sum() / targets.sum().clamp_min(1)
