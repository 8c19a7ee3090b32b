"""MERT (Li et al. 2024) through the extra ``mert``: it is a HuBERT, so that none of the hub's own code is run."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from ..errors import ModelError
from .base import Encoder, EncoderCard
from .framing import Framing
from .registry import register
from .weights import files_of, keep_parts, of_other_weights, told_in_a_sentence, weights_folder

HUB = "m-a-p/MERT-v1-95M"
FILES = ("config.json", "preprocessor_config.json", "model.safetensors|pytorch_model.bin")
SAMPLE_RATE, SECONDS, DIM = 24_000, 5, 768
UNUSED = "masked_spec_embed"  # stands for what is hidden, in training alone
OTHERS = {"feature_extractor_cqt": False, "deepnorm": False, "attention_relax": -1.0}  # of MERTs that are no HuBERT


class MertEncoder(Encoder):
    """MERT on windows of 5 s, as long as its training examples.

    The embedding is the mean over its layers, for tasks differ in which one serves them best; each stands beside it.

    Parameters
    ----------
    card : EncoderCard
        Its card.
    model : HubertModel
        From transformers.
    normalise : bool
        Windows get a mean of 0 and a variance of 1, as the checkpoint's own preprocessing says.
    """

    def __init__(self, card: EncoderCard, model: nn.Module, *, normalise: bool) -> None:
        super().__init__()
        self.card = card
        self.framing = Framing(window=SECONDS * SAMPLE_RATE, hop=SECONDS * SAMPLE_RATE)
        self.model, self.normalise = model, normalise

    def encode(self, windows: Tensor) -> dict[str, Tensor]:
        """Run the network on windows.

        Parameters
        ----------
        windows : Tensor, shape=(windows, framing.window)
            At 24 kHz.

        Returns
        -------
        dict of str to Tensor
            ``embedding``; ``layer0``, what enters the transformer, and ``layer1`` to the last: means over time.
        """
        if self.normalise:
            variance, mean = torch.var_mean(windows, 1, correction=0, keepdim=True)
            windows = (windows - mean) / torch.sqrt(variance + 1e-7)
        layers = torch.stack([one.mean(1) for one in self.model(windows, output_hidden_states=True).hidden_states])
        return {"embedding": layers[1:].mean(0), **{f"layer{number}": one for number, one in enumerate(layers)}}


def _load(card: EncoderCard, source: Path | None) -> Encoder:
    try:
        from transformers import HubertConfig, HubertModel, Wav2Vec2FeatureExtractor, logging
    except ImportError as error:
        raise ModelError('mert: needs the extra "mert"; install it with: pip install "glissando[mert]"') from error
    logging.set_verbosity_error()
    folder = source or (weights_folder("mert") if weights_folder("mert").is_dir() else None)
    found = files_of("mert", folder, FILES) if folder else []
    where, how = str(folder or HUB), {"local_files_only": folder is not None}
    with told_in_a_sentence("mert", folder, HUB):
        config = HubertConfig.from_pretrained(where, **how)
        extractor = Wav2Vec2FeatureExtractor.from_pretrained(where, **how)
        _check(where, config, int(extractor.sampling_rate))
        model, told = HubertModel.from_pretrained(
            where, config=config, use_safetensors="model.safetensors" in found, weights_only=True,
            output_loading_info=True, **how,
        )  # fmt: skip
    if lacking := sorted({*map(str, told["missing_keys"])} - {UNUSED}):
        raise ModelError(f"mert: {where} lacks {len(lacking)} weights of its network, such as {lacking[0]}; use {HUB}")
    if folder is None:
        keep_parts(weights_folder("mert"), model, extractor)
    if source is not None:
        card = of_other_weights(card, source / found[-1])
    return MertEncoder(card, model.eval(), normalise=bool(extractor.do_normalize))


def _check(where: str, config: object, sample_rate: int) -> None:
    """Refuse what is another network than the card says."""
    other = [name for name, plain in OTHERS.items() if getattr(config, name, plain) != plain]
    if other or (sample_rate, getattr(config, "hidden_size", 0)) != (SAMPLE_RATE, DIM):
        why = f"has {other[0]}, which HuBERT lacks" if other else f"is not of {DIM} dimensions at {SAMPLE_RATE} Hz"
        raise ModelError(f"mert: {where} {why}; use weights such as {HUB}")


register(
    EncoderCard(
        name="mert",
        summary="general music encoder, masked prediction, 95 M parameters; every layer can be probed",
        sample_rate=SAMPLE_RATE,
        dim=DIM,
        window=float(SECONDS),
        frame_rate=1 / SECONDS,
        licence="weights CC BY-NC 4.0",
        source=f"{HUB} (hub)",
        paper="Li et al., MERT: Acoustic Music Understanding Model with Large-Scale Self-supervised Training, "
        "ICLR 2024",
        block="mert",
        preprocessing="24 kHz mono, windows of 5 s of mean 0 and variance 1, mean over time and over the layers",
        weights_mb=378.0,
        notice="its weights are CC BY-NC 4.0: no commercial use",
        extra="mert",
    ),
    _load,
)
