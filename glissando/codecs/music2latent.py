"""Music2Latent (Pasini et al. 2024): the network of its own package, whose code and weights are non-commercial."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..encoders.weights import of_other_weights, weights_folder
from ..errors import ModelError
from .base import Codec, CodecCard
from .registry import register

FILE = "music2latent.pt"
HOP, EDGE = 4096, 3 * 512  # samples of a latent, and what its spectra want beyond whole latents
LONGEST = 44_100 * 60 * 60 * 24  # samples: more than there are, so that the package cuts nothing


class Music2LatentCodec(Codec):
    """A consistency model: it decodes in one step from noise, always the same here.

    Parameters
    ----------
    card : CodecCard
        Its card.
    network : Module
        The package's.
    inference : module
        The package's functions.
    """

    def __init__(self, card: CodecCard, network: nn.Module, inference: Any) -> None:
        super().__init__()
        self.card, self.network, self._inference = card, network, inference

    def encode(self, waveform: Tensor) -> Tensor:
        """Run the encoder.

        Parameters
        ----------
        waveform : Tensor, shape=(batch, latents * hop)
            At ``card.sample_rate``.

        Returns
        -------
        Tensor, shape=(batch, latents, dim)
            Of about unit variance.
        """
        padded = F.pad(waveform, (0, EDGE))
        run = self._inference.encode_audio_inference
        made: Tensor = torch.cat([run(one, self._trainer, LONGEST, 1, device=one.device) for one in padded])
        return made.transpose(1, 2)

    def generate(self, latents: Tensor, *, first: int = 0) -> Tensor:
        """Decode in one step.

        Parameters
        ----------
        latents : Tensor, shape=(batch, latents, dim)
            Of `encode`.
        first : int
            Not used.

        Returns
        -------
        Tensor, shape=(batch, latents * hop)
            At ``card.sample_rate``.
        """
        made = []
        for one in latents.transpose(1, 2):
            with _noise_alike():
                found = self._inference.decode_latent_inference(one, self._trainer, LONGEST, 1, device=one.device)
            made.append(torch.as_tensor(found).reshape(1, -1))
        sound = torch.cat(made).to(latents.device)
        count = latents.shape[1] * HOP
        return F.pad(sound, (0, max(0, count - sound.shape[1])))[:, :count]

    @property
    def _trainer(self) -> SimpleNamespace:
        return SimpleNamespace(gen=self.network)


@contextmanager
def _noise_alike() -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def _load(card: CodecCard, source: Path | None, trusted: bool) -> Codec:
    try:
        from music2latent import inference, models
    except ImportError as error:
        raise ModelError(
            'music2latent: needs the extra "music2latent" (CC BY-NC 4.0: no commercial use); install it with: '
            'pip install "glissando[music2latent]"'
        ) from error
    hub = card.source.removesuffix(" (hub)")
    kept = weights_folder("music2latent") / FILE
    file = source / FILE if source is not None and source.is_dir() else source or (kept if kept.is_file() else None)
    if file is None:
        try:
            from huggingface_hub import hf_hub_download

            file = Path(hf_hub_download(repo_id=hub, filename=FILE, local_dir=weights_folder("music2latent")))
        except Exception as error:  # of many kinds
            raise ModelError(
                f"music2latent: the weights could not be loaded (the hub could not be reached for {hub}); get {FILE} "
                "and name it with --weights"
            ) from error
    network = models.UNet()
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
        network.load_state_dict(state["gen_state_dict"], strict=False)
    except Exception as error:  # damaged files fail in many ways
        raise ModelError(f"{file}: can't be read as weights of Music2Latent; get {FILE} from {hub}") from error
    if source is not None:
        card = of_other_weights(card, file)
    return Music2LatentCodec(card, network.eval(), inference)


register(
    CodecCard(
        name="music2latent",
        summary="Music2Latent at 44.1 kHz: few latents of music, decoded by a consistency model",
        sample_rate=44_100,
        dim=64,
        window=1.0,
        frame_rate=44_100 / HOP,
        hop=HOP,
        licence="CC BY-NC 4.0",
        source="SonyCSLParis/music2latent (hub)",
        paper="Pasini, Lattner & Fazekas, Music2Latent: consistency autoencoders for latent audio "
        "compression, ISMIR 2024",
        block="latents",
        preprocessing="44.1 kHz mono",
        notice="code and weights are CC BY-NC 4.0: no commercial use",
        extra="music2latent",
    ),
    _load,
)
