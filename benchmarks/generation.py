"""Generated notes: tokens, flow, diffusion and GAN beside the nearest note of the training, at pairs of instrument and pitch that are held out.

    python generation.py --tokens RUN --flow RUN --diffusion RUN --gan RUN [--flattened RUN] [--encoder NAME] [--quick]

Any of the runs will do; all must be of one codec and one split. 200 notes each, asked for the instrument, pitch and loudness of
held-out notes of the test part, of those whose pitch the tracker finds in the real note. A run with flattened codes may stand
beside for its speed alone. Needs librosa. ``--quick`` makes four notes a system, and writes nothing.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from report import TABLES, Row, bootstrap, write

from glissando.audio import Audio, resample
from glissando.audio import write as write_audio
from glissando.data import DataSet, Entry, midi_to_hz, recordings
from glissando.metrics import pitch_hit, track_pitch
from glissando.training import Generator, Run, Score, compare, draw_sheet, embed_sounds
from glissando.training.choosing import all_chosen

SEED, COUNT, SECONDS = 0, 200, 2.0
ENCODER = "musicnn-msd"
WINDOW = 3.0  # seconds: what the encoder wants to hear, filled up with silence for all alike
SEMITONES = 7  # to either side of what was asked for, in which a pitch is looked for
STEPS = (1, 2, 4, 8, 16, 32, 64, 100)
SYSTEMS = ("tokens", "flow", "diffusion", "gan")
STEPWISE = ("flow", "diffusion")
SPEED = "Speed on one core"
SHOWN = 16  # notes on a sheet
METRICS = {"fad": "FAD", "kid": "KID", "nearer": "nearer than real", "copied": "copied"}
GOALS = {"flow": 0.95, "tokens": 0.90}

Sound = NDArray[np.float32]
Maker = Callable[[Sequence[Mapping[str, object]]], Sequence[Sound]]


def part(run: Run, name: str) -> DataSet:
    """A part of a run's data, only notes that have an instrument and a pitch."""
    data = run.split().of(all_chosen(run.recipe.data), name)
    return data.subset([key for key, entry in data.items() if entry.annotations.combination is not None])


def beginning(entry: Entry, rate: int) -> Sound:
    """As much of a note as is made, silence where it has ended."""
    notes = entry.annotations.notes
    start = float(notes[:, 0].min()) if len(notes) else 0.0
    wave = resample(entry.read(start, min(entry.duration, start + SECONDS)), entry.sample_rate, rate)
    return np.pad(wave, (0, max(0, round(SECONDS * rate) - len(wave))))[: round(SECONDS * rate)]


def in_turn(data: DataSet) -> list[Entry]:
    """Notes of all pairs in turn, so that pairs with many takes don't count more."""
    pairs: dict[str, list[Entry]] = {}
    for entry in data.values():
        pairs.setdefault(str(entry.annotations.combination), []).append(entry)
    most = max(map(len, pairs.values()))
    return [entries[turn] for turn in range(most) for entries in pairs.values() if turn < len(entries)]


def nearest(train: DataSet, wanted: Entry) -> Entry:
    """The training note of the same instrument whose pitch is nearest; of several, the first."""
    same = [one for one in train.values() if one.annotations.instrument == wanted.annotations.instrument]
    return min(same, key=lambda one: abs((one.annotations.pitch or 0) - (wanted.annotations.pitch or 0)))


def heard_pitches(sounds: Sequence[Sound], pitches: Sequence[int], rate: int) -> NDArray[np.float64]:
    """1 for every note whose pitch is the one that was asked for, within 50 cents."""
    hits = []
    for sound, pitch in zip(sounds, pitches, strict=True):
        low, high = (float(midi_to_hz(pitch + step)) for step in (-SEMITONES - 0.5, SEMITONES + 0.5))
        found = track_pitch(sound, rate, lowest=low, highest=high)
        hits.append(float(pitch_hit(found, float(midi_to_hz(pitch)))))
    return np.array(hits)


def folder_of(sounds: Sequence[Sound], rate: int, folder: Path) -> Path:
    """Files of sounds, of one length."""
    folder.mkdir(parents=True)
    for number, sound in enumerate(sounds):
        whole = np.pad(sound, (0, max(0, round(WINDOW * rate) - len(sound))))
        write_audio(folder / f"{number:03}.wav", Audio(whole.astype(np.float32), rate))
    return folder


def rows_of(place: str, system: str, scores: Sequence[Score], count: int) -> list[Row]:
    """Distances as rows."""
    return [Row(place, system, METRICS[one.metric], one.value, count, "", one.low, one.high) for one in scores]


def pitch_row(place: str, system: str, hits: NDArray[np.float64], pairs: Sequence[str]) -> Row:
    """The share of right pitches; intervals draw whole pairs."""
    _, groups = np.unique(pairs, return_inverse=True)
    low, high = bootstrap(hits, groups, seed=SEED)
    return Row(place, system, "pitch right", float(hits.mean()), len(hits), "", low, high)


def seconds_a_second(make: Callable[[], object], seconds: float, times: int) -> NDArray[np.float64]:
    """Time spent for a second of sound, again and again."""
    make()
    spent = []
    for _ in range(times):
        begun = time.perf_counter()
        make()
        spent.append((time.perf_counter() - begun) / seconds)
    return np.array(spent)


def speeds(generators: Mapping[str, Generator], times: int) -> tuple[list[Row], dict[str, float]]:
    """Seconds for a second of sound, one at a time and sixteen together; how many times the memory of tokens is faster."""
    rows, gains = [], {}
    for name, generator in generators.items():
        ways: dict[str, dict[str, float]] = {"": {}}
        if "remember" in generator.paradigm.options:
            ways = {"": {}, ", without memory": {"remember": 0}}
        means = []
        for way, options in ways.items():
            for many in (1, 16) if not way else (1,):
                spent = seconds_a_second(
                    lambda many=many, options=options, generator=generator: generator.generate(  # type: ignore[misc]
                        [{}] * many, seconds=SECONDS, **options
                    ),
                    SECONDS * many,
                    times,
                )
                metric = "seconds a second of sound" + ("" if many == 1 else ", 16 together")
                low, high = bootstrap(spent, np.arange(len(spent)), seed=SEED)
                rows.append(Row(SPEED, name + way, metric, float(spent.mean()), times, "", low, high))
                if many == 1:
                    means.append(float(spent.mean()))
        if len(means) == 2:
            gains[name] = means[1] / means[0]
    return rows, gains


def main() -> None:
    """Measure, print, and write unless it is a quick look."""
    parser = argparse.ArgumentParser()
    for name in (*SYSTEMS, "flattened"):
        parser.add_argument(f"--{name}", type=Path, metavar="RUN")
    parser.add_argument("--encoder", default=ENCODER)
    parser.add_argument("--quick", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(1)
    runs = {name: Run.open(folder) for name in SYSTEMS if (folder := getattr(args, name))}
    quick_ones = {"tokens, flattened": Generator.open(args.flattened)} if args.flattened else {}
    if not runs:
        parser.error(f"name at least one run: {' RUN, '.join(f'--{name}' for name in SYSTEMS)} RUN")
    generators = {name: Generator.open(run) for name, run in runs.items()}
    first, any_run = next(iter(generators.values())), next(iter(runs.values()))
    if len({one.codec.card.space_id for one in generators.values()}) > 1 or any(
        run.split().parts != any_run.split().parts for run in runs.values()
    ):
        parser.error("runs are of two codecs or two splits, so their numbers can't stand in one table")
    rate, count = first.sample_rate, 4 if args.quick else COUNT
    train, test = part(any_run, "train"), part(any_run, "test")
    tried = in_turn(test)[: 8 if args.quick else None]
    clear = heard_pitches(
        [beginning(one, rate) for one in tried], [one.annotations.pitch or 0 for one in tried], rate
    )  # some instruments have no pitch that a tracker finds
    heard = [one for one, right in zip(tried, clear, strict=True) if right]
    asked = [heard[turn % len(heard)] for turn in range(count)]  # the first of them once more, if they are too few
    pitches = [one.annotations.pitch or 0 for one in asked]
    pairs = [str(one.annotations.combination) for one in asked]
    wanted = [
        {
            field: names[number - 1]
            for (field, names), number in zip(first.vocabulary.items(), told, strict=True)
            if number
        }
        for told in (first.paradigm.conditions.of(one) for one in asked)
    ]
    real = [beginning(one, rate) for one in asked]
    made: dict[str, Sequence[Sound]] = {
        "real, held out": real,
        "real, through the codec": [first.sound(first.latents(Audio(one, rate)))[0] for one in real],
        "nearest note of the training": [beginning(nearest(train, one), rate) for one in asked],
    }
    if first.codec.card.levels:
        quantized = (first.codec.codes(first.latents(Audio(one, rate))) for one in real)
        made["real, through the codes"] = [first.sound(first.codec.from_codes(one))[0] for one in quantized]
    made |= {name: list(one.generate(wanted, seconds=SECONDS, seed=SEED)) for name, one in generators.items()}
    swept = {
        f"{name}, {number} steps": list(generators[name].generate(wanted, seconds=SECONDS, seed=SEED, steps=number))
        for name in STEPWISE
        if name in generators
        for number in (STEPS[:2] if args.quick else STEPS)
    }
    place = f"{len(asked)} notes at {len({*pairs})} held-out pairs of instrument and pitch, {any_run.recipe.data.name}"
    rows, reached = [], {}
    everyone = f"all {len(tried)} notes of the test part, before the tracker's choice"
    rows.append(pitch_row(everyone, "real, held out", clear, [str(one.annotations.combination) for one in tried]))
    with tempfile.TemporaryDirectory() as folder:
        known = [beginning(one, rate) for one in [*train.values()][: 16 if args.quick else None]]
        embedded = {
            name: embed_sounds(args.encoder, recordings(folder_of(sounds, rate, Path(folder) / str(number))))
            for number, (name, sounds) in enumerate({"train": known, **made, **swept}.items())
        }
    reference = embedded["real, held out"]
    for name, sounds in {**made, **swept}.items():
        where = place if name in made else "Steps against quality"
        hits = heard_pitches(sounds, pitches, rate)
        reached[name] = float(hits.mean())
        rows.append(pitch_row(where, name, hits, pairs))
        if name != "real, held out":
            scores, _ = compare(embedded[name], reference, ("fad", "kid"), seed=SEED)
            rows += rows_of(where, name, scores, len(sounds))
        if name in made:
            scores, _ = compare(embedded[name], embedded["train"], ("nearer", "copied"), held_out=reference, seed=SEED)
            rows += rows_of(where, name, scores, len(sounds))
        finite = all(np.isfinite(one).all() for one in sounds)
        peak = max(float(np.abs(one).max()) for one in sounds)
        print(f"{name:32} pitch {hits.mean():.3f} finite {finite} peak {peak:.2f}", flush=True)
        if not finite or peak > 1:
            raise SystemExit(f"{name}: holds NaN, or clips")
    found, gains = speeds({**generators, **quick_ones}, 2 if args.quick else 10)
    rows += found
    for row in rows:
        print(f"{row.data[:36]:38}{row.system:32}{row.metric:36}{row.value:9.3f}", flush=True)
    if args.quick:
        return
    images = TABLES.parent / "images"
    images.mkdir(parents=True, exist_ok=True)
    few = np.linspace(0, len(asked) - 1, SHOWN).round().astype(int)
    for name in ("real, held out", "real, through the codec", *generators):
        file = "generation-" + {"real, held out": "real", "real, through the codec": "codec"}.get(name, name) + ".png"
        draw_sheet(images / file, {f"{number} {pairs[number]}": Audio(made[name][number], rate) for number in few})
    goals = [
        {"issue_line": f"pitch right, {name}", "goal": goal, "value": reached[name], "met": reached[name] >= goal}
        for name, goal in GOALS.items()
        if name in reached
    ]
    goals += [
        {"issue_line": f"memory of {name}, times faster", "goal": 4, "value": gain, "met": gain >= 4}
        for name, gain in gains.items()
    ]
    write(
        "generation",
        rows,
        seed=SEED,
        title="Generated notes",
        notes=[
            f"Notes of {SECONDS:g} s, asked for instrument, pitch and loudness of test notes. Every instrument and every pitch was learned, these pairs were not, and all takes of a pair lie on one side. "
            f"Pitch right: within 50 cents, by librosa's pyin, which looks {SEMITONES} semitones to either side; only notes are asked for whose real recording it hears right (see the first table for how many that are). FAD and KID: to the real held-out notes, frames and means of `{args.encoder}`; those of 200 notes, "
            "to be compared within this table alone. Nearer than real: probability that a note lies nearer to a training note than one of the held-out notes does, 0.5 is as near; copied: share that lies nearer than 95 % of those, 0.05 are expected (see distances).",
            "",
            "The nearest note of the training is the one of the same instrument whose pitch is nearest: it sounds real and has the wrong pitch. "
            "Tokens that are flattened stand in the table of speeds alone: what memory saves does not depend on how long a model was trained.",
            "",
            *(f"![{name}](../images/generation-{name}.png)" for name in ("real", "codec", *generators)),
        ],
        goals=goals,
    )


if __name__ == "__main__":
    main()
