"""Searches say what the music is."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import song
from hypothesis import given
from hypothesis import strategies as st

from glissando import Library
from glissando.audio import write
from glissando.errors import QueryError
from glissando.library.query import match_tag, parse_numbers, parse_seed, parse_tempo, parse_time

MSD = ("rock", "female vocalists", "male vocalists", "guitar", "no vocals", "House")


def names(hits: list) -> list[str]:
    return [Path(hit.path).name for hit in hits]


def test_the_nearest_is_the_nearest_and_never_the_seed(library: Library, folder: Path) -> None:
    write(folder / "g118.wav", song(118, seed=9))
    library.add(folder)
    hits = library.search(folder / "d120.mp3", k=10)
    assert names(hits)[0] == "g118.wav"
    assert "d120.mp3" not in names(hits)
    assert len(hits) == 6
    scores = [hit.score for hit in hits]
    assert scores == sorted(scores, reverse=True)
    assert hits[0].parts["rhythm"] == pytest.approx(hits[0].score, abs=1e-5)


@pytest.mark.parametrize(
    ("seed", "ratio", "wanted"),
    [
        ("b100.flac", 1.15, "c115.ogg"),
        ("b100.flac", 0.8, "a80.wav"),
        ("sub/e138.wav", 1.16, "f160.wav"),
        ("d120.mp3", 1.15, "e138.wav"),
    ],
)
def test_similar_but_faster(library: Library, folder: Path, seed: str, ratio: float, wanted: str) -> None:
    assert names(library.search(folder / seed, tempo_ratio=ratio, k=1)) == [wanted]


def test_tempo_filters_and_translates(library: Library, folder: Path) -> None:
    assert names(library.search(folder / "a80.wav", tempo=115, k=5))[0] == "c115.ogg"
    assert {"c115.ogg", "d120.mp3"} == set(names(library.search(folder / "a80.wav", tempo="112-125", k=5)))
    assert set(names(library.search(tempo=(112, 125)))) == {"c115.ogg", "d120.mp3"}


def test_seeds_are_files_words_ranges_and_arrays(library: Library, folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside.wav"
    write(outside, song(100, seed=3))
    for seed in (str(outside), "b100", str(folder / "b100.flac"), f"{folder / 'b100.flac'}@0:01-0:19", song(100)):
        expected = "b100.flac" if seed in (str(outside),) or not isinstance(seed, str) else None
        hits = names(library.search(seed, k=6))
        assert expected is None or hits[0] == expected
        assert expected or "b100.flac" not in hits
    odd = folder / "a@1-2.wav"
    write(odd, song(130))
    library.add(folder)
    assert "a@1-2.wav" not in names(library.search(str(odd), k=9)), "a file may be named like a range"


def test_several_seeds_and_minus(library: Library, folder: Path) -> None:
    both = library.search(folder / "a80.wav", folder / "sub" / "f160.wav", k=6)
    assert not {"a80.wav", "f160.wav"} & set(names(both))
    plain = library.search(folder / "b100.flac", k=6)
    away = library.search(folder / "b100.flac", minus=[names_to_path(plain[0])], k=6)
    assert names(plain)[0] not in names(away)
    assert library.search(minus=[folder / "a80.wav"], k=1)[0].score < library.search(folder / "a80.wav", k=1)[0].score


def names_to_path(hit: object) -> str:
    return hit.path  # type: ignore[attr-defined, no-any-return]


def test_limits_per_artist_and_album_and_same_song(tmp_path: Path) -> None:
    music = tmp_path / "music"
    music.mkdir()
    for i, (artist, album) in enumerate([("A", "x"), ("A", "x"), ("A", "y"), ("B", "z"), (None, None), (None, None)]):
        audio = song(100 + i, seed=i)
        with soundfile.SoundFile(music / f"{i}.flac", "w", audio.sample_rate, 1) as out:
            if artist:
                out.artist, out.album, out.title = artist, album, f"t{i}"
            out.write(audio.samples)
    shutil.copy(music / "3.flac", music / "3 again.flac")
    write(music / "3 other.mp3", song(103, seed=3))
    library = Library.open(tmp_path / "library", blocks={"rhythm": "rhythm"})
    library.add(music)
    seed = song(100)
    assert sorted(h.artist for h in library.search(seed, per_artist=1, k=9) if h.artist) == ["A", "B"]
    assert sum(h.artist is None for h in library.search(seed, per_artist=1, k=9)) == 3
    albums = [h.album for h in library.search(seed, per_album=1, k=9) if h.album]
    assert sorted(albums) == ["x", "y", "z"]
    different = names(library.search(seed, not_same_song=True, k=9))
    assert sum(name.startswith("3") for name in different) == 1, "a copy and another encoding are the same song"
    assert not any(name.startswith("3") for name in names(library.search(music / "3.flac", not_same_song=True, k=9)))


def test_tags(tmp_path: Path, folder: Path) -> None:
    library = Library.open(tmp_path / "tagged", blocks={"timbre": "musicnn-msd"})
    library.add(folder)
    table = library.store.rows("tracks", ["path", "tags"])
    electronic = library.store.tag_names().index("electronic")
    probabilities = {
        Path(p).name: t[electronic] for p, t in zip(table["path"].to_pylist(), table["tags"].to_pylist(), strict=True)
    }
    threshold = sorted(probabilities.values())[3]
    expected = {name for name, p in probabilities.items() if p >= threshold}
    assert set(names(library.search(tags={"electronic": threshold}))) == expected
    assert names(library.search(tags={"electronic": threshold}))[0] == max(probabilities, key=probabilities.__getitem__)
    assert set(names(library.search(no_tags={"electronic": threshold}))) == set(probabilities) - expected
    seed = folder / "a80.wav"
    assert set(names(library.search(seed, tags={"electronic": threshold}))) == expected - {"a80.wav"}
    with pytest.raises(QueryError, match="there is no tag 'elektronic'; did you mean electronic"):
        library.search(tags=["elektronic"])


def test_moments(tmp_path: Path) -> None:
    music = tmp_path / "music"
    music.mkdir()
    slow, fast = song(80, seconds=30), song(150, seconds=30)
    from glissando.audio import Audio

    write(music / "two halves.wav", Audio(np.concatenate([slow.samples, fast.samples]), slow.sample_rate))
    write(music / "other.wav", song(111, seconds=60))
    library = Library.open(tmp_path / "library", blocks={"rhythm": "rhythm"})
    library.add(music)
    (best,) = library.search(fast, moments=True, k=1)
    assert Path(best.path).name == "two halves.wav"
    assert best.start is not None and best.start >= 30
    assert len({hit.path for hit in library.search(fast, moments=True, k=9)}) == 2


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"tempo_ratio": 9}, "tempo ratio 9 is outside"),
        ({"k": 0}, "at least one hit"),
        ({"per_artist": 0}, "per_artist is 0"),
        ({"weights": {"rhythm": -1}}, "weight rhythm=-1"),
        ({"weights": {"melody": 1}}, "there is no block 'melody'; this library has rhythm"),
        ({"weights": {"rhythm": 0}}, "all weights are 0"),
        ({"tempo": "fast"}, "'fast' is no tempo"),
        ({"tags": ["guitar"]}, "has no tags"),
    ],
)
def test_questions_without_an_answer(library: Library, folder: Path, options: dict, sentence: str) -> None:
    with pytest.raises(QueryError, match=sentence):
        library.search(folder / "a80.wav", **options)


def test_seeds_that_are_none(library: Library, folder: Path) -> None:
    for seed, sentence in (
        ("nothing at all", "neither a file nor words"),
        ("wav", "fits 3 tracks"),
        ("/no/such.mp3", "no such file"),
        ("a80.wav@9-3", "ends at 3 s"),
    ):
        with pytest.raises(QueryError, match=sentence):
            library.search(seed)
    with pytest.raises(QueryError, match="nothing to search for"):
        library.search()


def test_texts() -> None:
    assert parse_time("1:02:03.5") == 3723.5
    assert parse_seed("a/b@c.mp3@1:05-1:20").name == "a/b@c.mp3"
    assert (parse_seed("x@65-80").start, parse_seed("x@65-80").end) == (65, 80)
    assert parse_tempo("120-130") == (120, 130)
    assert parse_tempo("100") == (96, 104)
    for wrong in ("", "130-120", "-5", "0", "1-2-3"):
        with pytest.raises(QueryError):
            parse_tempo(wrong)
    assert parse_numbers(["rhythm=0.4", "a=b=1"], what="weight") == {"rhythm": 0.4, "a=b": 1}
    with pytest.raises(QueryError, match="weight 'rhythm' has no number"):
        parse_numbers(["rhythm"], what="weight")
    assert match_tag("guitar", MSD) == [3]
    assert match_tag("vocal", MSD) == [1, 2]
    assert match_tag("house", MSD) == [5]


@given(st.text(max_size=30))
def test_any_text_is_a_seed_or_a_clear_error(text: str) -> None:
    try:
        assert parse_seed(text).name
    except QueryError as error:
        assert str(error)
    except AssertionError:
        assert text == ""


@given(st.text(max_size=20))
def test_any_word_is_a_tag_or_a_clear_error(word: str) -> None:
    try:
        assert all(0 <= i < len(MSD) for i in match_tag(word, MSD))
    except QueryError as error:
        assert "there is no tag" in str(error)
