"""Multi-pitch estimation in the book's form: sets by features by architectures, beside basic-pitch and no training.

    python pitch.py [--quick] [--epochs 6] [--only maps]

Needs the sets (``gliss data build chorales``; ``gliss data build maps --from DIR``) and, for its row, basic-pitch's
environment (``make peer-basic-pitch``). Every cell is a run below CACHE/benchmarks/pitch: a killed benchmark goes on.
Scored are the first 30 s of every test recording, all systems on the same frames.
"""

from __future__ import annotations

import argparse
import json
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from report import Row, bootstrap, write

from glissando.audio import Audio, resample
from glissando.audio import write as write_audio
from glissando.data import Annotations, DataSet, Entry, data_folder
from glissando.features import CQT
from glissando.paths import cache_dir
from glissando.tasks import FramePitches, Pitch
from glissando.tasks.pitch import THRESHOLDS, peaks, sounding
from glissando.training import Recipe, Run, load_recipe, resume, shipped_run, train
from glissando.training.choosing import chosen
from glissando.training.estimator import SAMPLE_RATE

SEED, SECONDS, STEP = 0, 30.0, 1024 / 22_050
CACHE = cache_dir() / "benchmarks" / "pitch"
PEER = cache_dir() / "benchmarks" / "peers" / "basic-pitch" / "bin" / "python"
FEATURES = ("cqt", "hcqt")
MODELS = ("conv", "separable", "resnet", "convnext", "unet")
SHIPPED = "the shipped weights, trained on renders alone"
METRICS = ("P", "R", "Acc", "Chroma Acc", "Note F")
BOOK = {"chorales": "Bach10 .63 to .77", "maps": ".67 to .71"}
PLACE = {
    "maps": (),
    "chorales": ("data.name=chorales", "data.split=piece", "data.where={stem: mix}", "data.shares=[0.7, 0.08, 0.22]"),
}
ONE_CQT = (
    "feature={cqt: {hop: 1024, octaves: 6, bins_per_octave: 60, filter_scale: 0.5, bandwidth: 7500, compress: 100}}"
)

ROOMY = "[equalise: {db: 5.0}, smear: {most: 0.3}, shift: {bins: 30, step: 5}]"

Salience = tuple[NDArray[np.float64], NDArray[np.float64]]  # times, [frames, pitches]
Scores = dict[str, dict[str, float]]


def recipe(data: str, feature: str, model: str, epochs: int, *more: str) -> Recipe:
    """The recipe of a cell of the table."""
    changes = [*PLACE[data], f"train.epochs={epochs}", f"train.patience={epochs}", *more]
    return load_recipe(f"pitch/hcqt-{model}", changes=[*changes, *([ONE_CQT] if feature == "cqt" else [])])


def cell(name: str, made: Recipe) -> Run:
    """The run of a cell, made, resumed, or there already."""
    folder = CACHE / name
    print(name, flush=True)
    return resume(folder) if (folder / "recipe.yaml").exists() else train(made, folder, accelerator="cpu")


def score(annotations: Annotations, estimate: FramePitches, task: Pitch) -> dict[str, float]:
    """Score on the common frames: each takes the estimate's nearest frame."""
    times = np.arange(0, SECONDS, STEP)
    nearest = np.searchsorted(estimate.times, times)
    left, right = (nearest - 1).clip(0), nearest.clip(max=len(estimate.times) - 1)
    place = np.where(np.abs(estimate.times[left] - times) <= np.abs(estimate.times[right] - times), left, right)
    near = np.abs(estimate.times[place] - times) <= STEP
    kept = times <= min(SECONDS, float(estimate.times[-1]))
    common = [estimate.frequencies[i] if ok else np.zeros(0) for i, ok in zip(place[kept], near[kept], strict=True)]
    return task.evaluate(annotations, FramePitches(times[kept], common))


def best_threshold(
    examples: Sequence[tuple[Annotations, Salience]], pick: Callable[[Salience, float], FramePitches]
) -> float:
    """The threshold with the best mean accuracy on validation recordings."""
    import mir_eval

    means = []
    for threshold in THRESHOLDS:
        values = []
        for truth, salience in examples:
            times, estimate = salience[0][::4], pick((salience[0][::4], salience[1][::4]), threshold)
            values.append(mir_eval.multipitch.metrics(times, sounding(truth, times), times, estimate.frequencies)[2])
        means.append(float(np.mean(values)))
    return THRESHOLDS[int(np.argmax(means))]


def by_salience(salience: Salience, threshold: float) -> FramePitches:
    """Peaks of a salience in fifths of a semitone."""
    return peaks(salience[1], salience[0], threshold)


def by_semitone(salience: Salience, threshold: float) -> FramePitches:
    """Semitones from A0 that reach the threshold, as basic-pitch has them."""
    hz = 27.5 * 2 ** (np.arange(88) / 12)
    return FramePitches(salience[0], [hz[row >= threshold] for row in salience[1]])


def summed_harmonics(run: Run, entry: Entry) -> Salience:
    """No training: the geometric mean of a pitch's partials in the HCQT, by the loudest of the recording."""
    estimator = run.estimator()
    feature = torch.from_numpy(np.asarray(estimator.cache().get(entry), np.float32))
    harmonics = [i for i, h in enumerate(estimator.feature.harmonics) if h >= 1]
    salience = feature[harmonics][..., : int(SECONDS / STEP)].clamp_min(1e-3).log().mean(0).exp()
    below = feature[0][..., : salience.shape[-1]]
    found = (salience - 0.5 * below).clamp_min(0).T.double().numpy()
    return np.arange(len(found)) * STEP, found / max(1e-9, np.percentile(found.max(1), 95))


def basic_pitch(entries: DataSet, data: str) -> dict[str, Salience]:
    """What basic-pitch hears in the first 30 s, in its own environment; kept."""
    audio, out = CACHE / "audio" / data, CACHE / "basic-pitch" / data
    audio.mkdir(parents=True, exist_ok=True)
    missing = [key for key in entries if not (out / f"{_stem(key)}.npz").exists()]
    for key in missing:
        entry = entries[key]
        write_audio(audio / f"{_stem(key)}.wav", Audio(entry.read(0, SECONDS + 0.1), entry.sample_rate))
    if missing:
        files = [str(audio / f"{_stem(key)}.wav") for key in missing]
        script = Path(__file__).parent / "peers" / "basic_pitch" / "run.py"
        subprocess.run([PEER, script, out, *files], check=True, stdout=subprocess.DEVNULL)
    found = {}
    for key in entries:
        with np.load(out / f"{_stem(key)}.npz") as kept:
            found[key] = (kept["times"], kept["note"].astype(np.float64))
    return found


def _stem(key: str) -> str:
    return key.replace("/", "+")


def rows_of(data: str, system: str, scores: Scores, extra: dict[str, float]) -> list[Row]:
    """Means with intervals over recordings (over pieces, where one is there twice)."""
    rows = []
    groups = np.array([_piece(key) for key in scores])
    for metric in METRICS:
        values = np.array([one[metric] for one in scores.values()])
        low, high = bootstrap(values, groups, seed=SEED)
        rows.append(Row(data, system, metric, float(values.mean()), len(values), low=low, high=high))
    rows += [Row(data, system, name, value, len(scores)) for name, value in extra.items()]
    return rows


def _piece(key: str) -> str:
    return key.rpartition("_")[0] if key.startswith("MAPS") else key


def trainings(data: str, epochs: int, longer: int, fine_tune: int) -> dict[str, Run]:
    """Every cell of the table; of MAPS, the two with the least validation loss longer, and one that begins as the shipped weights."""
    runs: dict[str, Run] = {}
    for feature in FEATURES:
        for model in MODELS:
            runs[f"{feature}, {model}"] = cell(f"{data}-{feature}-{model}", recipe(data, feature, model, epochs))
    for name in sorted(runs, key=lambda name: _loss(runs[name]))[:2] if data == "maps" and longer else ():
        feature, model = name.split(", ")
        runs[f"{name}, {longer} epochs"] = cell(f"{data}-{feature}-{model}-long", recipe(data, feature, model, longer))
    if data == "maps" and fine_tune:
        begun = recipe(data, "hcqt", "unet", fine_tune, "train.start=pitch", f"train.augment={ROOMY}")
        runs[f"hcqt, unet, from the shipped weights, {fine_tune} epochs"] = cell(f"{data}-from-shipped", begun)
    return runs


def table(data: str, epochs: int, longer: int, fine_tune: int) -> tuple[list[Row], dict[str, Scores], dict[str, float]]:
    """All systems on one set: rows, scores of recordings, and the validation losses of those that were trained on it."""
    rows: list[Row] = []
    scores: dict[str, Scores] = {}
    runs = trainings(data, epochs, longer, fine_tune)
    task = Pitch()
    tested = runs["hcqt, conv"].split().of(chosen(runs["hcqt, conv"].recipe.data), "test")
    for name, run in {**runs, SHIPPED: shipped_run("pitch")}.items():
        estimator, entries = run.estimator(), tested
        cache, scores[name] = estimator.cache(), {}
        for key, entry in entries.items():
            outputs, times = estimator.run(entry, cache, seconds=SECONDS + 1)
            scores[name][key] = score(entry.annotations, estimator.task.predict(outputs, times), task)
        result = run.result()
        about = {
            "training and scoring, minutes of a core": result["minutes_in_all"],
            "parameters": result["parameters"],
        }
        rows += rows_of(data, name, scores[name], about if name in runs else {})
    reference = runs["hcqt, conv"]
    parts = {"valid": reference.split().of(chosen(reference.recipe.data), "valid"), "test": tested}
    heard = {
        part: {key: summed_harmonics(reference, entry) for key, entry in held.items()} for part, held in parts.items()
    }
    rivals = {"no training: partials of the HCQT": (heard, by_salience)}
    if PEER.exists():
        peer = {part: basic_pitch(held, data) for part, held in parts.items()}
        rivals["basic-pitch 0.4.0"] = (peer, by_semitone)
    for name, (saliences, pick) in rivals.items():
        tuned = best_threshold(
            [(entry.annotations, saliences["valid"][key]) for key, entry in parts["valid"].items()], pick
        )
        ways = {name: tuned}
        if "basic" in name:
            best = best_threshold(
                [(entry.annotations, saliences["test"][key]) for key, entry in parts["test"].items()], pick
            )
            ways |= {f"{name}, threshold 0.3": 0.3, f"{name}, best threshold on the test": best}
        for way, threshold in ways.items():
            scores[way] = {
                key: score(entry.annotations, pick(saliences["test"][key], threshold), task)
                for key, entry in parts["test"].items()
            }
            rows += rows_of(data, way, scores[way], {"threshold": threshold})
    rows += ringing(tested, data)
    return rows, scores, {name: _loss(run) for name, run in runs.items()}


def ringing(entries: DataSet, data: str) -> list[Row]:
    """How much weaker a note's fundamental is 0.15 to 0.25 s after its annotated end, where nothing else sounds on it."""
    hop, first = 256, 24
    transform = CQT(SAMPLE_RATE, hop=hop, octaves=7, bins_per_octave=36)
    rate, falls = SAMPLE_RATE / hop, []
    for entry in entries.values():
        wave = resample(entry.read(0, SECONDS + 1), entry.sample_rate, SAMPLE_RATE)
        magnitudes = transform(torch.from_numpy(wave)[None])[0, 0].numpy() + 1e-6
        notes = entry.annotations.notes
        for start, end, pitch in notes[(notes[:, 1] < SECONDS) & (notes[:, 1] - notes[:, 0] > 0.08)]:
            soon = (notes[:, 0] < end + 0.25) & (notes[:, 1] > end - 0.01)
            others = soon & np.isin(pitch - notes[:, 2], [0, 12, 19, 24])
            others &= (notes[:, 0] != start) | (notes[:, 2] != pitch)
            row = round((pitch - first) * 3)
            if not others.any() and 0 < row < len(magnitudes) - 1:
                heard = magnitudes[row - 1 : row + 2].max(0)
                before, after = (
                    heard[round((end + a) * rate) : round((end + b) * rate) + 1].mean()
                    for a, b in ((-0.06, -0.01), (0.15, 0.25))
                )
                falls.append(20 * np.log10(after / before))
    less = float(np.mean(np.array(falls) > -10))
    about = "0.2 s after the annotated ends"
    return [
        Row(data, about, "median change of level", float(np.median(falls)), len(falls), "dB"),
        Row(data, about, "share of notes less than 10 dB weaker", less, len(falls)),
    ]


def difference(ours: Scores, theirs: Scores) -> tuple[float, float, float]:
    """Mean and interval of the difference in accuracy, recording by recording."""
    apart = np.array([ours[key]["Acc"] - theirs[key]["Acc"] for key in ours])
    low, high = bootstrap(apart, np.array([_piece(key) for key in ours]), seed=SEED)
    return float(apart.mean()), low, high


def main() -> None:
    """Train, score and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="no training but what is there; prints, writes nothing")
    parser.add_argument("--epochs", type=int, default=6, help="of every cell")
    parser.add_argument("--longer", type=int, default=24, help="epochs of the leading two of MAPS; 0 for none")
    parser.add_argument("--fine-tune", type=int, default=40, help="epochs from the shipped weights on MAPS; 0 for none")
    parser.add_argument("--only", choices=[*PLACE], help="one set")
    asked = parser.parse_args()
    if asked.quick:
        for result in sorted(CACHE.glob("*/result.json")):
            found = json.loads(result.read_text())
            print(f"{result.parent.name:30} Acc {found['metrics']['Acc']['mean']:.3f}  {found['minutes']:.1f} min")
        return
    torch.set_num_threads(1)  # (sets may be trained side by side, and minutes are minutes of a core)
    rows: list[Row] = []
    goals: list[dict[str, object]] = []
    for data in [asked.only] if asked.only else PLACE:
        if not (data_folder(data) / f"{data}.pyjama").exists():
            print(f"{data} is not built; left out")
            continue
        found, scores, losses = table(data, asked.epochs, asked.longer, asked.fine_tune)
        rows += found
        if data != "maps":
            continue
        value = {(row.system, row.metric): row.value for row in found}
        ours = min(losses, key=lambda name: losses[name])  # chosen on validation
        goals.append(
            {
                "issue_line": f"Acc on the real pianos ({ours})",
                "goal": 0.65,
                "value": value[ours, "Acc"],
                "met": value[ours, "Acc"] >= 0.65,
            }
        )
        if (peer := "basic-pitch 0.4.0, best threshold on the test") in scores:
            mean, low, high = difference(scores[ours], scores[peer])
            rows.append(Row(data, f"{ours} above {peer}", "Acc", mean, len(scores[ours]), low=low, high=high))
            goals.append(
                {
                    "issue_line": "lower end of the interval of Acc above basic-pitch at its best",
                    "goal": 0.0,
                    "value": low,
                    "met": low > 0,
                }
            )
    write(
        "pitch",
        rows,
        seed=SEED,
        title="Multi-pitch estimation",
        goals=goals,
        notes=[
            f"Frames of {STEP * 1000:.0f} ms of the first {SECONDS:.0f} s of every test recording; `mir_eval.multipitch`, half a semitone. "
            "MAPS: trained on the synthesised pianos, tested on the real Disklavier, no shared piece; only part of the published set "
            "(54 of 210 synthesised and 34 of 60 real recordings, lossy, 16 kHz). Chorales are synthetic, split by piece.",
            f"Every cell trained {asked.epochs} epochs of {320 * 128 * STEP / 60:.0f} minutes of audio, the two of MAPS with the least validation loss {asked.longer}; "
            "small networks on one core, one seed. Augmentation was chosen on other splits of the synthesised pianos. Thresholds are tuned on validation recordings, unless a row says otherwise.",
            "Annotated ends are releases of keys: under the pedal the strings ring on (last rows).",
            f"The book, on its own (full) sets and protocol: {', '.join(f'{name}: {value}' for name, value in BOOK.items())}; its notebooks' numbers are not of these recordings.",
        ],
    )


def _loss(run: Run) -> float:
    return float(run.result()["valid_loss"])


if __name__ == "__main__":
    main()
