"""Broken files among good ones, decoders that crash or hang, and kill -9 at any moment."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import song

from glissando import Library
from glissando.audio import write
from glissando.library import decoding, health

GOOD, EACH = 20, 5

# One track a commit, so that a kill can fall between any two writes.
INDEX = "import glissando.library.ingest as i; i.FLUSH_TRACKS = 1; from glissando.cli import main; main()"


def break_files(folder: Path) -> dict[str, int]:
    """Fifty broken files of ten kinds, five each: name of the kind to the number of files."""
    rng = np.random.default_rng(0)
    healthy = folder.parent / "healthy.flac"
    write(healthy, song(120, seconds=8))
    flac = healthy.read_bytes()
    nan = song(100, seconds=1).samples.copy()
    nan[500] = np.nan

    def sound(samples: np.ndarray):
        return lambda path: soundfile.write(path, samples, 16_000, subtype="FLOAT", format="WAV")

    def content(data: bytes):
        return lambda path: path.write_bytes(data)

    kinds = {
        "empty.mp3": content(b""),
        "text.mp3": content(b"lyrics and nothing else\n" * 50),
        "page.ogg": content(b"<html><body>404 not found</body></html>" * 20),
        "zeros.wav": content(bytes(20_000)),
        "random.flac": content(rng.bytes(20_000)),
        "header.wav": content(b"RIFF\x24\x00\x00\x80WAVEfmt \x10\x00"),
        "cut.flac": content(flac[: len(flac) // 2]),
        "nan.wav": sound(nan),
        "silent.wav": sound(np.zeros(16_000, np.float32)),
        "one.wav": sound(np.array([0.5], np.float32)),
    }
    for kind, make in kinds.items():
        for i in range(EACH):
            make(folder / f"{i} {kind}")
    return dict.fromkeys(kinds, EACH)


@pytest.fixture
def music(tmp_path: Path) -> Path:
    folder = tmp_path / "music"
    folder.mkdir()
    for i in range(GOOD):
        write(folder / f"good{i:02}.{'wav' if i % 2 else 'ogg'}", song(70 + 5 * i, seconds=9, seed=i))
    return folder


def gliss(*words: object, code: str = "from glissando.cli import main; main()") -> list[str]:
    return [sys.executable, "-c", code, *map(str, words)]


def test_fifty_broken_files_among_twenty_good_ones(music: Path, tmp_path: Path) -> None:
    kinds = break_files(music)
    place = tmp_path / "library"
    Library.open(place, blocks={"rhythm": "rhythm"})
    run = subprocess.run(gliss("index", music, "-l", place, "-q"), capture_output=True, text=True, check=False)
    assert run.returncode == 3
    assert "20 added" in run.stdout
    assert "50 files could not be read" in run.stderr
    for kind in kinds:
        for i in range(EACH):
            assert f"{i} {kind}: " in run.stderr, "every bad file is named with its reason"
    assert "Traceback" not in run.stderr
    library = Library.open(place, create=False)
    assert len(library) == GOOD
    assert health.verify(library.store) == []
    again = subprocess.run(gliss("index", music, "-l", place, "-q"), capture_output=True, text=True, check=False)
    assert again.returncode == 3 and "20 unchanged" in again.stdout


def test_kill_at_any_moment_loses_and_doubles_nothing(music: Path, tmp_path: Path) -> None:
    place = tmp_path / "library"
    Library.open(place, blocks={"rhythm": "rhythm"})
    rng = random.Random(0)
    seen = 0
    partly = 0
    subprocess.run(gliss("index", music / "good00.ogg", "-l", place, "-q", code=INDEX), check=True)
    written = place / "segments.lance" / "data"
    for _ in range(10):
        wanted = len([*written.iterdir()]) + rng.randint(0, 2)
        process = subprocess.Popen(
            gliss("index", music, "-l", place, "-q", "-j", 2, code=INDEX), stdout=subprocess.DEVNULL
        )
        while process.poll() is None and len([*written.iterdir()]) < wanted:
            time.sleep(0.002)
        time.sleep(rng.uniform(0, 0.08))  # before, between or after the writes of the next track
        process.send_signal(signal.SIGKILL)
        process.wait()
        library = Library.open(place, create=False)
        tracks = library.store.rows("tracks", ["id", "path", "rhythm"])
        paths, ids = tracks["path"].to_pylist(), set(tracks["id"].to_pylist())
        assert len(paths) == len(set(paths)), "no track twice"
        assert len(paths) >= seen, "nothing written is lost"
        seen = len(paths)
        owners = set(library.store.rows("segments", ["track_id"])["track_id"].to_pylist())
        assert ids <= owners, "a track is there with its segments or not at all"
        assert tracks["rhythm"].null_count == 0
        assert len(library.search(paths[0], k=50)) == len(paths) - 1
        partly += 1 < seen < GOOD
    assert partly, "at least one kill must have fallen into the middle of the work"
    subprocess.run(gliss("index", music, "-l", place, "-q"), check=True)
    library = Library.open(place, create=False)
    assert len(library) == GOOD
    assert health.verify(library.store) == []


def test_ctrl_c_keeps_what_is_done(music: Path, tmp_path: Path) -> None:
    place = tmp_path / "library"
    Library.open(place, blocks={"rhythm": "rhythm"})
    for i in range(60):  # enough work to be interrupted in
        write(music / f"more{i}.wav", song(60 + i, seconds=20, seed=i))
    process = subprocess.Popen(
        gliss("index", music, "-l", place, "-q", "-j", 1, code=INDEX), stderr=subprocess.PIPE, text=True
    )
    written = place / "segments.lance" / "data"
    while process.poll() is None and not (written.exists() and [*written.iterdir()]):
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "the same command goes on from here" in said
    library = Library.open(place, create=False)
    assert 0 < len(library) < GOOD + 60
    assert health.verify(library.store) == []


def test_a_decoder_that_crashes_costs_one_file(music: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker is a process: what kills it must not kill the run."""
    fatal = tmp_path / "sitecustomize.py"
    fatal.write_text(
        "import os, sys\n"
        "if 'glissando.audio.worker' in ' '.join(sys.orig_argv):\n"
        "    import pathlib\n"
        "    real = pathlib.Path.stat\n"
        "    def stat(self, **options):\n"
        "        if self.name == 'good05.wav': os.abort()\n"
        "        if self.name == 'good07.wav':\n"
        "            import time; time.sleep(3600)\n"
        "        return real(self, **options)\n"
        "    pathlib.Path.stat = stat\n"
    )
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *sys.path]))
    monkeypatch.setattr(decoding, "PATIENCE", 3.0)
    library = Library.open(tmp_path / "library", blocks={"rhythm": "rhythm"})
    report = library.add(music, jobs=2)
    assert report.added == GOOD - 2
    reasons = {Path(failure.path).name: failure.reason for failure in report.failed}
    assert "the decoder crashed (exit code -6)" in reasons["good05.wav"]
    assert "the decoder hung" in reasons["good07.wav"]


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux to measure memory")
def test_a_ten_hour_file_is_read_in_blocks(tmp_path: Path) -> None:
    """Ten hours at 8 kHz as 16-bit wav; the decoder's own memory is measured."""
    path = tmp_path / "long.wav"
    block = (song(120, seconds=60, rate=8_000).samples * 30_000).astype(np.int16)
    with soundfile.SoundFile(path, "w", 8_000, 1, subtype="PCM_16") as out:
        for _ in range(600):
            out.write(block)
    code = (
        "import re, sys; from pathlib import Path; from glissando.audio import AudioStream\n"
        "with AudioStream(sys.argv[1]) as s: n = sum(len(b) for b in s.mono(16000))\n"
        "print(n, re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1])"
    )
    run = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    samples, kilobytes = map(int, run.stdout.split())
    assert samples == 36_000 * 16_000
    assert kilobytes < 300_000
