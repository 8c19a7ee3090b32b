"""Sounds as latents or codes, in memory and as safetensors that name their space."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..audio import Audio, as_mono, resample
from ..errors import ModelError
from ..paths import aside
from .base import Codec

logger = logging.getLogger("glissando")
FORMAT = "glissando-codec-1"
LATENTS, CODES = KINDS = ("latents", "codes")
HIGHEST_RATE = 768_000  # Hz


@dataclass(frozen=True)
class Encoded:
    """A sound as latents or codes.

    Parameters
    ----------
    values : ndarray, shape=(latents, dim) or (latents, levels)
        Float32 latents, or int32 codes.
    kind : {"latents", "codes"}
        Which of them.
    space_id : str
        Of the codec.
    sample_rate, samples : int
        Rate in Hz and length of the sound that was encoded.
    """

    values: NDArray[Any]
    kind: str
    space_id: str
    sample_rate: int
    samples: int

    def write(self, path: str | Path) -> None:
        """Write it.

        Parameters
        ----------
        path : str or Path
            Safetensors file.
        """
        from safetensors.numpy import save_file

        about = {
            "format": FORMAT,
            "space_id": self.space_id,
            "sample_rate": str(self.sample_rate),
            "samples": str(self.samples),
        }
        with aside(Path(path)) as part:
            save_file({self.kind: np.ascontiguousarray(self.values)}, part, metadata=about)

    @classmethod
    def read(cls, path: str | Path) -> Encoded:
        """Read it.

        Parameters
        ----------
        path : str or Path
            Safetensors file.

        Returns
        -------
        Encoded
            As it was written.

        Raises
        ------
        ModelError
            If the file is damaged or something else.
        """
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, framework="numpy") as file:
                about, names = file.metadata() or {}, [*file.keys()]
                kind = names[0] if len(names) == 1 and names[0] in KINDS else None
                if about.get("format") != FORMAT or kind is None:
                    raise ModelError(f"{path}: holds no latents or codes; make such a file with: gliss codec encode")
                values = file.get_tensor(kind)
        except (OSError, SafetensorError) as error:
            raise ModelError(f"{path}: can't be read as safetensors ({str(error).splitlines()[0]})") from error
        wanted = np.floating if kind == LATENTS else np.integer
        if values.ndim != 2 or not np.issubdtype(values.dtype, wanted) or not np.isfinite(values).all():
            raise ModelError(f"{path}: its {kind} are {values.dtype} of shape {values.shape}, or not finite")
        rate, samples = (_whole(path, about, name) for name in ("sample_rate", "samples"))
        if rate > HIGHEST_RATE:
            raise ModelError(f"{path}: sample_rate is {rate} Hz, more than {HIGHEST_RATE}")
        values = values.astype(np.float32 if kind == LATENTS else np.int32)
        return cls(values, kind, about.get("space_id", ""), rate, samples)


def _whole(path: str | Path, about: dict[str, str], name: str) -> int:
    said = about.get(name, "")
    if not (said.isascii() and said.isdigit() and len(said) < 15 and int(said)):
        raise ModelError(f"{path}: {name} is {said!r}, not a whole number above 0")
    return int(said)


@torch.inference_mode()
def encode(codec: Codec, audio: Audio, *, codes: bool = False, levels: int | None = None) -> Encoded:
    """Encode a sound of any rate, which is resampled.

    Parameters
    ----------
    codec : Codec
        Which.
    audio : Audio
        Channels are averaged.
    codes : bool
        Give codes, not latents.
    levels : int, optional
        Of the codes; all if None.

    Returns
    -------
    Encoded
        It remembers rate and length.

    Raises
    ------
    AudioError
        If the sound is empty or holds NaN.
    ModelError
        If the codec does not quantize, or not to so many levels.
    """
    card, mono = codec.card, as_mono(audio.samples, audio.sample_rate)
    if codes and not 0 < (card.levels if levels is None else levels) <= card.levels:
        told = f"has {card.levels} levels of codes" if card.levels else "does not quantize; take its latents"
        raise ModelError(f"{card.name}: {told}")
    sound = resample(mono, audio.sample_rate, card.sample_rate)
    count = -(-len(mono) * card.sample_rate // audio.sample_rate)  # resampling may lose the last sample
    sound = np.pad(sound, (0, max(0, count - len(sound))))
    found = codec(torch.from_numpy(sound)[None].to(codec.device))
    kind, values = LATENTS, found[0].float().cpu().numpy()
    if codes:
        kind, values = CODES, codec.codes(found)[0, :, :levels].int().cpu().numpy()
    return Encoded(values, kind, card.space_id, audio.sample_rate, len(mono))


@torch.inference_mode()
def decode(codec: Codec, encoded: Encoded) -> Audio:
    """Decode to the rate and length that was encoded.

    Parameters
    ----------
    codec : Codec
        The one that encoded.
    encoded : Encoded
        Latents or codes.

    Returns
    -------
    Audio
        Mono, within -1..1: what would be louder is made softer as a whole, and the log says so.

    Raises
    ------
    ModelError
        If it is of another space, its numbers do not fit, or its sound is not finite.
    """
    card = codec.card
    if encoded.space_id != card.space_id:
        raise ModelError(
            f"these {encoded.kind} are of the space {encoded.space_id or 'unknown'}, and {card.name} here is "
            f"{card.space_id}; decode them with the codec and weights that made them"
        )
    wanted = encoded.samples * card.sample_rate / encoded.sample_rate / card.hop  # latents
    if not len(encoded.values) - 1.01 <= wanted <= len(encoded.values):
        raise ModelError(f"{len(encoded.values)} latents are not {encoded.samples} samples at {encoded.sample_rate} Hz")
    values = torch.from_numpy(encoded.values)[None].to(codec.device)
    try:
        sound = codec.decode(codec.from_codes(values) if encoded.kind == CODES else values)[0].float().cpu().numpy()
    except ValueError as error:
        raise ModelError(str(error)) from error
    samples = resample(sound, card.sample_rate, encoded.sample_rate)[: encoded.samples]
    samples = np.pad(samples, (0, encoded.samples - len(samples)))
    peak = float(np.abs(samples).max())
    if not math.isfinite(peak):
        raise ModelError(
            f"{card.name}: these {encoded.kind} lie too far from any sound's, and decode to no finite sound"
        )
    if peak > 1:
        logger.info("louder than full scale: made softer as a whole, by %.1f dB", 20 * math.log10(peak))
    return Audio((samples / max(1.0, peak)).astype(np.float32), encoded.sample_rate)
