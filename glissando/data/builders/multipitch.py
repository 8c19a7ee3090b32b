"""Ensembles with notes or f0 curves: Bach10, MusicNet."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from ...errors import RecipeError
from ..annotations import MAX_PITCH, Annotations, F0Curve, Labels
from ..building import Source, builder
from ..extras import extra
from ..layouts import audio_file, audio_files, notes_from, root_of, rows, text_of

VOICES = ("violin", "clarinet", "saxphone", "bassoon")  # as the set spells them
FIRST, HOP = 0.023, 0.01  # seconds: centre of the first frame of its f0 curves, and their step
MUSICNET_RATE = 44_100  # samples per second of its labels


@builder("bach10", "NN-NAME/NN-NAME.wav, -violin.wav, -clarinet.wav, -saxphone.wav, -bassoon.wav and -GTF0s.mat")
def bach10(folder: Path) -> Iterator[Source]:
    """List the pieces of Bach10 and their stems.

    Parameters
    ----------
    folder : Path
        With a folder per piece.

    Yields
    ------
    Source
        Of every piece the mixture, then its stems.
    """
    root = root_of(folder, "[0-9][0-9]-*/*-GTF0s.mat")
    for curves in sorted(root.glob("[0-9][0-9]-*/*-GTF0s.mat")):
        name = curves.parent.name
        yield Source(name, _f0s(curves, VOICES, name, "mix"), audio_file(curves.parent / f"{name}.wav"))
        for voice in VOICES:
            stem = audio_file(curves.parent / f"{name}-{voice}.wav")
            if stem is not None:
                yield Source(f"{name}-{voice}", _f0s(curves, (voice,), name, voice), stem)


def _f0s(path: Path, voices: tuple[str, ...], piece: str, stem: str) -> Callable[[], Annotations]:
    def read() -> Annotations:
        matlab = extra("scipy.io")

        try:
            values = np.asarray(matlab.loadmat(path)["GTF0s"], np.float64)
        except Exception as error:  # a damaged byte can lead scipy to any error
            raise RecipeError(f"{path}: is no table of f0 curves that can be read ({error})") from error
        if values.ndim != 2 or len(values) != len(VOICES) or not (np.nan_to_num(values) <= MAX_PITCH).all():
            raise RecipeError(f"{path}: holds shape {values.shape}, not MIDI pitches of {len(VOICES)} voices")
        times = FIRST + HOP * np.arange(values.shape[1], dtype=np.float64)
        pitches = np.where(values > 0, values, np.nan)
        curves = tuple(F0Curve(voice, times, pitches[VOICES.index(voice)]) for voice in voices)
        return Annotations(curves=curves, labels={"piece": (piece,), "stem": (stem,)})

    return read


@builder("musicnet", "train_data/ID.wav, train_labels/ID.csv, test_data, test_labels, and musicnet_metadata.csv")
def musicnet(folder: Path) -> Iterator[Source]:
    """List the recordings of MusicNet.

    Parameters
    ----------
    folder : Path
        With the four folders.

    Yields
    ------
    Source
        Training, then test.
    """
    root = root_of(folder, "train_labels", "test_labels")
    known = {}
    for table in (root / "musicnet_metadata.csv",):
        if table.is_file():
            known = {row["id"]: row for _, row in rows(table, "id", "composer", "composition", "ensemble")}
    for part in ("train", "test"):
        for path in audio_files(root / f"{part}_data"):
            labels = {"split": (part,), "recording": (path.stem,)}
            if path.stem in known:
                row = known[path.stem]
                labels |= {"piece": (f"{row['composer']}: {row['composition']}",), "ensemble": (row["ensemble"],)}
            yield Source(path.stem, _labelled(root / f"{part}_labels" / f"{path.stem}.csv", labels), path)


def _labelled(path: Path, labels: Labels) -> Callable[[], Annotations]:
    def read() -> Annotations:
        names = text_of(path).partition("\n")[0].strip().split(",")
        wanted = [names.index(name) for name in ("start_time", "end_time", "note") if name in names]
        if len(wanted) != 3:
            raise RecipeError(f"{path}: has no columns start_time, end_time and note; it is no label of MusicNet")
        return Annotations(notes_from(path, columns=wanted, scale=1 / MUSICNET_RATE, header=True), labels=labels)

    return read
