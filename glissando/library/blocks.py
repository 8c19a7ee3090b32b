"""Blocks: which vectors a library holds, and in which space they lie."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from .. import encoders

DEFAULT_WEIGHTS = {"timbre": 0.5, "rhythm": 0.5}  # of a query; other blocks weigh nothing until they are named
DEFAULT_BLOCKS = {"timbre": "musicnn-msd", "rhythm": "gliss-tempo", "chroma": "chroma"}


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
    joint_at : int, optional
        Where it begins in the ``joint`` column that a vector index lies on; None if it is not part of it.
    """

    name: str
    encoder: str | None
    space_id: str
    dim: int
    tag_names: tuple[str, ...] = ()
    joint_at: int | None = None


def join(blocks: Iterable[Block]) -> list[Block]:
    """Give the blocks of a new library their places in the ``joint`` column.

    Parameters
    ----------
    blocks : iterable of Block
        All blocks.

    Returns
    -------
    list of Block
        Those that weigh something by default lie end to end, or all of them if none does.
    """
    listed = [*blocks]
    chosen = {block.name for block in listed if DEFAULT_WEIGHTS.get(block.name)} or {block.name for block in listed}
    placed, at = [], 0
    for block in listed:
        placed.append(replace(block, joint_at=at if block.name in chosen else None))
        at += block.dim if block.name in chosen else 0
    return placed


def own_blocks(encoder: str) -> dict[str, str]:
    """Tell which blocks an encoder fills where none is named.

    Parameters
    ----------
    encoder : str
        Its name.

    Returns
    -------
    dict of str to str
        Block to encoder: one, or as many as it has parts.
    """
    return {encoders.card(one).block: one for one in encoders.card(encoder).parts or (encoder,)}


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
