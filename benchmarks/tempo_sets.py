"""The test sets of `tempo.py`: recordings with a tempo, at any factor of it; and their embeddings, kept in the cache."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from glissando.audio import Audio, read, resample, stretch
from glissando.audio.scores import Part, Played, render, soundfonts
from glissando.cli.demo import fetch_tracks
from glissando.data import DataSet, Entry, Split, load, official
from glissando.encoders import Encoder
from glissando.paths import aside, cache_dir
from glissando.tasks.tempo import local_rates
from glissando.training import draw_split, load_recipe
from glissando.training.choosing import matching

RATE, CLIP = 16_000, 30.0  # of clips: Hz, seconds
RECIPE = "tempo/renders"  # whose songs to test are ours
UNSEEN = "TimGM6mb"  # the soundfont that trainings leave out
PIECES = 120  # of ASAP
CACHE = cache_dir() / "benchmarks" / "tempo"

Wave = NDArray[np.float32]

opened = cache(load)  # (which takes seconds)


@dataclass(frozen=True)
class Clip:
    """A recording: its name, what it belongs to, its tempo in BPM, other labels, and its sound at a factor of its tempo."""

    name: str
    group: str
    bpm: float
    sound: Callable[[float], Wave]
    labels: Mapping[str, tuple[str, ...]]


def stretched(wave: Wave, factor: float) -> Wave:
    """A wave at a factor of its tempo."""
    return wave if factor == 1 else np.asarray(stretch(Audio(wave, RATE), factor).samples, np.float32)


def middle(wave: Wave, factor: float) -> Wave:
    """What lasts 30 s once it is stretched, from the middle of a wave."""
    half, centre = int(CLIP * factor / 2 * RATE), len(wave) // 2
    return stretched(wave[max(0, centre - half) : centre + half], factor)


def games() -> Iterator[Clip]:
    """Real music of games that train nothing, with the tempo on which two models of tempocnn agree."""
    data = opened("game-music")
    for key in official(data).parts["test"]:
        labels = data[key].annotations.labels
        if "tempo" in labels:
            sound = _cut(data[key])
            yield Clip(key, labels["game"][0], float(labels["tempo"][0]), sound, labels)


def _cut(entry: Entry) -> Callable[[float], Wave]:
    return lambda factor: middle(entry.read(), factor)


def first_takes(data: DataSet) -> DataSet:
    """One rendering of every song with every soundfont; further takes are for training alone."""
    return data.subset([key for key, entry in data.items() if entry.annotations.labels["take"] == ("0",)])


@cache
def of_recipe() -> tuple[DataSet, Split]:
    """What the recipe takes of the renders, and how it parts that."""
    part = load_recipe(RECIPE).data
    data = matching(opened(part.name), part)
    return data, draw_split(data, part)


def renders() -> Iterator[Clip]:
    """Songs that the recipe keeps for the test, played by a soundfont that it leaves out; 26 s before any stretch."""
    data, split = of_recipe()
    pieces = {data[key].groups["piece"] for key in split.parts["test"]}
    for key, entry in first_takes(opened("tempo-renders")).items():
        labels = entry.annotations.labels
        if labels["soundfont"] == (UNSEEN,) and entry.groups["piece"] in pieces:
            yield Clip(key, entry.groups["piece"], float(labels["tempo"][0]), _whole(entry), labels)


def _whole(entry: Entry) -> Callable[[float], Wave]:
    return lambda factor: stretched(entry.read(), factor)


def performances() -> Iterator[Clip]:
    """Piano performances with rubato, one of every piece; their tempo is that of the beats around the middle."""
    data, folder = opened("asap"), CACHE / "asap"
    folder.mkdir(parents=True, exist_ok=True)
    font = next(font for font in soundfonts() if font.stem == UNSEEN)
    pieces: set[str] = set()
    for key, entry in data.items():
        notes, piece = entry.annotations.notes, entry.annotations.labels["piece"][0]
        centre = float(notes[:, 1].max()) / 2 if len(notes) else 0.0
        times = centre + np.linspace(-7.5, 7.5, 5)
        bpm = 60 * float(np.median(local_rates(entry.annotations, times)[0]))
        if piece in pieces or not np.isfinite(bpm) or centre < CLIP or len(pieces) >= PIECES:
            continue
        pieces.add(piece)
        near = notes[np.abs(notes[:, 0] - centre) < CLIP]
        yield Clip(key, piece, bpm, _rendered(near, font, folder / f"{key}.npy"), entry.annotations.labels)


def _rendered(notes: NDArray[np.float64], font: Path, path: Path) -> Callable[[float], Wave]:
    def sound(factor: float) -> Wave:
        if not path.exists():
            played = [Played(on - notes[0, 0], off - notes[0, 0], int(pitch), 80) for on, off, pitch in notes.tolist()]
            with aside(path) as part, part.open("wb") as file:
                np.save(file, render([Part(played)], soundfont=font, sample_rate=RATE))
        return middle(np.load(path), factor)

    return sound


def demo() -> Iterator[Clip]:
    """The demo's 28 tracks, at the tempo that their names were given."""
    music, nominal = fetch_tracks(cache_dir() / "demo")
    for path in sorted(music.rglob("*.opus")):
        mood, kind, *_ = path.stem.split("_")
        labels = {"mood": (mood,), "kind": (kind,)}
        yield Clip(path.stem, path.stem, nominal[path.name], _file(path), labels)


def _file(path: Path) -> Callable[[float], Wave]:
    return lambda factor: stretched(read(path, sample_rate=RATE).samples, factor)


SETS: Mapping[str, Callable[[], Iterator[Clip]]] = {
    "game music (real)": games,
    f"POP909, {UNSEEN} (synthetic)": renders,
    "ASAP (synthetic, rubato)": performances,
}


def embedded(clips: Sequence[Clip], encoder: Encoder, factors: Sequence[float]) -> dict[str, NDArray[np.float32]]:
    """Embeddings of clips at factors of their tempo, [clip, factor, dim], and of their other outputs the means.

    Every clip and factor is a file in the cache: a benchmark that was killed goes on.
    """
    found: dict[str, list[Wave]] = {}
    folder = CACHE / encoder.card.space_id.replace(":", "-")
    folder.mkdir(parents=True, exist_ok=True)
    for i, clip in enumerate(clips):
        each: dict[str, list[Wave]] = {}
        for factor in factors:
            path = folder / f"{clip.name.replace('/', '_')}-{factor:.4f}.npz"
            if not path.exists():
                wave = resample(clip.sound(factor), RATE, encoder.card.sample_rate)
                with torch.inference_mode():
                    outputs = encoder.outputs(torch.from_numpy(np.ascontiguousarray(wave))[None])
                kept = {
                    name: outputs[name]
                    for name in ("embedding", "beats", "autocorrelation", "chroma")
                    if name in outputs
                }
                with aside(path) as part, part.open("wb") as file:
                    np.savez(file, **{name: value[0].mean(0).numpy() for name, value in kept.items()})
                if i % 20 == 0:
                    print(f"{encoder.card.name}: {i}/{len(clips)} at {factor:.2f}", flush=True)
            with np.load(path) as held:
                for name in held.files:
                    each.setdefault(name, []).append(held[name])
        for name, values in each.items():
            found.setdefault(name, []).append(np.stack(values))
    return {name: np.stack(values) for name, values in found.items()}
