"""Recordings at several tempi: embedded, kept, split without leaks, and learned from."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import RATE, song
from typer.testing import CliRunner

from glissando.audio import Audio, write
from glissando.cli import app
from glissando.data import (
    Annotations,
    ArrayWriter,
    Recording,
    joined,
    load,
    of_data,
    recordings,
    split_by,
    write_pyjama,
)
from glissando.encoders import card
from glissando.errors import RecipeError
from glissando.latent import LearnedTranslator, ShiftTranslator, similarity, translator
from glissando.latent.tempo_pairs import embed_at_tempi, excerpt
from glissando.training import load_translation_recipe, train_translation
from glissando.training.translation import PairData, draw_sides

TEMPI = (70, 84, 96, 105, 118, 126, 140, 152)
THREE = np.array([0.5, 1.0, 2.0])


@pytest.fixture(scope="module")
def songs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight songs of four pieces, as a pair of files."""
    folder = tmp_path_factory.mktemp("songs")
    described = {}
    with ArrayWriter(folder / "songs_audio.hdf5") as writer:
        for i, bpm in enumerate(TEMPI):
            audio = song(bpm, pitch=110 * 1.1**i, seconds=16.0, seed=i)
            writer.add(f"song{i}", audio.samples, audio.sample_rate)
            described[f"song{i}"] = Annotations(labels={"piece": (f"piece{i // 2}",), "tempo": (str(bpm),)})
    write_pyjama(folder / "songs.pyjama", described)
    return folder / "songs.pyjama"


def test_clips_last_the_same_at_all_tempi(songs: Path) -> None:
    one = recordings(songs)[3]
    for factor in (0.5, 1.0, 1.37, 2.0):
        clip = excerpt(one, factor)
        assert len(clip.samples) == 8 * RATE  # at twice the tempo, 16 s last 8
        assert np.abs(clip.samples[-RATE // 4 :]).max() > 0.1  # and are full to the end
    assert len(excerpt(one, 2.0, seconds=5.0).samples) == 5 * RATE


def test_clips_of_a_space_with_rates_are_shifts_of_one_another(songs: Path, tmp_path: Path) -> None:
    made = embed_at_tempi(recordings(songs)[:4], "rhythm", factors=THREE, folder=tmp_path)
    assert made.pairs.vectors.shape == (4, 3, 72) and made.computed == 4 and not made.failed
    np.testing.assert_allclose(np.linalg.norm(made.pairs.vectors, axis=-1), 1, atol=1e-4)
    no_op = LearnedTranslator("rhythm:0", 72, hidden=0)
    assert similarity(ShiftTranslator("rhythm"), made.pairs) > similarity(no_op, made.pairs) + 0.2


def test_what_was_embedded_is_kept_and_a_killed_run_goes_on(songs: Path, tmp_path: Path) -> None:
    held, told = recordings(songs), []
    first = embed_at_tempi(held[:2], "chroma", factors=THREE, folder=tmp_path)
    again = embed_at_tempi(
        held[:3], "chroma", factors=THREE, folder=tmp_path, progress=lambda done, total: told.append((done, total))
    )
    assert (first.computed, again.computed, told) == (2, 1, [(3, 3)])
    np.testing.assert_array_equal(again.pairs.vectors[:2], first.pairs.vectors)
    assert embed_at_tempi(held[:2], "chroma", factors=THREE, seconds=4.0, folder=tmp_path).computed == 2


def test_several_processes_give_what_one_gives(songs: Path, tmp_path: Path) -> None:
    held = recordings(songs)[:3]
    one = embed_at_tempi(held, "chroma", factors=THREE, folder=tmp_path / "a")
    two = embed_at_tempi(held, "chroma", factors=THREE, folder=tmp_path / "b", workers=2)
    np.testing.assert_allclose(one.pairs.vectors, two.pairs.vectors, atol=1e-5)


def test_recordings_that_fail_are_named_and_left_out(tmp_path: Path) -> None:
    music = tmp_path / "music"
    music.mkdir()
    write(music / "a good.wav", song(100, seconds=8.0))
    write(music / "b short.wav", song(100, seconds=4.0))
    write(music / "c silent.wav", Audio(np.zeros(8 * RATE, np.float32), RATE))
    (music / "d broken.wav").write_bytes(b"RIFF, and no more")
    made = embed_at_tempi(recordings(music), "rhythm", factors=THREE, folder=tmp_path / "kept")
    assert [Path(one.key).name for one in made.recordings] == ["a good.wav"]
    assert [Path(one.key).name for one in made.failed] == ["b short.wav", "c silent.wav", "d broken.wav"]
    for failure, said in zip(made.failed, ("too short (4.0 s)", "is silent", "is not audio"), strict=True):
        assert said in failure.reason and failure.key in failure.reason
    with pytest.raises(RecipeError, match="none of 1 recordings could be embedded"):
        embed_at_tempi(recordings(music)[2:3], "rhythm", factors=THREE, folder=tmp_path / "kept")
    with pytest.raises(RecipeError, match="holds no audio"):
        recordings(tmp_path / "kept")


def test_what_shares_anything_belongs_together(tmp_path: Path) -> None:
    def one(key: str, *groups: tuple[str, str]) -> Recording:
        return Recording(key, tmp_path / key, frozenset(groups))

    held = [
        one("a", ("piece", "1"), ("artist", "x")),
        one("b", ("piece", "2"), ("artist", "x")),
        one("c", ("piece", "2"), ("artist", "y")),
        one("d", ("album", "1")),  # of the same name, but of another kind
        one("e"),
        one("f"),
    ]
    names = joined(held)
    assert len({*names[:3]}) == 1 and len({*names}) == 4


def test_sides_are_those_of_recipes_and_share_no_piece(songs: Path) -> None:
    part = PairData(name=str(songs), shares=(0.5, 0.25, 0.25))
    sides = draw_sides(part)
    assert {side: len(held) for side, held in sides.items()} == {"train": 4, "valid": 2, "test": 2}
    split = split_by(load(songs), "piece", fractions={"train": 0.5, "valid": 0.25, "test": 0.25})
    assert {side: [one.key for one in held] for side, held in sides.items()} == {
        side: [f"songs: {key}" for key in keys] for side, keys in split.parts.items()
    }
    few = draw_sides(part.model_copy(update={"clips": 5}))
    assert sum(map(len, few.values())) == 5
    assert all({one.key for one in few[side]} <= {one.key for one in sides[side]} for side in sides)


def test_what_two_sets_share_goes_to_the_test(tmp_path: Path) -> None:
    """An official split of one set, where the piece to test is one to train in the other."""
    for name, split in (("first", ("train", "valid", "test", "")), ("second", ("test", "valid", "train", "train"))):
        described = {}
        with ArrayWriter(tmp_path / f"{name}_audio.hdf5") as writer:
            for i, side in enumerate(split):
                writer.add(f"{name}{i}", np.ones(100, np.float32), RATE)
                labels = {"piece": (f"piece{i}",), **({"split": (side,)} if side else {})}
                described[f"{name}{i}"] = Annotations(labels=labels)
        write_pyjama(tmp_path / f"{name}.pyjama", described)
    sides = draw_sides(PairData(name=[str(tmp_path / f"{name}.pyjama") for name in ("first", "second")]))
    found = {side: {one.key[-6:].strip(": ") for one in held} for side, held in sides.items()}
    assert found == {
        "train": {"econd3"},  # (what the first has of that piece is in none of its parts)
        "valid": {"first1", "econd1"},
        "test": {"first0", "econd0", "first2", "econd2"},
    }


def test_the_command_learns_a_translator_that_libraries_find(
    songs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GLISSANDO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("GLISSANDO_DATA", str(tmp_path / "data"))
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    changes = ("train.steps=40", "train.batch=8", "model.hidden=16", "data.shares=[0.5, 0.25, 0.25]", "data.seconds=4")
    words = ["train", "tempo-translation", "--encoder", "chroma", "--data", str(songs)]
    done = CliRunner().invoke(app, words + [word for change in changes for word in ("--set", change)])
    assert done.exit_code == 0, done.output
    space = card("chroma").space_id
    folder = tmp_path / "data" / "translators" / space.replace(":", "-")
    found = translator(space)
    assert isinstance(found, LearnedTranslator) and found.hidden == 16
    result = json.loads((folder / "result.json").read_text())
    assert result["clips"] == {"train": 4, "valid": 2, "test": 2} and result["space_id"] == space
    assert result["metrics"].keys() == {"no-op", "direction", "subspace", "learned"}
    assert f"For the space `{space}` alone" in (folder / "card.md").read_text()
    split = json.loads((folder / "split.json").read_text())
    assert sorted(key for keys in split.values() for key in keys) == [f"songs: song{i}" for i in range(8)]
    assert load_translation_recipe(folder / "translation.yaml").train.steps == 40
    with pytest.raises(RecipeError, match="holds a translator already"):
        train_translation(load_translation_recipe(folder / "translation.yaml"))
    again = train_translation(load_translation_recipe(folder / "translation.yaml"), tmp_path / "again")
    assert again.result["metrics"] == result["metrics"]  # the same seed, the same translator


def test_recipes_for_translation_are_checked(songs: Path) -> None:
    with pytest.raises(RecipeError, match="rhythm: needs no translation"):
        train_translation(load_translation_recipe("tempo-translation", changes=["encoder=rhythm"]))
    with pytest.raises(RecipeError, match=r"train\.steps: input should be a valid integer"):
        load_translation_recipe("tempo-translation", changes=["train.steps=many"])
    with pytest.raises(RecipeError, match=r"task: input should be 'tempo-translation'"):
        load_translation_recipe("tempo/renders")
    done = CliRunner().invoke(app, ["train", "tempo-translation", "--repeat", "2"])
    assert done.exit_code == 2 and "takes no --repeat" in done.output
    assert of_data(load(songs))[0].annotations.labels["tempo"] == ("70",)
