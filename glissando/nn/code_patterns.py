"""Orders in which a transformer writes the codes of a residual quantizer: in parallel, delayed, one after the other."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import ModelError

CODE_PATTERNS = ("parallel", "delayed", "flattened")


@dataclass(frozen=True)
class CodePattern:
    """How codes become tokens, and tokens codes.

    Quantizer q of frame f is written at step ``f * stride + q * delay``. In parallel, the codes of a frame can't follow
    one another; delayed, they can, for one step per quantizer in all; flattened takes a step for each.

    Parameters
    ----------
    name : {"parallel", "delayed", "flattened"}
        The order.
    quantizers : int
        Codes a frame.
    size : int
        Of a codebook.

    Raises
    ------
    ModelError
        If there is no such order.

    References
    ----------
    Copet et al., "Simple and controllable music generation", NeurIPS 2023.
    """

    name: str
    quantizers: int
    size: int

    def __post_init__(self) -> None:
        """Refuse an unknown order."""
        if self.name not in CODE_PATTERNS or self.quantizers < 1 or self.size < 1:
            raise ModelError(
                f"no code pattern is {self.name!r} with {self.quantizers} quantizers of {self.size} codes; take 1 or "
                f"more of both, and one of {', '.join(CODE_PATTERNS)}"
            )

    @property
    def streams(self) -> int:
        """Tokens a step."""
        return 1 if self.name == "flattened" else self.quantizers

    @property
    def stride(self) -> int:
        """Steps from a frame to the next."""
        return self.quantizers if self.name == "flattened" else 1

    @property
    def delay(self) -> int:
        """Steps from a quantizer to the next."""
        return 0 if self.name == "parallel" else 1

    @property
    def nothing(self) -> int:
        """The token, last of the vocabulary, that stands where there is no code yet, or no longer."""
        return self.size * (self.quantizers // self.streams)

    @property
    def vocabulary(self) -> int:
        """How many tokens there are in a stream, with `nothing`; where streams are one, quantizers have their own."""
        return self.nothing + 1

    def steps(self, frames: int) -> int:
        """Count the steps that frames take.

        Parameters
        ----------
        frames : int
            Of the codes.

        Returns
        -------
        int
            Of the tokens.
        """
        return (frames - 1) * self.stride + (self.quantizers - 1) * self.delay + 1

    def lay(self, codes: Tensor) -> Tensor:
        """Lay codes out as tokens.

        Parameters
        ----------
        codes : Tensor of int, shape=(batch, frames, quantizers)
            From 0 to size - 1; at least one frame.

        Returns
        -------
        Tensor of int, shape=(batch, steps, streams)
            The tokens.

        Raises
        ------
        ModelError
            If they are no such codes.
        """
        if codes.ndim != 3 or codes.shape[2] != self.quantizers or not codes.shape[1]:
            raise ModelError(f"codes have shape {tuple(codes.shape)}, not (batch, frames, {self.quantizers})")
        step, stream, first = self.places(codes.shape[1], codes.device)
        tokens = codes.new_full((len(codes), self.steps(codes.shape[1]), self.streams), self.nothing)
        tokens[:, step, stream] = self._checked(codes) + first
        return tokens

    def read(self, tokens: Tensor) -> Tensor:
        """Read codes from tokens; the inverse of `lay`.

        Parameters
        ----------
        tokens : Tensor of int, shape=(batch, steps, streams)
            The tokens.

        Returns
        -------
        Tensor of int, shape=(batch, frames, quantizers)
            The codes.

        Raises
        ------
        ModelError
            If the steps are no whole number of frames, or a token is no code of its quantizer.
        """
        if tokens.ndim != 3 or tokens.shape[2] != self.streams:
            raise ModelError(f"tokens have shape {tuple(tokens.shape)}, not (batch, steps, {self.streams})")
        more, rest = divmod(tokens.shape[1] - self.steps(1), self.stride)
        if rest or more < 0:
            raise ModelError(f"{tokens.shape[1]} steps are no whole number of frames in the order {self.name}")
        step, stream, first = self.places(more + 1, tokens.device)
        return self._checked(tokens[:, step, stream] - first)

    def allowed(self, step: int, frames: int) -> Tensor:
        """Tell which tokens may stand at a step, so that what is drawn can be read.

        Parameters
        ----------
        step : int
            From 0.
        frames : int
            That are to be written.

        Returns
        -------
        Tensor of bool, shape=(streams, vocabulary)
            True where one may.
        """
        found = torch.zeros(self.streams, self.vocabulary, dtype=torch.bool)
        for quantizer in range(self.quantizers):
            frame, rest = divmod(step - quantizer * self.delay, self.stride)
            if not rest and 0 <= frame < frames:
                first = quantizer * self.size if self.streams == 1 else 0
                found[min(quantizer, self.streams - 1), first : first + self.size] = True
        found[:, self.nothing] = ~found.any(1)
        return found

    def places(self, frames: int, device: torch.device | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Tell where codes stand among tokens.

        Parameters
        ----------
        frames : int
            Of the codes.
        device : device, optional
            Where the answer shall be.

        Returns
        -------
        step, stream : Tensor of int, shape=(frames, quantizers)
            Of the tokens.
        first : Tensor of int, shape=(quantizers,)
            Token of the code 0.
        """
        quantizer = torch.arange(self.quantizers, device=device)
        step = torch.arange(frames, device=device)[:, None] * self.stride + quantizer * self.delay
        own = quantizer * (self.streams == 1)
        return step, (quantizer - own).expand_as(step), own * self.size

    def _checked(self, codes: Tensor) -> Tensor:
        if codes.numel() and not 0 <= int(codes.min()) <= int(codes.max()) < self.size:
            raise ModelError(f"codes must lie between 0 and {self.size - 1}; draw only tokens that are allowed")
        return codes
