"""Bottlenecks of codecs: what stands between encoder and decoder, and what it costs to pass."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from .bricks import BRICKS, sequence_dim
from .checks import count, flag, fraction, number

LOG_VARIANCES = (-12.0, 6.0)  # what they are kept within
QUIET = -4.0  # log-variance at first, so that training begins with little noise
MOST_CODES, MOST_LEVELS = 65_536, 64  # of one level, and levels


class Squeezed(NamedTuple):
    """What came through a bottleneck.

    Attributes
    ----------
    latents : Tensor, shape=(batch, frames, dim)
        For the decoder.
    cost : Tensor
        One number to learn by, beside the reconstruction.
    codes : Tensor of int or None, shape=(batch, frames, levels)
        Where it quantizes; -1 for levels that were left out.
    """

    latents: Tensor
    cost: Tensor
    codes: Tensor | None


class Bottleneck(nn.Module):
    """What a codec's latents must pass.

    Attributes
    ----------
    levels, size : int
        Codes of a frame, and how many there are to choose from; 0 where nothing is quantized.
    """

    levels: int = 0
    size: int = 0

    def squeeze(self, z: Tensor) -> Squeezed:
        """Let latents pass.

        Parameters
        ----------
        z : Tensor, shape=(batch, frames, dim)
            Of the encoder.

        Returns
        -------
        Squeezed
            What comes through.
        """
        return Squeezed(z, z.new_zeros(()), None)

    def forward(self, z: Tensor) -> Tensor:
        """Let latents pass, and forget the cost.

        Parameters
        ----------
        z : Tensor, shape=(batch, frames, dim)
            Of the encoder.

        Returns
        -------
        Tensor, shape=(batch, frames, dim)
            For the decoder.
        """
        return z if z.is_meta else self.squeeze(z).latents

    def codes(self, z: Tensor) -> Tensor:
        """Quantize latents.

        Parameters
        ----------
        z : Tensor, shape=(batch, frames, dim)
            Of the encoder.

        Returns
        -------
        Tensor of int64, shape=(batch, frames, levels)
            From 0 to size - 1.

        Raises
        ------
        ValueError
            If this bottleneck does not quantize.
        """
        codes = self.squeeze(z).codes
        if codes is None:
            raise ValueError("this bottleneck does not quantize, so there are no codes")
        return codes

    def from_codes(self, codes: Tensor) -> Tensor:
        """Look up what codes stand for.

        Parameters
        ----------
        codes : Tensor of int64, shape=(batch, frames, levels)
            The first levels alone will do.

        Returns
        -------
        Tensor, shape=(batch, frames, dim)
            For the decoder.

        Raises
        ------
        ValueError
            If this bottleneck does not quantize.
        """
        raise ValueError("this bottleneck does not quantize, so it knows no codes")


class Gaussian(Bottleneck):
    """Latents as means of normal distributions whose variances are learned, drawn from while training.

    Parameters
    ----------
    dim : int
        Of the latents.

    References
    ----------
    Kingma & Welling, "Auto-encoding variational Bayes", ICLR 2014.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.log_variance = nn.Linear(dim, dim)
        nn.init.zeros_(self.log_variance.weight)
        nn.init.constant_(self.log_variance.bias, QUIET)

    def squeeze(self, z: Tensor) -> Squeezed:
        """Draw latents while training, and give means else; the cost is the divergence from the standard normal.

        Parameters
        ----------
        z : Tensor, shape=(batch, frames, dim)
            Means.

        Returns
        -------
        Squeezed
            Without codes.
        """
        log = self.log_variance(z).clamp(*LOG_VARIANCES)
        cost = (z.square() + log.exp() - 1 - log).mean() / 2
        return Squeezed(z + torch.randn_like(z) * (log / 2).exp() if self.training else z, cost, None)


class Learned(Bottleneck):
    """Vector quantization, of one level or residual, learned with the codec by moving averages.

    Parameters
    ----------
    quantizer : Module
        ``ResidualVQ`` of vector-quantize-pytorch.
    levels, size : int
        Codes of a frame, and how many there are to choose from.

    References
    ----------
    van den Oord, Vinyals & Kavukcuoglu, "Neural discrete representation learning", NIPS 2017; Zeghidour et al.,
    "SoundStream: an end-to-end neural audio codec", TASLP 2021.
    """

    def __init__(self, quantizer: nn.Module, levels: int, size: int) -> None:
        super().__init__()
        self.quantizer, self.levels, self.size = quantizer, levels, size

    def squeeze(self, z: Tensor) -> Squeezed:
        """Quantize; gradients pass as if nothing had happened, the cost is the distance from what was chosen.

        Parameters
        ----------
        z : Tensor, shape=(batch, frames, dim)
            Of the encoder.

        Returns
        -------
        Squeezed
            With codes; before anything is learned, the latents as they are.
        """
        if not (self.training or self.quantizer.layers[0]._codebook.initted):  # type: ignore[union-attr,index]
            return Squeezed(z, z.new_zeros(()), torch.zeros(*z.shape[:2], self.levels, dtype=torch.int64))
        latents, codes, costs = self.quantizer(z.float())
        return Squeezed(latents, costs.sum(), codes)

    def from_codes(self, codes: Tensor) -> Tensor:
        """Look up what codes stand for.

        Parameters
        ----------
        codes : Tensor of int64, shape=(batch, frames, levels)
            The first levels alone will do.

        Returns
        -------
        Tensor, shape=(batch, frames, dim)
            For the decoder.
        """
        found: Tensor = self.quantizer.get_output_from_indices(codes)  # type: ignore[operator]
        return found


def bottlenecks(model: nn.Module) -> Iterable[Bottleneck]:
    """Find the bottlenecks of a model.

    Parameters
    ----------
    model : Module
        Of bricks.

    Returns
    -------
    iterable of Bottleneck
        In order.
    """
    return (layer for layer in model.modules() if isinstance(layer, Bottleneck))


@BRICKS.register("deterministic")
def deterministic(inputs: Sequence[int]) -> nn.Module:
    """Let latents pass as they are.

    Parameters
    ----------
    inputs : sequence of int
        Shape of the sequence that comes in.

    Returns
    -------
    Module
        Sequence to sequence.
    """
    sequence_dim(inputs)
    return Bottleneck()


@BRICKS.register("gaussian")
def gaussian(inputs: Sequence[int]) -> nn.Module:
    """Make a variational autoencoder; see `Gaussian`.

    Parameters
    ----------
    inputs : sequence of int
        Shape of the sequence that comes in.

    Returns
    -------
    Module
        Sequence to sequence.
    """
    return Gaussian(sequence_dim(inputs))


@BRICKS.register("vq")
def vq(
    inputs: Sequence[int],
    *,
    size: int = 512,
    levels: int = 1,
    decay: float = 0.9,
    commitment: float = 1.0,
    drop_levels: bool = False,
) -> nn.Module:
    """Quantize by codebooks that are learned with the codec; see `Learned`. Needs the extra "codecs".

    Parameters
    ----------
    inputs : sequence of int
        Shape of the sequence that comes in.
    size : int
        Codes to choose from.
    levels : int
        Of one (VQ-VAE), or residual.
    decay : float
        Of the moving averages.
    commitment : float
        Weight of the distance from what was chosen.
    drop_levels : bool
        Leave out the last levels of a drawn number while training, so that the first ones alone will do.

    Returns
    -------
    Module
        Sequence to sequence.

    Raises
    ------
    ValueError
        If the extra is not installed.
    """
    try:
        from vector_quantize_pytorch import ResidualVQ
    except ImportError as error:
        raise ValueError('needs the extra "codecs"; install it with: pip install "glissando[codecs]"') from error
    from loguru import logger

    logger.disable("vector_quantize_pytorch")  # which tells of every small batch
    size, levels = count(size, "size", low=2, high=MOST_CODES), count(levels, "levels", high=MOST_LEVELS)
    quantizer = ResidualVQ(
        dim=sequence_dim(inputs), num_quantizers=levels, codebook_size=size, kmeans_init=True, rotation_trick=False,
        decay=fraction(decay, "decay"), commitment_weight=number(commitment, "commitment", low=0.0),
        threshold_ema_dead_code=1, quantize_dropout=flag(drop_levels, "drop_levels"),
    )  # fmt: skip
    return Learned(quantizer, levels, size)
