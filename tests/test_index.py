"""The vector index of large libraries, and how rows are ranked with it and without."""

from __future__ import annotations

import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from glissando import Library
from glissando.cli import app
from glissando.features import KEYS
from glissando.latent import Contour
from glissando.latent.contour import FACTORS
from glissando.library import health, ranking, vector_index
from glissando.library.blocks import Block
from glissando.library.filters import Filter
from glissando.library.memory_index import MemoryIndex
from glissando.library.query import Query
from glissando.library.rows import LEVELS, label
from glissando.library.search import Target, search, search_many
from glissando.library.store import Store

TAGS = ("guitar", "piano")
TRACKS, PARTS = 1500, 4
BLOCKS = [Block("timbre", None, "a:1", 24, TAGS), Block("rhythm", None, "b:1", 12), Block("other", None, "c:1", 4)]
WEIGHTS = {"timbre": 0.5, "rhythm": 0.5}


def unit(values: np.ndarray) -> np.ndarray:
    return (values / np.linalg.norm(values, axis=-1, keepdims=True)).astype(np.float32)


def rows(store: Store, first: int, count: int, *, seed: int) -> tuple[list[dict], list[dict]]:
    """Tracks of four segments in 40 clusters; in every 50th the rhythm is missing."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(0).standard_normal((40, 40))
    tracks, segments = [], []
    for number in range(first, first + count):
        vectors = centres[rng.integers(40)] + 0.3 * rng.standard_normal(40)
        tags = rng.random(2).astype(np.float32)
        shared = {
            "artist": f"Artist {number % 10}",
            "tempo": float(rng.uniform(60, 180)),
            "key": KEYS[number % 25].name if number % 25 < 24 else None,
            "labels": [label(name, at) for name, p in zip(TAGS, tags, strict=True) for at in LEVELS if p >= at],
        }

        def blocks(noise: float, vectors=vectors, number=number) -> dict:
            noisy = vectors + noise * rng.standard_normal(40)
            made = {"timbre": unit(noisy[:24]), "rhythm": unit(noisy[24:36]), "other": unit(noisy[36:])}
            made["rhythm"] = None if number % 50 == 7 else made["rhythm"]
            return {**made, "joint": store.joint(made)}

        tracks.append({"id": f"t{number}", "path": f"/{number}.wav", "tags": tags, **shared, **blocks(0)})
        for i in range(PARTS):
            place = {"id": f"t{number}:{i}", "track_id": f"t{number}", "start": 15.0 * i, "end": 15.0 * i + 15}
            segments.append({**place, **shared, **blocks(0.2)})
    return tracks, segments


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("large") / "library"
    store = Store(str(folder), create=BLOCKS)
    store.put(*rows(store, 0, TRACKS, seed=1))
    with store.writing():
        for table in ("tracks", "segments"):
            vector_index.build(store, table)
    return folder


@pytest.fixture(scope="module")
def memory(place: Path) -> Store:
    store = Store(str(place))
    store.memory = MemoryIndex(store)
    return store


def targets(store: Store, count: int) -> list[Target]:
    found = store.rows("tracks", ["id", *WEIGHTS], "rhythm IS NOT NULL").to_pylist()
    picks = np.random.default_rng(2).choice(len(found), count, replace=False)
    return [
        Target({b: np.asarray(found[i][b], np.float32) for b in WEIGHTS}, frozenset([found[i]["id"]])) for i in picks
    ]


QUERIES = {
    "plain": Query(),
    "moments": Query(moments=True),
    "tempo": Query(tempo=(100, 130)),
    "keys": Query(keys=("A minor", "C major", "E minor", "D minor")),
    "keys of moments": Query(keys=("F# major",), tempo=(80, 140), moments=True),
    "tag": Query(tags={"guitar": 0.6}),  # between two levels
    "no tag": Query(no_tags={"piano": 0.25}, moments=True),
    "artist": Query(artists=("ARTIST 3", "artist 4")),
    "no artist": Query(no_artists=("artist 3",), tempo=(80, 140)),
    "limits": Query(per_artist=1, k=9),
    "many": Query(k=700),
}


@pytest.mark.parametrize("name", QUERIES)
@pytest.mark.parametrize("weights", [WEIGHTS, {"timbre": 0.9, "rhythm": 0.1}, {"rhythm": 1.0}])
@pytest.mark.parametrize("in_memory", [False, True])
def test_the_index_finds_what_exact_search_finds(place, memory, monkeypatch, name, weights, in_memory):
    store, query = memory if in_memory else Store(str(place)), QUERIES[name]
    monkeypatch.setattr(ranking, "FEW", 0)  # filters go through the index too, however few rows they leave
    some = targets(store, 12)
    ours = [[hit.path for hit in search(store, target, query, weights)] for target in some]
    monkeypatch.setattr(vector_index, "answers", lambda *_: 0)
    monkeypatch.setattr(store, "memory", None)
    exact = [[hit.path for hit in search(store, target, query, weights)] for target in some]
    assert all(exact) and [len(one) for one in ours] == [len(one) for one in exact]
    assert np.mean([len({*a} & {*b}) / len(a) for a, b in zip(exact, ours, strict=True)]) >= 0.98


def along(target: Target, *, seed: int) -> Target:
    """The target with a rhythm that turns nearly all round in two octaves; its own lies somewhere on the way."""
    rng, here = np.random.default_rng(seed), target.vectors["rhythm"]
    side = rng.standard_normal(len(here))
    side = unit(side - (side @ here) * here)
    angles = (np.log2(FACTORS)[:, None] - rng.uniform(-1, 1)) * 0.95 * np.pi
    points = unit(np.cos(angles) * here + np.sin(angles) * side)
    return replace(target, vectors={**target.vectors, "rhythm": Contour(FACTORS, points)})


@pytest.mark.parametrize("name", QUERIES)
@pytest.mark.parametrize("in_memory", [False, True])
def test_along_a_contour_the_index_finds_what_exact_search_finds(place, memory, monkeypatch, name, in_memory):
    store, query = memory if in_memory else Store(str(place)), QUERIES[name]
    monkeypatch.setattr(ranking, "FEW", 0)
    some = [along(target, seed=i) for i, target in enumerate(targets(store, 12))]
    ours = [search(store, target, query, WEIGHTS) for target in some]
    together = search_many(store, some, query, WEIGHTS)
    monkeypatch.setattr(vector_index, "answers", lambda *_: 0)
    monkeypatch.setattr(store, "memory", None)
    exact = [search(store, target, query, WEIGHTS) for target in some]
    for found in (ours, together):
        pairs = [*zip(_paths(exact), _paths(found), strict=True)]
        assert all(a and len(a) == len(b) for a, b in pairs)
        assert np.mean([len({*a} & {*b}) / len(a) for a, b in pairs]) >= 0.95
    for mine, true in zip(ours, exact, strict=True):
        known = {(hit.path, hit.start): hit for hit in true}  # (an index may miss the best moment of a track)
        for hit in mine:
            other = known.get((hit.path, hit.start), hit)
            assert hit.score == pytest.approx(other.score, abs=1e-3)
            assert (hit.tempo_ratio is None) == (other.tempo_ratio is None)
    factors = [hit.tempo_ratio for hits in exact for hit in hits if hit.tempo_ratio]
    assert factors and min(factors) < 0.8 and max(factors) > 1.25


def test_along_a_contour_exact_search_equals_the_definition(place):
    store = Store(str(place))
    target = along(targets(store, 1)[0], seed=5)
    curve = target.vectors["rhythm"].points
    shares = np.linspace(0, 1, 30)[:, None]
    fine = np.concatenate([unit((1 - shares) * a + shares * b) for a, b in pairwise(curve)])
    table = store.rows("tracks", ["id", *WEIGHTS]).to_pylist()
    scores = {
        row["id"]: 0.5 * float(np.dot(row["timbre"], target.vectors["timbre"]))
        + (0.5 * float((fine @ np.asarray(row["rhythm"], np.float32)).max()) if row["rhythm"] is not None else 0)
        for row in table
    }
    (ranked,) = ranking.rank(store, "tracks", [target.vectors], WEIGHTS, depth=20, exact=True)
    assert ranked.ids == sorted(scores, key=lambda id_: -scores[id_])[:20]
    np.testing.assert_allclose(ranked.scores, [scores[id_] for id_ in ranked.ids], atol=1e-4)
    (plain,) = ranking.rank(
        store, "tracks", [{**target.vectors, "rhythm": curve[12]}], WEIGHTS, depth=TRACKS, exact=True
    )
    least = dict(zip(plain.ids, plain.scores, strict=True))
    assert all(score >= least[id_] - 1e-5 for id_, score in zip(ranked.ids, ranked.scores, strict=True))


def test_hits_from_memory_are_those_of_the_tables(place, memory):
    (target,) = targets(memory, 1)
    for query in (Query(tags={"guitar": 0.3}), Query(moments=True, tempo=(60, 180)), Query(not_same_song=True)):
        ours, theirs = (search(store, target, query, WEIGHTS) for store in (memory, Store(str(place))))
        assert [hit.path for hit in ours] == [hit.path for hit in theirs]
        for mine, yours in zip(ours, theirs, strict=True):
            assert mine.score == pytest.approx(yours.score, abs=5e-4)
            assert (mine.artist, mine.tempo, mine.start, mine.end) == (
                yours.artist,
                yours.tempo,
                yours.start,
                yours.end,
            )


def test_memory_gives_way_once_the_library_is_written_to(tmp_path):
    library = Library(Store(str(tmp_path / "library"), create=BLOCKS))
    library.warm()  # of nothing
    library.store.put(*rows(library.store, 0, 300, seed=1))
    target = targets(library.store, 1)[0]
    before = search(library.store, target, Query(), WEIGHTS)
    library.warm()
    assert library.store.memory.is_current()
    assert _paths([search(library.store, target, Query(), WEIGHTS)]) == _paths([before])
    library.store.put(*rows(library.store, 300, 300, seed=2))
    assert not library.store.memory.is_current()
    assert len(search(library.store, target, Query(k=600), WEIGHTS)) == 599


def test_exact_search_equals_the_definition(place):
    store = Store(str(place))
    table = store.rows("tracks", ["id", *WEIGHTS, "tempo"]).to_pylist()
    (target,) = targets(store, 1)
    scores = {
        row["id"]: sum(0.5 * float(np.dot(row[b], target.vectors[b])) for b in WEIGHTS if row[b] is not None)
        for row in table
        if 90 <= row["tempo"] <= 150
    }
    expected = sorted(scores, key=lambda id_: -scores[id_])[:20]
    (ranked,) = ranking.rank(
        store, "tracks", [target.vectors], WEIGHTS, wanted=Filter(tempo=(90, 150)), depth=20, exact=True
    )
    assert ranked.ids == expected and not ranked.complete
    np.testing.assert_allclose(ranked.scores, [scores[id_] for id_ in expected], rtol=1e-5)


def test_several_targets_at_once_find_what_each_finds(place):
    store = Store(str(place))
    some = targets(store, 9)
    for query in (QUERIES["plain"], QUERIES["moments"], QUERIES["tempo"]):
        together = _paths(search_many(store, some, query, WEIGHTS))
        alone = _paths([search(store, target, query, WEIGHTS) for target in some])
        assert np.mean([len({*a} & {*b}) / len(b) for a, b in zip(together, alone, strict=True)]) >= 0.98


def _paths(found: list) -> list[list[str]]:
    return [[hit.path for hit in hits] for hits in found]


def test_rows_written_after_the_index_are_found_beside_it_and_then_in_it(place, tmp_path):
    store = Store(str(tmp_path / "library"), create=BLOCKS)
    store.put(*rows(store, 0, 600, seed=1))
    vector_index.build(store, "tracks")
    added = rows(store, 600, 30, seed=3)
    store.put(*added)
    store.delete(["t5"])
    assert vector_index.state(store, "tracks").waiting == 30
    for _ in range(2):
        for row in added[0][:5]:
            target = Target({b: row[b] for b in WEIGHTS if row[b] is not None})
            weights = dict.fromkeys(target.vectors, 1 / len(target.vectors))
            assert search(store, target, Query(k=1), weights)[0].path == row["path"]
        every = ranking.rank(store, "tracks", [{b: added[0][0][b] for b in WEIGHTS}], WEIGHTS, depth=100)[0].ids
        assert "t5" not in every
        store.optimize()
    assert vector_index.state(store, "tracks").waiting == 0


def test_a_block_outside_the_index_is_searched_exactly(place):
    store = Store(str(place))
    assert store.blocks()["other"].joint_at is None
    assert vector_index.answers(store, "tracks", ["timbre", "rhythm"]) == TRACKS
    assert vector_index.answers(store, "tracks", ["timbre", "other"]) == 0


def test_status_tells_size_state_and_recall(place):
    index = {one["table"]: one for one in health.status(Store(str(place))).index}
    assert index["tracks"]["indexed"] == TRACKS and index["segments"]["indexed"] == PARTS * TRACKS
    assert 0.9 < index["segments"]["recall"] <= 1
    said = CliRunner().invoke(app, ["library", "status", "-l", str(place)])
    assert said.exit_code == 0, said.output
    assert "6000 rows in the index; recall@10" in said.output


def test_a_library_that_grows_large_gets_its_index_in_the_background(library, folder, monkeypatch):
    monkeypatch.setattr(vector_index, "FROM", 6)
    before = [hit.path for hit in library.search(str(folder / "a80.wav"), tempo_ratio=1.25)]
    report = library.add(folder)
    assert report.indexing
    end = time.monotonic() + 90
    grown = Library.open(library.store.location)
    while vector_index.state(grown.store, "tracks").indexed < 6 and time.monotonic() < end:
        time.sleep(0.5)
        grown = Library.open(library.store.location)
    assert vector_index.state(grown.store, "tracks").indexed == 6
    assert [hit.path for hit in grown.search(str(folder / "a80.wav"), tempo_ratio=1.25)] == before


def test_an_outgrown_index_is_built_anew(tmp_path, monkeypatch):
    monkeypatch.setattr(vector_index, "FROM", 100)
    monkeypatch.setattr(vector_index, "ROWS_PER_PARTITION", 60)
    store = Store(str(tmp_path / "library"), create=BLOCKS)
    store.put(*rows(store, 0, 120, seed=1))
    assert vector_index.lacking(store) == ["tracks", "segments"]
    vector_index.build(store, "tracks")
    assert vector_index.lacking(store) == ["segments"] and vector_index.state(store, "tracks").partitions == 2
    store.put(*rows(store, 120, 400, seed=2))
    store.optimize()
    assert vector_index.lacking(store) == ["tracks", "segments"]
    vector_index.build(store, "tracks")
    assert vector_index.state(store, "tracks") == vector_index.IndexState(520, 0, 9)
    assert len([index for index in store.tracks.list_indices() if index.columns == ["joint"]]) == 1


def test_build_index_says_what_is_wrong(tmp_path):
    Library.open(tmp_path / "empty", blocks={"rhythm": "rhythm"})
    for words, reason in (([], "has no tracks to index"), (["albums"], "albums")):
        said = CliRunner().invoke(app, ["library", "build-index", *words, "-l", str(tmp_path / "empty")])
        assert said.exit_code != 0 and reason in (said.output + str(said.exception))
