"""The HEAR interface for any encoder, so that the HEAR evaluation kit runs on it.

References
----------
Turian et al., "HEAR: Holistic Evaluation of Audio Representations", NeurIPS 2021 competition.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .base import Encoder
from .registry import load


class HearModel(torch.nn.Module):
    """An encoder with the attributes that HEAR asks for.

    Parameters
    ----------
    encoder : Encoder
        Any encoder.
    """

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder
        self.sample_rate = encoder.card.sample_rate
        self.scene_embedding_size = encoder.card.dim
        self.timestamp_embedding_size = encoder.card.dim


def load_model(model_file_path: str = "musicnn-msd") -> HearModel:
    """Load an encoder.

    Parameters
    ----------
    model_file_path : str
        Name of a registered encoder.

    Returns
    -------
    HearModel
        The model.
    """
    return HearModel(load(model_file_path or "musicnn-msd"))


def get_scene_embeddings(audio: Tensor, model: HearModel) -> Tensor:
    """Embed sounds, one vector each.

    Parameters
    ----------
    audio : Tensor, shape=(sounds, samples)
        At ``model.sample_rate``.
    model : HearModel
        From `load_model`.

    Returns
    -------
    Tensor, shape=(sounds, scene_embedding_size)
        The embeddings.
    """
    with torch.inference_mode():
        return model.encoder.embed(audio)


def get_timestamp_embeddings(audio: Tensor, model: HearModel) -> tuple[Tensor, Tensor]:
    """Embed sounds frame by frame.

    Parameters
    ----------
    audio : Tensor, shape=(sounds, samples)
        At ``model.sample_rate``.
    model : HearModel
        From `load_model`.

    Returns
    -------
    embeddings : Tensor, shape=(sounds, frames, timestamp_embedding_size)
        The embeddings.
    timestamps : Tensor, shape=(sounds, frames)
        Centres of the frames in milliseconds.
    """
    with torch.inference_mode():
        embeddings = model.encoder(audio)
    times = torch.from_numpy(model.encoder.times(embeddings.shape[1])).float() * 1000
    return embeddings, times.expand(len(audio), -1)
