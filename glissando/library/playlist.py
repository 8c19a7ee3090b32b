"""Walk from one track to another along a tempo curve."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import LibraryError, QueryError
from ..latent import slerp
from .columns import quote
from .query import Query
from .search import Hit, Target, search
from .seeds import SeedVectors, find_track
from .store import Store
from .targets import translate

# Shares of the wanted tempo: what is looked for first, what still mixes well, and what a pitch fader reaches.
CLOSE, NEAR, REACH = 0.02, 0.04, 0.08
OCTAVES = (2.0, 0.5)  # beats counted for one of the estimate, where nothing is near
LOOK = 5  # hits asked for, so that tracks that were played cost no second look

Band = tuple[float, float]
Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class Step:
    """One track of a playlist.

    Parameters
    ----------
    hit : Hit
        The track, and how near it is to what was wanted here.
    wanted : float
        Tempo of the curve here, in BPM.
    octave : float
        1; 2 or 0.5 if the track only fits counted at double or at half of its estimate.
    """

    hit: Hit
    wanted: float
    octave: float = 1.0


@dataclass(frozen=True)
class Playlist:
    """A walk through the library.

    Parameters
    ----------
    steps : tuple of Step
        The tracks in order.
    missing : tuple of float
        Tempi of the curve, in BPM, near which no track was left.
    no_tempo : int
        Tracks of the library without a tempo estimate, which can't be placed.
    """

    steps: tuple[Step, ...]
    missing: tuple[float, ...]
    no_tempo: int

    @property
    def hits(self) -> list[Hit]:
        """The tracks in order, as search gives them."""
        return [step.hit for step in self.steps]


def parse_curve(tempo: float | str | Band) -> Band:
    """Read where a tempo curve begins and ends.

    Parameters
    ----------
    tempo : float, str or (float, float)
        ``90..130``, ``90-130`` or two numbers; ``130..90`` slows down, ``120`` stays.

    Returns
    -------
    (float, float)
        First and last BPM.

    Raises
    ------
    QueryError
        If it is none.
    """
    try:
        if isinstance(tempo, str):
            parts = [float(part) for part in tempo.replace("..", "-").split("-")]
        else:
            parts = [float(part) for part in np.atleast_1d(tempo)]
    except ValueError:
        parts = []
    if len(parts) not in (1, 2) or not all(0 < part < math.inf for part in parts):
        raise QueryError(f"{tempo!r} is no tempo curve; write BPM such as 90..130, or one number to stay at it")
    return parts[0], parts[-1]


def tempo_curve(start: SeedVectors, end: SeedVectors, wanted: Band | None, n: int) -> list[float]:
    """Place the steps of a walk on a tempo curve: every step is the same ratio.

    Parameters
    ----------
    start, end : SeedVectors
        Whose tempi count if none are wanted.
    wanted : (float, float), optional
        First and last BPM.
    n : int
        Number of steps, at least two.

    Returns
    -------
    list of float
        BPM of every step.

    Raises
    ------
    QueryError
        If a tempo is neither wanted nor known.
    """
    for place, seed in (("start from", start), ("end at", end)):
        if wanted is None and not seed.tempo:
            raise QueryError(f"the track to {place} has no pulse to take a tempo from; name the tempi, such as 90..130")
    first, last = wanted or (start.tempo or math.nan, end.tempo or math.nan)
    inner = [first * (last / first) ** (i / (n - 1)) for i in range(1, n - 1)]
    return [first, *inner, last]  # both ends to the last bit


def walk(
    store: Store,
    start: SeedVectors,
    end: SeedVectors,
    *,
    tempo: Band | None,
    n: int,
    weights: Mapping[str, float],
) -> Playlist:
    """Choose a track for every step from one seed to another.

    The target of a step lies on the arc between the seeds, their rhythm translated to the tempo of the curve. The
    nearest track is taken that was not played, is no near duplicate of one that was, and whose tempo estimate is near:
    within 2, else 4 % and not behind the track before, else within 4 %; by another artist than the track before, else
    by the same. Where none is, 8 % count, and then half and double time; else the step is left out. The seeds
    themselves may open and close the list, and stand nowhere else.

    Parameters
    ----------
    store : Store
        The library's tables.
    start, end : SeedVectors
        Where the walk begins and ends.
    tempo : (float, float), optional
        First and last BPM; those of the seeds if None.
    n : int
        Number of steps.
    weights : mapping of str to float
        Of blocks that both seeds have, from `joint_weights`.

    Returns
    -------
    Playlist
        At most n tracks.

    Raises
    ------
    QueryError
        If there is no tempo, or no track near any step.
    LibraryError
        If the library has fewer than n tracks of known tempo.
    """
    if n < 2:
        raise QueryError(f"a playlist of {n} is none; ask for at least 2 tracks")
    curve = tempo_curve(start, end, tempo, n)
    no_tempo = store.count("tracks", "tempo IS NULL")
    if (placed := store.count("tracks") - no_tempo) < n:
        raise LibraryError(f"{store.location}: has {placed} tracks of known tempo, too few for a playlist of {n}")
    played: list[SeedVectors] = []
    steps: list[Step] = []
    missing: list[float] = []
    before, closing = curve[0], _artists(store, end) if _fits(end, curve[-1]) else []
    for i, wanted in enumerate(curve):
        vectors = {}
        for block in weights:
            here, there = (_at_tempo(store, block, seed, wanted) for seed in (start, end))
            vectors[block] = slerp(here, there, i / (n - 1))
        avoided = () if closing and i == n - 1 else (*_artist_of(steps[-1:]), *(closing if i == n - 2 else ()))
        target = _target(vectors, (start, end), i if i < n - 1 else -1, played)
        step = _step(store, target, wanted, _ahead(curve, before), avoided, weights)
        if step is None:
            missing.append(wanted)
            continue
        steps.append(step)
        track = find_track(store, step.hit.path)
        assert track, "a hit is a track"
        played.append(SeedVectors.read(store, track))
        if step.octave == 1 and step.hit.tempo:
            before = sorted((before, step.hit.tempo, curve[-1]))[1]  # what lies between
    if not steps:
        raise QueryError(f"no track is near {curve[0]:g} to {curve[-1]:g} BPM; name tempi that the library has")
    return Playlist(tuple(steps), tuple(missing), no_tempo)


def _at_tempo(store: Store, block: str, seed: SeedVectors, wanted: float) -> Vectors:
    return translate(store, block, seed.vectors[block], wanted / seed.tempo if seed.tempo else 1.0)


def _target(
    vectors: Mapping[str, Vectors], ends: Sequence[SeedVectors], place: int, played: Sequence[SeedVectors]
) -> Target:
    """Leave out what was played, and the seeds where they are not at their place, with their near duplicates."""
    own = ends[place] if place in (0, -1) else None
    elsewhere = [seed for seed in ends if own is None or seed.id != own.id]
    unlike = [*played, *([] if own else ends)]
    return Target(
        vectors,
        frozenset(seed.id for seed in [*played, *elsewhere] if seed.id),
        frozenset(seed.audio_hash for seed in unlike if seed.audio_hash),
        tuple(seed.vectors for seed in unlike),
    )


def _ahead(curve: Sequence[float], before: float) -> Band:
    """Tempi that do not step back: from the track before to the end of the curve; all of them if it hardly moves."""
    if abs(math.log(curve[-1] / curve[0])) < math.log1p(NEAR):
        return 0.0, math.inf
    return min(before, curve[-1]), max(before, curve[-1])


def _step(
    store: Store, target: Target, wanted: float, ahead: Band, avoided: Sequence[str], weights: Mapping[str, float]
) -> Step | None:
    for octave, band, artists in _ladder(wanted, ahead, tuple(avoided)):
        query = Query(tempo=band, no_artists=artists, not_same_song=True, k=LOOK)
        if hits := search(store, target, query, weights):
            return Step(hits[0], wanted, octave)
    return None


def _ladder(wanted: float, ahead: Band, avoided: tuple[str, ...]) -> Iterator[tuple[float, Band, tuple[str, ...]]]:
    """What is tried, from what is wanted to what will do: octave, tempi, artists to avoid."""
    near = _around(wanted, NEAR)
    forward = [(max(low, ahead[0]), min(high, ahead[1])) for low, high in (_around(wanted, CLOSE), near)]
    rungs = [(1.0, [*forward, near]), (1.0, [_around(wanted, REACH)])]
    rungs += [(octave, [_around(wanted / octave, NEAR)]) for octave in OCTAVES]
    for octave, bands in rungs:
        for artists in dict.fromkeys((avoided, ())):
            for band in dict.fromkeys(bands):
                if band[0] <= band[1]:
                    yield octave, band, artists


def _fits(seed: SeedVectors, wanted: float) -> bool:
    return seed.tempo is not None and abs(seed.tempo / wanted - 1) <= NEAR


def _around(bpm: float, share: float) -> Band:
    return bpm * (1 - share), bpm * (1 + share)


def _artist_of(steps: Sequence[Step]) -> list[str]:
    return [step.hit.artist for step in steps if step.hit.artist]


def _artists(store: Store, seed: SeedVectors) -> list[str]:
    if seed.id is None:
        return []
    found = store.rows("tracks", ["artist"], f"id = {quote(seed.id)}")["artist"].to_pylist()
    return [artist for artist in found if artist]
