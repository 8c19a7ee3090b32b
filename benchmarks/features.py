"""The harmonic CQT beside six CQTs of librosa and of nnAudio, and log-mel beside librosa: time on one core, and error.

    python benchmarks/features.py [--quick]     # nnAudio's rows need: pip install nnAudio

Excerpts of 30 s of real music (game recordings) at 22,050 Hz. The error is that of magnitudes against the definition,
a Hann-windowed correlation at the full rate in float64 at every 20th frame and every 5th bin, as a share of its norm.
"""

from __future__ import annotations

import argparse
import importlib.util
import math
import time
from collections.abc import Callable
from functools import partial

import game_music
import librosa
import numpy as np
import torch
from numpy.typing import NDArray
from report import Row, bootstrap, write

from glissando.audio import read, resample
from glissando.features import HCQT, MelSpectrogram
from glissando.paths import cache_dir

SEED, RATE, SECONDS, HOP = 0, 22_050, 30, 256
HARMONICS = (0.5, 1, 2, 3, 4, 5)
BINS, OCTAVES, FMIN = 60, 6, 32.703
SPEED, ERROR, MEL = (
    "Harmonic CQT, 30 s, one core",
    "Harmonic CQT, error against the definition",
    "Log-mel, 30 s, one core",
)

Waves = NDArray[np.float32]
System = Callable[[Waves], Waves]
MEASURED = np.arange(0, BINS * OCTAVES, 5)  # bins at which errors are measured


def excerpts(count: int) -> list[Waves]:
    """The middle of recordings of different games."""
    tracks = [track for track in game_music.fetch(cache_dir() / "benchmarks" / "packages") if track.duration > 60]
    by_game = {track.game: track for track in tracks}
    chosen = [*by_game.values(), *tracks[:: max(1, len(tracks) // count)]][:count]
    found = []
    for track in chosen:
        audio = read(track.path)
        start = int((audio.duration - SECONDS) / 2 * audio.sample_rate)
        mono = np.atleast_2d(audio.samples).mean(0)[start : start + SECONDS * audio.sample_rate]
        found.append(resample(mono.astype(np.float32), audio.sample_rate, RATE)[: SECONDS * RATE])
    return found


def exact(waveform: Waves, frequencies: NDArray[np.float64], frames: NDArray[np.int64]) -> NDArray[np.float64]:
    """The definition, in float64."""
    quality = 1 / math.tanh(math.log(2) / BINS)
    found = np.zeros((len(frequencies), len(frames)))
    for row, frequency in enumerate(frequencies):
        half = int(quality * RATE / frequency / 2)
        n = np.arange(-half, half + 1)
        window = 0.5 + 0.5 * np.cos(2 * np.pi * n * frequency / quality / RATE)
        kernel = 2 / window.sum() * window * np.exp(-2j * np.pi * frequency * n / RATE)
        windows = np.lib.stride_tricks.sliding_window_view(np.pad(waveform.astype(np.float64), half), len(n))
        found[row] = np.abs(windows[frames * HOP] @ kernel)
    return found


def librosas(waveform: Waves) -> Waves:
    """Six transforms of librosa, scaled so that a sinusoid of amplitude 1 gives 1."""
    channels = []
    for harmonic in HARMONICS:
        frequencies = FMIN * harmonic * 2 ** (np.arange(BINS * OCTAVES) / BINS)
        cqt = librosa.cqt(
            waveform, sr=RATE, hop_length=HOP, fmin=FMIN * harmonic, n_bins=BINS * OCTAVES, bins_per_octave=BINS,
            pad_mode="constant",
        )  # fmt: skip
        lengths, _ = librosa.filters.wavelet_lengths(freqs=frequencies, sr=RATE, window="hann", filter_scale=1)
        channels.append(2 * np.abs(cqt) / np.sqrt(lengths)[:, None])
    return np.stack(channels)


def nn_audio() -> System:
    """Six transforms of nnAudio, scaled by what each makes of a sinusoid of amplitude 1 in every fifth bin."""
    from nnAudio.features import CQT2010v2

    layers = [
        CQT2010v2(sr=RATE, hop_length=HOP, fmin=FMIN * h, n_bins=BINS * OCTAVES, bins_per_octave=BINS,
                  pad_mode="constant", norm=1, verbose=False)
        for h in HARMONICS
    ]  # fmt: skip

    def run(waveform: Waves) -> Waves:
        wave = torch.from_numpy(waveform)[None]
        with torch.inference_mode():
            found = [layer(wave, normalization_type="librosa")[0].numpy() for layer in layers]
        return np.stack(found)

    return run


def errors(
    system: System, waves: list[Waves], truths: list[list[NDArray[np.float64]]], *, fitted: bool
) -> NDArray[np.float64]:
    """Relative error, shape=(excerpts, harmonics); a fitted system may have one gain a bin of its own."""
    found = []
    for wave, truth in zip(waves, truths, strict=True):
        theirs, row = system(wave), []
        for values, true in zip(theirs, truth, strict=True):
            mine = values[MEASURED][:, measured_frames(wave)].astype(np.float64)
            if fitted:
                mine *= (mine * true).sum(1, keepdims=True) / np.maximum((mine**2).sum(1, keepdims=True), 1e-12)
            row.append(np.linalg.norm(mine - true) / np.linalg.norm(true))
        found.append(row)
    return np.array(found)


def measured_frames(wave: Waves) -> NDArray[np.int64]:
    """Frames at which errors are measured."""
    return np.arange(20, len(wave) // HOP - 20, 20)


def timed(data: str, systems: dict[str, Callable[[Waves], object]], waves: list[Waves], rounds: int) -> list[Row]:
    """Median time of an excerpt, the systems by turns, after a round that does not count."""
    spent: dict[str, list[float]] = {name: [] for name in systems}
    for number in range(rounds + 1):
        for wave in waves if number else waves[:1]:
            for name, system in systems.items():
                start = time.perf_counter()
                system(wave)
                if number:
                    spent[name].append(time.perf_counter() - start)
    rows = []
    for name, times in spent.items():
        medians = np.median(np.random.default_rng(SEED).choice(times, (1000, len(times))), axis=1)
        low, high = np.percentile(medians, [2.5, 97.5])
        rows.append(Row(data, name, "seconds", float(np.median(times)), len(times), "s", float(low), float(high)))
    return rows


@torch.inference_mode()
def main() -> None:
    """Measure and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="two excerpts; writes nothing")
    quick = parser.parse_args().quick
    torch.set_num_threads(1)
    waves = excerpts(2 if quick else 12)
    feature = HCQT(RATE, hop=HOP)
    systems: dict[str, System] = {
        "Glissando": lambda wave: feature(torch.from_numpy(wave)[None])[0].numpy(),
        "librosa, six CQTs": librosas,
    }
    if importlib.util.find_spec("nnAudio"):
        systems["nnAudio, six CQTs"] = nn_audio()
    rows = timed(SPEED, dict(systems), waves[:6], 1 if quick else 3)
    heard = waves[: 2 if quick else 6]
    truths = [
        [exact(wave, FMIN * h * 2 ** (MEASURED / BINS), measured_frames(wave)) for h in HARMONICS] for wave in heard
    ]
    for name, system in systems.items():
        wrong = errors(system, heard, truths, fitted="nnAudio" in name)
        for channel, harmonic in enumerate(HARMONICS):
            low, high = bootstrap(wrong[:, channel], np.arange(len(wrong)), seed=SEED)
            rows.append(Row(ERROR, name, f"h={harmonic:g}", float(wrong[:, channel].mean()), len(wrong), "", low, high))
    batch = torch.from_numpy(np.stack(waves[:2] if quick else waves[:4]))
    ways: dict[str, Callable[[Waves], object]] = {
        f"Glissando, batch of {len(batch)}": lambda _: feature(batch),
        f"Glissando, {len(batch)} in a loop": lambda _: [feature(wave[None]) for wave in batch],
    }
    rows += timed(SPEED, ways, waves[:1], 2 if quick else 6)
    mel = MelSpectrogram(RATE, n_fft=2048, hop=512, bands=128)
    theirs = partial(librosa.feature.melspectrogram, sr=RATE, n_fft=2048, hop_length=512, n_mels=128, center=False)
    mels: dict[str, Callable[[Waves], object]] = {
        "Glissando": lambda wave: torch.log1p(10_000 * mel(torch.from_numpy(wave)[None])),
        "librosa": lambda wave: np.log1p(10_000 * theirs(y=wave)),
    }
    rows += timed(MEL, mels, waves, 3)
    for row in rows:
        print(f"{row.data:45} {row.system:24} {row.metric:8} {row.value:.4f}")
    if quick:
        return
    value = {(row.data, row.system, row.metric): row.value for row in rows}
    ratio = value[SPEED, "librosa, six CQTs", "seconds"] / value[SPEED, "Glissando", "seconds"]
    worst = max(row.value for row in rows if row.data == ERROR and row.system == "Glissando")
    share = value[MEL, "Glissando", "seconds"] / value[MEL, "librosa", "seconds"]
    write(
        "features",
        rows,
        seed=SEED,
        title="Features",
        notes=[
            f"{len(waves)} excerpts of {SECONDS} s at {RATE} Hz, hop {HOP}; {BINS} bins an octave, {OCTAVES} octaves from {FMIN} Hz, harmonics "
            f"{', '.join(f'{h:g}' for h in HARMONICS)}; one thread. nnAudio may have a gain of its own in every bin, because its scale differs from bin to bin.",
            "librosa's error is largest where the highest bin lies near Nyquist: its decimation attenuates there.",
        ],
        goals=[
            {"issue_line": "HCQT, times as fast as six CQTs of librosa", "goal": 5, "value": ratio, "met": ratio >= 5},
            {"issue_line": "HCQT, worst error of a harmonic", "goal": 0.01, "value": worst, "met": worst < 0.01},
            {"issue_line": "log-mel, share of librosa's time", "goal": 1, "value": share, "met": share <= 1},
        ],
    )


if __name__ == "__main__":
    main()
