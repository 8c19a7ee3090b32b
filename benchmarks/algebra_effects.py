"""Effect directions: is what they decode to nearer to the wet sound than doing nothing, and do they agree among instruments?

A part of `algebra.py`. Learned from notes of two soundfonts, judged on instruments that are held out, whose pitches no other
instrument has, and on notes of real guitars. Needs pedalboard (extra "effects").
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import cache

import numpy as np
import torch
from algebra_sounds import RATE, SEED, Chosen, Waves, apart, at_rate, decoded, drawn, encoded, guitar, heard, kept
from numpy.typing import NDArray
from report import TABLES, Row, bootstrap

from glissando import codecs
from glissando.audio import Effect
from glissando.features import LogSTFT
from glissando.latent import (
    ClusterDirection,
    Direction,
    EffectPairs,
    EffectTranslator,
    MeanDirection,
    effect_pairs,
    left,
)
from glissando.paths import cache_dir

EFFECTS = {
    "reverb": "Reverb(room_size=0.8)",
    "delay": "Delay(delay_seconds=0.3, feedback=0.4)",
    "chorus": "Chorus(rate_hz=1.5, depth=0.5)",
    "distortion": "Distortion(drive_db=25)",
    "low-pass": "LowpassFilter(cutoff_frequency_hz=1000)",
    "pitch shift": "PitchShift(semitones=4)",
}
STRENGTHS = (0.5, 1.0)  # shares of the wet sound that are judged
FULL = 1.0  # the strength at which all systems are judged, by an encoder, too
EACH, STEPS = 3, 400  # notes of an instrument to learn from, and steps of the translator
DRY, NOTHING, ORACLE, TRANSLATOR = "dry sound as it is", "doing nothing, decoded", "oracle latent", "translator"
KEPT, FILTER, ANYWHERE = "translator, on the dry sound", "spectral average filter", "random direction"
KINDS: dict[str, type[Direction]] = {
    "mean vector": MeanDirection,
    "vector per cluster": ClusterDirection,
    TRANSLATOR: EffectTranslator,
}
STFT, EMBEDDING = "STFT", "embedding"
HELD, REAL = "held-out instruments (synthetic)", "guitars (real)"
GOAL = 4  # effects of six
PICTURE = "algebra-consistency.png"

AGREE, LEFT, GAIN = "Agreement of differences (cosine)", "Part of the way left in latents", "Nearer to the wet sound"
CACHE = cache_dir() / "benchmarks" / "algebra" / "effects"

ABOUT = [
    f"Effects: {', '.join(f'{name} {said}' for name, said in EFFECTS.items())}, by pedalboard; strength is the share of the wet sound in the mix. Learned from {EACH} notes each of 84 instruments of two soundfonts, "
    "judged on one note each of the 28 others (every fourth program of General MIDI, whose pitches no note that was learned from has; most of these instruments gliss-codec heard in its own training), and on guitars, two seconds of each. Distance to the true wet sound by multi-resolution STFT "
    "(spectral convergence plus difference of log-magnitudes, four windows), and 1 less the cosine of musicnn-msd's embeddings; lower is better. Intervals: 95 %, bootstrap over instruments, of guitars over pitches.",
    "",
    "Doing nothing, decoded, is what a codec makes of the dry sound: the translator goes the same way, and the oracle is the latter's limit. The dry sound as it is has not lost what a codec loses, nor its phases, and is the harder "
    "floor: 'on the dry sound' changes its own spectra as the translator changes decoded ones, and so begins from it. The average filter works on the dry sound, too. The random direction is as long as the translator's, latent by latent.",
    "",
    f"![Cosine between what an effect does to notes of two families of instruments](../images/{PICTURE})",
    "",
]
Effected = tuple[list[Row], NDArray[np.float64]]  # of one effect: rows, and the agreement of families
Distances = dict[tuple[float, str, str], NDArray[np.float64]]  # of each sound, by strength, system and metric


@cache
def spectra() -> LogSTFT:
    """The spectra in which filters are learned."""
    return LogSTFT(RATE)


@torch.inference_mode()
def average_filter(dry: Waves, wet: Waves) -> NDArray[np.float32]:
    """Mean difference of log-magnitudes of each bin over all frames with sound: half the logarithm of a response."""
    one, other = (spectra()(torch.from_numpy(waves))[:, 0] for waves in (dry, wet))
    within = ((one - one.amin()).amax(1, keepdim=True) > 0.1).expand_as(one)
    return (((other - one) * within).sum((0, 2)) / within.sum((0, 2))).numpy()


@torch.inference_mode()
def filtered(dry: Waves, response: NDArray[np.float32]) -> Waves:
    """Sounds through such a filter."""
    spectrum = spectra().spectrum(torch.from_numpy(dry))
    return spectra().waveform(spectrum * torch.from_numpy(np.exp(2 * response))[:, None]).numpy()


def anywhere(direction: Direction, z: torch.Tensor, strength: float) -> torch.Tensor:
    """Latents moved as far as a direction moves them, but one random way for each sound."""
    way = torch.randn(len(z), 1, z.shape[-1], generator=torch.Generator().manual_seed(SEED))
    far = (direction(z, strength=strength) - z).norm(dim=-1, keepdim=True)
    return z + far * way / way.norm(dim=-1, keepdim=True)


class Judged:
    """Dry sounds, and how far each system's are from wet ones; what is the same for all effects is made once."""

    def __init__(self, codec: codecs.RunCodec, chosen: Chosen) -> None:
        self.codec, self.groups = codec, np.array([group for _, group in chosen])
        self.read = [recording.read(0.0, 2.5) for recording, _ in chosen]
        self.dry = np.stack([at_rate(one) for one in self.read])
        self.z = encoded(codec, self.dry)
        self.made = {DRY: self.dry, NOTHING: decoded(codec, self.z)}
        self.heard = {name: heard(waves) for name, waves in self.made.items()}

    def wet(self, effect: Effect) -> Waves:
        """The sounds with an effect alone."""
        return np.stack([at_rate(effect.apply(one)) for one in self.read])

    @torch.inference_mode()
    def distances(
        self, effect: Effect, directions: Mapping[str, Direction], filters: Mapping[float, NDArray[np.float32]]
    ) -> Distances:
        """How far each system is from an effect, at all strengths of the filters."""
        found: Distances = {}
        full, translator = self.wet(effect), directions[TRANSLATOR]
        for strength, response in filters.items():
            wet = ((1 - strength) * self.dry + strength * full).astype(np.float32)
            moved = {
                name: one(self.z, strength=strength)
                for name, one in directions.items()
                if strength == FULL or name == TRANSLATOR
            }
            latents = {**moved, ORACLE: encoded(self.codec, wet)}
            if strength == FULL:
                latents[ANYWHERE] = anywhere(translator, self.z, strength)
            made = {
                **self.made,
                FILTER: filtered(self.dry, response),
                **{name: decoded(self.codec, one) for name, one in latents.items()},
                KEPT: kept(self.codec, self.dry, self.z, moved[TRANSLATOR]),
            }
            for name, waves in made.items():
                found[strength, name, STFT] = apart(waves, wet)
            if strength == FULL:
                true = heard(wet)
                for name, waves in made.items():
                    embedded = self.heard[name] if name in self.heard else heard(waves)
                    found[strength, name, EMBEDDING] = 1 - (embedded * true).sum(1).astype(np.float64)
        return found


def rows_of(data: str, found: Distances, groups: NDArray[np.int64]) -> list[Row]:
    """A row for each system, metric and strength."""
    rows = []
    for (strength, system, metric), values in found.items():
        low, high = bootstrap(values, groups, seed=SEED)
        rows.append(Row(data, system, f"{metric}, {strength:g}", float(values.mean()), len(values), "", low, high))
    return rows


def gains(data: str, name: str, found: Distances, groups: NDArray[np.int64]) -> list[Row]:
    """How much nearer the translator is than doing nothing, in % of that distance, at all strengths together."""
    rows = []
    for metric in (STFT, EMBEDDING):
        strengths = sorted({strength for strength, _, one in found if one == metric})
        for system, beside in ((TRANSLATOR, NOTHING), (KEPT, DRY)):
            ours, theirs = (np.stack([found[at, one, metric] for at in strengths]) for one in (system, beside))
            gain = 100 * (theirs - ours).mean(0) / theirs.mean()
            low, high = bootstrap(gain, groups, seed=SEED)
            told = f"{metric}: {system} over {beside}"
            rows.append(Row(data, name, told, float(gain.mean()), len(gain), "%", low, high))
    return rows


def agreement(pairs: EffectPairs) -> NDArray[np.float64]:
    """Mean cosine between what an effect does to notes of one family of instruments and of another, [families, families]."""
    moved = pairs.differences().astype(np.float64)
    moved /= np.linalg.norm(moved, axis=1, keepdims=True).clip(1e-12)
    programs = np.array([int(group.split()[-1]) for group in pairs.groups])
    families, cosines = programs // 8, moved @ moved.T
    np.fill_diagonal(cosines, np.nan)
    names = range(families.max() + 1)
    return np.array([[np.nanmean(cosines[families == a][:, families == b]) for b in names] for a in names])


def within(pairs: EffectPairs) -> float:
    """Mean cosine between what an effect does to two notes of one instrument."""
    one = [pairs.part(np.array(pairs.groups) == name) for name in sorted({*pairs.groups})]
    return float(np.mean([each.consistency() for each in one if len(each.groups) > 1]))


def draw(matrices: Mapping[str, NDArray[np.float64]]) -> None:
    """The agreement of families, a matrix for each effect."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 7), layout="constrained")
    for axes, (name, matrix) in zip(figure.subplots(2, 3).flat, matrices.items(), strict=True):
        image = axes.imshow(matrix, vmin=-1, vmax=1, cmap="RdBu_r")
        axes.set(
            title=f"{name}: {np.nanmean(matrix):.2f}", xlabel="family of instruments", ylabel="family of instruments"
        )
    figure.colorbar(image, ax=figure.axes, label="cosine between differences", shrink=0.7)
    path = TABLES.parent / "images" / PICTURE
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=100)


def learn(
    codec: codecs.Codec, effect: Effect, chosen: Chosen, *, steps: int
) -> tuple[EffectPairs, dict[str, Direction]]:
    """Pairs of dry and wet sounds, and the directions of all kinds that are learned from them."""
    pairs = effect_pairs(codec, [(recording, effect) for recording, _ in chosen], most=len(chosen))
    return pairs, {name: kind.fit(pairs, steps=steps, magnitudes=codec.magnitudes) for name, kind in KINDS.items()}


def filters(effect: Effect, chosen: Chosen) -> dict[float, NDArray[np.float32]]:
    """The average filter of each strength, from the notes that directions are learned from."""
    read = [recording.read(0.0, 2.5) for recording, _ in chosen]
    dry, full = (np.stack([at_rate(one) for one in each]) for each in (read, [effect.apply(one) for one in read]))
    return {at: average_filter(dry, ((1 - at) * dry + at * full).astype(np.float32)) for at in STRENGTHS}


def one_effect(name: str, codec: codecs.RunCodec, sets: Mapping[str, Judged], held: Chosen, *, quick: bool) -> Effected:
    """Learn one effect, and judge it."""
    effect, learned = Effect.read(EFFECTS[name]), drawn(held=False, each=1 if quick else EACH)
    pairs, directions = learn(codec, effect, learned, steps=20 if quick else STEPS)
    count = len(pairs.groups)
    rows = [Row(AGREE, name, "notes of other instruments", pairs.consistency(), count)]
    if not quick:
        rows.append(Row(AGREE, name, "notes of one instrument", within(pairs), count))
    tested = effect_pairs(codec, [(recording, effect) for recording, _ in held])
    rows += [
        Row(LEFT, name, kind, left(one, tested, strengths=STRENGTHS), len(tested.groups))
        for kind, one in directions.items()
    ]
    responses = filters(effect, learned[:: 1 if quick else 2])
    for place, sounds in sets.items():
        found = sounds.distances(effect, directions, responses)
        rows += rows_of(f"{name.capitalize()}: {place}", found, sounds.groups)
        rows += gains(f"{GAIN}: {place}", name, found, sounds.groups)
    return rows, agreement(pairs)


def measure(quick: bool) -> tuple[list[Row], list[dict[str, object]]]:
    """All effects on all sounds; what is known of an effect is kept, so that a killed run goes on."""
    codec = codecs.load("gliss-codec").requires_grad_(False)
    assert isinstance(codec, codecs.RunCodec)
    held = drawn(held=True, each=1)[:: 7 if quick else 1]
    sets = {HELD: Judged(codec, held), REAL: Judged(codec, guitar(2 if quick else 6))}
    rows: list[Row] = []
    matrices: dict[str, NDArray[np.float64]] = {}
    for name in [*EFFECTS][:: 3 if quick else 1]:
        told = json.dumps([EFFECTS[name], STRENGTHS, EACH, STEPS, codec.card.space_id])
        path = CACHE / f"{hashlib.sha256(told.encode()).hexdigest()[:16]}.json"
        if quick or not path.exists():
            found, matrix = one_effect(name, codec, sets, held, quick=quick)
            if not quick:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(json.dumps([[asdict(row) for row in found], matrix.tolist()]))
        else:
            listed, matrix = json.loads(path.read_text())
            found, matrix = [Row(**row) for row in listed], np.array(matrix)
        rows += found
        matrices[name] = matrix
        print(f"{name} is done", flush=True)
    rows.sort(
        key=lambda row: (
            (AGREE, LEFT, GAIN).index(row.data.partition(":")[0]) if row.data.startswith((AGREE, LEFT, GAIN)) else 3
        )
    )
    if not quick:
        draw(matrices)
    return rows, wanted(rows)


def wanted(rows: Sequence[Row]) -> list[dict[str, object]]:
    """For how many effects the translator is nearer than doing nothing, its interval above 0."""
    goals = []
    for metric in (STFT, EMBEDDING):
        told = f"{metric}: {TRANSLATOR} over {NOTHING}"
        nearer = sum(row.data == f"{GAIN}: {HELD}" and row.metric == told and (row.low or 0) > 0 for row in rows)
        line = f"Effects of six whose translator is nearer to wet than doing nothing, across instruments, by {metric}"
        goals.append({"issue_line": line, "goal": GOAL, "value": nearer, "met": nearer >= GOAL})
    return goals
