"""Playlists walk from one track to another, at the tempo of a curve, and never come back."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import RATE, song
from typer.testing import CliRunner

from glissando import Library
from glissando.audio import Audio, write
from glissando.cli import app
from glissando.errors import GlissandoError, LibraryError, QueryError
from glissando.library.blocks import Block
from glissando.library.playlist import Playlist, parse_curve
from glissando.library.store import Store

BLOCKS = [Block("timbre", None, "a:1", 16), Block("rhythm", None, "b:1", 8)]


def unit(values: np.ndarray) -> np.ndarray:
    return (values / np.linalg.norm(values, axis=-1, keepdims=True)).astype(np.float32)


def library_of(tmp_path: Path, tracks: list[dict]) -> Library:
    """Tracks of given tempo, artist and place on a circle of timbres; the rest of their vectors is noise."""
    store = Store(str(tmp_path / "made"), create=BLOCKS)
    rng = np.random.default_rng(0)
    rows, segments = [], []
    for i, track in enumerate(tracks):
        turn = track.get("turn", 0.0)
        timbre = unit(np.concatenate([4 * np.array([np.cos(turn), np.sin(turn)]), 0.3 * rng.standard_normal(14)]))
        vectors = {"timbre": track.get("timbre", timbre), "rhythm": unit(rng.standard_normal(8))}
        name = track.get("name", f"t{i}")
        row = {"id": f"{i}", "path": f"/{name}.wav", "title": name, "artist": track.get("artist"), "duration": 60.0}
        shared = {"tempo": track["tempo"], "labels": []}
        rows.append(
            {**row, "audio_hash": track.get("hash", f"h{i}"), **shared, **vectors, "joint": store.joint(vectors)}
        )
        segments.append(
            {"id": f"{i}:0", "track_id": f"{i}", "start": 0.0, "end": 15.0, **vectors, "joint": rows[-1]["joint"]}
        )
    store.put(rows, segments)
    return Library(store)


def ramp(count: int, first: float, last: float, **more: object) -> list[dict]:
    """Tracks evenly spaced in tempo and along a quarter of the circle of timbres."""
    shares = np.linspace(0, 1, count)
    return [{"tempo": first * (last / first) ** s, "turn": s * np.pi / 2, **more} for s in shares]


def titles(made: Playlist) -> list[str]:
    return [hit.title for hit in made.hits]


def tempi(made: Playlist) -> list[float]:
    return [hit.tempo for hit in made.hits]


def test_tempi_ascend_and_nothing_comes_twice(tmp_path: Path) -> None:
    library = library_of(tmp_path, ramp(120, 80, 140))
    made = library.playlist("/t10.wav", "/t110.wav", n=20)
    assert titles(made)[0] == "t10" and titles(made)[-1] == "t110"
    assert len(set(titles(made))) == 20 and not made.missing
    assert tempi(made) == sorted(tempi(made))
    curve = [step.wanted for step in made.steps]
    np.testing.assert_allclose(np.diff(np.log(curve)), np.log(curve[-1] / curve[0]) / 19, rtol=1e-6)
    assert all(abs(hit.tempo / wanted - 1) <= 0.04 for hit, wanted in zip(made.hits, curve, strict=True))
    down = library.playlist("/t110.wav", "/t10.wav", n=12)
    assert tempi(down) == sorted(tempi(down), reverse=True)


def test_timbre_moves_from_one_to_the_other(tmp_path: Path) -> None:
    """At one tempo for all, what is left is the way from the one sound to the other."""
    library = library_of(tmp_path, [{"tempo": 120.0, "turn": s * np.pi / 2} for s in np.linspace(0, 1, 60)])
    made = library.playlist("/t0.wav", "/t59.wav", n=8, weights={"timbre": 1, "rhythm": 0})
    places = [int(title[1:]) for title in titles(made)]
    assert places[0] == 0 and places[-1] == 59
    assert np.all(np.abs(np.array(places) - np.linspace(0, 59, 8)) <= 9)
    assert np.corrcoef(places, range(8))[0, 1] > 0.97


def test_wanted_tempi_decide_and_seeds_stand_only_where_they_fit(tmp_path: Path) -> None:
    library = library_of(tmp_path, ramp(120, 80, 140))
    made = library.playlist("/t60.wav", "/t0.wav", tempo="90..130", n=15)
    assert tempi(made) == sorted(tempi(made)) and 90 <= tempi(made)[0] < 94 and 126 < tempi(made)[-1] <= 130
    assert not {"t60", "t0"} & {*titles(made)}, "their own tempi are not those of the curve's ends"
    assert tempi(library.playlist("/t60.wav", "/t60.wav", tempo=(130, 90), n=9))[0] > 126
    still = library.playlist("/t60.wav", "/t61.wav", tempo=105, n=5)
    assert all(abs(bpm / 105 - 1) <= 0.04 for bpm in tempi(still))
    assert titles(library.playlist("/t60.wav", "/t60.wav", n=5)).count("t60") == 1


def test_no_artist_twice_in_a_row_where_another_is_there(tmp_path: Path) -> None:
    tracks = ramp(40, 100, 120, artist="A") + ramp(40, 100, 120, artist="B")
    made = library_of(tmp_path, tracks).playlist("/t0.wav", "/t39.wav", n=12)
    artists = [hit.artist for hit in made.hits]
    assert artists[0] == artists[-1] == "A"
    assert sum(one == other for one, other in pairwise(artists)) == 1, "from A to A in an even number"
    odd = library_of(tmp_path / "odd", tracks).playlist("/t0.wav", "/t39.wav", n=13)
    assert [hit.artist for hit in odd.hits] == ["A", "B"] * 6 + ["A"]
    alone = library_of(tmp_path / "alone", ramp(40, 100, 120, artist=" A ")).playlist("/t0.wav", "/t39.wav", n=8)
    assert len(alone.hits) == 8 and not alone.missing


def test_near_duplicates_come_once(tmp_path: Path) -> None:
    tracks = ramp(30, 100, 110)
    same = [{**track, "name": f"copy{i}", "hash": f"h{i}"} for i, track in enumerate(tracks)]
    made = library_of(tmp_path, tracks + same).playlist("/t0.wav", "/t29.wav", n=10)
    numbers = [title.removeprefix("copy").removeprefix("t") for title in titles(made)]
    assert len(set(numbers)) == 10
    one = unit(np.ones(16))
    cuts = [{"tempo": 100.0 + i / 10, "timbre": one} for i in range(20)]
    made = library_of(tmp_path / "cuts", ramp(30, 100, 110) + cuts).playlist("/t0.wav", "/t29.wav", n=10)
    assert sum(int(title[1:]) >= 30 for title in titles(made)) <= 1


def test_half_and_double_time_only_where_nothing_is_near(tmp_path: Path) -> None:
    tracks = [*ramp(20, 90, 105), {"tempo": 60.0, "turn": 1.0}, {"tempo": 61.0, "turn": 1.2}, *ramp(20, 140, 150)]
    made = library_of(tmp_path, tracks).playlist("/t0.wav", "/t41.wav", n=20)
    left = [track["tempo"] for track in tracks]
    assert [step.octave for step in made.steps].count(2.0) == 2 and len(made.steps) + len(made.missing) == 20
    for wanted, step in sorted([*((bpm, None) for bpm in made.missing), *((step.wanted, step) for step in made.steps)]):
        near = [bpm for bpm in left[:-1] if abs(bpm / wanted - 1) <= 0.08]  # the last track waits for its own step
        if step and step.octave == 1:
            left = [bpm for bpm in left if abs(bpm - step.hit.tempo) > 1e-4]
            assert abs(step.hit.tempo / wanted - 1) <= 0.08
        else:
            assert not near, "half time and gaps are for where nothing is left"
            assert step is None or abs(2 * step.hit.tempo / wanted - 1) <= 0.04


def test_tracks_of_unknown_tempo_are_told_and_left_out(tmp_path: Path) -> None:
    tracks = ramp(20, 100, 120) + [{"tempo": None}] * 3
    library = library_of(tmp_path, tracks)
    made = library.playlist("/t0.wav", "/t19.wav", n=10)
    assert made.no_tempo == 3 and all(hit.tempo for hit in made.hits)
    with pytest.raises(QueryError, match="the track to end at has no pulse"):
        library.playlist("/t0.wav", "/t20.wav", n=5)
    assert len(library.playlist("/t0.wav", "/t20.wav", n=5, tempo="100..120").hits) == 5


@pytest.mark.parametrize(
    ("options", "kind", "sentence"),
    [
        ({"n": 1}, QueryError, "ask for at least 2"),
        ({"n": 21}, LibraryError, "has 20 tracks of known tempo, too few for a playlist of 21"),
        ({"tempo": "fast"}, QueryError, "'fast' is no tempo curve"),
        ({"tempo": (0, 100)}, QueryError, "is no tempo curve"),
        ({"tempo": "300..400", "n": 5}, QueryError, "no track is near 300 to 400 BPM"),
        ({"weights": {"melody": 1}}, QueryError, "there is no block 'melody'"),
        ({"weights": {"rhythm": 0, "timbre": 0}}, QueryError, "all weights are 0"),
        ({"end": "nobody"}, QueryError, "neither a file nor words"),
    ],
)
def test_walks_that_lead_nowhere(tmp_path: Path, options: dict, kind: type, sentence: str) -> None:
    library = library_of(tmp_path, ramp(20, 100, 120))
    with pytest.raises(kind, match=sentence):
        library.playlist("/t0.wav", **{"end": "/t19.wav", "n": 10, **options})


def test_texts_of_curves() -> None:
    assert parse_curve("90..130") == parse_curve("90-130") == parse_curve((90, 130)) == (90, 130)
    assert parse_curve("130..90") == (130, 90)
    assert parse_curve("120") == parse_curve(120) == (120, 120)
    for wrong in ("", "..", "90..", "0..5", "-5", "1..2..3", "inf", "nan", (1, 2, 3)):
        with pytest.raises(QueryError):
            parse_curve(wrong)


def test_the_command_walks_through_real_music(tmp_path: Path) -> None:
    music = tmp_path / "music"
    music.mkdir()
    for i, bpm in enumerate((84, 90, 96, 103, 110, 118, 126)):
        audio = song(bpm, pitch=110 * 1.1**i, seed=i)
        with soundfile.SoundFile(music / f"s{bpm}.flac", "w", audio.sample_rate, 1) as out:
            out.artist, out.title = f"Artist {i % 2}", f"s{bpm}"
            out.write(audio.samples)
    time = np.arange(20 * RATE) / RATE
    write(music / "drone.wav", Audio((0.5 * np.sin(2 * np.pi * 220 * time)).astype(np.float32), RATE))
    place = str(tmp_path / "library")
    Library.open(place, blocks={"rhythm": "rhythm"}).add(music)
    words = ["playlist", "--from", str(music / "s84.flac"), "--to", "s126", "-n", "7", "-l", place]
    party = tmp_path / "party.m3u8"
    said = CliRunner().invoke(app, [*words, "-f", "json", "--m3u", str(party)])
    assert said.exit_code == 0, said.output
    rows = json.loads(said.stdout)
    assert [row["title"] for row in rows] == ["s84", "s90", "s96", "s103", "s110", "s118", "s126"]
    assert rows[3]["wanted_tempo"] == pytest.approx(np.sqrt(84 * 126), rel=0.01)
    assert [line for line in party.read_text().splitlines() if not line.startswith("#")] == [
        row["path"] for row in rows
    ]
    table = CliRunner().invoke(app, [*words, "--tempo", "90..120"])
    assert table.exit_code == 0 and "wanted" in table.stdout and "s96" in table.stdout
    nowhere = CliRunner().invoke(app, [*words, "--m3u", str(tmp_path / "no" / "list.m3u8")])
    assert isinstance(nowhere.exception, GlissandoError) and "can't be written" in str(nowhere.exception)
