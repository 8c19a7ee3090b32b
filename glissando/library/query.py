"""What a user may ask for, as text and as data."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

from ..errors import QueryError

TEMPO_TOLERANCE = 0.04  # share of the wanted tempo, as tempo accuracy is measured
TAG_THRESHOLD = 0.1  # probability from which a track counts as having a tag

_RANGE = re.compile(r"^(?P<file>.+)@(?P<start>[\d:.]+)-(?P<end>[\d:.]+)$")


@dataclass(frozen=True)
class Seed:
    """A track, or a range of it, that a search starts from.

    Parameters
    ----------
    name : str
        File, library track, or words of its artist and title.
    start, end : float, optional
        Range in seconds; None for the whole track.
    """

    name: str
    start: float | None = None
    end: float | None = None


@dataclass(frozen=True)
class Query:
    """Everything a search may be told besides its seeds.

    Parameters
    ----------
    tempo_ratio : float
        Wanted tempo over that of the seeds: 1.15 is 15 % faster.
    tempo : (float, float), optional
        Wanted range in BPM.
    keys : tuple of str
        Only tracks in one of these keys, such as "A minor".
    transpose : int, optional
        Semitones by which the chroma block of the seeds is transposed; 0 asks for what is near in pitch as it is.
    chords : tuple of (int, bool)
        Only tracks with these chords one after the other: roots from C, and whether they are minor.
    any_key : bool
        Also in all transpositions.
    harmonic : bool
        Only tracks in keys that are compatible with ``keys``, or with those of the seeds.
    tags, no_tags : mapping of str to float
        Tag to least (or excluded) probability.
    artists, no_artists : tuple of str
        Only tracks of these artists, or none of theirs; capitals don't matter.
    weights : mapping of str to float
        Block to weight; blocks that aren't named keep theirs.
    per_artist, per_album : int, optional
        Most hits of one artist or album; tracks that don't name theirs are not limited.
    not_same_song : bool
        Leave out copies and near duplicates of the seeds and of better hits.
    k : int
        Number of hits.
    moments : bool
        Search segments of 15 s instead of tracks; the best moment of every track counts.
    any_tempo : bool
        Compare with the seeds at every tempo from half to double; the nearest counts.
    """

    tempo_ratio: float = 1.0
    tempo: tuple[float, float] | None = None
    keys: tuple[str, ...] = ()
    transpose: int | None = None
    harmonic: bool = False
    chords: tuple[tuple[int, bool], ...] = ()
    any_key: bool = False
    tags: Mapping[str, float] = field(default_factory=dict)
    no_tags: Mapping[str, float] = field(default_factory=dict)
    artists: tuple[str, ...] = ()
    no_artists: tuple[str, ...] = ()
    weights: Mapping[str, float] = field(default_factory=dict)
    per_artist: int | None = None
    per_album: int | None = None
    not_same_song: bool = False
    k: int = 10
    moments: bool = False
    any_tempo: bool = False

    def __post_init__(self) -> None:
        """Refuse what has no answer."""
        if not 0.25 <= self.tempo_ratio <= 4:
            raise QueryError(f"tempo ratio {self.tempo_ratio:g} is outside 0.25..4")
        if self.any_tempo and self.tempo_ratio != 1:
            raise QueryError(f"any tempo and a tempo ratio of {self.tempo_ratio:g} exclude each other; ask for one")
        if self.any_key and not self.chords:
            raise QueryError("any key is for chords; name some, such as C G Am F")
        if self.k < 1:
            raise QueryError(f"k is {self.k}; ask for at least one hit")
        for name, limit in (("per_artist", self.per_artist), ("per_album", self.per_album)):
            if limit is not None and limit < 1:
                raise QueryError(f"{name} is {limit}; allow at least one hit")
        for block, weight in self.weights.items():
            if not 0 <= weight <= 100:
                raise QueryError(f"weight {block}={weight:g} is outside 0..100")


def parse_time(text: str) -> float:
    """Read a time such as ``65``, ``1:05`` or ``1:02:03.5``.

    Parameters
    ----------
    text : str
        Seconds, or hours and minutes before them.

    Returns
    -------
    float
        Seconds.

    Raises
    ------
    QueryError
        If it is none.
    """
    try:
        seconds = 0.0
        for part in text.split(":"):
            seconds = 60 * seconds + float(part)
        return seconds
    except ValueError:
        raise QueryError(f"{text!r} is no time; write seconds, m:ss or h:mm:ss") from None


def parse_seed(text: str) -> Seed:
    """Read a seed such as ``song.mp3`` or ``song.mp3@1:05-1:20``.

    Parameters
    ----------
    text : str
        File or track, perhaps with a range.

    Returns
    -------
    Seed
        The seed.

    Raises
    ------
    QueryError
        If the range is empty.
    """
    match = _RANGE.match(text)
    if not match:
        return Seed(text)
    start, end = parse_time(match["start"]), parse_time(match["end"])
    if end <= start:
        raise QueryError(f"{text}: the range ends at {end:g} s, before it starts at {start:g} s")
    return Seed(match["file"], start, end)


def parse_tempo(text: str) -> tuple[float, float]:
    """Read a tempo such as ``128`` (within 4 %), ``120-130`` or ``120..130``.

    Parameters
    ----------
    text : str
        BPM, or a range of it.

    Returns
    -------
    (float, float)
        Lowest and highest BPM.

    Raises
    ------
    QueryError
        If it is none.
    """
    try:
        parts = [float(part) for part in text.replace("..", "-").split("-")]
    except ValueError:
        parts = []
    if len(parts) == 1 and parts[0] > 0:
        return tempo_range(parts[0])
    if len(parts) == 2 and 0 < parts[0] < parts[1]:
        return parts[0], parts[1]
    raise QueryError(f"{text!r} is no tempo; write BPM such as 128, or a range such as 120-130")


def tempo_range(bpm: float) -> tuple[float, float]:
    """Give the range that counts as one tempo.

    Parameters
    ----------
    bpm : float
        The tempo.

    Returns
    -------
    (float, float)
        4 % below and above.
    """
    return bpm * (1 - TEMPO_TOLERANCE), bpm * (1 + TEMPO_TOLERANCE)


def parse_numbers(texts: Sequence[str], *, what: str, default: float | None = None) -> dict[str, float]:
    """Read words such as ``rhythm=0.4``.

    Parameters
    ----------
    texts : sequence of str
        The words.
    what : str
        What they are, for errors.
    default : float, optional
        Number of a word without one; must have one if None.

    Returns
    -------
    dict of str to float
        Name to number.

    Raises
    ------
    QueryError
        If one can't be read.
    """
    numbers = {}
    for text in texts:
        name, equals, number = text.rpartition("=")
        if not equals:
            if default is None:
                raise QueryError(f"{what} {text!r} has no number; write {text}=0.5")
            name, number = text, str(default)
        try:
            numbers[name.strip()] = float(number)
        except ValueError:
            raise QueryError(f"{what} {text!r}: {number!r} is no number") from None
    return numbers


def match_tag(word: str, names: Sequence[str]) -> list[int]:
    """Find the tags a word stands for: the tag itself, or every tag with a word that begins so.

    Parameters
    ----------
    word : str
        Such as ``guitar`` or ``vocal`` (which finds "male vocalists" where there is no tag "vocal").
    names : sequence of str
        Tags of the library.

    Returns
    -------
    list of int
        Positions in ``names``.

    Raises
    ------
    QueryError
        If there is none.
    """
    low = [name.lower() for name in names]
    wanted = word.lower().strip()
    if wanted in low:
        return [low.index(wanted)]
    begins = re.compile(rf"\b{re.escape(wanted)}")
    found = [i for i, name in enumerate(low) if begins.search(name) and not name.startswith("no ")]
    if found and wanted:
        return found
    if not names:
        raise QueryError("this library has no tags; index with an encoder that has, such as musicnn-msd")
    near = get_close_matches(wanted, low, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are: {', '.join(names)}"
    raise QueryError(f"there is no tag {word!r}; {hint}")


def match_artists(wanted: Sequence[str], known: Collection[str]) -> list[str]:
    """Find the artists of a library by name.

    Parameters
    ----------
    wanted : sequence of str
        Names; capitals don't matter.
    known : collection of str
        All artists, as the files spell them.

    Returns
    -------
    list of str
        Every spelling that fits.

    Raises
    ------
    QueryError
        If one fits none.
    """
    found = []
    for name in wanted:
        fits = [artist for artist in known if artist.lower().strip() == name.lower().strip()]
        if not fits:
            near = get_close_matches(name.lower(), sorted({artist.lower() for artist in known}), n=3, cutoff=0.6)
            hint = f"did you mean {' or '.join(near)}?" if near else "the files' tags name no one like that"
            raise QueryError(f"there is no artist {name!r} in the library; {hint}")
        found += fits
    return sorted(set(found))


def tag_thresholds(tags: Mapping[str, float] | Sequence[str]) -> dict[str, float]:
    """Give every tag its probability.

    Parameters
    ----------
    tags : mapping of str to float, or sequence of str
        Tags, with the probability from which they count or without.

    Returns
    -------
    dict of str to float
        Tag to probability, 0.1 where none was given.
    """
    return dict(tags) if isinstance(tags, Mapping) else dict.fromkeys(tags, TAG_THRESHOLD)
