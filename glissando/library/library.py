"""The library as users meet it: open, add, search."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from .. import encoders
from ..audio import Audio, as_mono, check_audible, resample
from ..errors import LibraryError, QueryError
from ..latent import TempoShift
from ..paths import library_dir
from . import vector_index
from .blocks import DEFAULT_BLOCKS, Block, encoder_blocks
from .embedding import Embedded, Embedder, embed_file, unit
from .ingest import IngestReport, Progress, ingest
from .keys import chroma_space, in_key, parse_key, transposed
from .memory_index import MemoryIndex
from .query import Query, Seed, parse_seed, parse_tempo, tag_thresholds, tempo_range
from .rows import array_facts, array_hash, new_rows
from .search import Hit, Target, joint_weights, list_tracks, search
from .seeds import SeedVectors, find_track
from .store import Store

MINUS = 0.5  # how strongly a seed to move away from counts (Rocchio)

SeedLike = str | Path | Audio


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
            self._add_arrays(arrays, names or [array_hash(audio) for audio in arrays], report)
        if lacking := vector_index.lacking(self.store):
            vector_index.build_in_background(self.store, lacking)
            report.indexing = True
        return report

    def _add_arrays(self, arrays: Sequence[Audio], names: Sequence[str], report: IngestReport) -> None:
        tracks, segments = [], []
        for audio, name in zip(arrays, names, strict=True):
            track, parts = new_rows(self.store, self.embed(audio, name=name), array_facts(audio, name))
            tracks.append(track)
            segments += parts
            report.added += 1
            report.audio_seconds += audio.duration
        with self.store.writing():
            self.store.put(tracks, segments)

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
        chosen = {}
        for name, block in self.store.blocks().items():
            if block.encoder is None or (blocks is not None and name not in blocks):
                continue
            if encoders.card(block.encoder).space_id != block.space_id:
                raise LibraryError(
                    f"block {name!r} lies in the space {block.space_id}, but {block.encoder} now makes "
                    f"{encoders.card(block.encoder).space_id}; index into a new library, "
                    "vectors of two spaces are never mixed"
                )
            if block.encoder not in self._encoders:
                self._encoders[block.encoder] = encoders.load(block.encoder, device=self.device)
            chosen[name] = self._encoders[block.encoder]
        tagger = next((name for name, block in self.store.blocks().items() if block.tag_names), None)
        return Embedder(chosen, tagger=tagger)

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
        embedder = self.embedder()
        if not isinstance(source, Audio):
            return embed_file(source, embedder, start=start, end=end)
        waveform = as_mono(source.samples, source.sample_rate, name=name)
        check_audible(name, waveform, audio_duration := len(waveform) / source.sample_rate)
        embedded = embedder.embed({r: resample(waveform, source.sample_rate, r) for r in embedder.sample_rates})
        return replace(embedded, duration=audio_duration)

    def search(
        self,
        *seeds: SeedLike,
        minus: Sequence[SeedLike] = (),
        tempo_ratio: float = 1.0,
        tempo: float | str | tuple[float, float] | None = None,
        key: str | int | None = None,
        harmonic: bool = False,
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
    ) -> list[Hit]:
        """Find what sounds like the seeds.

        Parameters
        ----------
        *seeds : str, Path or Audio
            Files, tracks of the library (path, or words of artist and title), ranges such as ``song.mp3@1:05-1:20``,
            or audio. Without any, the tracks that pass the filters are listed by their tags.
        minus : sequence of str, Path or Audio
            Seeds to move away from.
        tempo_ratio : float
            Wanted tempo over that of the seeds: 1.15 is 15 % faster; translates the rhythm block.
        tempo : float, str or (float, float), optional
            Wanted BPM (within 4 %) or range: filters on the estimate, and translates the rhythm block to it.
        key : str or int, optional
            Wanted key ("Am", "8A"): filters on the estimate. Or semitones (2, "-3"): transposes the chroma block.
        harmonic : bool
            Only keys compatible with those of the seeds, or with ``key``. Chroma weighs 0.5 then; with semitones, 1.
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
        )
        unknown = set(query.weights) - set(self.store.blocks())
        if unknown:
            raise QueryError(
                f"there is no block {sorted(unknown)[0]!r}; this library has {', '.join(self.store.blocks())}"
            )
        plus, away = ([self._seed(seed) for seed in some] for some in (seeds, minus))
        query = in_key(self.store, query, [*zip(seeds, plus, strict=True)])
        if not seeds and not minus:
            return list_tracks(self.store, query)
        target = self._target(plus, away, query)
        joined = joint_weights(target.vectors, query.weights)
        if not joined:
            raise QueryError("all weights are 0; give at least one block a weight")
        return search(self.store, target, query, joined)

    def warm(self) -> None:
        """Copy what searches need into memory, so that they take milliseconds, as in a service.

        It serves until the library is written to: searches then read the tables again, until the next call.

        Raises
        ------
        GlissandoError
            If faiss is not installed.
        """
        self.store.memory = MemoryIndex(self.store)

    def _target(self, plus: Sequence[SeedVectors], away: Sequence[SeedVectors], query: Query) -> Target:
        shared = set.intersection(*(set(seed.vectors) for seed in [*plus, *away]))
        blocks = [block for block in self.store.blocks() if block in shared]
        if not blocks:
            raise QueryError("the seeds have no block in common; index them with the same encoders")
        vectors = {}
        for block in blocks:
            turned = [self._translate(seed, block, query) for seed in plus]
            centre = np.mean(turned, axis=0) if turned else np.zeros_like(away[0].vectors[block])
            if away:
                centre = centre - MINUS * np.mean([self._translate(seed, block, query) for seed in away], axis=0)
            vectors[block] = unit(centre)
        return Target(
            vectors,
            frozenset(seed.id for seed in [*plus, *away] if seed.id),
            frozenset(seed.audio_hash for seed in [*plus, *away] if seed.audio_hash),
            tuple(seed.vectors for seed in [*plus, *away]),
        )

    def _translate(self, seed: SeedVectors, block: str, query: Query) -> NDArray[np.float32]:
        vector, space = seed.vectors[block], self.store.blocks()[block].space_id
        if space == chroma_space():
            return transposed(vector, query, seed.key)
        ratio = query.tempo_ratio
        if query.tempo and seed.tempo:
            ratio *= float(np.sqrt(query.tempo[0] * query.tempo[1])) / seed.tempo
        if ratio == 1 or space != self._shift.space_id:
            return vector
        shifted: NDArray[np.float32] = self._shift(torch.from_numpy(np.array(vector)), tempo_ratio=ratio).numpy()
        return shifted

    @cached_property
    def _shift(self) -> TempoShift:
        return TempoShift()

    def _seed(self, seed: SeedLike) -> SeedVectors:
        if isinstance(seed, Audio):
            return SeedVectors.of(self.embed(seed))
        parsed = Seed(str(seed)) if isinstance(seed, Path) or Path(seed).is_file() else parse_seed(seed)
        if parsed.start is not None:
            found = self.find(parsed.name)
            path = found["path"] if found else parsed.name
            return SeedVectors.of(self.embed(path, start=parsed.start, end=parsed.end), found)
        found = self.find(parsed.name)
        if found is None:
            return SeedVectors.of(self.embed(Path(parsed.name).expanduser()))
        return SeedVectors.read(self.store, found)

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
