"""Ways to compute musiCNN's first layers on a CPU: the same numbers, at what cost?

    python benchmarks/forms.py [--quick]      # ONNX Runtime's row needs: pip install onnxruntime onnxscript

The two wide (7 x 38, 7 x 67) and three long convolutions, up to the maximum over the bands, take nine tenths of the
network's time. One core; windows of 3 s of noise as log-mel; the reference is the plain convolution in float64.
"""

from __future__ import annotations

import argparse
import importlib.util
import io
import time
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from report import Row, write
from torch import Tensor, nn

from glissando import encoders
from glissando.encoders.musicnn import BandMax, MusiCNN

DATA, SEED = "First layers of musiCNN", 0
PADDINGS = ((3, 3), (3, 3), (63, 64), (31, 32), (15, 16))


class Plain(nn.Module):
    """Convolution, ReLU, batch norm, maximum: as the original says it."""

    def __init__(self, network: MusiCNN) -> None:
        super().__init__()
        self.layers = nn.ModuleList([*network.timbral, *network.temporal])

    def forward(self, x: Tensor) -> Tensor:
        """Log-mel windows, shape=(windows, frames, bands), to features, shape=(windows, channels, frames)."""
        outputs = []
        for layer, (before, behind) in zip(self.layers, PADDINGS, strict=True):
            convolved = layer.conv(F.pad(x.unsqueeze(1), (0, 0, before, behind)))
            outputs.append(layer.norm(F.relu(convolved)).amax(3))
        return torch.cat(outputs, 1)


class MaxFirst(Plain):
    """The maximum before ReLU and batch norm, which then work on a fiftieth of the values."""

    def forward(self, x: Tensor) -> Tensor:
        """As `Plain`."""
        outputs = []
        for layer, (before, behind) in zip(self.layers, PADDINGS, strict=True):
            sign = torch.where(layer.norm.weight < 0, -1.0, 1.0)
            kernel = layer.conv.weight * sign[:, None, None, None]
            largest = F.conv2d(F.pad(x.unsqueeze(1), (0, 0, before, behind)), kernel).amax(3)
            activations = F.relu(largest * sign[:, None] + layer.conv.bias[:, None])
            outputs.append(layer.norm(activations.unsqueeze(3)).squeeze(3))
        return torch.cat(outputs, 1)


class Spectral(Plain):
    """What Glissando does: products of spectra along the bands for the wide kernels."""

    def forward(self, x: Tensor) -> Tensor:
        """As `Plain`."""
        layers = [layer(x, padding) for layer, padding in zip(self.layers, PADDINGS, strict=True)]
        return torch.cat(layers, 2).transpose(1, 2)


def low_rank(network: MusiCNN, energy: float) -> Plain:
    """Replace every wide kernel bank by its best approximation of that energy, as two convolutions."""

    class Pair(nn.Module):
        def __init__(self, layer: BandMax) -> None:
            super().__init__()
            weight = layer.conv.weight.flatten(1)
            u, s, v = torch.linalg.svd(weight, full_matrices=False)
            rank = int((s.square().cumsum(0) / s.square().sum() < energy).sum()) + 1
            self.first = (s[:rank, None] * v[:rank]).view(rank, *layer.conv.weight.shape[1:])
            self.second, self.bias = u[:, :rank, None, None], layer.conv.bias

        def forward(self, x: Tensor) -> Tensor:
            return F.conv2d(F.conv2d(x, self.first), self.second, self.bias)

    plain = Plain(network)
    copies = nn.ModuleList()
    for layer in plain.layers:
        copy = nn.Module()
        copy.conv, copy.norm = Pair(layer), layer.norm
        copies.append(copy)
    plain.layers = copies
    return plain


def onnx(model: nn.Module, example: Tensor) -> Callable[[Tensor], Tensor]:
    """Run a model by ONNX Runtime on one thread."""
    import onnxruntime

    buffer = io.BytesIO()
    torch.onnx.export(model, (example,), dynamo=True, external_data=False).save(buffer)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(buffer.getvalue(), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda x: torch.from_numpy(session.run(None, {name: x.numpy()})[0])


def main() -> None:
    """Measure and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="two rounds; writes nothing")
    rounds = 2 if parser.parse_args().quick else 15
    torch.set_num_threads(1)
    network = encoders.load("musicnn-msd").network
    assert isinstance(network, MusiCNN)
    plain, first, spectral = Plain(network), MaxFirst(network), Spectral(network)
    windows = torch.rand(32, 187, 96, generator=torch.Generator().manual_seed(SEED)) * 4
    with torch.inference_mode():
        x = network.norm(windows.unsqueeze(1)).squeeze(1)
    forms: dict[str, tuple[Callable[[Tensor], Tensor], int]] = {
        "plain convolutions, batch 32": (plain, 32),
        "plain convolutions, batch 1": (plain, 1),
        "channels last, batch 1": (lambda x: _channels_last(plain, x), 1),
        "maximum first, batch 1": (first, 1),
        "bfloat16, batch 1": (lambda x: _bfloat16(first, x), 1),
        "low rank (99.9 % of the energy), batch 1": (low_rank(network, 0.999), 1),
        "torch.compile, batch 1": (torch.compile(first), 1),
        "spectra along the bands, batch 1": (spectral, 1),
        "spectra along the bands, batch 32": (spectral, 32),
    }
    if all(map(importlib.util.find_spec, ("onnxruntime", "onnxscript"))):
        forms["ONNX Runtime, batch 1"] = (onnx(first, x[:1]), 1)
    rows = []
    with torch.inference_mode():
        reference = plain.double()(x[:4].double()).float()
        plain.float()
        for name, (form, batch) in forms.items():
            parts = [*x[: max(batch, 4)].split(batch)]
            error = torch.cat([form(part) for part in parts])[:4].sub(reference).abs().max() / reference.abs().max()
            seconds = []
            for part in (parts * rounds)[:rounds]:
                start = time.process_time()
                form(part)
                seconds.append((time.process_time() - start) / len(part))
            low, median, high = np.percentile(seconds, [10, 50, 90])
            rows.append(Row(DATA, name, "CPU-ms a window", 1000 * median, rounds, low=1000 * low, high=1000 * high))
            rows.append(Row(DATA, name, "largest error", float(error), rounds))
            print(f"{name:45} {1000 * median:8.1f} ms   error {float(error):.1e}", flush=True)
    if rounds > 2:
        notes = [
            "The error is relative to the largest value. Intervals here are the 10th and 90th percentile of the rounds.",
            "The low-rank form keeps 99.9 % of the kernels' energy and still misses the tolerance of the parity test "
            "(1e-4 of the tag probabilities); bfloat16 misses it by far and is slower on a CPU without bfloat16 units.",
        ]
        write("forms", rows, seed=SEED, title="Forms of musiCNN's first layers", notes=notes)


def _channels_last(model: nn.Module, x: Tensor) -> Tensor:
    layers = [layer.conv for layer in model.layers]  # type: ignore[union-attr]
    for conv in layers:
        conv.weight.data = conv.weight.data.contiguous(memory_format=torch.channels_last)
    output: Tensor = model(x)
    for conv in layers:
        conv.weight.data = conv.weight.data.contiguous()
    return output


def _bfloat16(model: nn.Module, x: Tensor) -> Tensor:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output: Tensor = model(x).float()
    return output


if __name__ == "__main__":
    main()
