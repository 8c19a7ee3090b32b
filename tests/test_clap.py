"""CLAP with random weights: it hears what the original hears, reads, and finds by words; no hub is asked."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import song

from glissando import Library, encoders
from glissando.encoders import clap
from glissando.errors import ModelError, QueryError

transformers = pytest.importorskip("transformers", reason='the extra "clap" is not installed')


def make_clap(folder: Path, *, dead: bool = False, fused: bool = False) -> Path:
    """A CLAP of a few weights in the layout of the hub's, with a tokenizer that knows bytes."""
    import tokenizers

    torch.manual_seed(0)
    text = {
        "vocab_size": 300, "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2,
        "intermediate_size": 32, "projection_dim": 512, "initializer_factor": 20.0,
    }  # fmt: skip
    audio = {
        "depths": [1, 1], "num_attention_heads": [1, 2], "patch_embeds_hidden_size": 8, "hidden_size": 16,
        "projection_dim": 512, "enable_fusion": fused,
    }  # fmt: skip
    config = transformers.ClapConfig(text_config=text, audio_config=audio, projection_dim=512)
    model = transformers.ClapModel(config)
    if dead:
        for weight in model.text_projection.parameters():
            torch.nn.init.constant_(weight, 0.01)
    model.save_pretrained(folder)
    alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
    words = {word: i for i, word in enumerate(["<s>", "<pad>", "</s>", "<unk>", "<mask>", *sorted(alphabet)])}
    tokenizer = transformers.RobertaTokenizer(vocab=words, merges=[])
    extractor = transformers.ClapFeatureExtractor(frequency_min=50, truncation="rand_trunc", padding="repeatpad")
    for one in (extractor, tokenizer):
        one.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clap(tmp_path_factory.mktemp("clap"))


@torch.inference_mode()
def test_it_hears_what_the_original_hears(folder: Path) -> None:
    encoder = encoders.load("clap", weights=folder)
    wave = song(120, seconds=10, rate=48_000).samples
    given = transformers.ClapFeatureExtractor.from_pretrained(folder)(wave, sampling_rate=48_000, return_tensors="pt")
    ours = encoder.log_mel(torch.from_numpy(wave)[None])  # type: ignore[operator]
    assert ours.shape == given["input_features"].shape
    assert float((ours - given["input_features"]).abs().max()) < 0.05  # dB
    wanted = transformers.ClapModel.from_pretrained(folder).eval().get_audio_features(given["input_features"].float())
    found = encoder(torch.from_numpy(wave)[None])[0]
    assert torch.allclose(found, wanted.pooler_output, atol=1e-3)


def test_it_reads_and_a_dead_text_tower_is_noticed(folder: Path, tmp_path: Path) -> None:
    encoder = encoders.load("clap", weights=folder)
    z = encoder.embed_text(["slow piano", "fast drums", "slow piano"])  # type: ignore[operator]
    assert z.shape == (3, 512) and torch.allclose(z.norm(dim=1), torch.ones(3), atol=1e-4)
    assert torch.allclose(z[0], z[2], atol=1e-5) and float(z[0] @ z[1]) < 0.98
    with pytest.raises(ModelError, match="empty text"):
        encoder.embed_text(["  "])  # type: ignore[operator]
    dead = encoders.load("clap", weights=make_clap(tmp_path / "dead", dead=True))
    with pytest.raises(ModelError, match="its text tower is dead"):
        dead.embed_text(["slow piano"])  # type: ignore[operator]


def test_a_library_is_searched_by_words(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clap, "weights_folder", lambda name: folder)
    library = Library.open(tmp_path / "library", blocks={"words": "clap", "rhythm": "rhythm"})
    audios = [song(90 + 20 * i, pitch=110 * 2**i, seconds=4) for i in range(3)]
    library.add(*audios, names=["a", "b", "c"])
    hits = library.search(text="slow piano")
    read = encoders.load("clap").embed_text(["slow piano"])[0].numpy()  # type: ignore[operator]
    heard = {name: library.embed(audio).vectors["words"] for name, audio in zip("abc", audios, strict=True)}
    scores = {name: float(np.dot(read, vector)) for name, vector in heard.items()}
    assert [hit.path.removeprefix("array://") for hit in hits] == sorted(scores, key=lambda name: -scores[name])
    assert hits[0].score == pytest.approx(max(scores.values()), abs=1e-3) and set(hits[0].parts) == {"words"}
    with pytest.raises(QueryError, match="no tempo that could be moved"):
        library.search(text="slow piano", tempo_ratio=1.2)
    deaf = Library.open(tmp_path / "deaf", blocks={"rhythm": "rhythm"})
    with pytest.raises(QueryError, match=r"gliss index FOLDER --encoder NAME \(clap\)"):
        deaf.search(text="slow piano")
    with pytest.raises(ModelError, match="an empty text says nothing"):
        library.search(text=" ")


def test_what_transformers_changes_in_torch_does_not_stay(folder: Path) -> None:
    """In a fresh process: while it loads, torch.linspace is another, and torch must not keep that for good."""
    code = (
        "import torch\nfrom glissando import encoders\n"
        f"encoders.load('clap', weights={str(folder)!r})\n"
        "with torch.device('meta'):\n    assert torch.linspace(0, 1, 3).is_meta\n"
        "encoders.load('gliss-music')\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_weights_that_are_not_there_are_one_sentence(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ModelError, match=r"holds no model.safetensors and no config.json"):
        encoders.load("clap", weights=tmp_path)
    damaged = make_clap(tmp_path / "damaged")
    (damaged / "model.safetensors").write_bytes(b"\xff" * 100)
    with pytest.raises(ModelError, match="can't be read as CLAP") as caught:
        encoders.load("clap", weights=damaged)
    assert "\n" not in str(caught.value)
    with pytest.raises(ModelError, match="fused CLAP"):
        encoders.load("clap", weights=make_clap(tmp_path / "fused", fused=True))
    monkeypatch.setattr(clap, "weights_folder", lambda name: tmp_path / "none")
    monkeypatch.setattr(clap, "HUB", str(tmp_path / "no-hub"))
    with pytest.raises(ModelError, match="the hub could not be reached") as caught:
        encoders.load("clap")
    assert "\n" not in str(caught.value) and "gliss models get clap --from FOLDER" in str(caught.value)
