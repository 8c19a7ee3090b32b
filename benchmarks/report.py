"""Results as JSON, and the Markdown tables in the docs that are made from it."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).parent
RESULTS = ROOT / "results"
TABLES = ROOT.parent / "docs" / "benchmarks"
CODE = ("--", ":/", ":!/benchmarks/results", ":!/docs/benchmarks")


def _commit() -> str:
    """The commit of the code that runs, marked if the code differs from it; results may be newer."""
    head = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    same = subprocess.run(["git", "diff", "--quiet", "HEAD", *CODE], cwd=ROOT, check=False).returncode == 0
    return head.stdout.strip() + ("" if same else "-dirty")


COMMIT = _commit()  # read when the run starts


@dataclass(frozen=True)
class Row:
    """One number: of what data, which system, with its 95 % interval."""

    data: str
    system: str
    metric: str
    value: float
    n: int
    unit: str = ""
    low: float | None = None
    high: float | None = None


def ranged(data: str, system: str, metric: str, found: Mapping[str, float], count: int) -> Row:
    """A row with its interval."""
    return Row(data, system, metric, found["mean"], count, low=found["low"], high=found["high"])


def goal(line: str, wanted: float, value: float, met: bool) -> dict[str, object]:
    """A goal, and what was reached."""
    return {"issue_line": line, "goal": wanted, "value": float(value), "met": bool(met)}


def bootstrap(
    values: NDArray[np.float64], groups: NDArray[np.int64], *, seed: int, draws: int = 1000
) -> tuple[float, float]:
    """95 % interval of a mean, drawing whole groups (recordings) with replacement."""
    rng = np.random.default_rng(seed)
    names, index = np.unique(groups, return_inverse=True)
    sums, counts = np.bincount(index, values), np.bincount(index)
    picks = rng.integers(len(names), size=(draws, len(names)))
    means = sums[picks].sum(1) / counts[picks].sum(1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def write(
    name: str,
    rows: Sequence[Row],
    *,
    seed: int,
    title: str,
    notes: Sequence[str],
    goals: Sequence[dict[str, object]] = (),
) -> None:
    """Write ``results/NAME.json`` and ``docs/benchmarks/NAME.md``."""
    result = {
        "name": name,
        "commit": COMMIT,
        "date": date.today().isoformat(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "seed": seed,
        "title": title,
        "notes": list(notes),
        "rows": [asdict(row) for row in rows],
        "goals": list(goals),
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    TABLES.mkdir(parents=True, exist_ok=True)
    (TABLES / f"{name}.md").write_text(markdown(result))


def markdown(result: dict) -> str:
    """Tables of one result, a table per data set: systems down, metrics across."""
    lines = [f"# {result['title']}", ""]
    lines += [
        f"Made by `benchmarks/{result['name']}.py` on {result['date']} ({result['machine']}), seed {result['seed']}.",
        "",
    ]
    lines += [*result["notes"], ""]
    for data in dict.fromkeys(row["data"] for row in result["rows"]):
        rows = [row for row in result["rows"] if row["data"] == data]
        metrics = list(dict.fromkeys(row["metric"] for row in rows))
        lines += [f"## {data}", "", "| system | n | " + " | ".join(metrics) + " |", "|---" * (len(metrics) + 2) + "|"]
        for system in dict.fromkeys(row["system"] for row in rows):
            mine = {row["metric"]: row for row in rows if row["system"] == system}
            count = max(row["n"] for row in mine.values())
            lines.append(f"| {system} | {count} | " + " | ".join(_cell(mine.get(metric)) for metric in metrics) + " |")
        lines.append("")
    if result["goals"]:
        lines += ["## Goals", "", "| goal | wanted | reached | |", "|---|---|---|---|"]
        for goal in result["goals"]:
            met = "met" if goal["met"] else "missed"
            lines.append(f"| {goal['issue_line']} | {goal['goal']:g} | {goal['value']:.3g} | {met} |")
        lines.append("")
    return "\n".join(lines)


def _cell(row: dict | None) -> str:
    if row is None:
        return ""
    value = f"{row['value']:.3f}" if abs(row["value"]) >= 0.01 or row["value"] == 0 else f"{row['value']:.1e}"
    if row["unit"]:
        value += f" {row['unit']}"
    if row["low"] is None:
        return value
    return f"{value} ({row['low']:.3f}..{row['high']:.3f})"
