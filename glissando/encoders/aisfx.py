"""The aiSFX encoder for sound effects (Ma & Lerch 2022), weights from its wheel."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import ModelError
from ..features import MelSpectrogram
from .base import Encoder, EncoderCard
from .framing import Framing
from .registry import register
from .weights import load_weights

SAMPLE_RATE, N_FFT, HOP, BANDS, FRAMES = 44_100, 2048, 1024, 96, 100
LARGEST = 9.457798957824707  # largest log-mel value of the training data, from the original


class AisfxNetwork(nn.Module):
    """Four pairs of convolutions; mean over frequency, maximum over time."""

    def __init__(self) -> None:
        super().__init__()
        widths = (1, 64, 128, 256, 512)
        for i, (inputs, outputs) in enumerate(pairwise(widths), start=1):
            block = nn.Module()
            block.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
            block.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
            block.bn1, block.bn2 = nn.BatchNorm2d(outputs), nn.BatchNorm2d(outputs)
            self.add_module(f"conv_block{i}", block)  # named as in the checkpoint

    def forward(self, log_mel: Tensor) -> Tensor:
        """Run the network.

        Parameters
        ----------
        log_mel : Tensor, shape=(windows, frames, bands)
            Log-mel windows.

        Returns
        -------
        Tensor, shape=(windows, 512)
            Embeddings.
        """
        x = log_mel.unsqueeze(1)
        for i in range(1, 5):
            block = self.get_submodule(f"conv_block{i}")
            x = F.relu(block.bn1(block.conv1(x)))  # type: ignore[operator]
            x = F.relu(block.bn2(block.conv2(x)))  # type: ignore[operator]
            x = F.max_pool2d(x, 2) if i < 4 else x
        return x.mean(3).amax(2)


class AisfxEncoder(Encoder):
    """Log-mel of peak-normalised windows of 2.3 s, half overlapping, and the network.

    Parameters
    ----------
    card : EncoderCard
        Its card.
    network : AisfxNetwork
        The network.
    """

    def __init__(self, card: EncoderCard, network: AisfxNetwork) -> None:
        super().__init__()
        self.card = card
        self.framing = Framing(
            window=(FRAMES - 1) * HOP + N_FFT, hop=FRAMES // 2 * HOP, lead=N_FFT // 2, tail=N_FFT // 2
        )
        self.mel = MelSpectrogram(SAMPLE_RATE, n_fft=N_FFT, hop=HOP, bands=BANDS, htk=True, unit_sum=True)
        self.network = network

    def encode(self, windows: Tensor) -> dict[str, Tensor]:
        """Run the network on windows.

        Parameters
        ----------
        windows : Tensor, shape=(windows, framing.window)
            At 44.1 kHz.

        Returns
        -------
        dict of str to Tensor
            The embedding.
        """
        peak = windows.abs().amax(1, keepdim=True)
        mel = self.mel(windows / torch.where(peak > 0, peak, 1)).squeeze(1)
        log_mel = torch.log10(10_000 * mel + 1) / LARGEST
        return {"embedding": self.network(log_mel.transpose(1, 2))}


def _convert(folder: Path) -> dict[str, Tensor]:
    # The checkpoint also holds a table of class counts as NumPy scalars: harmless types, allowed by name.
    from numpy.dtypes import Int64DType

    scalar = (np._core if hasattr(np, "_core") else np.core).multiarray.scalar  # renamed in NumPy 2
    allowed = [(scalar, "numpy.core.multiarray.scalar"), scalar, np.dtype, Int64DType]
    with torch.serialization.safe_globals(allowed):
        weights, _ = torch.load(folder / "aisfx/models/checkpoint.pth", map_location="cpu", weights_only=True)
    prefix = "embedding_net."
    return {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}


def _load(card: EncoderCard, source: Path | None) -> Encoder:
    network = AisfxNetwork()
    try:
        network.load_state_dict(load_weights(card, source, _convert))
    except RuntimeError as error:
        raise ModelError(f"{card.name}: the weights don't fit the network ({error})") from error
    return AisfxEncoder(card, network)


register(
    EncoderCard(
        name="aisfx",
        summary="sound effects encoder trained on professional effects libraries",
        sample_rate=SAMPLE_RATE,
        dim=512,
        window=((FRAMES - 1) * HOP + N_FFT) / SAMPLE_RATE,
        frame_rate=SAMPLE_RATE / (FRAMES // 2 * HOP),
        licence="code MIT, weights CC BY 4.0",
        source="aisfx==0.1.2",
        paper="Ma & Lerch, Representation Learning for the Automatic Indexing of Sound Effects Libraries, ISMIR 2022",
        block="effects",
        preprocessing="44.1 kHz mono, peak 1 per window, power mel 96 HTK bands unit sum (2048/1024), "
        "log10(10000 x + 1), 100 frames",
        weights_sha256="bfe219950715af179e9a1653e7117cc1852baef267cd6596c42cad74afe1d194",
        weights_mb=23.1,
    ),
    _load,
)
