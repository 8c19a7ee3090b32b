"""Blocks: which vectors a library holds, and in which space they lie."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from .. import encoders

DEFAULT_BLOCKS = {"timbre": "musicnn-msd", "rhythm": "rhythm"}


@dataclass(frozen=True)
class Block:
    """One named vector per track.

    Parameters
    ----------
    name : str
        Column in both tables.
    encoder : str or None
        Which encoder fills it; None for vectors made elsewhere.
    space_id : str
        What makes two vectors comparable.
    dim : int
        Dimensions.
    tag_names : tuple of str
        What the tag column means, for the block whose encoder fills it.
    """

    name: str
    encoder: str | None
    space_id: str
    dim: int
    tag_names: tuple[str, ...] = ()


def encoder_blocks(names: Mapping[str, str]) -> dict[str, Block]:
    """Describe the blocks that encoders fill.

    Parameters
    ----------
    names : mapping of str to str
        Block to encoder.

    Returns
    -------
    dict of str to Block
        By name. Only the first block whose encoder has tags names them: the tag column has one vocabulary.
    """
    blocks: dict[str, Block] = {}
    for name, encoder in names.items():
        card = encoders.card(encoder)
        block = Block(name, encoder, card.space_id, card.dim, card.tag_names)
        blocks[name] = replace(block, tag_names=()) if any(other.tag_names for other in blocks.values()) else block
    return blocks
