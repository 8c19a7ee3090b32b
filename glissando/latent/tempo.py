"""Translate embeddings in tempo."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..encoders import card
from ..features import log_rates


class Transform(nn.Module):
    """Embedding to embedding in the same space.

    A control such as ``tempo_ratio`` is a number, or a tensor that broadcasts with the leading axes of the embeddings,
    so that one call translates to many tempi.

    Attributes
    ----------
    space_id : str
        The only space it may be used in.
    """

    space_id: str


class TempoShift(Transform):
    """Exact tempo translation of the rhythm block: a shift along its log-rate axis.

    Notes
    -----
    Stretching audio by ``ratio`` moves every lag of the onset autocorrelation to ``lag / ratio``, so the value at rate
    r comes from rate r / ratio. What lies beyond the axis is held at its edge.
    """

    def __init__(self) -> None:
        super().__init__()
        rhythm = card("rhythm")
        self.space_id = rhythm.space_id
        rates = log_rates(rhythm.dim)
        self.log_step = math.log(rates[1] / rates[0])

    def forward(self, z: Tensor, *, tempo_ratio: float | Tensor) -> Tensor:
        """Translate rhythm embeddings.

        Parameters
        ----------
        z : Tensor, shape=(..., 72)
            Rhythm embeddings.
        tempo_ratio : float or Tensor, shape=(...)
            Wanted tempo over the present one.

        Returns
        -------
        Tensor, shape=(..., 72)
            Of unit norm, centred as the encoder gives them.
        """
        last = z.shape[-1] - 1
        bins = torch.as_tensor(tempo_ratio, dtype=z.dtype, device=z.device).log() / self.log_step
        position = (torch.arange(last + 1, device=z.device) - bins[..., None]).clamp(0, last)
        left = position.floor().long().clamp_max(last - 1)
        shape = (z + position).shape
        z, share, left = z.expand(shape), position - left, left.expand(shape)
        shifted = torch.lerp(z.gather(-1, left), z.gather(-1, left + 1), share)
        return F.normalize(shifted - shifted.mean(-1, keepdim=True), dim=-1, eps=1e-6)
