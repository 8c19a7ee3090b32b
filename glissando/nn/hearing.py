"""Features as bricks: a model of waveforms that hears them in several ways."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..features import FEATURES, Feature
from .bricks import BRICKS, said


class Hear(nn.Module):
    """A feature of the waveform that comes in.

    Parameters
    ----------
    feature : Feature
        Without weights.
    """

    def __init__(self, feature: Feature) -> None:
        super().__init__()
        self.feature = feature

    def forward(self, x: Tensor) -> Tensor:
        """Compute it.

        Parameters
        ----------
        x : Tensor, shape=(batch, 1, 1, samples) or (batch, samples)
            Waveforms, as the feature ``waveform`` gives them, or as they are.

        Returns
        -------
        Tensor, shape=(batch, channels, bins, frames)
            A map.
        """
        found: Tensor = self.feature(x.flatten(1))
        return found


@BRICKS.register("hear")
def hear(inputs: Sequence[int], *, feature: str | Mapping[str, Any]) -> nn.Module:
    """Make a feature, so that a model which is given the waveform can hear it in several ways.

    Parameters
    ----------
    inputs : sequence of int
        Shape of the waveform that comes in.
    feature : str or mapping
        As a recipe names features; with its ``sample_rate``.

    Returns
    -------
    Module
        Waveform to map.

    Raises
    ------
    ValueError
        If no waveform comes in, or the feature has weights of its own.
    """
    if len(inputs) != 2 and not (len(inputs) == 4 and inputs[1] == inputs[2] == 1):
        raise ValueError(f"takes a waveform, got {said(inputs)}; use the feature waveform")
    rehearsed = torch.empty(0).device
    with torch.device("cpu"):  # features compute their tables, which can't be done without memory
        made = FEATURES.build(feature, where="feature")
    if next(made.parameters(), None) is not None:
        raise ValueError("the feature has weights of its own; name it as the feature of the recipe")
    return Hear(made).to(rehearsed)
