"""The library as users meet it: open, add, search."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from .. import encoders
from ..audio import Audio
from ..errors import LibraryError, QueryError
from ..paths import library_dir
from . import vector_index
from .arrays import array_hash, embed_array, put_arrays
from .blocks import DEFAULT_BLOCKS, Block, encoder_blocks
from .chords import parse_progression
from .completing import completing
from .embedding import Embedded, Embedder, embed_file, load_embedder
from .ingest import IngestReport, Progress, ingest
from .keys import in_key, parse_key
from .memory_index import MemoryIndex
from .playlist import Playlist, parse_curve, walk
from .query import Query, parse_tempo, tag_thresholds, tempo_range
from .search import Hit, joint_weights, list_tracks, search
from .seeds import SeedLike, SeedVectors, find_track, seed_vectors
from .store import Store
from .targets import make_target, shared_blocks
from .texts import text_seeds


class Library:
    """Indexed tracks, searchable by sound, tag, tempo and key.

    Use `Library.open`. Several processes may search one library; one at a time may write.

    Parameters
    ----------
    store : Store
        The tables.
    device : str
        Where the encoders run.
    """

    def __init__(self, store: Store, *, device: str = "cpu") -> None:
        self.store = store
        self.device = device
        self._encoders: dict[str, encoders.Encoder] = {}

    @classmethod
    def open(
        cls,
        location: str | Path | None = None,
        *,
        blocks: Mapping[str, str] | None = None,
        create: bool = True,
        device: str = "cpu",
    ) -> Library:
        """Open a library, making it if there is none.

        Parameters
        ----------
        location : str or Path, optional
            Folder or URI; the user's own library if None.
        blocks : mapping of str to str, optional
            Block to encoder. For a new library instead of timbre (musicnn-msd), rhythm and chroma; an older one
            gets the blocks it lacks, and the next `add` fills them.
        create : bool
            Make it if there is none.
        device : str
            Where the encoders run: "cpu", "cuda", "mps" ...

        Returns
        -------
        Library
            The library.

        Raises
        ------
        LibraryError
            If it can't be opened, or a block has another encoder there.
        """
        where = str(location) if location is not None else str(library_dir())
        if "://" not in where:
            where = str(Path(where).expanduser().resolve())
        wanted = encoder_blocks(blocks or DEFAULT_BLOCKS)
        library = cls(Store(where, create=[*wanted.values()] if create else None), device=device)
        if blocks:
            library._extend(wanted)
        return library

    def _extend(self, wanted: Mapping[str, Block]) -> None:
        present = self.store.blocks()
        for name, block in wanted.items():
            if name not in present:
                with self.store.writing():
                    self.store.add_block(replace(block, tag_names=()) if self.store.tag_names() else block)
            elif present[name].encoder != block.encoder:
                raise LibraryError(
                    f"block {name!r} of this library is made by {present[name].encoder}, not {block.encoder}; "
                    "name a new block"
                )

    def __len__(self) -> int:
        """Number of tracks."""
        return int(self.store.tracks.count_rows())

    def __repr__(self) -> str:
        """Name place, size and blocks."""
        return f"<Library {self.store.location}: {len(self)} tracks, blocks {', '.join(self.store.blocks())}>"

    def add(
        self,
        *sources: str | Path | Audio,
        jobs: int | None = None,
        coverage: int | None = None,
        names: Sequence[str] | None = None,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> IngestReport:
        """Add or update files, folders, or audio from memory.

        Once a library is large, a process of its own builds its search index afterwards.

        Parameters
        ----------
        *sources : str, Path or Audio
            Files and folders (recursive; what is known and unchanged is passed over), or audio that needs no decoder.
        jobs : int, optional
            CPU cores to use; all if None.
        coverage : int, optional
            Segments of 15 s to hear of every file, spread over it; 0 hears all of it. Tracks that were heard less are
            done again. If None, new tracks are heard as most others in the library were; all of them in a new one.
        names : sequence of str, optional
            Names for audio from memory, one each.
        on_progress : callable, optional
            Told after every finished file, and every minute of audio within one.

        Returns
        -------
        IngestReport
            What was done, with the files that were left out and why.

        Raises
        ------
        LibraryError
            If another process is writing, a source is missing, or vectors would be mixed.
        """
        arrays = [source for source in sources if isinstance(source, Audio)]
        files = [source for source in sources if not isinstance(source, Audio)]
        if names is not None and len(names) != len(arrays):
            raise LibraryError(f"{len(names)} names were given for {len(arrays)} arrays")
        report = IngestReport()
        if coverage is not None and coverage < 0:
            raise LibraryError(f"coverage is {coverage}; name a number of segments, or 0 for whole recordings")
        if files:
            cores = jobs or os.cpu_count() or 1
            report = ingest(self.store, self.embedder(), files, jobs=cores, coverage=coverage, on_progress=on_progress)
        if arrays:
            put_arrays(self.store, self.embedder(), arrays, names or [*map(array_hash, arrays)], report)
        if lacking := vector_index.lacking(self.store):
            vector_index.build_in_background(self.store, lacking)
            report.indexing = True
        return report

    def embedder(self, blocks: Iterable[str] | None = None) -> Embedder:
        """Load the encoders of this library.

        Parameters
        ----------
        blocks : iterable of str, optional
            Only these blocks; all that have an encoder if None.

        Returns
        -------
        Embedder
            The encoders by block.

        Raises
        ------
        LibraryError
            If an encoder of today would write into another space than the library's.
        """
        return load_embedder(self.store, self._encoders, blocks, device=self.device)

    def embed(self, source: SeedLike, *, start: float = 0.0, end: float | None = None, name: str = "array") -> Embedded:
        """Embed a recording with this library's encoders, without adding it.

        Parameters
        ----------
        source : str, Path or Audio
            The recording.
        start, end : float, optional
            Range in seconds, for files.
        name : str
            What to call audio from memory in an error.

        Returns
        -------
        Embedded
            Vectors, tags, tempo, key.
        """
        if isinstance(source, Audio):
            return embed_array(source, self.embedder(), name=name)
        return embed_file(source, self.embedder(), start=start, end=end)

    def search(
        self,
        *seeds: SeedLike,
        minus: Sequence[SeedLike] = (),
        text: str | Sequence[str] = (),
        completes: SeedLike | None = None,
        tempo_ratio: float = 1.0,
        tempo: float | str | tuple[float, float] | None = None,
        key: str | int | None = None,
        harmonic: bool = False,
        chords: str | None = None,
        any_key: bool = False,
        tags: Mapping[str, float] | Sequence[str] = (),
        no_tags: Mapping[str, float] | Sequence[str] = (),
        artists: Sequence[str] = (),
        no_artists: Sequence[str] = (),
        weights: Mapping[str, float] | None = None,
        per_artist: int | None = None,
        per_album: int | None = None,
        not_same_song: bool = False,
        k: int = 10,
        moments: bool = False,
        any_tempo: bool = False,
    ) -> list[Hit]:
        """Find what sounds like the seeds.

        Parameters
        ----------
        *seeds : str, Path or Audio
            Files, tracks of the library (path, or words of artist and title), ranges such as ``song.mp3@1:05-1:20``,
            or audio. Without any, the tracks that pass the filters are listed by their tags.
        minus : sequence of str, Path or Audio
            Seeds to move away from.
        text : str or sequence of str
            Seeds in words, for a library with a block of an encoder that reads, such as clap.
        completes : str, Path or Audio, optional
            Find what is missing from this sound until it is the mix that the seeds are, in which it is as loud; without
            seeds, until it has what the library has on the average. Needs a block of gliss-mixing.
        tempo_ratio : float
            Wanted tempo over that of the seeds: 1.15 is 15 % faster; translates the rhythm block.
        tempo : float, str or (float, float), optional
            Wanted BPM (within 4 %) or range: filters on the estimate, and translates the rhythm block to it.
        key : str or int, optional
            Wanted key ("Am", "8A"): filters on the estimate. Or semitones (2, "-3"): transposes the chroma block.
        harmonic : bool
            Only keys compatible with those of the seeds, or with ``key``. Chroma weighs 0.5 then; with semitones, 1.
        chords : str, optional
            Only tracks in which these follow each other, such as ``C G Am F``.
        any_key : bool
            Also in all transpositions.
        tags, no_tags : mapping of str to float, or sequence of str
            Tags a hit must (not) have, with the probability from which it has them (0.1).
        artists, no_artists : sequence of str
            Only tracks of these artists, or none of theirs.
        weights : mapping of str to float, optional
            Block to weight.
        per_artist, per_album : int, optional
            Most hits of one artist or album.
        not_same_song : bool
            Leave out copies and near duplicates.
        k : int
            Number of hits.
        moments : bool
            Search segments of 15 s instead of whole tracks.
        any_tempo : bool
            Compare with the seeds at every tempo from half to double; ``tempo`` then only filters.

        Returns
        -------
        list of Hit
            Best first; the seeds themselves are left out.

        Raises
        ------
        QueryError
            If a seed, tag or block is unknown or the query makes no sense.
        """
        if isinstance(tempo, str):
            tempo = parse_tempo(tempo)
        elif isinstance(tempo, (int, float)):
            tempo = tempo_range(float(tempo))
        keys, transpose = parse_key(key)
        query = Query(
            tempo_ratio=tempo_ratio,
            tempo=tempo,
            keys=keys,
            transpose=transpose,
            harmonic=harmonic,
            chords=parse_progression(chords) if chords is not None else (),
            any_key=any_key,
            tags=tag_thresholds(tags),
            no_tags=tag_thresholds(no_tags),
            artists=tuple(artists),
            no_artists=tuple(no_artists),
            weights=dict(weights or {}),
            per_artist=per_artist,
            per_album=per_album,
            not_same_song=not_same_song,
            k=k,
            moments=moments,
            any_tempo=any_tempo,
        )
        self._check_blocks(query.weights)
        if completes is not None:
            if minus or text:
                raise QueryError("what completes a sound is told by mixes alone; leave out minus and text")
            target = completing(self, completes, seeds, query)
            return search(self.store, target, in_key(self.store, query, []), self._weights(target.vectors, {}))
        plus, away = ([self._seed(seed) for seed in some] for some in (seeds, minus))
        query = in_key(self.store, query, [*zip(seeds, plus, strict=True)])
        read = text_seeds(self.store, [text] if isinstance(text, str) else text, query, self.embedder)
        if not (plus or away or read):
            return list_tracks(self.store, query)
        target = make_target(self.store, [*plus, *read], away, query)
        weights = {**{block: 1.0 for seed in read for block in seed.vectors}, **query.weights}
        return search(self.store, target, query, self._weights(target.vectors, weights))

    def playlist(
        self,
        start: SeedLike,
        end: SeedLike,
        *,
        tempo: float | str | tuple[float, float] | None = None,
        n: int = 20,
        weights: Mapping[str, float] | None = None,
    ) -> Playlist:
        """Walk from one track to another along a tempo curve, without repeats.

        Parameters
        ----------
        start, end : str, Path or Audio
            Seeds as for `search`. Tracks of the library open and close the list if the curve has their tempo there.
        tempo : float, str or (float, float), optional
            BPM of the curve: first and last, such as ``90..130``, or one to stay at; from the tempo of the one seed to
            that of the other if None.
        n : int
            Number of tracks.
        weights : mapping of str to float, optional
            Block to weight.

        Returns
        -------
        Playlist
            Its ``hits`` are the tracks; steps near whose tempo none was left are told in ``missing``.

        Raises
        ------
        QueryError
            If a seed or block is unknown, or the tempi make no sense.
        LibraryError
            If the library has fewer than n tracks of known tempo.
        """
        curve = None if tempo is None else parse_curve(tempo)
        self._check_blocks(weights or {})
        ends = self._seed(start), self._seed(end)
        joined = self._weights(shared_blocks(self.store, ends), weights or {})
        return walk(self.store, *ends, tempo=curve, n=n, weights=joined)

    def _check_blocks(self, names: Iterable[str]) -> None:
        if unknown := sorted({*names} - {*self.store.blocks()}):
            raise QueryError(f"there is no block {unknown[0]!r}; this library has {', '.join(self.store.blocks())}")

    def _weights(self, blocks: Iterable[str], wanted: Mapping[str, float]) -> dict[str, float]:
        if not (joined := joint_weights(blocks, wanted)):
            raise QueryError("all weights are 0; give at least one block a weight")
        return joined

    def warm(self) -> None:
        """Copy what searches need into memory, so that they take milliseconds, as in a service.

        It serves until the library is written to: searches then read the tables again, until the next call.

        Raises
        ------
        GlissandoError
            If faiss is not installed.
        """
        self.store.memory = MemoryIndex(self.store)

    def _seed(self, seed: SeedLike) -> SeedVectors:
        return seed_vectors(self.store, seed, self.embed)

    def find(self, name: str) -> dict[str, Any] | None:
        """Find one track by its path, or by words of its artist and title.

        Parameters
        ----------
        name : str
            Path, or words.

        Returns
        -------
        dict or None
            Id, path, artist, title and sound hash; None if ``name`` is a file that isn't in the library.

        Raises
        ------
        QueryError
            If the words fit none or several, or the file does not exist.
        """
        return find_track(self.store, name)
