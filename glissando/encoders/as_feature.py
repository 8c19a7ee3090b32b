"""Neuralograms: the embeddings of an encoder or of a trained network along time, as what another model hears."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import ModelError, RecipeError
from ..features import FEATURES, Feature
from .base import Encoder
from .registry import load
from .shipped import RECIPE, WEIGHTS, parts_until, read_network, shipped_folder, trained_frames

REHEARSED = 960  # frames by which a network's stride is counted; a multiple of all usual ones


@FEATURES.register("neuralogram")
class Neuralogram(Feature):
    """Embeddings along time, ``[batch, 1, dim, frames]``: of an encoder, or of the first parts of a model.

    Parameters
    ----------
    encoder : str, optional
        Name of a registered encoder; there is this or a run.
    weights : str, optional
        A file or folder with the encoder's weights; the usual place if None.
    run : str, optional
        Folder of a trained run, or the name of one that comes with the package.
    until : str
        The part of the run's model whose output is heard, a map or a sequence.
    space : str, optional
        The space that the embeddings must have. A run's recipe names that of its training, so that it refuses another.

    Raises
    ------
    ModelError
        If there is no such encoder, run or part, its weights can't be had, or it is of another space.
    RecipeError
        If there is neither or both, or the run's part gives no map or sequence.

    References
    ----------
    Verma & Smith, "Neuralogram: a deep neural network based representation for audio signals", arXiv 1904.05073.
    """

    def __init__(
        self,
        *,
        encoder: str | None = None,
        weights: str | None = None,
        run: str | None = None,
        until: str = "front",
        space: str | None = None,
    ) -> None:
        super().__init__()
        if (encoder is None) == (run is None) or (run is not None and weights is not None):
            raise RecipeError(
                "a neuralogram is of an encoder, perhaps with weights of its own, or of a run; name one of them"
            )
        self.heard: _Heard = _OfEncoder(encoder, weights) if encoder is not None else _OfRun(str(run), until)
        self.heard.requires_grad_(False)
        if space is not None and space != self.heard.space:
            raise ModelError(
                f"{weights or encoder or run}: is of the space {self.heard.space}, but what was learned is of {space}; "
                "name the weights that it was trained on"
            )
        self.places = {name: place for name, place in (("weights", weights), ("run", run)) if place is not None}
        self.sample_rate, self.frame_rate = self.heard.sample_rate, self.heard.frame_rate
        self.first, self.space = self.heard.first, self.heard.space

    def settled(self) -> dict[str, Any]:
        """Tell which embeddings these are, for good.

        Returns
        -------
        dict of str to object
            Their space, and where the weights lie.
        """
        placed = {name: str(Path(one).resolve()) for name, one in self.places.items() if Path(one).exists()}
        return {**placed, "space": self.space}

    def forward(self, waveform: Tensor) -> Tensor:
        """Embed a batch of waveforms.

        Parameters
        ----------
        waveform : Tensor, shape=(batch, samples)
            At ``sample_rate``.

        Returns
        -------
        Tensor, shape=(batch, 1, dim, frames)
            A frame per embedding.
        """
        vectors: Tensor = self.heard(waveform)
        return vectors.transpose(1, 2)[:, None]


class _Heard(nn.Module):
    """Waveforms to vectors along time, ``[batch, frames, dim]``."""

    sample_rate: int
    frame_rate: float
    first: float
    space: str


class _OfEncoder(_Heard):
    def __init__(self, name: str, weights: str | None) -> None:
        super().__init__()
        self.encoder: Encoder = load(name, weights=weights)
        card = self.encoder.card
        self.sample_rate, self.frame_rate, self.space = card.sample_rate, card.frame_rate, card.space_id
        self.first = max(0.0, float(self.encoder.times(1)[0]))

    def forward(self, waveform: Tensor) -> Tensor:
        found: Tensor = self.encoder(waveform)
        return found


class _OfRun(_Heard):
    def __init__(self, run: str, until: str) -> None:
        super().__init__()
        folder = Path(run) if (Path(run) / RECIPE).exists() else shipped_folder(run)
        self.feature, self.model = read_network(folder, trained_frames(folder))
        self.parts = parts_until(self.model, until, folder)
        digest = hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()
        self.space = f"run:{digest[:10]}:{until}"
        self.sample_rate, self.first = int(self.feature.sample_rate), self.feature.first
        with torch.no_grad():
            rate = self.feature.frame_rate
            heard = self.feature(torch.zeros(1, round((2 * self.first + REHEARSED / rate) * self.sample_rate)))
            told = self.model.run(heard[..., :REHEARSED], *self.parts)
        if told.ndim not in (3, 4):
            raise RecipeError(f"{folder}: its part {until!r} gives one vector; a neuralogram needs a map or a sequence")
        self.frame_rate = rate * told.shape[-1 if told.ndim == 4 else 1] / REHEARSED

    def forward(self, waveform: Tensor) -> Tensor:
        told = self.model.run(self.feature(waveform), *self.parts)
        return told.flatten(1, 2).transpose(1, 2) if told.ndim == 4 else told
