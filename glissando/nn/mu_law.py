"""Samples as classes: the mu-law of telephony, whose steps are fine near silence, and the brick that embeds them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .bricks import BRICKS, said
from .checks import count


def mu_law(waveform: Tensor, classes: int = 256) -> Tensor:
    """Compress samples logarithmically and number the steps.

    Parameters
    ----------
    waveform : Tensor
        Samples; beyond -1..1 they are clipped.
    classes : int
        How many steps.

    Returns
    -------
    Tensor of int
        Same shape, 0 to ``classes - 1``; silence is ``classes // 2``.

    References
    ----------
    ITU-T recommendation G.711, 1988.
    """
    mu = classes - 1
    x = waveform.clamp(-1, 1)
    compressed = x.sign() * (mu * x.abs()).log1p() / math.log1p(mu)
    return ((compressed + 1) / 2 * mu + 0.5).long()


def from_mu_law(codes: Tensor, classes: int = 256) -> Tensor:
    """Give the samples in the middle of steps.

    Parameters
    ----------
    codes : Tensor of int
        As of `mu_law`.
    classes : int
        How many steps.

    Returns
    -------
    Tensor
        Same shape, within -1..1.
    """
    mu = classes - 1
    compressed = codes / mu * 2 - 1
    return compressed.sign() * torch.expm1(compressed.abs() * math.log1p(mu)) / mu


class MuLaw(nn.Module):
    """A vector for every step of the mu-law, learned.

    Parameters
    ----------
    classes : int
        How many steps.
    dim : int
        Of a vector.
    """

    def __init__(self, classes: int, dim: int) -> None:
        super().__init__()
        self.classes, self.embedding = classes, nn.Embedding(classes, dim)

    def forward(self, x: Tensor) -> Tensor:
        """Look samples up.

        Parameters
        ----------
        x : Tensor, shape=(batch, samples, 1) or (batch, samples)
            A waveform.

        Returns
        -------
        Tensor, shape=(batch, samples, dim)
            A sequence.
        """
        found: Tensor = self.embedding(mu_law(x[..., 0] if x.ndim == 3 else x, self.classes))
        return found


@BRICKS.register("mu_law")
def mu_law_embedding(inputs: Sequence[int], *, dim: int, classes: int = 256) -> nn.Module:
    """Embed samples by their step of the mu-law, as networks that tell the next sample hear them.

    Parameters
    ----------
    inputs : sequence of int
        Shape of what comes in: a waveform, or a sequence of dimension 1.
    dim : int
        Output dimension.
    classes : int
        Steps.

    Returns
    -------
    Module
        Waveform to sequence.

    Raises
    ------
    ValueError
        If something else comes in.
    """
    if len(inputs) != 2 and (len(inputs) != 3 or inputs[2] != 1):
        raise ValueError(f"takes a waveform [batch, samples], or a sequence of dimension 1, got {said(inputs)}")
    return MuLaw(count(classes, "classes", low=2, high=65_536), count(dim, "dim"))
