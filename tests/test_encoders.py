"""One contract for every registered encoder; parity with the originals; weights from strangers."""

from __future__ import annotations

import contextlib
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import song

from glissando import encoders
from glissando.audio import read, resample
from glissando.encoders import hear
from glissando.encoders.tf_checkpoint import read_checkpoint
from glissando.errors import ModelError

GOLDEN = Path(__file__).parent / "golden" / "musicnn.npz"
ORIGINALS = {
    "musicnn-msd": "MSD_musicnn",
    "musicnn-mtt": "MTT_musicnn",
    "musicnn-msd-vgg": "MSD_vgg",
    "musicnn-mtt-vgg": "MTT_vgg",
}


@pytest.fixture(scope="session")
def mule_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights in the layout of the hub's: the real ones are non-commercial and not on PyPI."""
    mule_torch = pytest.importorskip("mule_torch", reason='the extra "mule" is not installed')
    from glissando.features import mel_matrix

    folder = tmp_path_factory.mktemp("mule")
    torch.manual_seed(0)
    config = mule_torch.MuleConfig()
    model = mule_torch.MuleModel(config, mel_fb=mel_matrix(config.sample_rate, config.n_fft, config.n_mels))
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def clap_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights in the layout of the hub's."""
    from test_clap import make_clap

    return make_clap(tmp_path_factory.mktemp("clap"))


@pytest.fixture(scope="session")
def mert_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights in the layout of the hub's: the real ones are non-commercial and not on PyPI."""
    from test_mert import make_mert

    return make_mert(tmp_path_factory.mktemp("mert"))


@pytest.fixture(scope="module", params=encoders.names())
def encoder(request: pytest.FixtureRequest) -> encoders.Encoder:
    made = {"mule": "mule_folder", "mert": "mert_folder", "clap": "clap_folder"}.get(request.param)
    weights = request.getfixturevalue(made) if made else None
    return encoders.load(request.param, weights=weights)


def waveform(encoder: encoders.Encoder, *, seconds: float = 4.0, bpm: float = 120, seed: int = 0) -> torch.Tensor:
    audio = song(bpm, seconds=seconds, seed=seed)
    return torch.from_numpy(resample(audio.samples, audio.sample_rate, encoder.card.sample_rate))[None]


@torch.inference_mode()
def test_contract(encoder: encoders.Encoder) -> None:
    card = encoder.card
    pair = torch.cat([waveform(encoder), waveform(encoder, bpm=90, seed=1)])
    frames = encoder(pair)
    assert frames.shape == (2, encoder.framing.count(pair.shape[1]), card.dim)
    assert frames.dtype == torch.float32
    assert torch.equal(frames, encoder(pair)), "the same input must give the same output"
    alone = torch.cat([encoder(pair[:1]), encoder(pair[1:])])
    assert torch.allclose(frames, alone, atol=1e-3 * float(frames.abs().max())), "a batch must equal one by one"
    assert torch.allclose(encoder.embed(pair), frames.mean(1))
    assert torch.allclose(encoder.embed(pair, pool="max"), frames.amax(1))
    assert encoder.times(2)[1] - encoder.times(2)[0] == pytest.approx(1 / card.frame_rate)
    assert encoder.framing.window / card.sample_rate == pytest.approx(card.window, abs=0.05)
    outputs = encoder.outputs(pair)
    if card.tag_names:
        assert outputs["tags"].shape == (*frames.shape[:2], len(card.tag_names))
        assert ((outputs["tags"] >= 0) & (outputs["tags"] <= 1)).all()


@torch.inference_mode()
def test_contract_of_odd_input(encoder: encoders.Encoder) -> None:
    for odd in (torch.zeros(1, encoder.card.sample_rate), torch.full((1, 1), 0.3), torch.full((1, 700), 0.5)):
        frames = encoder(odd)
        assert frames.shape == (1, 1, encoder.card.dim)
        assert torch.isfinite(frames).all()
    for wrong in (torch.full((1, 400), torch.nan), torch.zeros(1, 0), torch.zeros(400)):
        with pytest.raises(ValueError, match=encoder.card.name):
            encoder(wrong)
    with pytest.raises(ValueError, match="pool 'median'"):
        encoder.embed(torch.zeros(1, 400), pool="median")


@torch.inference_mode()
def test_contract_of_chunks(encoder: encoders.Encoder) -> None:
    """Windows of a stream give what the whole gives."""
    whole = waveform(encoder, seconds=9.0 if encoder.card.name != "rhythm" else 40.0)
    framer = encoders.StreamFramer(encoder.framing)
    pieces = [framer.push(piece) for piece in np.array_split(whole[0].numpy(), 7)]
    windows = np.concatenate([*pieces, framer.finish()])
    frames = encoder(whole)[0]
    streamed = encoder.encode(torch.from_numpy(windows))["embedding"]
    assert torch.allclose(frames, streamed, atol=1e-3 * float(frames.abs().max()))


def test_contract_of_gradients(encoder: encoders.Encoder) -> None:
    sound = waveform(encoder, seconds=1.0).requires_grad_()
    encoder.embed(sound).sum().backward()
    assert sound.grad is not None and torch.isfinite(sound.grad).all() and sound.grad.abs().sum() > 0


def test_cards() -> None:
    cards = [encoders.card(name) for name in encoders.names()]
    assert len({card.space_id for card in cards}) == len(cards)
    for card in cards:
        assert card.licence and card.source and card.paper and card.block.isidentifier()
        assert "NC" not in card.licence or "no commercial use" in card.notice


@pytest.mark.parametrize("name", ORIGINALS)
@torch.inference_mode()
def test_musicnn_says_what_the_original_says(name: str) -> None:
    """Golden numbers: the original package under TensorFlow, see benchmarks/peers."""
    from benchmarks.synthetic import signals

    golden = np.load(GOLDEN)
    encoder = encoders.load(name)
    for stem, samples in signals().items():
        key = f"{ORIGINALS[name]}/{stem}"
        outputs = encoder.outputs(torch.from_numpy(samples)[None])
        windows = golden[f"{key}/windows"]
        assert outputs["tags"].shape[1] == golden[f"{key}/count"]
        assert np.abs(outputs["tags"][0, windows].numpy() - golden[f"{key}/tags"]).max() < 1e-4
        reference = golden[f"{key}/embedding"]
        apart = np.linalg.norm(outputs["embedding"][0, windows].numpy() - reference, axis=1)
        assert (apart / np.linalg.norm(reference, axis=1)).max() < 1e-3


@torch.inference_mode()
def test_musicnn_says_what_the_original_says_of_music(demo_music: Path) -> None:
    golden = np.load(GOLDEN)
    encoder = encoders.load("musicnn-msd")
    for file in sorted(demo_music.rglob("*.opus"))[::9]:
        outputs = encoder.outputs(torch.from_numpy(read(file, sample_rate=16_000).samples)[None])
        assert np.abs(outputs["tags"][0].mean(0).numpy() - golden[f"MSD_musicnn/{file.stem}/mean"]).max() < 1e-4


@torch.inference_mode()
def test_middle_layers_are_named_as_in_the_original() -> None:
    outputs = encoders.load("musicnn-msd").outputs(torch.zeros(1, 48_128))
    assert outputs["timbral"].shape == (1, 1, 187, 408)
    assert outputs["temporal"].shape == (1, 1, 187, 153)
    assert outputs["cnn3"].shape == (1, 1, 187, 64)
    assert outputs["max_pool"].shape == outputs["mean_pool"].shape == (1, 1, 753)
    assert encoders.load("musicnn-msd-vgg").outputs(torch.zeros(1, 48_128))["pool1"].shape == (1, 1, 92, 48, 128)


def test_unknown_names_and_devices() -> None:
    with pytest.raises(ModelError, match="did you mean musicnn-msd"):
        encoders.card("musicn-msd")
    with pytest.raises(ModelError, match="device 'toaster'"):
        encoders.load("rhythm", device="toaster")
    with pytest.raises(ModelError, match="registered twice"):
        encoders.register(encoders.card("rhythm"), lambda card, path: encoders.load("rhythm"))


def test_another_wheel_is_refused(tmp_path: Path) -> None:
    wheel = tmp_path / "musicnn-0.1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("musicnn/MSD_musicnn/.index", b"")
    with pytest.raises(ModelError, match=r"SHA-256 is .* it was not used"):
        encoders.load("musicnn-msd", weights=wheel)
    with pytest.raises(ModelError, match="no such file"):
        encoders.load("musicnn-msd", weights=tmp_path / "missing.whl")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0" * 100,
        bytes(40) + bytes.fromhex("57fb808b247547db"),
        b"\xff" * 200 + bytes.fromhex("57fb808b247547db"),
    ],
)
def test_damaged_checkpoints(tmp_path: Path, content: bytes) -> None:
    (tmp_path / ".index").write_bytes(content)
    (tmp_path / ".data-00000-of-00001").write_bytes(b"1234")
    if content[:40] == bytes(40):  # an empty table is a checkpoint without tensors, or damaged: never a crash
        with contextlib.suppress(ModelError):
            assert read_checkpoint(tmp_path) == {}
        return
    with pytest.raises(ModelError, match="holds no TensorFlow checkpoint"):
        read_checkpoint(tmp_path)


def test_pip_that_can_not_fetch_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="pip could not fetch it .* name it with --from"):
        encoders.fetch_wheel("glissando-no-such-wheel==0.0.0", "0" * 64, tmp_path)


def test_mule_is_loaded_from_a_folder_and_says_its_licence(
    mule_folder: Path, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    with caplog.at_level("WARNING", logger="glissando"):
        encoder = encoders.load("mule", weights=mule_folder)
    assert "GPL-3.0" in caplog.text and "no commercial use" in caplog.text
    with torch.inference_mode():
        assert encoder.embed(torch.randn(1, 80_000)).shape == (1, 1728)
    with pytest.raises(ModelError, match="must hold model.safetensors and config.json"):
        encoders.load("mule", weights=tmp_path)


def test_hear() -> None:
    model = hear.load_model("rhythm")
    audio = torch.stack([waveform(model.encoder, seconds=31)[0], waveform(model.encoder, seconds=31, bpm=90)[0]])
    scene = hear.get_scene_embeddings(audio, model)
    assert scene.shape == (2, model.scene_embedding_size)
    embeddings, times = hear.get_timestamp_embeddings(audio, model)
    assert embeddings.shape == (2, times.shape[1], model.timestamp_embedding_size)
    assert times[0, :2].tolist() == [7500.0, 15000.0]
    assert torch.allclose(embeddings.mean(1), scene)
