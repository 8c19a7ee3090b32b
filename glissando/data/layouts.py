"""Reading the folders and tables of published data sets, which strangers made."""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..audio import SUFFIXES
from ..errors import RecipeError
from .annotations import MAX_PITCH, MAX_TIME, Segment

MAX_TEXT = 512 * 2**20  # bytes of a table
ORDER = (".wav", ".flac", ".ogg", ".mp3", *sorted(SUFFIXES - {".wav", ".flac", ".ogg", ".mp3"}))


def root_of(folder: Path, *markers: str) -> Path:
    """Find the folder that holds one of some names: the given one, or one or two levels below.

    Parameters
    ----------
    folder : Path
        What the user named.
    *markers : str
        Files or folders, or patterns of them, any of which tells the layout.

    Returns
    -------
    Path
        The folder with the marker; the given one if there is none.
    """
    for depth in ("", "*/", "*/*/"):
        for marker in markers:
            found = next(iter(sorted(folder.glob(depth + marker))), None)
            if found is not None:
                return found.parents[marker.count("/")]
    return folder


def inside(root: Path, name: str, *, where: str) -> Path:
    """Join a name from a table to its folder.

    Parameters
    ----------
    root : Path
        The folder.
    name : str
        Relative path, as a table has it.
    where : str
        Table and line, for the error.

    Returns
    -------
    Path
        Below the folder.

    Raises
    ------
    RecipeError
        If the name leads out of the folder.
    """
    parts = PurePosixPath(name.replace("\\", "/"))
    if not name or "\0" in name or parts.is_absolute() or ".." in parts.parts or re.match("[A-Za-z]:", name):
        raise RecipeError(f"{where}: the name {name!r:.80} leads out of the folder; it is not read")
    return root.joinpath(*parts.parts)


def audio_file(path: Path) -> Path | None:
    """Find a file of sound, whatever format it was converted to.

    Parameters
    ----------
    path : Path
        As the layout names it, with or without its ending.

    Returns
    -------
    Path or None
        A file that exists, if any.
    """
    if path.is_file():
        return path
    stem = path.name.removesuffix(path.suffix) if path.suffix.lower() in SUFFIXES else path.name
    return next((found for suffix in ORDER if (found := path.with_name(stem + suffix)).is_file()), None)


def audio_files(folder: Path, pattern: str = "*") -> list[Path]:
    """List files of sound.

    Parameters
    ----------
    folder : Path
        Where.
    pattern : str
        Which, as `Path.glob` has it.

    Returns
    -------
    list of Path
        Sorted.
    """
    return sorted(path for path in folder.glob(pattern) if path.suffix.lower() in SUFFIXES and path.is_file())


def text_of(path: Path) -> str:
    """Read a text.

    Parameters
    ----------
    path : Path
        The file, in UTF-8.

    Returns
    -------
    str
        Its text.

    Raises
    ------
    RecipeError
        If it can't be opened, is of absurd size or no UTF-8.
    """
    try:
        if path.stat().st_size > MAX_TEXT:
            raise RecipeError(f"{path}: has {path.stat().st_size / 2**20:.0f} MB, more than such a table ever has")
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise RecipeError(f"{path}: can't be opened ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise RecipeError(f"{path}: is not UTF-8 text (byte {error.start}); convert it, or get it again") from error


def rows(path: Path, *columns: str, delimiter: str = ",") -> Iterator[tuple[str, dict[str, str]]]:
    """Read a table with a header.

    Parameters
    ----------
    path : Path
        The file.
    *columns : str
        Names that must be in the header.
    delimiter : str
        Between columns.

    Yields
    ------
    str, dict
        Place for error messages; the row by column.

    Raises
    ------
    RecipeError
        If a column is missing, or a row is short.
    """
    reader = csv.DictReader(text_of(path).splitlines(), delimiter=delimiter)
    try:
        header = reader.fieldnames or []
        missing = [column for column in columns if column not in header]
        if missing:
            raise RecipeError(f"{path}: has no column {missing[0]!r}; its header is {', '.join(header):.120}")
        for row in reader:
            where = f"{path}: line {reader.line_num}"
            if any(row[column] is None for column in columns):
                raise RecipeError(f"{where}: has fewer columns than the header")
            yield where, {name: value or "" for name, value in row.items() if isinstance(name, str)}
    except csv.Error as error:
        raise RecipeError(f"{path}: line {reader.line_num}: is no row of a table ({error})") from error


def number(text: str, low: float, high: float, *, where: str) -> float:
    """Read a number from a table.

    Parameters
    ----------
    text : str
        As the table has it.
    low, high : float
        What makes sense.
    where : str
        Table, line and column, for the error.

    Returns
    -------
    float
        The number.

    Raises
    ------
    RecipeError
        If it is none, or beyond what makes sense.
    """
    try:
        value = float(text)
    except ValueError:
        raise RecipeError(f"{where}: {text!r:.40} is not a number") from None
    if not math.isfinite(value) or not low <= value <= high:
        raise RecipeError(f"{where}: {value:g} is not between {low:g} and {high:g}")
    return value


def notes_from(
    path: Path, *, columns: Sequence[int] = (0, 1, 2), scale: float = 1.0, header: bool = False
) -> NDArray[np.float64]:
    """Read notes from a table of numbers.

    Parameters
    ----------
    path : Path
        Columns parted by tabs, spaces or commas.
    columns : sequence of int
        Where onset, offset and MIDI pitch stand.
    scale : float
        Seconds per unit of time.
    header : bool
        Whether the first line has names.

    Returns
    -------
    ndarray, shape=(notes, 3)
        Onset [s], offset [s], MIDI pitch.

    Raises
    ------
    RecipeError
        Naming the line that is no note.
    """
    found = []
    for line, text in enumerate(text_of(path).splitlines(), start=1):
        fields = re.split(r"[\s,]+", text.strip())
        if fields == [""] or (header and line == 1):
            continue
        where = f"{path}: line {line}"
        if len(fields) <= max(columns):
            raise RecipeError(f"{where}: has {len(fields)} columns; at least {max(columns) + 1} are needed")
        onset, offset = (number(fields[column], 0, MAX_TIME / scale, where=where) * scale for column in columns[:2])
        pitch = number(fields[columns[2]], 0, MAX_PITCH, where=where)
        if offset < onset:
            raise RecipeError(f"{where}: the note ends at {offset:g} s, before it begins at {onset:g} s")
        found.append((onset, offset, pitch))
    return np.array(found, np.float64).reshape(-1, 3)


def segments_from(path: Path) -> tuple[Segment, ...]:
    """Read labelled segments: lines of start, end and label.

    Parameters
    ----------
    path : Path
        Columns parted by tabs or spaces.

    Returns
    -------
    tuple of Segment
        In the order of the file.

    Raises
    ------
    RecipeError
        Naming the line that is no segment.
    """
    found = []
    for line, text in enumerate(text_of(path).splitlines(), start=1):
        fields = text.split(maxsplit=2)
        if not fields:
            continue
        where = f"{path}: line {line}"
        if len(fields) < 3:
            raise RecipeError(f"{where}: has {len(fields)} columns, not start, end and label")
        start, end = (number(field, -0.1, MAX_TIME, where=where) for field in fields[:2])
        found.append(Segment(max(0.0, start), max(0.0, start, end), fields[2].strip()))
    return tuple(found)


def objects_of(path: Path) -> dict[str, Any]:
    """Read a JSON file that describes things by name.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    dict
        By name.

    Raises
    ------
    RecipeError
        If it is no JSON, or no object.
    """
    try:
        found = json.loads(text_of(path))
    except (ValueError, RecursionError) as error:
        raise RecipeError(f"{path}: is not JSON ({error}); get it again") from error
    if not isinstance(found, dict):
        raise RecipeError(f"{path}: holds no objects by name; it is no table of this data set")
    return found
