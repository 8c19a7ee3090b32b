"""Columns and conditions: between NumPy, Arrow and SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


def vector_type(dim: int) -> pa.DataType:
    """Column type of a vector.

    Parameters
    ----------
    dim : int
        Dimensions.

    Returns
    -------
    DataType
        Fixed-size list of float32.
    """
    return pa.list_(pa.float32(), dim)


def quote(text: str) -> str:
    """Quote a string for a filter.

    Parameters
    ----------
    text : str
        Any text.

    Returns
    -------
    str
        SQL literal.
    """
    return "'" + text.replace("'", "''") + "'"


def any_of(column: str, values: Sequence[str]) -> str:
    """Filter on a list of strings.

    Parameters
    ----------
    column : str
        Column name.
    values : sequence of str
        At least one.

    Returns
    -------
    str
        SQL condition.
    """
    return f"{column} IN ({', '.join(map(quote, values))})"


def matrix(column: pa.ChunkedArray | pa.Array) -> NDArray[np.float32]:
    """Read a vector column.

    Parameters
    ----------
    column : ChunkedArray or Array
        Fixed-size lists; nulls become NaN rows.

    Returns
    -------
    ndarray, shape=(rows, dim)
        Float32.
    """
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    dim = array.type.list_size
    if array.null_count:
        rows = np.full((len(array), dim), np.nan, np.float32)
        present = np.asarray(array.is_valid())
        rows[present] = array.drop_null().flatten().to_numpy(zero_copy_only=False).reshape(-1, dim)
        return rows
    return array.flatten().to_numpy(zero_copy_only=False).reshape(-1, dim)  # type: ignore[no-any-return]


def vector_column(values: Sequence[NDArray[np.float32] | None], dim: int) -> pa.Array:
    """Make a vector column.

    Parameters
    ----------
    values : sequence of ndarray or None
        Vectors, None where there is none.
    dim : int
        Dimensions.

    Returns
    -------
    Array
        Fixed-size lists of float32.
    """
    present = np.array([value is not None for value in values])
    filled = [np.zeros(dim, np.float32) if value is None else np.asarray(value, np.float32) for value in values]
    flat = pa.array(np.concatenate(filled) if filled else np.zeros(0, np.float32))
    return pa.FixedSizeListArray.from_arrays(flat, dim, mask=None if present.all() else pa.array(~present))


def table_of(rows: Sequence[Mapping[str, Any]], schema: pa.Schema) -> pa.Table:
    """Make a table of rows.

    Parameters
    ----------
    rows : sequence of mapping
        At least one; all have the columns of the first.
    schema : Schema
        Types of the columns; those that the rows don't have are left out.

    Returns
    -------
    Table
        In the order of the schema.
    """
    columns, fields = {}, []
    for field in schema:
        if field.name not in rows[0]:
            continue
        values = [row[field.name] for row in rows]
        if pa.types.is_fixed_size_list(field.type):
            columns[field.name] = vector_column(values, field.type.list_size)
        else:
            columns[field.name] = pa.array(values, field.type)
        fields.append(field)
    return pa.table(columns, schema=pa.schema(fields))
