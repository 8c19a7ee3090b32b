"""The docs say what the code does: tutorials run, numbers are the benchmarks', the site builds."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from itertools import groupby
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TUTORIALS = sorted((ROOT / "docs" / "tutorials").glob("*.md"))
BLOCK = re.compile(r"^```(bash|python)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def run(*command: object, cwd: Path = ROOT, columns: int = 160) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, "COLUMNS": str(columns)}
    words = [str(word) for word in command]
    return subprocess.run(words, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("page", TUTORIALS, ids=lambda page: page.stem)
def test_tutorials_run_as_they_stand(page: Path, tmp_path: Path) -> None:
    blocks = BLOCK.findall(page.read_text())
    assert len(blocks) > 3
    for language, together in groupby(blocks, lambda block: block[0]):
        code = "\n".join(code for _, code in together)
        python = [sys.executable, "-W", "error::UserWarning", "-c", code]
        done = run(*(python if language == "python" else ["bash", "-euo", "pipefail", "-c", code]), cwd=tmp_path)
        assert done.returncode == 0, f"{code}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr and "Warning" not in done.stderr
    if page.stem == "first-evening":
        assert (tmp_path / "party.m3u8").read_text().startswith("#EXTM3U")
        assert (tmp_path / "demo-out" / "map.html").exists()


@pytest.mark.parametrize("page", ["README.md", "docs/encoders.md"])
def test_numbers_are_those_of_the_results(page: str) -> None:
    from benchmarks.readme import fill

    assert (ROOT / page).read_text() == fill(ROOT / page), "run: python benchmarks/readme.py"


@pytest.mark.parametrize("name", [path.stem for path in (ROOT / "benchmarks" / "results").glob("*.json")])
def test_tables_are_those_of_the_results(name: str) -> None:
    from benchmarks.report import markdown

    result = json.loads((ROOT / "benchmarks" / "results" / f"{name}.json").read_text())
    assert (ROOT / "docs" / "benchmarks" / f"{name}.md").read_text() == markdown(result)
    assert {"name", "commit", "date", "machine", "seed", "rows", "goals"} <= result.keys()
    assert all(
        {"data", "system", "metric", "value", "low", "high", "n", "unit"} <= row.keys() for row in result["rows"]
    )


def test_searching_names_every_option() -> None:
    done = run(sys.executable, "-m", "glissando.cli", "search", "--help")
    assert done.returncode == 0
    page = (ROOT / "docs" / "searching.md").read_text()
    for option in set(re.findall(r"--[a-z-]+", done.stdout)) - {"--help", "--library", "--device", "--format"}:
        assert f"`{option}" in page, option


def test_readme_names_real_commands_and_files() -> None:
    text = (ROOT / "README.md").read_text() + (ROOT / "ARCHITECTURE.md").read_text()
    for target in re.findall(r"\]\(((?!https?:)[^)#]+)\)", text):
        assert (ROOT / target).exists(), target
    from glissando.cli import VERBS

    for verb in re.findall(r"`?gliss ([a-z]+)", text):
        assert verb in VERBS, verb


def test_the_site_builds(tmp_path: Path) -> None:
    done = run(sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", tmp_path / "site")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "site" / "tutorials" / "first-evening.html").exists()
