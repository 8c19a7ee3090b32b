"""Tempo from the embeddings of any encoder: a classifier over log-spaced rates, trained with or without other tempi."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from ..data import Recording
from ..features import TempoEstimate, peak_tempo, tempo_rates
from ..latent import Pairs, Transform
from ..latent.pairs import check_apart, translated
from .tempo import local_rates, spread

SLOWEST, FASTEST = 30.0, 300.0  # BPM
CHECKS = 20  # of the validation, in a training

Array = NDArray[np.float64]
Augmentation = Literal["none", "stretched"] | Transform


class TempoClassifier(nn.Module):
    """A perceptron from embeddings to log-odds over the rates of `glissando.features.tempo_rates`.

    Parameters
    ----------
    dim : int
        Of the embeddings.
    hidden : int
        Width of its hidden layers.
    dropout : float
        Before each layer but the first.

    References
    ----------
    McCallum, Henkel, Kim, Sandberg & Davies, "Similar but Faster: Manipulation of Tempo in Music Audio Embeddings for
    Tempo Prediction and Search", arXiv 2401.08902. Schreiber & Mueller, "A single-step approach to musical tempo
    estimation using a convolutional neural network", ISMIR 2018, has tempo as classes.
    """

    def __init__(self, dim: int, *, hidden: int = 256, dropout: float = 0.2) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.BatchNorm1d(dim, affine=False),
            nn.Linear(dim, hidden),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, hidden),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, len(tempo_rates())),
        )

    def forward(self, z: Tensor) -> Tensor:
        """Classify embeddings.

        Parameters
        ----------
        z : Tensor, shape=(batch, dim)
            Unit vectors.

        Returns
        -------
        Tensor, shape=(batch, bins)
            Log-odds of the rates.
        """
        found: Tensor = self.layers(z)
        return found

    @torch.inference_mode()
    def estimate(self, vectors: NDArray[np.float32]) -> list[TempoEstimate]:
        """Estimate tempi.

        Parameters
        ----------
        vectors : ndarray, shape=(clips, dim)
            Unit vectors.

        Returns
        -------
        list of TempoEstimate
            With confidence, and the other tempi it might be.
        """
        odds = self.eval()(torch.from_numpy(vectors))
        probabilities = torch.softmax(odds.double(), -1).numpy()
        return [peak_tempo(one, slowest=SLOWEST, fastest=FASTEST) for one in probabilities]


def fit_tempo_classifier(
    pairs: Pairs,
    bpm: Array,
    valid: Pairs,
    valid_bpm: Array,
    *,
    augment: Augmentation = "none",
    hidden: int = 256,
    steps: int = 2000,
    batch: int = 128,
    rate: float = 1e-3,
    seed: int = 0,
) -> TempoClassifier:
    """Train a tempo classifier; the one with the least loss on the originals of the validation clips is given.

    Parameters
    ----------
    pairs : Pairs
        Clips to learn from, with the factor 1 among their own.
    bpm : ndarray, shape=(clips,)
        Tempi of the originals.
    valid : Pairs
        Clips to choose by, of other groups.
    valid_bpm : ndarray, shape=(clips,)
        Tempi of their originals.
    augment : {"none", "stretched"} or Transform
        What is learned from: the originals alone; the clips at all factors, as they were stretched and embedded
        again; or the originals, translated to all factors by this transform.
    hidden : int
        Width of the classifier.
    steps, batch : int
        Of training.
    rate : float
        Learning rate of AdamW, which falls to nothing.
    seed : int
        Of weights and batches.

    Returns
    -------
    TempoClassifier
        In evaluation mode.

    Raises
    ------
    ValueError
        If a group is on both sides, or a tempo is not above 0.
    """
    check_apart(pairs, valid)
    for given in (bpm, valid_bpm):
        if not (np.isfinite(given) & (given > 0)).all():
            raise ValueError("a tempo to learn from is unknown, or not above 0; leave that clip out")
    factors = pairs.factors if augment != "none" else np.ones(1)
    tempi = torch.from_numpy(np.outer(bpm, factors))
    likely = ((tempi >= SLOWEST) & (tempi <= FASTEST)).float() + 1e-9  # (a clip beyond at all factors counts too)
    vectors = torch.from_numpy(_augmented(pairs, augment))
    targets = _targets(tempi.numpy())
    held, wanted = torch.from_numpy(valid.vectors[:, valid.original]), _targets(valid_bpm)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = TempoClassifier(vectors.shape[-1], hidden=hidden)
        optimizer = torch.optim.AdamW(model.parameters(), rate, weight_decay=1e-2)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        best, state = float("inf"), model.state_dict()
        for step in range(1, steps + 1):
            clips = torch.randint(len(vectors), (batch,))
            at = torch.multinomial(likely[clips], 1)[:, 0]
            loss = F.cross_entropy(model.train()(vectors[clips, at]), targets[clips, at])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
            if step % max(1, steps // CHECKS) == 0:
                with torch.inference_mode():
                    found = float(F.cross_entropy(model.eval()(held), wanted))
                if found < best:
                    best, state = found, {name: value.clone() for name, value in model.state_dict().items()}
    model.load_state_dict(state)
    return model.eval()


def tempi(recordings: Iterable[Recording]) -> Array:
    """Tell the tempi around the middle of recordings, where their clips are taken.

    Parameters
    ----------
    recordings : iterable of Recording
        Their beats count, else their label "tempo".

    Returns
    -------
    ndarray, shape=(recordings,)
        In BPM; NaN where unknown.
    """
    rates = [local_rates(one.annotations, np.array([one.duration() / 2]))[0, 0] for one in recordings]
    return 60 * np.array(rates)


def _augmented(pairs: Pairs, augment: Augmentation) -> NDArray[np.float32]:
    if augment == "stretched":
        return pairs.vectors
    if augment == "none":
        return pairs.vectors[:, [pairs.original]]
    assert isinstance(augment, Transform)
    return translated(augment, pairs)


def _targets(bpm: Array) -> Tensor:
    """Of shape (..., bins)."""
    return torch.from_numpy(spread(bpm.reshape(-1) / 60).T.reshape(*bpm.shape, -1))
