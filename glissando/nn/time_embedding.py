"""Time as a vector, for models that are told how far a sample is on its way from noise to data."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .attention import waves

FINENESS = 1000.0  # times are told apart as finely as that many frames


class TimeEmbedding(nn.Module):
    """Sines and cosines of a time, through two layers.

    Parameters
    ----------
    dim : int
        Of the vector; even.

    References
    ----------
    Ho, Jain & Abbeel, "Denoising diffusion probabilistic models", NeurIPS 2020.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        if dim < 2 or dim % 2:
            raise ValueError(f"the embedding of time wants an even dimension, not {dim}")
        self.dim = dim
        self.layers = nn.Sequential(nn.Linear(dim, dim), nn.SiLU(), nn.Linear(dim, dim))

    def forward(self, times: Tensor) -> Tensor:
        """Embed times.

        Parameters
        ----------
        times : Tensor, shape=(batch,)
            From 0 (noise) to 1 (data).

        Returns
        -------
        Tensor, shape=(batch, dim)
            Vectors.
        """
        result: Tensor = self.layers(torch.cat(waves(FINENESS * times, self.dim), -1))
        return result
