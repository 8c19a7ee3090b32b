"""One contract over all builders, each on a tiny copy of its official layout that the test makes."""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import h5py
import mido
import numpy as np
import pytest
import scipy.io

from glissando.audio import Audio, write
from glissando.audio.scores import soundfonts
from glissando.data import (
    BUILDERS,
    GROUPS,
    Annotations,
    DataSet,
    build,
    card,
    data_folder,
    folds,
    frame_times,
    load,
    names,
    official,
    official_fold,
    official_folds,
    pitch_matrix,
    read_notes,
    read_score,
    split_by,
)
from glissando.data.builders import mixtures
from glissando.data.soundfonts import FREE, installed
from glissando.errors import RecipeError

RATE = 8_000


def sound(path: Path, *, seconds: float = 0.6, frequency: float = 440.0, channels: int = 1) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    wave = 0.5 * np.sin(2 * np.pi * frequency * np.arange(int(seconds * RATE)) / RATE)
    write(path, Audio(np.tile(wave.astype(np.float32), (channels, 1)), RATE))


def table(path: Path, rows: list[dict[str, object]], delimiter: str = ",") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as out:
        writer = csv.DictWriter(out, list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)


def midi(path: Path, *, pedal: bool = False) -> None:
    """C from 0 to 0.25 s at 120 BPM, then E from 0.25 s to 0.5 s; with the pedal down until 1 s."""
    path.parent.mkdir(parents=True, exist_ok=True)
    track = mido.MidiTrack()
    if pedal:
        track.append(mido.Message("control_change", control=64, value=127))
    track += [
        mido.Message("note_on", note=60, velocity=80),
        mido.Message("note_on", note=36, velocity=80, channel=9),
        mido.Message("note_off", note=60, time=240),
        mido.Message("note_on", note=64, velocity=80),
        mido.Message("note_on", note=64, velocity=0, time=240),
        mido.Message("note_off", note=36, channel=9),
    ]
    if pedal:
        track.append(mido.Message("control_change", control=64, value=0, time=480))
    file = mido.MidiFile(ticks_per_beat=480)
    file.tracks.append(track)
    file.save(path)


def maps(root: Path) -> int:
    for piano, piece in (("AkPnBcht", "one"), ("AkPnBcht", "two"), ("SptkBGCl", "three"), ("ENSTDkCl", "two")):
        stem = root / piano / "MUS" / f"MAPS_MUS-{piece}_{piano}"
        sound(stem.with_suffix(".ogg"))
        stem.with_suffix(".txt").write_text("OnsetTime\tOffsetTime\tMidiPitch\n0.1\t0.3\t60\n0.2\t0.59\t64\n")
    return 4


def maestro(root: Path) -> int:
    rows = []
    for i, split in enumerate(("train", "validation", "test")):
        midi(root / f"2018/{i}.midi")
        sound(root / f"2018/{i}.wav")
        about = {"canonical_composer": "B", "canonical_title": f"T, {i}", "split": split, "year": 2018}
        rows.append({**about, "midi_filename": f"2018/{i}.midi", "audio_filename": f"2018/{i}.wav", "duration": 1})
    table(root / "maestro-v3.0.0.csv", rows)
    return 3


def asap(root: Path) -> int:
    rows = []
    for name in ("Bach/Fugue/a", "Bach/Fugue/b"):
        midi(root / f"{name}.mid")
        (root / f"{name}_annotations.txt").write_text("0.0\t0.0\tdb,4/4,0\n0.25\t0.25\tb\n")
        rows.append(
            {
                "composer": "Bach",
                "title": "Fugue",
                "midi_performance": f"{name}.mid",
                "performance_annotations": f"{name}_annotations.txt",
            }
        )
    table(root / "asap" / "metadata.csv", rows)
    (root / "Bach").rename(root / "asap" / "Bach")
    return 2


def pop909(root: Path) -> int:
    for song in ("001", "002"):
        place = root / "POP909" / song
        midi(place / f"{song}.mid")
        midi(place / "versions" / f"{song}-v1.mid")
        (place / "chord_midi.txt").write_text("0.0\t0.25\tC:maj\n0.25\t0.5\tN\n")
        (place / "beat_midi.txt").write_text("0.0 1.0 1.0\n0.25 0.0 0.0\n")
    return 4


def bach10(root: Path) -> int:
    for name in ("01-Ach", "02-Christ"):
        place = root / "Bach10_v1.1" / name
        for suffix in ("", "-violin", "-clarinet", "-saxphone", "-bassoon"):
            sound(place / f"{name}{suffix}.wav")
        pitches = np.repeat([[72.0], [67.25], [0.0], [48.0]], 50, axis=1)
        scipy.io.savemat(place / f"{name}-GTF0s.mat", {"GTF0s": pitches})
    return 10


def musicnet(root: Path) -> int:
    for part, number in (("train", "1727"), ("train", "1728"), ("test", "1759")):
        sound(root / f"{part}_data" / f"{number}.wav")
        note = {"start_time": 4410, "end_time": 22050, "instrument": 1, "note": 60, "start_beat": 0, "end_beat": 1}
        table(root / f"{part}_labels" / f"{number}.csv", [{**note, "note_value": "Quarter, dotted"}])
    ids = [{"id": i, "composer": "B", "composition": f"C{i}", "ensemble": "Trio"} for i in (1727, 1728, 1759)]
    table(root / "musicnet_metadata.csv", ids)
    return 3


def gtzan(root: Path) -> int:
    for genre in ("blues", "jazz"):
        for i in range(3):
            sound(root / "genres" / genre / f"{genre}.{i:05}.wav")
    for i, part in enumerate(("train", "valid", "test")):
        (root / f"{part}_filtered.txt").write_text(f"blues/blues.{i:05}.wav\njazz/jazz.{i:05}.wav\n")
    return 6


def magnatagatune(root: Path) -> int:
    rows, info = [], []
    for i, place in enumerate("0bcf"):
        path = f"{place}/artist{i}-album-01-song-0-29.mp3"
        sound(root / path)
        rows.append({"clip_id": i, "no voice": i % 2, "guitar": 1, "mp3_path": path})
        info.append(
            {"clip_id": i, "artist": f"artist {i}", "album": f"al{i}", "original_url": f"u{i}", "mp3_path": path}
        )
    table(root / "annotations_final.csv", rows, "\t")
    table(root / "clip_info_final.csv", info, "\t")
    return 4


def rwc(root: Path) -> int:
    for i, path in enumerate(("rwc-p-m01/1.wav", "audio/N002-M01-T02.wav", "audio/RM-P003.wav"), start=1):
        sound(root / path)
        lab = root / "AIST.RWC-MDB-P-2001.CHORD" / "RWC_Pop_Chords" / f"N{i:03}-M01-T{i:02}.lab"
        lab.parent.mkdir(parents=True, exist_ok=True)
        lab.write_text("0.0\t0.3\tN\n0.3\t0.9\tG#:min7\n")
    return 3


def cover80(root: Path) -> int:
    for song in ("Help", "Yesterday"):
        for artist in ("beatles", "other"):
            sound(root / "covers32k" / song / f"{artist}+Album+01-{song}.mp3")
    return 4


def cover1000(root: Path) -> int:
    for work in ("1", "2"):
        for take in ("a", "b"):
            sound(root / "Covers1000" / work / f"{take}.ogg")
    return 4


def da_tacos(root: Path) -> int:
    about = {"W_1": {"P_1": {"perf_artist": "A", "perf_title": "T"}, "P_2": {"perf_artist": "B"}}, "W_2": {"P_3": {}}}
    path = root / "da-tacos_metadata" / "da-tacos_benchmark_subset_metadata.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(about))
    for work, performances in about.items():
        for performance in performances:
            file = root / "da-tacos_benchmark_subset_crema" / f"{work}_crema" / f"{performance}_crema.h5"
            file.parent.mkdir(parents=True, exist_ok=True)
            with h5py.File(file, "w") as out:
                out["crema"] = np.full((12, 30), 0.25)
    return 3


def nsynth(root: Path) -> int:
    """An instrument a part, two families; as published, a validation instrument is tested, too."""
    notes = {
        "train": ["guitar_acoustic_001-060-100", "guitar_acoustic_001-062-050", "bass_synthetic_001-060-100"],
        "valid": ["guitar_acoustic_002-060-100", "guitar_electronic_003-060-100"],
        "test": ["guitar_electronic_003-064-025", "bass_electronic_004-060-100"],
    }
    for part, named in notes.items():
        table = {}
        for name in named:
            sound(root / f"nsynth-{part}" / "audio" / f"{name}.wav", seconds=4)
            instrument, pitch, velocity = name.rsplit("-", 2)
            family, source, _ = instrument.split("_")
            table[name] = {
                "note": 1, "note_str": name, "instrument": 7, "sample_rate": 16000, "pitch": int(pitch),
                "velocity": int(velocity), "instrument_str": instrument, "instrument_family": 3,
                "instrument_family_str": family, "instrument_source": 0, "instrument_source_str": source,
                "qualities": [1] + [0] * 9, "qualities_str": ["bright"],
            }  # fmt: skip
        (root / f"nsynth-{part}" / "examples.json").write_text(json.dumps(table))
    return 7


def musdb18(root: Path) -> int:
    songs = (("train", "A - One"), ("train", "Actions - One Minute Smile"), ("test", "B - Two"))
    for part, song in songs:
        for stem in ("mixture", "drums", "bass", "other", "vocals"):
            sound(root / part / song / f"{stem}.wav", channels=2)
    return 15


def fsd50k(root: Path) -> int:
    for i, part in enumerate(("dev", "dev", "eval")):
        sound(root / f"FSD50K.{part}_audio" / f"{i}.wav")
    about: dict[str, object] = {"labels": "Guitar,Music", "mids": "/m/1,/m/2"}
    rows = [{"fname": i, **about, "split": split} for i, split in enumerate(("train", "val"))]
    table(root / "FSD50K.ground_truth" / "dev.csv", rows)
    table(root / "FSD50K.ground_truth" / "eval.csv", [{"fname": 2, "labels": "Bark", "mids": "/m/3"}])
    for part, ids in (("dev", "01"), ("eval", "2")):
        path = root / "FSD50K.metadata" / f"{part}_clips_info_FSD50K.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({key: {"uploader": f"u{key}"} for key in ids}))
    return 3


def esc50(root: Path) -> int:
    rows = []
    for fold in range(1, 6):
        for free in (True, False):
            name = f"{fold}-{fold}0{free:d}-A-{free:d}.wav"
            sound(root / "audio" / name)
            row = {"filename": name, "fold": fold, "target": int(free), "category": "dog" if free else "hen"}
            rows.append({**row, "esc10": free, "src_file": f"{fold}0{free:d}", "take": "A"})
    table(root / "meta" / "esc50.csv", rows)
    return 10


def esc10(root: Path) -> int:
    return esc50(root) // 2


def urbansound8k(root: Path) -> int:
    rows = []
    for fold in (1, 2, 10):
        name = f"{fold}00-2-0-0.wav"
        sound(root / "audio" / f"fold{fold}" / name)
        row = {"slice_file_name": name, "fsID": f"{fold}00", "start": 0, "end": 4, "salience": 1, "fold": fold}
        rows.append({**row, "classID": 2, "class": "children_playing"})
    table(root / "metadata" / "UrbanSound8K.csv", rows)
    return 3


def instruments(root: Path) -> int:
    sound(root / "audio" / "Cello" / "1.ogg")
    sound(root / "audio" / "Flute" / "1.ogg")
    table(root / "labels.csv", [{"file": f"audio/{name}/1.ogg", "label": name} for name in ("Cello", "Flute")])
    return 2


def instrument_mixtures(root: Path) -> int:
    files = [(f"{name}/{i}.wav", name, 300 + 100 * i) for name in ("Cello", "Flute", "Hi_hat") for i in range(4)]
    for file, _, frequency in files:
        sound(root / file, frequency=frequency)
    table(root / "labels.csv", [{"file": file, "label": name} for file, name, _ in files])
    return 48


def urban_mixtures(root: Path) -> int:
    rows = []
    for fold in (1, 2):
        for name in ("dog_bark", "siren", "jackhammer"):
            file = f"{fold}{name}.wav"
            sound(root / "audio" / f"fold{fold}" / file, frequency=200 * fold + 10 * len(name))
            rows.append({"slice_file_name": file, "fsID": f"{fold}{name}", "fold": fold, "class": name})
    table(root / "metadata" / "UrbanSound8K.csv", rows)
    return 6


def guitar_notes(root: Path) -> int:
    rows = []
    for take in (1, 2):
        sound(root / "emily" / f"a_{take}.ogg")
        row = {"file": f"emily/a_{take}.ogg", "instrument": "electric guitar", "midi_pitch": 45, "dynamic": "f"}
        rows.append({**row, "articulation": "note", "take": take})
    sound(root / "emily" / "noise.ogg")
    noise = {"file": "emily/noise.ogg", "instrument": "electric guitar", "midi_pitch": "", "dynamic": ""}
    table(root / "notes.csv", [*rows, {**noise, "articulation": "pickrest", "take": 1}])
    return 3


def game_music(root: Path) -> int:
    """Three games with a piece each; and what is left out: a jingle, the same content again, a link."""
    for seconds, package in ((155, "wesnoth-1.16-music"), (160, "pushover-data"), (165, "zaz-data")):
        sound(root / package / "usr" / "share" / "games" / "music" / "theme.ogg", seconds=seconds)
    music = root / "zaz-data" / "usr" / "share" / "games" / "music"
    sound(music / "jingle.ogg", seconds=30)
    shutil.copy(music / "theme.ogg", music / "title.ogg")
    (music / "link.ogg").symlink_to(root / "pushover-data" / "usr" / "share" / "games" / "music" / "theme.ogg")
    return 3


def pop909_renders(root: Path) -> int:
    for song in ("001", "002"):
        midi(root / song / f"{song}.mid")
    return 2


def takes() -> int:
    """How often every piece is played at exact tempi: by every soundfont, and twice by free ones."""
    return sum(2 if font.stem in FREE else 1 for font in soundfonts())


def tempo_renders(root: Path) -> int:
    """A song of 120 beats of uneven length, on every one a chord."""
    place = root / "001"
    place.mkdir(parents=True)
    lengths = 0.5 + 0.15 * np.sin(np.arange(120))
    times = np.cumsum(lengths)
    file, track, clock = mido.MidiFile(ticks_per_beat=480), mido.MidiTrack(), 0
    for time in times:
        for at, kind in ((time, "note_on"), (time + 0.2, "note_off")):
            for pitch in (40, 60, 76):
                tick = round(at * 960)  # 120 BPM
                track.append(mido.Message(kind, note=pitch, velocity=80, time=tick - clock))
                clock = tick
    file.tracks.append(track)
    file.save(place / "001.mid")
    lines = [f"{time} {1 - i % 2}.0 {float(i % 4 == 0)}" for i, time in enumerate(times)]
    (place / "beat_midi.txt").write_text("\n".join(lines))
    changes = [(since, until, name) for since, until, name in zip(times[:-2:2], times[2::2], "CFG" * 20, strict=False)]
    (place / "chord_midi.txt").write_text("\n".join(f"{a}\t{b}\t{name}:maj/3" for a, b, name in changes if name != "G"))
    return takes()


def grid_midi(path: Path, *, beats: int = 96, free: bool = False, meter: tuple[int, int] | None = (3, 4)) -> None:
    """A bass on every beat, a chord on every other eighth, a drum on every bar; the tempo changes all the time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng, events = np.random.default_rng(0), []
    for half in range(2 * beats):
        at = half * 240 + (int(rng.integers(-110, 110)) if free and half else 0)
        drum = [(9, 36)] if half % 6 == 0 else []
        for channel, pitch in [(0, 40), *drum] if half % 2 == 0 else [(1, 64), (1, 67)]:
            events += [(at, "note_on", channel, pitch), (at + 200, "note_off", channel, pitch)]
    file, track, clock = mido.MidiFile(ticks_per_beat=480), mido.MidiTrack(), 0
    if meter:
        track.append(mido.MetaMessage("time_signature", numerator=meter[0], denominator=meter[1]))
    track += [
        mido.Message("program_change", channel=0, program=33),
        mido.Message("control_change", control=7, value=90),
    ]
    for at, kind, channel, pitch in sorted(events):
        track.append(mido.MetaMessage("set_tempo", tempo=400_000 + at))
        track.append(mido.Message(kind, channel=channel, note=pitch, velocity=80, time=at - clock))
        clock = at
    file.tracks.append(track)
    file.save(path)


def midi_renders(root: Path) -> int:
    """One file that can be used; what is left out: the same again, and what is played freely, short, or in 7/8."""
    music = root / "openttd-openmsx" / "usr" / "share" / "music"
    grid_midi(music / "theme.mid")
    shutil.copy(music / "theme.mid", music / "title.mid")
    grid_midi(music / "free.mid", free=True)
    grid_midi(music / "short.mid", beats=40)
    grid_midi(music / "seven.mid", meter=(7, 8))
    return takes()


def chorales(root: Path) -> int:
    """Two chorales of two bars, the last note under a fermata; and one with a fifth part, which is left out."""
    import music21

    root.mkdir(exist_ok=True)
    for number, voices in ((1, 4), (2, 4), (3, 5)):
        score = music21.stream.Score()
        for voice, name in enumerate(("Soprano", "Alto", "Tenor", "Bass", "Continuo")[:voices]):
            part = music21.stream.Part()
            part.partName = name
            for pitch in (72, 74, 76, 72):
                part.append(music21.note.Note(pitch - 7 * voice, quarterLength=2.0))
            part.notes[-1].expressions.append(music21.expressions.Fermata())
            score.append(part)
        score.write("mxl", root / f"bwv{number}.mxl")
    return 10


PLAYED: dict[str, Callable[[Path], int]] = {
    "chorales": chorales,
    "midi-renders": midi_renders,
    "pop909-renders": pop909_renders,
    "tempo-renders": tempo_renders,
}
MIXED = {"instrument-mixtures": instrument_mixtures, "urban-mixtures": urban_mixtures}
LAYOUTS: dict[str, Callable[[Path], int]] = {
    "asap": asap,
    "bach10": bach10,
    "cover1000": cover1000,
    "cover80": cover80,
    "da-tacos": da_tacos,
    "esc10": esc10,
    "esc50": esc50,
    "fsd50k": fsd50k,
    "game-music": game_music,
    "gtzan": gtzan,
    "guitar-notes": guitar_notes,
    "instruments": instruments,
    "maestro": maestro,
    "magnatagatune": magnatagatune,
    "maps": maps,
    "musdb18": musdb18,
    "musicnet": musicnet,
    "nsynth": nsynth,
    "pop909": pop909,
    "rwc-pop-chord": rwc,
    "urbansound8k": urbansound8k,
}


SECONDS = {"game-music": 150.0, "nsynth": 4.0}  # of every entry; 0.6 in the others


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GLISSANDO_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def built(name: str, folder: Path) -> DataSet:
    LAYOUTS[name](folder)
    assert build(name, folder).failed == []
    return load(name)


def test_every_data_set_has_card_builder_and_test() -> None:
    assert sorted(names()) == sorted(BUILDERS) == sorted({**LAYOUTS, **PLAYED, **MIXED, "soundfont-notes": None})


@pytest.mark.parametrize("name", sorted(LAYOUTS))
def test_builder_contract(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "official"
    folder.mkdir()
    expected = LAYOUTS[name](folder)
    steps: list[tuple[int, int]] = []
    report = build(name, folder, progress=lambda done, total: steps.append((done, total)))
    assert report.failed == [] and report.entries == expected
    assert steps == [(i + 1, expected) for i in range(expected)]
    data = load(name)
    assert len(data) == expected and data.name == name
    for key, entry in data.items():
        assert entry.key == key and not key.startswith("/") and ".." not in key
        assert set(entry.groups) <= set(GROUPS)
        if entry.has_audio:
            assert entry.sample_rate == card(name).sample_rate
            assert entry.duration == pytest.approx(SECONDS.get(name, 0.6), abs=0.08)
            assert entry.bandwidth == RATE / 2  # of the source, whatever rate it is kept at
            wave = entry.read()
            assert wave.dtype == np.float32 and wave.shape == (round(entry.duration * entry.sample_rate),)
            spectrum = np.abs(np.fft.rfft(wave))
            assert spectrum.argmax() / entry.duration == pytest.approx(440, abs=4)
            assert 0.35 < np.abs(wave).max() < 0.65
        elif entry.array is None:
            assert len(entry.annotations.notes) == 2 and entry.duration == pytest.approx(0.5)
            with pytest.raises(RecipeError, match="render it first"):
                entry.read()
        else:
            assert entry.rows().shape == (30, 12) and np.all(entry.rows() == 0.25)
    before = data.content_hash()
    build(name, folder)
    assert load(name).content_hash() == before
    assert sorted(path.name for path in data_folder(name).iterdir() if "lock" not in path.name) == sorted(
        ["build.json", f"{name}.pyjama", *([] if name in ("asap", "pop909") else [f"{name}_audio.hdf5"])]
    )


needs_soundfonts = pytest.mark.skipif(
    not soundfonts(), reason="no soundfont is installed (Debian: fluidsynth, timgm6mb-soundfont)"
)


def test_missing_soundfonts_are_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("glissando.audio.scores.FOLDERS", (tmp_path,))
    with pytest.raises(RecipeError, match="no soundfont to play with; install the packages fluid-soundfont-gm"):
        installed()
    (tmp_path / "FluidR3_GM.sf2").touch()
    assert [font.stem for font in installed()] == ["FluidR3_GM"]
    assert "MuseScore_General_Full is not installed" in caplog.text and "FluidR3" not in caplog.text


@needs_soundfonts
@pytest.mark.parametrize("name", sorted(PLAYED))
def test_scores_are_played_as_they_are_annotated(name: str, tmp_path: Path) -> None:
    expected = PLAYED[name](tmp_path / "official")
    report = build(name, tmp_path / "official")
    assert report.failed == [] and report.entries == expected
    for entry in load(name).values():
        wave, rate = entry.read(), entry.sample_rate
        assert 0.05 < np.abs(wave).max() <= 0.98
        for onset, offset, pitch in entry.annotations.notes[:8]:
            assert sounds(wave[int(onset * rate) : int(offset * rate)], rate, pitch)


def sounds(piece: np.ndarray, rate: int, pitch: float) -> bool:
    """Whether a pitch, or its second or third partial, stands out."""
    spectrum = np.abs(np.fft.rfft(piece * np.hanning(len(piece)), 1 << 16))
    partials = [440 * 2 ** ((pitch - 69) / 12) * k for k in (1, 2, 3)]
    around = [spectrum[int(hz * 0.98 * 65536 / rate) : int(hz * 1.02 * 65536 / rate) + 1].max() for hz in partials]
    return max(around) > 4 * np.median(spectrum[: int(4 * partials[-1] * 65536 / rate)])


@needs_soundfonts
def test_notes_of_soundfonts_have_one_velocity_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from glissando.data.builders import soundfont_notes as notes

    smallest = min(soundfonts(), key=lambda path: path.stat().st_size)
    monkeypatch.setattr(notes, "PROGRAMS", (0, 9, 73))
    monkeypatch.setattr(notes, "installed", lambda: [smallest])
    report = build("soundfont-notes")
    assert report.entries == 16 + 15 + 15 and report.failed == []
    data = load("soundfont-notes")
    seen = {(entry.annotations.labels["instrument"], entry.annotations.labels["pitch"]) for entry in data.values()}
    assert len(seen) == len(data)
    for entry in [*data.values()][::5]:
        ((onset, offset, pitch),) = entry.annotations.notes
        wave = entry.read()
        assert 0.19 < np.abs(wave).max() < 0.91 and entry.duration == pytest.approx(2.5, abs=0.01)
        assert sounds(wave[: int(offset * entry.sample_rate)], entry.sample_rate, pitch) and onset == 0
    split = split_by(data, "clique", fractions={"train": 0.5, "valid": 0.25, "test": 0.25})
    assert len(split.of(data, "train")) == 16, "a family stays on one side"


@needs_soundfonts
def test_midi_files_are_played_at_one_tempo_by_their_own_programs(tmp_path: Path) -> None:
    midi_renders(tmp_path / "official")
    build("midi-renders", tmp_path / "official")
    for entry in load("midi-renders").values():
        labels, markers = entry.annotations.labels, entry.annotations.segments["beat"]
        beats = np.array([marker.start for marker in markers])
        np.testing.assert_allclose(np.diff(beats), 60 / float(labels["tempo"][0]), rtol=1e-3)
        assert [marker.label == "downbeat" for marker in markers][:7] == [True, False, False] * 2 + [True]
        bass = entry.annotations.notes[entry.annotations.notes[:, 2] == 40][:, 0]
        assert len(bass) == len(beats) and np.abs(bass - beats).max() < 0.06  # players are loose
        assert labels["programs"] == ("33", "0") and labels["game"] == ("openttd-openmsx",)
        assert labels["drums"] == ("yes",) or labels["take"] != ("0",)


def test_scores_keep_the_grid_and_name_meters(tmp_path: Path) -> None:
    grid_midi(tmp_path / "a.mid", beats=6, meter=None)
    score = read_score(tmp_path / "a.mid")
    assert score.meters == ((0.0, 4, 4),)
    drums = [note for note in score.notes if note.channel == 9]
    assert [(note.onset, note.pitch) for note in drums] == [(0.0, 36), (3.0, 36)]
    bass = [note for note in score.notes if note.channel == 0]
    assert [note.onset for note in bass] == [0, 1, 2, 3, 4, 5] and {note.program for note in bass} == {33}
    assert {note.volume for note in bass} == {90} and bass[0].offset == pytest.approx(200 / 480)
    assert {*read_notes(tmp_path / "a.mid")[:, 2]} == {40, 64, 67}  # without the drums
    mido.MidiFile(ticks_per_beat=480).save(tmp_path / "b.mid")
    data = bytearray((tmp_path / "b.mid").read_bytes())
    data[12:14] = (-25 & 0xFF, 40)
    (tmp_path / "b.mid").write_bytes(bytes(data))
    with pytest.raises(RecipeError, match="has no beats"):
        read_score(tmp_path / "b.mid")


@needs_soundfonts
def test_chorales_have_stems_that_sum_to_the_mixture(tmp_path: Path) -> None:
    chorales(tmp_path / "official")
    build("chorales", tmp_path / "official")
    data = load("chorales")
    assert [key for key in data if key.startswith("bwv1")] == [
        "bwv1", "bwv1-violin", "bwv1-clarinet", "bwv1-saxophone", "bwv1-bassoon"
    ]  # fmt: skip
    stems = [data[key].read() for key in data if key.startswith("bwv1-")]
    assert np.abs(sum(stems) - data["bwv1"].read()).max() < 1e-3
    mix = data["bwv1"].annotations
    assert len(mix.curves) == 4 and len(mix.notes) == 16 and mix.labels["stem"] == ("mix",)
    lengths = np.diff(mix.notes[mix.notes[:, 2] == 72][:, :2])
    assert lengths[-1] > 1.1 * lengths[0]  # the fermata
    times = frame_times(int(mix.end * 20), 20.0)
    truth = pitch_matrix(mix, times)
    notes = pitch_matrix(Annotations(mix.notes), times)
    assert (truth != notes).mean() < 1e-3  # curves and notes say the same


def test_played_sets_need_no_folder_but_others_do(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RecipeError, match="--from DIR"):
        build("maps")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(RecipeError, match="pip install music21"):
        build("chorales")


@pytest.mark.parametrize(
    "name",
    ["maps", "maestro", "musicnet", "gtzan", "magnatagatune", "nsynth", "musdb18", "fsd50k", "game-music"],
)
def test_official_splits_do_not_leak(name: str, tmp_path: Path) -> None:
    data = built(name, tmp_path / "official")
    split = official(data)
    split.check(data, groups=[kind for kind in ("piece", "recording") if kind in data.group_kinds()])
    assert all(split.parts.values()) and {"train", "test"} <= set(split.parts)


@pytest.mark.parametrize("name", ["esc50", "esc10", "urbansound8k"])
def test_official_folds_do_not_leak(name: str, tmp_path: Path) -> None:
    data = built(name, tmp_path / "official")
    for split in official_folds(data):
        split.check(data, groups=["recording"])


def test_maps_trains_on_no_piece_of_the_test(tmp_path: Path) -> None:
    data = built("maps", tmp_path / "official")
    parts = official(data).parts
    assert parts["test"] == ("MAPS_MUS-two_ENSTDkCl",)
    assert set(parts["train"]) == {"MAPS_MUS-one_AkPnBcht", "MAPS_MUS-three_SptkBGCl"}
    assert data["MAPS_MUS-one_AkPnBcht"].annotations.notes.tolist() == [[0.1, 0.3, 60.0], [0.2, 0.59, 64.0]]


def test_what_the_annotations_are(tmp_path: Path) -> None:
    bach = built("bach10", tmp_path / "bach10")
    mix, violin = bach["01-Ach"].annotations, bach["01-Ach-violin"].annotations
    assert [curve.name for curve in mix.curves] == ["violin", "clarinet", "saxphone", "bassoon"]
    assert mix.curves[0].times[:2].tolist() == [0.023, 0.033] and np.isnan(mix.curves[2].pitches).all()
    assert [curve.name for curve in violin.curves] == ["violin"]
    assert set(np.nonzero(pitch_matrix(mix, np.array([0.2])))[0]) == {5 * 48, 5 * 43 + 1, 5 * 24}
    assert built("musicnet", tmp_path / "m")["1727"].annotations.notes.tolist() == [[0.1, 0.5, 60.0]]
    pop = built("pop909", tmp_path / "p")
    beats = pop["001"].annotations.segments["beat"]
    assert [(one.start, one.label) for one in beats] == [
        (0, "downbeat"),
        (0.25, "beat"),
    ]
    assert pop["001"].groups == pop["001+++001-v1"].groups == {"piece": "001", "clique": "001"}
    assert built("rwc-pop-chord", tmp_path / "r")["002"].annotations.segments["chord"][1].end == pytest.approx(0.6)
    mtt = built("magnatagatune", tmp_path / "t")
    assert mtt.vocabulary("tag") == ["guitar", "no voice"] and mtt.group_kinds() == ["artist", "album", "recording"]


def test_mixtures_hold_what_they_tell_and_share_no_clip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few = {part: (share, count // 10) for part, (share, count) in mixtures.PARTS.items()}
    monkeypatch.setattr(mixtures, "PARTS", few)
    assert instrument_mixtures(tmp_path) == build("instrument-mixtures", tmp_path).entries
    data = load("instrument-mixtures")
    used: dict[str, set[str]] = {part: set() for part in ("train", "valid", "test")}
    for entry in data.values():
        told, segments = entry.annotations.labels, entry.annotations.segments["instrument"]
        used[told["split"][0]] |= {f"{name}/{clip}" for name, clip in zip(told["tag"], told["clip"], strict=True)}
        assert 2 <= len(segments) <= 3 and told["tag"] == tuple(sorted(one.label for one in segments))
        wave, rate = entry.read(), entry.sample_rate
        heard = np.zeros(len(wave), bool)
        for one in segments:
            heard[int(one.start * rate) - 25 : int(one.end * rate) + 25] = True
            assert np.abs(wave[int(one.start * rate) : int(one.end * rate)]).max() > 0.05
        assert len(wave) == 6 * rate and np.abs(wave[~heard]).max() < 1e-3
    assert not used["train"] & (used["valid"] | used["test"]) and not used["valid"] & used["test"]
    assert {part: len(keys) for part, keys in official(data).parts.items()} == {"train": 30, "valid": 6, "test": 12}
    table(tmp_path / "labels.csv", [{"file": "Cello/0.wav", "label": "Cello"}])
    with pytest.raises(RecipeError, match="at least 2 instruments"):
        build("instrument-mixtures", tmp_path)


def test_urban_mixtures_stay_in_their_fold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mixtures, "A_FOLD", 3)
    assert urban_mixtures(tmp_path) == build("urban-mixtures", tmp_path).entries
    data = load("urban-mixtures")
    for key, entry in data.items():
        told = entry.annotations.labels
        assert told["fold"] == (key[4],) and {clip[0] for clip in told["clip"]} == {key[4]}
        assert sorted(one.label for one in entry.annotations.segments["class"]) == [*told["tag"]]
        assert len(entry.read()) == 6 * entry.sample_rate
    assert {*official_fold(data, "2").parts["test"]} == {key for key in data if key.startswith("fold2")}
    table(tmp_path / "metadata" / "UrbanSound8K.csv", [{"slice_file_name": "1siren.wav", "fold": 1, "class": "siren"}])
    with pytest.raises(RecipeError, match="fold 1 has clips of 1 classes"):
        build("urban-mixtures", tmp_path)


def test_nsynth_by_family_and_instrument(tmp_path: Path) -> None:
    nsynth(tmp_path / "official")
    assert build("nsynth", tmp_path / "official", where={"family": "guitar"}).entries == 5
    data = load("nsynth")
    note = data["guitar_acoustic_001-062-050"].annotations
    assert note.notes.tolist() == [[0.0, 3.0, 62.0]] and note.labels == {
        "part": ("train",),
        "split": ("train",),
        "pitch": ("62",),
        "velocity": ("50",),
        "instrument": ("guitar_acoustic_001",),
        "recording": ("guitar_acoustic_001",),
        "family": ("guitar",),
        "source": ("acoustic",),
        "quality": ("bright",),
    }
    split = official(data)
    split.check(data)
    assert split.parts["valid"] == ("guitar_acoustic_002-060-100",), "not that of the instrument that tests"
    drawn = split_by(data, "recording", seed=0)
    assert {key for part in drawn.parts.values() for key in part} == {*data}
    with pytest.raises(RecipeError, match="none of 7 entries of nsynth has family 'gitar'; there are: bass, guitar"):
        build("nsynth", tmp_path / "official", where={"family": "gitar"})
    with pytest.raises(RecipeError, match="has colour 'red'; there are: none"):
        build("nsynth", tmp_path / "official", where={"family": "guitar", "colour": "red"})


def test_nsynth_in_its_archives(tmp_path: Path) -> None:
    nsynth(tmp_path / "official")
    (tmp_path / "archives").mkdir()
    for part in ("valid", "test"):
        with tarfile.open(tmp_path / "archives" / f"nsynth-{part}.jsonwav.tar.gz", "w:gz") as tar:
            tar.add(tmp_path / "official" / f"nsynth-{part}", f"nsynth-{part}")
    assert build("nsynth", tmp_path / "archives").entries == 4
    assert build("nsynth", tmp_path / "archives" / "nsynth-test.jsonwav.tar.gz").entries == 2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"pitch": 400}, "pitch: 400 is not between 0 and"),
        ({"pitch": None}, "pitch: 'None' is not a number"),
        ({"instrument_str": ...}, "has no instrument_str"),
    ],
)
def test_a_wrong_note_of_nsynth_is_left_out(tmp_path: Path, change: dict[str, object], said: str) -> None:
    nsynth(tmp_path)
    table = tmp_path / "nsynth-test" / "examples.json"
    notes = json.loads(table.read_text())
    wrong = next(iter(notes))
    notes[wrong] = {name: value for name, value in {**notes[wrong], **change}.items() if value is not ...}
    notes["../../escaped"] = notes[wrong]
    table.write_text(json.dumps(notes))
    with pytest.raises(RecipeError, match=r"\.\./\.\./escaped.* leads out of the folder"):
        build("nsynth", tmp_path)
    notes.pop("../../escaped")
    table.write_text(json.dumps(notes))
    report = build("nsynth", tmp_path, where={"source": "acoustic"})
    assert report.entries == 3 and [one.key for one in report.failed] == [wrong] and said in report.failed[0].reason
    table.write_text(json.dumps({"a": [1]}))
    with pytest.raises(RecipeError, match=r"examples\.json: a: is no description of a note"):
        build("nsynth", tmp_path)


def test_notes_of_midi(tmp_path: Path) -> None:
    midi(tmp_path / "a.mid", pedal=True)
    assert read_notes(tmp_path / "a.mid").tolist() == [[0, 0.25, 60], [0.25, 0.5, 64]]
    assert read_notes(tmp_path / "a.mid", sustain=True).tolist() == [[0, 1.0, 60], [0.25, 1.0, 64]]
    rng = np.random.default_rng(0)
    whole = (tmp_path / "a.mid").read_bytes()
    for _ in range(60):
        damaged = bytearray(whole[: rng.integers(1, len(whole) + 1)])
        for place in rng.integers(0, len(damaged), 4):
            damaged[place] = rng.integers(256)
        (tmp_path / "b.mid").write_bytes(damaged)
        try:
            assert np.isfinite(read_notes(tmp_path / "b.mid")).all()
        except RecipeError as error:
            assert "b.mid" in str(error)


def test_bad_files_are_listed_at_the_end(tmp_path: Path) -> None:
    folder = tmp_path / "official"
    maps(folder)
    first = folder / "AkPnBcht" / "MUS" / "MAPS_MUS-one_AkPnBcht.ogg"
    first.write_bytes(b"not audio at all")
    second = folder / "SptkBGCl" / "MUS" / "MAPS_MUS-three_SptkBGCl.txt"
    second.write_text("OnsetTime\tOffsetTime\tMidiPitch\n9.0\t9.5\t60\n")
    report = build("maps", folder)
    assert report.entries == 2
    reasons = {failure.key: failure.reason for failure in report.failed}
    assert "is not audio" in reasons["MAPS_MUS-one_AkPnBcht"]
    assert "past the end of the audio (0.60 s)" in reasons["MAPS_MUS-three_SptkBGCl"]
    assert len(json.loads((data_folder("maps") / "build.json").read_text())["failed"]) == 2


@pytest.mark.parametrize(
    "text", ["0.1\t0.3", "0.1\tnan\t60", "0.5\t0.2\t60", "1e99\t1e99\t60", "0\t1\t9999", "a\tb\tc", "0.1\t0.2\t\ud83c"]
)
def test_wrong_notes_name_file_and_line(tmp_path: Path, text: str) -> None:
    maps(tmp_path / "official")
    path = tmp_path / "official" / "AkPnBcht" / "MUS" / "MAPS_MUS-one_AkPnBcht.txt"
    path.write_bytes(("OnsetTime\tOffsetTime\tMidiPitch\n" + text).encode("utf-8", "surrogatepass"))
    (failure,) = build("maps", tmp_path / "official").failed
    assert path.name in failure.reason and ("line 2" in failure.reason or "UTF-8" in failure.reason)


@pytest.mark.parametrize("name", ["../../secret.wav", "/etc/passwd", "a/../../x.wav", "C:\\x.wav", "..\\x.wav", ""])
def test_names_that_lead_out_of_the_folder(tmp_path: Path, name: str) -> None:
    sound(tmp_path / "secret.wav")
    instruments(tmp_path / "official")
    table(tmp_path / "official" / "labels.csv", [{"file": name, "label": "x"}])
    with pytest.raises(RecipeError, match=r"labels\.csv: line 2: the name .* leads out of the folder"):
        build("instruments", tmp_path / "official")


def test_another_layout_is_said_with_the_right_one(tmp_path: Path) -> None:
    (tmp_path / "official").mkdir()
    for name in LAYOUTS:
        with pytest.raises(RecipeError, match="layout"):
            build(name, tmp_path / "official")
    with pytest.raises(RecipeError, match="no such folder"):
        build("maps", tmp_path / "nowhere")
    with pytest.raises(RecipeError, match="did you mean 'maps'"):
        build("map", tmp_path)
    with pytest.raises(RecipeError, match="gliss data build maps --from DIR"):
        load("maps")


def test_an_interrupted_build_goes_on(tmp_path: Path) -> None:
    maps(tmp_path / "official")

    def stop(done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build("maps", tmp_path / "official", progress=stop)
    with pytest.raises(RecipeError, match="not built yet"):
        load("maps")
    report = build("maps", tmp_path / "official")
    assert report.resumed >= 3 and report.entries == 4


def test_archives(tmp_path: Path) -> None:
    pop909(tmp_path / "official")
    with tarfile.open(tmp_path / "pop909.tar.xz", "w:xz") as tar:
        tar.add(tmp_path / "official", "POP909-Dataset")
        link = tarfile.TarInfo("POP909-Dataset/POP909/003/003.mid")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    assert build("pop909", tmp_path / "pop909.tar.xz").entries == 4
    outside = tmp_path / "hostile.tar"
    with tarfile.open(outside, "w") as tar:
        info = tarfile.TarInfo("../../escaped.txt")
        info.size = 3
        tar.addfile(info, io.BytesIO(b"abc"))
    with pytest.raises(RecipeError, match="can't be unpacked"):
        build("pop909", outside)
    assert not list(tmp_path.rglob("escaped.txt"))


def test_folds_by_clique(tmp_path: Path) -> None:
    data = built("pop909", tmp_path / "official")
    with pytest.raises(RecipeError, match="has 2 groups"):
        folds(data, 3, "clique")


def test_the_command(tmp_path: Path) -> None:
    maps(tmp_path / "official")
    (tmp_path / "official" / "AkPnBcht" / "MUS" / "MAPS_MUS-one_AkPnBcht.ogg").write_bytes(b"damaged")

    def gliss(*words: object) -> str:
        command = [sys.executable, "-m", "glissando.cli", "data", *map(str, words)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[1])
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    assert json.loads(gliss("info", "maps", "--json"))["built"] is False
    said = gliss("build", "maps", "--from", tmp_path / "official", "--where", "piece=two")
    assert "maps: 2 entries" in said
    said = gliss("build", "maps", "--from", tmp_path / "official")
    assert "maps: 3 entries" in said and "1 entries were left out" in said and "is not audio" in said
    about = json.loads(gliss("info", "maps", "--json"))
    assert about["entries"] == 3 and about["notes"] == 6 and about["groups"] == {"piece": 2} and about["licence"]
    assert {row["name"]: row["built"] for row in json.loads(gliss("list", "--json"))}["maps"] is True
    assert "CC BY-NC-SA" in gliss("info", "maps") and "pop909" in gliss("list")
