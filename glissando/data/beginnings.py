"""Beginnings of entries, for models that make notes: all of one length, silence where an entry has ended."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.utils.data import Dataset

from ..errors import RecipeError
from .cache import FeatureCache
from .dataset import Entry


class Beginnings(Dataset[dict[str, Tensor]]):
    """The first frames of every entry, from its first note on; they are kept in memory.

    Parameters
    ----------
    cache : FeatureCache
        Where the features lie; what is missing is computed.
    entries : sequence of Entry
        What to take.
    frames : int
        Of each.
    silence : Tensor, shape=(channels, bins, 1)
        A frame of it.
    progress : callable, optional
        Called with the number of entries whose feature is there.

    Attributes
    ----------
    tensors : dict of str to Tensor
        What an example holds, by name, entries along the first axis: ``feature`` [entries, channels, bins, frames] of
        half precision, and what is added by the name.

    Raises
    ------
    RecipeError
        If there is no entry.
    """

    def __init__(
        self,
        cache: FeatureCache,
        entries: Sequence[Entry],
        *,
        frames: int,
        silence: Tensor,
        progress: Callable[[int], None] | None = None,
    ) -> None:
        if not entries:
            raise RecipeError("there is no entry to take the beginning of; the part of the split is empty")
        cache.fill(entries, progress=progress)
        feature = silence.half().expand(len(entries), -1, -1, frames).clone()
        for row, entry in zip(feature, entries, strict=True):
            notes = entry.annotations.notes
            start = int(notes[:, 0].min() * cache.frame_rate) if len(notes) else 0
            piece = cache.get(entry)[..., start : start + frames]
            row[..., : piece.shape[-1]] = torch.from_numpy(piece.copy())
        self.tensors = {"feature": feature}

    def set_epoch(self, epoch: int) -> None:
        """Do nothing: they are the same in every epoch.

        Parameters
        ----------
        epoch : int
            Its number.
        """

    def __len__(self) -> int:
        """Count the entries."""
        return len(self.tensors["feature"])

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        """Take one.

        Parameters
        ----------
        index : int
            Number of the entry.

        Returns
        -------
        dict
            ``feature`` float32 [channels, bins, frames], ``entry``, and what else there is.
        """
        if not 0 <= index < len(self):
            raise IndexError(index)
        found = {name: tensor[index] for name, tensor in self.tensors.items()}
        return {**found, "feature": found["feature"].float(), "entry": torch.tensor(index)}
