"""Translate embeddings in tempo."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..encoders import card


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


class ShiftTranslator(Transform):
    """Exact tempo translation where the dimensions are log-spaced rates: a shift along them.

    Parameters
    ----------
    encoder : str
        Whose embeddings it translates; its card must have ``rates``.

    Raises
    ------
    ValueError
        If the dimensions of the encoder are no rates.

    Notes
    -----
    Stretching audio by ``ratio`` moves every lag of an onset autocorrelation to ``lag / ratio``, so the value at rate r
    comes from rate r / ratio. What lies beyond the axis is held at its edge.
    """

    def __init__(self, encoder: str = "gliss-tempo") -> None:
        super().__init__()
        found = card(encoder)
        if found.rates is None:
            raise ValueError(f"{encoder}: its dimensions are no rates, along which a change of tempo were a shift")
        self.space_id, self.axis = found.space_id, found.rates

    def forward(self, z: Tensor, *, tempo_ratio: float | Tensor) -> Tensor:
        """Translate embeddings.

        Parameters
        ----------
        z : Tensor, shape=(..., dim)
            Embeddings of the encoder.
        tempo_ratio : float or Tensor, shape=(...)
            Wanted tempo over the present one.

        Returns
        -------
        Tensor, shape=(..., dim)
            Of unit norm, centred where the encoder centres.
        """
        rows = z.reshape(*z.shape[:-1], len(self.axis.centred), -1)
        last = rows.shape[-1] - 1
        ratio = torch.as_tensor(tempo_ratio, dtype=z.dtype, device=z.device)
        bins = ratio.log2() * self.axis.bins_per_octave
        position = (torch.arange(last + 1, device=z.device) - bins[..., None, None]).clamp(0, last)
        left = position.floor().long().clamp_max(last - 1)
        shape = (rows + position).shape
        rows, share, left = rows.expand(shape), position - left, left.expand(shape)
        shifted = torch.lerp(rows.gather(-1, left), rows.gather(-1, left + 1), share)
        centred = torch.tensor(self.axis.centred, device=z.device)[:, None]
        shifted = shifted - shifted.mean(-1, keepdim=True) * centred
        return F.normalize(shifted.flatten(-2), dim=-1, eps=1e-6)
