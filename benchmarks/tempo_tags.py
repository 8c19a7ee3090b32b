"""Labels along a tempo contour: does a query at any tempo find more of what belongs together? Part of `tempo.py`.

A plain query compares embeddings as they are, a contour query each with the nearest point of the query's translations
to 0.5..2, and a tempo-blind embedding knows nothing of tempo. No label comes from an encoder.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from report import Row, bootstrap
from tempo_sets import RATE, SETS, Clip, demo, embedded, first_takes, opened, renders

import glissando.encoders
from glissando.audio import resample
from glissando.data import Entry
from glissando.latent import Contour, ShiftTranslator, translations
from glissando.latent.contour import FACTORS
from glissando.library.embedding import unit

KS = (1, 5, 10, 50, 100)
LOOP = 20.0  # seconds of a looped clip
WEIGHTS = {"timbre": 0.5, "rhythm": 0.5}
SEED = 0

Vectors = NDArray[np.float32]


def every_render() -> Iterator[Clip]:
    """Songs to test by all soundfonts: each at three tempi, by three bands."""
    wanted, data = {clip.group for clip in renders()}, first_takes(opened("tempo-renders"))
    for key, entry in data.items():
        if entry.groups["piece"] in wanted:
            labels = entry.annotations.labels
            lead = {"song": labels["piece"], "leading instrument": labels["programs"][:1], "drums": labels["drums"]}
            yield Clip(key, entry.groups["piece"], float(labels["tempo"][0]), lambda _, entry=entry: entry.read(), lead)


def loops() -> Iterator[Clip]:
    """Clips of instruments, the first beat of each repeated at a tempo drawn from 60 to 180 BPM."""
    for key, entry in opened("instruments").items():
        bpm = float(60 * 3 ** np.random.default_rng([SEED, sum(key.encode())]).random())
        labels = {"instrument": next(iter(entry.annotations.labels.values()))}
        yield Clip(f"loop-{key}", key, bpm, lambda _, entry=entry, bpm=bpm: looped(entry, bpm), labels)


def looped(entry: Entry, bpm: float) -> NDArray[np.float32]:
    """The beginning of a clip, once a beat."""
    wave, period = resample(entry.read(), entry.sample_rate, RATE), int(60 / bpm * RATE)
    first = max(0, int(np.argmax(np.abs(wave) > 0.1 * np.abs(wave).max())) - RATE // 100)
    beat = np.pad(wave[first : first + period], (0, max(0, period - len(wave[first : first + period]))))
    fade = min(len(beat), RATE // 50)
    beat[-fade:] *= np.linspace(1, 0, fade, dtype=np.float32)
    return np.tile(beat, int(LOOP * RATE / period) + 1)[: int(LOOP * RATE)].astype(np.float32)


def precision(
    similar: NDArray[np.float64], labels: Sequence[tuple[str, ...]]
) -> dict[int, tuple[NDArray[np.float64], NDArray[np.int64]]]:
    """Share of the k nearest that have a label of the query; queries are those whose label others have too."""
    has = np.array([[bool({*mine} & {*other}) for other in labels] for mine in labels])
    np.fill_diagonal(has, False)
    queries = np.flatnonzero(has.any(1))
    np.fill_diagonal(similar, -np.inf)
    order = np.argsort(-similar, axis=1, kind="stable")
    return {k: (np.array([has[i, order[i, :k]].mean() for i in queries]), queries) for k in KS if k < len(labels)}


def along(query: Mapping[str, Vectors], shift: ShiftTranslator) -> NDArray[np.float64]:
    """Similarity of every pair, each at the factor at which the first, translated, is nearest to the second."""
    points = translations(shift, query["rhythm"])  # [factor, clip, dim]
    found = np.empty((len(query["rhythm"]),) * 2)
    for i in range(len(found)):
        found[i] = Contour(FACTORS, points[:, i]).nearest(query["rhythm"])[0]
    return WEIGHTS["timbre"] * (query["timbre"] @ query["timbre"].T) + WEIGHTS["rhythm"] * found


def rows(sets: Mapping[str, list[Clip]], *, quick: bool) -> list[Row]:
    """Precision at k of every kind of label, and the relative gain of the contour."""
    listed: dict[str, Callable[[], Iterator[Clip]] | list[Clip]] = {
        "28 demo tracks": demo,
        "game music (real)": sets[next(iter(SETS))],
        "renders at three tempi (synthetic)": every_render,
        "instruments, looped at random tempi (synthetic)": loops,
    }
    spaces = {"rhythm": "gliss-tempo", "timbre": "rhythm" if quick else "musicnn-msd"}
    encoders = {block: glissando.encoders.load(name) for block, name in spaces.items()}
    shift, made = ShiftTranslator("gliss-tempo"), []
    for name, source in listed.items():
        clips = [*(source() if callable(source) else source)][:: 20 if quick else 1]
        query = {block: unit(embedded(clips, encoder, [1.0])["embedding"][:, 0]) for block, encoder in encoders.items()}
        blind = (query["timbre"] @ query["timbre"].T).astype(np.float64)
        rhythm = (query["rhythm"] @ query["rhythm"].T).astype(np.float64)
        systems = {
            "plain": WEIGHTS["timbre"] * blind + WEIGHTS["rhythm"] * rhythm,
            "contour": along(query, shift),
            "tempo-blind (timbre alone)": blind,
            "in any order": np.random.default_rng(SEED).random(blind.shape),
        }
        for kind in dict.fromkeys(kind for clip in clips for kind in clip.labels if kind not in UNUSED):
            labels = [clip.labels.get(kind, ()) for clip in clips]
            scored = {system: precision(similar.copy(), labels) for system, similar in systems.items()}
            made += table(f"Labels along the contour: {name}, {kind}", scored)
    return made


UNUSED = ("title", "licence", "tempo", "part", "split", "artist")


def table(data: str, scored: Mapping[str, Mapping[int, tuple[NDArray[np.float64], NDArray[np.int64]]]]) -> list[Row]:
    """A row per system and k, and what the contour gains over plain."""
    made = []
    for system, by_k in scored.items():
        for k, (values, queries) in by_k.items():
            if len(values):
                low, high = bootstrap(values, queries, seed=SEED)
                made.append(Row(data, system, f"precision@{k}", float(values.mean()), len(values), "", low, high))
    means = {(row.system, row.metric): row.value for row in made}
    gains = [
        replace(
            row,
            system="contour over plain, less 1",
            value=row.value / means["plain", row.metric] - 1,
            low=None,
            high=None,
        )
        for row in made
        if row.system == "contour" and means["plain", row.metric] > 0
    ]
    return [*made, *gains]
