"""What the bottleneck of a codec costs: none, a normal distribution, one codebook, residual ones.

    python bottlenecks.py NAME=RUN ... [--quick]

Runs of codec/gliss-codec, codec/vae, codec/vq-vae ..., named as the table shall name them, beside the shipped
weights (codec/rvq). Sounds are those of codec.py, out of the test part that all have in common. Needs librosa.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import codec as measuring
import numpy as np
import torch
from report import Row, write

from glissando import codecs
from glissando.encoders.shipped import shipped_folder
from glissando.training import Run

SEED, COUNT = measuring.SEED, measuring.COUNT
USE = "Use of codebooks, all sounds together"


@torch.inference_mode()
def use_of_codes(name: str, codec: codecs.Codec, waves: Sequence[measuring.Sound]) -> list[Row]:
    """The share of codes that occur, and as how many equally frequent ones they count; means over levels."""
    codes = torch.cat([codec.codes(codec(torch.from_numpy(wave)[None]))[0] for wave in waves])
    counts = torch.stack([torch.bincount(level, minlength=codec.card.size) for level in codes.T]).double()
    shares = counts / counts.sum(1, keepdim=True)
    worth = torch.exp(-(shares * shares.clamp_min(1e-12).log()).sum(1))
    said = {
        "levels": codec.card.levels,
        "codes a level": codec.card.size,
        "share used": float((counts > 0).double().mean()),
        "perplexity": float(worth.mean()),
        "bit rate": codec.card.bits_per_second / 1000,
    }
    units = {"bit rate": "kbit/s"}
    return [Row(USE, name, metric, value, len(codes), units.get(metric, "")) for metric, value in said.items()]


def main() -> None:
    """Measure, print, and write unless it is a quick look."""
    parser = argparse.ArgumentParser()
    parser.add_argument("runs", nargs="+", metavar="NAME=RUN")
    parser.add_argument("--quick", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(1)
    shipped = Run.open(shipped_folder("codec"))
    loaded = {"residual codebooks (shipped)": (shipped, codecs.load("gliss-codec"))}
    for said in args.runs:
        name, _, folder = said.partition("=")
        loaded[name] = (Run.open(folder), codecs.load("gliss-codec", weights=folder))
    if len({tuple(sorted(run.split().parts["test"])) for run, _ in loaded.values()}) > 1:
        parser.error("runs were split otherwise than the shipped codec, so their numbers can't stand in one table")
    systems: dict[str, measuring.System] = {"silence": lambda wave: (np.zeros_like(wave), 0.0)}
    for name, (_, codec) in loaded.items():
        systems[f"{name}, latents"] = measuring.of_codec(codec)
        if codec.card.levels:
            systems[f"{name}, codes"] = measuring.of_codec(codec, codec.card.levels)
    rows: list[Row] = []
    waves: list[measuring.Sound] = []
    for place, heard in measuring.sounds(shipped, 1 if args.quick else COUNT):
        waves += [wave for _, wave in heard]
        for system, through in systems.items():
            note = place in measuring.NOTES and not args.quick
            rows += measuring.measured(measuring.PLACES.get(place, place), system, through, heard, note=note)
    for name, (run, codec) in loaded.items():
        if codec.card.levels:
            rows += use_of_codes(name, codec, waves)
        rows += measuring.speeds(name, codec)
        told = run.result()
        rows.append(Row("Training", name, "epochs", float(told["epochs"]), 1))
        rows.append(Row("Training", name, "minutes", float(told["minutes"]), 1, "min"))
        rows.append(Row("Training", name, "parameters", told["parameters"] / 1e6, 1, "M"))
    if args.quick:
        return
    write(
        "bottlenecks",
        rows,
        seed=SEED,
        title="Bottlenecks of codecs",
        notes=[
            f"The same sounds as in the [table of codecs](codec.md): up to {COUNT} a set, {measuring.SECONDS:g} s at most. All but the shipped codec were trained for a short time, alike where epochs are alike, so the rows tell "
            "what a bottleneck costs, not what it could come to. Latents are what the encoder tells, before anything is quantized; codes are all levels.",
        ],
    )


if __name__ == "__main__":
    main()
