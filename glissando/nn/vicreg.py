"""What keeps embeddings of a batch from collapsing, without negatives: variance and covariance.

References
----------
Bardes, Ponce & LeCun, "VICReg: variance-invariance-covariance regularization for self-supervised learning", ICLR 2022,
arXiv 2105.04906.
"""

from __future__ import annotations

import torch
from torch import Tensor

EPSILON = 1e-4  # beside a variance, whose root is taken


def variance_term(z: Tensor) -> Tensor:
    """Mean amount by which the standard deviations of dimensions fall short of 1.

    Parameters
    ----------
    z : Tensor, shape=(batch, dim)
        Vectors.

    Returns
    -------
    Tensor
        One number; 0 where all dimensions vary enough.
    """
    return torch.relu(1 - (z.var(0, correction=0) + EPSILON).sqrt()).mean()


def covariance_term(z: Tensor) -> Tensor:
    """Sum of the squared covariances of different dimensions, over their number.

    Parameters
    ----------
    z : Tensor, shape=(batch, dim)
        Vectors.

    Returns
    -------
    Tensor
        One number; 0 where dimensions say different things.
    """
    centred = z - z.mean(0)
    covariance = centred.T @ centred / len(z)
    others: Tensor = covariance.square().sum() - covariance.diagonal().square().sum()
    return others / z.shape[1]
