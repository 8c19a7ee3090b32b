"""Effect directions: what an effect does to latents, as one vector, or one for each kind of sound."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from .effect_pairs import STRENGTHS, EffectPairs
from .space import Latents
from .tempo import Transform


class Direction(Transform):
    """What an effect does to latents, more or less of it.

    Attributes
    ----------
    kind : str
        Its name; see `direction_files.KINDS`.
    """

    kind: str

    def forward(self, z: Tensor, *, strength: float | Tensor) -> Tensor:
        """Move latents.

        Parameters
        ----------
        z : Tensor, shape=(..., latents, dim)
            Trajectories.
        strength : float or Tensor, shape=(...)
            0 changes nothing, 1 is the effect, more exaggerates, less than 0 goes the other way.

        Returns
        -------
        Tensor, shape=(..., latents, dim)
            Moved.
        """
        amount = torch.as_tensor(strength, dtype=z.dtype, device=z.device)[..., None, None].expand(*z.shape[:-1], 1)
        return z + amount * self.change(z, amount)

    def change(self, z: Tensor, strength: Tensor) -> Tensor:
        """Tell which way; what a new kind must write.

        Parameters
        ----------
        z : Tensor, shape=(..., latents, dim)
            Trajectories.
        strength : Tensor, shape=(..., latents, 1)
            As of `forward`.

        Returns
        -------
        Tensor, shape=(..., latents, dim)
            What is added at a strength of 1.
        """
        raise NotImplementedError

    @classmethod
    def fit(cls, pairs: EffectPairs, **options: Any) -> Self:
        """Learn it; what a new kind must write.

        Parameters
        ----------
        pairs : EffectPairs
            To learn from.
        **options : object
            Of the kind.

        Returns
        -------
        Direction
            Fitted.
        """
        raise NotImplementedError

    @classmethod
    def sized(cls, space_id: str, state: Mapping[str, Tensor]) -> Self:
        """Build it for tensors that were saved; what a new kind must write.

        Parameters
        ----------
        space_id : str
            The only space it may be used in.
        state : mapping of str to Tensor
            Of a file.

        Returns
        -------
        Direction
            Into which they fit, or they are not such a direction's.
        """
        raise NotImplementedError


class MeanDirection(Direction):
    """One vector for all latents.

    Parameters
    ----------
    space_id : str
        The only space it may be used in.
    dim : int
        Of its latents.
    """

    kind = "mean"
    vector: Tensor

    def __init__(self, space_id: str, dim: int) -> None:
        super().__init__()
        self.space_id = space_id
        self.register_buffer("vector", torch.zeros(dim))

    def change(self, z: Tensor, strength: Tensor) -> Tensor:
        """Tell the vector.

        Parameters
        ----------
        z : Tensor, shape=(..., latents, dim)
            Trajectories.
        strength : Tensor, shape=(..., latents, 1)
            Not looked at.

        Returns
        -------
        Tensor, shape=(..., latents, dim)
            The same for all.
        """
        return self.vector.expand_as(z)

    @classmethod
    def fit(cls, pairs: EffectPairs, **options: Any) -> Self:
        """Average over all that is heard.

        Parameters
        ----------
        pairs : EffectPairs
            To learn from.
        **options : object
            None are taken.

        Returns
        -------
        MeanDirection
            Fitted.
        """
        dry, wet = heard(pairs)
        found = cls(pairs.space_id, dry.shape[1])
        found.vector.copy_(torch.from_numpy((wet - dry).mean(0)))
        return found

    @classmethod
    def sized(cls, space_id: str, state: Mapping[str, Tensor]) -> Self:
        """Build it for tensors.

        Parameters
        ----------
        space_id : str
            The only space it may be used in.
        state : mapping of str to Tensor
            Of a file.

        Returns
        -------
        MeanDirection
            Empty.
        """
        return cls(space_id, state["vector"].numel())


class ClusterDirection(Direction):
    """A vector for each cluster of latents; a latent takes that of the nearest centre.

    Parameters
    ----------
    space_id : str
        The only space it may be used in.
    dim : int
        Of its latents.
    clusters : int
        How many.
    """

    kind = "clusters"
    centres: Tensor
    vectors: Tensor

    def __init__(self, space_id: str, dim: int, clusters: int) -> None:
        super().__init__()
        self.space_id = space_id
        self.register_buffer("centres", torch.zeros(clusters, dim))
        self.register_buffer("vectors", torch.zeros(clusters, dim))

    def change(self, z: Tensor, strength: Tensor) -> Tensor:
        """Tell the vectors of the nearest centres.

        Parameters
        ----------
        z : Tensor, shape=(..., latents, dim)
            Trajectories.
        strength : Tensor, shape=(..., latents, 1)
            Not looked at.

        Returns
        -------
        Tensor, shape=(..., latents, dim)
            One of the vectors for each.
        """
        nearest = torch.cdist(z.reshape(-1, z.shape[-1]), self.centres).argmin(1)
        return self.vectors[nearest].reshape(z.shape)

    @classmethod
    def fit(cls, pairs: EffectPairs, *, clusters: int = 16, seed: int = 0, **options: Any) -> Self:
        """Cluster dry latents by k-means, and average in each.

        Parameters
        ----------
        pairs : EffectPairs
            To learn from.
        clusters : int
            How many; fewer, if there are fewer latents.
        seed : int
            Of the first centres.
        **options : object
            None are taken.

        Returns
        -------
        ClusterDirection
            Fitted.
        """
        from sklearn.cluster import KMeans

        dry, wet = heard(pairs)
        found = cls(pairs.space_id, dry.shape[1], min(clusters, len(np.unique(dry, axis=0))))
        means = KMeans(len(found.centres), n_init=1, random_state=seed).fit(dry)
        moved = [(wet - dry)[means.labels_ == cluster].mean(0) for cluster in range(len(found.centres))]
        found.centres.copy_(torch.from_numpy(means.cluster_centers_))
        found.vectors.copy_(torch.from_numpy(np.stack(moved)))
        return found

    @classmethod
    def sized(cls, space_id: str, state: Mapping[str, Tensor]) -> Self:
        """Build it for tensors.

        Parameters
        ----------
        space_id : str
            The only space it may be used in.
        state : mapping of str to Tensor
            Of a file.

        Returns
        -------
        ClusterDirection
            Empty.
        """
        clusters, dim = state["centres"].shape
        return cls(space_id, dim, clusters)


@torch.inference_mode()
def left(direction: Direction, pairs: EffectPairs, *, strengths: tuple[float, ...] = STRENGTHS) -> float:
    """Measure how much of the way to the wet latents is left.

    Parameters
    ----------
    direction : Direction
        Fitted.
    pairs : EffectPairs
        Other music than it was fitted to.
    strengths : tuple of float
        Some of `STRENGTHS`.

    Returns
    -------
    float
        Distance of moved from wet latents over that of dry ones, root mean square: 0 is the effect, 1 is doing nothing.
    """
    dry, within = torch.from_numpy(pairs.dry), torch.from_numpy(pairs.heard)
    rest, way = 0.0, 0.0
    for share in strengths:
        wet = torch.from_numpy(pairs.wet[STRENGTHS.index(share)])
        moved = direction(dry, strength=share)[:, pairs.past :]
        rest += float((moved - wet)[within].square().sum())
        way += float((dry[:, pairs.past :] - wet)[within].square().sum())
    return float(np.sqrt(rest / max(way, 1e-12)))


@torch.inference_mode()
def moved(direction: Direction, z: Latents, strength: float) -> Latents:
    """Move the latents of a sound.

    Parameters
    ----------
    direction : Direction
        Of their space.
    z : ndarray, shape=(latents, dim)
        A trajectory.
    strength : float
        See `Direction.forward`.

    Returns
    -------
    ndarray, shape=(latents, dim)
        As long.
    """
    found: Latents = np.asarray(direction(torch.from_numpy(np.ascontiguousarray(z, np.float32)), strength=strength))
    return found


def heard(pairs: EffectPairs) -> tuple[Latents, Latents]:
    """Take all latents of where there is sound.

    Parameters
    ----------
    pairs : EffectPairs
        Windows.

    Returns
    -------
    dry : ndarray, shape=(latents, dim)
        Without the effect.
    wet : ndarray, shape=(latents, dim)
        With it, at full strength.
    """
    return pairs.dry[:, pairs.past :][pairs.heard], pairs.wet[-1][pairs.heard]
