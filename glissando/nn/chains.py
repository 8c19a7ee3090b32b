"""Linear chains over classes: which class follows which, the best path, and the sum over all paths."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

FLOOR = 1e-30  # of a share, before its logarithm
STAY = 3.0  # score of a class that stays, before anything is learned
NEVER = -1e4  # score of what can't be

Index = NDArray[np.int64]


class Chain(nn.Module):
    """Scores of transitions from class to class, some of which share a score.

    Parameters
    ----------
    index : ndarray of int, shape=(classes, classes)
        Number of the score of every transition, from row to column.
    """

    index: Tensor

    def __init__(self, index: Index) -> None:
        super().__init__()
        self.register_buffer("index", torch.from_numpy(index), persistent=False)
        self.size = int(index.max()) + 1


class CountedChain(Chain):
    """Transitions of a hidden Markov model: log-probabilities, counted in sequences.

    Parameters
    ----------
    index : ndarray of int, shape=(classes, classes)
        Number of the count of every transition, from row to column.

    References
    ----------
    Rabiner, "A tutorial on hidden Markov models and selected applications in speech recognition", Proc. IEEE 1989.
    """

    counts: Tensor

    def __init__(self, index: Index) -> None:
        super().__init__(index)
        self.register_buffer("counts", torch.zeros(self.size, dtype=torch.int64))

    @torch.no_grad()
    def count(self, classes: Tensor) -> None:
        """Count the transitions of sequences.

        Parameters
        ----------
        classes : Tensor of int, shape=(batch, frames)
            Below 0 where unknown.
        """
        before, after = classes[:, :-1], classes[:, 1:]
        known = (before >= 0) & (after >= 0)
        shared = self.index[before[known], after[known]]
        self.counts += torch.bincount(shared, minlength=self.size)

    def forward(self) -> Tensor:
        """Give the transitions.

        Returns
        -------
        Tensor, shape=(classes, classes)
            Log-probabilities from row to column; every count began at 1.
        """
        counts = (self.counts + 1)[self.index]
        return (counts / counts.sum(1, keepdim=True)).log()


class LearnedChain(Chain):
    """Transitions of a linear-chain conditional random field: scores that are learned with the emissions.

    Parameters
    ----------
    index : ndarray of int, shape=(classes, classes)
        Number of the score of every transition, from row to column.

    References
    ----------
    Lafferty, McCallum & Pereira, "Conditional random fields: probabilistic models for segmenting and labeling sequence
    data", ICML 2001.
    """

    def __init__(self, index: Index) -> None:
        super().__init__(index)
        scores = torch.zeros(self.size)
        scores[self.index.diagonal()] = STAY
        self.scores = nn.Parameter(scores)

    def forward(self) -> Tensor:
        """Give the transitions.

        Returns
        -------
        Tensor, shape=(classes, classes)
            Scores from row to column.
        """
        return self.scores[self.index]


def sum_of_paths(emissions: Tensor, transitions: Tensor) -> Tensor:
    """Sum over all paths through the classes, by the forward algorithm.

    Parameters
    ----------
    emissions : Tensor, shape=(batch, classes, frames)
        Scores; `NEVER` where a class can't be.
    transitions : Tensor, shape=(classes, classes)
        Scores from row to column.

    Returns
    -------
    Tensor, shape=(batch,)
        Logarithm of the sum of the exponentials of the paths' scores.
    """
    top = transitions.detach().max()
    follows = (transitions - top).exp()
    first, *rest = emissions.unbind(-1)
    for emission in rest:
        high = first.detach().amax(1, keepdim=True)
        first = ((first - high).exp() @ follows).clamp_min(FLOOR).log() + high + top + emission
    return first.logsumexp(1)


def best_path(emissions: Tensor, transitions: Tensor) -> NDArray[np.int64]:
    """Find the path with the highest score, by Viterbi's algorithm.

    Parameters
    ----------
    emissions : Tensor, shape=(classes, frames)
        Scores.
    transitions : Tensor, shape=(classes, classes)
        Scores from row to column.

    Returns
    -------
    ndarray of int, shape=(frames,)
        Classes.
    """
    scores = emissions.detach().T.double().cpu().numpy()
    steps = np.ascontiguousarray(transitions.detach().double().cpu().numpy().T)  # [to, from]
    came = np.zeros(scores.shape, np.int64)
    total = scores[0] if len(scores) else np.zeros(0)
    for frame in range(1, len(scores)):
        ways = steps + total
        came[frame] = ways.argmax(1)
        total = ways[np.arange(len(ways)), came[frame]] + scores[frame]
    path = np.zeros(len(scores), np.int64)
    if len(path):
        path[-1] = total.argmax()
    for frame in range(len(path) - 1, 0, -1):
        path[frame - 1] = came[frame, path[frame]]
    return path
