"""Who holds a file, and under which licence: Debian's machine-readable copyright files (format 1.0)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from .packages import SUFFIXES

MAX_SIZE = 8 * 2**20  # bytes; the longest are below 1 MB
MUSICAL = re.compile(r"music|sound|audio|song|theme", re.IGNORECASE)


@dataclass(frozen=True)
class Stanza:
    """What a copyright file says of some files.

    Parameters
    ----------
    patterns : tuple of str
        Of paths in the source package; ``*`` stands for any characters, slashes too.
    holders : tuple of str
        Lines of the field Copyright.
    licence : str
        Short name.
    """

    patterns: tuple[str, ...]
    holders: tuple[str, ...]
    licence: str

    def matches(self, name: str) -> bool:
        """Tell whether it is about a file.

        Parameters
        ----------
        name : str
            Path of the installed file, of which source packages have the last parts.

        Returns
        -------
        bool
            Whether a pattern matches.
        """
        return any(_matches(name, pattern) for pattern in self.patterns)

    @property
    def musical(self) -> bool:
        """Whether it is about music, so that its holders made music."""
        return all(pattern.lower().endswith(SUFFIXES) or MUSICAL.search(pattern) for pattern in self.patterns)


@dataclass(frozen=True)
class Copyright:
    """A package's copyright file.

    Parameters
    ----------
    stanzas : tuple of Stanza
        None where it is not machine-readable.
    otherwise : str
        Licence of files that no stanza matches.
    """

    stanzas: tuple[Stanza, ...]
    otherwise: str

    @classmethod
    def of_package(cls, folder: Path) -> Copyright:
        """Read the file of an unpacked package.

        Parameters
        ----------
        folder : Path
            The package.

        Returns
        -------
        Copyright
            Of a file that names no licence in a way that can be read, it says where it lies.
        """
        file = folder / "usr" / "share" / "doc" / folder.name / "copyright"
        there = file.is_file() and file.stat().st_size <= MAX_SIZE
        text = file.read_text(encoding="utf-8", errors="replace") if there else ""
        referred = re.search(r"common-licenses/([A-Z][A-Za-z]*(?:-\d+(?:\.\d+)*)?)", text)
        otherwise = referred.group(1) if referred else f"see the copyright file of {folder.name}"
        stanzas = tuple(stanza for part in re.split(r"\n[ \t]*\n", text) if (stanza := _stanza(part)) is not None)
        return cls(stanzas, otherwise)

    def of(self, name: str) -> Stanza | None:
        """Find what is said of a file: the last stanza that matches, as the format has it.

        Parameters
        ----------
        name : str
            Path below the folder of the package, with slashes.

        Returns
        -------
        Stanza or None
            None if nothing is.
        """
        return next((stanza for stanza in reversed(self.stanzas) if stanza.matches(name)), None)


def _matches(name: str, pattern: str) -> bool:
    pattern = pattern.removeprefix("./").replace("[", "[[]")  # brackets mean themselves
    if fnmatchcase(name, pattern) or fnmatchcase(name, f"*/{pattern}"):
        return True
    parts = pattern.split("/")  # packaging may move files: of what is plainly music, the last parts are enough
    tails = ["/".join(parts[first:]) for first in range(1, len(parts))]
    if any(MUSICAL.search(tail) and "/" in tail and fnmatchcase(name, f"*/{tail}") for tail in tails):
        return True
    last = parts[-1]
    return last.lower().endswith(SUFFIXES) and last[0] not in "*?" and fnmatchcase(name.rpartition("/")[2], last)


def _stanza(text: str) -> Stanza | None:
    fields: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in text.splitlines():
        named = re.match(r"([A-Za-z-]+):(.*)", line)
        if named:
            lines = fields.setdefault(named.group(1).lower(), [])
            line = named.group(2)
        if line.strip() not in ("", "."):
            lines.append(line.strip())
    if not fields.get("files") or not fields.get("license"):
        return None
    patterns = tuple(" ".join(fields["files"]).replace(",", " ").split())
    return Stanza(patterns, tuple(fields.get("copyright", ())), fields["license"][0])
