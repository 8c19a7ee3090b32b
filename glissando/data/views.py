"""Views of recordings for learning without labels: from places far apart, at several tempi, perhaps transposed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from ..errors import RecipeError
from .cache import FeatureCache
from .dataset import Entry

REACH = 0.5  # octaves by which frames are resampled, beside the stretched audio
APART = 0.1  # octaves, at least, between two tempi of a recording
PLACE, TEMPO, KEY = ASPECTS = ("place", "tempo", "key")  # what views of a recording may differ in


class Views(Dataset[dict[str, Tensor]]):
    """Several views of every recording: the first two at one tempo, each further one at a tempo of its own.

    Where tempo is to be forgotten, every view has its own; where key is, every view is one of the transposed versions;
    where place is not, all views begin together.

    A tempo is reached in two ways that leave different traces: by stretched audio, and by resampling its frames. Which
    of the stretched versions a view comes from is drawn, so that no trace tells the tempo. Everything depends on seed,
    epoch and the number of the recording alone.

    Parameters
    ----------
    caches : sequence of FeatureCache
        Of the audio at several tempo ratios and transpositions, the original among them; what is missing is computed
        here, before workers start.
    entries : iterable of Entry
        The recordings.
    frames : int
        Length of a view. Where a recording is shorter, zeros follow.
    count : int
        Views of a recording.
    octaves : float
        Tempi lie within so many octaves of the original's, as far as the caches reach.
    forget : collection of {"place", "tempo", "key"}
        What the views of a recording may differ in.
    training : bool
        Draw anew in every epoch; else always the same, at the tempi of the stretched audio, the original's first.
    seed : int
        Of the draw.
    progress : callable, optional
        Called with the number of recordings whose features are there.

    Raises
    ------
    RecipeError
        If there is no entry, the original is not among the caches, or a number makes no sense.
    """

    def __init__(
        self,
        caches: Sequence[FeatureCache],
        entries: Iterable[Entry],
        *,
        frames: int,
        count: int = 2,
        octaves: float = 0.0,
        forget: Collection[str] = (PLACE,),
        training: bool = False,
        seed: int = 0,
        progress: Callable[[int], None] | None = None,
    ) -> None:
        self.caches, self.entries, self.frames, self.count = list(caches), list(entries), frames, count
        self.forget, self.training, self.seed = frozenset(forget), training, seed
        if not self.entries:
            raise RecipeError("there is no entry to take views of; the part of the split is empty")
        if frames < 1 or count < 2:
            raise RecipeError(f"{count} views of {frames} frames: at least 2 views of 1 frame are needed")
        self.stretched = np.log2([cache.tempo_ratio for cache in self.caches])  # octaves
        self.semitones = np.array([cache.semitones for cache in self.caches])
        if not ((self.stretched == 0) & (self.semitones == 0)).any():
            raise RecipeError("views need the original tempo among the stretched versions")
        self.most = min(octaves, float(np.abs(self.stretched).max()) + REACH)  # octaves
        if count > 2 and TEMPO not in self.forget and self.most < count * APART:
            raise RecipeError(f"{count} views need tempi at least {count * APART:.1f} octaves from the original's")
        for done, entry in enumerate(self.entries, start=1):
            for cache in self.caches:
                cache.fill([entry])
            if progress is not None:
                progress(done)
        self._epoch = torch.zeros(1, dtype=torch.int64)
        self._epoch.share_memory_()  # type: ignore[no-untyped-call]  # workers that persist see it change

    def set_epoch(self, epoch: int) -> None:
        """Move on to the views of another epoch.

        Parameters
        ----------
        epoch : int
            Its number.
        """
        self._epoch[0] = epoch

    def __len__(self) -> int:
        """Count the recordings."""
        return len(self.entries)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        """Take views of a recording.

        Parameters
        ----------
        index : int
            Its number.

        Returns
        -------
        dict
            ``views`` float32 [views, channels, bins, frames], ``octaves`` float32 [views] (tempo over that of the
            original, base-2 logarithm), ``semitones`` float32 [views], ``entry``, the number of the recording.
        """
        if not 0 <= index < len(self):
            raise IndexError(index)
        drawn = np.random.default_rng([self.seed, int(self._epoch[0]) if self.training else 0, index])
        octaves, semitones = self._tempi(drawn), self._transpositions(drawn)
        offset = drawn.random() if self.training else 0.0
        views = []
        for number, (tempo, step) in enumerate(zip(octaves, semitones, strict=True)):
            place = offset
            if PLACE in self.forget:
                # Halves first, so that the two of one tempo lie far apart; half a step is left to chance.
                place += 0.5 * (number % 2) + number // 2 / self.count
                if self.training:
                    place += drawn.uniform(-0.5, 0.5) / self.count
            views.append(self._view(self.entries[index], tempo, step, place % 1.0, drawn))
        return {
            "views": torch.from_numpy(np.stack(views)),
            "octaves": torch.tensor(octaves, dtype=torch.float32),
            "semitones": torch.tensor(semitones, dtype=torch.float32),
            "entry": torch.tensor(index),
        }

    def _tempi(self, drawn: np.random.Generator) -> list[float]:
        """Draw the tempi of the views, in octaves; half of the recordings keep theirs for the first two."""
        if not self.training:
            same = 1 if TEMPO in self.forget else 2
            others = sorted({float(one) for one in self.stretched if one}, key=lambda one: (abs(one), one))
            others = others or [self.most]
            return [*[0.0] * same, *(others[i % len(others)] for i in range(self.count - same))]
        most = self.most
        if TEMPO in self.forget:
            return [float(drawn.uniform(-most, most)) for _ in range(self.count)]
        tempi = [0.0 if drawn.random() < 0.5 else float(drawn.uniform(-most, most))] * 2
        while len(tempi) < self.count:
            tempo = float(drawn.uniform(-most, most))
            if min(abs(tempo - one) for one in tempi) >= APART:
                tempi.append(tempo)
        return tempi

    def _transpositions(self, drawn: np.random.Generator) -> list[float]:
        """Draw the transpositions of the views, in semitones."""
        if KEY not in self.forget:
            return [0.0] * self.count
        steps = sorted({float(step) for step in self.semitones}, key=lambda step: (abs(step), step))
        if not self.training:
            return [steps[i % len(steps)] for i in range(self.count)]
        return [steps[int(drawn.integers(len(steps)))] for _ in range(self.count)]

    def _view(
        self, entry: Entry, tempo: float, semitones: float, place: float, drawn: np.random.Generator
    ) -> NDArray[np.float32]:
        """Cut a view and resample its frames, so that with the stretch of its audio it has the wanted tempo."""
        left = np.where(self.semitones == semitones, np.abs(tempo - self.stretched), np.inf)
        if self.training:
            version = int(drawn.choice(np.flatnonzero(left <= max(REACH, left.min()) + 1e-9)))
        else:
            version = int(left.argmin())
        step = float(2 ** (tempo - self.stretched[version]))  # frames of that version to a frame of the view
        feature: NDArray[Any] = self.caches[version].get(entry)
        length = int(np.ceil(self.frames * step)) + 1
        start = int(place * max(0, feature.shape[-1] - length))
        piece = feature[..., start : start + length].astype(np.float32)
        if step == 1.0:
            piece = piece[..., : self.frames]
        else:
            at = np.arange(min(self.frames, int((piece.shape[-1] - 1) / step))) * step
            lower = at.astype(np.int64)
            share = (at - lower).astype(np.float32)
            piece = piece[..., lower] * (1 - share) + piece[..., lower + 1] * share
        found = np.zeros((*piece.shape[:-1], self.frames), np.float32)
        found[..., : piece.shape[-1]] = piece
        return found
