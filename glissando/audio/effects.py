"""Effects by name, such as ``Reverb(room_size=0.8)``; pedalboard's (extra ``effects``), which is GPL."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import AudioError
from .reading import Audio, as_mono

EFFECTS = (
    "Bitcrush", "Chorus", "Clipping", "Compressor", "Delay", "Distortion", "Gain", "HighShelfFilter", "HighpassFilter",
    "LadderFilter", "Limiter", "LowShelfFilter", "LowpassFilter", "NoiseGate", "PeakFilter", "Phaser", "PitchShift",
    "Resample", "Reverb",
)  # fmt: skip
LONGEST = 200  # characters
LARGEST = 192_000.0  # that an argument may be: no frequency is higher


@dataclass(frozen=True)
class Effect:
    """An effect and its arguments.

    Parameters
    ----------
    name : str
        One of `EFFECTS`.
    arguments : tuple of (str, float)
        As pedalboard names them.
    """

    name: str
    arguments: tuple[tuple[str, float], ...] = ()

    @classmethod
    def read(cls, text: str) -> Effect:
        """Read an effect.

        Parameters
        ----------
        text : str
            Such as ``"Reverb(room_size=0.8)"`` or ``"Chorus"``.

        Returns
        -------
        Effect
            Its arguments are numbers; whether the effect takes them shows when it is applied.

        Raises
        ------
        AudioError
            If it is written otherwise, or there is no such effect.
        """
        how = f"{text[:60]!r}: is no effect; write it as Reverb(room_size=0.8)"
        try:
            node = ast.parse(text.strip() if len(text) <= LONGEST else "", mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            raise AudioError(how) from None
        called, words = (node.func, node.keywords) if isinstance(node, ast.Call) and not node.args else (node, [])
        if not isinstance(called, ast.Name):
            raise AudioError(how)
        if called.id not in EFFECTS:
            raise AudioError(f"there is no effect {called.id!r}; there are {', '.join(EFFECTS)}")
        arguments = []
        for word in words:
            value = _number(word.value)
            if word.arg is None or value is None:
                raise AudioError(f"{text!r}: its arguments are numbers by name; write it as Reverb(room_size=0.8)")
            arguments.append((word.arg, value))
        return cls(called.id, tuple(arguments))

    def __str__(self) -> str:
        """Write it as it is read."""
        return f"{self.name}({', '.join(f'{name}={value:g}' for name, value in self.arguments)})"

    def apply(self, audio: Audio) -> Audio:
        """Apply it.

        Parameters
        ----------
        audio : Audio
            Channels are averaged.

        Returns
        -------
        Audio
            Mono, as long: what rings on after the end is cut off. It may be louder than full scale.

        Raises
        ------
        AudioError
            If pedalboard is not installed, the effect does not take its arguments, or the sound is empty or not finite.
        """
        samples = as_mono(audio.samples, audio.sample_rate)
        try:
            effect = getattr(_pedalboard(), self.name)(**dict(self.arguments))
        except (TypeError, ValueError) as error:
            reason = str(error).splitlines()[0].rstrip(".:")
            if isinstance(error, TypeError):
                reason = "it takes other arguments"
            raise AudioError(f"{self}: {reason}; see pedalboard's documentation of {self.name}") from error
        made = effect(samples, float(audio.sample_rate))
        made = np.pad(made[: len(samples)], (0, max(0, len(samples) - len(made))))
        if not np.isfinite(made).all():
            raise AudioError(f"{self}: gives NaN or infinite samples; take milder arguments")
        return Audio(made.astype(np.float32), audio.sample_rate)


def _number(node: ast.expr) -> float | None:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        value = _number(node.operand)
        return None if value is None else -value
    match node:
        case ast.Constant(value=bool()):
            return None
        case ast.Constant(value=int() | float() as value):
            return float(value) if abs(value) <= LARGEST else None  # (what isn't finite is larger)
    return None


def _pedalboard() -> Any:
    try:
        import pedalboard
    except ImportError as error:
        raise AudioError(
            'effects are made by pedalboard (GPL), which is in the extra "effects"; install it with: '
            'pip install "glissando[effects]"'
        ) from error
    return pedalboard
