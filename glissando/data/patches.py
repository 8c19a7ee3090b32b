"""Patches of features with their targets, for loaders."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from ..errors import RecipeError
from .align import frame_times
from .annotations import Annotations
from .cache import FeatureCache
from .dataset import Entry

Targets = Callable[[Annotations, NDArray[np.float64]], NDArray[Any]]


def no_targets(annotations: Annotations, times: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ask nothing of annotations: the ``targets`` of what learns from sound alone.

    Parameters
    ----------
    annotations : Annotations
        Not looked at.
    times : ndarray, shape=(frames,)
        Not looked at.

    Returns
    -------
    ndarray, shape=()
        One 0.
    """
    return np.zeros(())


class Patches(Dataset[dict[str, Tensor]]):
    """Stretches of N frames of cached features, and what their annotations say of those frames.

    Every patch depends on seed, epoch and its number alone: any number of workers gives the same ones.

    Parameters
    ----------
    cache : FeatureCache
        Where the features lie; what is missing is computed here, before workers start.
    entries : iterable of Entry
        What to cut.
    targets : callable
        Of annotations and frame times [s] to an array whose last axis is frames, or to one value per entry.
    frames : int
        Length of a patch. Shorter entries are filled up with zeros.
    hop : int, optional
        Frames from patch to patch; ``frames`` if None.
    jitter : bool
        Move every patch by up to half a hop, anew in every epoch: for training.
    per_entry : int, optional
        Draw so many from every entry, anew in every epoch, so that recordings count alike however long they are;
        all of them if None.
    seed : int
        Of the jitter.
    progress : callable, optional
        Called with the number of entries whose feature is there.

    Raises
    ------
    RecipeError
        If there is no entry, or a length makes no sense.
    """

    def __init__(
        self,
        cache: FeatureCache,
        entries: Iterable[Entry],
        targets: Targets,
        *,
        frames: int,
        hop: int | None = None,
        jitter: bool = False,
        per_entry: int | None = None,
        seed: int = 0,
        progress: Callable[[int], None] | None = None,
    ) -> None:
        self.cache, self.entries, self.targets = cache, list(entries), targets
        self.per_entry = per_entry
        self.frames, self.hop, self.jitter, self.seed = frames, frames if hop is None else hop, jitter, seed
        if self.frames < 1 or self.hop < 1:
            raise RecipeError(f"patches of {self.frames} frames every {self.hop}: both must be at least 1")
        if not self.entries:
            raise RecipeError("there is no entry to cut patches from; the part of the split is empty")
        cache.fill(self.entries, progress=progress)
        self.lengths = [cache.get(entry).shape[-1] for entry in self.entries]
        counts = [per_entry or max(1, -(-(length - self.frames) // self.hop) + 1) for length in self.lengths]
        self._starts = np.concatenate([[0], np.cumsum(counts)])
        self._epoch = torch.zeros(1, dtype=torch.int64)
        self._epoch.share_memory_()  # type: ignore[no-untyped-call]  # workers that persist see it change
        self._maps: dict[int, NDArray[np.float16]] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Leave the maps out: every worker opens its own."""
        return {**self.__dict__, "_maps": {}}

    def set_epoch(self, epoch: int) -> None:
        """Move on to the patches of another epoch.

        Parameters
        ----------
        epoch : int
            Its number.
        """
        self._epoch[0] = epoch

    def __len__(self) -> int:
        """Count the patches."""
        return int(self._starts[-1])

    def place(self, index: int) -> tuple[int, int]:
        """Tell where a patch lies.

        Parameters
        ----------
        index : int
            Its number.

        Returns
        -------
        int, int
            Number of the entry, first frame.
        """
        number = int(np.searchsorted(self._starts, index, side="right")) - 1
        start = (index - int(self._starts[number])) * self.hop
        last = max(0, self.lengths[number] - self.frames)
        drawn = np.random.default_rng([self.seed, int(self._epoch[0]), index])
        if self.per_entry:
            start = int(drawn.integers(last + 1))
        elif self.jitter:
            start += int(drawn.integers(-(self.hop // 2), self.hop // 2 + 1))
        return number, min(max(start, 0), last)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        """Cut a patch.

        Parameters
        ----------
        index : int
            Its number.

        Returns
        -------
        dict
            ``feature`` float32 [channels, bins, frames], ``target``, ``valid`` bool [frames] (False where an entry has
            ended), ``entry`` and ``start``, numbers of the entry and of its first frame.
        """
        if not 0 <= index < len(self):
            raise IndexError(index)
        number, start = self.place(index)
        if number not in self._maps:
            self._maps[number] = self.cache.get(self.entries[number])
        piece = self._maps[number][..., start : start + self.frames]
        feature = np.zeros((*piece.shape[:-1], self.frames), np.float32)
        feature[..., : piece.shape[-1]] = piece
        rate = self.cache.frame_rate
        times = frame_times(self.frames, rate, first=self.cache.first + start / rate)
        target = np.asarray(self.targets(self.entries[number].annotations, times))
        return {
            "feature": torch.from_numpy(feature),
            "target": torch.from_numpy(target) if target.ndim else torch.tensor(target.item()),
            "valid": torch.arange(self.frames) < piece.shape[-1],
            "entry": torch.tensor(number),
            "start": torch.tensor(start),
        }
