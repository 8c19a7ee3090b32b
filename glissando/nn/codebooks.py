"""Codebooks that are fitted to latents which are learned already."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from .bottlenecks import MOST_CODES, MOST_LEVELS, Bottleneck, Squeezed
from .bricks import BRICKS, sequence_dim
from .checks import count

NEAREST = 16_384  # vectors compared at once

Fit = Callable[[Tensor, int], Tensor]


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
    return Codebooks(dim, count(levels, "levels", high=MOST_LEVELS), count(size, "size", low=2, high=MOST_CODES))
