"""``gliss demo``."""

from __future__ import annotations

import os
import re
import shutil
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from .index import run_index, tell
from .options import console

if TYPE_CHECKING:
    from ..library import Library

app = typer.Typer(add_completion=False)

WHEEL = "immich-memories-music==0.1.0"
WHEEL_SHA256 = "1b702f617250ed8ffe3dc2bba4d2105f842b6d5da08e8ff9a10110f54b7bd06a"
LICENCE = "immich_memories_music-0.1.0.dist-info/licenses/LICENSE-MUSIC"
SEED, RATIO = "happy_acoustic_1.opus", 1.15


@app.command()
def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for tracks, library and map.")] = Path("demo-out"),
) -> None:
    """Index 28 free tracks, search them, search them faster, draw the map.

    The tracks come from the MIT-licensed wheel immich-memories-music: music generated with ACE-Step 1.5, whose licence
    file lists tempo, key and mood.
    """
    from ..library import Library
    from .map import write_map

    out.mkdir(parents=True, exist_ok=True)
    music, nominal = fetch_tracks(out)
    console.print(
        f"[bold]28 tracks[/] in {music}: generated music ({WHEEL}, MIT), its LICENSE-MUSIC lists tempo, key and mood",
        soft_wrap=True,
        highlight=False,
    )
    with console.status("Loading the encoders (the first time fetches 29 MB, ISC) ..."):
        library = Library.open(out / "library")
        library.embedder()
    tell(run_index(library, [music], jobs=None, quiet=False), len(library))
    seed = next(music.rglob(SEED))
    _table(library, seed, nominal, ratio=1.0, title=f"Similar to {seed.stem}")
    _table(library, seed, nominal, ratio=RATIO, title=f"Similar to {seed.stem}, but {RATIO - 1:.0%} faster")
    page = out / "map.html"
    with console.status("Drawing the map (UMAP) ..."):
        told = write_map(library, page)
    console.print(f"Map: [bold]{page}[/]; {told}", soft_wrap=True, highlight=False)
    gliss = "gliss" if shutil.which("gliss") else os.path.relpath(sys.argv[0])
    console.print(
        f"Now your own music:  [bold]{gliss} index ~/Music[/]  then  [bold]{gliss} search SONG --faster 1.15[/]",
        highlight=False,
    )


def fetch_tracks(out: Path) -> tuple[Path, dict[str, float]]:
    """Fetch the demo tracks, once.

    Parameters
    ----------
    out : Path
        Folder for them.

    Returns
    -------
    music : Path
        Folder with the tracks.
    nominal : dict of str to float
        File name to the tempo in BPM that its licence file gives.
    """
    from ..encoders import check_sha256, fetch_wheel
    from ..paths import cache_dir

    wheels = cache_dir() / "demo"
    wheels.mkdir(parents=True, exist_ok=True)
    found = [*wheels.glob("immich_memories_music-*.whl")]
    wheel = found[0] if found else fetch_wheel(WHEEL, WHEEL_SHA256, wheels)
    check_sha256(wheel, WHEEL_SHA256)
    music = out / "music"
    with zipfile.ZipFile(wheel) as archive:
        text = archive.read(LICENCE).decode()
        for name in archive.namelist():
            target = music / "/".join(Path(name).parts[-2:])
            if name.endswith(".opus") and not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(archive.read(name))
        (music / "LICENSE-MUSIC").write_text(text)
    return music, {name: float(bpm) for name, bpm in re.findall(r"(\S+\.opus)\s+(\d+) bpm", text)}


def _table(library: Library, seed: Path, nominal: dict[str, float], *, ratio: float, title: str) -> None:
    track = library.embed(seed)
    estimate = track.tempo.bpm if track.tempo else float("nan")
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for name in ("track", "score", "BPM (estimate)", "BPM (nominal)"):
        table.add_column(name, justify="left" if name == "track" else "right")
    table.add_row(f"[dim]query: {seed.stem}[/]", "", f"{estimate:.0f}", f"{nominal[seed.name]:.0f}", style="dim")
    if ratio != 1:
        table.add_row("[dim]wanted[/]", "", f"{estimate * ratio:.0f}", f"{nominal[seed.name] * ratio:.0f}", style="dim")
    for hit in library.search(seed, tempo_ratio=ratio, k=5):
        bpm = f"{hit.tempo:.0f}" if hit.tempo else "-"
        table.add_row(Path(hit.path).stem, f"{hit.score:.3f}", bpm, f"{nominal[Path(hit.path).name]:.0f}")
    console.print(table)
