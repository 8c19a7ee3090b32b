"""One contract for every registered codec, on small or random weights; and our own, trained on tones."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from conftest import song
from safetensors.numpy import save_file
from typer.testing import CliRunner

from glissando import codecs
from glissando.audio import Audio, read, resample, write
from glissando.cli.codec import app
from glissando.codecs import base, hub
from glissando.data import Annotations, ArrayWriter, write_pyjama
from glissando.errors import ModelError, RecipeError
from glissando.metrics import log_spectral_distance
from glissando.training import Run, evaluate, load_recipe, read_recipe, resume, shipped, train
from glissando.training.building import paradigm_of

RATE = 16_000


def make_tones(folder: Path) -> Path:
    """Decaying tones with harmonics over two octaves, and silence at their ends."""
    described = {}
    with ArrayWriter(folder / "tones_audio.hdf5") as writer:
        for number in range(20):
            time, pitch = np.arange(RATE * 3 // 2) / RATE, 200 * 2 ** (number / 12)
            tone = sum(np.sin(2 * np.pi * pitch * h * time) / h for h in (1, 2, 3)) * np.exp(-4 * time)
            writer.add(f"tone{number:02}", np.float32(0.3 * tone * (time < 1.2)), RATE)
            described[f"tone{number:02}"] = Annotations(labels={"recording": (f"r{number}",)})
    write_pyjama(folder / "tones.pyjama", described)
    return folder / "tones.pyjama"


def small(data: Path, **changes: Any) -> dict[str, Any]:
    """The recipe gliss-codec for the tones, and smaller."""
    content = read_recipe("codec/gliss-codec")
    content["data"] = {"name": str(data), "split": "recording", "shares": [0.6, 0.2, 0.2], "patch": 32, "per_entry": 4}
    content["train"] = {"epochs": 6, "batch": 8, "rate": 0.002}
    content["feature"]["log-stft"]["iterations"] = 6  # (every one of them widens the context)
    encoder, decoder = content["model"]["encoder"], content["model"]["decoder"]
    encoder[3]["linear"]["units"] = decoder[1]["conv1d"]["channels"] = 16
    encoder[4]["convnext1d"]["repeat"] = decoder[2]["convnext1d"]["repeat"] = 1
    encoder[5]["linear"]["units"] = encoder[8]["pca"]["units"] = 16
    content["model"] |= changes.pop("model", {})
    content["train"] |= changes.pop("train", {})
    return {**content, **changes}


def write_recipe(path: Path, content: dict[str, Any]) -> Path:
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path


def make_hub(name: str, folder: Path) -> Path:
    """Networks of transformers with few random weights, in the layout of the hub."""
    transformers = pytest.importorskip("transformers", reason='the extra "codecs" is not installed')
    torch.manual_seed(0)
    if name == "encodec":
        config = transformers.EncodecConfig(
            num_filters=4, hidden_size=16, codebook_dim=16, codebook_size=8, num_lstm_layers=1
        )
        model = transformers.EncodecModel(config)
    elif name == "dac":
        config = transformers.DacConfig(
            encoder_hidden_size=4, decoder_hidden_size=64, downsampling_ratios=[2, 4, 4], upsampling_ratios=[4, 4, 2],
            n_codebooks=3, codebook_size=8, codebook_dim=4,
        )  # fmt: skip
        model = transformers.DacModel(config)
    else:
        config = transformers.MimiConfig(
            num_filters=4, hidden_size=32, codebook_dim=8, vector_quantization_hidden_dimension=8, codebook_size=8,
            num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=2, head_dim=16, intermediate_size=32,
            num_quantizers=4, upsample_groups=32,
        )  # fmt: skip
        model = transformers.MimiModel(config)
    with torch.no_grad():
        for buffer_name, buffer in model.named_buffers():
            if "embed" in buffer_name or "codebook" in buffer_name:
                buffer.normal_()
    model.save_pretrained(folder)
    return folder


def make_music2latent(folder: Path) -> Path:
    """A network of the package with few random weights."""
    models = pytest.importorskip("music2latent.models", reason='the extra "music2latent" is not installed')
    models.base_channels, models.bottleneck_base_channels, models.num_bottleneck_layers = 8, 16, 1
    models.layers_list = models.layers_list_encoder = [1] * 5
    models.init_as_zero = False
    torch.manual_seed(0)
    torch.save({"gen_state_dict": models.UNet().state_dict()}, folder / "music2latent.pt")
    return folder


class Rave(torch.nn.Module):
    """What an export has: encode, decode, a rate; its decoder draws noise."""

    def __init__(self) -> None:
        super().__init__()
        self.sr = 16_000
        self.into, self.out = torch.nn.Conv1d(1, 4, 128, 128), torch.nn.ConvTranspose1d(4, 1, 128, 128)

    @torch.jit.export
    def encode(self, x: torch.Tensor) -> torch.Tensor:
        return self.into(x)

    @torch.jit.export
    def decode(self, z: torch.Tensor) -> torch.Tensor:
        made = self.out(z)
        return made + 0.01 * torch.randn_like(made)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.decode(self.encode(x))


def make_rave(folder: Path) -> Path:
    torch.manual_seed(0)
    torch.jit.script(Rave()).save(str(folder / "toy.ts"))
    return folder / "toy.ts"


@pytest.fixture(scope="session")
def tones(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tones(tmp_path_factory.mktemp("tones"))


@pytest.fixture(scope="session")
def run(tones: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("codec")
    return train(load_recipe(write_recipe(folder / "small.yaml", small(tones))), folder / "run")


@pytest.fixture(scope="session")
def quantizing(run: Run, tones: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("rvq")
    content = small(
        tones, model={"bottleneck": {"codebooks": {"levels": 3, "size": 16}}},
        paradigm={"codec": {"freeze": ["encoder"]}}, train={"start": str(run.folder), "epochs": 2},
    )  # fmt: skip
    return train(load_recipe(write_recipe(folder / "rvq.yaml", content)), folder / "run")


@pytest.fixture(scope="module", params=codecs.names())
def codec(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> codecs.Codec:
    name = request.param
    if name == "gliss-codec":
        return codecs.load(name, weights=request.getfixturevalue("quantizing").folder)
    folder = tmp_path_factory.mktemp(name)
    if name == "music2latent":
        return codecs.load(name, weights=make_music2latent(folder))
    return codecs.load(name, weights=make_rave(folder) if name == "rave" else make_hub(name, folder), trusted=True)


def sound(card: codecs.CodecCard, *, seconds: float = 1.3, bpm: float = 120) -> torch.Tensor:
    audio = song(bpm, seconds=seconds)
    return torch.from_numpy(resample(audio.samples, audio.sample_rate, card.sample_rate))[None]


@torch.inference_mode()
def test_contract(codec: codecs.Codec) -> None:
    card = codec.card
    pair = torch.cat([sound(card), sound(card, bpm=90)])
    latents = codec(pair)
    assert latents.shape == (2, -(-pair.shape[1] // card.hop), card.dim) and latents.dtype == torch.float32
    assert card.frame_rate == pytest.approx(card.sample_rate / card.hop)
    assert torch.equal(latents, codec(pair)), "the same input must give the same output"
    near = 1e-3 * float(latents.abs().max())
    assert torch.allclose(latents, torch.cat([codec(pair[:1]), codec(pair[1:])]), atol=near)
    decoded = codec.decode(latents, samples=pair.shape[1])
    assert decoded.shape == pair.shape and decoded.dtype == torch.float32 and torch.isfinite(decoded).all()
    assert torch.equal(decoded, codec.decode(latents, samples=pair.shape[1]))
    assert codec.decode(latents).shape[1] == latents.shape[1] * card.hop
    assert torch.allclose(decoded[:1], codec.decode(latents[:1], samples=pair.shape[1]), atol=1e-3)


@torch.inference_mode()
def test_contract_of_codes(codec: codecs.Codec) -> None:
    card, latents = codec.card, codec(sound(codec.card))
    if not card.levels:
        with pytest.raises(ValueError, match="does not quantize"):
            codec.codes(latents)
        with pytest.raises(ValueError, match="does not quantize"):
            codec.from_codes(torch.zeros(1, 4, 2, dtype=torch.int64))
        return
    codes = codec.codes(latents)
    assert codes.shape == (*latents.shape[:2], card.levels) and codes.dtype == torch.int64
    assert int(codes.min()) >= 0 and int(codes.max()) < card.size
    assert card.bits_per_second == pytest.approx(card.frame_rate * card.levels * np.log2(card.size))
    looked_up = codec.from_codes(codes)
    assert looked_up.shape == latents.shape
    assert codec.from_codes(codes[..., :1]).shape == latents.shape, "the first level alone will do"
    assert torch.isfinite(codec.decode(looked_up)).all()
    for wrong in (codes.clone().fill_(card.size), codes - card.size, codes.float(), codes[0], codes[:, :0]):
        with pytest.raises(ValueError, match=card.name):
            codec.from_codes(wrong)


@torch.inference_mode()
def test_contract_of_odd_input(codec: codecs.Codec) -> None:
    card = codec.card
    for odd in (torch.zeros(1, 1), torch.full((1, 1), 0.3), torch.full((1, 700), 0.5), torch.zeros(2, card.hop)):
        latents = codec(odd)
        assert latents.shape == (len(odd), -(-odd.shape[1] // card.hop), card.dim)
        decoded = codec.decode(latents, samples=odd.shape[1])
        assert decoded.shape == odd.shape and torch.isfinite(decoded).all()
    for wrong in (
        torch.full((1, 400), torch.nan),
        torch.full((1, 400), torch.inf),
        torch.zeros(1, 0),
        torch.zeros(400),
    ):
        with pytest.raises(ValueError, match=card.name):
            codec(wrong)
    good = torch.zeros(1, 3, card.dim)
    for bad in (good + torch.nan, good[0], good[:, :0], torch.zeros(1, 3, card.dim + 1)):
        with pytest.raises(ValueError, match=card.name):
            codec.decode(bad)


@torch.inference_mode()
def test_contract_of_chunks(codec: codecs.Codec, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is encoded or decoded in chunks is what the whole is, wherever they begin."""
    if codec.context is None:
        pytest.skip("looks at everything")
    waveform = sound(codec.card, seconds=3.0)
    whole = codec(waveform)
    decoded = codec.decode(whole)
    assert sum(codec.context) < whole.shape[1], "or chunks would be the whole"
    monkeypatch.setattr(base, "CHUNK", 0.4)
    assert torch.allclose(codec(waveform), whole, atol=1e-3 * float(whole.abs().max()))
    assert torch.allclose(codec.decode(whole), decoded, atol=2e-3 * float(decoded.abs().max()))


@torch.inference_mode()
def test_contract_as_encoder(codec: codecs.Codec) -> None:
    encoder = codecs.CodecEncoder(codec)
    waveform = sound(codec.card, seconds=3.0)
    frames = encoder(waveform)
    assert frames.shape == (1, encoder.framing.count(waveform.shape[1]), codec.card.dim)
    first = codec(waveform[:, : encoder.framing.window])
    assert torch.allclose(frames[:, 0], first.mean(1), atol=1e-4 * float(first.abs().max()))
    assert encoder.card.space_id != codec.card.space_id and encoder.card.space_id.startswith(codec.card.name)


def test_contract_of_files(codec: codecs.Codec, tmp_path: Path) -> None:
    """Any rate in, the same rate and length out."""
    audio = song(100, seconds=1.2, rate=44_100)
    kinds = [False, True] if codec.card.levels else [False]
    for codes in kinds:
        encoded = codecs.encode(codec, audio, codes=codes)
        encoded.write(tmp_path / "x.safetensors")
        back = codecs.Encoded.read(tmp_path / "x.safetensors")
        assert np.array_equal(back.values, encoded.values) and replace(back, values=0) == replace(encoded, values=0)
        decoded = codecs.decode(codec, back)
        assert decoded.sample_rate == 44_100 and decoded.samples.shape == audio.samples.shape
        assert np.isfinite(decoded.samples).all() and np.abs(decoded.samples).max() <= 1
    with pytest.raises(ModelError, match="of the space another:1"):
        codecs.decode(codec, replace(encoded, space_id="another:1"))


def test_cards() -> None:
    cards = [codecs.card(name) for name in codecs.names()]
    assert len({card.space_id for card in cards}) == len(cards)
    for card in cards:
        assert card.licence and card.source and card.paper and card.block.isidentifier()
        assert "NC" not in card.licence or "no commercial use" in card.notice


# Our own


def test_training_on_tones_gives_tones(run: Run) -> None:
    metrics = run.result()["metrics"]
    assert metrics["explained"]["mean"] > 0.5 and metrics["LSD"]["mean"] < 6  # at pitches that it has not heard
    scored = evaluate(run)["metrics"]
    assert scored["LSD"]["mean"] == pytest.approx(metrics["LSD"]["mean"], abs=0.05)


@torch.inference_mode()
def test_a_tone_keeps_its_pitch_and_silence_stays_silent(run: Run) -> None:
    codec = codecs.load("gliss-codec", weights=run.folder)
    time = torch.arange(RATE) / RATE
    pitch = 200 * 2 ** (7.5 / 12)  # between the tones that it heard
    tone = (sum(torch.sin(2 * torch.pi * pitch * h * time) / h for h in (1, 2, 3)) * 0.3 * torch.exp(-4 * time))[None]
    decoded = codec.decode(codec(tone), samples=RATE)
    peak = torch.fft.rfft(decoded[0], 4 * RATE).abs()[: 4 * 500].argmax() / 4
    assert abs(1200 * np.log2(float(peak) / pitch)) < 50
    silence = torch.zeros_like(tone)
    apart = [float(log_spectral_distance(tone, other, sample_rate=RATE)) for other in (decoded, silence)]
    assert apart[0] < 0.5 * apart[1]
    assert float(codec.decode(codec(silence)).abs().max()) < 1e-3


def test_a_stopped_training_goes_on_to_the_same_end(tones: Path, tmp_path: Path) -> None:
    content = small(tones, train={"epochs": 3})
    whole = train(load_recipe(write_recipe(tmp_path / "a.yaml", content)), tmp_path / "whole")
    half = write_recipe(tmp_path / "b.yaml", {**content, "train": {**content["train"], "minutes": 1e-6}})
    stopped = train(load_recipe(half), tmp_path / "stopped")
    assert stopped.result()["epochs"] == 1
    for file in ("result.json", "weights.safetensors"):
        (stopped.folder / file).unlink()
    recipe = yaml.safe_load((stopped.folder / "recipe.yaml").read_text())
    del recipe["train"]["minutes"]
    (stopped.folder / "recipe.yaml").write_text(yaml.safe_dump(recipe, sort_keys=False))
    again = resume(stopped.folder)
    assert again.result()["sha256"] == whole.result()["sha256"]


def test_codebooks_are_fitted_to_a_frozen_encoder(run: Run, quantizing: Run) -> None:
    before, after = (codecs.load("gliss-codec", weights=one.folder) for one in (run, quantizing))
    waveform = sound(after.card)
    with torch.inference_mode():
        assert torch.allclose(before(waveform), after(waveform), atol=1e-5)
        latents = after(waveform)
        codes = after.codes(latents)
        apart = [float((after.from_codes(codes[..., :n]) - latents).square().mean()) for n in (1, 2, 3)]
    assert apart[0] > apart[1] > apart[2], "every level leaves less"
    assert before.card.levels == 0 and (after.card.levels, after.card.size) == (3, 16)
    metrics = quantizing.result()["metrics"]
    assert 0.3 < metrics["codebook_use"]["mean"] <= 1 and 1 < metrics["perplexity"]["mean"] <= 16


@pytest.mark.parametrize("bottleneck", [{"gaussian": {}}, {"vq": {"size": 16}}, {"vq": {"size": 16, "levels": 2}}])
def test_other_bottlenecks_train(bottleneck: dict[str, Any], tones: Path, tmp_path: Path) -> None:
    if "vq" in bottleneck:
        pytest.importorskip("vector_quantize_pytorch", reason='the extra "codecs" is not installed')
    content = small(tones, model={"bottleneck": bottleneck}, train={"epochs": 2})
    made = train(load_recipe(write_recipe(tmp_path / "small.yaml", content)), tmp_path / "run")
    metrics = made.result()["metrics"]
    assert np.isfinite(metrics["LSD"]["mean"]) and ("codebook_use" in metrics) == ("vq" in bottleneck)
    codec = codecs.load("gliss-codec", weights=made.folder)
    with torch.inference_mode():
        latents = codec(sound(codec.card))
        assert torch.isfinite(codec.decode(latents)).all()
        if "vq" in bottleneck:
            assert codec.codes(latents).shape[2] == bottleneck["vq"].get("levels", 1)


def test_a_codec_of_waveforms_trains_against_discriminators(tones: Path, tmp_path: Path) -> None:
    pytest.importorskip("vector_quantize_pytorch", reason='the extra "codecs" is not installed')
    content = read_recipe("codec/soundstream")
    content["data"] = {**small(tones)["data"], "patch": 4096, "per_entry": 1}
    content["train"] = {"epochs": 1, "batch": 4}
    content["paradigm"]["codec"]["adversary"] = {"channels": 2, "sizes": [256], "weight": 0.1}
    content["model"]["bottleneck"]["vq"] = {"size": 8, "levels": 2}
    made = train(load_recipe(write_recipe(tmp_path / "small.yaml", content)), tmp_path / "run")
    assert (made.folder / "heads.safetensors").exists()  # the discriminators, which are no part of the codec
    codec = codecs.load("gliss-codec", weights=made.folder)
    assert codec.card.hop == 512 and codec.context is not None and codec.context[0] < 10
    with torch.inference_mode():
        waveform = sound(codec.card)
        whole = codec(waveform)
        assert codec.decode(whole, samples=waveform.shape[1]).shape == waveform.shape


def test_a_codec_of_spectra_goes_on_against_a_discriminator(tones: Path, tmp_path: Path) -> None:
    begun = train(load_recipe(write_recipe(tmp_path / "small.yaml", small(tones))), tmp_path / "run")
    content = small(tones)
    content["paradigm"] = {"codec": {"freeze": ["encoder"], "adversary": {"channels": 2, "sizes": []}}}
    content["train"] |= {"epochs": 1, "start": str(begun.folder)}
    made = train(load_recipe(write_recipe(tmp_path / "judged.yaml", content)), tmp_path / "judged")
    before, after = (codecs.load("gliss-codec", weights=run.folder) for run in (begun, made))
    with torch.inference_mode():
        latents = before(sound(before.card))
        assert torch.equal(latents, after(sound(after.card))), "the encoder stays as it is"
        assert not torch.equal(before.decode(latents), after.decode(latents))


@pytest.mark.parametrize("name", [name for name in shipped() if name.startswith("codec/")])
def test_shipped_recipes_build(name: str) -> None:
    if name in ("codec/vq-vae", "codec/soundstream"):
        pytest.importorskip("vector_quantize_pytorch", reason='the extra "codecs" is not installed')
    network, _ = paradigm_of(load_recipe(name), name=name)
    assert network.output().shape == network.example().shape
    assert sum(weight.numel() for weight in network.model.parameters()) < 2_500_000


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("paradigm.codec.freeze=[encoder, decoder]", "nothing to learn"),
        ("paradigm.codec.adversary={}", "of log-stft, say sizes: []"),
        ("feature={log-mel: {sample_rate: 16000, n_fft: 1024, hop: 256, bands: 513}}", "turned back into sound"),
        ("model.bottleneck={linear: {units: 16}}", "the second of which is a bottleneck"),
        ("model.bottleneck={vq: {size: 1}}", "size must be at least 2"),
        ("model.bottleneck={codebooks: {size: 50000}}", "too few to fit 50000 codes"),
        ("model.encoder=[to_sequence, {pca: {units: 600}}]", "units must be at most 513"),
        ("feature.log-stft.hop=700", "hop must be at most half of n_fft"),
    ],
)
def test_a_wrong_recipe_is_one_sentence(tones: Path, tmp_path: Path, change: str, sentence: str) -> None:
    recipe = write_recipe(tmp_path / "small.yaml", small(tones))
    with pytest.raises(RecipeError) as caught:
        train(load_recipe(recipe, changes=[change]), tmp_path / "run")
    assert sentence in str(caught.value) and "\n" not in str(caught.value)


# Adapters


@pytest.mark.parametrize("name", ["encodec", "dac", "mimi"])
@torch.inference_mode()
def test_it_says_what_transformers_say(name: str, tmp_path: Path) -> None:
    codec = codecs.load(name, weights=make_hub(name, tmp_path))
    waveform = sound(codec.card)
    waveform = waveform[:, : waveform.shape[1] // codec.card.hop * codec.card.hop]
    model: Any = codec.model
    codes = codec.codes(codec(waveform))
    more = {"bandwidth": max(model.config.target_bandwidths)} if name == "encodec" else {}
    theirs = model.encode(waveform[:, None], **more).audio_codes
    theirs = theirs[0] if name == "encodec" else theirs
    assert torch.equal(codes, theirs.transpose(1, 2)) and len(codes.unique()) > 3
    given = {"audio_codes": theirs[None], "audio_scales": [None]} if name == "encodec" else {"audio_codes": theirs}
    wanted = model.decode(**given).audio_values.reshape(1, -1)
    assert torch.allclose(codec.decode(codec.from_codes(codes))[:, : wanted.shape[1]], wanted, atol=1e-4)


def test_weights_that_are_not_there_are_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("transformers", reason='the extra "codecs" is not installed')
    with pytest.raises(ModelError, match=r"holds no config.json and no model.safetensors"):
        codecs.load("encodec", weights=tmp_path)
    monkeypatch.setenv("GLISSANDO_CACHE", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    card = replace(codecs.card("dac"), source=f"{tmp_path}/no-hub (hub)")
    with pytest.raises(ModelError, match="the hub could not be reached") as caught:
        hub._load(codecs.dac.DacCodec, card, None, False)
    assert "\n" not in str(caught.value) and "name their folder with --weights" in str(caught.value)


@torch.inference_mode()
def test_the_shipped_codec_gives_back_what_it_hears_and_silence_for_silence() -> None:
    codec = codecs.load("gliss-codec")
    folder = codecs.gliss_codec.shipped_folder("codec")
    card, weights = codec.card, (folder / "weights.safetensors").read_bytes()
    assert codecs.card("gliss-codec") == card  # what is said of it without loading it
    assert card.weights_sha256 == hashlib.sha256(weights).hexdigest() and card.weights_mb == round(
        len(weights) / 1e6, 1
    )
    heard = sound(card, seconds=3.0)
    latents = codec(heard)
    by_latents, by_codes = codec.decode(latents), codec.decode(codec.from_codes(codec.codes(latents)))
    count = heard.shape[1]
    far, near, less = (
        float(log_spectral_distance(heard, one[:, :count], sample_rate=card.sample_rate))
        for one in (torch.zeros_like(heard), by_latents, by_codes)
    )
    assert near < less < 0.6 * far, (near, less, far)
    quiet = codec.decode(codec(torch.zeros(1, 3 * card.sample_rate)))
    assert float(quiet.abs().max()) < 1e-3  # -60 dB


def test_an_export_must_be_trusted(tmp_path: Path) -> None:
    file = make_rave(tmp_path)
    with pytest.raises(ModelError, match="can run code on this computer; if you trust who made it, say --trusted"):
        codecs.load("rave", weights=file)
    with pytest.raises(ModelError, match="name an export"):
        codecs.load("rave")
    codec = codecs.load("rave", weights=file, trusted=True)
    assert (codec.card.sample_rate, codec.card.dim, codec.card.hop) == (16_000, 4, 128)
    (tmp_path / "x.ts").write_bytes(b"no script")
    with pytest.raises(ModelError, match="is no RAVE export") as caught:
        codecs.load("rave", weights=tmp_path / "x.ts", trusted=True)
    assert "\n" not in str(caught.value)
    torch.jit.script(torch.nn.Linear(2, 2)).save(str(tmp_path / "other.ts"))
    with pytest.raises(ModelError, match="is no RAVE export"):
        codecs.load("rave", weights=tmp_path / "other.ts", trusted=True)


# The command line


def test_command_line(quantizing: Run, tmp_path: Path) -> None:
    write(tmp_path / "song.flac", song(110, seconds=1.5, rate=44_100))
    weights = ["--weights", str(quantizing.folder)]

    def gliss(*words: object) -> str:
        done = CliRunner().invoke(app, [str(word) for word in words])
        assert done.exit_code == 0, done.output
        return done.output

    gliss("encode", tmp_path / "song.flac", *weights)
    gliss("encode", tmp_path / "song.flac", "-o", tmp_path / "codes.safetensors", "--levels", 2, *weights)
    told = json.loads(gliss("info", tmp_path / "codes.safetensors", "--json"))
    assert (told["kind"], told["width"], told["sample_rate"]) == ("codes", 2, 44_100)
    for name in ("song", "codes"):
        gliss("decode", tmp_path / f"{name}.safetensors", *weights)
        back = read(tmp_path / f"{name}.wav")
        assert back.sample_rate == 44_100 and len(back.samples) == int(1.5 * 44_100)
    card = json.loads(gliss("info", "gliss-codec", "--json", *weights))
    assert card["levels"] == 3 and card["space_id"] == told["space_id"] and len(card["context_seconds"]) == 2
    assert {row["name"] for row in json.loads(gliss("info", "--json"))} == {*codecs.names()}
    assert "gliss-codec" in gliss("info") and "latent rate" in gliss("info", "gliss-codec")


def test_what_does_not_fit_is_one_sentence(run: Run, tmp_path: Path) -> None:
    codec = codecs.load("gliss-codec", weights=run.folder)
    encoded = codecs.encode(codec, song(100, seconds=1.0))
    with pytest.raises(ModelError, match="did you mean gliss-codec"):
        codecs.load("glis-codec")
    with pytest.raises(ModelError, match="there is no nowhere"):
        codecs.load("gliss-codec", weights="nowhere")
    with pytest.raises(ModelError, match="is no trained run"):
        codecs.load("gliss-codec", weights=tmp_path)
    with pytest.raises(ModelError, match="does not quantize; take its latents"):
        codecs.encode(codec, song(100, seconds=1.0), codes=True)
    with pytest.raises(ModelError, match="latents are not 99 samples"):
        codecs.decode(codec, replace(encoded, samples=99))
    about = {"format": "glissando-codec-1", "space_id": "x", "sample_rate": "44100", "samples": "1"}
    good = {"latents": np.zeros((1, 4), np.float32)}
    wrong: list[tuple[dict[str, Any], dict[str, str], str]] = [
        (good, {**about, "format": "other"}, "holds no latents or codes"),
        ({"other": good["latents"]}, about, "holds no latents or codes"),
        ({"latents": np.full((1, 4), np.nan, np.float32)}, about, "or not finite"),
        ({"codes": np.zeros((1, 4), np.float32)}, about, "are float32"),
        (good, {**about, "samples": "-3"}, "samples is '-3'"),
        (good, {**about, "sample_rate": "10000000"}, "more than"),
    ]
    for tensors, metadata, sentence in wrong:
        save_file(tensors, tmp_path / "x.safetensors", metadata=metadata)
        with pytest.raises(ModelError, match=sentence):
            codecs.Encoded.read(tmp_path / "x.safetensors")
    (tmp_path / "x.safetensors").write_bytes(b"no safetensors")
    with pytest.raises(ModelError, match="can't be read as safetensors"):
        codecs.Encoded.read(tmp_path / "x.safetensors")


def test_a_probe_takes_a_codec(run: Run, tones: Path) -> None:
    from glissando.data import load
    from glissando.training import embed_entries

    entries = [*load(str(tones)).values()][:3]
    vectors = embed_entries(f"gliss-codec={run.folder}", entries)
    assert vectors.shape == (3, 16) and np.isfinite(vectors).all()
    assert np.linalg.norm(vectors[0] - vectors[1]) > 0


def test_loud_sounds_never_clip(run: Run) -> None:
    codec = codecs.load("gliss-codec", weights=run.folder)
    time = np.arange(RATE) / RATE
    loud = Audio(np.sign(np.sin(2 * np.pi * 300 * time)).astype(np.float32), RATE)
    assert np.abs(codecs.decode(codec, codecs.encode(codec, loud)).samples).max() <= 1
