"""Songs with stems: MUSDB18, compressed or HQ."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..building import Source, builder, labelled
from ..layouts import audio_file, audio_files, root_of

STEMS = ("mixture", "drums", "bass", "other", "vocals")
VALID = frozenset(
    {
        "Actions - One Minute Smile", "Clara Berry And Wooldog - Waltz For My Victims",
        "Johnny Lokke - Promises & Lies", "Patrick Talbot - A Reason To Leave", "Triviul - Angelsaint",
        "Alexander Ross - Goodbye Bolero", "Fergessen - Nos Palpitants", "Leaf - Summerghost",
        "Skelpolu - Human Mistakes", "Young Griffo - Pennies", "ANiMAL - Rockshow", "James May - On The Line",
        "Meaxic - Take A Step", "Traffic Experiment - Sirens",
    }
)  # fmt: skip


@builder("musdb18", "train and test, each with ARTIST - TITLE/mixture.wav, drums, bass, other, vocals; or *.stem.mp4")
def musdb18(folder: Path) -> Iterator[Source]:
    """List MUSDB18: mixtures and stems of HQ; of the compressed set the mixtures alone.

    Parameters
    ----------
    folder : Path
        With ``train`` and ``test``.

    Yields
    ------
    Source
        By song.
    """
    root = root_of(folder, "train", "test")
    for part in ("train", "test"):
        for song in sorted(path for path in (root / part).glob("*") if path.is_dir()):
            for stem in STEMS:
                found = audio_file(song / f"{stem}.wav")
                if found is not None:
                    yield Source(f"{song.name}+++{stem}", labelled(_labels(song.name, part, stem)), found)
        for path in audio_files(root / part, "*.stem.mp4"):
            name = path.name.removesuffix(".stem.mp4")
            yield Source(f"{name}+++mixture", labelled(_labels(name, part, "mixture")), path)


def _labels(song: str, part: str, stem: str) -> dict[str, tuple[str, ...]]:
    chosen = "valid" if part == "train" and song in VALID else part
    return {"piece": (song,), "artist": (song.partition(" - ")[0],), "stem": (stem,), "split": (chosen,)}
