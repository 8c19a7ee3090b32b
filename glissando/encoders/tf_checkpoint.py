"""Read TensorFlow V2 checkpoints (tensor bundles) without TensorFlow.

A bundle is an index (an SSTable: blocks of prefix-compressed keys, values are protobuf messages) and one file of raw
little-endian tensors. Format: tensorflow/core/util/tensor_bundle and LevelDB's table format.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError

FOOTER = 48  # bytes: two block handles, padding, and the magic number
MAGIC = bytes.fromhex("57fb808b247547db")
DTYPES = {1: "<f4", 2: "<f8", 3: "<i4", 9: "<i8"}


def read_checkpoint(folder: Path, *, prefix: str = "") -> dict[str, NDArray[np.generic]]:
    """Read all tensors of a checkpoint with one shard.

    Parameters
    ----------
    folder : Path
        Where it lies.
    prefix : str
        What stands before ``.index`` and ``.data-00000-of-00001``.

    Returns
    -------
    dict of str to ndarray
        Variables by name.

    Raises
    ------
    ModelError
        If it is not such a checkpoint, or damaged.
    """
    try:
        index = (folder / f"{prefix}.index").read_bytes()
        data = (folder / f"{prefix}.data-00000-of-00001").read_bytes()
        return _read(index, data)
    except (OSError, ValueError, IndexError, KeyError, struct.error) as error:
        raise ModelError(f"{folder}: holds no TensorFlow checkpoint that can be read ({error})") from error


def _read(index: bytes, data: bytes) -> dict[str, NDArray[np.generic]]:
    if index[-8:] != MAGIC:
        raise ValueError("the index is no SSTable")
    _, position = _varint(index, len(index) - FOOTER)  # handle of the meta-index: not needed
    _, position = _varint(index, position)
    offset, position = _varint(index, position)
    size, _ = _varint(index, position)
    tensors: dict[str, NDArray[np.generic]] = {}
    for _, handle in _entries(index, offset, size):
        block, position = _varint(handle, 0)
        length, _ = _varint(handle, position)
        for key, value in _entries(index, block, length):
            if key:  # the empty key holds the header
                tensors[key.decode()] = _tensor(_message(value), data)
    return tensors


def _tensor(entry: dict[int, list[int | bytes]], data: bytes) -> NDArray[np.generic]:
    """Fields of BundleEntryProto: 1 dtype, 2 shape, 4 offset, 5 size."""
    shape = [_number(_message(dim), 1) for dim in _message(_bytes(entry, 2)).get(2, []) if isinstance(dim, bytes)]
    offset, size = _number(entry, 4), _number(entry, 5)
    if offset + size > len(data):
        raise ValueError("a tensor lies outside the data file")
    return np.frombuffer(data[offset : offset + size], DTYPES[_number(entry, 1)]).reshape(shape)


def _number(message: dict[int, list[int | bytes]], field: int) -> int:
    value = message.get(field, [0])[0]
    if not isinstance(value, int):
        raise ValueError("a number was expected")
    return value


def _bytes(message: dict[int, list[int | bytes]], field: int) -> bytes:
    value = message.get(field, [b""])[0]
    if not isinstance(value, bytes):
        raise ValueError("a message was expected")
    return value


def _varint(buffer: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = buffer[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7


def _message(buffer: bytes) -> dict[int, list[int | bytes]]:
    """Parse one protobuf message: field number to the values seen."""
    fields: dict[int, list[int | bytes]] = {}
    position = 0
    while position < len(buffer):
        key, position = _varint(buffer, position)
        value: int | bytes
        match key & 7:
            case 0:
                value, position = _varint(buffer, position)
            case 2:
                length, position = _varint(buffer, position)
                value, position = buffer[position : position + length], position + length
            case 5:
                value, position = buffer[position : position + 4], position + 4
            case 1:
                value, position = buffer[position : position + 8], position + 8
            case wire:
                raise ValueError(f"wire type {wire} is unknown")
        fields.setdefault(key >> 3, []).append(value)
    return fields


def _entries(table: bytes, offset: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    """Walk one SSTable block; every key shares a prefix with the one before."""
    block, compression = table[offset : offset + size], table[offset + size]
    if compression == 1:
        block = _snappy(block)
    elif compression:
        raise ValueError(f"block compression {compression} is unknown")
    (restarts,) = struct.unpack_from("<I", block, len(block) - 4)
    end, position, key = len(block) - 4 - 4 * restarts, 0, b""
    while position < end:
        shared, position = _varint(block, position)
        fresh, position = _varint(block, position)
        length, position = _varint(block, position)
        key = key[:shared] + block[position : position + fresh]
        position += fresh
        yield key, block[position : position + length]
        position += length


def _snappy(packed: bytes) -> bytes:
    """Unpack one raw Snappy block."""
    expected, position = _varint(packed, 0)
    out = bytearray()
    while position < len(packed):
        tag = packed[position]
        position += 1
        if tag & 3 == 0:  # literal
            length = tag >> 2
            if length >= 60:
                extra = length - 59
                length = int.from_bytes(packed[position : position + extra], "little")
                position += extra
            out += packed[position : position + length + 1]
            position += length + 1
            continue
        if tag & 3 == 1:
            length, back = 4 + (tag >> 2 & 7), (tag >> 5) << 8 | packed[position]
            position += 1
        else:
            width = 2 if tag & 3 == 2 else 4
            length, back = 1 + (tag >> 2), int.from_bytes(packed[position : position + width], "little")
            position += width
        if not 0 < back <= len(out):
            raise ValueError("Snappy data is damaged")
        for _ in range(length):
            out.append(out[-back])
    if len(out) != expected:
        raise ValueError("Snappy data is damaged")
    return bytes(out)
