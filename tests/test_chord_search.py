"""Searches by chords: progressions as people write them, in any key, on disk and in memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_cli import run as gliss

from glissando import Library
from glissando.audio import Audio
from glissando.errors import QueryError
from glissando.library.chords import parse_progression, sequences, triads, written

RATE = 16_000


def test_progressions_are_read_as_people_write_them() -> None:
    wanted = ((0, False), (7, False), (9, True), (5, False))
    for text in ("C G Am F", "C, G, Am, F", "|C|G|Am|F|", "C:maj G:7 A:min F:maj7", "CM G7 A- F", "C C G Am7 F F"):
        assert parse_progression(text) == wanted, text
    assert parse_progression("Gb B♭m") == ((6, False), (10, True)) == parse_progression("F# A#min7")
    for wrong, said in (
        ("", "is no chord"),
        ("C H", "'H' is no chord"),
        ("C", "has 1"),
        ("C G% OR 1=1", "is no chord"),
    ):
        with pytest.raises(QueryError, match=said):
            parse_progression(wrong)
    with pytest.raises(QueryError, match="search for 2 to 16"):
        parse_progression("C G " * 20)


@given(st.text(max_size=30))
def test_any_text_is_a_progression_or_a_clear_error(text: str) -> None:
    try:
        found = parse_progression(text)
    except QueryError:
        return
    assert parse_progression(written(found)) == found


def test_chords_are_reduced_by_their_third() -> None:
    labels = ["N", "C:maj7", "C:maj/3", "G:sus4", "A:min7/b3", "X", "A:hdim7", "F:aug"]
    assert written(triads(labels)) == " C G Am F "
    assert written([]) == "  "


def test_transpositions_are_twelve_and_begin_with_the_query() -> None:
    found = sequences(parse_progression("C G Am F"), any_key=True)
    assert len({*found}) == 12 and found[0] == " C G Am F " and " D A Bm G " in found
    assert sequences(parse_progression("C G"), any_key=False) == (" C G ",)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    """Three tracks with chords, and one without."""
    opened = Library.open(tmp_path_factory.mktemp("chords") / "lib", blocks={"chroma": "chroma"})
    rng = np.random.default_rng(0)
    tones = [np.sin(np.arange(20 * RATE) * hz * 2 * np.pi / RATE) for hz in (220, 247, 330, 440)]
    audio = [Audio((0.3 * tone + 0.01 * rng.normal(size=len(tone))).astype(np.float32), RATE) for tone in tones]
    names = ["in C", "in D", "minor", "unheard"]
    opened.add(*audio, names=names)
    known = ["C:maj G:maj7 A:min7 F:maj C:maj", "D A:7 B:min G", "A:min C G A:min D:min"]
    ids = {row["path"]: row["id"] for row in opened.store.rows("tracks", ["id", "path"]).to_pylist()}
    for name, chords in zip(names, known, strict=False):
        column = written(triads(chords.split()))
        opened.store.update("segments", [{"track_id": ids[f"array://{name}"], "chords": column}], key="track_id")
        opened.store.update("tracks", [{"id": ids[f"array://{name}"], "chords": column}])
    return opened


@pytest.mark.parametrize("warm", [False, True])
def test_tracks_are_found_by_chords_in_a_row(library: Library, warm: bool) -> None:
    library.store.memory = None
    if warm:
        pytest.importorskip("faiss")
        library.warm()

    def found(*seeds: str, **asked: object) -> set[str]:
        return {Path(hit.path).name for hit in library.search(*seeds, **asked)}  # type: ignore[arg-type]

    assert found(chords="C G Am F") == {"in C"}
    assert found(chords="C G Am F", any_key=True) == {"in C", "in D"}
    assert found(chords="C G") == {"in C", "minor"}
    assert found(chords="C Am") == set()  # (not without what is between them)
    assert found(chords="A C") == set() and found(chords="Am C") == {"minor"}  # (nor by a part of a name)
    assert found("array://unheard", chords="C G") == {"in C", "minor"}
    assert found("array://unheard", chords="C G", moments=True) == {"in C", "minor"}
    assert found("array://minor", chords="G Am", key="C major") <= {"in C"}
    with pytest.raises(QueryError, match="any key is for chords"):
        library.search("array://minor", any_key=True)


@pytest.mark.parametrize("wrong", ["C Bdim", "C"])
def test_the_command_says_what_is_no_chord(library: Library, wrong: str) -> None:
    told = gliss("search", "--chords", wrong, "-l", library.store.location, code=1)
    assert "Traceback" not in told and ("is no chord; write" in told or "search for 2 to 16" in told)


def test_a_library_that_knows_no_chords_says_how_to_add_them(tmp_path: Path) -> None:
    opened = Library.open(tmp_path / "lib", blocks={"chroma": "chroma"})
    with pytest.raises(QueryError, match="gliss index FOLDER --chords"):
        opened.search(chords="C G Am F")


def test_a_library_made_before_chords_gets_the_column(tmp_path: Path) -> None:
    old = Library.open(tmp_path / "lib", blocks={"chroma": "chroma"})
    for table in (old.store.tracks, old.store.segments):
        table.drop_columns(["chords"])
    opened = Library.open(tmp_path / "lib")
    assert "chords" in opened.store.lacks
    with pytest.raises(QueryError, match="knows no chords yet"):
        opened.search(chords="C G")
    opened.add(Audio(np.sin(np.arange(20 * RATE) / 10).astype(np.float32), RATE), names=["one"])
    with opened.store.writing():
        opened.store.add_columns()
    assert not opened.store.lacks and opened.store.rows("tracks", ["chords"])["chords"].to_pylist() == [None]
