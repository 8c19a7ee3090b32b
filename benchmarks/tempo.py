"""Similar but faster: are the nearest at the wanted tempo, for every encoder and way to translate its embeddings?

    python tempo.py [--quick]

Three test sets: real game music (Debian's packages), songs of POP909 that no training has seen, played by a soundfont
that no training has heard (``gliss data build tempo-renders``), and performances of ASAP (``gliss data build asap``),
played on a piano. Galleries hold the originals; every clip is a query at nine factors 0.5..2 (and 0.25, 4). The oracle's
query is the clip truly time-stretched. The query's own recording never counts.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import game_music
import numpy as np
import torch
from numpy.typing import NDArray
from report import Row, bootstrap, write

import glissando.encoders
from glissando.audio import Audio, is_silent, read, resample, stretch
from glissando.audio.scores import Part, Played, render, soundfonts
from glissando.data import load, split_by
from glissando.encoders import Encoder
from glissando.features import estimate_tempo, peak_tempo
from glissando.latent import ShiftTranslator
from glissando.metrics import tempo_hit
from glissando.paths import cache_dir
from glissando.tasks.tempo import local_rates

SEED, RATE, CLIP = 0, 16_000, 30.0  # of every clip: Hz, seconds
INSIDE = [float(2 ** (step / 4)) for step in range(-4, 5)]
FACTORS = [0.25, *INSIDE, 4.0]
ONE = FACTORS.index(1.0)
KS, LEAST = (1, 5), 10  # nearest that count; tracks in the wanted band without which a query does not
METRICS = {
    f"{name}, {tolerance:.0%}, k={k}": (tolerance, octaves, k)
    for name, octaves in (("strict", False), ("octaves forgiven", True))
    for tolerance in (0.04, 0.08)
    for k in KS
}
UNSEEN = "TimGM6mb"  # the soundfont that trainings leave out
CACHE = cache_dir() / "benchmarks" / "tempo"
LABELS = Path(__file__).parent / "peers" / "tempocnn" / "labels.json"
ENCODERS = ("rhythm", "gliss-tempo")


@dataclass(frozen=True)
class Clip:
    """One recording: its name, what it belongs to, its tempo in BPM, and how to get at its sound."""

    name: str
    group: str
    bpm: float
    sound: Callable[[float], NDArray[np.float32]]  # at a factor of its tempo; 16 kHz


def stretched(wave: NDArray[np.float32], factor: float) -> NDArray[np.float32]:
    """A wave at a factor of its tempo."""
    return wave if factor == 1 else np.asarray(stretch(Audio(wave, RATE), factor).samples, np.float32)


def middle(wave: NDArray[np.float32], factor: float) -> NDArray[np.float32]:
    """What lasts 30 s once it is stretched, from the middle of a wave."""
    half, centre = int(CLIP * factor / 2 * RATE), len(wave) // 2
    return stretched(wave[max(0, centre - half) : centre + half], factor)


def games() -> Iterator[Clip]:
    """Real music, with the tempo on which two models of tempocnn agree."""
    labels = json.loads(LABELS.read_text())
    tracks = [one for one in game_music.fetch(CACHE.parent / "packages") if one.duration >= 2 * CLIP]
    for i, track in enumerate(tracks):
        said = labels.get(f"{i:03}")
        if said is None or abs(said["fcn"] / said["cnn"] - 1) > 0.04:
            continue

        def sound(factor: float, path: str = track.path, centre: float = track.duration / 2) -> NDArray[np.float32]:
            reach = CLIP * max(1.0, factor) / 2
            wave = read(path, sample_rate=RATE, start=max(0.0, centre - reach), end=centre + reach).samples
            return middle(wave, factor)

        if not is_silent(sound(1.0)):
            yield Clip(f"{i:03}", track.game, said["fcn"], sound)


def renders() -> Iterator[Clip]:
    """Songs that the recipe tempo/renders keeps for the test, played by a soundfont that it leaves out."""
    data = load("tempo-renders")
    for key, entry in (
        split_by(data, "piece", fractions={"train": 0.8, "valid": 0.1, "test": 0.1}, seed=0).of(data, "test").items()
    ):
        labels = entry.annotations.labels
        if labels["soundfont"][0] == UNSEEN:
            yield Clip(
                key,
                labels["piece"][0],
                float(labels["tempo"][0]),
                lambda factor, entry=entry: stretched(entry.read(), factor),
            )


def performances(count: int = 120) -> Iterator[Clip]:
    """Piano performances with rubato; one of every piece, and the tempo that its beats have around the middle."""
    data, folder = load("asap"), CACHE / "asap"
    folder.mkdir(parents=True, exist_ok=True)
    font = next(font for font in soundfonts() if font.stem == UNSEEN)
    pieces: set[str] = set()
    for key, entry in data.items():
        notes, piece = entry.annotations.notes, entry.annotations.labels["piece"][0]
        centre = float(notes[:, 1].max()) / 2 if len(notes) else 0.0
        bpm = 60 * float(local_rates(entry.annotations, np.array([centre]))[0, 0])
        if piece in pieces or not np.isfinite(bpm) or centre < CLIP or len(pieces) >= count:
            continue
        pieces.add(piece)
        path = folder / f"{key}.npy"
        if not path.exists():
            near = notes[np.abs(notes[:, 0] - centre) < CLIP]
            played = [Played(on - near[0, 0], off - near[0, 0], int(pitch), 80) for on, off, pitch in near.tolist()]
            np.save(path, render([Part(played)], soundfont=font, sample_rate=RATE))
        yield Clip(key, piece, bpm, lambda factor, path=path: middle(np.load(path), factor))


SETS: Mapping[str, Callable[[], Iterator[Clip]]] = {
    "game music (real)": games,
    f"POP909, {UNSEEN} (synthetic)": renders,
    "ASAP (synthetic, rubato)": performances,
}


def embedded(clip: Clip, encoder: Encoder, factors: list[float]) -> dict[str, NDArray[np.float32]]:
    """Embedding of a clip at every factor, and what its encoder hears of its tempo; kept in the cache."""
    path = CACHE / encoder.card.space_id.replace(":", "-") / f"{clip.name}-{len(factors)}.npz"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        vectors = []
        with torch.inference_mode():
            for factor in factors:
                wave = resample(clip.sound(factor), RATE, encoder.card.sample_rate)
                found = encoder.outputs(torch.from_numpy(np.ascontiguousarray(wave))[None])
                vectors.append(found["embedding"][0].mean(0).numpy())
                if factor == 1:
                    pulse = found.get("autocorrelation", found.get("beats", torch.zeros(1, 1, 1)))[0].mean(0).numpy()
        np.savez(path, vectors=np.stack(vectors), pulse=pulse)
    with np.load(path) as held:
        return dict(held)


def unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Vectors of length 1."""
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True).clip(1e-9)


def retrieval(
    queries: NDArray[np.float32], gallery: NDArray[np.float32], clips: list[Clip], factors: list[float]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Shares of hits, [query, metric], and the clips that the queries are of; queries are [clip, factor, dim]."""
    bpm = np.array([clip.bpm for clip in clips])
    groups = np.array([clip.name for clip in clips])
    found, owner = [], []
    for i in range(len(clips)):
        others = np.flatnonzero(groups != groups[i])
        for j, factor in enumerate(factors):
            wanted = bpm[i] * factor
            if tempo_hit(bpm[others], wanted, tolerance=0.08).sum() < LEAST:
                continue
            ranked = others[np.argsort(-(gallery[others] @ queries[i, j]), kind="stable")]
            found.append(
                [
                    float(tempo_hit(bpm[ranked[:k]], wanted, tolerance=tolerance, octaves=octaves).mean())
                    for tolerance, octaves, k in METRICS.values()
                ]
            )
            owner.append(i)
    return np.array(found).reshape(-1, len(METRICS)), np.array(owner, np.int64)


def chance(clips: list[Clip], factors: list[float]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """What a gallery in any order gives, as `retrieval`."""
    rng = np.random.default_rng(SEED)
    noise = [
        unit(rng.normal(size=shape).astype(np.float32)) for shape in ((len(clips), len(factors), 64), (len(clips), 64))
    ]
    return retrieval(*noise, clips, factors)


def main() -> None:
    """Run every system on every set and write ``results/tempo.json``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="what is embedded already, 40 clips a set; writes nothing")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    rows: list[Row] = []
    for name, listed in SETS.items():
        clips = [clip for _, clip in zip(range(40 if asked.quick else 10_000), listed(), strict=False)]
        inside = [FACTORS.index(factor) for factor in INSIDE]
        systems: dict[str, tuple[NDArray[np.float64], NDArray[np.int64]]] = {"chance": chance(clips, INSIDE)}
        for encoder_name in ENCODERS:
            encoder = glissando.encoders.load(encoder_name)
            held = [embedded(clip, encoder, FACTORS) for clip in clips]
            vectors = unit(np.stack([one["vectors"] for one in held]))
            gallery, shift = vectors[:, ONE], ShiftTranslator(encoder_name)
            with torch.inference_mode():
                moved = np.stack([shift(torch.from_numpy(gallery), tempo_ratio=f).numpy() for f in FACTORS], 1)
            for way, queries in (
                ("shift", moved),
                ("oracle", vectors),
                ("no-op", np.repeat(gallery[:, None], len(FACTORS), 1)),
            ):
                systems[f"{encoder_name}, {way}"] = retrieval(queries[:, inside], gallery, clips, INSIDE)
            rows += accuracy(name, encoder_name, clips, [one["pulse"] for one in held])
        for system, (shares, owner) in systems.items():
            for m, metric in enumerate(METRICS):
                low, high = bootstrap(shares[:, m], owner, seed=SEED)
                rows.append(
                    Row(f"Retrieval: {name}", system, metric, float(shares[:, m].mean()), len(shares), "", low, high)
                )
    for row in rows:
        if "4%" not in row.metric:
            print(
                f"{row.data:44} {row.system:24} {row.metric:28} {row.value:.3f} ({row.low:.3f}..{row.high:.3f}) n={row.n}"
            )
    if not asked.quick:
        write("tempo", rows, seed=SEED, title="Similar but faster", notes=[__doc__ or ""])


def accuracy(data: str, encoder: str, clips: list[Clip], pulses: list[NDArray[np.float32]]) -> list[Row]:
    """Accuracy of the tempo that an encoder hears."""
    read_off = {"rhythm": estimate_tempo, "gliss-tempo": lambda pulse: peak_tempo(pulse.astype(np.float64))}[encoder]
    found = np.array([one.bpm if (one := read_off(pulse)) else np.nan for pulse in pulses])
    truth, rows = np.array([clip.bpm for clip in clips]), []
    for metric, octaves in (("Acc1", False), ("Acc2", True)):
        right = tempo_hit(np.nan_to_num(found), truth, octaves=octaves).astype(float)
        low, high = bootstrap(right, np.arange(len(right)), seed=SEED)
        rows.append(Row(f"Tempo: {data}", encoder, metric, float(right.mean()), len(right), "", low, high))
    return rows


if __name__ == "__main__":
    main()
