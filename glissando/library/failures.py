"""What a full disk, a lost drive or a damaged file does to the database, as a sentence."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

from ..errors import LibraryError

NOISE = re.compile(r"lance error: |LanceError\(\w+\): |Generic [\w/]+ error: |Wrapped error: |, /\S+\.rs:\d+:\d+")

ADVICE = {
    "writing": "what was written before is kept: see to the disk, and the same command goes on",
    "reading": "if the library is damaged, restore it from a copy, or index into a new one",
    "searching its index": "if the index is damaged, build it anew with: gliss library build-index",
}


def reason(error: Exception) -> str:
    """Shorten what the database says to what is wrong.

    Parameters
    ----------
    error : Exception
        As it came.

    Returns
    -------
    str
        Its first line, without where in the database's source it was raised.
    """
    said = NOISE.sub("", str(error).splitlines()[0])[:200]
    return said.replace("failed to fill whole buffer", "a file is cut short")


@contextlib.contextmanager
def explained(location: str, *, doing: str = "writing") -> Iterator[None]:
    """Turn an error of the database into a sentence.

    Parameters
    ----------
    location : str
        Of the library.
    doing : {"writing", "reading", "searching its index"}
        What the database is asked for.

    Yields
    ------
    None
        While the database is at work.

    Raises
    ------
    LibraryError
        If it can't.
    """
    try:
        yield
    except (OSError, RuntimeError) as error:
        raise LibraryError(f"{location}: {doing} failed ({reason(error)}); {ADVICE[doing]}") from error
