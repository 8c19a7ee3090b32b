"""Libraries that hear a spread sample of every track."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import song
from typer.testing import CliRunner

from glissando import Library
from glissando.audio import Audio, AudioStream, read, write
from glissando.cli import app
from glissando.library.columns import matrix
from glissando.library.exchange import import_vectors

LONG = 200.0  # seconds: 13 segments


@pytest.fixture
def music(tmp_path: Path) -> Path:
    folder = tmp_path / "music"
    folder.mkdir()
    write(folder / "long.flac", song(120, seconds=LONG, noise=0.01))
    write(folder / "short.wav", song(100, seconds=40))
    return folder


@pytest.fixture
def sampled(tmp_path: Path, music: Path) -> Library:
    library = Library.open(tmp_path / "sampled", blocks={"rhythm": "rhythm"})
    assert library.add(music, coverage=4).added == 2
    return library


def segments(library: Library, name: str) -> list[dict]:
    track = library.find(name)
    assert track is not None
    rows = library.store.rows("segments", ["start", "end", "rhythm"], f"track_id = '{track['id']}'")
    return rows.sort_by("start").to_pylist()


def test_a_sample_is_spread_over_the_track_and_embeds_what_lies_there(sampled: Library, music: Path) -> None:
    found = segments(sampled, "long")
    assert [row["start"] for row in found] == [15.0, 60.0, 120.0, 165.0]
    assert all(row["end"] - row["start"] == 15.0 for row in found)
    for row in found:
        alone = sampled.embed(read(music / "long.flac", start=row["start"], end=row["end"])).vectors["rhythm"]
        np.testing.assert_allclose(row["rhythm"], alone, atol=2e-3)
    (duration,) = sampled.store.rows("tracks", ["duration"], "path LIKE '%long%'")["duration"].to_pylist()
    assert duration == pytest.approx(LONG), "of the whole track"


def test_a_short_track_is_heard_whole(sampled: Library) -> None:
    assert [(row["start"], row["end"]) for row in segments(sampled, "short")] == [(0, 15), (15, 30), (30, 40)]


def test_more_coverage_is_done_again_and_less_is_not(sampled: Library, music: Path) -> None:
    assert sampled.add(music).unchanged == 2
    assert sampled.add(music, coverage=2).unchanged == 2
    assert sampled.add(music, coverage=6).changed == 2
    assert len(segments(sampled, "long")) == 6
    assert sampled.add(music, coverage=0).changed == 2
    assert len(segments(sampled, "long")) == 13
    assert sampled.add(music, coverage=6).unchanged == 2


def test_new_tracks_are_heard_as_the_others_were(sampled: Library, music: Path) -> None:
    write(music / "new.flac", song(90, seconds=LONG))
    assert sampled.add(music).added == 1
    assert len(segments(sampled, "new")) == 4


def test_retagging_a_sampled_track_costs_no_embedding(sampled: Library, music: Path) -> None:
    audio = read(music / "long.flac")
    with soundfile.SoundFile(music / "long.flac", "w", audio.sample_rate, 1) as out:
        out.artist = "Somebody"
        out.write(audio.samples)
    report = sampled.add(music)
    assert (report.retagged, report.changed, report.audio_seconds) == (1, 0, 0)
    artists = sampled.store.rows("segments", ["artist"], "artist IS NOT NULL")["artist"].to_pylist()
    assert artists == ["Somebody"] * 4, "the segments know it too"


def test_a_new_block_hears_the_same_sample(sampled: Library, music: Path, tmp_path: Path) -> None:
    again = Library.open(sampled.store.location, blocks={"rhythm": "rhythm", "pulse": "rhythm"})
    assert again.add(music).changed == 2
    rows = again.store.rows("segments", ["rhythm", "pulse"])
    np.testing.assert_allclose(matrix(rows["rhythm"]), matrix(rows["pulse"]), atol=1e-6)


def test_tracks_added_after_an_import_lack_its_block_only(sampled: Library, music: Path, tmp_path: Path) -> None:
    path = str((music / "long.flac").resolve())
    np.savez(tmp_path / "made.npz", path=np.array([path]), vector=np.ones((1, 3), np.float32))
    import_vectors(sampled.store, tmp_path / "made.npz", block="made", space="made:1")
    write(music / "new.flac", song(90, seconds=30))
    assert sampled.add(music).added == 1
    rows = sampled.store.rows("tracks", ["made", "rhythm"])
    assert rows["made"].null_count == 2 and rows["rhythm"].null_count == 0


def test_silence_where_it_was_sampled_is_said(tmp_path: Path) -> None:
    samples = np.zeros(22_050 * 130, np.float32)
    samples[: 22_050 * 10] = song(120, seconds=10).samples
    soundfile.write(tmp_path / "hidden.wav", samples, 22_050)
    library = Library.open(tmp_path / "library", blocks={"rhythm": "rhythm"})
    (failure,) = library.add(tmp_path / "hidden.wav", coverage=1).failed
    assert "is silent" in failure.reason and "where it was sampled" in failure.reason
    assert library.add(tmp_path / "hidden.wav", coverage=0).added == 1


def test_a_cut_file_is_found_by_its_missing_end(tmp_path: Path) -> None:
    write(tmp_path / "whole.flac", song(120, seconds=LONG, noise=0.05))
    data = (tmp_path / "whole.flac").read_bytes()
    (tmp_path / "cut.flac").write_bytes(data[: len(data) // 2])
    library = Library.open(tmp_path / "library", blocks={"rhythm": "rhythm"})
    report = library.add(tmp_path, coverage=4)
    assert report.added == 1
    assert [Path(failure.path).name for failure in report.failed] == ["cut.flac"]


@pytest.mark.parametrize("words", ["0", "some", "-3"])
def test_coverage_that_makes_no_sense(tmp_path: Path, words: str) -> None:
    said = CliRunner().invoke(app, ["index", str(tmp_path), "--coverage", words, "-l", str(tmp_path / "library")])
    assert said.exit_code != 0
    assert "say full, or how many segments" in str(said.exception)


@pytest.mark.parametrize("name", ["a.m4a", "a.flac", "a.ogg", "a.mp3"])
def test_a_range_is_the_same_sought_or_decoded_up_to(tmp_path: Path, name: str) -> None:
    time = np.arange(60 * 44_100) / 44_100
    chirp = 0.3 * np.sin(2 * np.pi * (100 + 20 * time) * time)  # no noise: AAC makes that up anew every time
    audio = Audio(chirp.astype(np.float32), 44_100)
    if name.endswith("m4a"):
        av = pytest.importorskip("av")
        with av.open(tmp_path / name, "w") as container:
            stream = container.add_stream("aac", rate=44_100, layout="mono")
            frame = av.AudioFrame.from_ndarray(audio.samples[None], format="fltp", layout="mono")
            frame.sample_rate = 44_100
            container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    else:
        write(tmp_path / name, audio)
    with AudioStream(tmp_path / name) as stream:
        (whole, _) = stream.mono(seconds=100)
    np.testing.assert_allclose(read(tmp_path / name).samples, whole, atol=1e-4, err_msg="blocks leave no gap")
    with AudioStream(tmp_path / name) as stream:
        for start in (40.0, 20.0, 5.0):  # backwards too
            part = np.concatenate([*stream.mono(start=start, end=start + 5)])
            expected = whole[round(start * 44_100) : round((start + 5) * 44_100)]
            np.testing.assert_allclose(part[2000:], expected[2000:], atol=1e-4)
