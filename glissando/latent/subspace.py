"""The part of a space in which tempo lies: directions along which clips vary with their tempo and hardly otherwise."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from .learned import fit_translator
from .pairs import Pairs
from .tempo import Transform

RIDGE = 1e-3  # of the mean variance, added to all directions: what hardly varies tells nothing


def tempo_shares(pairs: Pairs) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Find the directions in which most of the variance comes from tempo.

    Parameters
    ----------
    pairs : Pairs
        Clips at several tempi.

    Returns
    -------
    shares : ndarray, shape=(dim,)
        Part (0..1) of the variance along each direction that lies within clips, between their tempi; falling.
    directions : ndarray, shape=(dim, dim)
        A column for each, of length 1; uncorrelated with one another over the clips.

    Notes
    -----
    Linear discriminant analysis the other way around: what lies within clips is wanted, what lies between them is not.
    """
    vectors = pairs.vectors.astype(np.float64)
    dim = vectors.shape[-1]
    within = (vectors - vectors.mean(1, keepdims=True)).reshape(-1, dim)
    every = (vectors - vectors.mean((0, 1))).reshape(-1, dim)
    inner, total = (rows.T @ rows / len(rows) for rows in (within, every))
    total[np.diag_indices(dim)] += RIDGE * np.trace(total) / dim + 1e-12
    whitening = np.linalg.inv(np.linalg.cholesky(total))
    shares, turned = np.linalg.eigh(whitening @ inner @ whitening.T)
    directions = whitening.T @ turned[:, ::-1]
    return shares[::-1].clip(0, 1), directions / np.linalg.norm(directions, axis=0)


class TempoSubspace(Transform):
    """Tempo translation by turning a subspace and leaving the rest; the subspace can also be weighed.

    The turn is the exponential of a generator times the octaves to go, so that translations add up exactly.

    Parameters
    ----------
    space_id : str
        The only space it may be used in.
    dim : int
        Of its embeddings.
    size : int
        Of the subspace.

    References
    ----------
    Lee, Bryan, Salamon, Jin & Nam, "Disentangled multidimensional metric learning for music similarity", ICASSP 2020,
    weigh subspaces; turning them is ours.
    """

    def __init__(self, space_id: str, dim: int, *, size: int = 16) -> None:
        super().__init__()
        if not 1 <= size <= dim:
            raise ValueError(f"a subspace of {dim} dimensions has 1 to {dim}; got {size}")
        self.space_id = space_id
        self.basis: Tensor
        self.register_buffer("basis", torch.eye(dim)[:, :size])
        self.generator = nn.Parameter(torch.zeros(size, size))

    def forward(self, z: Tensor, *, tempo_ratio: float | Tensor) -> Tensor:
        """Translate embeddings.

        Parameters
        ----------
        z : Tensor, shape=(..., dim)
            Unit vectors.
        tempo_ratio : float or Tensor, shape=(...)
            Wanted tempo over the present one, for all or for each.

        Returns
        -------
        Tensor, shape=(..., dim)
            Unit vectors.
        """
        octaves = torch.as_tensor(tempo_ratio, dtype=z.dtype, device=z.device).log2()
        turn = torch.linalg.matrix_exp(octaves[..., None, None] * (self.generator - self.generator.T))
        inside = z @ self.basis
        turned = (turn @ inside[..., None])[..., 0]
        return F.normalize(z + (turned - inside) @ self.basis.T, dim=-1, eps=1e-6)

    def weighted(self, z: Tensor, weight: float) -> Tensor:
        """Weigh the subspace against the rest.

        Parameters
        ----------
        z : Tensor, shape=(..., dim)
            Unit vectors.
        weight : float
            What the subspace is multiplied with: 0 leaves tempo out, 1 changes nothing, more lets it count for more.

        Returns
        -------
        Tensor, shape=(..., dim)
            Unit vectors.
        """
        return F.normalize(z + (weight - 1) * (z @ self.basis) @ self.basis.T, dim=-1, eps=1e-6)


def fit_subspace(
    space_id: str, pairs: Pairs, valid: Pairs, *, size: int = 16, steps: int = 1000, seed: int = 0
) -> TempoSubspace:
    """Find the subspace of tempo, and how it turns.

    Parameters
    ----------
    space_id : str
        Of the vectors.
    pairs, valid : Pairs
        To learn from, and to choose by; of other groups.
    size : int
        Of the subspace; no more than there are dimensions are taken.
    steps : int
        Of training the turn.
    seed : int
        Of training.

    Returns
    -------
    TempoSubspace
        Trained.

    Raises
    ------
    ValueError
        If a group is on both sides.
    """
    dim = pairs.vectors.shape[-1]
    found = TempoSubspace(space_id, dim, size=min(size, dim))
    _, directions = tempo_shares(pairs)
    basis, _ = np.linalg.qr(directions[:, : min(size, dim)])
    found.basis.copy_(torch.from_numpy(basis))
    fit_translator(found, pairs, valid, steps=steps, rate=1e-2, contrast=0.0, seed=seed)
    return found
