"""Style transfer of instrument clips: how far latents' statistics bring a sound towards a folder of others, and what it keeps.

    python algebra_style.py [--quick]

After: gliss data build instruments --from DIR. Printed; `measure` is for algebra.py.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from report import Row, bootstrap

from glissando import codecs
from glissando.audio import Audio, resample
from glissando.data import Recording, load, of_data
from glissando.features import PitchClasses
from glissando.latent import Latents, Space, hear, presence, restyle
from glissando.latent.algebra import mean, swap
from glissando.metrics import Gaussian, frechet_distance
from glissando.training.embeddings import Listener

SEED = 0
PAIRS = (
    ("Flute", "Cello"),
    ("Cello", "Flute"),
    ("Clarinet", "Acoustic_guitar"),
    ("Acoustic_guitar", "Violin_or_fiddle"),
)
AMOUNTS = (0.5, 1.0)
SOURCES, SECONDS = 8, 5.0  # clips that are bent, and how much of each
FOLDER = 20  # clips of the wanted instrument that the style is of; the others are held out
PRIOR = 16  # latents that a short sound counts as having of the style
PLACE = "Style transfer between instruments (real clips), four pairs"
BENT = Callable[[Latents], Latents]


def clips(instrument: str) -> list[Recording]:
    """All clips of an instrument, in an order that is drawn."""
    found = [one for one in of_data(load("instruments")) if one.annotations.labels["class"] == (instrument,)]
    return [found[i] for i in np.random.default_rng(SEED).permutation(len(found))]


def beginning(one: Recording) -> Audio:
    """The first seconds."""
    return one.read(0.0, SECONDS)


def kept(before: Audio, after: Audio) -> dict[str, float]:
    """What of a sound is still there: its course of loudness, and its pitch classes."""
    waves = [resample(np.pad(one.samples, (0, one.sample_rate)), one.sample_rate, 16_000) for one in (before, after)]
    levels = [np.log10(np.sqrt(np.mean(one[: len(one) // 512 * 512].reshape(-1, 512) ** 2, 1)) + 1e-3) for one in waves]
    pitches = [PitchClasses()(torch.from_numpy(one)[None])[0, 0].mean(-1).numpy() for one in waves]
    lengths = np.prod([np.linalg.norm(one) for one in pitches])
    return {
        "loudness kept": float(np.corrcoef(*levels)[0, 1]),
        "pitch classes kept": float(pitches[0] @ pitches[1] / max(lengths, 1e-9)),
    }


def measure(quick: bool) -> tuple[list[Row], list[dict]]:
    """All numbers; no goals."""
    torch.set_num_threads(1)
    codec = codecs.load("gliss-codec")
    space = Space.of(codec)
    listeners = {"mfcc": Listener("mfcc"), "musicnn-msd": Listener("musicnn-msd")}
    pairs, count = (PAIRS[:1], 2) if quick else (PAIRS, SOURCES)
    numbers: dict[tuple[str, str], list[float]] = {}  # by system and metric
    groups: list[str] = []
    for source, target in pairs:
        wanted, mine = clips(target), clips(source)
        style = hear(codec, wanted[:FOLDER])[0]
        gaussian, held = Gaussian.fit(style), [beginning(one) for one in wanted[FOLDER:]]
        known = [frames(listeners, held), frames(listeners, [beginning(one) for one in mine[-len(held) :]])]
        systems: dict[str, BENT | None] = {
            "as it was": None,
            "decoded, not bent": lambda z: z,
            "mean alone": lambda z, style=style: z - mean(z) + mean(style),
        }
        for amount in AMOUNTS:
            systems[f"mean and variance (swap), {amount:g} of the way"] = lambda z, to=style, by=amount: (
                (1 - by) * z + by * swap(z, to)
            ).astype(np.float32)
            systems[f"mean and variance, silence left (restyle), {amount:g} of the way"] = (
                lambda z, to=style, by=amount: restyle(z, to, by, space=space)
            )
            systems[f"covariance (transport), {amount:g} of the way"] = lambda z, to=gaussian, by=amount: transported(
                z, to, by, space
            )
        sounds = [beginning(one) for one in mine[:count]]
        groups += [one.key for one in mine[:count]]
        bent = {"held-out clips of the wanted instrument": held}
        for system, move in systems.items():
            bent[system] = sounds if move is None else [bend(codec, one, move) for one in sounds]
        for system, heard in bent.items():
            found = frames(listeners, heard)
            if system in systems:
                numbers.setdefault((system, "FAD by MFCC"), []).append(
                    frechet_distance(*(np.concatenate([*map(loud, one)]) for one in (found["mfcc"], known[0]["mfcc"])))
                )
                numbers.setdefault((system, "distance of means by musicnn-msd"), []).append(
                    float(np.linalg.norm(centre(found["musicnn-msd"]) - centre(known[0]["musicnn-msd"])))
                )
                each = [kept(*pair) for pair in zip(sounds, heard, strict=True)]
                for name in each[0]:
                    numbers.setdefault((system, name), []).extend(one[name] for one in each)
            numbers.setdefault((system, "heard as the wanted one"), []).extend(
                nearer([one.mean(0) for one in found["musicnn-msd"]], known[0]["musicnn-msd"], known[1]["musicnn-msd"])
            )
    return [row(system, name, np.array(values), groups) for (system, name), values in numbers.items()], []


def transported(z: Latents, style: Gaussian, amount: float, space: Space) -> Latents:
    """Mean and covariance, by optimal transport between Gaussians; a short sound's own is drawn towards the style's."""
    heard = presence(z, space)
    mean = np.average(z, axis=0, weights=heard)
    centred, wanted = (z - mean).astype(float), style.covariance
    own = ((centred * heard[:, None]).T @ centred + PRIOR * wanted) / (heard.sum() + PRIOR)
    root, back = power(own, 0.5), power(own, -0.5)
    moved = style.mean + centred @ (back @ power(root @ wanted @ root, 0.5) @ back)
    return (z + amount * heard[:, None] * (moved - z)).astype(np.float32)


def power(matrix: NDArray, exponent: float) -> NDArray:
    """Of a symmetric matrix."""
    values, axes = np.linalg.eigh((matrix + matrix.T) / 2)
    return (axes * np.maximum(values, 1e-6 * values.max()) ** exponent) @ axes.T


def frames(listeners: dict[str, Listener], sounds: list[Audio]) -> dict[str, list[NDArray]]:
    """Every sound as every encoder hears it."""
    return {name: [one.frames(sound).numpy() for sound in sounds] for name, one in listeners.items()}


def loud(mfcc: NDArray) -> NDArray:
    """The louder half of the frames, without their loudness."""
    return mfcc[mfcc[:, 0] >= np.median(mfcc[:, 0]), 1:]


def centre(sounds: list[NDArray]) -> NDArray:
    """Mean of sounds."""
    return np.mean([one.mean(0) for one in sounds], axis=0)


def nearer(vectors: list[NDArray], wanted: list[NDArray], source: list[NDArray]) -> list[float]:
    """1 for a vector that is nearer to the mean of the wanted instrument than to that of the source."""
    far = [[np.linalg.norm(one - centre(side)) for side in (wanted, source)] for one in vectors]
    return [float(one[0] < one[1]) for one in far]


def bend(codec: codecs.Codec, sound: Audio, move: BENT) -> Audio:
    """Encode, move, decode."""
    encoded = codecs.encode(codec, sound)
    return codecs.decode(codec, replace(encoded, values=move(encoded.values)))


def row(system: str, name: str, values: NDArray, groups: list[str]) -> Row:
    """A mean with its interval, by clip; distances of few pairs have none."""
    if len(values) != len(groups):
        return Row(PLACE, system, name, float(values.mean()), len(values))
    low, high = bootstrap(values, np.arange(len(values)), seed=SEED)
    return Row(PLACE, system, name, float(values.mean()), len(values), low=low, high=high)


def main() -> None:
    """Print all numbers."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    for one in measure(parser.parse_args().quick)[0]:
        print(f"{one.system:62} {one.metric:26} {one.value:8.3f} n={one.n}  {one.low} {one.high}")


if __name__ == "__main__":
    main()
