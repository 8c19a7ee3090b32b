"""A library follows its folder: new, changed, moved, retagged, copied, removed; and never mixes or loses vectors."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import song
from filelock import FileLock

from glissando import Library
from glissando.audio import Audio, read, write
from glissando.errors import LibraryError
from glissando.features import Key
from glissando.library import health
from glissando.library.columns import matrix, table_of
from glissando.library.exchange import export, import_vectors
from glissando.library.scan import find_audio


def paths(library: Library) -> set[str]:
    return {Path(path).name for path in library.store.rows("tracks", ["path"])["path"].to_pylist()}


def vector(library: Library, name: str, block: str = "rhythm") -> np.ndarray:
    found = library.find(name)
    assert found is not None
    return matrix(library.store.rows("tracks", [block], f"id = '{found['id']}'")[block])[0]


def test_a_track_holds_what_the_file_and_the_sound_say(tmp_path: Path) -> None:
    path = tmp_path / "one.flac"
    audio = song(100, seconds=40)
    with soundfile.SoundFile(path, "w", audio.sample_rate, 1) as out:
        out.artist, out.title, out.album, out.date = "Ann", "Tune", "Album", "1999"
        out.write(audio.samples)
    library = Library.open(tmp_path / "library")
    assert library.add(path).added == 1
    (row,) = library.store.rows("tracks", library.store.tracks.schema.names).to_pylist()
    assert (row["artist"], row["title"], row["album"], row["year"]) == ("Ann", "Tune", "Album", 1999)
    assert row["duration"] == pytest.approx(40)
    assert row["sample_rate"] == audio.sample_rate
    assert row["tempo"] == pytest.approx(100, rel=0.03)
    assert 0 < row["tempo_confidence"] <= 1
    assert row["tempo_candidates"][0] == row["tempo"]
    assert len(row["tags"]) == 50
    assert Key.parse(row["key"]) and 0 < row["key_confidence"] <= 1
    for block in ("timbre", "rhythm", "chroma"):
        assert np.linalg.norm(row[block]) == pytest.approx(1, abs=1e-5)
    segments = library.store.rows("segments", ["track_id", "start", "end"]).sort_by("start").to_pylist()
    assert [(s["start"], s["end"]) for s in segments] == [(0, 15), (15, 30), (30, 40)]
    assert {s["track_id"] for s in segments} == {row["id"]}


def test_unchanged_files_cost_nothing(library: Library, folder: Path) -> None:
    report = library.add(folder)
    assert (report.unchanged, report.added, report.audio_seconds) == (6, 0, 0)


def test_new_changed_and_removed(library: Library, folder: Path) -> None:
    before = vector(library, "a80.wav")
    write(folder / "g90.wav", song(90))
    write(folder / "a80.wav", song(170, pitch=500))
    (folder / "b100.flac").unlink()
    report = library.add(folder)
    assert (report.added, report.changed, report.removed, report.unchanged) == (1, 1, 1, 4)
    assert paths(library) == {"a80.wav", "c115.ogg", "d120.mp3", "e138.wav", "f160.wav", "g90.wav"}
    assert float(before @ vector(library, "a80.wav")) < 0.9
    assert health.verify(library.store) == []


def test_moved_files_keep_their_vectors(library: Library, folder: Path) -> None:
    before = vector(library, "a80.wav")
    (folder / "deep").mkdir()
    (folder / "a80.wav").rename(folder / "deep" / "renamed.wav")
    report = library.add(folder)
    assert (report.moved, report.added, report.removed, report.audio_seconds) == (1, 0, 0, 0)
    assert np.array_equal(before, vector(library, "renamed.wav"))
    assert len(library) == 6


def test_moves_between_folders_and_exchanged_contents(library: Library, folder: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    before = vector(library, "a80.wav")
    (folder / "a80.wav").rename(elsewhere / "a80.wav")
    report = library.add(elsewhere)
    assert (report.moved, report.copied, report.added) == (1, 0, 0)
    assert np.array_equal(before, vector(library, "a80.wav")) and len(library) == 6
    old = vector(library, "c115.ogg")
    shutil.copy(folder / "c115.ogg", folder / "new home of c.ogg")
    write(folder / "c115.ogg", song(155, pitch=333))  # the same name, other music
    report = library.add(folder)
    assert (report.changed, report.added + report.copied) == (1, 1)
    assert np.allclose(old, vector(library, "new home of c.ogg"), atol=1e-6)
    assert health.verify(library.store) == []


def mount(place: Path, size: int) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", place], check=True, capture_output=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 MB, of memory."""
    place = tmp_path / "disk"
    place.mkdir()
    try:
        mount(place, 64_000_000)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("mounting a disk is not permitted here")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def test_a_full_disk_is_one_sentence(library: Library, folder: Path, disk: Path) -> None:
    place = shutil.copytree(library.store.location, disk / "library")
    write(folder / "g90.wav", song(90))
    filler = disk / "filler"
    filler.write_bytes(bytes(shutil.disk_usage(disk).free - 10_000))
    with pytest.raises(LibraryError, match="writing failed .*No space left.*; what was written before is kept"):
        Library.open(place).add(folder)
    filler.unlink()
    assert Library.open(place).add(folder).added == 1
    assert health.verify(Library.open(place).store) == []


def test_retagged_files_keep_their_vectors(library: Library, folder: Path) -> None:
    path = folder / "b100.flac"
    audio = read(path)
    with soundfile.SoundFile(path, "w", audio.sample_rate, 1) as out:
        out.artist = "Somebody"
        out.write(audio.samples)
    report = library.add(folder)
    assert (report.retagged, report.changed, report.audio_seconds) == (1, 0, 0)
    found = library.find("b100.flac")
    assert found is not None and found["artist"] == "Somebody"
    assert library.add(folder).unchanged == 6


def test_touched_files_are_only_hashed(library: Library, folder: Path) -> None:
    os.utime(folder / "a80.wav", (1, 1))
    report = library.add(folder)
    assert (report.unchanged, report.changed, report.audio_seconds) == (6, 0, 0)
    assert library.add(folder).unchanged == 6


def test_copies_share_vectors_and_links_are_one_file(library: Library, folder: Path) -> None:
    shutil.copy(folder / "a80.wav", folder / "copy.wav")
    (folder / "link.wav").symlink_to(folder / "a80.wav")
    (folder / "loop").symlink_to(folder, target_is_directory=True)
    report = library.add(folder)
    assert (report.copied, report.added, report.audio_seconds) == (1, 0, 0)
    assert len(library) == 7
    assert np.array_equal(vector(library, "copy.wav"), vector(library, "a80.wav"))
    assert health.verify(library.store) == []


def test_a_missing_drive_does_not_empty_the_library(library: Library, folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()
    with pytest.raises(LibraryError, match="is a drive missing"):
        library.add(folder)
    assert len(library) == 6
    assert health.remove(library.store, [folder]) == 6
    assert len(library) == 0
    assert library.store.segments.count_rows() == 0
    with pytest.raises(LibraryError, match="no such file or folder"):
        library.add(folder / "never")


def test_a_broken_new_version_does_not_cost_the_old_one(library: Library, folder: Path) -> None:
    (folder / "a80.wav").write_bytes(b"RIFF oops")
    report = library.add(folder)
    assert len(report.failed) == 1 and "a80.wav" in report.failed[0].reason
    assert len(library) == 6


def test_arrays_need_no_decoder(tmp_path: Path) -> None:
    library = Library.open(tmp_path / "library", blocks={"rhythm": "rhythm"})
    library.add(song(100), song(125), song(150), names=["slow", "middle", "fast"])
    library.add(song(100, pitch=300), names=["slow"])  # the same name again replaces
    assert len(library) == 3
    hits = library.search(song(101), k=1)
    assert hits[0].title == "slow"
    assert library.search("slow", tempo_ratio=1.25, k=1)[0].title == "middle"
    with pytest.raises(LibraryError, match="1 names were given for 2"):
        library.add(song(100), song(90), names=["x"])


def test_arrays_work_where_no_decoder_is(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "sys.modules['soundfile'] = sys.modules['av'] = sys.modules['tinytag'] = None\n"
        "import numpy as np, glissando\n"
        "def beats(bpm):\n"
        "    time = np.arange(320_000) / 16_000\n"
        "    return glissando.Audio(np.exp(-20 * (time * bpm / 60 % 1)).astype('f4'), 16_000)\n"
        "lib = glissando.Library.open(sys.argv[1], blocks={'rhythm': 'rhythm'})\n"
        "lib.add(beats(100), beats(120), names=['slow', 'fast'])\n"
        "assert lib.search(beats(101), k=1)[0].title == 'slow'\n"
        "assert lib.search(beats(101), tempo_ratio=1.19, k=1)[0].title == 'fast'\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "library")], check=True)


def test_two_writers_are_refused_and_readers_are_not(library: Library, folder: Path) -> None:
    write(folder / "g90.wav", song(90))
    with FileLock(Path(library.store.location) / ".writing.lock"):
        with pytest.raises(LibraryError, match="another process is writing"):
            library.add(folder)
        assert Library.open(library.store.location, create=False).search("a80.wav", k=1)
    assert library.add(folder).added == 1


def test_a_new_block_does_not_touch_the_others(library: Library, folder: Path) -> None:
    before = vector(library, "a80.wav")
    wider = Library.open(library.store.location, blocks={"timbre": "musicnn-mtt"})
    report = wider.add(folder)
    assert (report.changed, report.added, report.unchanged) == (6, 0, 0)
    assert np.array_equal(before, vector(wider, "a80.wav"))
    assert np.linalg.norm(vector(wider, "a80.wav", "timbre")) == pytest.approx(1, abs=1e-5)
    assert wider.store.tag_names()[0] == "guitar"
    assert matrix(wider.store.rows("segments", ["timbre"])["timbre"]).shape[1] == 200
    assert health.verify(wider.store) == []
    assert wider.add(folder).unchanged == 6
    with pytest.raises(LibraryError, match="made by musicnn-mtt, not musicnn-msd"):
        Library.open(library.store.location, blocks={"timbre": "musicnn-msd"})


def test_a_second_tagger_leaves_the_tags_alone(tmp_path: Path, folder: Path) -> None:
    library = Library.open(tmp_path / "tagged", blocks={"timbre": "musicnn-msd"})
    library.add(folder)
    before = library.store.rows("tracks", ["path", "tags"]).sort_by("path")["tags"].to_pylist()
    wider = Library.open(tmp_path / "tagged", blocks={"timbre": "musicnn-msd", "second": "musicnn-mtt"})
    assert wider.add(folder).changed == 6
    assert wider.store.rows("tracks", ["path", "tags"]).sort_by("path")["tags"].to_pylist() == before
    assert wider.store.tag_names()[0] == "rock"
    both = Library.open(tmp_path / "both", blocks={"second": "musicnn-mtt", "timbre": "musicnn-msd"})
    both.add(folder / "a80.wav")
    assert both.store.tag_names()[0] == "guitar"
    assert len(both.store.rows("tracks", ["tags"])["tags"][0]) == 50


def test_vectors_of_another_version_are_never_mixed(
    library: Library, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from glissando import encoders

    monkeypatch.setattr(encoders.EncoderCard, "space_id", "rhythm:of-tomorrow")
    write(folder / "g90.wav", song(90))
    with pytest.raises(LibraryError, match="never mixed"):
        library.add(folder)
    assert any("another version" in problem for problem in health.verify(library.store))


def test_segments_of_a_killed_run_are_seen_by_nobody_and_removed(library: Library, folder: Path) -> None:
    store = library.store
    stray = {"id": "stray:0", "track_id": "stray", "start": 0.0, "end": 15.0, "rhythm": vector(library, "a80.wav")}
    store.segments.add(table_of([stray], store.segments.schema))
    assert any("half written" in problem for problem in health.verify(store))
    assert all(Path(hit.path).exists() for hit in library.search("c115.ogg", moments=True, k=10))
    library.add(folder)
    assert health.verify(store) == []


@pytest.mark.parametrize("content", ["file", "junk"])
def test_what_is_no_library_is_said(tmp_path: Path, content: str) -> None:
    place = tmp_path / "place"
    if content == "file":
        place.write_text("hello")
        with pytest.raises(LibraryError, match="not a library|no library"):
            Library.open(place)
        return
    with pytest.raises(LibraryError, match="no library here"):
        Library.open(place, create=False)
    Library.open(place, blocks={"rhythm": "rhythm"})
    shutil.rmtree(place / "tracks.lance")
    with pytest.raises(LibraryError, match="damaged"):
        Library.open(place)


def test_the_users_own_library_is_in_the_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLISSANDO_DATA", str(tmp_path / "data"))
    library = Library.open(blocks={"rhythm": "rhythm"})
    assert Path(library.store.location) == tmp_path / "data" / "library"
    assert "0 tracks, blocks rhythm" in repr(library)


def test_only_audio_is_found(folder: Path) -> None:
    (folder / "._a80.wav").write_bytes(b"finder")
    (folder / ".hidden").mkdir()
    shutil.copy(folder / "a80.wav", folder / ".hidden" / "x.wav")
    names = [path.name for path in find_audio([folder, folder / "cover.jpg"])]
    assert names == ["a80.wav", "b100.flac", "c115.ogg", "cover.jpg", "d120.mp3", "e138.wav", "f160.wav"]


@pytest.mark.parametrize("suffix", [".csv", ".json", ".parquet"])
def test_export(library: Library, tmp_path: Path, suffix: str) -> None:
    out = tmp_path / f"tracks{suffix}"
    assert export(library.store, out) == 6
    if suffix == ".csv":
        lines = out.read_text().splitlines()
        assert len(lines) == 7 and lines[0].startswith("path,artist")
    elif suffix == ".json":
        import json

        rows = json.loads(out.read_text())
        assert len(rows[0]["rhythm"]) == 72
    else:
        import pyarrow.parquet as pq

        table = pq.read_table(out)
        assert table.num_rows == 6
        assert b"rhythm" in table.schema.metadata[b"glissando_spaces"]
    with pytest.raises(LibraryError, match="ends in"):
        export(library.store, tmp_path / "tracks.txt")


@pytest.mark.parametrize("suffix", [".csv", ".json", ".parquet", ".npz"])
def test_import_of_vectors_made_elsewhere(library: Library, folder: Path, tmp_path: Path, suffix: str) -> None:
    import json

    import pyarrow as pa
    import pyarrow.parquet as pq

    names = [str(folder / "a80.wav"), str(folder / "b100.flac"), str(folder / "c115.ogg"), "/elsewhere/x.wav"]
    vectors = [[1.0, 0.0, 0.0], [0.9, 0.1, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    out = tmp_path / f"vectors{suffix}"
    if suffix == ".csv":
        out.write_text(
            "path,a,b,c\n" + "\n".join(f"{n},{','.join(map(str, v))}" for n, v in zip(names, vectors, strict=True))
        )
    elif suffix == ".json":
        out.write_text(json.dumps([{"path": n, "vector": v} for n, v in zip(names, vectors, strict=True)]))
    elif suffix == ".parquet":
        pq.write_table(pa.table({"path": names, "vector": vectors}), out)
    else:
        np.savez(out, path=names, vector=np.array(vectors))
    count, unknown = import_vectors(library.store, out, block="mine", space="my-model-1")
    assert (count, unknown) == (3, ["/elsewhere/x.wav"])
    hits = library.search("a80.wav", weights={"mine": 1, "rhythm": 0}, k=9)
    assert [Path(hit.path).name for hit in hits] == ["b100.flac", "c115.ogg"], "tracks without a vector are no hits"
    assert hits[0].similarities["mine"] == pytest.approx(0.9939, abs=1e-3)
    with pytest.raises(LibraryError, match="import .* as another block"):
        import_vectors(library.store, out, block="mine", space="my-model-2")
    assert library.add(folder).unchanged == 6, "an imported block is nobody's to fill"
    library.add(song(90), names=["late"])
    assert len(library.search("late", k=3)) == 3


@pytest.mark.parametrize(
    ("content", "name"),
    [
        ("", "v.json"),
        ("[{}]", "v.json"),
        ("a,1,2\nb,1", "v.csv"),
        ("x", "v.npz"),
        ("x", "v.parquet"),
        ("a,nan,1", "v.csv"),
        ("[]", "v.json"),
    ],
)
def test_import_of_nonsense(library: Library, tmp_path: Path, content: str, name: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(LibraryError, match="holds no vectors"):
        import_vectors(library.store, tmp_path / name, block="mine", space="m")
    with pytest.raises(LibraryError, match=r"block name 'drop table' can't be used"):
        good = tmp_path / "good.csv"
        good.write_text("a,1,2")
        import_vectors(library.store, good, block="drop table", space="m")


def test_audio_that_can_not_be_embedded(tmp_path: Path) -> None:
    from glissando.errors import AudioError

    library = Library.open(tmp_path / "library", blocks={"rhythm": "rhythm"})
    with pytest.raises(AudioError, match="silent"):
        library.add(Audio(np.zeros(16_000, np.float32), 16_000), names=["nothing"])
    assert len(library) == 0
