"""What bending must know of a codec: its silence, and its time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..codecs import Codec

Latents = NDArray[np.float32]


@dataclass(frozen=True)
class Space:
    """What operations must know of a codec.

    Parameters
    ----------
    silence : ndarray, shape=(dim,)
        The latent of silence, with which shorter sounds are filled up.
    frame_rate : float
        Latents a second, in Hz.
    """

    silence: Latents
    frame_rate: float

    @classmethod
    @torch.inference_mode()
    def of(cls, codec: Codec) -> Space:
        """Ask a codec.

        Parameters
        ----------
        codec : Codec
            Which.

        Returns
        -------
        Space
            Its silence is from the middle of a second of zeros.
        """
        heard = codec(torch.zeros(1, int(codec.card.sample_rate), device=codec.device))[0]
        return cls(heard[len(heard) // 2].float().cpu().numpy(), codec.card.frame_rate)

    def level(self, *sounds: Latents) -> list[Latents]:
        """Make trajectories as long as the longest; vectors stay as they are.

        Parameters
        ----------
        *sounds : ndarray, shape=(latents, dim) or (dim,)
            Any number.

        Returns
        -------
        list of ndarray
            Those that were shorter end in silence.
        """
        longest = max((len(one) for one in sounds if one.ndim == 2), default=0)
        return [self.filled(one, longest) if one.ndim == 2 else one for one in sounds]

    def filled(self, z: Latents, count: int) -> Latents:
        """Cut a trajectory, or fill it up with silence.

        Parameters
        ----------
        z : ndarray, shape=(latents, dim)
            A trajectory.
        count : int
            How many latents it shall have.

        Returns
        -------
        ndarray, shape=(count, dim)
            As long as wanted.
        """
        rest = np.tile(self.silence, (max(0, count - len(z)), 1))
        return np.concatenate([z[:count], rest])


def combine(function: Callable[[Any, Any], Any], a: Latents | float, b: Latents | float, space: Space) -> Any:
    """Calculate with two values, latent by latent.

    Parameters
    ----------
    function : callable
        Such as `operator.add`.
    a, b : ndarray or float
        Trajectories, vectors or numbers.
    space : Space
        Of the codec.

    Returns
    -------
    ndarray or float
        As long as the longer; a vector counts for every latent.
    """
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        a, b = space.level(a, b)
    return function(*(one if isinstance(one, np.ndarray) else np.float32(one) for one in (a, b)))
