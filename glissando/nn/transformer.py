"""Transformer encoder over sequences: what torch's own lacks are relative and rotary positions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from ..errors import ModelError
from .attention import Attention, Past, sinusoids
from .bricks import BRICKS, Conditioned, sequence_dim, stored_shape
from .checks import choice, count, flag, fraction
from .wiring import Film, condition_dim

POSITIONS = ("rotary", "relative", "sinusoidal", "learned", "none")


class _Block(nn.Module):
    """Self attention, perhaps cross attention, and a wide layer, each after a norm and with a way around.

    Norms may be adaptive: a vector then says how what they give is scaled and shifted.
    """

    def __init__(
        self,
        dim: int,
        heads: int,
        head_dim: int,
        expansion: int,
        dropout: float,
        context_dim: int | None,
        film: tuple[str, int] | None,
    ) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(dim)
        self.attention = Attention(dim, heads, dropout, head_dim=head_dim)
        self.cross: Attention | None = None
        if context_dim is not None:
            self.cross_norm, self.cross = (
                nn.LayerNorm(dim),
                Attention(dim, heads, dropout, context_dim, head_dim=head_dim),
            )
        wide = dim * expansion
        self.wide = nn.Sequential(
            nn.LayerNorm(dim), nn.Linear(dim, wide), nn.GELU(), nn.Dropout(dropout), nn.Linear(wide, dim)
        )
        self.dropout = nn.Dropout(dropout)
        self.films = nn.ModuleList([] if film is None else [Film(*film, dim), Film(*film, dim)])

    def forward(
        self,
        x: Tensor,
        context: Tensor | None,
        mask: Tensor | None,
        causal: bool,
        rotation: tuple[Tensor, Tensor] | None,
        past: Past | None,
    ) -> Tensor:
        y = self.attention_norm(x)
        if self.films:
            y = self.films[0](y, context)
        x = x + self.dropout(self.attention(y, mask=mask, causal=causal, rotation=rotation, past=past))
        if self.cross is not None:
            x = x + self.dropout(self.cross(self.cross_norm(x), context))
        norm, *wide = self.wide
        y = norm(x)
        if self.films:
            y = self.films[1](y, context)
        for layer in wide:
            y = layer(y)
        result: Tensor = x + self.dropout(y)
        return result


class Transformer(Conditioned):
    """Transformer encoder with norms first; parameters as of the brick `transformer`.

    Parameters
    ----------
    inputs : int
        Dimension that comes in.
    dim, depth, heads, head_dim, expansion : int
        Sizes.
    positions : str
        One of `POSITIONS`.
    max_frames, max_distance : int
        Learned positions; relative distances told apart.
    causal : bool
        See only the past.
    token : bool
        Put a learned token before the sequence, and give what became of it.
    dropout : float
        Probability.
    uses : str, optional
        Name of the context, or of the vector for adaptive norms.
    context_dim : int, optional
        Dimension of the context.
    film_dim : int, optional
        Dimension of the vector; there is a context or a vector, not both.
    """

    def __init__(
        self,
        inputs: int,
        *,
        dim: int,
        depth: int,
        heads: int,
        head_dim: int | None = None,
        expansion: int,
        positions: str,
        max_frames: int,
        max_distance: int,
        causal: bool,
        token: bool,
        dropout: float,
        uses: str | None,
        context_dim: int | None,
        film_dim: int | None = None,
    ) -> None:
        super().__init__(uses)
        self.dim, self.head_dim = dim, dim // heads if head_dim is None else head_dim
        self.positions, self.causal = positions, causal
        self.enter = nn.Identity() if inputs == dim else nn.Linear(inputs, dim)
        self.token = nn.Parameter(nn.init.normal_(torch.empty(1, 1, dim), std=0.02)) if token else None
        self.table: nn.Parameter | None = None
        if positions == "learned":
            self.table = nn.Parameter(nn.init.normal_(torch.empty(max_frames, dim), std=0.02))
        elif positions == "relative":
            self.table = nn.Parameter(torch.zeros(heads, 2 * max_distance + 1))
        film = None if film_dim is None or uses is None else (uses, film_dim)
        self.blocks = nn.ModuleList(
            _Block(dim, heads, self.head_dim, expansion, dropout, context_dim, film) for _ in range(depth)
        )
        self.norm = nn.LayerNorm(dim)

    def forward(self, x: Tensor, context: Tensor | None = None, past: Past | None = None) -> Tensor:
        """Attend, block by block.

        Parameters
        ----------
        x : Tensor, shape=(batch, frames, inputs)
            A sequence.
        context : Tensor, optional, shape=(batch, any frames, context dim) or (batch, film dim)
            A sequence to attend to, or a vector for adaptive norms.
        past : Past, optional
            What came before; the sequence goes on from it, and is added to it.

        Returns
        -------
        Tensor, shape=(batch, frames, dim) or (batch, dim)
            A sequence, or the token's vector.

        Raises
        ------
        ModelError
            If there is a past, but the transformer is not causal; or too many frames for learned positions.
        """
        if past is not None and not self.causal:
            raise ModelError("a transformer that is not causal has no past; make one with causal: true")
        first = past.frames if past is not None else 0
        x = self.enter(x)
        if self.token is not None:
            x = torch.cat([self.token.expand(len(x), -1, -1), x], 1)
        frames, mask, rotation = x.shape[1], None, None
        if self.positions == "rotary":
            rotation = sinusoids(frames, self.head_dim, device=x.device, first=first)
        elif self.positions == "relative":
            mask = self.bias(first + frames)[:, first:]
        elif self.positions != "none":
            x = x + self._absolute(frames, x, first)
        if first and mask is None:  # (torch would let the first frame see the first of the past alone)
            mask = torch.ones(frames, first + frames, dtype=torch.bool, device=x.device).tril(first)
        for block in self.blocks:
            x = block(x, context, mask, self.causal and mask is None, rotation, past)
        if past is not None:
            past.frames += frames
        result: Tensor = self.norm(x if self.token is None else x[:, 0])
        return result

    def bias(self, frames: int) -> Tensor:
        """Compute what relative positions add to the products of queries and keys.

        Parameters
        ----------
        frames : int
            Length of the sequence.

        Returns
        -------
        Tensor, shape=(heads, frames, frames)
            One learned value per head and distance; minus infinity for the future, if causal.

        References
        ----------
        Shaw, Uszkoreit & Vaswani, "Self-attention with relative position representations", NAACL 2018 (clipped
        distances); Raffel et al., JMLR 2020 (a scalar per distance).
        """
        assert self.table is not None
        position = torch.arange(frames, device=self.table.device)
        distance = position[None, :] - position[:, None]
        most = self.table.shape[1] // 2
        bias = self.table[:, distance.clamp(-most, most) + most]
        return bias.masked_fill(distance > 0, float("-inf")) if self.causal else bias

    def _absolute(self, frames: int, like: Tensor, first: int) -> Tensor:
        if self.table is None:
            return torch.cat(sinusoids(frames, self.dim, device=like.device, first=first), 1).to(like.dtype)
        last = first + frames
        if last > len(self.table):
            raise ModelError(f"{last} frames, but positions are learned for {len(self.table)}; raise max_frames")
        return self.table[first:last]


@BRICKS.register("transformer")
def transformer(
    inputs: Sequence[int],
    stored: Mapping[str, Sequence[int]],
    *,
    dim: int | None = None,
    depth: int = 2,
    heads: int = 4,
    head_dim: int | None = None,
    expansion: int = 4,
    positions: str = "rotary",
    max_frames: int = 1024,
    max_distance: int = 64,
    causal: bool = False,
    context: str | None = None,
    film: str | None = None,
    dropout: float = 0.0,
    output: str = "sequence",
) -> nn.Module:
    """Make a transformer encoder, with norms first.

    Parameters
    ----------
    inputs : sequence of int
        Shape of the sequence that comes in.
    stored : mapping of str to sequence of int
        Shapes of what is stored or given.
    dim : int, optional
        Output dimension; without it, that of the input.
    depth, heads : int
        Blocks, and heads of attention.
    head_dim : int, optional
        Dimension of every head, so that heads need not divide the dimension; the dimension over heads if None.
    expansion : int
        The wide layer has so many times the dimension.
    positions : str
        ``rotary``, ``relative`` (a learned bias per distance), ``sinusoidal``, ``learned`` or ``none``.
    max_frames : int
        Longest sequence of learned positions.
    max_distance : int
        Relative distances beyond it count as it.
    causal : bool
        See only the past.
    context : str, optional
        Name of a stored or given sequence to attend to (cross attention).
    film : str, optional
        Name of a stored or given vector that scales and shifts what norms give (adaptive layer norm); not together
        with a context.
    dropout : float
        Probability.
    output : str
        ``sequence``, or ``token`` for the vector of a learned class token put before the sequence.

    Returns
    -------
    Module
        Sequence to sequence or vector.

    Raises
    ------
    ValueError
        If sizes don't divide, a causal token could see nothing, or there are both a context and a vector.

    References
    ----------
    Vaswani et al., NeurIPS 2017; with adaptive norms: Peebles & Xie, "Scalable diffusion models with transformers",
    ICCV 2023.
    """
    came = sequence_dim(inputs)
    width = came if dim is None else count(dim, "dim")
    each, rest = divmod(width, count(heads, "heads")) if head_dim is None else (count(head_dim, "head_dim"), 0)
    choice(positions, "positions", POSITIONS)
    if rest or (positions in ("rotary", "sinusoidal") and (each if positions == "rotary" else width) % 2):
        even = " into even parts" if positions == "rotary" else ""
        raise ValueError(f"heads must divide dim{even}, got {heads} heads for {width}; say dim, or head_dim")
    token = choice(output, "output", ("sequence", "token")) == "token"
    if flag(causal, "causal") and token:
        raise ValueError("a causal class token would see nothing; use causal: false or output: sequence")
    if context is not None and film is not None:
        raise ValueError("takes a context or a film, not both")
    context_dim = None if context is None else sequence_dim(stored_shape(stored, context))
    return Transformer(
        came,
        dim=width,
        depth=count(depth, "depth", high=200),
        heads=heads,
        head_dim=each,
        expansion=count(expansion, "expansion", high=64),
        positions=positions,
        max_frames=count(max_frames, "max_frames"),
        max_distance=count(max_distance, "max_distance"),
        causal=causal,
        token=token,
        dropout=fraction(dropout, "dropout"),
        uses=film if context is None else context,
        context_dim=context_dim,
        film_dim=None if film is None else condition_dim(stored, film),
    )
