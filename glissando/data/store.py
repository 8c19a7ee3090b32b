"""The book's audio: one HDF5 file with an array per key, read in slices, each with its rate as ``sr_hz``."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..audio.reading import MAX_SAMPLE_RATE
from ..errors import RecipeError
from .extras import extra

CHUNK = 65_536  # samples; what is read from disk at least
PEEK = 65_536  # rows of a fingerprint, at the start, middle and end


@dataclass(frozen=True)
class ArrayInfo:
    """What is known of an array without reading it.

    Parameters
    ----------
    shape : tuple of int
        (samples,) for audio, (rows, columns) for a feature.
    sample_rate : int or None
        In Hz; None for features.
    bandwidth : float or None
        Frequency in Hz above which the source held nothing; None for features.
    """

    shape: tuple[int, ...]
    sample_rate: int | None
    bandwidth: float | None


class ArrayStore:
    """An HDF5 file of arrays, open once per process, read in slices.

    Parameters
    ----------
    path : str or Path
        The file.

    Raises
    ------
    RecipeError
        If it is no HDF5 file, or was cut short.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._file: Any = None
        self._pid = 0
        self._open()

    def __getstate__(self) -> dict[str, Any]:
        """Leave the open file out: every process opens its own."""
        return {"path": self.path, "_file": None, "_pid": 0}

    def __enter__(self) -> ArrayStore:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self.close()

    def close(self) -> None:
        """Close the file; reading opens it again."""
        if self._file is not None and self._pid == os.getpid():
            self._file.close()
        self._file = None

    def __contains__(self, key: str) -> bool:
        """Tell whether there is an array of that name."""
        return self._find(key) is not None

    def keys(self) -> list[str]:
        """List the arrays.

        Returns
        -------
        list of str
            Keys in the order of the file, nested ones with slashes.
        """
        h5py = extra("h5py")

        found: list[str] = []

        def _visit(name: str, node: object) -> None:
            if isinstance(node, h5py.Dataset):
                found.append(name)

        with self._guarded("its list of arrays"):
            self._open().visititems(_visit)
        return found

    def info(self, key: str) -> ArrayInfo:
        """Describe an array.

        Parameters
        ----------
        key : str
            Its name.

        Returns
        -------
        ArrayInfo
            Shape, rate, bandwidth.

        Raises
        ------
        RecipeError
            If there is none, or it is neither audio nor a feature.
        """
        array = self._array(key)
        where = f"{self.path}: array {key!r}"
        with self._guarded(repr(key)):
            rate, band, kind = array.attrs.get("sr_hz"), array.attrs.get("bandwidth_hz"), array.dtype
        rate = rate.item() if isinstance(rate, np.generic) else rate
        if kind.kind not in "fiu":
            raise RecipeError(f"{where}: holds {kind}, not numbers")
        if array.ndim == 2:
            return ArrayInfo(tuple(array.shape), None, None)
        if array.ndim != 1:
            raise RecipeError(f"{where}: has shape {array.shape}; audio has one axis (mono), a feature two")
        if not isinstance(rate, int | float) or not 0 < rate <= MAX_SAMPLE_RATE:
            raise RecipeError(f"{where}: attribute sr_hz is {rate!r}; it must be its sample rate in Hz")
        if round(float(rate)) != float(rate):
            raise RecipeError(f"{where}: attribute sr_hz is {rate}; sample rates are whole numbers of Hz")
        known = isinstance(band, int | float | np.integer | np.floating) and 0 < band <= rate / 2
        return ArrayInfo(tuple(array.shape), int(rate), float(band) if known else float(rate) / 2)

    def read(self, key: str, start: int = 0, stop: int | None = None) -> NDArray[np.float32]:
        """Read a slice of an array.

        Parameters
        ----------
        key : str
            Its name.
        start, stop : int, optional
            Samples or rows.

        Returns
        -------
        ndarray
            Float32; whole numbers are scaled to -1..1.

        Raises
        ------
        RecipeError
            If the file is damaged there, or holds NaN.
        """
        array = self._array(key)
        with self._guarded(repr(key)):
            values: NDArray[Any] = array[start:stop]
        if values.dtype.kind == "i":
            values = values.astype(np.float32) / np.float32(-float(np.iinfo(values.dtype).min))
        elif values.dtype.kind == "u":
            raise RecipeError(f"{self.path}: array {key!r}: holds {values.dtype}; audio has a sign")
        if not np.isfinite(values).all():
            raise RecipeError(f"{self.path}: array {key!r}: holds NaN or infinite numbers; build the data set again")
        return values.astype(np.float32, copy=False)

    def fingerprint(self, key: str) -> str:
        """Hash what tells an array from another: shape, rate, and three stretches of it.

        Parameters
        ----------
        key : str
            Its name.

        Returns
        -------
        str
            Hexadecimal. Not the whole array is read: a data set of hours must be known in seconds.
        """
        info = self.info(key)
        digest = hashlib.blake2b(repr((info.shape, info.sample_rate, info.bandwidth)).encode(), digest_size=16)
        for start in sorted({0, max(0, info.shape[0] // 2 - PEEK // 2), max(0, info.shape[0] - PEEK)}):
            digest.update(self.read(key, start, start + PEEK).tobytes())
        return digest.hexdigest()

    def _open(self) -> Any:
        if self._file is None or self._pid != os.getpid():
            h5py = extra("h5py")

            with self._guarded("it"):
                self._file, self._pid = h5py.File(self.path, "r"), os.getpid()
        return self._file

    def _find(self, key: str) -> Any:
        """Follow hard links alone: soft and external ones can lead into other files."""
        h5py = extra("h5py")

        node = self._open()
        with self._guarded(repr(key)):
            for part in key.strip("/").split("/"):
                if not isinstance(node, h5py.Group) or not isinstance(node.get(part, getlink=True), h5py.HardLink):
                    return None
                node = node[part]
            if not isinstance(node, h5py.Dataset):
                return None
            if node.external or node.is_virtual:
                raise RecipeError(f"{self.path}: array {key!r} lies in another file; only arrays of its own are read")
        return node

    def _array(self, key: str) -> Any:
        array = self._find(key)
        if array is None:
            raise RecipeError(f"{self.path}: has no array {key!r}")
        return array

    @contextlib.contextmanager
    def _guarded(self, what: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            raise RecipeError(f"{self.path}: there is no such file") from error
        except (OSError, RuntimeError, ValueError, KeyError) as error:
            reason = "was cut short" if "truncated" in str(error) else "is damaged, or no HDF5 file"
            raise RecipeError(f"{self.path}: {reason}, so {what} can't be read; build or fetch it again") from error


class ArrayWriter:
    """Writes an HDF5 file of audio beside its final name, where it appears whole when closed without an error.

    Parameters
    ----------
    path : str or Path
        The file.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._part = self.path.with_name(f"{self.path.name}.{os.getpid()}.part")

    def __enter__(self) -> ArrayWriter:
        """Open the file."""
        h5py = extra("h5py")

        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = h5py.File(self._part, "w")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Name the file, or remove what was written of it."""
        self._file.close()
        if kind is None:
            self._part.replace(self.path)
        else:
            self._part.unlink(missing_ok=True)

    def add(
        self, key: str, values: NDArray[Any], sample_rate: int | None = None, *, bandwidth: float | None = None
    ) -> None:
        """Write an array.

        Parameters
        ----------
        key : str
            Its name; the ``filepath`` of its annotations.
        values : ndarray, shape=(samples,) or (rows, columns)
            Audio (mono: int16, or float in -1..1, kept as int16) or a feature (kept as float16).
        sample_rate : int, optional
            Of audio, in Hz.
        bandwidth : float, optional
            Frequency in Hz above which the source held nothing; half the rate if None.
        """
        if sample_rate is not None and values.dtype.kind == "f":
            values = to_int16(values)
        elif sample_rate is None:
            values = values.astype(np.float16)
        chunks = (min(CHUNK, max(1, len(values))), *values.shape[1:])
        array = self._file.create_dataset(
            key, data=values, chunks=chunks, compression="gzip", compression_opts=1, shuffle=True
        )
        if sample_rate is not None:
            array.attrs["sr_hz"] = sample_rate
            array.attrs["bandwidth_hz"] = sample_rate / 2 if bandwidth is None else bandwidth


def to_int16(waveform: NDArray[Any]) -> NDArray[np.int16]:
    """Round to 16 bits.

    Parameters
    ----------
    waveform : ndarray
        In -1..1; what lies beyond is clipped.

    Returns
    -------
    ndarray
        Int16, 32768 for 1.
    """
    return np.clip(np.rint(waveform * np.float32(32_768)), -32_768, 32_767).astype(np.int16)
