"""The musiCNN tagger and its VGG rival, with the original weights (Pons & Serra 2019).

The architecture follows the original TensorFlow code layer by layer, so that the original checkpoints fit: batch
norm comes after ReLU (eps 1e-3), and the pooled features interleave maximum and mean channel by channel.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..features import MelSpectrogram
from ..nn import conv_band_max
from .base import Encoder, EncoderCard
from .framing import Framing
from .registry import register
from .tf_checkpoint import read_checkpoint
from .weights import load_weights

SAMPLE_RATE, N_FFT, HOP, BANDS, FRAMES = 16_000, 512, 256, 96, 187
EPSILON = 1e-3  # TensorFlow's default for batch norm
PAPER = "Pons & Serra, musicnn: pre-trained convolutional neural networks for music audio tagging, ISMIR 2019 LBD"
PREPROCESSING = "16 kHz mono, power mel 96 bands (512/256), half precision, log10(10000 x + 1), 187 frames"
WHEEL, WHEEL_SHA256 = "musicnn==0.1.0", "f38a4890c648c1ddbb141c5d96d2b0a8cfcd36746002d896989f7b88beb65cfa"

MSD_TAGS = tuple(
    "rock,pop,alternative,indie,electronic,female vocalists,dance,00s,alternative rock,jazz,beautiful,metal,chillout,"
    "male vocalists,classic rock,soul,indie rock,Mellow,electronica,80s,folk,90s,chill,instrumental,punk,oldies,blues,"
    "hard rock,ambient,acoustic,experimental,female vocalist,guitar,Hip-Hop,70s,party,country,easy listening,sexy,"
    "catchy,funk,electro,heavy metal,Progressive rock,60s,rnb,indie pop,sad,House,happy".split(",")
)
MTT_TAGS = tuple(
    "guitar,classical,slow,techno,strings,drums,electronic,rock,fast,piano,ambient,beat,violin,vocal,synth,female,"
    "indian,opera,male,singing,vocals,no vocals,harpsichord,loud,quiet,flute,woman,male vocal,no vocal,pop,soft,sitar,"
    "solo,man,classic,choir,voice,new age,dance,male voice,female vocal,beats,harp,cello,no voice,weird,country,metal,"
    "female voice,choral".split(",")
)


class ConvNorm(nn.Module):
    """Convolution, ReLU, batch norm: the original's order.

    Parameters
    ----------
    inputs, outputs : int
        Channels.
    kernel : (int, int)
        Frames and bands.
    """

    def __init__(self, inputs: int, outputs: int, kernel: tuple[int, int]) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel)
        self.norm = nn.BatchNorm2d(outputs, eps=EPSILON)

    def forward(self, x: Tensor, padding: tuple[int, int, int, int]) -> Tensor:
        """Pad with zeros and convolve.

        Parameters
        ----------
        x : Tensor, shape=(windows, channels, frames, bands)
            The layer below.
        padding : (int, int, int, int)
            Left, right, top, bottom.

        Returns
        -------
        Tensor, shape=(windows, channels, frames, bands)
            Activations.
        """
        return self.norm(F.relu(self.conv(F.pad(x, padding))))  # type: ignore[no-any-return]

    def activate(self, x: Tensor) -> Tensor:
        """ReLU and batch norm where channels come last, as matrix products leave them.

        Parameters
        ----------
        x : Tensor, shape=(windows, frames, channels)
            What was convolved.

        Returns
        -------
        Tensor, shape=(windows, frames, channels)
            Activations.
        """
        if self.training:
            return self.norm(F.relu(x).transpose(1, 2).unsqueeze(3)).squeeze(3).transpose(1, 2)  # type: ignore[no-any-return]
        mean, variance = self.norm.running_mean, self.norm.running_var
        assert mean is not None and variance is not None
        scale = self.norm.weight * torch.rsqrt(variance + self.norm.eps)
        return torch.addcmul(self.norm.bias - mean * scale, F.relu(x), scale)


class BandMax(ConvNorm):
    """The same, of which only the maximum over the bands is kept."""

    def forward(self, x: Tensor, padding: tuple[int, int]) -> Tensor:  # type: ignore[override]
        """Pad with zeros, convolve, and keep the maximum, which comes first.

        That changes nothing: ReLU keeps order, and so does batch norm but for the sign of its scale.

        Parameters
        ----------
        x : Tensor, shape=(windows, frames, bands)
            The input.
        padding : (int, int)
            Frames before and behind.

        Returns
        -------
        Tensor, shape=(windows, frames, channels)
            Activations.
        """
        if self.training:  # batch statistics need all positions
            return super().forward(x.unsqueeze(1), (0, 0, *padding)).amax(3).transpose(1, 2)
        assert self.conv.bias is not None
        sign = torch.where(self.norm.weight < 0, -1.0, 1.0)
        largest = conv_band_max(F.pad(x, (0, 0, *padding)), self.conv.weight * sign[:, None, None, None])
        return self.activate(torch.addcmul(self.conv.bias, largest.transpose(1, 2), sign))


class AllBands(ConvNorm):
    """The same with kernels as tall as the input: a matrix product, whose rows every frame adds up."""

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        """Convolve to as many frames.

        Parameters
        ----------
        x : Tensor, shape=(windows, frames, kernel bands)
            The layer below.

        Returns
        -------
        Tensor, shape=(windows, frames, channels)
            Activations.
        """
        channels, _, taps, bands = self.conv.weight.shape
        kernel = self.conv.weight.squeeze(1).permute(2, 1, 0).reshape(bands, taps * channels)
        products = (x @ kernel).view(*x.shape[:2], taps, channels)
        padded = F.pad(products, (0, 0, 0, 0, taps // 2, taps // 2))
        assert self.conv.bias is not None
        convolved = self.conv.bias
        for tap in range(taps):
            convolved = convolved + padded[:, tap : tap + x.shape[1], tap]
        return self.activate(convolved)


class MusiCNN(nn.Module):
    """Timbral (wide) and temporal (long) filters, three dense layers over time, pooling, two dense layers."""

    temporal_kernels = (128, 64, 32)

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(1, eps=EPSILON)
        self.timbral = nn.ModuleList(BandMax(1, 204, (7, int(share * BANDS))) for share in (0.4, 0.7))
        self.temporal = nn.ModuleList(BandMax(1, 51, (length, 1)) for length in self.temporal_kernels)
        self.middle = nn.ModuleList(AllBands(1, 64, (7, width)) for width in (561, 64, 64))
        self.pool_norm = nn.BatchNorm1d(1506, eps=EPSILON)
        self.dense = nn.Linear(1506, 200)
        self.dense_norm = nn.BatchNorm1d(200, eps=EPSILON)
        self.output = nn.Linear(200, 50)

    def forward(self, log_mel: Tensor) -> dict[str, Tensor]:
        """Run the network.

        Parameters
        ----------
        log_mel : Tensor, shape=(windows, frames, bands)
            Log-mel windows.

        Returns
        -------
        dict of str to Tensor
            Embedding, tags, and the layers under their names in the original.
        """
        x = self.norm(log_mel.unsqueeze(1)).squeeze(1)
        timbral = [layer(x, (3, 3)) for layer in self.timbral]
        temporal = [  # TensorFlow's "same": an even kernel pads one more behind
            layer(x, ((length - 1) // 2, length // 2))
            for layer, length in zip(self.temporal, self.temporal_kernels, strict=True)
        ]
        front = torch.cat([*timbral, *temporal], 2)
        levels = [front]
        for layer in self.middle:
            level = layer(levels[-1])
            levels.append(level if len(levels) == 1 else level + levels[-1])
        max_pool = torch.cat([level.amax(1) for level in levels], 1)
        mean_pool = torch.cat([level.mean(1) for level in levels], 1)
        pooled = torch.stack([max_pool, mean_pool], 2).flatten(1)
        penultimate = self.dense_norm(F.relu(self.dense(self.pool_norm(pooled))))
        return {
            "embedding": penultimate,
            "tags": self.output(penultimate).sigmoid(),
            "timbral": front[..., : 2 * 204],
            "temporal": front[..., 2 * 204 :],
            **{f"cnn{i}": level for i, level in enumerate(levels[1:], start=1)},
            "mean_pool": mean_pool,
            "max_pool": max_pool,
        }


class VGG(nn.Module):
    """Five convolutions of 3 x 3, each followed by max pooling; the last pooling is the embedding."""

    pools = (((4, 1), (2, 2)), ((2, 2), (2, 2)), ((2, 2), (2, 2)), ((2, 2), (2, 2)), ((4, 4), (4, 4)))

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(1, eps=EPSILON)
        self.layers = nn.ModuleList(ConvNorm(inputs, 128, (3, 3)) for inputs in (1, 128, 128, 128, 128))
        self.output = nn.Linear(256, 50)

    def forward(self, log_mel: Tensor) -> dict[str, Tensor]:
        """Run the network.

        Parameters
        ----------
        log_mel : Tensor, shape=(windows, frames, bands)
            Log-mel windows.

        Returns
        -------
        dict of str to Tensor
            Embedding, tags, and the layers under their names in the original.
        """
        x = self.norm(log_mel.unsqueeze(1))
        named = {}
        for i, (layer, (size, stride)) in enumerate(zip(self.layers, self.pools, strict=True), start=1):
            x = F.max_pool2d(layer(x, (1, 1, 1, 1)), size, stride)
            named[f"pool{i}"] = x.permute(0, 2, 3, 1)  # the original's order: frames, bands, channels
        embedding = named["pool5"].flatten(1)
        return {"embedding": embedding, "tags": self.output(embedding).sigmoid(), **named}


class MusicnnEncoder(Encoder):
    """Log-mel front-end and one of the two networks; one embedding per 3 s, without overlap.

    Parameters
    ----------
    card : EncoderCard
        Which of the four.
    network : MusiCNN or VGG
        The network.
    """

    def __init__(self, card: EncoderCard, network: MusiCNN | VGG) -> None:
        super().__init__()
        self.card = card
        self.framing = Framing(window=(FRAMES - 1) * HOP + N_FFT, hop=FRAMES * HOP, lead=N_FFT // 2, tail=N_FFT // 2)
        self.mel = MelSpectrogram(SAMPLE_RATE, n_fft=N_FFT, hop=HOP, bands=BANDS)
        self.network = network

    def encode(self, windows: Tensor) -> dict[str, Tensor]:
        """Run the network on windows.

        Parameters
        ----------
        windows : Tensor, shape=(windows, framing.window)
            At 16 kHz.

        Returns
        -------
        dict of str to Tensor
            Embedding, tags, and the middle layers.
        """
        # The original rounds mel power to half precision, and the networks were trained on that.
        mel = self.mel(windows).squeeze(1).clamp_max(65_504).half().float()
        log_mel = torch.log10(10_000 * mel + 1)
        named: dict[str, Tensor] = self.network(log_mel.transpose(1, 2))
        return named


def _numbered(name: str, number: int) -> str:
    return f"{name}_{number}" if number else name


def _convert(folder: Path, network: MusiCNN | VGG) -> dict[str, Tensor]:
    """Map the variables of the checkpoint, numbered in order of creation, to the state of the network."""
    variables = {name: torch.from_numpy(value.copy()) for name, value in read_checkpoint(folder).items()}
    state: dict[str, Tensor] = {}

    def norm(key: str, number: int) -> None:
        source = _numbered("batch_normalization", number)
        for theirs, ours in (
            ("gamma", "weight"), ("beta", "bias"), ("moving_mean", "running_mean"), ("moving_variance", "running_var")
        ):  # fmt: skip
            state[f"{key}.{ours}"] = variables[f"{source}/{theirs}"]

    def conv(key: str, source: str) -> None:
        state[f"{key}.weight"] = variables[f"{source}/kernel"].permute(3, 2, 0, 1)
        state[f"{key}.bias"] = variables[f"{source}/bias"]

    def linear(key: str, source: str) -> None:
        state[f"{key}.weight"], state[f"{key}.bias"] = variables[f"{source}/kernel"].T, variables[f"{source}/bias"]

    norm("norm", 0)
    if isinstance(network, MusiCNN):
        layers = [
            *(f"timbral.{i}" for i in range(2)),
            *(f"temporal.{i}" for i in range(3)),
            *(f"middle.{i}" for i in range(3)),
        ]
        for number, key in enumerate(layers):
            conv(f"{key}.conv", _numbered("conv2d", number))
            norm(f"{key}.norm", number + 1)
        norm("pool_norm", 9)
        linear("dense", "dense")
        norm("dense_norm", 10)
        linear("output", "dense_1")
    else:
        for number in range(5):
            conv(f"layers.{number}.conv", f"{number + 1}CNN")
            norm(f"layers.{number}.norm", number + 1)
        linear("output", "dense")
    return state


def _load(card: EncoderCard, source: Path | None) -> Encoder:
    network: MusiCNN | VGG = VGG() if card.name.endswith("vgg") else MusiCNN()
    original = ("MSD" if "-msd" in card.name else "MTT") + ("_vgg" if isinstance(network, VGG) else "_musicnn")
    state = load_weights(card, source, lambda folder: _convert(folder / "musicnn" / original, network))
    network.load_state_dict(state, strict=False)  # num_batches_tracked is not in the checkpoint
    return MusicnnEncoder(card, network)


for _name, _data, _tags in (("msd", "the Million Song Dataset", MSD_TAGS), ("mtt", "MagnaTagATune", MTT_TAGS)):
    for _suffix, _dim, _kind in (("", 200, "musiCNN"), ("-vgg", 256, "VGG")):
        register(
            EncoderCard(
                name=f"musicnn-{_name}{_suffix}",
                summary=f"{_kind} tagger trained on {_data}: timbre and 50 tags",
                sample_rate=SAMPLE_RATE,
                dim=_dim,
                window=(FRAMES - 1) * HOP / SAMPLE_RATE,
                frame_rate=SAMPLE_RATE / (FRAMES * HOP),
                licence="ISC",
                source=WHEEL,
                paper=PAPER,
                block="timbre",
                preprocessing=PREPROCESSING,
                tag_names=_tags,
                weights_sha256=WHEEL_SHA256,
                weights_mb=29.3,
            ),
            _load,
        )
