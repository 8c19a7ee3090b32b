"""Energy score: how well samples of what may come tell what came."""

from __future__ import annotations

from torch import Tensor

from ..errors import GlissandoError


def energy_score(samples: Tensor, truth: Tensor) -> Tensor:
    """Energy score of samples: how far they are from the truth, less half of how far they are from one another.

    In expectation it is least for samples of the very distribution from which the truth is: neither a single best
    guess nor samples that are more varied than they should be can be better.

    Parameters
    ----------
    samples : Tensor, shape=(samples, batch, ...)
        Two or more for every truth.
    truth : Tensor, shape=(batch, ...)
        What came.

    Returns
    -------
    Tensor, shape=(batch,)
        Lower is better. Distances are root mean squares of differences.

    Raises
    ------
    GlissandoError
        If there are too few samples, or their shape is another.

    References
    ----------
    Gneiting & Raftery, "Strictly proper scoring rules, prediction, and estimation", JASA 2007.
    """
    if len(samples) < 2 or samples.shape[1:] != truth.shape:
        raise GlissandoError(
            f"samples of shape {tuple(samples.shape)} for a truth of shape {tuple(truth.shape)}; give two or more of "
            "its shape"
        )
    many, flat = samples.flatten(2).double(), truth.flatten(1).double()
    size = flat.shape[1] ** 0.5
    off = (many - flat).norm(dim=2).mean(0)
    apart = (many[:, None] - many[None]).norm(dim=3).sum((0, 1)) / (len(many) * (len(many) - 1))
    result: Tensor = (off - apart / 2) / size
    return result
