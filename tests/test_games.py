"""Music of games: where packages say who made what, what is taken of a recording, and that no split leaks."""

from __future__ import annotations

import json
import shutil
import subprocess
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile

from glissando.data import build, load, official
from glissando.data.builders import games
from glissando.data.copyright import Copyright
from glissando.data.packages import fetch, packages_in, recordings
from glissando.errors import RecipeError

RATE = 8_000
STANZAS = """Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/

Files: *
Copyright: 2001-2009, The Project Team
License: GPL-2+

Files: data/music/*.wav
Copyright: 2010, 2012 Ann Lee <ann@example.org>
  © 2011 Bo Ek & Cy Day
License: CC-BY-SA-3.0
 The whole text
 .
 of it.

Files: data/music/[demo].wav debian/extra?.wav
Copyright: Someone
License: CC0-1.0
"""


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLISSANDO_CACHE", str(tmp_path / "cache"))


def recording(path: Path, *, seconds: float = 42.0, artist: str | None = None, seed: int = 0) -> Path:
    """Noise; of its own for every seed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng([seed, *path.as_posix().encode()]).uniform(-0.5, 0.5, int(seconds * RATE))
    with soundfile.SoundFile(path, "w", RATE, 1) as file:
        if artist:
            file.artist = artist
        file.write(noise)
    return path


def copyrighted(root: Path, package: str, text: str) -> None:
    file = root / package / "usr" / "share" / "doc" / package / "copyright"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


def test_the_last_stanza_that_matches_counts(tmp_path: Path) -> None:
    copyrighted(tmp_path, "game", STANZAS)
    rights = Copyright.of_package(tmp_path / "game")

    def licence(name: str) -> str | None:
        stanza = rights.of(name)
        return stanza.licence if stanza else None

    assert licence("usr/share/game/readme") == "GPL-2+"
    assert licence("usr/share/game/data/music/old/a.wav") == "CC-BY-SA-3.0"  # the star goes over slashes
    assert licence("usr/share/game/music/a.wav") == "CC-BY-SA-3.0"  # packaging dropped a folder
    assert licence("usr/share/game/data/music/[demo].wav") == "CC0-1.0"
    assert licence("usr/share/game/data/music/d.wav") == "CC-BY-SA-3.0"  # brackets are no choice of letters
    assert licence("debian/extra1.wav") == "CC0-1.0" and licence("debian/extra12.wav") == "GPL-2+"


def test_a_copyright_file_for_people_alone(tmp_path: Path) -> None:
    copyrighted(tmp_path, "old", "See /usr/share/common-licenses/GPL-2 file.\n\nFiles: everything")
    old, none = Copyright.of_package(tmp_path / "old"), Copyright.of_package(tmp_path / "none")
    assert old.of("a.wav") is None and old.otherwise == "GPL-2"
    assert none.otherwise == "see the copyright file of none"


def test_titles_composers_and_licences(tmp_path: Path) -> None:
    copyrighted(tmp_path, "game", STANZAS)
    music = tmp_path / "game" / "usr" / "share" / "game" / "data" / "music"
    recording(music / "a.wav")
    recording(music / "b.wav", artist="Di Fox (Foxy) and http://www.eve.com")
    recording(music / "level.1" / "c..wav")
    recording(music / "level.2" / "c..wav")
    recording(music.parent / "sfx" / "rain.wav")
    recording(tmp_path / "game" / "x.flac", artist="<Unknown>")
    build("game-music", tmp_path)
    found = {key: entry.annotations.labels for key, entry in load("game-music").items()}
    assert sorted(found) == [
        "game+++a", "game+++b", "game+++level_1+++c_", "game+++level_2+++c_", "game+++x"
    ]  # fmt: skip
    assert found["game+++a"]["composer"] == ("Ann Lee", "Bo Ek", "Cy Day")
    assert found["game+++b"]["composer"] == ("Di Fox",) and found["game+++b"]["licence"] == ("CC-BY-SA-3.0",)
    assert "composer" not in found["game+++x"] and found["game+++x"]["licence"] == ("GPL-2+",)
    assert found["game+++a"]["title"] == ("a",) and found["game+++a"]["game"] == ("game",)


def test_no_game_and_no_composer_is_on_two_sides(tmp_path: Path) -> None:
    makers = {
        "xmoto-data": ("Ann Lee", "Bo Ek"),
        "drascula-music": ("Zhaytee",),
        "pushover-data": ("Cy Day", "ann lee"),
        "new-game": ("Di Fox", "CY-DAY & Di Fox", "Bo Ek", "Joseph G. Toscano", None),
    }
    for game, names in makers.items():
        for i, name in enumerate(names):
            recording(tmp_path / game / f"{i}.wav", artist=name)
    build("game-music", tmp_path)
    data = load("game-music")
    split = official(data)
    assert split.parts == {
        "train": ("new-game+++0", "new-game+++4"),
        "valid": ("pushover-data+++0",),
        "test": ("drascula-music+++0", "xmoto-data+++0", "xmoto-data+++1"),
    }
    split.check(data)
    assert {"artist", "album"} <= set(data.group_kinds())
    assert data["pushover-data+++1"].annotations.labels["part"] == ("unused",)


def test_the_middle_of_long_recordings_and_all_of_short_ones(tmp_path: Path) -> None:
    samples = np.zeros(200 * RATE)
    samples[100 * RATE : 100 * RATE + 40] = 0.9
    path = tmp_path / "game" / "long.wav"
    recording(path)
    soundfile.write(path, samples, RATE)
    recording(tmp_path / "game" / "short.wav", seconds=45)
    build("game-music", tmp_path)
    data = load("game-music")
    long = data["game+++long"]
    assert long.duration == pytest.approx(150, abs=0.01) and data["game+++short"].duration == pytest.approx(
        45, abs=0.01
    )
    assert np.abs(long.read()).argmax() / long.sample_rate == pytest.approx(75, abs=0.02)
    assert long.bandwidth == RATE / 2


def test_tempo_is_given_where_models_agree_on_this_very_recording(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = {"agreed": (120.0, 117.0), "octave": (120.0, 60.0), "other": (90.0, 90.0)}
    for name in rows:
        recording(tmp_path / "packages" / "game" / f"{name}.wav")
    known = {one.path.stem: one.sha256 for one in recordings(tmp_path / "packages", ["game"])}
    table = {
        f"game+++{name}": {"sha256": known[name][:12] if name != "other" else "0" * 12, "fcn": fcn, "cnn": cnn}
        for name, (fcn, cnn) in rows.items()
    }
    (tmp_path / "tempo.json").write_text(json.dumps(table))
    monkeypatch.setattr(games, "TEMPO", tmp_path / "tempo.json")
    labels = {source.key: source.annotate().labels for source in games.game_music(tmp_path / "packages")}
    assert {key: one.get("tempo") for key, one in labels.items()} == {
        "game+++agreed": ("120",),
        "game+++octave": None,
        "game+++other": None,
    }


def test_the_table_of_tempi_in_the_package() -> None:
    table = json.loads(games.TEMPO.read_text())
    agreed = [one for one in table.values() if abs(one["fcn"] / one["cnn"] - 1) <= games.AGREE]
    assert all(30 <= one[model] <= 286 for one in table.values() for model in ("fcn", "cnn"))
    assert len(agreed) > len(table) / 2 > 100
    assert {key.partition("+++")[0] for key in table} <= {*games.TEST, *games.VALID, *games.TRAIN}


@pytest.mark.skipif(
    not (shutil.which("apt-get") and shutil.which("dpkg-deb")), reason="packages are fetched by apt-get and dpkg-deb"
)
def test_packages_are_unpacked_and_what_can_not_be_had_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tree = tmp_path / "tree"
    inside, outside = recording(tmp_path / "inside.wav"), recording(tree / "usr" / "share" / "outside.wav")
    (outside.parent / "picture.png").write_bytes(b"no sound")
    (outside.parent / "link.wav").symlink_to("/etc/passwd")
    copyrighted(tmp_path, "tree", STANZAS)
    for name, member in (("data.pk3", "music/inside.wav"), ("hostile.zip", "../../escaped.wav")):
        with zipfile.ZipFile(outside.parent / name, "w") as archive:
            archive.write(inside, member)
    (outside.parent / "broken.pk3").write_bytes(b"no archive")
    (tree / "DEBIAN").mkdir()
    (tree / "DEBIAN" / "control").write_text(
        "Package: tree\nVersion: 1\nArchitecture: all\nMaintainer: A <a@example.org>\nDescription: music\n"
    )
    folder = tmp_path / "packages"
    (folder / "downloads").mkdir(parents=True)
    subprocess.run(["dpkg-deb", "-b", tree, folder / "downloads" / "tree_1_all.deb"], check=True, capture_output=True)
    fetch(["tree", "no-package-of-this-name"], folder)
    assert "no-package-of-this-name: is left out" in caplog.text and "broken.pk3" in caplog.text
    unpacked = folder / "tree"
    files = sorted(path.relative_to(unpacked).as_posix() for path in unpacked.rglob("*") if path.is_file())
    assert files == [
        "usr/share/data/music/inside.wav",
        "usr/share/doc/tree/copyright",
        "usr/share/hostile/escaped.wav",
        "usr/share/outside.wav",
    ]
    assert packages_in(folder) == ["tree"] and not list((folder / "downloads").iterdir())
    (unpacked / "mark").touch()
    fetch(["tree"], folder)  # it is there: nothing is asked of apt-get
    assert (unpacked / "mark").exists()


def test_without_apt_get(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RecipeError, match=r"fetched with apt-get, which is not on this computer.*--from DIR"):
        build("game-music")
