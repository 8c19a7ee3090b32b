"""MULE (McCallum et al. 2022) through the extra ``mule``: GPL code, non-commercial weights, so never a default."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn

from ..errors import ModelError
from .base import Encoder, EncoderCard
from .framing import Framing
from .registry import register
from .weights import keep_parts, of_other_weights, weights_folder

SAMPLE_RATE, N_FFT, HOP, FRAMES, SLICE_HOP = 16_000, 2048, 160, 300, 200
FILES = ("model.safetensors", "config.json")


class MuleEncoder(Encoder):
    """MULE on windows of 3 s every 2 s.

    Parameters
    ----------
    card : EncoderCard
        Its card.
    model : MuleModel
        From mule_torch.
    """

    def __init__(self, card: EncoderCard, model: nn.Module) -> None:
        super().__init__()
        self.card = card
        self.framing = Framing(window=(FRAMES - 1) * HOP + N_FFT, hop=SLICE_HOP * HOP, lead=N_FFT // 2, tail=N_FFT // 2)
        self.model = model
        self.model.frontend.stft.center = False  # type: ignore[union-attr]  # windows bring their own context

    def encode(self, windows: Tensor) -> dict[str, Tensor]:
        """Run the network on windows.

        Parameters
        ----------
        windows : Tensor, shape=(windows, framing.window)
            At 16 kHz.

        Returns
        -------
        dict of str to Tensor
            The embedding.
        """
        embedding: Tensor = self.model(windows)
        return {"embedding": embedding}


def _load(card: EncoderCard, source: Path | None) -> Encoder:
    try:
        from mule_torch import MuleModel
    except ImportError as error:
        raise ModelError(
            'mule: needs the extra "mule" (GPL-3.0 code); install it with: pip install "glissando[mule]"'
        ) from error
    folder = source or (weights_folder("mule") if weights_folder("mule").is_dir() else None)
    try:
        model = MuleModel.from_pretrained(model_dir=folder) if folder else MuleModel.from_pretrained()
    except Exception as error:  # hub, network and file errors are of many kinds
        missing = f"{folder} must hold {' and '.join(FILES)}" if folder else "the hub could not be reached"
        raise ModelError(
            f"mule: the weights could not be loaded ({missing}); get them with: gliss models get mule --from FOLDER"
        ) from error
    if folder is None:
        keep_parts(weights_folder("mule"), model)
    if source is not None:
        card = of_other_weights(card, source / FILES[0])
    return MuleEncoder(card, model)


register(
    EncoderCard(
        name="mule",
        summary="general music encoder, contrastive, 62 M parameters",
        sample_rate=SAMPLE_RATE,
        dim=1728,
        window=((FRAMES - 1) * HOP + N_FFT) / SAMPLE_RATE,
        frame_rate=SAMPLE_RATE / (SLICE_HOP * HOP),
        licence="code GPL-3.0, weights CC BY-NC 4.0",
        source="matteospanio/mule (hub)",
        paper="McCallum et al., Supervised and Unsupervised Learning of Audio Representations for Music "
        "Understanding, ISMIR 2022",
        block="mule",
        preprocessing="16 kHz mono, power mel 96 bands (2048/160), log10(10000 x + 1), "
        "standardised slices of 300 frames from 0 s",
        weights_mb=250.0,
        notice="its code is GPL-3.0 and its weights are CC BY-NC 4.0: no commercial use",
        extra="mule",
    ),
    _load,
)
