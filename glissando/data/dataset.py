"""Data sets: entries in order, each with audio that is read on demand and with its annotations."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import RecipeError
from ..paths import cache_dir
from .annotations import GROUPS, Annotations
from .cards import card
from .pyjama import read_pyjama
from .store import ArrayInfo, ArrayStore

SYMBOLIC = ("media", ("midi",))  # label of an entry that has notes and, until rendered, no audio
AUDIO_NAMES = ("{}_audio.hdf5", "{}.hdf5", "{}_feat.hdf5")


@dataclass(frozen=True)
class Entry:
    """One recording of a data set.

    Parameters
    ----------
    key : str
        Its name, unique in the set.
    annotations : Annotations
        What is known of it.
    array : ArrayInfo, optional
        Its audio or feature; None where there are only notes.
    store : ArrayStore, optional
        What it is read from.
    """

    key: str
    annotations: Annotations
    array: ArrayInfo | None = None
    store: ArrayStore | None = field(default=None, repr=False, compare=False)

    @property
    def has_audio(self) -> bool:
        """Whether `read` gives sound."""
        return self.array is not None and self.array.sample_rate is not None

    @property
    def sample_rate(self) -> int:
        """Rate in Hz of what `read` gives."""
        return self._audio().sample_rate or 0

    @property
    def bandwidth(self) -> float:
        """Frequency in Hz above which its source held nothing."""
        return self._audio().bandwidth or 0.0

    @property
    def duration(self) -> float:
        """Length in seconds of the audio, or of the notes where there is none."""
        return self._audio().shape[0] / self.sample_rate if self.has_audio else self.annotations.end

    @property
    def groups(self) -> dict[str, str]:
        """What it must not be parted from in a split, by kind: piece, artist, album, clique, recording."""
        return self.annotations.groups

    def read(self, start: float = 0.0, stop: float | None = None) -> NDArray[np.float32]:
        """Read its audio.

        Parameters
        ----------
        start, stop : float, optional
            Range in seconds.

        Returns
        -------
        ndarray, shape=(samples,)
            Float32, mono, at ``sample_rate``; only the range is read.

        Raises
        ------
        RecipeError
            If it has no audio, or the file is damaged.
        """
        rate = self.sample_rate
        assert self.store is not None
        last = None if stop is None else max(0, round(stop * rate))
        return self.store.read(self.key, max(0, round(start * rate)), last)

    def rows(self, start: int = 0, stop: int | None = None) -> NDArray[np.float32]:
        """Read its array as it is: samples of audio, or rows of a feature that a data set came with.

        Parameters
        ----------
        start, stop : int, optional
            Range of samples or rows.

        Returns
        -------
        ndarray, shape=(samples,) or (rows, columns)
            Float32.

        Raises
        ------
        RecipeError
            If it has none.
        """
        if self.store is None or self.array is None:
            raise RecipeError(f"{self.key}: has notes and no audio; render it first")
        return self.store.read(self.key, start, stop)

    def fingerprint(self) -> str:
        """Hash what tells its audio from another's, without reading it all.

        Returns
        -------
        str
            Hexadecimal.
        """
        if self.store is None or self.array is None:
            raise RecipeError(f"{self.key}: has notes and no audio; render it first")
        return self.store.fingerprint(self.key)

    def _audio(self) -> ArrayInfo:
        if self.array is None:
            raise RecipeError(f"{self.key}: has notes and no audio; render it first")
        if self.array.sample_rate is None:
            raise RecipeError(f"{self.key}: is a feature of shape {self.array.shape}, not audio; use rows()")
        return self.array


class DataSet(Mapping[str, Entry]):
    """Entries in order, by key.

    Parameters
    ----------
    name : str
        Of the set.
    entries : mapping
        Entries by key.
    """

    def __init__(self, name: str, entries: Mapping[str, Entry]) -> None:
        self.name = name
        self._entries = dict(entries)

    @classmethod
    def open(cls, annotations: str | Path, audio: str | Path | None = None) -> DataSet:
        """Open a pair of files, the book's own or one that was built.

        Parameters
        ----------
        annotations : str or Path
            The ``.pyjama`` file.
        audio : str or Path, optional
            The HDF5 file; found beside it by name if None.

        Returns
        -------
        DataSet
            Nothing of the audio is read yet.

        Raises
        ------
        RecipeError
            If a file is damaged, an entry has no audio, or annotations reach past its end.
        """
        path = Path(annotations)
        described = read_pyjama(path)
        symbolic = {key for key, one in described.items() if one.labels.get(SYMBOLIC[0]) == SYMBOLIC[1]}
        found = Path(audio) if audio is not None else _beside(path)
        if found is None and len(symbolic) < len(described):
            names = ", ".join(name.format(path.stem) for name in AUDIO_NAMES)
            raise RecipeError(f"{path}: its audio is missing; beside it there is none of {names}")
        store = ArrayStore(found) if found is not None else None
        entries: dict[str, Entry] = {}
        for number, (key, one) in enumerate(described.items()):
            where = f"{path}: entry {number} ({key})"
            if store is None or (key in symbolic and key not in store):
                entries[key] = Entry(key, one)
                continue
            if key not in store:
                raise RecipeError(f"{where}: has no audio; {store.path.name} holds no array of that name")
            info = store.info(key)
            if info.sample_rate is not None:
                one.check_within(info.shape[0] / info.sample_rate, where=where)
            entries[key] = Entry(key, one, info, store)
        return cls(path.stem, entries)

    def __getitem__(self, key: str) -> Entry:
        """Return an entry."""
        if key not in self._entries:
            raise RecipeError(f"data set {self.name}: has no entry {key!r}")
        return self._entries[key]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the keys in order."""
        return iter(self._entries)

    def __len__(self) -> int:
        """Count the entries."""
        return len(self._entries)

    def __contains__(self, key: object) -> bool:
        """Tell whether there is such an entry."""
        return key in self._entries

    @property
    def duration(self) -> float:
        """Length in seconds of all entries that have audio or notes."""
        return sum(entry.duration for entry in self.values() if entry.has_audio or entry.array is None)

    def group_kinds(self) -> list[str]:
        """List the kinds of groups that its entries name.

        Returns
        -------
        list of str
            Some of piece, artist, album, clique, recording.
        """
        named = {kind for entry in self.values() for kind in entry.groups}
        return [kind for kind in GROUPS if kind in named]

    def vocabulary(self, name: str) -> list[str]:
        """List the labels in use.

        Parameters
        ----------
        name : str
            Of the segments or global labels: chord, genre, tag.

        Returns
        -------
        list of str
            Sorted.
        """
        every = {one.label for entry in self.values() for one in entry.annotations.segments.get(name, ())}
        return sorted(every | {label for entry in self.values() for label in entry.annotations.labels.get(name, ())})

    def subset(self, keys: Iterator[str] | list[str] | tuple[str, ...]) -> DataSet:
        """Take some entries.

        Parameters
        ----------
        keys : iterable of str
            In the wanted order.

        Returns
        -------
        DataSet
            Of the same name.
        """
        return DataSet(self.name, {key: self[key] for key in keys})

    def content_hash(self) -> str:
        """Hash audio and annotations, for the record of a run.

        Returns
        -------
        str
            Hexadecimal.
        """
        digest = hashlib.blake2b(digest_size=16)
        for key, entry in self.items():
            known = entry.annotations
            digest.update(json.dumps([key, sorted(known.labels.items())]).encode())
            digest.update(repr(sorted(known.segments.items())).encode())
            digest.update(known.notes.tobytes())
            for curve in known.curves:
                digest.update(curve.name.encode() + curve.times.tobytes() + np.nan_to_num(curve.pitches).tobytes())
            if entry.array is not None:
                digest.update(entry.fingerprint().encode())
        return digest.hexdigest()


def data_folder(name: str) -> Path:
    """Tell where a built data set lies.

    Parameters
    ----------
    name : str
        Of the set.

    Returns
    -------
    Path
        A folder in the cache; it may not exist yet.
    """
    return cache_dir() / "data" / name


def load(name: str | Path) -> DataSet:
    """Open a data set that was built, or a pair of files.

    Parameters
    ----------
    name : str or Path
        Name of the set, or a ``.pyjama`` file.

    Returns
    -------
    DataSet
        Its entries.

    Raises
    ------
    RecipeError
        If it is not there, saying how to build it.
    """
    if str(name).endswith(".pyjama"):
        return DataSet.open(name)
    known = card(str(name))
    path = data_folder(known.name) / f"{known.name}.pyjama"
    if not path.exists():
        raise RecipeError(
            f"data set {known.name} is not built yet; get it from {known.source} and run "
            f"gliss data build {known.name} --from DIR"
        )
    return DataSet.open(path)


def _beside(path: Path) -> Path | None:
    return next((found for name in AUDIO_NAMES if (found := path.with_name(name.format(path.stem))).is_file()), None)
