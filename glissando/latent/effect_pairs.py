"""Latents of sounds without and with an effect, at several strengths."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from ..audio import Effect, as_mono, resample
from ..codecs import Codec
from ..errors import GlissandoError, RecipeError
from .space import Latents, Space

if TYPE_CHECKING:
    from ..data import Failure, Recording

STRENGTHS = (0.25, 0.5, 0.75, 1.0)  # shares of the wet sound in the mix
SECONDS, LONGEST = 2.0, 60.0  # of a window, and of what is heard of a recording
PAST = 1.0  # seconds before a window that are kept with it
QUIET = 1e-4  # peak of a window that isn't heard


@dataclass(frozen=True)
class EffectPairs:
    """Windows of dry sounds, and of the same with an effect.

    Parameters
    ----------
    space_id : str
        Of the latents.
    silence : ndarray, shape=(dim,)
        The latent of silence.
    past : int
        Latents before each window.
    dry : ndarray, shape=(windows, past + latents, dim)
        Without the effect.
    wet : ndarray, shape=(strengths, windows, latents, dim)
        With it; see `STRENGTHS`.
    heard : ndarray of bool, shape=(windows, latents)
        Which lie within the recording.
    groups : list of str
        What a window belongs to, and never lies on both sides of a split.
    failed : list of Failure
        Recordings that are left out.
    """

    space_id: str
    silence: Latents
    past: int
    dry: Latents
    wet: Latents
    heard: NDArray[np.bool_]
    groups: list[str]
    failed: list[Failure] = field(default_factory=list)

    def part(self, chosen: NDArray[np.bool_]) -> EffectPairs:
        """Take some of the windows.

        Parameters
        ----------
        chosen : ndarray of bool, shape=(windows,)
            Which.

        Returns
        -------
        EffectPairs
            Those.
        """
        groups = [group for group, kept in zip(self.groups, chosen, strict=True) if kept]
        return EffectPairs(
            self.space_id, self.silence, self.past, self.dry[chosen], self.wet[:, chosen], self.heard[chosen], groups
        )

    def split(self, *, share: float = 0.2, seed: int = 0) -> tuple[EffectPairs, EffectPairs]:
        """Part windows by what they belong to, so that the effect is judged on other music.

        Parameters
        ----------
        share : float
            Of the groups that go to the second part, at least one.
        seed : int
            Of the draw.

        Returns
        -------
        EffectPairs, EffectPairs
            To learn from, and to judge by. If all windows belong together, the last ones judge.

        Raises
        ------
        RecipeError
            If there is one window alone.
        """
        names = sorted({*self.groups})
        if len(self.groups) < 2:
            raise RecipeError(f"a direction needs three windows of {SECONDS:g} s with sound, or more; name more files")
        if len(names) == 1:
            last = np.arange(len(self.groups)) >= len(self.groups) - max(1, round(share * len(self.groups)))
            return self.part(~last), self.part(last)
        drawn = np.random.default_rng(seed).permutation(names)[: max(1, round(share * len(names)))]
        held = np.isin(self.groups, drawn)
        return self.part(~held), self.part(held)

    def differences(self) -> Latents:
        """Average what the effect at full strength does to each window.

        Returns
        -------
        ndarray, shape=(windows, dim)
            Wet minus dry, where there is sound.
        """
        moved = (self.wet[-1] - self.dry[:, self.past :]) * self.heard[..., None]
        found: Latents = moved.sum(1) / self.heard.sum(1)[:, None]
        return found

    def consistency(self) -> float:
        """Measure whether the effect does the same to all.

        Returns
        -------
        float
            Mean cosine between the differences of windows of different groups (of all windows, if there is one
            group): 1 if one direction serves all, 0 if there is none.
        """
        moved = self.differences().astype(np.float64)
        moved /= np.linalg.norm(moved, axis=1, keepdims=True).clip(1e-12)
        names = np.array(self.groups)
        other = names[:, None] != names if len({*self.groups}) > 1 else ~np.eye(len(names), dtype=bool)
        return float((moved @ moved.T)[other].mean())


def effect_pairs(
    codec: Codec,
    pairs: Sequence[tuple[Recording, Recording | Effect]],
    *,
    most: int = 400,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> EffectPairs:
    """Encode sounds dry, and mixed with their wet versions.

    Parameters
    ----------
    codec : Codec
        Which.
    pairs : sequence of (Recording, Recording or Effect)
        Dry, and wet or what makes it wet.
    most : int
        Windows of two seconds; of every recording about as many, spread over its first minute.
    seed : int
        Of the draw of recordings, if there are more than windows.
    progress : callable, optional
        Called with the number of recordings done, and in all.

    Returns
    -------
    EffectPairs
        Where dry and wet differ in length, the shorter is filled up with silence.

    Raises
    ------
    RecipeError
        If no sound is left; it says why the first one was left out.
    """
    from ..data import Failure, joined  # (data sets need a decoder, and a search, which moves embeddings too, none)

    space, rate = Space.of(codec), codec.card.frame_rate
    past, frames = math.ceil(PAST * rate), math.ceil(SECONDS * rate)
    order = np.sort(np.random.default_rng(seed).permutation(len(pairs))[:most])
    each, groups = math.ceil(most / max(1, len(order))), joined(dry for dry, _ in pairs)
    if len({*groups}) < 3:  # (an album in a folder: then recordings are parted)
        groups = [dry.key for dry, _ in pairs]
    found: list[tuple[Latents, Latents, NDArray[np.bool_]]] = []
    owners: list[str] = []
    failed: list[Failure] = []
    for done, number in enumerate(order.tolist(), 1):
        try:
            dry, wet = _sounds(codec, *pairs[number])
        except GlissandoError as error:
            failed.append(Failure(pairs[number][0].key, str(error)))
            continue
        made = _encoded(codec, [dry, *((1 - share) * dry + share * wet for share in STRENGTHS)])
        count = -(-made.shape[1] // frames)
        full = np.stack([space.filled(one, count * frames) for one in made])
        before = np.concatenate([np.tile(space.silence, (past, 1)), full[0]])
        heard = np.arange(count * frames) < made.shape[1]
        for start in np.unique(np.linspace(0, count - 1, min(each, count)).round().astype(int)) * frames:
            end = min(start + frames, made.shape[1])
            samples = slice(start * codec.card.hop, end * codec.card.hop)
            if np.abs(dry[samples]).max(initial=0) > QUIET:
                part = slice(start, start + frames)
                found.append((before[start : start + past + frames], full[1:, part], heard[part]))
                owners.append(groups[number])
        if progress is not None:
            progress(done, len(order))
    if not found:
        reason = f": {failed[0].reason}" if failed else ", or there are none"
        raise RecipeError(f"no direction can be learned, all sounds are silent or can't be read{reason}")
    dries, wets, within = zip(*found, strict=True)
    return EffectPairs(
        codec.card.space_id, space.silence, past, np.stack(dries), np.stack(wets, 1), np.stack(within), owners, failed
    )


def paired(dry: Sequence[Recording], wet: Sequence[Recording]) -> list[tuple[Recording, Recording]]:
    """Pair recordings by the names of their files.

    Parameters
    ----------
    dry, wet : sequence of Recording
        Two folders; a recording alone goes with another alone, whatever their names.

    Returns
    -------
    list of (Recording, Recording)
        Those that have a partner.

    Raises
    ------
    RecipeError
        If none has.
    """
    if len(dry) == len(wet) == 1:
        return [(dry[0], wet[0])]
    partners: Mapping[str, Recording] = {_stem(one): one for one in wet}
    found = [(one, partners[_stem(one)]) for one in dry if _stem(one) in partners]
    if not found:
        raise RecipeError(f"{dry[0].key} and {len(dry) - 1} more have no wet file of the same name; name them alike")
    return found


def _stem(one: Recording) -> str:
    return one.key.rpartition("/")[2].rpartition(".")[0] or one.key


def _sounds(codec: Codec, dry: Recording, wet: Recording | Effect) -> tuple[Latents, Latents]:
    """Both at the codec's rate and equally long."""
    sound = dry.read(0.0, LONGEST)
    other = wet.apply(sound) if isinstance(wet, Effect) else wet.read(0.0, LONGEST)
    made = [
        resample(as_mono(one.samples, one.sample_rate), one.sample_rate, codec.card.sample_rate)
        for one in (sound, other)
    ]
    longest = max(map(len, made))
    a, b = (np.pad(one, (0, longest - len(one))) for one in made)
    return a, b


@torch.inference_mode()
def _encoded(codec: Codec, sounds: Sequence[Latents]) -> Latents:
    found: Latents = codec(torch.from_numpy(np.stack(sounds).astype(np.float32)).to(codec.device)).float().cpu().numpy()
    return found
