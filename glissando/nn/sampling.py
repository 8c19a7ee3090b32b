"""Draw tokens from what a model says of the next: temperature, top-k, top-p."""

from __future__ import annotations

import torch
from torch import Tensor


def keep_top_k(logits: Tensor, k: int) -> Tensor:
    """Keep the most probable tokens.

    Parameters
    ----------
    logits : Tensor, shape=(..., vocabulary)
        Log-odds.
    k : int
        How many; of equals at the edge, all are kept.

    Returns
    -------
    Tensor, shape=(..., vocabulary)
        Minus infinity for the others.

    Raises
    ------
    ValueError
        If k is not positive.

    References
    ----------
    Fan, Lewis & Dauphin, "Hierarchical neural story generation", ACL 2018.
    """
    if k < 1:
        raise ValueError(f"top_k is {k}; it must be at least 1")
    least = logits.topk(min(k, logits.shape[-1])).values[..., -1:]
    return logits.masked_fill(logits < least, float("-inf"))


def keep_top_p(logits: Tensor, p: float) -> Tensor:
    """Keep the fewest most probable tokens whose probabilities sum to p or more.

    Parameters
    ----------
    logits : Tensor, shape=(..., vocabulary)
        Log-odds.
    p : float
        Above 0; 1 keeps all.

    Returns
    -------
    Tensor, shape=(..., vocabulary)
        Minus infinity for the others.

    Raises
    ------
    ValueError
        If p is not in 0..1.

    References
    ----------
    Holtzman et al., "The curious case of neural text degeneration", ICLR 2020.
    """
    if not 0 < p <= 1:
        raise ValueError(f"top_p is {p}; it must be above 0 and at most 1")
    ordered, order = logits.sort(descending=True, dim=-1)
    odds = ordered.softmax(-1)
    before = odds.cumsum(-1) - odds
    dropped = torch.zeros_like(before, dtype=torch.bool).scatter(-1, order, before >= p)
    return logits.masked_fill(dropped, float("-inf"))


def draw(
    logits: Tensor,
    *,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    allowed: Tensor | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Draw tokens.

    Parameters
    ----------
    logits : Tensor, shape=(..., vocabulary)
        Log-odds.
    temperature : float
        By which they are divided; 0 takes the most probable.
    top_k : int, optional
        See `keep_top_k`; of what is allowed.
    top_p : float, optional
        See `keep_top_p`; of what is left.
    allowed : Tensor of bool, optional, shape=(..., vocabulary)
        What may be drawn; at least one token everywhere.
    generator : Generator, optional
        Of random numbers.

    Returns
    -------
    Tensor of int, shape=(...)
        The tokens.

    Raises
    ------
    ValueError
        If an option makes no sense.
    """
    if temperature < 0:
        raise ValueError(f"temperature is {temperature}; it must be 0 or more")
    logits = logits.float()
    if allowed is not None:
        logits = logits.masked_fill(~allowed, float("-inf"))
    if temperature == 0:
        return logits.argmax(-1)
    logits = logits / temperature
    if top_k is not None:
        logits = keep_top_k(logits, top_k)
    if top_p is not None:
        logits = keep_top_p(logits, top_p)
    odds = logits.softmax(-1)
    rows = odds.reshape(-1, odds.shape[-1])
    return torch.multinomial(rows, 1, generator=generator).reshape(odds.shape[:-1])
