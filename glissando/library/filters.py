"""What a query demands of tracks besides being near: as SQL before the vector search, and exactly after it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import QueryError
from .chords import condition, sequences
from .columns import any_of, quote
from .query import Query, match_artists, match_tag
from .rows import LEVELS, label
from .store import Store


@dataclass(frozen=True)
class Filter:
    """Conditions on tracks, or on the segments that repeat what is asked of their track.

    Parameters
    ----------
    tempo : (float, float), optional
        Lowest and highest BPM.
    keys : tuple of str
        One of these, by name.
    chords : tuple of str
        One of these sequences.
    artists, no_artists : tuple of str
        As the library writes them: one of these, none of those.
    labels : tuple of tuple of str
        At least one of each.
    no_labels : tuple of str
        None of them.
    """

    tempo: tuple[float, float] | None = None
    keys: tuple[str, ...] = ()
    chords: tuple[str, ...] = ()
    artists: tuple[str, ...] = ()
    no_artists: tuple[str, ...] = ()
    labels: tuple[tuple[str, ...], ...] = ()
    no_labels: tuple[str, ...] = ()

    @classmethod
    def of(cls, store: Store, query: Query) -> Filter:
        """Take what a query demands; of tag probabilities the levels they reach, which an index knows.

        Parameters
        ----------
        store : Store
            The library's tables.
        query : Query
            What is asked.

        Returns
        -------
        Filter
            The conditions; whether the probabilities are met in between, `passes` tells.

        Raises
        ------
        QueryError
            If there is no such tag or artist, or no track has chords.
        """
        names, known = store.tag_names(), store.artists() if query.artists or query.no_artists else frozenset()
        if query.chords and ("chords" in store.lacks or not store.count("tracks", "chords IS NOT NULL")):
            raise QueryError(f"{store.location}: knows no chords yet; add them with: gliss index FOLDER --chords")
        labels, no_labels = [], []
        for word, least in query.tags.items():
            tags = match_tag(word, names)
            if below := [level for level in LEVELS if level <= least]:
                labels.append(tuple(label(names[i], below[-1]) for i in tags))
        for word, most in query.no_tags.items():
            tags = match_tag(word, names)
            if above := [level for level in LEVELS if level >= most]:
                no_labels += [label(names[i], above[0]) for i in tags]
        return cls(
            query.tempo,
            query.keys,
            sequences(query.chords, any_key=query.any_key) if query.chords else (),
            tuple(match_artists(query.artists, known)) if query.artists else (),
            tuple(match_artists(query.no_artists, known)) if query.no_artists else (),
            tuple(labels),
            tuple(no_labels),
        )

    def sql(self) -> str | None:
        """Write the conditions for the database.

        Returns
        -------
        str or None
            None if there is none.
        """
        conditions = []
        if self.tempo:
            conditions.append(f"tempo >= {self.tempo[0]!r} AND tempo <= {self.tempo[1]!r}")
        if self.keys:
            conditions.append(any_of("key", self.keys))
        if self.chords:
            conditions.append(condition(self.chords))
        if self.artists:
            conditions.append(any_of("artist", self.artists))
        if self.no_artists:
            conditions.append(f"artist IS NULL OR NOT {any_of('artist', self.no_artists)}")
        conditions += [_has_any(labels) for labels in self.labels]
        if self.no_labels:
            conditions.append(f"NOT {_has_any(self.no_labels)}")
        return " AND ".join(f"({condition})" for condition in conditions) or None


def _has_any(labels: tuple[str, ...]) -> str:
    return f"array_has_any(labels, [{', '.join(map(quote, labels))}])"


def passes(track: Mapping[str, Any], query: Query, names: tuple[str, ...]) -> bool:
    """Compare the tags of a track with what is asked, where its levels only said "about".

    Parameters
    ----------
    track : mapping
        A row with its tags.
    query : Query
        What is asked.
    names : tuple of str
        What the tags mean.

    Returns
    -------
    bool
        Whether all probabilities are met.
    """
    tags = track.get("tags")
    if tags is None:
        return not query.tags and not query.no_tags
    return all(any(tags[i] >= least for i in match_tag(word, names)) for word, least in query.tags.items()) and all(
        tags[i] < most for word, most in query.no_tags.items() for i in match_tag(word, names)
    )
