"""Keys: names, Camelot codes and neighbours, and the key of a recording from its pitch classes."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from ..errors import QueryError

MAJOR = ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
MINOR = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "G#", "A", "Bb", "B")  # each with the fewest accidentals
NATURAL = {"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 11}
ACCIDENTAL = {"": 0, "#": 1, "♯": 1, "b": -1, "♭": -1}

_NAME = re.compile(r"(?P<letter>[a-gA-G])(?P<accidental>[#b♯♭]?)\s*(?P<mode>[a-zA-Z]*)")
_CAMELOT = re.compile(r"(?P<number>1[0-2]|[1-9])\s*(?P<letter>[abAB])")


@dataclass(frozen=True)
class Key:
    """A tonic and a mode.

    Parameters
    ----------
    tonic : int
        Pitch class, 0 for C to 11 for B.
    minor : bool
        Whether the mode is minor.
    """

    tonic: int
    minor: bool = False

    @classmethod
    def parse(cls, text: str) -> Key:
        """Read a key such as ``A minor``, ``Am``, ``F#``, ``Gb major`` or ``8A``.

        Parameters
        ----------
        text : str
            Name, where ``m`` is minor and ``M`` major, or Camelot code.

        Returns
        -------
        Key
            The key.

        Raises
        ------
        QueryError
            If it is none.
        """
        word = text.strip()
        if code := _CAMELOT.fullmatch(word):
            minor = code["letter"] in "aA"
            return cls((7 * (int(code["number"]) - 8) + (9 if minor else 0)) % 12, minor)
        if name := _NAME.fullmatch(word):
            mode = name["mode"] if name["mode"] in ("m", "M") else name["mode"].lower()
            if mode in ("", "M", "maj", "major", "m", "min", "minor"):
                tonic = (NATURAL[name["letter"].lower()] + ACCIDENTAL[name["accidental"]]) % 12
                return cls(tonic, mode in ("m", "min", "minor"))
        raise QueryError(f"{text!r} is no key; write a name such as Am or Gb major, or a Camelot code such as 8A")

    @property
    def name(self) -> str:
        """Such as "A minor"."""
        return f"{MINOR[self.tonic]} minor" if self.minor else f"{MAJOR[self.tonic]} major"

    @property
    def camelot(self) -> str:
        """Such as "8A": hours on the circle of fifths, A for minor and B for the relative major."""
        return f"{(7 * self.signature + 7) % 12 + 1}{'A' if self.minor else 'B'}"

    @property
    def signature(self) -> int:
        """Tonic of the major key with the same notes, 0 for C to 11 for B."""
        return (self.tonic + 3) % 12 if self.minor else self.tonic

    def transposed(self, semitones: int) -> Key:
        """Move it.

        Parameters
        ----------
        semitones : int
            Up if positive.

        Returns
        -------
        Key
            Of the same mode.
        """
        return Key((self.tonic + semitones) % 12, self.minor)

    def compatible(self) -> tuple[Key, ...]:
        """List the keys that mix with it by the rule of the Camelot wheel.

        Returns
        -------
        tuple of Key
            Itself, a fifth up and a fifth down, and the relative of the other mode.
        """
        relative = Key(self.signature if self.minor else (self.tonic + 9) % 12, not self.minor)
        return self, self.transposed(7), self.transposed(5), relative


KEYS = tuple(Key(tonic, minor) for minor in (False, True) for tonic in range(12))

# How strong the pitch classes are in a key, from its tonic: measured by their authors on recordings of the
# Well-Tempered Clavier, with overtones; the best of nine published pairs on POP909 (benchmarks/key.py).
PROFILES = (
    (0.0629, 0.0146, 0.0610, 0.0121, 0.0623, 0.0414, 0.0248, 0.0631, 0.0150, 0.0521, 0.0142, 0.0478),
    (0.0682, 0.0138, 0.0543, 0.0519, 0.0234, 0.0544, 0.0176, 0.0670, 0.0349, 0.0297, 0.0401, 0.0270),
)
SHARPNESS = 10.0  # of probabilities: so that they are about as often right as they say, on the same songs
LEAST = 2 / 24  # probability: a key that is not twice as likely as any is none


@dataclass(frozen=True)
class KeyEstimate:
    """A key, how sure it is, and the others it might be.

    Parameters
    ----------
    key : Key
        The most likely one.
    confidence : float
        Its probability among the 24 keys, 0..1.
    candidates : tuple of Key
        The four most likely keys, the estimate first.
    """

    key: Key
    confidence: float
    candidates: tuple[Key, ...]


def key_probabilities(chroma: Tensor) -> Tensor:
    """Compare pitch classes with the profiles of all keys.

    Parameters
    ----------
    chroma : Tensor, shape=(..., 12)
        Energy of the pitch classes from C.

    Returns
    -------
    Tensor, shape=(..., 2, 12)
        Of major keys and of minor keys from C; the 24 sum to 1. They turn as the pitch classes turn, and are equal
        where these are.

    References
    ----------
    Krumhansl, "Cognitive foundations of musical pitch", 1990, for the method.
    Noland & Sandler, "Signal processing parameters for tonality estimation", AES 122, 2007, for the profiles.
    """
    profiles = torch.tensor(PROFILES, dtype=chroma.dtype, device=chroma.device)
    shapes = F.normalize(profiles - profiles.mean(-1, keepdim=True), dim=-1)
    turned = torch.stack([shapes.roll(tonic, -1) for tonic in range(12)], dim=1)  # [mode, tonic, pitch class]
    relative = chroma / chroma.mean(-1, keepdim=True).clamp_min(1e-9)
    strengths = torch.einsum("mtp,...p->...mt", turned, relative)
    return (SHARPNESS * strengths).flatten(-2).softmax(-1).reshape(strengths.shape)


def estimate_key(chroma: NDArray[np.float32]) -> KeyEstimate | None:
    """Estimate the key.

    Parameters
    ----------
    chroma : ndarray, shape=(12,)
        Mean energy of the pitch classes from C.

    Returns
    -------
    KeyEstimate or None
        None if no key is much more likely than another, as where nothing has a pitch.
    """
    probabilities = key_probabilities(torch.from_numpy(np.asarray(chroma, np.float64))).flatten().numpy()
    best = np.argsort(-probabilities, kind="stable")[:4]
    if probabilities[best[0]] < LEAST:
        return None
    candidates = tuple(KEYS[i] for i in best)
    return KeyEstimate(candidates[0], float(probabilities[best[0]]), candidates)
