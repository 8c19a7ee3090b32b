"""Mixtures of clips: what sounds when is known, since they are mixed here."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...audio import read
from ...errors import RecipeError
from ..annotations import Annotations, Segment
from ..building import Source, builder
from ..layouts import audio_file, inside, root_of, rows

RATE, LENGTH = 22_050, 6.0  # Hz; seconds of a mixture
MOST_TOGETHER = 3  # clips in a mixture; two at least
PARTS = {"train": (0.6, 300), "valid": (0.15, 60), "test": (0.25, 120)}  # share of the clips of a class; mixtures
A_FOLD = 150  # mixtures of urban sounds
LONGEST = 4.0  # seconds of a clip
LEVELS = (-12.0, 0.0)  # dB; every clip is first made equally loud
SILENCE = 40.0  # dB below a clip's loudest moment, at its ends


@dataclass(frozen=True)
class _Clip:
    path: Path
    name: str

    def sound(self) -> NDArray[np.float32]:
        """Read it, without silence at its ends and as loud as the others."""
        found = read(self.path, sample_rate=RATE).samples
        frame = RATE // 50
        power = np.square(found[: len(found) // frame * frame]).reshape(-1, frame).mean(1)
        if not power.size or power.max() < 1e-10:
            raise RecipeError(f"{self.path}: is silent")
        loud = np.flatnonzero(power >= power.max() * 10 ** (-SILENCE / 10))
        kept = found[loud[0] * frame : (loud[-1] + 1) * frame][: int(LONGEST * RATE)]
        scaled: NDArray[np.float32] = kept * np.float32(0.1 / np.sqrt(power[loud].mean()))
        return scaled


@builder("instrument-mixtures", "as instruments: labels.csv (file, label) beside the files that it names")
def instrument_mixtures(folder: Path) -> Iterator[Source]:
    """List the mixtures: of two or three instruments, each from some time to another.

    Parameters
    ----------
    folder : Path
        With the clips of the data set instruments.

    Yields
    ------
    Source
        To train, to validate, to test; no clip is in two of these.
    """
    root = root_of(folder, "labels.csv")
    clips: dict[str, list[_Clip]] = defaultdict(list)
    for where, row in rows(root / "labels.csv", "file", "label"):
        path = audio_file(inside(root, row["file"], where=where))
        if path is not None:
            clips[row["label"]].append(_Clip(path, row["label"]))
    least = len(PARTS)
    if len(clips) < 2 or min(map(len, clips.values())) < least:
        raise RecipeError(f"{root}: mixtures need at least 2 instruments, each with {least} clips")
    rng = np.random.default_rng(0)
    shuffled = {name: [held[i] for i in rng.permutation(len(held))] for name, held in sorted(clips.items())}
    begun = dict.fromkeys(shuffled, 0)
    for part, (share, count) in PARTS.items():
        pool: dict[str, list[_Clip]] = {}
        for name, held in shuffled.items():
            last = len(held) if part == "test" else min(len(held) - 1, begun[name] + max(1, round(share * len(held))))
            pool[name], begun[name] = held[begun[name] : last], last
        for number in range(count):
            mixture = _Mixture((list(PARTS).index(part), number), pool, "instrument", {"split": part})
            yield Source(f"{part}-{number:03}", mixture.annotate, sound=mixture.sound)


@builder("urban-mixtures", "as urbansound8k: metadata/UrbanSound8K.csv and audio/foldN/CLIP.wav")
def urban_mixtures(folder: Path) -> Iterator[Source]:
    """List the mixtures: of two or three urban sounds of one fold, each from some time to another.

    Parameters
    ----------
    folder : Path
        With the clips of the data set urbansound8k.

    Yields
    ------
    Source
        Fold by fold; recordings lie in one of the official folds each.
    """
    root = root_of(folder, "metadata/UrbanSound8K.csv")
    folds: dict[str, dict[str, list[_Clip]]] = defaultdict(lambda: defaultdict(list))
    for where, row in rows(root / "metadata" / "UrbanSound8K.csv", "slice_file_name", "fold", "class"):
        path = audio_file(inside(root / "audio", f"fold{row['fold']}/{row['slice_file_name']}", where=where))
        if path is not None:
            folds[row["fold"]][row["class"]].append(_Clip(path, row["class"]))
    for index, (fold, clips) in enumerate(sorted(folds.items())):
        if len(clips) < MOST_TOGETHER:
            raise RecipeError(f"{root}: fold {fold} has clips of {len(clips)} classes; mixtures need {MOST_TOGETHER}")
        for number in range(A_FOLD):
            mixture = _Mixture((index, number), clips, "class", {"fold": fold})
            yield Source(f"fold{fold}-{number:03}", mixture.annotate, sound=mixture.sound)


class _Mixture:
    """Everything is drawn by the seed; ``layer`` of segments says what sounds when."""

    def __init__(
        self, seed: tuple[int, int], pool: Mapping[str, Sequence[_Clip]], layer: str, labels: Mapping[str, str]
    ) -> None:
        self._layer, self._labels = layer, labels
        rng = np.random.default_rng(seed)
        names = rng.permutation(sorted(pool))[: int(rng.integers(2, MOST_TOGETHER + 1))]
        self._clips = [pool[name][int(rng.integers(len(pool[name])))] for name in sorted(names)]
        self._places, self._levels = rng.random(len(names)), rng.uniform(*LEVELS, len(names))

    @cached_property
    def _played(self) -> list[tuple[int, NDArray[np.float32]]]:
        sounds = [clip.sound() for clip in self._clips]
        return [
            (int(place * (LENGTH * RATE - len(sound))), sound * np.float32(10 ** (level / 20)))
            for place, level, sound in zip(self._places, self._levels, sounds, strict=True)
        ]

    def annotate(self) -> Annotations:
        """Tell what sounds when."""
        segments = [
            Segment(start / RATE, (start + len(sound)) / RATE, clip.name)
            for clip, (start, sound) in zip(self._clips, self._played, strict=True)
        ]
        names = tuple(clip.name for clip in self._clips)
        used = tuple(clip.path.stem for clip in self._clips)
        labels = {"tag": names, "clip": used, **{name: (value,) for name, value in self._labels.items()}}
        return Annotations(segments={self._layer: tuple(sorted(segments, key=lambda one: one.start))}, labels=labels)

    def sound(self) -> NDArray[np.float32]:
        """Mix."""
        mixed = np.zeros(int(LENGTH * RATE), np.float32)
        for start, sound in self._played:
            mixed[start : start + len(sound)] += sound
        del self._played  # (a build makes all of its entries at once)
        found: NDArray[np.float32] = mixed * np.float32(0.7 / np.abs(mixed).max())
        return found
