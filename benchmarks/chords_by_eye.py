"""The chords that are heard in two recordings beside those of their scores, to be read by eye.

    python chords_by_eye.py --from DIR     # with audio/brahms.ogg and audio/nutcracker.ogg, as librosa's examples have them

Music21's corpus has none of the pieces that are recorded there, so what of their scores is compared stands below: of the
dance a reduction to one or two chords a bar, in which its arrangements agree, and arpeggios as in the first edition.
Where in the recording each of these chords sounds, an alignment of pitch classes tells, which knows nothing of what was
heard. Prints Markdown tables; writes nothing.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import torch
from torch import Tensor

from glissando.audio import read
from glissando.data import Segment
from glissando.nn.chains import NEVER, best_path
from glissando.tasks.chord_labels import VOCABULARIES, parse_chord
from glissando.training import Estimator, shipped_run

LEAST = 3  # frames of 0.1 s that a chord of the reduction lasts
SHARPNESS = 10.0  # factor of likenesses in the alignment
SHOWN = 0.15  # share of a chord's time from which another that is heard in it is printed


@dataclass(frozen=True)
class Piece:
    """A part of a recording, and its harmony in ABC; what its bars are called, and their numbers in the score."""

    file: str
    title: str
    seconds: tuple[float, float]
    bars: tuple[int, ...]
    unit: str
    abc: str


BRAHMS = Piece(
    "brahms.ogg",
    "Brahms, Hungarian Dance no. 5 (US Army Strings, in G minor, without the repeats and the middle part)",
    (0.2, 39.3),
    (*range(1, 17), *range(33, 49)),
    "bar",
    """X:1
M:2/4
L:1/4
K:Gm
[GBd]2|[GBd]2|[^FAce]2|[GBd]2|[CEG]2|[GBd]2|[D^FAc]2|[GBd]2|
[GBd]2|[GBd]2|[^FAce]2|[GBd]2|[EGB][DFA]|[CEG][B,DF]|[D^FAc]2|[GBd]2|
[G=Bdf]2|[G=Bdf]2|[CEG]2|[CEG]2|[FAce]2|[FAce]2|[B,DF]2|[B,DF]2|
[D^FAc]2|[D^FAc]2|[EGB]2|[EGB]2|[D^FA]2|[D^FA]2|[GBd]2|[CEG][GBd]|
""",
)
TCHAIKOVSKY = Piece(
    "nutcracker.ogg",
    "Tchaikovsky, Dance of the Sugar Plum Fairy: the sixteen arpeggios before the theme comes back",
    (69.6, 81.0),
    tuple(range(1, 17)),
    "arpeggio",
    """X:1
M:1/4
L:1/4
K:Em
[DFAc]|[^DFAB]|[DFAc]|[^DFAB]|[=FAce]|[F AB^d]|[=FAce]|[FAB^d]|
[Ac_eg]|[B^df]|[Ac_eg]|[B^df]|[DFAc]|[^DFAB]|[DFAc]|[^DFAB]|
""",
)


def reduction(piece: Piece) -> list[tuple[str, str]]:
    """Place and name of the chord of every quarter."""
    from music21 import converter

    score, found = converter.parse(piece.abc, format="abc"), []
    for bar, measure in zip(piece.bars, score.recurse().getElementsByClass("Measure"), strict=True):
        chords = [*measure.getElementsByClass("Chord")]
        for beat, chord in enumerate(chords, start=1):
            pitches = tuple(sorted({pitch.pitchClass for pitch in chord.pitches}))
            (name,) = (
                label
                for label in VOCABULARIES[170].labels
                if (parse_chord(label).root, parse_chord(label).pitches) == (chord.root().pitchClass, pitches)
            )
            place = f"{bar}" if len(chords) == 1 else f"{bar}, beat {beat}"
            found += [(place, name)] * round(chord.quarterLength)
    return found


def aligned(chords: list[str], chroma: Tensor) -> list[tuple[int, int]]:
    """First frame of every chord and the one after its last, in order, by pitch classes, shape=(12, frames)."""
    shapes = torch.zeros(len(chords), 12)
    for row, label in enumerate(chords):
        shapes[row, list(parse_chord(label).pitches)] = 1
    shapes = torch.nn.functional.normalize(shapes - shapes.mean(1, keepdim=True), dim=1)
    likeness = SHARPNESS * shapes @ torch.nn.functional.normalize(chroma - chroma.mean(0), dim=0)
    emissions = likeness.repeat_interleave(LEAST, 0)
    emissions[1:, 0] = emissions[:-1, -1] = NEVER  # from the first to the last
    states = len(emissions)
    steps = torch.full((states, states), NEVER).fill_diagonal_(0)
    steps[range(states - 1), range(1, states)] = 0
    path = torch.as_tensor(best_path(emissions, steps)) // LEAST
    return [(int((path == i).nonzero()[0]), int((path == i).nonzero()[-1]) + 1) for i in range(len(chords))]


def heard_in(chords: tuple[Segment, ...], start: float, end: float) -> str:
    """What is heard in a stretch of time, in order, without what is short."""
    inside = [(one.label, min(end, one.end) - max(start, one.start)) for one in chords]
    return " ".join(label for label, seconds in inside if seconds > SHOWN * (end - start))


def table(piece: Piece, estimator: Estimator, folder: Path) -> str:
    """A row for every chord of the reduction, as long as it lasts."""
    rate = estimator.feature.sample_rate
    heard = estimator.hear(read(folder / "audio" / piece.file, sample_rate=rate).samples)
    outputs = estimator.outputs(heard)
    times = estimator.times(outputs.shape[-1])
    chords = estimator.task.predict(outputs, times)
    thirds = heard[0].float().roll(1, 0).unflatten(0, (-1, 3)).sum(1)  # (a third below and above belong to the pitch)
    chroma = thirds.unflatten(0, (-1, 12)).sum(0)
    inside = [i for i, time in enumerate(times) if piece.seconds[0] <= time < piece.seconds[1]]
    units = reduction(piece)
    spans = aligned([name for _, name in units], chroma[:, inside])
    lines = [f"**{piece.title}**", "", f"| {piece.unit}s | seconds | score | heard |", "|---|---|---|---|"]
    begun = 0
    for name, together in groupby(units, key=lambda unit: unit[1]):
        bars = [bar for bar, _ in together]
        ended = begun + len(bars)
        start, end = times[inside[spans[begun][0]]], times[inside[spans[ended - 1][1] - 1]]
        place = bars[0] if bars[0] == bars[-1] else f"{bars[0]} to {bars[-1]}"
        lines.append(f"| {place} | {start:.1f} | {name} | {heard_in(chords, start, end)} |")
        begun = ended
    return "\n".join(lines)


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--from", dest="folder", type=Path, required=True, metavar="DIR", help="the recordings")
    folder = parser.parse_args().folder
    torch.set_num_threads(1)
    estimator = shipped_run("chords").estimator()
    print("\n\n".join(table(piece, estimator, folder) for piece in (BRAHMS, TCHAIKOVSKY)))


if __name__ == "__main__":
    main()
