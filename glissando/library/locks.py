"""One writer at a time."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from ..errors import LibraryError
from ..paths import data_dir


@contextlib.contextmanager
def writers_lock(location: str) -> Iterator[None]:
    """Hold the writer's lock of a library.

    Parameters
    ----------
    location : str
        Its folder or URI.

    Yields
    ------
    None
        While this process alone may write.

    Raises
    ------
    LibraryError
        If another process is writing, or this place can't be written to.
    """
    if "://" not in location:
        path = Path(location) / ".writing.lock"
    else:  # a lock for this computer; across computers the table format's own conflict check decides
        name = hashlib.sha256(location.encode()).hexdigest()[:16]
        path = data_dir() / "locks" / f"{name}.lock"
    lock = FileLock(path, timeout=0)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout as error:
        raise LibraryError(f"{location}: another process is writing to this library; wait for it to end") from error
    except OSError as error:  # no permission, a read-only or full disk
        raise LibraryError(f"{location}: can't be written ({error.strerror}), only searched") from error
    try:
        yield
    finally:
        lock.release()
