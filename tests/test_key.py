"""Keys: names and neighbours, pitch classes of tones, transposition as a circular shift, estimates, searches."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from glissando import Library
from glissando.audio import Audio, write
from glissando.cli import app
from glissando.encoders import load
from glissando.errors import QueryError
from glissando.features import KEYS, Key, PitchClasses, estimate_key, key_probabilities
from glissando.latent import KeyShift
from glissando.library import health, store
from glissando.library.exchange import export
from glissando.library.keys import parse_key

RATE = 16_000
TRIADS = {"major": (0, 4, 7), "minor": (0, 3, 7)}


def tones(midi: list[int], *, seconds: float = 1.0, cents: float = 0.0, partials: int = 4) -> np.ndarray:
    """Plucked tones of some partials."""
    time = np.arange(int(seconds * RATE)) / RATE
    hz = [440 * 2 ** ((pitch - 69 + cents / 100) / 12) for pitch in midi]
    voices = sum(np.sin(2 * np.pi * f * h * time + f) / h for f in hz for h in range(1, partials + 1))
    return (0.1 * voices * np.exp(-time)).astype(np.float32)


def cadence(key: Key, *, cents: float = 0.0, seconds: float = 20.0) -> Audio:
    """Tonic, subdominant, dominant, tonic, over their roots in the bass, again and again."""
    mode = TRIADS["minor" if key.minor else "major"]
    chords = [(0, mode), (5, mode), (7, TRIADS["major"]), (0, mode)]
    played = [
        tones([36 + (key.tonic + root) % 12, *(57 + (key.tonic + root + step - 9) % 12 for step in triad)], cents=cents)
        for root, triad in chords
    ]
    return Audio(np.tile(np.concatenate(played), int(np.ceil(seconds / 4)))[: int(seconds * RATE)], RATE)


def chroma(audio: Audio) -> np.ndarray:
    with torch.inference_mode():
        return load("chroma").outputs(torch.from_numpy(audio.samples)[None])["chroma"][0].mean(0).numpy()


def embedding(audio: Audio) -> torch.Tensor:
    with torch.inference_mode():
        return load("chroma")(torch.from_numpy(audio.samples)[None])[0, 0]


def test_a_key_is_read_as_people_write_it() -> None:
    for text in ("Am", "A minor", "a min", "8A", " 8a ", "Amin"):
        assert Key.parse(text) == Key(9, minor=True), text
    for text in ("F#", "Gb", "G♭ major", "f#maj", "2B", "F#M", "gb"):
        assert Key.parse(text) == Key(6), text
    assert Key.parse("Bb") == Key(10) and Key.parse("b") == Key(11) and Key.parse("Bbm").name == "Bb minor"
    for key in KEYS:
        assert Key.parse(key.name) == Key.parse(key.camelot) == key
    for wrong in ("", "H minor", "13A", "0B", "8C", "A dorian", "minor", "+2"):
        with pytest.raises(QueryError, match=r"is no key; write a name such as Am"):
            Key.parse(wrong)


@given(st.text(max_size=12))
def test_any_text_is_a_key_or_a_clear_error(text: str) -> None:
    try:
        assert Key.parse(text) in KEYS
    except QueryError as error:
        assert "is no key" in str(error)


def test_the_camelot_wheel() -> None:
    assert {Key.parse(name).camelot for name in ("C major", "A minor")} == {"8B", "8A"}
    assert len({key.camelot for key in KEYS}) == 24
    for key in KEYS:
        hour, letter = int(key.camelot[:-1]), key.camelot[-1]
        other = "B" if letter == "A" else "A"
        around = {f"{hour % 12 + 1}{letter}", f"{(hour - 2) % 12 + 1}{letter}", f"{hour}{other}", key.camelot}
        assert {one.camelot for one in key.compatible()} == around
        assert all(key in one.compatible() for one in key.compatible()), "what mixes, mixes both ways"
        scale = {(key.tonic + step) % 12 for step in ((0, 2, 3, 5, 7, 8, 10) if key.minor else (0, 2, 4, 5, 7, 9, 11))}
        assert scale == {(key.signature + step) % 12 for step in (0, 2, 4, 5, 7, 9, 11)}
        assert key.transposed(7).transposed(-7) == key.transposed(12) == key


def test_what_is_asked_of_the_key() -> None:
    assert parse_key(None) == ((), None)
    assert parse_key("8A") == (("A minor",), None)
    assert parse_key("+0") == parse_key(0) == ((), 0)
    assert parse_key("+2") == parse_key(2) == ((), 2) and parse_key("-3") == parse_key(-3) == ((), -3)
    for wrong in ("+13", "-", "+1.5", 40):
        with pytest.raises(QueryError, match=r"is no transposition; write semitones from -12 to \+12"):
            parse_key(wrong)


@pytest.mark.parametrize("cents", [0, 30, -30])
def test_a_tone_is_heard_in_its_pitch_class(cents: int) -> None:
    """From C2 to B5, also where everything is 30 cents sharp or flat."""
    feature = PitchClasses(RATE)
    pitches = [*range(36, 84)]
    sound = torch.stack([torch.from_numpy(tones([pitch], seconds=2, cents=cents, partials=1)) for pitch in pitches])
    heard = feature(sound)[:, 0].mean(-1)
    assert heard.argmax(-1).tolist() == [pitch % 12 for pitch in pitches]
    assert float((heard.amax(-1) / heard.sum(-1)).min()) > 0.9


def test_neighbours_a_semitone_apart_are_two_tones_even_in_the_bass() -> None:
    for low in (36, 43, 60):
        heard = PitchClasses(RATE)(torch.from_numpy(tones([low, low + 1], seconds=3, partials=1))[None])[0, 0].mean(-1)
        assert {*heard.topk(2).indices.tolist()} == {low % 12, (low + 1) % 12}
        assert float(heard.topk(3).values[2]) < 0.3 * float(heard.amax())


def test_contract_of_pitch_classes() -> None:
    feature, pair = PitchClasses(RATE), torch.from_numpy(np.stack([cadence(key).samples for key in KEYS[:2]]))
    together = feature(pair)
    assert together.shape == (2, 1, 12, 1 + (pair.shape[1] - feature.n_fft) // feature.hop)
    torch.testing.assert_close(together, torch.cat([feature(one[None]) for one in pair]))
    torch.testing.assert_close(together, feature(1e-6 * pair), rtol=1e-2, atol=1e-2)
    assert not feature(torch.zeros(1, RATE)).any()
    for sound in (pair.clone(), torch.zeros(1, RATE)):
        feature(sound.requires_grad_()).square().sum().backward()
        assert torch.isfinite(sound.grad).all()
        assert bool(sound.any()) == bool(sound.grad.any())


def test_the_embedding_does_not_depend_on_the_level() -> None:
    loud = cadence(Key(2))
    assert torch.allclose(embedding(loud), embedding(Audio(0.01 * loud.samples, RATE)), atol=1e-3)


@pytest.mark.parametrize("semitones", [-5, 1, 2, 6])
def test_music_transposed_is_the_embedding_shifted(semitones: int) -> None:
    """Played anew in the other key: nearer to the shifted embedding than the embedding as it was."""
    key = Key(0)
    there = embedding(cadence(key.transposed(semitones)))
    shifted = KeyShift()(embedding(cadence(key)), semitones=semitones)
    assert float(shifted @ there) > 0.97 > 0.6 > float(embedding(cadence(key)) @ there)


@given(st.integers(-30, 30), st.integers(-30, 30))
def test_transpositions_add_up(a: int, b: int) -> None:
    shift, z = KeyShift(), torch.randn(3, load("chroma").card.dim)
    assert torch.equal(shift(z, semitones=0), z)
    assert torch.equal(shift(z, semitones=12), z)
    assert torch.equal(shift(shift(z, semitones=a), semitones=b), shift(z, semitones=a + b))
    assert torch.equal(shift(shift(z, semitones=a), semitones=-a), z)
    if a % 12:
        assert not torch.equal(shift(z, semitones=a), z)


def test_probabilities_of_keys_turn_with_the_pitch_classes() -> None:
    heard = torch.rand(5, 12)
    there = key_probabilities(heard)
    torch.testing.assert_close(there.sum((-1, -2)), torch.ones(5))
    for semitones in range(12):
        torch.testing.assert_close(key_probabilities(heard.roll(semitones, -1)), there.roll(semitones, -1))
    torch.testing.assert_close(key_probabilities(torch.ones(12)), torch.full((2, 12), 1 / 24))


@pytest.mark.parametrize("cents", [0, 30])
def test_cadences_have_the_key_of_their_tonic(cents: int) -> None:
    for key in KEYS:
        found = estimate_key(chroma(cadence(key, cents=cents)))
        assert found is not None and found.key == key, (found, key)
        assert found.candidates[0] == key and len({*found.candidates}) == len(found.candidates) > 1
        assert 0.3 < found.confidence <= 1


def test_what_has_no_key_says_so() -> None:
    assert estimate_key(np.zeros(12)) is None
    assert estimate_key(np.ones(12)) is None
    noise = Audio(np.random.default_rng(0).normal(0, 0.1, 15 * RATE).astype(np.float32), RATE)
    found = estimate_key(chroma(noise))
    assert found is None or found.confidence < 0.2


WANTED = {"c": "C major", "d": "D major", "a": "A minor", "g": "G major", "fs": "F# major", "b": "B minor"}


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Library:
    """Six cadences in a library with the chroma block alone, which no test changes."""
    tmp_path = tmp_path_factory.mktemp("keyed")
    music = tmp_path / "music"
    music.mkdir()
    for name, key in WANTED.items():
        write(music / f"{name}.wav", cadence(Key.parse(key)))
    library = Library.open(tmp_path / "library", blocks={"chroma": "chroma"})
    assert library.add(music).added == 6
    return library


def names(hits: list) -> list[str]:
    return [Path(hit.path).stem for hit in hits]


def test_tracks_and_segments_have_their_key(keyed: Library) -> None:
    rows = keyed.store.rows("tracks", ["id", "path", "key", "key_confidence"]).to_pylist()
    assert {Path(row["path"]).stem: row["key"] for row in rows} == WANTED
    assert all(0 < row["key_confidence"] <= 1 for row in rows)
    of_track = {row["id"]: row["key"] for row in rows}
    segments = keyed.store.rows("segments", ["track_id", "key"]).to_pylist()
    assert segments and all(row["key"] == of_track[row["track_id"]] for row in segments)
    assert health.verify(keyed.store) == []


@pytest.mark.parametrize("moments", [False, True])
@pytest.mark.parametrize("warm", [False, True])
def test_only_tracks_of_a_key(keyed: Library, moments: bool, warm: bool) -> None:
    library = Library.open(keyed.store.location, create=False)
    if warm:
        pytest.importorskip("faiss")
        library.warm()
    assert names(library.search("c.wav", key="Am", moments=moments)) == ["a"]
    assert names(library.search("c.wav", key="9B", moments=moments)) == ["g"]
    assert library.search("c.wav", key="Eb minor", moments=moments) == []


def test_without_a_query_the_tracks_of_a_key_are_listed(keyed: Library) -> None:
    (hit,) = keyed.search(key="A minor")
    assert (hit.key, hit.camelot) == ("A minor", "8A") and hit.key_confidence is not None
    assert {*names(keyed.search(key="8A", harmonic=True))} == {"a", "c"}


def test_similar_but_transposed(keyed: Library) -> None:
    assert names(keyed.search("c.wav", key=2, k=1)) == ["d"]
    assert names(keyed.search("c.wav", key="-5", k=1)) == ["g"]
    assert names(keyed.search("c.wav", key="+6", k=1)) == ["fs"]
    assert names(keyed.search("a.wav", key="+2", k=1)) == ["b"]
    assert keyed.search("c.wav", key=2, k=1)[0].score > 0.95 > keyed.search("c.wav", k=1)[0].score


def test_compatible_keys(keyed: Library) -> None:
    assert {*names(keyed.search("c.wav", harmonic=True))} == {"a", "g"}
    assert {*names(keyed.search("c.wav", harmonic=True, key="+2"))} == {"d", "b", "g"}
    assert {*names(keyed.search("c.wav", "d.wav", harmonic=True))} == {"g"}, "between C and D lies G"
    assert {*names(keyed.search(cadence(Key(0)), harmonic=True))} == {"c", "a", "g"}
    with pytest.raises(QueryError, match="no key is compatible with all of C major, F# major"):
        keyed.search("c.wav", "fs.wav", harmonic=True)


def test_a_key_moves_the_chroma_of_the_query_there(keyed: Library) -> None:
    """As a tempo does with rhythm: D major is where C major sounds the same, two semitones up."""
    (hit,) = keyed.search("c.wav", key="D")
    assert hit.score > 0.95
    (hit,) = keyed.search("c.wav", key="Bm")
    assert hit.score > keyed.search("c.wav", minus=["c.wav"], k=9)[-1].score


def test_chroma_weighs_only_where_key_is_asked_for(tmp_path: Path) -> None:
    library = Library.open(tmp_path / "both", blocks={"rhythm": "rhythm", "chroma": "chroma"})
    library.add(*(cadence(Key.parse(WANTED[name])) for name in "cda"), names=[*"cda"])
    assert library.search("c", k=1)[0].parts.keys() == {"rhythm"}
    for options in ({"key": 2}, {"key": 0}, {"harmonic": True}):
        parts = library.search("c", k=1, **options)[0].parts
        assert parts.keys() == {"rhythm", "chroma"}
    assert names(library.search("c", key=2, k=1)) == ["d"]
    assert library.search("c", key=2, weights={"chroma": 0}, k=1)[0].parts.keys() == {"rhythm"}


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"key": "H"}, "'H' is no key; write a name such as Am"),
        ({"key": 13}, r"'\+13' is no transposition"),
        ({"key": 2}, "there is no track to be in key with"),
        ({"harmonic": True}, "there is no track to be in key with"),
    ],
)
def test_questions_of_key_without_an_answer(keyed: Library, options: dict, sentence: str) -> None:
    with pytest.raises(QueryError, match=sentence):
        keyed.search(**options)


def test_a_query_whose_key_is_unknown_says_so(keyed: Library, tmp_path: Path) -> None:
    copy = Library.open(shutil.copytree(keyed.store.location, tmp_path / "copy"), create=False)
    copy.store.update("tracks", [{"path": copy.find("c.wav")["path"], "key": None}], key="path")
    with pytest.raises(QueryError, match=r"c\.wav: its key is not known; say which with --key"):
        copy.search("c.wav", harmonic=True)
    assert {*names(copy.search("c.wav", harmonic=True, key="C"))} == {"a", "g"}
    copy.store.update("tracks", [{"path": copy.find("c.wav")["path"], "chroma": None}], key="path")
    with pytest.raises(QueryError, match=r"c\.wav: has no vector in the block chroma yet; gliss index"):
        copy.search("c.wav", key=2)


def test_an_older_library_works_and_learns_its_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    music = tmp_path / "music"
    music.mkdir()
    for name in "cda":
        write(music / f"{name}.wav", cadence(Key.parse(WANTED[name])))
    with monkeypatch.context() as before:
        for fields in ("TRACK_FIELDS", "SEGMENT_FIELDS"):
            old = [field for field in getattr(store, fields) if not field.name.startswith("key")]
            before.setattr(store, fields, old)
        Library.open(tmp_path / "old", blocks={"rhythm": "rhythm"}).add(music)
    old = Library.open(tmp_path / "old", create=False)
    assert "key" not in old.store.tracks.schema.names
    assert old.search("c.wav", k=1)[0].key is None
    assert old.add(music).unchanged == 3
    write(music / "g.wav", cadence(Key.parse("G")))
    assert old.add(music).added == 1
    assert export(old.store, tmp_path / "old.csv") == 4
    for options in ({"key": "Am"}, {"key": 2}, {"harmonic": True}):
        with pytest.raises(QueryError, match="knows no keys yet; add them with: gliss index FOLDER --encoder chroma"):
            old.search("c.wav", **options)
    rhythm = old.store.rows("tracks", ["path", "rhythm"]).sort_by("path")["rhythm"].to_pylist()
    done = CliRunner().invoke(app, ["index", str(music), "-l", str(tmp_path / "old"), "-e", "chroma", "-q"])
    assert done.exit_code == 0 and "4 changed" in done.output, done.output
    wider = Library.open(tmp_path / "old", create=False)
    assert {*wider.store.blocks()} == {"rhythm", "chroma"}, "what is there gets what is named"
    assert wider.store.rows("tracks", ["path", "rhythm"]).sort_by("path")["rhythm"].to_pylist() == rhythm
    assert names(wider.search("c.wav", key="Am")) == names(wider.search("c.wav", key="Am", moments=True)) == ["a"]
    assert names(wider.search("c.wav", key=2, k=1)) == ["d"]
    assert health.verify(wider.store) == [] and wider.add(music).unchanged == 4


def test_the_command(keyed: Library, tmp_path: Path) -> None:
    def run(*words: str) -> str:
        done = CliRunner().invoke(app, [*words, "-l", keyed.store.location] if words[0] != "key" else [*words])
        assert done.exit_code == 0, done.output
        return done.output

    table = run("search", "c.wav", "--key", "Am")
    assert "A minor" in table and "8A" in table and "Camelot" in table
    (hit,) = json.loads(run("search", "c.wav", "--key", "-5", "-k", "1", "-f", "json"))
    assert (hit["key"], hit["camelot"]) == ("G major", "9B")
    assert run("search", "c.wav", "--harmonic", "-f", "csv").count(",9B,") == 1
    run("library", "export", str(tmp_path / "all.json"))
    assert {row["key"] for row in json.loads((tmp_path / "all.json").read_text())} == {*WANTED.values()}
    sound = keyed.find("fs.wav")["path"]
    assert "F# major (2B), confidence" in run("key", sound)
    (row,) = json.loads(run("key", sound, "-f", "json"))
    assert row["key"] == row["candidates"][0] == "F# major" and row["camelot"] == "2B"
