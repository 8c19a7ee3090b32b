"""Autocorrelation of learned curves on a logarithmic axis of lags, where a change of tempo is a shift."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..features.rhythm import LogLagRhythm
from .bricks import BRICKS, sequence_dim
from .checks import count


class Autocorrelation(nn.Module):
    """How much every dimension of a sequence is like itself some frames later; see `glissando.features.LogLagRhythm`.

    Parameters
    ----------
    lags : Tensor, shape=(lags,)
        In frames.
    """

    def __init__(self, lags: Tensor) -> None:
        super().__init__()
        self.read = LogLagRhythm(1.0, 1 / lags)

    def forward(self, x: Tensor) -> Tensor:
        """Compute it.

        Parameters
        ----------
        x : Tensor, shape=(batch, frames, dim)
            A sequence.

        Returns
        -------
        Tensor, shape=(batch, lags, dim)
            In -1..1.
        """
        found: Tensor = self.read(x.transpose(1, 2).float())
        return found.transpose(1, 2)


@BRICKS.register("autocorrelation")
def autocorrelation(inputs: Sequence[int], *, shortest: int, longest: int, lags: int) -> nn.Module:
    """Compare a sequence with itself some frames later, from the shortest lag to the longest in equal ratios.

    Convolutions along the lags then see a change of tempo as a shift.

    Parameters
    ----------
    inputs : sequence of int
        Shape of the sequence that comes in.
    shortest, longest : int
        In frames.
    lags : int
        How many.

    Returns
    -------
    Module
        Sequence to sequence, of lags in the place of frames.

    Raises
    ------
    ValueError
        If the lags make no sense for so many frames.
    """
    sequence_dim(inputs)
    low, high = count(shortest, "shortest"), count(longest, "longest")
    if not low < high < inputs[1]:
        raise ValueError(f"shortest {low} and longest {high} must rise, and stay below the {inputs[1]:,} frames")
    steps = torch.linspace(0, 1, count(lags, "lags", low=2, high=10_000), dtype=torch.float64)
    return Autocorrelation((low * (high / low) ** steps).float())
