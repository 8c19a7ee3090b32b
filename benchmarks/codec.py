"""Codecs: ours beside silence, principal components alone, true magnitudes, Opus and MP3 on the same sounds.

    python codec.py [--run RUN] [--codec NAME=WEIGHTS ...] [--quick]

RUN is a trained run of codec/rvq or codec/gliss-codec; without it, the shipped weights. Sounds are those of the run's test part,
by data set, and soundfont-notes of soundfonts that are in none of its parts. Everything is compared at 16 kHz. Needs the extra
"formats" and librosa.
"""

from __future__ import annotations

import argparse
import copy
import io
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from functools import cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from report import TABLES, Row, bootstrap, write
from torch import Tensor

from glissando import codecs
from glissando.audio import Audio, resample
from glissando.data import DataSet, Entry, data_folder, load
from glissando.encoders.shipped import shipped_folder
from glissando.features import LogSTFT
from glissando.metrics import (
    log_spectral_distance,
    mel_distance,
    multi_resolution_distance,
    pitch_hit,
    si_sdr,
    track_pitch,
)
from glissando.nn import PCA, InversePCA
from glissando.training import Run

RATE, SEED = 16_000, 0
SECONDS, COUNT = 5.0, 24  # of a sound, and sounds of a set
OPUS, MP3 = (6, 8, 12, 16, 24, 32, 64), (8, 16, 24, 32, 64)  # kbit/s
OCTAVE = 2.1  # and a little more
FARTHEST = 2_400  # samples by which a lossy format may be late
LEVELS = (1, 2, 4, 8)
PLACES = {
    "soundfont-notes": "Notes of held-out families of instruments (synthetic)",
    "unheard": "Notes of a soundfont that it never heard (synthetic)",
    "guitar-notes": "Guitar notes (real), held-out pitches and dynamics",
    "tempo-renders": "Bands with drums (synthetic), held-out songs",
    "game-music": "Game music (real), held-out games and composers",
}
NOTES = ("soundfont-notes", "unheard", "guitar-notes")  # where there is one pitch to keep

Sound = NDArray[np.float32]
System = Callable[[Sound], tuple[Sound, float]]  # to what is heard, and bits a second (0: not coded)


def sounds(run: Run, count: int) -> Iterator[tuple[str, list[tuple[str, Sound]]]]:
    """Test sounds by data set: group of the recording, and waveform."""
    tested = {*run.split().parts["test"]}
    sources = [run.recipe.data, *run.recipe.data.also]
    heard = {key for keys in run.split().parts.values() for key in keys}
    for source in sources:
        if (data_folder(source.name) / f"{source.name}.pyjama").exists():
            data = load(source.name)
            chosen = data.subset([key for key in data if key in tested])
            yield source.name, excerpts(chosen, source.split, count)
            if source.name == "soundfont-notes":
                fonts = {data[key].annotations.labels["soundfont"] for key in heard & {*data}}
                others = [key for key in data if data[key].annotations.labels["soundfont"] not in fonts]
                if others:
                    yield "unheard", excerpts(data.subset(others), source.split, count)


def excerpts(data: DataSet, group: str, count: int) -> list[tuple[str, Sound]]:
    """The middles of entries that are drawn."""
    keys = [*data]
    drawn = np.random.default_rng(SEED).permutation(len(keys))[:count]
    return [(data[keys[i]].groups.get(group, keys[i]), excerpt(data[keys[i]])) for i in drawn]


def excerpt(entry: Entry) -> Sound:
    """Whole hops of the middle."""
    start = max(0.0, (entry.duration - SECONDS) / 2)
    wave = resample(entry.read(start, min(entry.duration, start + SECONDS)), entry.sample_rate, RATE)
    return wave[: max(1, len(wave) // 512) * 512]


def lossy(kind: str, kbits: int) -> System:
    """Opus or MP3 by FFmpeg, brought in line with what went in."""
    import av

    codec, container = {"Opus": ("libopus", "ogg"), "MP3": ("libmp3lame", "mp3")}[kind]

    def through(wave: Sound) -> tuple[Sound, float]:
        held, size = io.BytesIO(), 0
        with av.open(held, "w", format=container) as out:
            stream = out.add_stream(codec, rate=RATE, layout="mono")
            stream.bit_rate = kbits * 1000
            frame = av.AudioFrame.from_ndarray(np.int16(wave * 32767)[None], format="s16", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = RATE, 0, Fraction(1, RATE)
            for packet in [*stream.encode(frame), *stream.encode(None)]:
                size += packet.size
                out.mux(packet)
        held.seek(0)
        with av.open(held) as back:
            resampler = av.AudioResampler("flt", "mono", RATE)
            frames = [piece for one in back.decode(audio=0) for piece in resampler.resample(one)]
            frames += resampler.resample(None)
            made = np.concatenate([piece.to_ndarray()[0] for piece in frames])
        return aligned(wave, made), size * 8 * RATE / len(wave)

    return through


def aligned(wave: Sound, made: Sound) -> Sound:
    """Move a sound, which is late, so that it fits best."""
    made = np.pad(made, (0, FARTHEST + max(0, len(wave) - len(made))))
    length = 2 ** int(np.ceil(np.log2(len(made) + len(wave))))
    likeness = np.fft.irfft(np.fft.rfft(made, length) * np.fft.rfft(wave, length).conj())
    late = int(np.argmax(likeness[:FARTHEST]))
    return made[late : late + len(wave)].astype(np.float32)


@torch.inference_mode()
def of_codec(codec: codecs.Codec, levels: int | None = None) -> System:
    """A codec, by latents or by so many levels of codes."""

    def through(wave: Sound) -> tuple[Sound, float]:
        encoded = codecs.encode(codec, Audio(wave, RATE), codes=levels is not None, levels=levels)
        bits = 0.0 if levels is None else codec.card.bits_per_second * levels / codec.card.levels
        return codecs.decode(codec, encoded).samples, bits

    return through


def without_networks(codec: codecs.RunCodec) -> codecs.RunCodec:
    """The principal components of our codec alone, as they were fitted."""
    plain = copy.deepcopy(codec)
    for part in ("encoder", "decoder"):
        for layer in plain.model.parts[part]:  # type: ignore[union-attr]
            for weight in [layer.change] if isinstance(layer, PCA | InversePCA) else layer.parameters():
                torch.nn.init.zeros_(weight)
    return plain


def true_magnitudes(spectra: LogSTFT) -> System:
    """What Griffin-Lim makes of the spectra themselves."""
    return lambda wave: (spectra.invert(spectra(torch.from_numpy(wave)[None]))[0, : len(wave)].numpy(), 0.0)


@cache
def pitch_of(samples: bytes) -> float:
    """The pitch of a sound, which is looked for once for all systems."""
    return track_pitch(np.frombuffer(samples, np.float32), RATE)


def pitch_kept(wave: Sound, made: Sound) -> float | None:
    """1 for a pitch within 50 cents of what it was, looked for up to an octave off; None where there was none."""
    pitch = pitch_of(np.ascontiguousarray(wave, np.float32).tobytes())
    if np.isnan(pitch):
        return None
    return float(pitch_hit(track_pitch(made, RATE, lowest=pitch / OCTAVE, highest=pitch * OCTAVE), pitch))


def compared(wave: Sound, made: Sound, *, note: bool) -> dict[str, float]:
    """All numbers of one sound."""
    pair: list[Tensor] = [torch.from_numpy(np.ascontiguousarray(one))[None] for one in (wave, made)]
    found = {
        "log-spectral distance": float(log_spectral_distance(*pair, sample_rate=RATE)),
        "multi-resolution STFT": float(multi_resolution_distance(*pair)),
        "mel error": float(mel_distance(*pair, sample_rate=RATE)),
        "SI-SDR": float(si_sdr(*pair)),
    }
    if not np.any(made):
        del found["SI-SDR"]
    if note and (kept := pitch_kept(wave, made)) is not None:
        found["pitch kept"] = kept
    return found


UNITS = {"log-spectral distance": "dB", "mel error": "dB", "SI-SDR": "dB", "bit rate": "kbit/s"}


def measured(place: str, name: str, system: System, heard: Sequence[tuple[str, Sound]], *, note: bool) -> list[Row]:
    """The rows of one system on one set."""
    found: dict[str, list[tuple[str, float]]] = {}
    for group, wave in heard:
        made, bits = system(wave)
        numbers: Mapping[str, float] = compared(wave, made, note=note)
        for metric, value in {**numbers, **({"bit rate": bits / 1000} if bits else {})}.items():
            found.setdefault(metric, []).append((group, value))
    rows = []
    for metric, pairs in found.items():
        values = np.array([value for _, value in pairs])
        _, groups = np.unique([group for group, _ in pairs], return_inverse=True)
        low, high = bootstrap(values, groups, seed=SEED)
        rows.append(Row(place, name, metric, float(values.mean()), len(values), UNITS.get(metric, ""), low, high))
        print(f"{place[:40]:42}{name[:40]:42}{metric:24}{values.mean():9.3f}", flush=True)
    return rows


@torch.inference_mode()
def speeds(name: str, codec: codecs.Codec) -> list[Row]:
    """How fast a codec is, on one thread, and its rates."""
    card = codec.card
    wave = torch.from_numpy(np.random.default_rng(SEED).normal(0, 0.1, 20 * card.sample_rate).astype(np.float32))[None]
    begun = time.perf_counter()
    latents = codec(wave)
    middle = time.perf_counter()
    codec.decode(latents)
    spent = {"encoding": middle - begun, "decoding": time.perf_counter() - middle}
    rows = [Row("Rates, and speed on one core", name, what, 20 / seconds, 1, "x") for what, seconds in spent.items()]
    rows.append(Row("Rates, and speed on one core", name, "latents a second", card.frame_rate, 1, "Hz"))
    rows.append(Row("Rates, and speed on one core", name, "dimensions", card.dim, 1))
    if card.levels:
        rows.append(
            Row("Rates, and speed on one core", name, "codes, all levels", card.bits_per_second / 1000, 1, "kbit/s")
        )
    return rows


def plot(rows: Sequence[Row], path: Path) -> None:
    """Log-spectral distance over bit rate, a panel a set."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    places = [place for place in PLACES.values() if any(row.data == place for row in rows)]
    figure = Figure(figsize=(4 * len(places), 4), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, place in zip(np.atleast_1d(figure.subplots(1, len(places), sharey=True)), places, strict=True):
        cells = {(row.system, row.metric): row.value for row in rows if row.data == place}
        for family in dict.fromkeys(_family(system) for system, metric in cells if metric == "bit rate"):
            points = sorted(
                (cells[system, "bit rate"], cells[system, "log-spectral distance"])
                for system, metric in cells
                if metric == "bit rate" and _family(system) == family
            )
            axes.plot(*zip(*points, strict=True), "o-", label=family)
        axes.set(title=place.split(" (")[0], xlabel="kbit/s", xscale="log")
        axes.grid(alpha=0.3)
        axes.legend(fontsize="small")
    figure.axes[0].set_ylabel("log-spectral distance [dB]")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def _family(system: str) -> str:
    return system.split(" ")[0].rstrip(",")


def main() -> None:
    """Measure, print, and write unless it is a quick look."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--run", type=Path)
    parser.add_argument("--codec", action="append", default=[], metavar="NAME=WEIGHTS")
    parser.add_argument("--quick", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(1)
    folder = args.run or shipped_folder("codec")
    run, ours = Run.open(folder), codecs.load("gliss-codec", weights=args.run)
    assert isinstance(ours, codecs.RunCodec)
    spectra = ours.feature if isinstance(ours.feature, LogSTFT) else LogSTFT(RATE)
    systems: dict[str, System] = {
        "silence": lambda wave: (np.zeros_like(wave), 0.0),
        "true magnitudes + Griffin-Lim": true_magnitudes(spectra),
        "gliss-codec, latents": of_codec(ours),
    }
    if any(isinstance(layer, PCA) for layer in ours.modules()):
        systems["principal components alone"] = of_codec(without_networks(ours))
    if ours.card.levels:
        chosen = [level for level in LEVELS if level <= ours.card.levels]
        systems |= {f"gliss-codec, {level} levels of codes": of_codec(ours, level) for level in chosen}
    others = {name: weights for name, _, weights in (said.partition("=") for said in args.codec)}
    loaded: dict[str, codecs.Codec] = {"gliss-codec": ours}
    for name, weights in others.items():
        loaded[name] = codecs.load(name, weights=weights or None)
        systems[f"{name}, latents"] = of_codec(loaded[name])
        if loaded[name].card.levels:
            systems[f"{name}, codes"] = of_codec(loaded[name], loaded[name].card.levels)
    rates = ((8,), (16,)) if args.quick else (OPUS, MP3)
    systems |= {f"Opus {kbits} kbit/s": lossy("Opus", kbits) for kbits in rates[0]}
    systems |= {f"MP3 {kbits} kbit/s": lossy("MP3", kbits) for kbits in rates[1]}
    rows: list[Row] = []
    for name, heard in sounds(run, 1 if args.quick else COUNT):
        for system, through in systems.items():
            rows += measured(PLACES.get(name, name), system, through, heard, note=name in NOTES and not args.quick)
    for name, codec in loaded.items():
        rows += speeds(name, codec)
    if args.quick:
        return
    plot(rows, TABLES.parent / "images" / "codec-rates.png")
    write(
        "codec",
        rows,
        seed=SEED,
        title="Codecs",
        notes=[
            f"Up to {COUNT} sounds a set, {SECONDS:g} s at most, all at {RATE} Hz. Lower is better, but for SI-SDR and pitch. SI-SDR asks for the very "
            "waveform and says nothing of codecs that find phases of their own. Pitch kept: share of the notes whose pitch is within 50 cents of what it was, by librosa's pyin.",
            "",
            "Bit rates are those of the packets, without the container. Opus and MP3 hear everything; ours knows music alone, and learned by the very log-spectral "
            "distance, which flatters it: Opus fills high bands with what only sounds alike at low rates.",
            "",
            "![Log-spectral distance over bit rate](../images/codec-rates.png)",
        ],
    )


if __name__ == "__main__":
    main()
