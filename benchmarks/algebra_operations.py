"""Operations: what bent sounds are like, whatever is done to their latents.

A part of `algebra.py`. Real sounds: guitars, game music and other sounds.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

import numpy as np
from report import TABLES, Row

from glissando import codecs
from glissando.audio import Audio
from glissando.data import data_folder, recordings
from glissando.errors import ModelError
from glissando.latent import OPERATIONS, Expression, bend
from glissando.metrics import sound_properties

SETS, EACH, SECONDS = ("guitar-notes", "game-music", "esc10"), 4, 2.5
OTHER, SOUND = "b", "z"
LENGTHS = {"stretch(z, 2)": 2.0, "stretch(z, 0.5)": 0.5}  # those that do not come out as long as they go in
EXPRESSIONS = (
    "z", "0.5*z", "1.5*z", "-z", "z + b", "z - b", "z + 0.5*(b - z)", "z / 2 - (z - 1) / 4",
    "mix(z, b, 0.5)", "mix(z, b, 1.5)", "slerp(z, b, 0.5)", "average(z, b, z)", "swap(z, b)", "z - mean(z) + mean(b)",
    "z + std(z)", "mean(z)", "reverse(z)", "shift(z, 0.5)", "shift(z, -0.5)", *LENGTHS, "quantise(z, 2)", "clip(z, -1, 1)",
    "noise(z, 0.5)", "noise(z, 3)", "sort(z)", "10*z",
)  # fmt: skip
SHOWN = 1  # which of the sounds stands on the sheet
COLUMNS = {
    "finite": "",
    "right length": "",
    "within full scale": "",
    "level moved": "dB",
    "centroid moved": "semitones",
}
MUST = ("finite", "right length", "within full scale")  # shares of the sounds
PICTURE = "algebra-operations.png"
DATA = "Operations on twelve real sounds"

ABOUT = [
    f"Operations: {EACH} sounds each of {', '.join(SETS)}, {SECONDS:g} s from their beginning; b is the next sound in this order. Finite, right length and within full scale are shares of the sounds, and must be 1 (what has other lengths than z comes out in whole latents, and a stretched sound stretches the silence that fills up its last one); "
    "made softer says how many would have been louder than full scale, refused how many had no finite sound. Level and centroid: how far they are from those of the sound itself, mean of absolute differences; z alone is what the codec does.",
    "",
    f"![Spectrograms of one sound bent by each expression](../images/{PICTURE})",
    "",
]


class _Softer(logging.Handler):
    """Counts the sounds that are made softer."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.count = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Look at what the log says."""
        self.count += "made softer" in record.getMessage()


def real_sounds(each: int) -> Iterator[Audio]:
    """The beginnings of some sounds of each set that is there."""
    for name in SETS:
        if (data_folder(name) / f"{name}.pyjama").exists():
            found = [one for one in recordings(name) if one.duration() >= SECONDS]
            for i in np.random.default_rng(0).permutation(len(found))[:each]:
                sound = found[i].read(0.0, SECONDS)
                peak = max(1e-3, float(np.abs(sound.samples).max()))
                yield Audio((0.7 / peak * sound.samples).astype(np.float32), sound.sample_rate)


def draw(sounds: Sequence[tuple[str, Audio]]) -> None:
    """Spectrograms, one a sound."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(15, 12), layout="constrained")
    panels = [*figure.subplots(-(-len(sounds) // 6), 6).flat]
    for axes, (name, sound) in zip(panels, sounds, strict=False):
        axes.specgram(
            sound.samples + 1e-7, NFFT=1024, Fs=sound.sample_rate, noverlap=768, vmin=-140, vmax=-40, cmap="magma"
        )
        axes.set_title(name, fontsize="small")
        axes.set_ylim(0, 8000)
        axes.tick_params(labelsize="x-small")
    for axes in panels[len(sounds) :]:
        axes.set_visible(False)
    path = TABLES.parent / "images" / PICTURE
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=64)


def measure(quick: bool) -> tuple[list[Row], list[dict[str, object]]]:
    """Every expression on every sound."""
    missing = {name for name in OPERATIONS if not any(f"{name}(" in text for text in EXPRESSIONS)}
    if missing:
        raise SystemExit(f"there is no expression with {', '.join(sorted(missing))}")
    codec = codecs.load("gliss-codec")
    sounds = [*real_sounds(1 if quick else EACH)]
    rows: list[Row] = []
    sheet: list[tuple[str, Audio]] = [("the sound itself", sounds[SHOWN])]
    logger = logging.getLogger("glissando")
    logger.setLevel(logging.INFO)
    for text in EXPRESSIONS[:: 4 if quick else 1]:
        counter, refused = _Softer(), 0
        logger.addHandler(counter)
        found: list[tuple[bool, bool, bool, float, float]] = []
        for number, sound in enumerate(sounds):
            others = {OTHER: sounds[(number + 1) % len(sounds)]} if OTHER in Expression(text).names else {}
            try:
                made = bend(codec, sound, text, others=others)
            except ModelError as error:
                refused += 1
                print(f"{text}: {error}")
                continue
            longest = max(one.samples.size / one.sample_rate for one in (sound, *others.values()))
            wanted = LENGTHS.get(text, 1.0) * longest * sound.sample_rate
            hops = max(1.0, LENGTHS.get(text, 1.0)) if text in LENGTHS or others else 0.0
            slack = 0.5 + hops * codec.card.hop * sound.sample_rate / codec.card.sample_rate
            finite = bool(np.isfinite(made.samples).all())
            before, after = (sound_properties(one.samples, one.sample_rate) for one in (sound, made))
            found.append(
                (
                    finite,
                    abs(made.samples.size - wanted) <= slack,
                    finite and float(np.abs(made.samples).max()) <= 1,
                    abs(after["loudness"] - before["loudness"]),
                    12 * abs(np.log2(after["brightness"] / before["brightness"])),
                )
            )
            if number == SHOWN:
                sheet.append((text, made))
        logger.removeHandler(counter)
        rows.append(Row(DATA, text, "refused", float(refused), len(sounds)))
        rows.append(Row(DATA, text, "made softer", float(counter.count), len(sounds)))
        if found:
            means = np.nanmean(np.array(found, np.float64), 0)  # (what is silent has no level)
            rows += [
                Row(DATA, text, name, float(value), len(found), unit)
                for (name, unit), value in zip(COLUMNS.items(), means, strict=True)
            ]
    if not quick:
        draw(sheet)
    texts = {row.system for row in rows}
    wrong = {row.system for row in rows if row.metric in MUST and row.value < 1}
    line = "Share of expressions whose sounds are all finite, within full scale and as long as they should be"
    share = 1 - len(wrong) / len(texts)
    return rows, [{"issue_line": line, "goal": 1.0, "value": share, "met": not wrong}]
