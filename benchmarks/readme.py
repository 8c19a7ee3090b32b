"""Write the numbers of the README from the benchmark results, and the encoder table from the cards."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from glissando import encoders, latent  # noqa: F401  (registers gliss-mixing)

ROOT = Path(__file__).parents[1]
STRICT, TOLERANT = "strict, 8%, k=5", "octaves forgiven, 8%, k=5"
REAL, RENDERS = "Retrieval: game music (real)", "Retrieval: POP909, TimGM6mb (synthetic)"
SHOWN = {
    "chance": "chance",
    "gliss-tempo, no-op": "the query as it is",
    "gliss-tempo, shift": "**ours**: gliss-tempo, shifted",
    "rhythm, shift": "**ours**, without training: autocorrelation, shifted",
    "gliss-music, learned": "the paper's way: a learned translation, of gliss-music",
    "gliss-tempo, oracle": "oracle: gliss-tempo of the truly stretched clip",
}


def numbers() -> str:
    """The README's block of numbers."""
    parity = json.loads((ROOT / "benchmarks/results/parity.json").read_text())["rows"]
    tempo = json.loads((ROOT / "benchmarks/results/tempo.json").read_text())["rows"]
    alike = [row for row in parity if "decoded by FFmpeg" not in row["data"]]  # the same samples on both sides
    worst = {unit: max(row["value"] for row in alike if unit in row["metric"]) for unit in ("tag", "embedding")}
    lines = [
        f"The ports of the original encoders differ from them by at most {worst['tag']:.0e} in tag probabilities and "
        f"{worst['embedding']:.0e} (relative) in embeddings.",
        "",
        "*Similar but faster*, share of the five nearest within 8 % of the wanted tempo at factors 0.5 to 2, octave errors counted as wrong "
        "(in brackets: forgiven), on recordings and songs that trained nothing:",
        "",
        "| | real game music | synthetic: POP909, another soundfont |",
        "|---|---|---|",
    ]
    for system, name in SHOWN.items():
        if not any(row["system"] == system for row in tempo):
            continue
        cells = []
        for data in (REAL, RENDERS):
            found = {row["metric"]: row for row in tempo if (row["data"], row["system"]) == (data, system)}
            strict = found[STRICT]
            cells.append(
                f"{strict['value']:.2f}, {strict['low']:.2f}..{strict['high']:.2f} ({found[TOLERANT]['value']:.2f})"
            )
        lines.append(f"| {name} | {' | '.join(cells)} |")
    named = [row for row in tempo if row["data"] == "Tempo: 28 demo tracks (nominal)"]
    accuracy = {(row["system"], row["metric"]): row["value"] for row in named}
    systems = ", ".join(
        f"{system} {value:.2f} ({accuracy[system, 'Acc2']:.2f})"
        for (system, metric), value in accuracy.items()
        if metric == "Acc1"
    )
    lines += ["", f"Tempo of the 28 demo tracks within 4 % (octaves forgiven): {systems}."]
    return "\n".join([*lines, "", *speed(), "", pitch(), "", chords(), "", sounds(), "", generated()])


def cell(name: str, data: str, system: str, metric: str) -> str:
    """A number of a result with its interval."""
    rows = json.loads((ROOT / f"benchmarks/results/{name}.json").read_text())["rows"]
    row = next(
        one for one in rows if one["data"].startswith(data) and (one["system"], one["metric"]) == (system, metric)
    )
    return f"{row['value']:.2f} ({row['low']:.2f}..{row['high']:.2f})"


def chords() -> str:
    """The README's line on chords."""
    data = "POP909 renders (synthetic), unseen songs and soundfont"
    ours, templates, peer = (
        cell("chords", data, system, "majmin")
        for system in (
            "the shipped weights (chords/structured)",
            "no training: templates of triads, Viterbi",
            "crema 0.2.0",
        )
    )
    return (
        f"Chords of synthetic songs that trained nothing, by a soundfont that trained nothing, major and minor: the shipped weights {ours}; templates "
        f"without training {templates}; crema 0.2.0, which never saw synthetic audio, {peer} on 40 of them."
    )


def generated() -> str:
    """The README's line on generated notes."""
    flow, tokens, codes, neighbour = (
        cell("generation", "200 notes", system, "pitch right")
        for system in ("flow", "tokens", "real, through the codes", "nearest note of the training")
    )
    return (
        f"200 notes asked for at pairs of instrument and pitch that were never heard, share with the right pitch: the shipped flow {flow}, tokens {tokens}; "
        f"real notes through the codec's codes {codes}; the nearest note of the training {neighbour}."
    )


def sounds() -> str:
    """The README's line on classes of sounds."""
    mfcc, ours = (
        cell("tags", "esc10", system, "accuracy") for system in ("MFCC statistics, logistic regression", "mel-conv2d")
    )
    probes = [cell("probes", "ESC-10", f"{name} (mean+max), linear", "accuracy") for name in ("musicnn-mtt", "aisfx")]
    return (
        f"Ten classes of sounds (ESC-10, four folds), accuracy: a small network from scratch {ours}; linear probes of musicnn-mtt {probes[0]} and "
        f"aisfx {probes[1]}; MFCC statistics {mfcc}."
    )


def pitch() -> str:
    """The README's line on multi-pitch estimation."""
    result = json.loads((ROOT / "benchmarks/results/pitch.json").read_text())
    found = {row["system"]: row for row in result["rows"] if (row["data"], row["metric"]) == ("maps", "Acc")}

    def cell(start: str) -> str:
        row = next(row for system, row in found.items() if system.startswith(start))
        return f"{row['value']:.2f} ({row['low']:.2f}..{row['high']:.2f})"

    ours = result["goals"][0]["issue_line"].partition("(")[2].rstrip(")")
    return (
        f"Notes of 34 recordings of real pianos (MAPS, 30 s each), frame accuracy: trained on synthesised pianos {cell(ours)}; the shipped "
        f"weights, which have heard no piano recording, {cell('the shipped')}; basic-pitch 0.4.0 at its best threshold "
        f"{cell('basic-pitch 0.4.0, best')}; no training {cell('no training')}."
    )


def speed() -> list[str]:
    """The README's lines on indexing and searching."""

    def row(name: str, system: str, metric: str, data: str | None = None) -> dict[str, Any]:
        rows = json.loads((ROOT / f"benchmarks/results/{name}.json").read_text())["rows"]
        fits = [one for one in rows if one["system"] == system and one["metric"] == metric]
        return next(one for one in fits if data is None or one["data"] == data)

    per_core, rate = "minutes of audio per CPU-second", "four-minute tracks per second"
    full = row("index", "Glissando, full, 1 core", per_core)
    original = row("index", "original musicnn 0.1.0, TensorFlow 2.15, 1 core", per_core)
    added = row("tempo", "gliss-tempo", "a minute of audio")
    whole, sampled = (row("index", f"Glissando, {heard}, 2 cores", rate) for heard in ("full", "4 segments"))
    recall = row("index", "4 segments of 15 s", "recall@10")
    million = "1,000,000 rows"
    plain = row("search", "Glissando, index, no filter", "p50", million)
    filtered = row("search", "Glissando, index, tempo filter, 1 in 10", "p50", million)
    found = row("search", "Glissando, index, tempo filter, 1 in 10", "recall@10", million)
    warm = row("search", "Glissando, in memory, tempo filter, 1 in 10", "p50", million)
    kept = row("search", "Glissando, in memory, tempo filter, 1 in 10", "recall@10", million)
    return [
        f"Indexing took a CPU-second for {full['value']:.1f} minutes of music (the original musicnn: {original['value']:.2f}, without rhythm, "
        f"hashes and database). The tempo encoder, which came later, takes {added['value']:.2f} CPU-seconds a minute of music. On two cores that is {whole['value']:.1f} four-minute tracks a second heard whole, and {sampled['value']:.1f} with "
        f"`--coverage 4`, which keeps {recall['value']:.2f} ({recall['low']:.2f}..{recall['high']:.2f}) of the ten nearest.",
        "",
        f"A search among a million segments takes {plain['value']:.0f} ms (median), and {filtered['value']:.0f} ms with a filter on tempo; it finds "
        f"{found['value']:.3f} of what exact search finds. In memory (`Library.warm`), the filtered search takes {warm['value']:.0f} ms and finds "
        f"{kept['value']:.3f}.",
    ]


def cards() -> str:
    """The table of encoders."""
    lines = ["| name | licence | source | rate | dim | space | what |", "|---|---|---|---|---|---|---|"]
    for name in encoders.names():
        card = encoders.card(name)
        lines.append(
            f"| `{name}` | {card.licence} | {card.source} | {card.sample_rate} Hz | {card.dim} | `{card.space_id}` | {card.summary} |"
        )
    return "\n".join(lines)


BLOCKS = {ROOT / "README.md": ("numbers", numbers), ROOT / "docs/encoders.md": ("cards", cards)}


def fill(path: Path) -> str:
    """The text of a page with its block as it should be."""
    name, make = BLOCKS[path]
    text = path.read_text()
    before, _, rest = text.partition(f"<!-- {name}:")
    comment, _, rest = rest.partition("-->\n")
    _, _, after = rest.partition(f"<!-- /{name} -->")
    return f"{before}<!-- {name}:{comment}-->\n{make()}\n<!-- /{name} -->{after}"


if __name__ == "__main__":
    for page in BLOCKS:
        page.write_text(fill(page))
