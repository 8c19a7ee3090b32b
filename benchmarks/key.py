"""The key of music, and similar music in another key, on POP909 as FluidSynth plays it (synthetic).

    python key.py --labels POP909 [--quick]     # the archive or folder; before: gliss data build pop909-renders

Only songs whose label names one key. Odd-numbered songs were there to choose profiles, constants and layout by; all else
is measured on even-numbered ones: the estimate beside librosa's chroma with Krumhansl's profiles, and whether the
nearest of a query that was transposed are in the wanted key. The oracle's query is the truly pitch-shifted audio.
"""

from __future__ import annotations

import argparse
import re
import tarfile
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import mir_eval
import numpy as np
import torch
from numpy.typing import NDArray
from report import Row, bootstrap, write

from glissando import Library, encoders
from glissando.audio import Audio, pitch_shift, read, resample
from glissando.data import load
from glissando.features import KEYS, Key, KeyEstimate
from glissando.features.key import PROFILES as OURS
from glissando.latent import KeyShift
from glissando.library import Embedder
from glissando.library.columns import matrix
from glissando.paths import cache_dir

SEED, K, SONGS = 0, 5, 200
SHIFTS = range(-6, 7)
ORACLE_EVERY = 3
WEIGHTS = {"1/3": 0.5, "1/2 (the default)": 1.0}  # share of the score: weight beside 0.5 and 0.5
PROFILES = {
    "Noland & Sandler 2007 (ours)": OURS,
    "Krumhansl & Kessler 1982": (
        (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88),
        (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17),
    ),
    "Temperley 1999": (
        (5.0, 2.0, 3.5, 2.0, 4.5, 4.0, 2.0, 4.5, 2.0, 3.5, 1.5, 4.0),
        (5.0, 2.0, 3.5, 4.5, 2.0, 4.0, 2.0, 4.5, 3.5, 2.0, 1.5, 4.0),
    ),
    "Temperley 2007 (Kostka-Payne)": (
        (0.748, 0.060, 0.488, 0.082, 0.670, 0.460, 0.096, 0.715, 0.104, 0.366, 0.057, 0.400),
        (0.712, 0.084, 0.474, 0.618, 0.049, 0.460, 0.105, 0.747, 0.404, 0.067, 0.133, 0.330),
    ),
    "Bellman 2005 (Budge)": (
        (16.80, 0.86, 12.95, 1.41, 13.49, 11.93, 1.25, 20.28, 1.80, 8.04, 0.62, 10.57),
        (18.16, 0.69, 12.99, 13.34, 1.07, 11.15, 1.38, 21.07, 7.49, 1.53, 0.92, 10.21),
    ),
    "Gómez 2006": (
        (0.82, 0.00, 0.55, 0.00, 0.53, 0.30, 0.08, 1.00, 0.00, 0.38, 0.00, 0.47),
        (0.81, 0.00, 0.53, 0.54, 0.00, 0.27, 0.07, 1.00, 0.27, 0.07, 0.10, 0.36),
    ),
    "Sha'ath 2011": (
        (6.6, 2.0, 3.5, 2.3, 4.6, 4.0, 2.5, 5.2, 2.4, 3.7, 2.3, 3.4),
        (6.5, 2.7, 3.5, 5.4, 2.6, 3.5, 2.5, 5.2, 4.0, 2.7, 4.3, 3.2),
    ),
    "Albrecht & Shanahan 2013": (
        (0.238, 0.006, 0.111, 0.006, 0.137, 0.094, 0.016, 0.214, 0.009, 0.080, 0.008, 0.081),
        (0.220, 0.006, 0.104, 0.123, 0.019, 0.103, 0.012, 0.214, 0.062, 0.022, 0.061, 0.052),
    ),
    "Faraldo et al. 2016 (EDMA)": (
        (0.1652, 0.0475, 0.0829, 0.0669, 0.0999, 0.0927, 0.0529, 0.1316, 0.0522, 0.0744, 0.0694, 0.0643),
        (0.1724, 0.0534, 0.0761, 0.1004, 0.0562, 0.0853, 0.0498, 0.1345, 0.0746, 0.0500, 0.0919, 0.0555),
    ),
}
KRUMHANSL = "Krumhansl & Kessler 1982"
NOTHING = Audio(np.zeros(0, np.float32), 22_050)

Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class Song:
    """A recording, its key by the label, and what the chroma encoder says of it."""

    name: str
    audio: Audio
    key: Key
    vector: Vectors
    chroma: NDArray[np.float64]
    estimate: KeyEstimate | None


def labels(place: Path) -> dict[str, Key]:
    """The key of every song that has one throughout."""
    if place.is_dir():
        texts = {path.parent.name: path.read_text() for path in place.rglob("key_audio.txt")}
    else:
        with tarfile.open(place) as archive:
            members = [one for one in archive if one.name.endswith("/key_audio.txt")]
            texts = {one.name.split("/")[-2]: archive.extractfile(one).read().decode() for one in members}  # type: ignore[union-attr]
    named = {song: {line.split()[2] for line in text.splitlines() if line.strip()} for song, text in texts.items()}
    return {song: Key.parse(min(keys).replace(":", " ")) for song, keys in named.items() if len(keys) == 1}


def heard(name: str, audio: Audio, key: Key, encoder: encoders.Encoder) -> Song:
    """What the library would store."""
    wave = resample(audio.samples, audio.sample_rate, 16_000)
    embedded = Embedder({"chroma": encoder}).embed({16_000: wave})
    with torch.inference_mode():
        chroma = encoder.outputs(torch.from_numpy(wave)[None])["chroma"][0].mean(0).double().numpy()
    return Song(name, audio, key, embedded.vectors["chroma"], chroma, embedded.key)


def best_fit(chroma: NDArray[np.float64], profiles: Sequence[Sequence[float]]) -> Key:
    """The key whose profile correlates best (Krumhansl's method)."""
    fits = [np.corrcoef(np.roll(profiles[key.minor], key.tonic), chroma)[0, 1] for key in KEYS]
    return KEYS[int(np.argmax(fits))]


def by_librosa(data: str, songs: Sequence[Song]) -> list[Row]:
    """What one writes with librosa: the mean of its chroma, and Krumhansl's profiles (or ours)."""
    import librosa

    truth = [song.key for song in songs]
    chroma = [librosa.feature.chroma_cqt(y=s.audio.samples, sr=s.audio.sample_rate).mean(1) for s in songs]
    return [
        row
        for said, profiles in {"Krumhansl & Kessler": PROFILES[KRUMHANSL], "our profiles": OURS}.items()
        for row in scored(data, f"librosa chroma_cqt, {said}", truth, [best_fit(one, profiles) for one in chroma])
    ]


def scored(data: str, system: str, truth: Sequence[Key], found: Sequence[Key | None]) -> list[Row]:
    """MIREX score, accuracy, and the share that --harmonic would forgive."""
    names = [key.name if key else "X" for key in found]
    metrics = {
        "weighted score": [mir_eval.key.weighted_score(t.name, f) for t, f in zip(truth, names, strict=True)],
        "accuracy": [float(t == f) for t, f in zip(truth, found, strict=True)],
        "right or compatible": [float(f in t.compatible()) for t, f in zip(truth, found, strict=True)],
    }
    return [_row(data, system, metric, values, range(len(values))) for metric, values in metrics.items()]


def _row(data: str, system: str, metric: str, values: Sequence[float], groups: Sequence[int]) -> Row:
    numbers = np.array(values, float)
    low, high = bootstrap(numbers, np.array(groups), seed=SEED)
    print(f"{data[:28]:28} {system[:60]:60} {metric:24} {numbers.mean():.3f} ({low:.3f}..{high:.3f})", flush=True)
    return Row(data, system, metric, float(numbers.mean()), len(numbers), "", low, high)


def estimates(songs: Sequence[Song], others: Sequence[Song]) -> list[Row]:
    """The estimate on held-out songs, and the profiles on those that they were chosen by."""
    data, truth = f"Key estimate: {len(songs)} held-out songs", [song.key for song in songs]
    ours = [song.estimate for song in songs]
    rows = scored(data, "Glissando", truth, [one.key if one else None for one in ours])
    sure = np.array([one.confidence if one else 0.0 for one in ours])
    right = np.array([one is not None and one.key == key for one, key in zip(ours, truth, strict=True)], float)
    rows.append(_row(data, "Glissando", "mean confidence", sure, range(len(sure))))
    for half, chosen in (("more", sure > np.median(sure)), ("less", sure <= np.median(sure))):
        rows.append(_row(data, f"Glissando, the {half} confident half", "accuracy", right[chosen], range(chosen.sum())))
    kk = [best_fit(song.chroma, PROFILES[KRUMHANSL]) for song in songs]
    rows += scored(data, "our pitch classes, Krumhansl & Kessler", truth, kk)
    rows += by_librosa(data, songs)
    often = Counter(song.key for song in others).most_common(1)[0][0]
    rows += scored(data, f"always {often.name}, the most frequent of the others", truth, [often] * len(songs))
    data = f"Profiles, on the {len(others)} songs that they were chosen by"
    for name, profiles in PROFILES.items():
        rows += scored(data, name, [s.key for s in others], [best_fit(s.chroma, profiles) for s in others])
    return rows


def demo_tracks(encoder: encoders.Encoder) -> list[Row]:
    """Generated music, with the keys that were asked of the generator."""
    from glissando.cli.demo import fetch_tracks

    music, _ = fetch_tracks(cache_dir() / "demo")
    asked = dict(re.findall(r"(\S+\.opus)\s+\d+ bpm\s+(\S+ \S+)", (music / "LICENSE-MUSIC").read_text()))
    songs = [
        heard(path.name, read(path, sample_rate=22_050), Key.parse(asked[path.name]), encoder)
        for path in sorted(music.rglob("*.opus"))
    ]
    data, truth = (
        "Key estimate: 28 demo tracks, whose keys are what the generator was asked for",
        [s.key for s in songs],
    )
    rows = scored(data, "Glissando", truth, [song.estimate.key if song.estimate else None for song in songs])
    return rows + by_librosa(data, songs)


Search = Callable[[int, int], Sequence[int] | None]  # song and semitones to the five nearest songs


def retrieval(songs: Sequence[Song], systems: Mapping[str, Search]) -> list[Row]:
    """How many of the five nearest are in the wanted key."""
    data = f"Similar but transposed: {len(songs)} songs, -6 to +6 semitones, key of the five nearest"
    found: dict[str, list[tuple[int, float, float]]] = {}
    for i, song in enumerate(songs):
        others = [other.key for j, other in enumerate(songs) if j != i]
        for semitones in SHIFTS:
            wanted = song.key.transposed(semitones)
            if others.count(wanted) < K:
                continue
            hits = {name: near for name, search in systems.items() if (near := search(i, semitones)) is not None}
            of = {**{name: [songs[j].key for j in near] for name, near in hits.items()}, "chance": others}
            relative = wanted.compatible()[-1]
            for name, keys in of.items():
                same, close = ([key == one for key in keys] for one in (wanted, relative))
                found.setdefault(name, []).append((i, float(np.mean(same)), float(np.mean(close))))
    rows = []
    for name, values in found.items():
        groups, same, close = (np.array(column) for column in zip(*values, strict=True))
        rows.append(_row(data, name, "wanted key", same, groups))
        rows.append(_row(data, name, "its relative", close, groups))
        rows.append(_row(data, name, "relative counted half", same + close / 2, groups))
    return rows


def systems(songs: Sequence[Song], encoder: encoders.Encoder, others: Mapping[str, Vectors]) -> dict[str, Search]:
    """Chroma alone: shifted, as it is, and truly pitch-shifted; and as the command joins it with the other blocks."""
    vectors, shift = np.stack([song.vector for song in songs]), KeyShift()

    def nearest(i: int, query: Vectors, weights: Mapping[str, float] | None = None) -> list[int]:
        scores = vectors @ query
        for block, weight in (weights or {}).items():
            scores = scores + weight * (others[block] @ others[block][i])
        return [j for j in np.argsort(-scores, kind="stable") if j != i][:K]

    def turned(i: int, semitones: int) -> Vectors:
        return shift(torch.from_numpy(vectors[i]), semitones=semitones).numpy()

    def oracle(i: int, semitones: int) -> list[int] | None:
        if i % ORACLE_EVERY:
            return None
        shifted = pitch_shift(songs[i].audio, semitones) if semitones else songs[i].audio
        return nearest(i, heard("", shifted, songs[i].key, encoder).vector)

    found: dict[str, Search] = {
        "shift, chroma only": lambda i, n: nearest(i, turned(i, n)),
        "no-op, chroma only": lambda i, _: nearest(i, vectors[i]),
    }
    if others:
        found["oracle, chroma only (every third song)"] = oracle
    for share, weight in WEIGHTS.items() if others else ():
        rest = dict.fromkeys(others, 0.5 / weight)
        name = f"--key +N: chroma {share} of the score, timbre and rhythm the rest"
        found[name] = lambda i, n, rest=rest: nearest(i, turned(i, n), rest)
    return found


def harmonic(songs: Sequence[Song], library: Library) -> list[Row]:
    """How many of the hits of --harmonic are in a compatible key by their labels."""
    data = f"--harmonic: {len(songs)} songs, five hits, key compatible by both labels"
    place = {song.name: song for song in songs}
    ways = {"--harmonic": {"harmonic": True}, "plain search": {}}
    values: dict[str, list[float]] = {name: [] for name in (*ways, "chance")}
    for song in songs:
        mixes = song.key.compatible()
        for name, options in ways.items():
            hits = library.search(song.name, k=K, **options)
            values[name].append(float(np.mean([place[str(hit.title)].key in mixes for hit in hits])))
        values["chance"].append(float(np.mean([other.key in mixes for other in songs if other is not song])))
    return [_row(data, name, "compatible", shares, range(len(songs))) for name, shares in values.items()]


def costs(songs: Sequence[Song], encoder: encoders.Encoder) -> list[Row]:
    """CPU time, one thread."""
    musicnn = encoders.load("musicnn-msd")
    audio = [resample(song.audio.samples, song.audio.sample_rate, 16_000) for song in songs]
    minutes, rows = sum(map(len, audio)) / 16_000 / 60, []
    for name, block in {"chroma block and key": encoder, "timbre block (musiCNN)": musicnn}.items():
        embedder = Embedder({name: block})
        started = time.process_time()
        for wave in audio:
            embedder.embed({16_000: wave})
        value = (time.process_time() - started) / minutes
        print(f"{name}: {value:.4f} CPU-seconds a minute")
        rows.append(Row("Cost", name, "CPU-seconds per minute of audio", value, len(audio)))
    return rows


def main() -> None:
    """Measure and write ``results/key.json``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--labels", type=Path, required=True, help="POP909: its archive, or the folder")
    parser.add_argument("--quick", action="store_true", help="60 songs, chroma alone; nothing written")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    encoder, data, keys = encoders.load("chroma"), load("pop909-renders"), labels(asked.labels)

    def taken(remainder: int, most: int) -> Iterator[Song]:
        for name in [name for name in data if name in keys and int(name) % 2 == remainder][:most]:
            yield heard(name, Audio(data[name].read(), data[name].sample_rate), keys[name], encoder)

    songs = [*taken(0, 60 if asked.quick else SONGS)]
    others = [replace(song, audio=NOTHING) for song in taken(1, 60 if asked.quick else 1000)]
    rows = estimates(songs, others)
    if asked.quick:
        retrieval(songs, systems(songs, encoder, {}))
        return
    rows += demo_tracks(encoder)
    with tempfile.TemporaryDirectory() as folder:
        library = Library.open(folder)
        library.add(*(song.audio for song in songs), names=[song.name for song in songs])
        table = library.store.rows("tracks", ["title", "timbre", "rhythm"]).sort_by("title")
        assert table["title"].to_pylist() == [song.name for song in songs]
        blocks = {block: matrix(table[block]) for block in ("timbre", "rhythm")}
        rows += retrieval(songs, systems(songs, encoder, blocks))
        rows += harmonic(songs, library)
    rows += costs(songs[:40], encoder)
    write(
        "key",
        rows,
        seed=SEED,
        title="In key",
        notes=[
            "POP909 as FluidSynth plays it, 30 s of every song on one instrument in an artificial room: synthetic. The labels "
            "(`key_audio.txt`) were made by an algorithm of POP909's authors from the original recordings and not by people, so that nobody reaches "
            f"1; songs whose label changes key are left out ({len(keys)} of {len(data)} remain). Odd-numbered songs were there to choose the profiles, the constants of the "
            f"pitch classes and the layout of the block by; everything else is of the first {len(songs)} even-numbered ones. Intervals: 95 %, bootstrap over songs.",
            "",
            "Weighted score: MIREX, by `mir_eval.key` (a fifth above counts 0.5, relative 0.3, parallel 0.2). Compatible: by the Camelot wheel. Mean confidence "
            "should be near the accuracy.",
            "",
            f"Similar but transposed: the gallery is those songs, the query one of them shifted by N semitones, its own recording never a hit; only where {K} "
            "others have the wanted key. No-op: the query as it is. Oracle: the audio truly pitch-shifted. Chance: all others. The shift is exact, "
            "so what it misses is what the pitch classes of two songs in one key do not share.",
            "",
            "Not shown: other genres, mixes with drums and voices (the 28 generated demo tracks are a glimpse), tunings between the keys, "
            "pieces that change key.",
        ],
    )


if __name__ == "__main__":
    main()
