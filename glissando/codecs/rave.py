"""RAVE (Caillon & Esling 2021): models that others exported as TorchScript, which is code and must be trusted."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import ModelError
from .base import Codec, CodecCard
from .registry import register

RATES = ("sr", "sampling_rate", "sample_rate")  # what exports call theirs
PROBE = 2**17  # samples by which an export is measured: a multiple of every ratio


class RaveCodec(Codec):
    """An export with the methods encode and decode; its decoder draws noise, always the same here.

    Parameters
    ----------
    card : CodecCard
        Its card.
    model : ScriptModule
        The export.
    """

    def __init__(self, card: CodecCard, model: Any) -> None:
        super().__init__()
        self.card, self.model = card, model

    def encode(self, waveform: Tensor) -> Tensor:
        """Run the export's encoder.

        Parameters
        ----------
        waveform : Tensor, shape=(batch, latents * hop)
            At ``card.sample_rate``.

        Returns
        -------
        Tensor, shape=(batch, latents, dim)
            The latents.
        """
        with _drawing_alike():
            found = torch.cat([self.model.encode(one[None, None]) for one in waveform])
        return found.transpose(1, 2)

    def generate(self, latents: Tensor, *, first: int = 0) -> Tensor:
        """Run the export's decoder.

        Parameters
        ----------
        latents : Tensor, shape=(batch, latents, dim)
            Of `encode`.
        first : int
            Not used.

        Returns
        -------
        Tensor, shape=(batch, latents * hop)
            At ``card.sample_rate``; of several channels, their mean.
        """
        made = []
        for one in latents.transpose(1, 2):
            with _drawing_alike():
                made.append(self.model.decode(one[None]).mean(1))
        return torch.cat(made)


@contextmanager
def _drawing_alike() -> Iterator[None]:
    """Draw from a fixed seed, and leave what is drawn elsewhere as it is."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def _load(card: CodecCard, source: Path | None, trusted: bool) -> Codec:
    if source is None:
        raise ModelError("rave: every model is somebody's own; name an export (TorchScript, .ts) with --weights FILE")
    if not trusted:
        raise ModelError(
            f"{source}: is TorchScript, which can run code on this computer; if you trust who made it, say --trusted "
            "(in Python: trusted=True)"
        )
    try:
        model = torch.jit.load(str(source), map_location="cpu").eval()  # type: ignore[no-untyped-call]
        with torch.inference_mode(), _drawing_alike():
            latents = model.encode(torch.zeros(1, 1, PROBE))
            made = model.decode(latents)
        rate = int(next(getattr(model, name) for name in RATES if hasattr(model, name)))
    except (RuntimeError, AttributeError, StopIteration, ValueError, TypeError) as error:
        said = (str(error).strip().splitlines() or ["it tells no sample rate"])[-1]
        raise ModelError(f"{source}: is no RAVE export of one channel ({said})") from error
    if latents.ndim != 3 or latents.shape[2] < 1 or PROBE % latents.shape[2] or made.shape[-1] != PROBE or rate < 1:
        raise ModelError(f"{source}: is no RAVE export: its latents are {tuple(latents.shape)} for {PROBE} samples")
    with source.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    hop = PROBE // latents.shape[2]
    card = replace(
        card, sample_rate=rate, dim=int(latents.shape[1]), hop=hop, frame_rate=rate / hop, weights_sha256=digest
    )
    return RaveCodec(card, model)


register(
    CodecCard(
        name="rave",
        summary="RAVE models that you have as exports (TorchScript), such as those for Max and Pure Data",
        sample_rate=48_000,
        dim=16,
        window=0.1,
        frame_rate=48_000 / 2048,
        hop=2048,
        licence="of each model as its maker says; many are CC BY-NC",
        source="an export of one's own",
        paper="Caillon & Esling, RAVE: a variational autoencoder for fast, high-quality neural audio synthesis, 2021",
        block="latents",
        preprocessing="mono",
        notice="check the licence of the model: of many, no commercial use is allowed",
    ),
    _load,
)
