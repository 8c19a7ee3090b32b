"""Data sets: pairs of files, splits, targets, cached features and patches state facts on files that the tests make."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from glissando.data import (
    Annotations,
    ArrayStore,
    ArrayWriter,
    DataSet,
    F0Curve,
    FeatureCache,
    Patches,
    Segment,
    Split,
    folds,
    frame_times,
    hz_to_midi,
    label_class,
    label_vector,
    midi_to_hz,
    official,
    official_folds,
    pitch_matrix,
    read_pyjama,
    segment_classes,
    split_by,
    write_pyjama,
)
from glissando.errors import RecipeError
from glissando.features import LogMel

RATE = 8_000


def tone(seconds: float, frequency: float = 440.0, rate: int = RATE) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * frequency * np.arange(int(seconds * rate)) / rate)).astype(np.float32)


def some(**labels: str) -> Annotations:
    return Annotations(np.array([[0.1, 0.5, 69.0], [0.5, 0.9, 60.0]]), labels={k: (v,) for k, v in labels.items()})


def make(folder: Path, entries: dict[str, Annotations], *, seconds: float = 1.0, name: str = "set") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    with ArrayWriter(folder / f"{name}_audio.hdf5") as writer:
        for i, key in enumerate(entries):
            writer.add(key, tone(seconds, 220.0 * (i + 1)), RATE)
    write_pyjama(folder / f"{name}.pyjama", entries)
    return folder / f"{name}.pyjama"


@pytest.fixture
def everything() -> Annotations:
    times = 0.023 + 0.01 * np.arange(50)
    curves = (
        F0Curve("violin", times, np.where(np.arange(50) < 25, 72.25, np.nan)),
        F0Curve("bassoon", times, np.full(50, 48.0)),
        F0Curve("guest", times[:10], np.full(10, 60.0)),
    )
    segments = {"chord": (Segment(0.0, 0.5, "C:maj"), Segment(0.5, 1.0, "N")), "beat": (Segment(0.25, 0.25, "down"),)}
    return Annotations(np.array([[0.1, 0.4, 60.0]]), curves, segments, {"tag": ("loud", "späť"), "artist": ("A",)})


# -- pairs of files -------------------------------------------------------------------------------------------------


def test_a_pair_comes_back_as_it_was_written(tmp_path: Path, everything: Annotations) -> None:
    path = make(tmp_path, {"a": everything, "b/nested": some(piece="p")})
    data = DataSet.open(path)
    assert list(data) == ["a", "b/nested"] and data.name == "set"
    read = data["a"].annotations
    assert np.array_equal(read.notes, everything.notes) and read.segments == everything.segments
    assert read.labels == everything.labels and data["a"].groups == {"artist": "A"}
    assert [curve.name for curve in read.curves] == ["violin", "bassoon", "guest"]
    for ours, theirs in zip(read.curves, everything.curves, strict=True):
        assert np.array_equal(ours.pitches, theirs.pitches, equal_nan=True) and np.array_equal(ours.times, theirs.times)
    entry = data["b/nested"]
    assert (entry.duration, entry.sample_rate, entry.bandwidth, entry.has_audio) == (1.0, RATE, RATE / 2, True)
    whole = entry.read()
    assert whole.dtype == np.float32 and np.abs(whole - tone(1, 440)).max() < 1 / 32_768
    assert np.array_equal(entry.read(0.25, 0.5), whole[2_000:4_000])


def test_the_books_files_load_as_they_are(tmp_path: Path) -> None:
    """As its notebooks read them: float audio, MIDI in `pitchmidi`, voices x times in `f0multi`, numbers as labels."""
    with h5py.File(tmp_path / "bach10_audio.hdf5", "w") as out:
        for key in ("01-mix.wav", "2.wav"):
            out[key] = tone(1)
            out[key].attrs["sr_hz"] = RATE
    f0 = {"value": [[72.0, 72.1, 0.0], [60.0, 60.0, 60.0]], "time": [0.023, 0.033, 0.043]}
    turned = {"value": [[72.0, 60.0], [72.1, 60.0], [0.0, 60.0]], "time": [0.023, 0.033, 0.043]}
    document = {
        "collection": {
            "descriptiondefinition": {
                "filepath": {"typeContent": "text", "typeExtent": "global", "typeConstraint": "filePath"},
                "f0multi": {"typeExtent": "breakpoint", "columnName": ["f0_midi_violin", "f0_midi_bassoon"]},
                "pitchmidi": {"typeContent": "numeric", "typeExtent": "segment"},
                "mfcc": {"type_extent": "breakpoint", "row_name": ["1"]},
            },
            "entry": [
                {
                    "filepath": [{"value": "01-mix.wav"}],
                    "f0multi": [f0],
                    "work-id": [{"value": 1}],
                    "performer": [{"value": "Broadcast"}],
                    "info": [],
                },
                {
                    "filepath": [{"value": "2.wav"}],
                    "f0multi": [turned],
                    "pitchmidi": [{"value": 67, "time": 0.5, "duration": 0.25}],
                    "mfcc": [{"value": [[1, 2]], "time": [0, 1]}],
                },
            ],
        },
        "schemaversion": 1.31,
    }
    (tmp_path / "bach10.pyjama").write_text(json.dumps(document))
    data = DataSet.open(tmp_path / "bach10.pyjama")
    first, second = data.values()
    assert first.groups == {"clique": "1", "artist": "Broadcast"}
    for entry in (first, second):
        violin, bassoon = entry.annotations.curves
        assert violin.name == "violin" and violin.pitches[:2].tolist() == [72.0, 72.1] and np.isnan(violin.pitches[2])
        assert bassoon.pitches.tolist() == [60.0] * 3
    assert second.annotations.notes.tolist() == [[0.5, 0.75, 67.0]]
    assert np.array_equal(first.read(), tone(1))


def test_features_instead_of_audio(tmp_path: Path) -> None:
    """The book's cover songs come as an array [times, 12] without a rate."""
    with h5py.File(tmp_path / "cover_feat.hdf5", "w") as out:
        out["174702"] = np.arange(24, dtype=np.float32).reshape(2, 12)
    write_pyjama(tmp_path / "cover.pyjama", {"174702": Annotations(labels={"clique": ("1",)})})
    entry = DataSet.open(tmp_path / "cover.pyjama")["174702"]
    assert not entry.has_audio and entry.rows().shape == (2, 12) and entry.rows(1).tolist() == [list(range(12, 24))]
    with pytest.raises(RecipeError, match="is a feature of shape"):
        entry.read()


def test_truncated_hdf5(tmp_path: Path) -> None:
    path = make(tmp_path, {"a": some(), "b": some()}, seconds=20)
    audio = tmp_path / "set_audio.hdf5"
    whole = audio.read_bytes()
    for length in (0, 100, len(whole) // 2, len(whole) - 10):
        audio.write_bytes(whole[:length])
        with pytest.raises(RecipeError, match=r"set_audio\.hdf5: .*(cut short|no HDF5).*again"):
            for entry in DataSet.open(path).values():
                entry.read()


def test_scribbled_hdf5_is_an_error_or_reads(tmp_path: Path) -> None:
    path = make(tmp_path, {"a": some()}, seconds=3)
    audio = tmp_path / "set_audio.hdf5"
    whole = audio.read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(30):
        damaged = bytearray(whole)
        for place in rng.integers(0, len(whole), 40):
            damaged[place] = rng.integers(256)
        audio.write_bytes(damaged)
        try:
            assert np.isfinite(DataSet.open(path)["a"].read()).all()
        except RecipeError as error:
            assert "set" in str(error)


def test_annotations_past_the_end_of_the_audio(tmp_path: Path) -> None:
    late = Annotations(np.array([[0.5, 3.0, 60.0]]))
    path = make(tmp_path, {"fine": some(), "late": late})
    with pytest.raises(
        RecipeError, match=r"entry 1 \(late\): note 0 \(MIDI 60\) ends at 3\.00 s, past the end.*1\.00 s"
    ):
        DataSet.open(path)
    path = make(tmp_path, {"late": Annotations(segments={"chord": (Segment(0, 9, "C"),)})})
    with pytest.raises(RecipeError, match="chord 'C' ends at 9"):
        DataSet.open(path)


def test_an_entry_without_its_audio(tmp_path: Path) -> None:
    make(tmp_path, {"a": some()})
    write_pyjama(tmp_path / "set.pyjama", {"a": some(), "lost.wav": some()})
    with pytest.raises(RecipeError, match=r"entry 1 \(lost\.wav\): has no audio; set_audio\.hdf5 holds no array"):
        DataSet.open(tmp_path / "set.pyjama")
    (tmp_path / "set_audio.hdf5").unlink()
    with pytest.raises(RecipeError, match="its audio is missing"):
        DataSet.open(tmp_path / "set.pyjama")


Change = Callable[[dict[str, Any], dict[str, Any]], object]


def edited(change: Change) -> str:
    entry = {
        "filepath": [{"value": "a"}],
        "pitchmidi": [{"value": 60, "time": 0.0, "duration": 1.0}],
        "chord": [{"value": "C", "time": 0.0, "duration": 1.0}],
        "f0multi": [{"value": [[60.0, 60.0]], "time": [0.0, 0.1]}],
        "tag": [{"value": "loud"}],
    }
    document = {"schemaversion": 1.31, "collection": {"descriptiondefinition": {}, "entry": [entry]}}
    change(entry, document)
    return json.dumps(document)


WRONG: list[tuple[str, Change]] = [
    ("has no collection", lambda e, d: d.pop("collection")),
    ("schemaversion is 7", lambda e, d: d.update(schemaversion=7)),
    ("has no entry", lambda e, d: d["collection"].pop("entry")),
    ("entry is an object, not a list", lambda e, d: d["collection"].update(entry={})),
    ("entry 0: is a text", lambda e, d: d["collection"].update(entry=["x"])),
    ("entry 0: filepath must be", lambda e, d: e.pop("filepath")),
    (
        "entry 1: filepath 'a' is that of an earlier",
        lambda e, d: d["collection"]["entry"].append({"filepath": [{"value": "a"}]}),
    ),
    (
        r"entry 0 \(a\), field pitchmidi\[0\]: has no duration",
        lambda e, d: e["pitchmidi"][0].pop("duration"),
    ),
    (
        r"pitchmidi\[0\]\.value: 999 is not between",
        lambda e, d: e["pitchmidi"][0].update(value=999),
    ),
    (r"pitchmidi\[0\]\.time: -3 is not between", lambda e, d: e["pitchmidi"][0].update(time=-3)),
    (
        r"chord\[0\]\.duration: 1e\+300 is not between",
        lambda e, d: e["chord"][0].update(duration=1e300),
    ),
    (
        r"pitchmidi\[0\]\.time: 1000.* is not between",  # an integer that no float holds
        lambda e, d: e["pitchmidi"][0].update(time=10**400),
    ),
    (
        r"pitchmidi\[1\]\.value: is True, not a number",
        lambda e, d: e["pitchmidi"].append({**e["pitchmidi"][0], "value": True}),
    ),
    (r"chord\[0\]\.time: 1000.* is not between", lambda e, d: e["chord"][0].update(time=10**400)),
    (
        r"f0multi\[0\]: time and value must be lists of numbers",
        lambda e, d: e["f0multi"][0].update(value=[[10**400, 1]]),
    ),
    (r"chord\[0\]\.time: is a text", lambda e, d: e["chord"][0].update(time="now")),
    ("field tag: is not a list of objects", lambda e, d: e.update(tag=["loud"])),
    (r"tag\[0\]\.value: is null", lambda e, d: e["tag"][0].update(value=None)),
    (
        r"f0multi\[0\]: value has shape \(1, 2\)",
        lambda e, d: e["f0multi"][0].update(time=[0, 1, 2]),
    ),
    (r"f0multi\[0\]\.time: must rise", lambda e, d: e["f0multi"][0].update(time=[1, 0])),
    (
        r"f0multi\[0\]\.value: 440 is no MIDI",
        lambda e, d: e["f0multi"][0].update(value=[[440, 1]]),
    ),
    ("typeExtent is 'x'", lambda e, d: d["collection"]["descriptiondefinition"].update(tag={"typeExtent": "x"})),
]


@pytest.mark.parametrize(("said", "change"), WRONG, ids=[said for said, _ in WRONG])
def test_a_wrong_pyjama_names_entry_and_field(tmp_path: Path, said: str, change: Change) -> None:
    path = tmp_path / "x.pyjama"
    path.write_text(edited(lambda e, d: None))
    assert len(read_pyjama(path)) == 1
    path.write_text(edited(change))
    with pytest.raises(RecipeError, match=said):
        read_pyjama(path)


def test_many_notes_are_read_as_one_by_one(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    atoms = [
        {"value": int(pitch), "time": float(start), "duration": float(length)}
        for pitch, start, length in zip(
            rng.integers(128, size=300), rng.random(300) * 1e4, rng.random(300), strict=True
        )
    ]
    path = tmp_path / "x.pyjama"
    path.write_text(edited(lambda e, d: e.update(pitchmidi=atoms)))
    wanted = np.array([[a["time"], a["time"] + a["duration"], a["value"]] for a in atoms])
    assert np.abs(read_pyjama(path)["a"].notes - wanted).max() <= 1e-9
    path.write_text(edited(lambda e, d: e.update(pitchmidi=[{"value": 60, "time": 0.1, "duration": 0.2}])))
    assert read_pyjama(path)["a"].notes.tolist() == [[0.1, 0.3, 60.0]]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is not JSON"),
        (b'{"schemaversion": 1.31, "coll', "cut short"),
        (b"\xff\xfe\x00", "is not UTF-8"),
        (b"[" * 200_000, "is not JSON"),
        (b'{"schemaversion": NaN}', "the number NaN"),
        (b"[]", "holds a list"),
    ],
)
def test_what_is_no_pyjama(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "x.pyjama").write_bytes(content)
    with pytest.raises(RecipeError, match=said):
        read_pyjama(tmp_path / "x.pyjama")


def test_arrays_that_lead_out_of_the_file_are_not_followed(tmp_path: Path) -> None:
    make(tmp_path, {"secret": some()}, name="other")
    with h5py.File(tmp_path / "x.hdf5", "w") as out:
        out["link"] = h5py.ExternalLink("other_audio.hdf5", "/secret")
        out["soft"] = h5py.SoftLink("/link")
        out.create_dataset("raw", (8,), "i2", external=[(str(tmp_path / "other.pyjama"), 0, 16)])
    with ArrayStore(tmp_path / "x.hdf5") as store:
        assert "link" not in store and "soft" not in store
        with pytest.raises(RecipeError, match="lies in another file"):
            store.read("raw")


@pytest.mark.parametrize(
    ("values", "rate", "said"),
    [
        (np.zeros(4, np.float32), None, "sr_hz is None"),
        (np.zeros(4, np.float32), -1.0, "sr_hz is -1"),
        (np.zeros(4, np.float32), 1e12, "sr_hz is 1"),
        (np.zeros((2, 3, 4), np.float32), RATE, "shape"),
        (np.array([b"text"]), RATE, "not numbers"),
        (np.array([np.nan, 1.0], np.float32), RATE, "NaN"),
    ],
)
def test_arrays_that_are_no_audio(tmp_path: Path, values: np.ndarray, rate: float | None, said: str) -> None:
    with h5py.File(tmp_path / "x.hdf5", "w") as out:
        out["a"] = values
        if rate is not None:
            out["a"].attrs["sr_hz"] = rate
    with ArrayStore(tmp_path / "x.hdf5") as store, pytest.raises(RecipeError, match=said):
        store.info("a")
        store.read("a")


def test_only_the_slice_is_read(tmp_path: Path) -> None:
    """A slice out of an hour of audio takes a chunk of memory, not the hour."""
    with ArrayWriter(tmp_path / "long_audio.hdf5") as writer:
        writer.add("a", np.zeros(3_600 * RATE, np.int16), RATE)
    write_pyjama(tmp_path / "long.pyjama", {"a": Annotations()})
    import tracemalloc

    entry = DataSet.open(tmp_path / "long.pyjama")["a"]
    tracemalloc.start()
    assert entry.duration == 3_600 and len(entry.read(3_000, 3_001)) == RATE
    assert tracemalloc.get_traced_memory()[1] < 2e6
    tracemalloc.stop()


def test_an_unfinished_file_never_appears(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), ArrayWriter(tmp_path / "x.hdf5") as writer:
        writer.add("a", tone(1), RATE)
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_entries_travel_to_other_processes(tmp_path: Path) -> None:
    data = DataSet.open(make(tmp_path, {"a": some()}))
    whole = data["a"].read()
    assert np.array_equal(pickle.loads(pickle.dumps(data))["a"].read(), whole)  # noqa: S301


# -- splits ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def grouped(tmp_path: Path) -> DataSet:
    """60 entries of 20 pieces by 7 artists."""
    return DataSet.open(make(tmp_path, {f"e{i:02}": some(piece=f"p{i % 20}", artist=f"a{i % 7}") for i in range(60)}))


@pytest.mark.parametrize("group", [None, "piece", "artist"])
def test_splits_keep_groups_whole_and_sizes_near(grouped: DataSet, group: str | None) -> None:
    split = split_by(grouped, group, seed=3)
    split.check(grouped, groups=[group] if group else [])
    assert sorted(key for keys in split.parts.values() for key in keys) == sorted(grouped)
    assert abs(len(split.parts["train"]) - 48) <= (9 if group == "artist" else 3)
    assert min(map(len, split.parts.values())) > 0
    assert split == split_by(grouped, group, seed=3) != split_by(grouped, group, seed=4)
    turned = grouped.subset(list(grouped)[::-1])
    mixed = split_by(turned, group, seed=3)
    assert {name: set(keys) for name, keys in mixed.parts.items()} == {n: set(k) for n, k in split.parts.items()}


def test_folds_test_every_entry_once(grouped: DataSet) -> None:
    made = folds(grouped, 5, "piece")
    assert sorted(key for split in made for key in split.parts["test"]) == sorted(grouped)
    for split in made:
        split.check(grouped, groups=["piece"])
        assert len(split.parts["train"]) == 36


def test_a_leak_is_named(grouped: DataSet) -> None:
    split = Split("set", {"train": ("e00", "e01"), "test": ("e02", "e20")}, "piece")
    with pytest.raises(RecipeError, match="leaks piece 'p0', which has 'e00' in train and 'e20' in test"):
        split.check(grouped)
    with pytest.raises(RecipeError, match="leaks artist"):
        Split("set", {"train": ("e00",), "test": ("e07",)}).check(grouped)
    with pytest.raises(RecipeError, match="entry 'e00' is in train and in test"):
        Split("set", {"train": ("e00",), "test": ("e00",)}).check(grouped)


def test_splits_are_files(grouped: DataSet, tmp_path: Path) -> None:
    split = split_by(grouped, "piece", seed=1)
    split.write(tmp_path / "split.json")
    assert Split.read(tmp_path / "split.json") == split
    assert list(split.of(grouped, "test")) == list(split.parts["test"])
    for text in ("", "[]", '{"parts": {"train": [1]}}', '{"parts": {}, "group": "x"}', '{"parts": {}, "seed": "x"}'):
        (tmp_path / "bad.json").write_text(text)
        with pytest.raises(RecipeError, match=r"bad\.json"):
            Split.read(tmp_path / "bad.json")


def test_splits_that_can_not_be(grouped: DataSet) -> None:
    with pytest.raises(RecipeError, match="name no album; the kinds they name: piece, artist"):
        split_by(grouped, "album")
    with pytest.raises(RecipeError, match="sum 1"):
        split_by(grouped, fractions={"train": 0.5})
    with pytest.raises(RecipeError, match="too few"):
        split_by(grouped.subset(["e00", "e20"]), "piece")
    with pytest.raises(RecipeError, match="has 7 groups"):
        folds(grouped, 9, "artist")
    with pytest.raises(RecipeError, match="has no official split"):
        official(grouped)


def test_official_splits_are_those_of_the_layout(tmp_path: Path) -> None:
    parts = ["train", "valid", "test", "unused", "train"]
    data = DataSet.open(
        make(tmp_path, {f"e{i}": some(split=part, fold=str(i % 3 + 1)) for i, part in enumerate(parts)})
    )
    assert official(data).parts == {"train": ("e0", "e4"), "valid": ("e1",), "test": ("e2",)}
    assert [split.parts["test"] for split in official_folds(data)] == [("e0", "e3"), ("e1", "e4"), ("e2",)]


# -- targets --------------------------------------------------------------------------------------------------------


def test_notes_fill_their_bin_from_onset_until_before_offset() -> None:
    notes = Annotations(np.array([[0.2, 0.5, 24.0], [0.0, 1.0, 69.0], [0.0, 1.0, 10.0], [0.0, 1.0, 130.0]]))
    matrix = pitch_matrix(notes, frame_times(10, 10.0))
    assert matrix.shape == (360, 10) and matrix.dtype == np.uint8
    assert matrix[0].tolist() == [0, 0, 1, 1, 1, 0, 0, 0, 0, 0]  # 32.7 Hz is the C of MIDI 24
    assert matrix[5 * (69 - 24)].all() and matrix.sum() == 13
    assert midi_to_hz(69.0) == 440 and hz_to_midi(880.0) == 81 and np.isnan(hz_to_midi(0.0))


def test_curves_fill_their_nearest_fifth_of_a_semitone() -> None:
    times = 0.023 + 0.01 * np.arange(100)
    curve = F0Curve("violin", times, np.where(times < 0.5, 69.0 + 0.21, np.nan))
    matrix = pitch_matrix(Annotations(np.array([[0.0, 1.0, 60.0]]), (curve,)), frame_times(60, 50.0))
    row, frames = np.nonzero(matrix)
    assert set(row) == {5 * 45 + 1}  # the note beside it does not count
    assert frames.min() == 1 and frames.max() == 24 and len(frames) == 24
    empty = F0Curve("silent", np.zeros(0), np.zeros(0))
    assert pitch_matrix(Annotations(curves=(empty,)), frame_times(4, 1.0)).sum() == 0
    single = F0Curve("one", np.array([0.5]), np.array([69.0]))
    assert np.nonzero(pitch_matrix(Annotations(curves=(single,)), np.array([0.0, 0.5, 1.0])))[1].tolist() == [1]


def test_segments_and_labels_become_classes() -> None:
    chords = (Segment(0.0, 0.5, "C"), Segment(0.5, 0.8, "G"))
    assert segment_classes(chords, frame_times(10, 10.0), ["G", "C"]).tolist() == [1] * 5 + [0] * 3 + [-1] * 2
    with pytest.raises(RecipeError, match=r"label 'C' at 0\.00 s"):
        segment_classes(chords, frame_times(10, 10.0), ["G"])
    assert label_vector(["b", "x"], ["a", "b"]).tolist() == [0, 1]
    assert label_class(Annotations(labels={"genre": ("b",)}), "genre", ["a", "b"]) == 1
    with pytest.raises(RecipeError, match="exactly one of 2"):
        label_class(Annotations(labels={"genre": ("a", "b")}), "genre", ["a", "b"])


# -- features and patches -------------------------------------------------------------------------------------------


def mel(cache: Path, bands: int = 12) -> FeatureCache:
    feature = LogMel(RATE, n_fft=256, hop=80, bands=bands)
    return FeatureCache(feature, {"log-mel": {"bands": bands}}, folder=cache)


def test_features_are_computed_once_per_audio_and_parameters(grouped: DataSet, tmp_path: Path) -> None:
    entries = list(grouped.values())[:3]
    cache = mel(tmp_path / "cache")
    assert cache.fill(entries) == 3 and mel(tmp_path / "cache").fill(entries) == 0
    assert mel(tmp_path / "cache", bands=16).fill(entries) == 3
    kept = cache.get(entries[0])
    exact = cache.feature(torch.from_numpy(entries[0].read())[None])[0].numpy()
    assert isinstance(kept, np.memmap) and kept.dtype == np.float16
    assert np.abs(kept - exact).max() < 1e-3 * np.abs(exact).max()
    renamed = make(tmp_path / "again", {"other": some(piece="new")})
    assert cache.fill(DataSet.open(renamed).values()) == 0  # the same sound under another name


def test_patches_hold_what_their_frames_hold(grouped: DataSet, tmp_path: Path) -> None:
    cache = mel(tmp_path / "cache")
    entries = list(grouped.values())[:3]
    patches = Patches(cache, entries, pitch_matrix, frames=32, hop=16)
    length = cache.get(entries[0]).shape[-1]
    assert len(patches) == 3 * (-(-(length - 32) // 16) + 1)
    seen = np.zeros(length, bool)
    for i in range(len(patches)):
        patch = patches[i]
        number, start = int(patch["entry"]), int(patch["start"])
        assert np.array_equal(patch["feature"], cache.get(entries[number])[..., start : start + 32].astype(np.float32))
        whole = pitch_matrix(entries[number].annotations, frame_times(length, 100.0, first=0.016))
        assert np.array_equal(patch["target"], whole[:, start : start + 32]) and bool(patch["valid"].all())
        seen[start : start + 32] = True
    assert seen.all()
    with pytest.raises(IndexError):
        patches[len(patches)]


def test_short_entries_are_filled_up(grouped: DataSet, tmp_path: Path) -> None:
    patches = Patches(mel(tmp_path / "cache"), [grouped["e00"]], lambda a, t: np.float32(3), frames=500)
    patch = patches[0]
    length = int(patch["valid"].sum())
    assert len(patches) == 1 and length == 97 and patch["target"].item() == 3
    assert patch["feature"][..., length:].abs().sum() == 0 and patch["feature"][..., :length].abs().sum() > 0


def test_patches_do_not_depend_on_workers(grouped: DataSet, tmp_path: Path) -> None:
    def epoch(workers: int, number: int, seed: int = 0) -> torch.Tensor:
        entries = list(grouped.values())[:4]
        patches = Patches(mel(tmp_path / "cache"), entries, pitch_matrix, frames=20, jitter=True, seed=seed)
        patches.set_epoch(number)
        return torch.cat([batch["feature"] for batch in DataLoader(patches, batch_size=3, num_workers=workers)])

    assert torch.equal(epoch(0, 1), epoch(2, 1))
    assert not torch.equal(epoch(0, 1), epoch(0, 2)) and not torch.equal(epoch(0, 1), epoch(0, 1, seed=5))


def test_workers_that_persist_follow_the_epoch(grouped: DataSet, tmp_path: Path) -> None:
    patches = Patches(mel(tmp_path / "cache"), list(grouped.values())[:4], pitch_matrix, frames=20, jitter=True)
    loader = DataLoader(patches, batch_size=None, num_workers=1, persistent_workers=True)
    first = [int(patch["start"]) for patch in loader]
    patches.set_epoch(1)
    assert first != [int(patch["start"]) for patch in loader]
    patches.set_epoch(0)
    assert first == [int(patch["start"]) for patch in loader]


def test_recordings_count_alike_however_long(grouped: DataSet, tmp_path: Path) -> None:
    entries = list(grouped.values())[:4]
    patches = Patches(mel(tmp_path / "cache"), entries, pitch_matrix, frames=20, per_entry=3)
    assert len(patches) == 12
    first = [patches.place(i) for i in range(12)]
    assert [number for number, _ in first] == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]
    patches.set_epoch(1)
    assert [patches.place(i) for i in range(12)] != first
    assert all(0 <= start <= patches.lengths[number] - 20 for number, start in first)


def test_an_empty_part_is_said(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="no entry to cut patches from"):
        Patches(mel(tmp_path), [], pitch_matrix, frames=4)


def test_a_killed_run_leaves_whole_features(tmp_path: Path) -> None:
    """kill -9 while features are computed: what is there is whole, and the next run goes on."""
    path = make(tmp_path, {f"e{i}": some() for i in range(40)}, seconds=10)
    code = (
        "import sys, time; sys.path.insert(0, 'tests')\n"
        "from pathlib import Path; from test_data import mel; from glissando.data import DataSet\n"
        f"mel(Path({str(tmp_path / 'cache')!r})).fill(DataSet.open({str(path)!r}).values(), "
        "progress=lambda n: (print(n, flush=True), time.sleep(0.02)))"
    )
    root = Path(__file__).parents[1]
    environment = {**os.environ, "PYTHONPATH": f"{root}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    run = subprocess.Popen([sys.executable, "-c", code], cwd=root, stdout=subprocess.PIPE, env=environment)
    assert run.stdout is not None
    while int(run.stdout.readline()) < 5:
        pass
    time.sleep(0.01)
    run.send_signal(signal.SIGKILL)
    run.wait()
    cache = mel(tmp_path / "cache")
    entries = list(DataSet.open(path).values())
    done = sum(cache.has(entry) for entry in entries)
    assert 5 <= done < 40
    shapes = {np.load(file, allow_pickle=False).shape for file in cache.folder.glob("*.npy")}
    assert len(shapes) == 1
    assert cache.fill(entries) == 40 - done
