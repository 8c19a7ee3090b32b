"""Bend a sound: encode it, do something to its latents, decode what comes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from ..audio import Audio
from ..codecs import Codec, Encoded, decode, encode
from ..errors import ExpressionError
from .algebra import mix, slerp
from .expressions import Expression
from .space import Latents, Space

SOUND = "z"  # the name of what is bent


def bend(
    codec: Codec,
    sound: Audio,
    expression: Expression | str = SOUND,
    *,
    others: Mapping[str, Audio | Sequence[Audio]] | None = None,
    then: Callable[[Latents], Latents] | None = None,
) -> Audio:
    """Bend a sound.

    Parameters
    ----------
    codec : Codec
        Which.
    sound : Audio
        In the expression it is ``z``.
    expression : Expression or str
        Such as ``"z + 0.8*(wet - dry)"``.
    others : mapping of str to Audio or sequence of Audio, optional
        The other sounds in the expression, by name; of several, the trajectories follow one another.
    then : callable, optional
        What is done to the result of the expression, [latents, dim] to [latents, dim].

    Returns
    -------
    Audio
        At the rate of the sound, within -1..1; as long as the sound where the result has as many latents. A result
        without time, such as ``mean(z)``, is held for as long as the sound.

    Raises
    ------
    ExpressionError
        If the expression can't be read or calculated, or a sound is not used in it.
    ModelError
        If what comes of it can't be decoded.
    """
    expression = Expression(expression) if isinstance(expression, str) else expression
    for name in others or ():
        if name not in expression.names - {SOUND}:
            raise ExpressionError(f"{expression.text!r}: does not use the sound {name!r}; leave it out")
    encoded = encode(codec, sound)
    latents = {SOUND: encoded.values}
    for name, other in (others or {}).items():
        several = [other] if isinstance(other, Audio) else other
        latents[name] = np.concatenate([encode(codec, one).values for one in several])
    bent = expression.evaluate(latents, Space.of(codec))
    if bent.ndim == 1:
        bent = np.tile(bent, (len(encoded.values), 1))
    return decode_like(codec, bent if then is None else then(bent), encoded)


def morph(codec: Codec, start: Audio, end: Audio, *, count: int = 5, arc: bool = False) -> list[Audio]:
    """Go from one sound to another.

    Parameters
    ----------
    codec : Codec
        Which.
    start, end : Audio
        The two sounds; the shorter is filled up with silence.
    count : int
        How many sounds, the two among them.
    arc : bool
        Along arcs, in place of straight lines.

    Returns
    -------
    list of Audio
        At the rate of the first, equally long.

    Raises
    ------
    ExpressionError
        If the count is below 2.
    """
    if count < 2:
        raise ExpressionError(f"a morph has at least 2 sounds; got {count}")
    encoded, space = encode(codec, start), Space.of(codec)
    ends = space.level(encoded.values, encode(codec, end).values)
    walk = slerp if arc else mix
    shares = [step / (count - 1) for step in range(count)]
    return [decode_like(codec, walk(*ends, share, space=space), encoded) for share in shares]


def decode_like(codec: Codec, values: Latents, encoded: Encoded) -> Audio:
    """Decode bent latents as those that they come from.

    Parameters
    ----------
    codec : Codec
        The one that encoded.
    values : ndarray, shape=(latents, dim)
        Any number of them.
    encoded : Encoded
        Of the sound that was bent.

    Returns
    -------
    Audio
        At its rate, and as long, if there are as many latents.

    Raises
    ------
    ModelError
        If they can't be decoded.
    """
    samples = encoded.samples
    if len(values) != len(encoded.values):
        samples = max(1, int(len(values) * codec.card.hop * encoded.sample_rate / codec.card.sample_rate))
    return decode(codec, replace(encoded, values=values, samples=samples))
