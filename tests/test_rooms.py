"""The house is in order: rooms, docstrings, names of machines."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODULES = sorted((ROOT / "glissando").rglob("*.py"))


def tool(*words: str) -> str:
    done = subprocess.run([sys.executable, "-m", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_rooms_import_downwards_only() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports")], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    assert "Contracts: 2 kept, 0 broken" in done.stdout


def test_a_wrong_import_is_caught(tmp_path: Path) -> None:
    """The linter would fail if a lower room reached up."""
    import shutil

    shutil.copytree(ROOT / "glissando", tmp_path / "glissando")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    with (tmp_path / "glissando" / "audio" / "writing.py").open("a") as out:
        out.write("\nfrom .. import library\n")
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": str(tmp_path), "PATH": "/usr/bin:/bin"},
    )
    assert done.returncode != 0


def test_style() -> None:
    tool("ruff", "check", ".")
    tool("ruff", "format", "--check", ".")


def test_types() -> None:
    assert "Success" in tool("mypy")


def test_docstrings_are_numpydoc() -> None:
    public = [str(path) for path in MODULES if path.parent.name != "cli"]
    tool("numpydoc", "lint", *public)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_modules_are_small_and_safe(path: Path) -> None:
    text = path.read_text()
    assert text.count("\n") <= 420, "a file over about 400 lines is probably two things"
    calls = {
        node.func.id
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert not calls & {"eval", "exec", "__import__"}
    assert "import pickle" not in text and "shell=True" not in text
    assert "http://" not in text.replace("http://www.w3.org", "") and "https://" not in text


def test_weights_loading_is_safe() -> None:
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("torch.load", "np.load"):
                named = {word.arg: ast.unparse(word.value) for word in node.keywords}
                assert named.get("weights_only") == "True" or named.get("allow_pickle") == "False", path


def test_core_asks_for_no_extra() -> None:
    """Importing everything but the extras' own users works without web, training, codec or map packages."""
    code = (
        "import sys\n"
        "class Extras:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name in ('av', 'umap', 'matplotlib', 'mule_torch', 'transformers', 'librosa', 'sklearn',\n"
        "                    'torchaudio'):\n"
        "            raise ImportError(name)\n"
        "sys.meta_path.insert(0, Extras())\n"
        "import glissando.cli.search, glissando.cli.index, glissando.cli.map, glissando.cli.models, glissando.library\n"
        "import glissando.encoders.hear\n"
        "glissando.encoders.load('rhythm')\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
