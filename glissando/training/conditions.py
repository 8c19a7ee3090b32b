"""What a generator is told of a note: instrument, pitch and loudness, each a class, or unknown."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..data import Annotations, Entry, hz_to_midi
from ..data.annotations import MAX_PITCH
from ..errors import ModelError

FIELDS = ("instrument", "pitch", "loudness")
LOUDNESS = {"p": -18.0, "mp": -12.0, "mf": -6.0, "f": np.inf}  # upper ends of the peak, in dB of full scale
NATURALS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}  # semitones above C
UNKNOWN = 0  # class of what is not told
QUIETEST = 1e-6  # peak that has a level


class Conditions(nn.Module):
    """Classes of notes as vectors, the sum of one embedding for each field.

    Parameters
    ----------
    vocabulary : mapping of str to sequence of str
        Known classes by field, as `settle` finds them; of a field that is left out, nothing is known.
    dim : int
        Of the vectors.

    Raises
    ------
    ValueError
        If there is no such field, or its classes are no list of different names.

    References
    ----------
    Ho & Salimans, "Classifier-free diffusion guidance", 2022 (what is dropped).
    """

    def __init__(self, vocabulary: Mapping[str, Sequence[str]], dim: int) -> None:
        super().__init__()
        if not {*vocabulary} <= {*FIELDS}:
            raise ValueError(f"conditions are {', '.join(FIELDS)}; got {', '.join(map(str, vocabulary))}")
        self.vocabulary = {field: [str(name) for name in vocabulary.get(field, ())] for field in FIELDS}
        if any(len({*names}) < len(names) for names in self.vocabulary.values()):
            raise ValueError("conditions name a class twice")
        self.tables = nn.ModuleList(nn.Embedding(len(names) + 1, dim) for names in self.vocabulary.values())

    @staticmethod
    def settle(annotations: Sequence[Annotations]) -> dict[str, list[str]]:
        """Find the classes of training data.

        Parameters
        ----------
        annotations : sequence of Annotations
            Of its entries.

        Returns
        -------
        dict of str to list of str
            The vocabulary.
        """
        instruments = {one.instrument for one in annotations if one.instrument is not None}
        pitches = {one.pitch for one in annotations if one.pitch is not None}
        return {
            "instrument": sorted(instruments),
            "pitch": [str(pitch) for pitch in sorted(pitches)],
            "loudness": [*LOUDNESS],
        }

    def of(self, entry: Entry) -> list[int]:
        """Tell the classes of an entry, whose audio is read.

        Parameters
        ----------
        entry : Entry
            With audio.

        Returns
        -------
        list of int
            One for each field.
        """
        told = (entry.annotations.instrument, entry.annotations.pitch, loudness(entry.read()))
        return [
            1 + names.index(str(value)) if str(value) in names else UNKNOWN
            for names, value in zip(self.vocabulary.values(), told, strict=True)
        ]

    def numbers(self, wanted: Mapping[str, object]) -> list[int]:
        """Look up what is asked for.

        Parameters
        ----------
        wanted : mapping of str to object
            Classes by field, such as ``{"instrument": "classical guitar", "pitch": 52}``; what is left out, or None,
            is the generator's to choose.

        Returns
        -------
        list of int
            One for each field.

        Raises
        ------
        ModelError
            If there is no such field, or the generator does not know the class; the sentence names those it knows.
        """
        for field in wanted:
            if field not in FIELDS:
                raise ModelError(f"a generator is told {', '.join(FIELDS)}; there is no {field!r}")
        return [self._number(field, wanted.get(field)) for field in FIELDS]

    def instruments(self, words: str) -> list[str]:
        """Find the instruments that words may mean.

        Parameters
        ----------
        words : str
            A name, or words that names hold, such as "guitar".

        Returns
        -------
        list of str
            The name alone if it is one; those that hold all the words; the words as they are if there are none.
        """
        names = self.vocabulary["instrument"]
        if words in names:
            return [words]
        return [name for name in names if {*words.lower().split()} <= {*name.lower().split()}] or [words]

    def dropped(self, numbers: Tensor, share: float) -> Tensor:
        """Forget some of the classes, so that a model learns to do without.

        Parameters
        ----------
        numbers : Tensor of int, shape=(batch, fields)
            Classes.
        share : float
            Of the examples that forget all of theirs; of the others, every field is forgotten as often.

        Returns
        -------
        Tensor of int, shape=(batch, fields)
            Classes.
        """
        drawn = torch.rand(len(numbers), 1 + numbers.shape[1], device=numbers.device) < share
        return numbers.masked_fill(drawn[:, :1] | drawn[:, 1:], UNKNOWN)

    def forward(self, numbers: Tensor) -> Tensor:
        """Embed classes.

        Parameters
        ----------
        numbers : Tensor of int, shape=(batch, fields)
            Classes.

        Returns
        -------
        Tensor, shape=(batch, dim)
            One vector for all fields.
        """
        return torch.stack([table(one) for table, one in zip(self.tables, numbers.unbind(1), strict=True)]).sum(0)

    def _number(self, field: str, value: object) -> int:
        if value is None:
            return UNKNOWN
        names = self.vocabulary[field]
        if field == "pitch":
            value = midi_pitch(str(value))
        if str(value) in names:
            return 1 + names.index(str(value))
        if field == "pitch" and names:
            known = f"it knows MIDI pitches from {names[0]} to {names[-1]}" + (
                "" if len(names) == int(names[-1]) - int(names[0]) + 1 else f": {', '.join(names)}"
            )
        else:
            known = f"it knows {', '.join(names) or 'none'}"
        near = get_close_matches(str(value), names, n=1)
        hint = f"did you mean {near[0]!r}? {known[0].upper()}{known[1:]}" if near and field == "instrument" else known
        raise ModelError(f"this generator knows no {field} {str(value)!r}; {hint}")


def loudness(waveform: NDArray[np.float32]) -> str:
    """Tell how loud a note is, by its peak.

    Parameters
    ----------
    waveform : ndarray, shape=(samples,)
        Within -1..1.

    Returns
    -------
    str
        One of `LOUDNESS`.
    """
    level = 20 * np.log10(max(float(np.abs(waveform).max(initial=0)), QUIETEST))
    return next(name for name, end in LOUDNESS.items() if level < end)


def midi_pitch(text: str) -> int:
    """Read a pitch.

    Parameters
    ----------
    text : str
        A MIDI number, a name such as E3 or Bb2 (C4 is 60), or a frequency such as 164.8Hz.

    Returns
    -------
    int
        The nearest MIDI number.

    Raises
    ------
    ModelError
        If it is no pitch.
    """
    text = text.strip()
    if named := re.fullmatch(r"([A-Ga-g])([#b]?)(-?\d)", text):
        letter, sign, octave = named.groups()
        return NATURALS[letter.upper()] + {"#": 1, "b": -1, "": 0}[sign] + 12 * (int(octave) + 1)
    if numbered := re.fullmatch(r"(\d+(?:\.\d*)?)\s*(hz)?", text, re.IGNORECASE):
        number = float(numbered[1])
        number = float(hz_to_midi(number)) if numbered[2] else number
        if 0 <= number <= MAX_PITCH:
            return round(number)
    raise ModelError(f"{text!r} is no pitch; write a name (E3, Bb2), a MIDI number (52) or a frequency (164.8Hz)")
