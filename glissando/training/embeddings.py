"""Embeddings of data sets: every recording goes through an encoder once, and what pooling needs stays on disk."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .. import codecs
from ..audio import Audio, resample
from ..data import Entry
from ..encoders import Encoder
from ..errors import ModelError
from ..features import FEATURES, Feature
from ..paths import aside, cache_dir

VERSION = 1  # of what is kept
BATCH = 32  # windows at once: bounded memory
FLOORS: dict[str, dict[str, Any]] = {  # features whose statistics are what an encoder must beat
    "mfcc": {"coefficients": 20},
    "log-mel": {"n_fft": 2048, "hop": 512, "bands": 64},
}
FLOOR_RATE = 22_050  # Hz
MOMENTS = ("mean", "max", "std")  # over the frames of a recording
POOLS = ("mean", "mean+max", "mean+std")

Told = Callable[[int], None]
Vectors = NDArray[np.float32]


class Listener:
    """What turns a recording into frames: an encoder, or a feature as the floor; loaded when it is needed.

    Parameters
    ----------
    name : str
        Of an encoder or codec, ``NAME:LAYER`` for another of its outputs, ``NAME=FOLDER`` for weights of one's own, or
        "mfcc" or "log-mel".
    device : str
        Where an encoder runs.

    Raises
    ------
    ModelError
        If there is none of that name, or its weights can't be had.
    """

    def __init__(self, name: str, *, device: str = "cpu") -> None:
        self.name, self.device = name, device
        said, _, self._weights = name.partition("=")
        self._encoder, _, layer = said.partition(":")
        self._layer = layer or "embedding"
        if self._encoder not in FLOORS:
            codecs.find_encoder_card(self._encoder)  # (says at once what it does not know)
        if self._weights and not Path(self._weights).exists():
            raise ModelError(f"{name}: there is no {self._weights}; name a file or folder with weights")

    @property
    def is_floor(self) -> bool:
        """Whether it is a feature and no encoder."""
        return self._encoder in FLOORS

    @cached_property
    def module(self) -> Encoder | Feature:
        """The encoder or feature."""
        if self.is_floor:
            return FEATURES.build({self._encoder: FLOORS[self._encoder]}, sample_rate=FLOOR_RATE).eval()
        return codecs.load_encoder(self._encoder, weights=self._weights or None, device=self.device)

    @cached_property
    def space(self) -> str:
        """Name of the space before pooling."""
        if self.is_floor:
            told = json.dumps([self._encoder, FLOORS[self._encoder], FLOOR_RATE], sort_keys=True)
            return f"{self._encoder}:{hashlib.sha256(told.encode()).hexdigest()[:10]}"
        card = codecs.find_encoder_card(self._encoder)
        if self._weights:
            assert isinstance(self.module, Encoder)
            card = self.module.card
        return card.space_id if self._layer == "embedding" else f"{card.space_id}:{self._layer}"

    @torch.inference_mode()
    def frames(self, audio: Audio) -> Tensor:
        """Embed a recording.

        Parameters
        ----------
        audio : Audio
            Mono.

        Returns
        -------
        Tensor, shape=(frames, dim)
            On the CPU.
        """
        if isinstance(self.module, Encoder):
            rate = self.module.card.sample_rate
            waveform = torch.from_numpy(resample(audio.samples, audio.sample_rate, rate))
            windows = self.module.frames(waveform[None].to(self.device))[0]
            told = [self._told(self.module.encode(windows[i : i + BATCH])) for i in range(0, len(windows), BATCH)]
            return torch.cat(told).float().cpu()
        least = 2 * round(self.module.first * FLOOR_RATE)  # samples of a frame
        samples = resample(audio.samples, audio.sample_rate, FLOOR_RATE)
        samples = np.take(samples, np.arange(max(least, len(samples))), mode="wrap")
        bins: Tensor = self.module(torch.from_numpy(samples)[None])[0].flatten(0, 1)
        return bins.T

    def _told(self, outputs: Mapping[str, Tensor]) -> Tensor:
        """The layer that was asked for: [windows, dim]; the mean over time, where a window has several frames."""
        vectors = {name: one for name, one in outputs.items() if one.ndim in (2, 3)}
        if self._layer not in vectors:
            raise ModelError(f"{self.name}: has no output {self._layer!r}; it has {', '.join(vectors)}")
        found = vectors[self._layer]
        return found.mean(1) if found.ndim == 3 else found


def embed_entries(
    name: str, entries: Sequence[Entry], *, pool: str = "mean", device: str = "cpu", progress: Told | None = None
) -> Vectors:
    """Embed recordings, one vector each; what was embedded before is read.

    Parameters
    ----------
    name : str
        As of `Listener`; several joined by ``+`` give their vectors end to end.
    entries : sequence of Entry
        With audio.
    pool : {"mean", "mean+max", "mean+std"}
        How frames become one vector. Features are always pooled by mean and standard deviation.
    device : str
        Where encoders run.
    progress : callable, optional
        Called with the number of recordings that are done.

    Returns
    -------
    ndarray, shape=(entries, dim)
        Not scaled.

    Raises
    ------
    ModelError
        If an encoder can't be had.
    """
    parts = [_moments(Listener(one, device=device), entries, progress) for one in name.split("+")]
    chosen = []
    for one, moments in zip(name.split("+"), parts, strict=True):
        kinds = (POOLS[2] if one in FLOORS else pool).split("+")
        chosen += [moments[:, MOMENTS.index(kind)] for kind in kinds]
    return np.concatenate(chosen, 1)


def pools_of(name: str, pools: Sequence[str]) -> list[str]:
    """Choose the ways of pooling that make a difference.

    Parameters
    ----------
    name : str
        As of `embed_entries`.
    pools : sequence of str
        What is wanted.

    Returns
    -------
    list of str
        Features alone have only "mean+std".
    """
    return [*pools] if {*name.split("+")} - {*FLOORS} else [POOLS[2]]


def spaces(name: str, *, device: str = "cpu") -> str:
    """Name the spaces of encoders that are joined by ``+``.

    Parameters
    ----------
    name : str
        As of `embed_entries`.
    device : str
        Where encoders run.

    Returns
    -------
    str
        Joined by ``+``.
    """
    return "+".join(Listener(one, device=device).space for one in name.split("+"))


def _moments(listener: Listener, entries: Sequence[Entry], progress: Told | None) -> Vectors:
    """Mean, maximum and standard deviation over the frames of every recording: [entries, moments, dim]."""
    folder = cache_dir() / "embeddings" / f"{listener.space.replace(':', '-')}-{VERSION}"
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    for done, entry in enumerate(entries, start=1):
        path = folder / f"{entry.fingerprint()}.npy"
        if not path.exists():
            frames = listener.frames(Audio(entry.read(), entry.sample_rate))
            moments = torch.stack([frames.mean(0), frames.amax(0), frames.std(0, correction=0)])
            if not torch.isfinite(moments).all():
                raise ModelError(f"{listener.name}: its embedding of {entry.key} holds NaN or infinite numbers")
            with aside(path) as part, part.open("wb") as out:
                np.save(out, moments.numpy(), allow_pickle=False)
        found.append(np.load(path, allow_pickle=False))
        if progress is not None:
            progress(done)
    return np.stack(found).astype(np.float32)
