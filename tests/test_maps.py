"""Maps that stay: layouts kept with the library, moments, files for embedding-atlas, the course of a sound."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from conftest import song
from notes import RATE, make_codec, make_notes
from typer.testing import CliRunner, Result

from glissando import Library, codecs
from glissando.audio import Audio, write
from glissando.cli.map import app, write_map
from glissando.codecs import Codec
from glissando.errors import GlissandoError, ModelError
from glissando.latent import neighbours, place, project, trajectories, trajectory_page
from glissando.library.locks import writers_lock


def rows_of(page: Path) -> dict[str, tuple[float, float]]:
    """Where every name lies."""
    rows = json.loads(re.search(r"const tracks = (\[.*\]);", page.read_text())[1])
    return {row["name"]: (row["x"], row["y"]) for row in rows}


def test_a_place_by_components_is_where_they_would_have_put_it() -> None:
    vectors = (np.random.default_rng(0).normal(size=(40, 6)) * [9, 5, 1, 1, 1, 1]).astype(np.float32)
    points = project(vectors, method="pca")
    inside = np.flatnonzero((points > 0).all(1) & (points < 1).all(1))
    assert np.allclose(place(vectors[inside], vectors, points, method="pca"), points[inside], atol=1e-4)
    known = place(vectors, vectors[:20], points[:20], method="pca")
    assert np.abs(known[20:] - points[20:]).max() < 1e-3, "the map is linear: twenty points tell it"
    far = place(100 * vectors[:3], vectors, points, method="pca")
    assert far.min() >= 0 and far.max() <= 1


def test_a_place_by_neighbours_is_among_them() -> None:
    rng = np.random.default_rng(0)
    centres = np.eye(3, 10)
    known = (np.repeat(centres, 20, axis=0) + 0.05 * rng.normal(size=(60, 10))).astype(np.float32)
    points = (np.repeat([[0, 0], [1, 0], [0, 1]], 20, axis=0) + 0.05 * rng.random((60, 2))).astype(np.float32)
    found = place((centres * 7).astype(np.float32), known, points)
    assert np.abs(found - [[0, 0], [1, 0], [0, 1]]).max() < 0.1
    assert np.allclose(place(known[:4], known, points), points[:4], atol=0.05)
    assert place(known[:2], known[:1], points[:1]).shape == (2, 2), "fewer known than neighbours wanted"


def test_neighbours_are_exact() -> None:
    vectors = np.random.default_rng(0).normal(size=(30, 5)).astype(np.float32)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    rows, near = neighbours(vectors, vectors, 4)
    assert np.array_equal(rows, np.argsort(-(unit @ unit.T), axis=1)[:, :4])
    assert np.allclose(near[:, 0], 1, atol=1e-6) and (np.diff(near) <= 0).all()


@pytest.mark.parametrize("dims", [2, 3])
def test_projections_have_as_many_axes_as_asked_for(dims: int) -> None:
    points = project(np.random.default_rng(0).normal(size=(30, 8)).astype(np.float32), method="pca", dims=dims)
    assert points.shape == (30, dims) and np.allclose(points.min(0), 0) and np.allclose(points.max(0), 1)


def test_the_layout_stays_when_tracks_come(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    library = Library.open(tmp_path / "library", blocks={"rhythm": "rhythm"})
    sounds = [song(bpm, seconds=16, pitch=110 + bpm, seed=bpm) for bpm in (80, 95, 110, 125, 140, 155)]
    library.add(*sounds[:5], names=["a", "b", "c", "d", "e"])
    page = tmp_path / "map.html"
    assert "new in this layout" not in write_map(library, page, method="pca")
    before = rows_of(page)
    library.add(sounds[5], names=["f"])
    assert "; 1 of 6 tracks are new in this layout (--anew makes another)" in write_map(library, page, method="pca")
    after = rows_of(page)
    assert {**after, **before} == after and after["f"] not in before.values(), "nothing moved but the new one"
    again = Library.open(tmp_path / "library")
    assert "new in this layout" not in write_map(again, page, method="pca"), "the new one has its place now"
    assert rows_of(page) == after
    write_map(again, page, method="pca", anew=True)
    anew = rows_of(page)
    assert anew != after
    write_map(again, page, method="pca", weights={"rhythm": 0.3})
    assert rows_of(page) == anew, "a weight alone on one block changes nothing"
    library.add(song(100, seconds=16), names=["g"])
    with writers_lock(str(library.store.location)):
        write_map(library, page, method="pca")
    assert "g" in rows_of(page) and "the layout of this map is not kept: " in caplog.text


def test_moments_and_the_file_for_embedding_atlas(library: Library, folder: Path, tmp_path: Path) -> None:
    write(folder / "long.wav", song(90, seconds=40))
    library.add(folder)
    page, table = tmp_path / "map.html", tmp_path / "map.parquet"
    assert "click to play; and " in write_map(library, page, method="pca", moments=True)
    found = rows_of(page)
    assert len(found) == library.store.count("segments") > 7 and {"a80 @0:00", "long @0:15"} <= {*found}
    assert "moments, colour is tempo" in page.read_text()
    told = write_map(library, table, method="pca", moments=True)
    wanted = "--x projection_x --y projection_y --neighbors neighbors --text name --audio audio"
    assert told == f"open it with: embedding-atlas {table} {wanted}"
    read = pq.read_table(table).to_pydict()
    assert dict(zip(read["name"], read["projection_x"], strict=True)) == pytest.approx(
        {name: x for name, (x, _) in found.items()}, abs=1e-3
    )
    assert all(len(one["ids"]) == len(found) - 1 for one in read["neighbors"]), "fewer than fifteen others: all"
    for own, one in enumerate(read["neighbors"]):
        assert own not in one["ids"] and one["distances"] == sorted(one["distances"]) and min(one["distances"]) > -1e-5
    assert all(sound.startswith("data:audio/mpeg;base64,") for sound in read["audio"])
    assert {*read} >= {"path", "artist", "title", "tempo", "key", "duration", "start", "end", "projection_y"}


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("codec")
    return make_codec(make_notes(folder), folder / "codec").folder


@pytest.fixture(scope="module")
def codec(weights: Path) -> Codec:
    return codecs.load("gliss-codec", weights=weights)


def note(hz: float, seconds: float = 0.6) -> Audio:
    time = np.arange(round(seconds * RATE)) / RATE
    return Audio(np.float32(0.3 * np.sin(2 * np.pi * hz * time) * np.exp(-6 * time)), RATE)


def test_the_course_of_a_sound_has_a_place_for_every_latent(codec: Codec) -> None:
    low, same, other = trajectories(codec, {"low": note(220), "same": note(220), "other": note(415, 0.4)})
    assert low.flat.shape == (len(low.times), 2) and low.solid.shape == (len(low.times), 3)
    assert np.array_equal(low.solid, same.solid), "sounds share their projection"
    assert len(other.times) < len(low.times) and (np.diff(low.times) > 0).all() and low.times[-1] < 0.65
    assert not np.allclose(low.flat[2], other.flat[2], atol=0.02)
    steps = np.linalg.norm(np.diff(low.solid[1:-1], axis=0), axis=1)
    assert steps.max() < 0.5 * np.linalg.norm(np.ptp(low.solid, axis=0)), "one piece"
    with pytest.raises(ModelError, match="at least two latents; here there is 1"):
        trajectories(codec, {"tick": note(220, 0.01)})


def test_names_can_not_break_the_page(codec: Codec) -> None:
    text = trajectory_page(trajectories(codec, {"</script><script>alert(1)</script>": note(220)}))
    assert text.count("</script>") == 1 and not re.search(r"""(src|href)=["']?https?:""", text)
    rows = json.loads(re.search(r"const courses = (\[.*\]);", text)[1])
    assert rows[0]["sound"].startswith("data:audio/mpeg;base64,") and len(rows[0]["flat"]) == len(rows[0]["times"])


def call(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def test_the_command(weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, hz in (("a", 220), ("b", 330)):
        write(f"{name}.wav", note(hz))
    done = call("--trajectory", "a.wav", "--trajectory", "b.wav", "--weights", weights)
    assert done.exit_code == 0, done.output
    assert (
        Path("trajectory.png").read_bytes()[:4] == b"\x89PNG" and '"name": "b"' in Path("trajectory.html").read_text()
    )
    for words, sentence in (
        (["--trajectory", "a.wav", "-o", "a.parquet"], "a.parquet: name a page that ends in .html"),
        (["-o", "a.txt"], "a.txt: name a page that ends in .html, or .parquet"),
        (["--trajectory", "nothing.wav"], "nothing.wav"),
    ):
        done = call(*words, "--weights", weights)
        assert isinstance(done.exception, GlissandoError) and sentence in str(done.exception)
    assert call("--trajectory", "a.wav", "--moments").exit_code == 2
