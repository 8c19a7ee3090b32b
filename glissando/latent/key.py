"""Transpose embeddings."""

from __future__ import annotations

from torch import Tensor

from ..encoders import card
from .tempo import Transform


class KeyShift(Transform):
    """Exact transposition of the chroma block: its groups of twelve pitch classes turn.

    Notes
    -----
    Transposing music by a semitone gives every pitch class to the next one, the twelfth to the first. Nothing is
    interpolated, so that transpositions add up, and an octave changes nothing.
    """

    def __init__(self) -> None:
        super().__init__()
        self.space_id = card("chroma").space_id

    def forward(self, z: Tensor, *, semitones: int) -> Tensor:
        """Transpose chroma embeddings.

        Parameters
        ----------
        z : Tensor, shape=(..., dim)
            Chroma embeddings, groups of twelve end to end.
        semitones : int
            Up if positive.

        Returns
        -------
        Tensor, shape=(..., dim)
            The same numbers in other places.
        """
        return z.reshape(*z.shape[:-1], -1, 12).roll(semitones, -1).reshape(z.shape)
