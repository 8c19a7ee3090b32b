"""MERT with random weights: it hears what HuBERT hears, every layer can be probed, and no code of a hub is run."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import song
from test_cli import run as gliss
from test_probes import make as make_clips

from glissando import encoders
from glissando.data import DataSet
from glissando.encoders import mert
from glissando.errors import ModelError
from glissando.training import embed_entries
from glissando.training.embeddings import spaces

transformers = pytest.importorskip("transformers", reason='the extra "mert" is not installed')

OLD_NAMES = {"parametrizations.weight.original0": "weight_g", "parametrizations.weight.original1": "weight_v"}


def make_mert(folder: Path, *, published: bool = True, lacking: str = "", **changes: object) -> Path:
    """A MERT of few weights in the layout of the hub's: its own configuration, its own code, names of older torch."""
    torch.manual_seed(0)
    sizes = {"hidden_size": 768, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    config = transformers.HubertConfig(
        **{**sizes, **{name: value for name, value in changes.items() if name in sizes}},
        conv_dim=[16] * 7, num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=4,
    )  # fmt: skip
    model = transformers.HubertModel(config)
    folder.mkdir(parents=True, exist_ok=True)
    transformers.Wav2Vec2FeatureExtractor(sampling_rate=24_000, do_normalize=True).save_pretrained(folder)
    if not published:
        model.save_pretrained(folder)
        return folder
    code = {"AutoConfig": "configuration_MERT.MERTConfig", "AutoModel": "modeling_MERT.MERTModel"}
    own = {"feature_extractor_cqt": False, "deepnorm": False, "attention_relax": -1.0, "sample_rate": 24_000}
    told = {**config.to_dict(), "model_type": "mert_model", "auto_map": code, **own, **changes}
    (folder / "config.json").write_text(json.dumps(told))
    for name in ("configuration_MERT", "modeling_MERT"):
        (folder / f"{name}.py").write_text("raise SystemExit('code of a stranger was run')\n")
    state = model.state_dict()
    for new, old in OLD_NAMES.items():
        state = {name.replace(new, old): tensor for name, tensor in state.items()}
    torch.save(
        {name: one for name, one in state.items() if not lacking or lacking not in name}, folder / "pytorch_model.bin"
    )
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_mert(tmp_path_factory.mktemp("mert"))


@torch.inference_mode()
def test_it_hears_what_the_original_hears(folder: Path, tmp_path: Path) -> None:
    encoder = encoders.load("mert", weights=folder)
    wave = song(120, seconds=5, rate=24_000).samples
    given = transformers.Wav2Vec2FeatureExtractor.from_pretrained(folder)(
        wave, sampling_rate=24_000, return_tensors="pt"
    )
    model = transformers.HubertModel.from_pretrained(make_mert(tmp_path / "new", published=False)).eval()
    wanted = [one.mean(1) for one in model(given["input_values"], output_hidden_states=True).hidden_states]
    found = encoder.encode(torch.from_numpy(wave)[None])
    assert set(found) == {"embedding", "layer0", "layer1", "layer2"} and found["embedding"].shape == (1, 768)
    for number, one in enumerate(wanted):
        torch.testing.assert_close(found[f"layer{number}"], one, atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(found["embedding"], (wanted[1] + wanted[2]) / 2, atol=1e-4, rtol=1e-3)
    louder = encoder.encode(0.1 * torch.from_numpy(wave)[None])["embedding"]
    torch.testing.assert_close(louder, found["embedding"], atol=1e-3, rtol=1e-2)


def test_every_layer_can_be_probed(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLISSANDO_CACHE", str(tmp_path / "cache"))
    clips = make_clips(tmp_path, "clips", takes=2)
    entries = [*DataSet.open(clips).values()]
    whole, layer = (embed_entries(f"{name}={folder}", entries) for name in ("mert", "mert:layer1"))
    assert whole.shape == layer.shape == (6, 768) and not np.allclose(whole, layer)
    other = make_mert(tmp_path / "other", published=False)
    assert len({spaces("mert"), spaces(f"mert={folder}"), spaces(f"mert={other}")}) == 3  # so that none is mixed
    with pytest.raises(ModelError, match="no output 'layer9'; it has embedding, layer0, layer1, layer2"):
        embed_entries(f"mert:layer9={folder}", entries)


def test_weights_are_copied_with_their_licence_said(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GLISSANDO_CACHE", str(tmp_path))
    told = gliss("models", "get", "mert", "--from", folder)
    assert "no commercial use" in told and "mert is ready" in told
    kept = sorted(path.name for path in (tmp_path / "models" / "mert").iterdir())
    assert kept == ["config.json", "preprocessor_config.json", "pytorch_model.bin"]  # and none of its code
    assert "here already" in gliss("models", "get", "mert")


class Stranger:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return exec, ("raise SystemExit('code of a stranger was run')",)


def test_what_is_no_mert_is_one_sentence(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(folder: Path) -> str:
        with pytest.raises(ModelError) as caught:
            encoders.load("mert", weights=folder)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    assert "holds no config.json and no preprocessor_config.json and no model.safetensors or pytorch" in refused(
        tmp_path
    )
    assert "has feature_extractor_cqt, which HuBERT lacks" in refused(
        make_mert(tmp_path / "cqt", feature_extractor_cqt=True)
    )
    assert "is not of 768 dimensions at 24000 Hz" in refused(make_mert(tmp_path / "small", hidden_size=64))
    assert "lacks 2 weights of its network, such as encoder.layers.1.attention.k_proj.bias" in refused(
        make_mert(tmp_path / "lacking", lacking="layers.1.attention.k_proj")
    )
    evil = make_mert(tmp_path / "evil")
    torch.save({"encoder.layer_norm.weight": Stranger()}, evil / "pytorch_model.bin")
    assert "can't be read as MERT" in refused(evil)
    monkeypatch.setattr(mert, "weights_folder", lambda name: tmp_path / "none")
    monkeypatch.setattr(mert, "HUB", str(tmp_path / "no-hub"))
    with pytest.raises(ModelError, match=r"hub could not be reached .*gliss models get mert --from FOLDER"):
        encoders.load("mert")
