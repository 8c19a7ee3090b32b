"""Principal components as bricks: a linear way into a codec's latents and out of them, fitted before training."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from .bricks import BRICKS, sequence_dim
from .checks import count

SLOW = 0.05  # of the learning rate, at which what was fitted changes


class PCA(nn.Module):
    """Projection on principal components; what training adds to them moves slowly.

    Parameters
    ----------
    dim, units : int
        Dimensions that come in, and components.
    """

    mean: Tensor
    basis: Tensor
    fitted: Tensor

    def __init__(self, dim: int, units: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("basis", torch.empty(dim, units).uniform_(-1, 1) / dim**0.5)
        self.register_buffer("fitted", torch.zeros((), dtype=torch.bool))
        self.change = nn.Parameter(torch.zeros(dim, units))

    def forward(self, x: Tensor) -> Tensor:
        """Project.

        Parameters
        ----------
        x : Tensor, shape=(..., dim)
            Vectors.

        Returns
        -------
        Tensor, shape=(..., units)
            Their components; of unit variance on the average, over what it was fitted to.
        """
        return (x - self.mean) @ (self.basis + SLOW * self.change)

    @torch.no_grad()
    def fit(self, batches: Iterable[Tensor], back: InversePCA) -> None:
        """Find the principal components of vectors.

        Parameters
        ----------
        batches : iterable of Tensor, shape=(..., dim)
            The vectors.
        back : InversePCA
            Is fitted along.

        Raises
        ------
        ValueError
            If there are fewer vectors than components.
        """
        dim, units = self.basis.shape
        number, total = 0, torch.zeros(dim, dtype=torch.float64)
        products = torch.zeros(dim, dim, dtype=torch.float64)
        for batch in batches:
            vectors = batch.reshape(-1, dim).double().cpu()
            number += len(vectors)
            total += vectors.sum(0)
            products += vectors.T @ vectors
        if number <= units:
            raise ValueError(f"{number} vectors are too few to find {units} principal components")
        mean = total / number
        variances, vectors = torch.linalg.eigh(products / number - torch.outer(mean, mean))
        kept = vectors[:, -units:].flip(1)
        kept = kept * torch.where(kept.sum(0) < 0, -1.0, 1.0)  # (a sign is arbitrary, and libraries differ)
        scale = variances[-units:].mean().clamp_min(1e-12).sqrt()
        for one, basis in ((self, kept / scale), (back, kept.T * scale)):
            one.mean.copy_(mean)
            one.basis.copy_(basis)
        self.fitted.fill_(True)


class InversePCA(nn.Module):
    """From principal components back to vectors.

    Parameters
    ----------
    units, dim : int
        Components, and dimensions of the vectors.
    """

    mean: Tensor
    basis: Tensor

    def __init__(self, units: int, dim: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("basis", torch.empty(units, dim).uniform_(-1, 1) / units**0.5)
        self.change = nn.Parameter(torch.zeros(units, dim))

    def forward(self, x: Tensor) -> Tensor:
        """Sum up components.

        Parameters
        ----------
        x : Tensor, shape=(..., units)
            Components.

        Returns
        -------
        Tensor, shape=(..., dim)
            Vectors.
        """
        return x @ (self.basis + SLOW * self.change) + self.mean


@BRICKS.register("pca")
def pca(inputs: Sequence[int], *, units: int) -> nn.Module:
    """Project every frame on principal components, which the paradigm `codec` finds in the training data.

    Parameters
    ----------
    inputs : sequence of int
        Shape of the sequence that comes in.
    units : int
        How many.

    Returns
    -------
    Module
        Sequence to sequence.

    Raises
    ------
    ValueError
        If something else comes in, or there are more components than dimensions.
    """
    return PCA(dim := sequence_dim(inputs), count(units, "units", high=dim))


@BRICKS.register("inverse_pca")
def inverse_pca(inputs: Sequence[int], *, units: int) -> nn.Module:
    """Sum up principal components: the way back from `pca`.

    Parameters
    ----------
    inputs : sequence of int
        Shape of the sequence that comes in.
    units : int
        Dimensions before `pca`.

    Returns
    -------
    Module
        Sequence to sequence.
    """
    return InversePCA(sequence_dim(inputs), count(units, "units"))
