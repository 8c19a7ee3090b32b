"""Recordings of data sets and of folders of audio alike: what each belongs to, and its sound on demand."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from ..audio import Audio, AudioStream, read, read_tags
from ..errors import RecipeError
from .annotations import ALIASES, GROUPS, Annotations
from .cards import names
from .dataset import DataSet, Entry, load
from .layouts import audio_files

PEEK = 65_536  # bytes that tell one file from another, at its start, middle and end
UNKNOWN = {"", "unknown", "various"}  # names that join nothing

Group = tuple[str, str]  # kind and name


@dataclass(frozen=True)
class Recording:
    """A recording, wherever it lies.

    Parameters
    ----------
    key : str
        Its name: data set and entry, or the file.
    source : Entry or Path
        What it is read from.
    groups : frozenset of (str, str)
        What it belongs to: kind (piece, artist, album) and name.
    """

    key: str
    source: Entry | Path
    groups: frozenset[Group] = frozenset()

    @property
    def annotations(self) -> Annotations:
        """What is known of it; nothing of a file."""
        return self.source.annotations if isinstance(self.source, Entry) else Annotations()

    def bare(self) -> Recording:
        """Leave out what is known of it, to pass it to another process.

        Returns
        -------
        Recording
            With the same sound.
        """
        if isinstance(self.source, Entry):
            return Recording(self.key, replace(self.source, annotations=Annotations()))
        return Recording(self.key, self.source)

    def fingerprint(self) -> str:
        """Hash what tells its sound from another's, without reading it all.

        Returns
        -------
        str
            Hexadecimal.

        Raises
        ------
        GlissandoError
            If it can't be read.
        """
        if isinstance(self.source, Entry):
            return self.source.fingerprint()
        try:
            size = self.source.stat().st_size
            digest = hashlib.blake2b(str(size).encode(), digest_size=16)
            with self.source.open("rb") as file:
                for start in sorted({0, max(0, size // 2 - PEEK // 2), max(0, size - PEEK)}):
                    file.seek(start)
                    digest.update(file.read(PEEK))
        except OSError as error:
            raise RecipeError(f"{self.source}: can't be opened ({error.strerror})") from error
        return digest.hexdigest()

    def duration(self) -> float:
        """Tell its length.

        Returns
        -------
        float
            In seconds.

        Raises
        ------
        GlissandoError
            If it can't be read.
        """
        if isinstance(self.source, Entry):
            return self.source.duration
        with AudioStream(self.source) as stream:
            return stream.promised or sum(block.shape[1] for block in stream.blocks()) / stream.sample_rate

    def read(self, start: float = 0.0, end: float | None = None) -> Audio:
        """Read it, or a range of it.

        Parameters
        ----------
        start, end : float, optional
            In seconds.

        Returns
        -------
        Audio
            Mono.

        Raises
        ------
        GlissandoError
            If it can't be read.
        """
        if isinstance(self.source, Entry):
            return Audio(self.source.read(start, end), self.source.sample_rate)
        return read(self.source, start=start, end=end)


def recordings(name: str | Path) -> list[Recording]:
    """List the recordings of a data set that was built, of a ``.pyjama`` file, or of a folder of audio.

    Parameters
    ----------
    name : str or Path
        The set, file or folder; a set if there is one of that name.

    Returns
    -------
    list of Recording
        Those with audio, in order. Files belong to their artist and album, as far as their tags name them.

    Raises
    ------
    RecipeError
        If there is no such set or folder, or no audio in it.
    """
    if str(name) not in names() and Path(name).is_dir():
        return _of_folder(Path(name))
    return of_data(load(name))


def of_data(data: DataSet) -> list[Recording]:
    """List the recordings of a data set.

    Parameters
    ----------
    data : DataSet
        The set.

    Returns
    -------
    list of Recording
        Its entries with audio, in order.

    Raises
    ------
    RecipeError
        If there are none.
    """
    held = [Recording(f"{data.name}: {key}", one, _groups(one)) for key, one in data.items() if one.has_audio]
    if not held:
        raise RecipeError(f"data set {data.name}: none of its {len(data)} entries has audio")
    return held


def joined(recordings: Iterable[Recording]) -> list[str]:
    """Name what belongs together: recordings that share a piece, an artist or whatever else, also by way of others.

    Parameters
    ----------
    recordings : iterable of Recording
        Of one set or of several.

    Returns
    -------
    list of str
        A name per recording, the same for those that belong together; its own key for one that belongs to nothing.
    """
    leader: dict[Group, Group] = {}
    members = [(one.key, sorted(one.groups)) for one in recordings]
    for _, groups in members:
        for other in groups[1:]:
            low, high = sorted((_first(leader, groups[0]), _first(leader, other)))
            leader[high] = low
    return [" ".join(_first(leader, groups[0])) if groups else key for key, groups in members]


def _first(leader: dict[Group, Group], one: Group) -> Group:
    """Follow leaders to the one that leads itself, and shorten the way."""
    while leader.setdefault(one, one) != one:
        leader[one] = one = leader[leader[one]]
    return one


def _groups(entry: Entry) -> frozenset[Group]:
    kinds = {**{kind: kind for kind in GROUPS}, **ALIASES}
    labels = entry.annotations.labels
    return frozenset(
        (kinds[name], value)
        for name, values in labels.items()
        if name in kinds
        for value in values
        if value.lower() not in UNKNOWN
    )


def _of_folder(folder: Path) -> list[Recording]:
    files = audio_files(folder, "**/*")
    if not files:
        raise RecipeError(f"{folder}: holds no audio; name a data set, a .pyjama file or a folder of audio")
    found = []
    for path in files:
        tags = read_tags(path)
        named = (("artist", tags.artist), ("album", tags.album and f"{tags.artist}: {tags.album}"))
        groups = frozenset((kind, name) for kind, name in named if name and name.lower() not in UNKNOWN)
        found.append(Recording(str(path), path, groups))
    return found
