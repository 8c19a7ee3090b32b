"""Bottlenecks of codecs: what stands between encoder and decoder, and what it costs to pass."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from .bricks import BRICKS, sequence_dim
from .checks import count, flag, fraction, number

LOG_VARIANCES = (-12.0, 6.0)  # what they are kept within
QUIET = -4.0  # log-variance at first, so that training begins with little noise
MOST_CODES = 65_536  # of one level
NEAREST = 16_384  # vectors compared at once

Fit = Callable[[Tensor, int], Tensor]


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


class Codebooks(Bottleneck):
    """Residual codebooks fitted to latents that are learned already: each level quantizes what the one before left.

    While it trains, the decoder hears a drawn number of levels, or half of the time the latents as they are, so that
    one decoder serves all of them.

    Parameters
    ----------
    dim, levels, size : int
        Of the latents; codes of a frame; how many there are to choose from.
    """

    books: Tensor
    fitted: Tensor

    def __init__(self, dim: int, levels: int, size: int) -> None:
        super().__init__()
        self.levels, self.size = levels, size
        self.register_buffer("books", torch.empty(levels, size, dim).uniform_(-1, 1))
        self.register_buffer("fitted", torch.zeros((), dtype=torch.bool))

    @torch.no_grad()
    def fit(self, latents: Tensor, cluster: Fit) -> None:
        """Fit the codebooks, level by level.

        Parameters
        ----------
        latents : Tensor, shape=(vectors, dim)
            Of the encoder.
        cluster : callable
            Given vectors and the number of a level, finds the centres of ``size`` clusters.
        """
        left = latents
        for level, book in enumerate(self.books):
            book.copy_(cluster(left, level))
            left = left - book[nearest(left, book)]
        self.fitted.fill_(True)

    def squeeze(self, z: Tensor) -> Squeezed:
        """Quantize; gradients pass as if nothing had happened.

        Parameters
        ----------
        z : Tensor, shape=(batch, frames, dim)
            Of the encoder.

        Returns
        -------
        Squeezed
            With the codes of all levels, and no cost.
        """
        codes = self.codes(z)
        if not self.training:
            found = self.from_codes(codes)
        else:
            heard = torch.randint(1, self.levels + 1, (len(z), 1, 1), device=z.device)
            whole = torch.rand(len(z), 1, 1, device=z.device) < 0.5
            left_out = torch.arange(self.levels, device=z.device) >= heard
            found = torch.where(whole, z, self.from_codes(codes.masked_fill(left_out, -1)))
        return Squeezed(z + (found - z).detach(), z.new_zeros(()), codes)

    @torch.no_grad()
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
        """
        left, codes = z.reshape(-1, z.shape[-1]).float(), []
        for book in self.books:
            codes.append(nearest(left, book))
            left = left - book[codes[-1]]
        return torch.stack(codes, -1).reshape(*z.shape[:2], self.levels)

    def from_codes(self, codes: Tensor) -> Tensor:
        """Look up what codes stand for.

        Parameters
        ----------
        codes : Tensor of int64, shape=(batch, frames, levels)
            The first levels alone will do; -1 adds nothing.

        Returns
        -------
        Tensor, shape=(batch, frames, dim)
            For the decoder.
        """
        found = self.books.new_zeros(*codes.shape[:2], self.books.shape[-1])
        for book, level in zip(self.books.unbind(0), codes.unbind(-1), strict=False):
            found = found + book[level.clamp_min(0)] * (level >= 0)[..., None]
        return found


def nearest(vectors: Tensor, book: Tensor) -> Tensor:
    """Find the nearest entry of a codebook.

    Parameters
    ----------
    vectors : Tensor, shape=(vectors, dim)
        What to quantize.
    book : Tensor, shape=(size, dim)
        The codebook.

    Returns
    -------
    Tensor of int64, shape=(vectors,)
        Numbers of entries.
    """
    with torch.autocast(vectors.device.type, enabled=False):  # in half precision, others would be nearest
        lengths = book.square().sum(1) / 2
        return torch.cat([(lengths - some @ book.T).argmin(1) for some in torch.split(vectors.float(), NEAREST)])


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
    size, levels = count(size, "size", low=2, high=MOST_CODES), count(levels, "levels", high=64)
    quantizer = ResidualVQ(
        dim=sequence_dim(inputs), num_quantizers=levels, codebook_size=size, kmeans_init=True, rotation_trick=False,
        decay=fraction(decay, "decay"), commitment_weight=number(commitment, "commitment", low=0.0),
        threshold_ema_dead_code=1, quantize_dropout=flag(drop_levels, "drop_levels"),
    )  # fmt: skip
    return Learned(quantizer, levels, size)


@BRICKS.register("codebooks")
def codebooks(inputs: Sequence[int], *, size: int = 512, levels: int = 8) -> nn.Module:
    """Quantize by residual codebooks that the paradigm `codec` fits to latents before it trains; see `Codebooks`.

    Parameters
    ----------
    inputs : sequence of int
        Shape of the sequence that comes in.
    size : int
        Codes to choose from.
    levels : int
        Codes of a frame.

    Returns
    -------
    Module
        Sequence to sequence.
    """
    dim = sequence_dim(inputs)
    return Codebooks(dim, count(levels, "levels", high=64), count(size, "size", low=2, high=MOST_CODES))
