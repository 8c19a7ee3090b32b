"""Gated fusion: how much each of several embeddings counts, told from all of them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .bricks import BRICKS, said
from .checks import count


class Gate(nn.Module):
    """Weigh equal parts of a vector by numbers that a linear layer reads from the whole.

    Parameters
    ----------
    dim : int
        Of the vector.
    parts : int
        Must divide it.
    """

    def __init__(self, dim: int, parts: int) -> None:
        super().__init__()
        self.parts = parts
        self.read = nn.Linear(dim, parts)
        for weight in self.read.parameters():  # at first all count alike
            nn.init.zeros_(weight)

    def weights(self, x: Tensor) -> Tensor:
        """Tell how much every part counts.

        Parameters
        ----------
        x : Tensor, shape=(..., dim)
            Vectors.

        Returns
        -------
        Tensor, shape=(..., parts)
            Positive, with a mean of 1.
        """
        return self.parts * torch.softmax(self.read(x), -1)

    def forward(self, x: Tensor) -> Tensor:
        """Weigh.

        Parameters
        ----------
        x : Tensor, shape=(..., dim)
            Vectors.

        Returns
        -------
        Tensor, shape=(..., dim)
            Every part times its weight.
        """
        weighed = x.reshape(*x.shape[:-1], self.parts, -1) * self.weights(x)[..., None]
        return weighed.flatten(-2)


@BRICKS.register("gate")
def gate(inputs: Sequence[int], *, parts: int) -> nn.Module:
    """Make a gate: equal parts of a vector, such as embeddings laid end to end, are weighed by what all of them tell.

    Parameters
    ----------
    inputs : sequence of int
        Shape of the vector or sequence that comes in.
    parts : int
        How many.

    Returns
    -------
    Module
        Vector to vector, or sequence to sequence.

    Raises
    ------
    ValueError
        If a map comes in, or the parts don't divide the dimension.

    References
    ----------
    Arevalo et al., "Gated multimodal units for information fusion", 2017 (a sigmoid a part; here the parts share a
    softmax, and are not transformed).
    """
    if len(inputs) not in (2, 3):
        raise ValueError(f"takes a vector or a sequence, got {said(inputs)}")
    if inputs[-1] % count(parts, "parts", low=2):
        raise ValueError(f"parts must divide the dimension, got {parts} for {inputs[-1]}")
    return Gate(inputs[-1], parts)
