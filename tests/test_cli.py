"""The command, as people type it."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from conftest import song
from typer.testing import CliRunner

from glissando import Library
from glissando.audio import write
from glissando.cli import VERBS, app

WIDE = {"COLUMNS": "200", "TERMINAL_WIDTH": "200"}


def run(*words: object, code: int = 0) -> str:
    """Run in a process of its own: exit codes and errors are those of the shell."""
    import os

    command = [sys.executable, "-m", "glissando.cli", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **WIDE})
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


def test_help_names_every_verb_and_is_quick() -> None:
    said = run("--help")
    assert all(verb in said for verb in VERBS)
    for verb in VERBS:
        assert "Usage" in run(verb, "--help")
    code = (
        "import sys; sys.argv = ['gliss', '--help']\n"
        "from glissando.cli import main\n"
        "try: main()\n"
        "except SystemExit: sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0
    assert "glissando 0.1" in run("--version")


def test_a_first_evening(folder: Path, tmp_path: Path) -> None:
    place = tmp_path / "library"
    said = run("index", folder, "-l", place)
    assert "6 added" in said and "the library has 6 tracks" in said
    seed = folder / "b100.flac"
    table = run("search", seed, "-l", place, "--faster", 1.15, "-k", 3, "--explain")
    assert "c115" in table and "timbre" in table and "rhythm" in table
    hits = json.loads(
        run(
            "search",
            seed,
            "-l",
            place,
            "--weight",
            "rhythm=1",
            "--weight",
            "timbre=0",
            "--faster",
            "1.15",
            "-f",
            "json",
        )
    )
    assert Path(hits[0]["path"]).name == "c115.ogg"
    rows = list(csv.DictReader(io.StringIO(run("search", seed, "-l", place, "-f", "csv"))))
    assert len(rows) == 5 and float(rows[0]["rhythm"]) + float(rows[0]["timbre"]) == pytest.approx(
        float(rows[0]["score"]), abs=1e-5
    )
    playlist = run("search", seed, "-l", place, "-f", "m3u8").splitlines()
    assert playlist[0] == "#EXTM3U" and Path(playlist[2]).exists()
    assert "c115" in run("search", "--tempo", "112-118", "-l", place)
    assert "Nothing fits" in run("search", seed, "--tempo", "300-310", "-l", place)
    assert "-" in run("search", f"{seed}@0:02-0:18", "-l", place, "--moments", "-k", 2)
    status = json.loads(run("library", "status", "-l", place, "--json"))
    assert status["tracks"] == 6 and {b["name"] for b in status["blocks"]} == {"timbre", "rhythm", "chroma"}
    assert "6 tracks" in run("library", "status", "-l", place)
    assert "well" in run("library", "verify", "-l", place)
    assert "Compacted" in run("library", "compact", "-l", place)
    run("library", "export", tmp_path / "all.parquet", "-l", place)
    assert pq.read_table(tmp_path / "all.parquet").num_rows == 6
    np.savez(tmp_path / "mine.npz", path=[str(folder / "a80.wav")], vector=np.ones((1, 4)))
    assert "1 tracks have a vector" in run(
        "library", "import", tmp_path / "mine.npz", "-b", "mine", "-s", "m1", "-l", place
    )
    assert "1 tracks removed" in run("library", "remove", folder / "a80.wav", "-l", place)
    assert "1 added, 5 unchanged" in run("index", folder, "-l", place)


def test_errors_are_one_sentence_with_exit_code_1(folder: Path, tmp_path: Path) -> None:
    place = tmp_path / "library"
    Library.open(place, blocks={"rhythm": "rhythm"}).add(folder)
    for words, sentence in (
        (("search", "x", "-l", tmp_path / "nowhere"), "there is no library here; make one with: gliss index FOLDER"),
        (("search", "nothing", "-l", place), "neither a file nor words"),
        (("search", "a80", "-l", place, "--faster", "0.8"), "--faster 0.8 is outside 1..4"),
        (("search", "a80", "-l", place, "--faster", "1.1", "--slower", "1.1"), "exclude each other"),
        (("search", "a80", "-l", place, "--weight", "rhythm"), "has no number"),
        (("index", tmp_path / "never", "-l", place), "no such file or folder"),
        (("index", folder, "-l", place, "-e", "timbre=musicn"), "did you mean"),
        (("models", "get", "musicnn"), "there is no encoder 'musicnn'"),
        (("tags", folder, "-e", "rhythm"), "rhythm has no tags"),
        (("embed", folder, "-o", tmp_path / "x.txt"), "ends in .npz or .parquet"),
        (("map", "-l", place, "-o", tmp_path / "x.png"), "ends in .html"),
    ):
        said = run(*words, code=1)
        assert sentence in said and said.strip().count("\n") == 0, said
    assert "is none of" in run("search", "a80", "-f", "xml", code=2)


def test_describing_files(folder: Path, tmp_path: Path) -> None:
    (folder / "broken.wav").write_bytes(b"no")
    said = run("tempo", folder, code=3)
    assert "e138.wav" in said and "BPM" in said and "broken.wav: is not audio" in said
    rows = json.loads(run("tempo", folder / "c115.ogg", "-f", "json"))
    assert rows[0]["bpm"] == pytest.approx(115, rel=0.03)
    tags = json.loads(run("tags", folder / "c115.ogg", "-f", "json", "-n", 3, "-e", "musicnn-mtt"))
    assert len(tags[0]["tags"]) == 3
    assert "c115.ogg" in run("tags", folder / "c115.ogg")
    run("embed", folder, "-o", tmp_path / "v.npz", code=3)
    with np.load(tmp_path / "v.npz", allow_pickle=False) as arrays:
        assert (
            arrays["musicnn-msd"].shape == (6, 200)
            and arrays["gliss-tempo"].shape == (6, 240)
            and len(arrays["path"]) == 6
        )
    run("embed", folder / "a80.wav", "-o", tmp_path / "v.parquet", "-e", "rhythm", "--frames")
    table = pq.read_table(tmp_path / "v.parquet")
    assert table.column_names == ["path", "encoder", "time", "vector"] and table["time"][0].as_py() == 7.5


def test_models_are_listed_with_licence_size_space_and_presence(tmp_path: Path) -> None:
    rows = {row["name"]: row for row in json.loads(run("models", "list", "--json"))}
    assert rows["musicnn-msd"]["licence"] == "ISC" and rows["musicnn-msd"]["present"]
    assert rows["mule"]["licence"].startswith("code GPL-3.0") and rows["mule"]["notice"]
    assert rows["rhythm"]["size_mb"] == 0 and rows["rhythm"]["space_id"].startswith("rhythm:")
    assert "CC BY-NC" in run("models", "list")
    assert "here already" in run("models", "get", "musicnn-msd")
    assert "holds no model.safetensors" in run("models", "get", "mule", "--from", tmp_path, code=1)


@pytest.mark.parametrize("words", [("probe", "rhythm", "--data", "esc10"), ("distance", "a", "b"), ("train", "--list")])
def test_without_the_extra_train_there_is_one_sentence(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lightning.py").write_text("raise ModuleNotFoundError('No module named lightning', name='lightning')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    said = run(*words, code=1)
    assert 'this needs lightning, which is in the extra "train"' in said and len(said.strip().splitlines()) == 1


def test_progress_is_told(folder: Path, tmp_path: Path) -> None:
    steps = []
    Library.open(tmp_path / "library", blocks={"rhythm": "rhythm"}).add(folder, on_progress=steps.append)
    done = [step.done for step in steps]
    assert done == sorted(done) and set(done) >= {1, 2, 3, 4, 5, 6}
    assert any(step.audio_seconds > 0 for step in steps if step.done == 0), "also told within a file"
    assert steps[-1].done_bytes == steps[-1].total_bytes > 0
    assert steps[-1].audio_seconds == pytest.approx(120, abs=1)


def test_names_from_strangers_are_only_shown(tmp_path: Path) -> None:
    music = tmp_path / "[red]music"
    music.mkdir()
    write(music / "[bold]'; DROP TABLE tracks --.wav", song(100))
    write(music / "</script><b>.wav".replace("/", "_"), song(120))
    place = tmp_path / "library"
    Library.open(place, blocks={"rhythm": "rhythm"}).add(music)
    said = CliRunner().invoke(app, ["search", "DROP", "-l", str(place)])
    assert said.exit_code == 0
    listing = run("search", str(music / "<_script><b>.wav"), "-l", place)
    assert "[bold]'; DROP TABLE tracks --" in listing
