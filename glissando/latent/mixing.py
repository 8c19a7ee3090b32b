"""Mixing spaces: where the embedding of a mix is the sum of the embeddings of its parts, and how to hear such sums."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..audio import Audio
from ..codecs import Codec, CodecEncoder, encode
from ..codecs import Latents as LatentsOf
from ..encoders import Encoder, EncoderCard, Framing, register
from ..encoders.shipped import SHIPPED, WEIGHTS, read_network, shipped_folder, trained_frames
from ..errors import ExpressionError, ModelError
from ..nn import Model
from .bending import decode_like
from .space import Latents, Space

ENCODER = "gliss-mixing"
PARTS = ("project", "restore")


class MixingSpace(nn.Module):
    """A map of latents to a space in which mixing is addition, and a map back.

    Silence lies at 0, so that a sound with silence is the sound. Sums and differences of embeddings can be decoded: the
    map back has learned from such.

    Parameters
    ----------
    model : Model
        With the parts project and restore; each takes and gives what belongs to one latent at a time.
    silence : Tensor, shape=(dim,)
        The latent of silence.
    space_id : str
        Of the latents.

    References
    ----------
    Hawley, "Mathemangling audio embeddings", 2024, asks for it; Bardes, Ponce & LeCun, "VICReg", ICLR 2022.
    """

    silence: Tensor

    def __init__(self, model: Model, silence: Tensor, space_id: str) -> None:
        super().__init__()
        self.model, self.space_id = model, space_id
        self.register_buffer("silence", silence)

    def project(self, z: Tensor) -> Tensor:
        """Map latents into the space.

        Parameters
        ----------
        z : Tensor, shape=(batch, latents, dim)
            Of the codec.

        Returns
        -------
        Tensor, shape=(batch, latents, units)
            Of a mix about the sum of those of its parts, latent by latent, and so on the average over time.
        """
        both = torch.cat([z, self.silence.expand(len(z), 1, -1)], 1)
        found = self.model.run(both.transpose(1, 2)[:, None], "project")
        return found[:, :-1] - found[:, -1:]

    def restore(self, u: Tensor) -> Tensor:
        """Map back.

        Parameters
        ----------
        u : Tensor, shape=(batch, latents, units)
            Of `project`, or sums and differences of such.

        Returns
        -------
        Tensor, shape=(batch, latents, dim)
            Latents, for the codec to decode.
        """
        return self.model.run(u, "restore")


def load_mixing(codec: Codec, folder: str | Path | None = None) -> MixingSpace:
    """Read the mixing space of a codec.

    Parameters
    ----------
    codec : Codec
        Whose latents are mixed.
    folder : str or Path, optional
        A run of ``gliss train mixing/gliss-mixing``; the one that comes with the package if None.

    Returns
    -------
    MixingSpace
        In evaluation mode, where the codec is.

    Raises
    ------
    ModelError
        If it is no such run, or one for another codec.
    """
    found, _ = _read(Path(folder) if folder is not None else shipped_folder("mixing"))
    if found.space_id != codec.card.space_id:
        raise ModelError(
            f"the mixing space of {folder or ENCODER} is for {found.space_id}, and the codec is {codec.card.space_id}; "
            "train one for it: gliss train mixing/gliss-mixing --set feature.latents.codec=NAME"
        )
    return found.to(codec.device).eval()


@torch.inference_mode()
def mixed(codec: Codec, space: MixingSpace, sounds: Sequence[Audio], *, minus: Sequence[Audio] = ()) -> Audio:
    """Mix sounds by adding their embeddings, and take others out by subtracting theirs.

    Parameters
    ----------
    codec : Codec
        Which.
    space : MixingSpace
        Of its latents.
    sounds : sequence of Audio
        At least one; all begin together.
    minus : sequence of Audio
        What is taken out, as loud as it is in the mix.

    Returns
    -------
    Audio
        At the rate of the first sound, and as long as the longest; within -1..1.

    Raises
    ------
    ExpressionError
        If there is nothing to mix.
    ModelError
        If what comes of it can't be decoded.
    """
    if not sounds:
        raise ExpressionError("there is nothing to mix; name a sound")
    encoded = [encode(codec, one) for one in (*sounds, *minus)]
    level = Space.of(codec).level(*(one.values for one in encoded))
    signs = torch.tensor([1.0] * len(sounds) + [-1.0] * len(minus), device=codec.device)
    projected = space.project(torch.from_numpy(np.stack(level)).to(codec.device))
    made: Latents = space.restore((signs[:, None, None] * projected).sum(0, keepdim=True))[0].float().cpu().numpy()
    rate = encoded[0].sample_rate
    samples = max(max(1, one.samples * rate // one.sample_rate) for one in encoded)
    return decode_like(codec, made, replace(encoded[0], values=made, samples=samples))


class MixingEncoder(Encoder):
    """Means of a mixing space over windows of about a second, for libraries.

    Parameters
    ----------
    codec : Codec
        Whose latents.
    space : MixingSpace
        Of those.
    card : EncoderCard
        Its card.
    """

    def __init__(self, codec: Codec, space: MixingSpace, card: EncoderCard) -> None:
        super().__init__()
        self.card, self.space, self.latents = card, space, CodecEncoder(codec)
        self.framing: Framing = self.latents.framing

    def encode(self, windows: Tensor) -> dict[str, Tensor]:
        """Encode windows.

        Parameters
        ----------
        windows : Tensor, shape=(windows, framing.window)
            At ``card.sample_rate``.

        Returns
        -------
        dict of str to Tensor
            ``embedding``, which adds up where sounds do.
        """
        return {"embedding": self.space.project(self.latents.encode(windows)["latents"]).mean(1)}


def missing_part(
    part: NDArray[np.float32], wanted: NDArray[np.float32] | None = None, *, usual: NDArray[np.float32] | None = None
) -> NDArray[np.float32]:
    """Tell what completes a part.

    Parameters
    ----------
    part : ndarray, shape=(units,)
        What is there, by `MixingEncoder`.
    wanted : ndarray, shape=(units,), optional
        The mix that it shall become, in which the part is as loud.
    usual : ndarray, shape=(units,), optional
        In the place of that mix, the direction of what is usual, such as the mean of a library.

    Returns
    -------
    ndarray, shape=(units,)
        The mix without the part; or what is usual without its component along the part, which asks nothing of loudness.

    Raises
    ------
    ValueError
        If neither is given.
    """
    if wanted is not None:
        return wanted - part
    if usual is None:
        raise ValueError("give what is wanted, or what is usual")
    along = part / max(float(np.linalg.norm(part)), 1e-9)
    found: NDArray[np.float32] = usual - max(0.0, float(usual @ along)) * along
    return found


def _read(folder: Path) -> tuple[MixingSpace, LatentsOf]:
    feature, model = read_network(folder, trained_frames(folder))
    if not isinstance(feature, LatentsOf) or tuple(model.parts) != PARTS:
        raise ModelError(f"{folder}: is a run, but of no mixing space; train one with: gliss train mixing/gliss-mixing")
    return MixingSpace(model, feature.silence()[0, :, 0], feature.space), feature


def _load(known: EncoderCard, source: Path | None) -> Encoder:
    folder = source or shipped_folder("mixing")
    space, feature = _read(folder)
    if source is not None:  # other weights are another space
        digest = hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()
        units = space.project(space.silence.expand(1, 1, -1)).shape[-1]
        known = replace(
            known, source="a run of one's own", weights_sha256=digest, dim=units,
            sample_rate=int(feature.sample_rate), preprocessing=f"feature and model of {digest}",
        )  # fmt: skip
    return MixingEncoder(feature.codec, space, known)


register(
    EncoderCard(
        name=ENCODER,
        summary="mixing space: embeddings add up where sounds are mixed, for gliss search --completes",
        sample_rate=16_000,
        dim=64,
        window=31 * 512 / 16_000,
        frame_rate=16_000 / 31 / 512,
        licence="Apache-2.0",
        source=SHIPPED,
        paper="after Bardes, Ponce & LeCun, VICReg, ICLR 2022",
        block="mixing",
        preprocessing="latents of gliss-codec, projected; means of 31",
        weights_sha256="c31a0b3f88a83aae5a83deabf9a9de4d8bdc4e152afc5e7d5444521ff1c38a98",
        weights_mb=0.2,
    ),
    _load,
)
