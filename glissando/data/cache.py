"""Features on disk: computed once per audio and parameters, half precision, mapped into memory."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..audio import Audio, pitch_shift, resample, stretch
from ..errors import RecipeError
from ..features import Feature
from ..paths import aside, cache_dir
from .dataset import Entry

VERSION = 1  # of what is kept; a change of the features' mathematics raises it
LARGEST = 65_504.0  # of float16


class FeatureCache:
    """Features of entries by the hash of their audio and of the feature's parameters.

    A changed annotation, a new split or a new entry costs nothing; changed audio or parameters give new files. Every
    file is written aside and then renamed, so that a killed run leaves none half done and the next one goes on.

    Parameters
    ----------
    feature : Feature
        What to compute; ``sample_rate`` and ``frame_rate`` are read from it.
    spec : object
        What it was built from, as a recipe says it: ``{"hcqt": {"harmonics": [1, 2]}}``.
    folder : Path, optional
        Where to keep them; the user's cache if None.
    tempo_ratio : float
        The audio is stretched to so many times its tempo first.
    semitones : float
        And transposed by so many.
    excerpt : float, optional
        Seconds from the middle of longer recordings that are taken before that; all of them if None.
    """

    def __init__(
        self,
        feature: Feature,
        spec: object,
        *,
        folder: Path | None = None,
        tempo_ratio: float = 1.0,
        semitones: float = 0.0,
        excerpt: float | None = None,
    ) -> None:
        self.tempo_ratio, self.semitones, self.excerpt = tempo_ratio, semitones, excerpt
        self.feature, self.first = feature.eval(), feature.first
        self.sample_rate, self.frame_rate = int(feature.sample_rate), float(feature.frame_rate)
        told = [VERSION, spec, self.sample_rate, self.frame_rate, self.first]
        told += [tempo_ratio] * (tempo_ratio != 1) + [f"{semitones:+g} semitones"] * (semitones != 0)
        told += [feature.space] * bool(feature.space)
        text = json.dumps(told, sort_keys=True, default=list)
        named = hashlib.blake2b(text.encode(), digest_size=12).hexdigest()
        self.folder = (folder or cache_dir() / "features") / named
        self._text = text
        self._paths: dict[str, Path] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Leave the feature out: loaders' workers read what is there."""
        return {**self.__dict__, "feature": None}

    def path(self, entry: Entry) -> Path:
        """Tell where the feature of an entry lies.

        Parameters
        ----------
        entry : Entry
            With audio.

        Returns
        -------
        Path
            A file that may not exist yet.
        """
        if entry.key not in self._paths:
            cut = "" if self.excerpt is None or entry.duration <= self.excerpt else f"-{self.excerpt:g}"
            self._paths[entry.key] = self.folder / f"{entry.fingerprint()}{cut}.npy"
        return self._paths[entry.key]

    def has(self, entry: Entry) -> bool:
        """Tell whether the feature of an entry is there.

        Parameters
        ----------
        entry : Entry
            With audio.

        Returns
        -------
        bool
            False if `get` would compute it.
        """
        return self.path(entry).exists()

    def get(self, entry: Entry) -> NDArray[np.float16]:
        """Give the feature of an entry, computing it if it is not there.

        Parameters
        ----------
        entry : Entry
            With audio.

        Returns
        -------
        ndarray, shape=(channels, bins, frames)
            Mapped into memory: what is not indexed is not read.
        """
        path = self.path(entry)
        if not path.exists():
            self._write(path, self._compute(entry))
        mapped: NDArray[np.float16] = np.load(path, mmap_mode="r", allow_pickle=False)
        return mapped

    def fill(self, entries: Iterable[Entry], *, progress: Callable[[int], None] | None = None) -> int:
        """Compute what is missing.

        Parameters
        ----------
        entries : iterable of Entry
            With audio.
        progress : callable, optional
            Called with the number of entries that are there.

        Returns
        -------
        int
            How many were computed.
        """
        computed = 0
        for done, entry in enumerate(entries, start=1):
            if not self.has(entry):
                self._write(self.path(entry), self._compute(entry))
                computed += 1
            if progress is not None:
                progress(done)
        return computed

    def _compute(self, entry: Entry) -> NDArray[np.float16]:
        if self.feature is None:
            raise RecipeError(f"{entry.key}: its feature is not in the cache; fill it before loaders start")
        start, stop = 0.0, None
        if self.excerpt is not None and entry.duration > self.excerpt:
            start = (entry.duration - self.excerpt) / 2
            stop = start + self.excerpt
        waveform = resample(entry.read(start, stop), entry.sample_rate, self.sample_rate)
        if self.tempo_ratio != 1:
            waveform = stretch(Audio(waveform, self.sample_rate), self.tempo_ratio).samples
        if self.semitones:
            waveform = pitch_shift(Audio(waveform, self.sample_rate), self.semitones).samples
        least = 2 * round(self.first * self.sample_rate)  # samples of a frame
        waveform = np.pad(waveform, (0, max(0, least - len(waveform))))
        with torch.inference_mode():
            values: NDArray[np.float32] = self.feature(torch.from_numpy(waveform)[None])[0].numpy()
            centres = self.feature.centres()
            if centres is not None:  # above what its source held there is only what lossy coding left
                values[np.broadcast_to(centres.numpy() > (entry.bandwidth or np.inf), values.shape[:2])] = 0
        if not np.isfinite(values).all():
            raise RecipeError(f"{entry.key}: its feature holds NaN or infinite numbers")
        return values.clip(-LARGEST, LARGEST).astype(np.float16)

    def _write(self, path: Path, values: NDArray[np.float16]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        spec = self.folder / "feature.json"
        if not spec.exists():  # for people who look into the folder
            spec.write_text(self._text + "\n", encoding="utf-8")
        with aside(path) as part, part.open("wb") as out:
            np.save(out, values, allow_pickle=False)
