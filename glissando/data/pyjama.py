"""The book's annotations: one ``.pyjama`` file (JSON) for a data set, joined to audio by ``filepath``."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import RecipeError
from ..paths import aside
from .annotations import MAX_PITCH, MAX_TIME, Annotations, F0Curve, Segment, hz_to_midi

VERSION = 1.31  # of the schema that is written; 1.0 to 1.4 are read
MAX_BYTES = 2**31  # of a file that is read whole
NOTES, CURVES = "pitchmidi", ("f0multi", "f0")
EXTENTS = ("global", "marker", "segment", "breakpoint", "breakpointTime", "breakpointValue")

Atoms = list[dict[str, Any]]


def read_pyjama(path: str | Path) -> dict[str, Annotations]:
    """Read and check a ``.pyjama`` file.

    Parameters
    ----------
    path : str or Path
        The file; schema 1.3 (``typeExtent``) and 1.4 (``type_extent``) are known.

    Returns
    -------
    dict
        Annotations by ``filepath``, in the order of the file. Break-point values other than f0 are left out.

    Raises
    ------
    RecipeError
        If it is no such file; the sentence names the entry and the field.
    """
    path = Path(path)
    document = _document(path)
    collection = _part(document, "collection", dict, f"{path}")
    definitions = _part(collection, "descriptiondefinition", dict, f"{path}: collection")
    entries = _part(collection, "entry", list, f"{path}: collection")
    found: dict[str, Annotations] = {}
    for number, entry in enumerate(entries):
        where = f"{path}: entry {number}"
        if not isinstance(entry, dict):
            raise RecipeError(f"{where}: is {_kind(entry)}, not an object of descriptions")
        key = _key(entry, where)
        if key in found:
            raise RecipeError(f"{where}: filepath {key!r} is that of an earlier entry; every entry needs its own")
        found[key] = _annotations(entry, definitions, f"{where} ({key})")
    return found


def write_pyjama(path: str | Path, entries: Mapping[str, Annotations]) -> None:
    """Write a ``.pyjama`` file; it appears whole or not at all.

    Parameters
    ----------
    path : str or Path
        The file.
    entries : mapping
        Annotations by ``filepath``.
    """
    definitions = {"filepath": _definition("text", "global", constraint="filePath")}
    path = Path(path)
    with aside(path) as part, part.open("w", encoding="utf-8") as out:
        # (entry by entry: as objects, millions of notes take gigabytes)
        out.write(f'{{"schemaversion": {VERSION}, "collection": {{"entry": [')
        for number, (key, known) in enumerate(entries.items()):
            entry = {"filepath": [{"value": key}], **_atoms(known, definitions)}
            out.write((",\n" if number else "\n") + json.dumps(entry, ensure_ascii=False, allow_nan=False))
        out.write(f'\n], "descriptiondefinition": {json.dumps(definitions, ensure_ascii=False)}}}}}\n')


def _document(path: Path) -> dict[str, Any]:
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise RecipeError(f"{path}: has {size / 1e9:.1f} GB, more than annotations ever take; split the data set")
        with path.open(encoding="utf-8") as handle:
            document = json.load(handle, parse_constant=_refuse, object_hook=_Packer(path))
    except OSError as error:
        raise RecipeError(f"{path}: can't be opened ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise RecipeError(f"{path}: is not UTF-8 text (byte {error.start}); a .pyjama file is JSON in UTF-8") from error
    except json.JSONDecodeError as error:
        raise RecipeError(f"{path}: is not JSON (line {error.lineno}: {error.msg}); was it cut short?") from error
    except (ValueError, RecursionError) as error:
        raise RecipeError(f"{path}: is not JSON that can be read ({error})") from error
    if not isinstance(document, dict):
        raise RecipeError(f"{path}: holds {_kind(document)}; a .pyjama file holds schemaversion and collection")
    version = document.get("schemaversion")
    if isinstance(version, bool) or not isinstance(version, int | float) or not 1 <= version < 2:
        raise RecipeError(f"{path}: schemaversion is {version!r}; versions 1.0 to 1.4 are known")
    return document


class _Packer:
    """Turns the notes of an entry into an array as soon as it is read, for the same reason."""

    def __init__(self, path: Path) -> None:
        self._path, self._entries = path, 0

    def __call__(self, found: dict[str, Any]) -> dict[str, Any]:
        if isinstance(found.get("filepath"), list):
            where = f"{self._path}: entry {self._entries}"
            self._entries += 1
            if isinstance(found.get(NOTES), list):
                field = f"{where} ({_key(found, where)}), field {NOTES}"
                found[NOTES] = _notes(_checked(found[NOTES], field), field)
        return found


def _checked(atoms: object, field: str) -> Atoms:
    if not isinstance(atoms, list) or not all(isinstance(atom, dict) and "value" in atom for atom in atoms):
        raise RecipeError(f"{field}: is not a list of objects with a value")
    return atoms


def _refuse(constant: str) -> float:
    raise ValueError(f"the number {constant}")


def _kind(value: object) -> str:
    return {dict: "an object", list: "a list", str: "a text", type(None): "null"}.get(type(value), f"{value!r:.40}")


def _part(container: Mapping[str, Any], name: str, kind: type, where: str) -> Any:
    if name not in container:
        raise RecipeError(f"{where}: has no {name}; there are {', '.join(map(repr, container)) or 'no fields'}")
    if not isinstance(container[name], kind):
        raise RecipeError(f"{where}: {name} is {_kind(container[name])}, not {_kind(kind())}")
    return container[name]


def _key(entry: Mapping[str, Any], where: str) -> str:
    atoms = entry.get("filepath")
    if not isinstance(atoms, list) or len(atoms) != 1 or not isinstance(atoms[0], dict):
        raise RecipeError(f"{where}: filepath must be a list of one value, that of the audio's key")
    key = atoms[0].get("value")
    if not isinstance(key, str) or not key:
        raise RecipeError(f"{where}: filepath is {_kind(key)}, not the key of an array")
    return key


def _annotations(entry: Mapping[str, Any], definitions: Mapping[str, Any], where: str) -> Annotations:
    notes: NDArray[np.float64] = np.zeros((0, 3))
    curves: list[F0Curve] = []
    segments: dict[str, tuple[Segment, ...]] = {}
    labels: dict[str, tuple[str, ...]] = {}
    for name, atoms in entry.items():
        if name == "filepath":
            continue
        field = f"{where}, field {name}"
        if isinstance(atoms, np.ndarray):
            notes = atoms
            continue
        extent, columns = _definition_of(name, definitions, _checked(atoms, field), field)
        if extent.startswith("breakpoint"):
            if name in CURVES:
                curves += [curve for i, atom in enumerate(atoms) for curve in _curves(atom, columns, f"{field}[{i}]")]
        elif extent in ("segment", "marker"):
            segments[name] = tuple(_segment(atom, f"{field}[{i}]", extent) for i, atom in enumerate(atoms))
        else:
            labels[name] = tuple(_label(atom["value"], f"{field}[{i}]") for i, atom in enumerate(atoms))
    return Annotations(notes, tuple(curves), segments, labels)


def _definition_of(name: str, definitions: Mapping[str, Any], atoms: Atoms, field: str) -> tuple[str, list[str]]:
    definition = definitions.get(name) or {}
    if not isinstance(definition, dict):
        raise RecipeError(f"{field}: its description definition is {_kind(definition)}, not an object")
    extent = definition.get("typeExtent", definition.get("type_extent"))
    if extent is None:  # older files define nothing: the atoms tell
        first = atoms[0] if atoms else {}
        timed = "segment" if "duration" in first else "marker" if "time" in first else "global"
        extent = "breakpoint" if isinstance(first.get("value"), list) else timed
    if extent not in EXTENTS:
        raise RecipeError(f"{field}: typeExtent is {extent!r}; it must be one of {', '.join(EXTENTS)}")
    columns = definition.get("columnName", definition.get("row_name")) or []
    if not isinstance(columns, list) or not all(isinstance(column, str) for column in columns):
        raise RecipeError(f"{field}: the names of its columns are not a list of texts")
    return extent, columns


def _number(value: object, low: float, high: float, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not -math.inf < value < math.inf:
        raise RecipeError(f"{where}: is {_kind(value)}, not a number")
    if not low <= value <= high:  # (integers of JSON may be beyond any float)
        raise RecipeError(f"{where}: {_kind(value)} is not between {low:g} and {high:g}")
    return float(value)


def _span(atom: Mapping[str, Any], where: str, extent: str) -> tuple[float, float]:
    for name in ("time", "duration") if extent == "segment" else ("time",):
        if name not in atom:
            raise RecipeError(f"{where}: has no {name}, which a {extent} needs")
    start = _number(atom["time"], 0, MAX_TIME, f"{where}.time")
    duration = _number(atom.get("duration", 0), 0, MAX_TIME, f"{where}.duration")
    return start, round(start + duration, 9)  # 0.1 + 0.2 is 0.3


def _notes(atoms: Atoms, field: str) -> NDArray[np.float64]:
    """Rows of onset, offset and pitch; all at once, and one by one only where that can't be, to name the note."""
    numbers = [atom.get(name) for atom in atoms for name in ("time", "duration", "value")]
    if {*map(type, numbers)} <= {int, float}:
        with contextlib.suppress(OverflowError):
            notes = np.array(numbers, np.float64).reshape(-1, 3)
            if ((notes >= 0) & (notes <= (MAX_TIME, MAX_TIME, MAX_PITCH))).all():
                notes[:, 1] = (notes[:, 0] + notes[:, 1]).round(9)
                return notes
    return np.array([_note(atom, f"{field}[{i}]") for i, atom in enumerate(atoms)], np.float64).reshape(-1, 3)


def _note(atom: Mapping[str, Any], where: str) -> tuple[float, float, float]:
    return *_span(atom, where, "segment"), _number(atom["value"], 0, MAX_PITCH, f"{where}.value")


def _segment(atom: Mapping[str, Any], where: str, extent: str) -> Segment:
    return Segment(*_span(atom, where, extent), _label(atom["value"], where))


def _label(value: object, where: str) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool | int | float):
        return f"{value:.10g}" if isinstance(value, float) else str(value)
    if isinstance(value, list):  # a global vector; as text, since no task reads it
        return json.dumps(value)
    raise RecipeError(f"{where}.value: is {_kind(value)}, not a text or number")


def _curves(atom: Mapping[str, Any], columns: list[str], where: str) -> list[F0Curve]:
    try:
        times = np.asarray(atom.get("time"), np.float64).reshape(-1)
        values = np.asarray(atom["value"], np.float64)  # null becomes NaN
    except (OverflowError, TypeError, ValueError) as error:
        raise RecipeError(f"{where}: time and value must be lists of numbers ({error})") from error
    if values.ndim == 1:
        values = values[None]
    if values.ndim != 2 or times.size not in values.shape:
        raise RecipeError(f"{where}: value has shape {values.shape}, which does not fit {times.size} times")
    if values.shape[1] != times.size:
        values = values.T  # the format's text has times first, its files have voices first
    if not ((times >= 0) & (times <= MAX_TIME)).all() or (np.diff(times) <= 0).any():
        raise RecipeError(f"{where}.time: must rise from 0 or later to {MAX_TIME:g} s at most")
    if columns and all("hz" in column.lower() for column in columns):
        values = hz_to_midi(values)
    pitches = np.where(values > 0, values, np.nan)  # zeros mean silence
    if (pitches > MAX_PITCH).any():
        raise RecipeError(f"{where}.value: {np.nanmax(pitches):g} is no MIDI pitch; name the columns f0_hz_... for Hz")
    comment = atom.get("comment")
    named = comment.split(", ") if isinstance(comment, str) else columns
    names = named if len(named) == len(pitches) else [f"voice {i + 1}" for i in range(len(pitches))]
    return [F0Curve(name.removeprefix("f0_midi_"), times, row) for name, row in zip(names, pitches, strict=True)]


def _definition(content: str, extent: str, *, constraint: str = "free", columns: Iterable[str] = ()) -> dict[str, Any]:
    return {
        "typeContent": content,
        "typeExtent": extent,
        "typeConstraint": constraint,
        "dictionary": [],
        "columnName": list(columns),
        "isTable": True,
        "isEditable": True,
        "isFilter": True,
    }


def _atoms(annotations: Annotations, definitions: dict[str, dict[str, Any]]) -> dict[str, Atoms]:
    entry: dict[str, Atoms] = {}
    for name, values in annotations.labels.items():
        definitions.setdefault(name, _definition("text", "global"))
        entry[name] = [{"value": value} for value in values]
    for name, part in annotations.segments.items():
        extent = "segment" if any(one.end > one.start for one in part) else "marker"
        if definitions.setdefault(name, _definition("text", extent))["typeExtent"] == "marker" and extent == "segment":
            definitions[name] = _definition("text", extent)
        entry[name] = [{"value": one.label, "time": one.start, "duration": one.end - one.start} for one in part]
    if len(annotations.notes):
        definitions.setdefault(NOTES, _definition("numeric", "segment"))
        rows = annotations.notes.round(6).tolist()  # microseconds
        entry[NOTES] = [{"value": note[2], "time": note[0], "duration": round(note[1] - note[0], 6)} for note in rows]
    if annotations.curves:
        names = [f"f0_midi_{curve.name}" for curve in annotations.curves]
        definitions.setdefault(CURVES[0], _definition("numeric", "breakpoint", columns=names))
        entry[CURVES[0]] = _breakpoints(annotations.curves)
    return entry


def _breakpoints(curves: tuple[F0Curve, ...]) -> Atoms:
    """Join curves that share their times, as the book does; other voices become atoms of their own."""
    atoms: Atoms = []
    for curve in curves:
        row, times = np.nan_to_num(curve.pitches).tolist(), curve.times.tolist()
        if atoms and atoms[-1]["time"] == times:
            atoms[-1]["value"].append(row)
            atoms[-1]["comment"] += f", {curve.name}"
        else:
            atoms.append({"time": times, "value": [row], "comment": curve.name})
    return atoms
