"""Mixing spaces: sums of embeddings beside embeddings of mixes, mixes and missing parts found, and how sums and differences sound.

    python algebra_mixing.py [--run RUN] [--quick]

Sounds are those of the test part of the space's run: notes of families of instruments that it never heard, of three
soundfonts, one of which it never heard at all, without the family by which its terms were weighed; and guitar notes. All are 1 s, at levels that are drawn. The map of effects
needs the extra "effects".
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from report import Row, bootstrap, goal
from torch import Tensor

from glissando import codecs
from glissando.audio import Effect, resample
from glissando.codecs import RunCodec
from glissando.data import DataSet, Entry, load, recordings
from glissando.encoders.shipped import shipped_folder
from glissando.features import LogSTFT
from glissando.latent import EffectMap, EffectPairs, MixingSpace, effect_pairs, load_mixing
from glissando.latent.effect_map import statistics
from glissando.metrics import multi_resolution_distance
from glissando.training import Run

SEED = 0
LATENTS, SOFTEST = 32, 12.0  # of a sound, and decibels by which it is made softer at most
NOTES, PROGRAMS, POOLS = 46, 4, 3  # 46 notes of four instruments have 1,035 pairs; as many pools
CANDIDATES = 1000  # for a missing part
HEARD = 24  # mixes that are decoded
BANDS = 64
CHOSEN_BY = "family 6"  # on which, among others, the weights of the terms were chosen
ISSUE = "mixing space"
PLACES = {
    "soundfont-notes": "Mixing: notes of held-out families of instruments (synthetic)",
    "guitar-notes": "Mixing: guitar notes (real), held-out pitches and dynamics",
}
PLAIN, SCALED, MAGNITUDES, OURS = (
    "latents, added", "latents, best scalar", "magnitudes of decoded spectra, best scalar", "mixing space",
)  # fmt: skip

EFFECTS = {
    "reverb": "Reverb(room_size=0.8, wet_level=0.6, dry_level=0.4)",
    "delay": "Delay(delay_seconds=0.2, feedback=0.4, mix=0.5)",
    "chorus": "Chorus(rate_hz=1.5, depth=0.5, mix=0.5)",
    "distortion": "Distortion(drive_db=25)",
    "low-pass": "LowpassFilter(cutoff_frequency_hz=800)",
    "pitch shift": "PitchShift(semitones=5)",
}
SOURCES = (80, 40)  # notes that the map of effects learns from, and is judged by
EFFECT_PLACE = "Map of effects: notes of held-out families of instruments (synthetic)"

Waves = NDArray[np.float32]
Map = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Pool:
    """Notes, and all their mixes in pairs."""

    waves: Waves  # [notes, samples]
    names: list[str]
    notes: Tensor  # latents, [notes, latents, dim]
    mixes: Tensor  # [pairs, latents, dim]
    first: NDArray[np.int64]
    second: NDArray[np.int64]


@torch.inference_mode()
def encoded(codec: codecs.Codec, waves: Waves) -> Tensor:
    """Latents of many sounds."""
    return torch.cat([codec(few) for few in torch.from_numpy(waves).split(64)])


def heard(entries: Sequence[Entry], rate: int, samples: int, rng: np.random.Generator) -> Waves:
    """Beginnings, at levels that are drawn."""
    found = []
    for entry in entries:
        wave = resample(entry.read(0.0, samples / rate), entry.sample_rate, rate)[:samples]
        level = np.float32(10 ** (-rng.uniform(0, SOFTEST) / 20))
        found.append(np.pad(level * wave, (0, samples - len(wave))))
    return np.stack(found).astype(np.float32)


def tested(run: Run, name: str) -> DataSet:
    """Notes of the test part, and those of soundfonts that are in no part and of the same families."""
    data, kept = load(name), {*run.split().parts["test"]}
    families = {data[key].groups.get("clique") for key in data if key in kept} - {None}
    keys = [key for key in data if key in kept or data[key].groups.get("clique") in families]
    keys = [key for key in keys if data[key].groups.get("clique") != CHOSEN_BY]
    sounding = [key for key in keys if data[key].annotations.labels.get("articulation", ("note",))[0] == "note"]
    return data.subset(sounding)


def pool(codec: codecs.Codec, data: DataSet, rng: np.random.Generator, notes: int) -> Pool:
    """Notes of a few instruments, so that most candidates share instruments or pitches with the right one."""
    kinds = sorted({str(entry.annotations.instrument) for entry in data.values()})
    few = {kinds[i] for i in rng.permutation(len(kinds))[:PROGRAMS]}
    keys = [key for key in data if str(data[key].annotations.instrument) in few]
    chosen = [keys[i] for i in rng.permutation(len(keys))[:notes]]
    waves = heard([data[key] for key in chosen], codec.card.sample_rate, LATENTS * codec.card.hop, rng)
    first, second = np.triu_indices(len(waves), 1)
    mixes = torch.cat(
        [
            encoded(codec, waves[first[few_]] + waves[second[few_]])
            for few_ in np.array_split(np.arange(len(first)), -(-len(first) // 64))
        ]
    )
    return Pool(waves, chosen, encoded(codec, waves), mixes, first, second)


def magnitudes(codec: RunCodec) -> Map:
    """Mean magnitudes in bands of what latents decode to, before phases are found."""
    feature = codec.feature
    assert isinstance(feature, LogSTFT)

    def through(z: Tensor) -> Tensor:
        found = []
        for few in z.split(64):
            heights = feature.magnitudes(codec.model.run(few, "decoder"))[:, 0, 1:]
            bands = heights.unflatten(1, (BANDS, -1)).mean(2).transpose(1, 2)
            found.append(bands.unflatten(1, (few.shape[1], -1)).mean(2))
        return torch.cat(found)

    return through


def best_scalar(total: Tensor, mix: Tensor) -> float:
    """What a sum is multiplied with to be nearest to the mix."""
    return float((total * mix).sum() / total.square().sum())


def unit(vectors: Tensor) -> Tensor:
    """Of length 1."""
    return torch.nn.functional.normalize(vectors, dim=-1)


@torch.inference_mode()
def of_system(through: Map, scaled: bool, pools: Sequence[Pool], others: Tensor) -> dict[str, NDArray[np.float64]]:
    """Errors, and what was found, for all pairs of all pools."""
    found: dict[str, list[Tensor]] = {}
    away = through(others).mean(1)
    frames = [(through(one.notes), through(one.mixes)) for one in pools]
    sums = [
        (u.mean(1)[one.first] + u.mean(1)[one.second], m.mean(1)) for one, (u, m) in zip(pools, frames, strict=True)
    ]
    factor = best_scalar(*(torch.cat(side) for side in zip(*sums, strict=True))) if scaled else 1.0
    for one, (u, m), (total, mix) in zip(pools, frames, sums, strict=True):
        own = torch.arange(len(mix))
        partner = own[torch.randperm(len(own), generator=torch.Generator().manual_seed(SEED))]
        apart = float((mix[partner] - mix[partner.roll(1)]).norm(dim=1).mean())
        by_latent = factor * (u[one.first] + u[one.second]) - m
        apart_latent = float((m[partner] - m[partner.roll(1)]).norm(dim=2).mean())
        distances, likeness = torch.cdist(factor * total, mix), unit(total) @ unit(mix).T
        part = u.mean(1)
        candidates = torch.cat([part, away])[: max(CANDIDATES, len(part))]
        rest, wanted = mix / factor - part[one.first], torch.from_numpy(one.second)
        numbers = {
            "error": distances.diagonal() / apart,
            "error, latent by latent": by_latent.norm(dim=2).mean(1) / apart_latent,
            "mix found": (distances.argmin(1) == own).float(),
            "mix found, by cosine": (likeness.argmax(1) == own).float(),
            "missing part found": (torch.cdist(rest, candidates).argmin(1) == wanted).float(),
            "missing part found, by cosine": ((unit(rest) @ unit(candidates).T).argmax(1) == wanted).float(),
        }
        for metric, values in numbers.items():
            found.setdefault(metric, []).append(values)
    return {metric: torch.cat(values).double().numpy() for metric, values in found.items()}


def better(numbers: Mapping[str, NDArray[np.float64]], task: str) -> NDArray[np.float64]:
    """What a system finds by distance or by cosine, whichever finds more: no space is judged by what suits another."""
    return max((numbers[task], numbers[f"{task}, by cosine"]), key=lambda values: float(values.mean()))


@torch.inference_mode()
def sounds(codec: RunCodec, space: MixingSpace, one: Pool, factor: float, count: int) -> dict[str, dict[str, Tensor]]:
    """Multi-resolution distances of decoded mixes and missing parts to the truth."""
    chosen = np.random.default_rng(SEED).permutation(len(one.first))[:count]
    i, j = one.first[chosen], one.second[chosen]
    a, b, mix = one.notes[i], one.notes[j], one.mixes[chosen]
    quiet = space.silence
    ua, ub, um = space.project(a), space.project(b), space.project(mix)
    waves = torch.from_numpy(one.waves)
    tasks = {
        "decoded mix": (waves[i] + waves[j], {
            "one part alone": a, SCALED: factor * (a + b - 2 * quiet) + quiet, OURS: space.restore(ua + ub),
            "decoded latents of the truth": mix,
        }),
        "decoded missing part": (waves[j], {
            "the mix as it is": mix, SCALED: (mix - quiet) / factor - (a - quiet) + quiet,
            OURS: space.restore(um - ua), "decoded latents of the truth": b,
        }),
    }  # fmt: skip
    return {
        task: {
            system: torch.cat(
                [
                    multi_resolution_distance(wave, codec.decode(few))
                    for wave, few in zip(truth.split(8), latents.split(8), strict=True)
                ]
            )
            for system, latents in systems.items()
        }
        for task, (truth, systems) in tasks.items()
    }


def measure(quick: bool, *, run: Path | None = None) -> tuple[list[Row], list[dict[str, object]]]:
    """Rows and goals of all places."""
    codec = codecs.load("gliss-codec")
    assert isinstance(codec, RunCodec)
    folder = run or shipped_folder("mixing")
    space, learned = load_mixing(codec, folder), Run.open(folder)
    quiet = space.silence
    systems: dict[str, tuple[Map, bool]] = {
        PLAIN: (lambda z: z, False),
        SCALED: (lambda z: z - quiet, True),
        MAGNITUDES: (magnitudes(codec), True),
        OURS: (space.project, False),
    }
    rows: list[Row] = []
    goals: list[dict[str, object]] = []
    for name, place in PLACES.items():
        data, rng = tested(learned, name), np.random.default_rng(SEED)
        pools = [pool(codec, data, rng, 12 if quick else NOTES) for _ in range(1 if quick else POOLS)]
        wide = load(name) if len(data) < CANDIDATES else data
        taken = {key for one in pools for key in one.names}
        keys = [key for key in wide if key not in taken]
        drawn = [keys[k] for k in rng.permutation(len(keys))[: 50 if quick else CANDIDATES]]
        others = encoded(
            codec, heard([wide[key] for key in drawn], codec.card.sample_rate, LATENTS * codec.card.hop, rng)
        )
        groups = np.concatenate([1000 * number + one.first for number, one in enumerate(pools)])
        found = {system: of_system(through, scaled, pools, others) for system, (through, scaled) in systems.items()}
        for system, numbers in found.items():
            for metric, values in numbers.items():
                low, high = bootstrap(values, groups, seed=SEED)
                rows.append(Row(place, system, metric, float(values.mean()), len(values), "", low, high))
        for task in ("mix found", "missing part found"):
            ours, untrained = (better(found[system], task) for system in (OURS, SCALED))
            low, high = bootstrap(ours - untrained, groups, seed=SEED)
            gained = float((ours - untrained).mean())
            rows.append(Row(place, f"{OURS}, less {SCALED}", task, gained, len(ours), "", low, high))
            goals.append(
                goal(f"{ISSUE}: {task}, above the best scalar, low end of the difference, {name}", 0.0, low, low > 0)
            )
        share = float(found[OURS]["error"].mean() / found[SCALED]["error"].mean())
        goals.append(goal(f"{ISSUE}: error over that of the best scalar, {name}", 0.5, share, share <= 0.5))
        factor = best_scalar(*(torch.cat(side) for side in zip(*(_sums(one, quiet) for one in pools), strict=True)))
        for task, numbers in sounds(codec, space, pools[0], factor, 4 if quick else HEARD).items():
            for system, distances in numbers.items():
                values = distances.double().numpy()
                low, high = bootstrap(values, np.arange(len(values)), seed=SEED)
                rows.append(Row(place, system, task, float(values.mean()), len(values), "", low, high))
    return rows + effect_map(learned, quick), goals


def effect_map(learned: Run, quick: bool) -> list[Row]:
    """Whether the nearest sound of another source has the same effect, of six and none."""
    codec, data = codecs.load("gliss-codec"), recordings("soundfont-notes")
    parts = learned.split().parts
    effects = {name: Effect.read(text) for name, text in EFFECTS.items()}
    made: list[dict[str, EffectPairs]] = []
    for part, count in zip(("train", "test"), (12, 6) if quick else SOURCES, strict=True):
        keys = {*parts[part]}
        sounds = [one for one in data if isinstance(one.source, Entry) and one.source.key in keys]
        few = [sounds[i] for i in np.random.default_rng(SEED).permutation(len(sounds))[:count]]
        made.append(
            {name: effect_pairs(codec, [(one, effect) for one in few], most=count) for name, effect in effects.items()}
        )
    learn, judge = made
    fitted = EffectMap.fit(learn, steps=60 if quick else 600, seed=SEED)
    trained = statistics(torch.cat([torch.from_numpy(one.wet[-1]) for one in learn.values()]))
    windows = [torch.from_numpy(one.wet[-1]) for one in judge.values()]
    dry = next(iter(judge.values()))
    windows.append(torch.from_numpy(dry.dry[:, dry.past :]))
    names = np.repeat(np.arange(len(windows)), [len(one) for one in windows])
    sources = np.concatenate([np.arange(len(one)) for one in windows])
    rows = []
    for system, through in (
        ("statistics of latents", lambda z: (statistics(z) - trained.mean(0)) / trained.std(0).clamp_min(1e-3)),
        ("map of effects", fitted),
    ):
        with torch.inference_mode():
            placed = through(torch.cat(windows))
        apart = torch.cdist(placed, placed).numpy()
        apart[sources[:, None] == sources] = np.inf
        hit = (names[apart.argmin(1)] == names).astype(np.float64)
        low, high = bootstrap(hit, sources, seed=SEED)
        rows.append(
            Row(EFFECT_PLACE, system, "nearest has the same effect", float(hit.mean()), len(hit), "", low, high)
        )
    chance = 1 / len(windows)
    return [*rows, Row(EFFECT_PLACE, "chance", "nearest has the same effect", chance, len(names), "", chance, chance)]


def _sums(one: Pool, quiet: Tensor) -> tuple[Tensor, Tensor]:
    z = (one.notes - quiet).mean(1)
    return z[one.first] + z[one.second], (one.mixes - quiet).mean(1)


def shown(rows: Sequence[Row]) -> Mapping[tuple[str, str], list[str]]:
    """Numbers by place and system, to print."""
    found: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        found.setdefault((row.data, row.system), []).append(
            f"{row.metric} {row.value:.3f} ({row.low:.3f}..{row.high:.3f})"
        )
    return found


def main() -> None:
    """Measure and print; `algebra.py` writes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--run", type=Path)
    parser.add_argument("--quick", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(1)
    rows, goals = measure(args.quick, run=args.run)
    for (place, system), numbers in shown(rows).items():
        print(f"{place[:40]:42}{system:44}{'; '.join(numbers)}", flush=True)
    for one in goals:
        print(one)


if __name__ == "__main__":
    main()
