"""Every brick keeps the contract, and each does what its definition says."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from glissando.errors import RecipeError
from glissando.nn import BRICKS, AutoPool, Film, Model, SincFilters, StochasticDepth, Transformer, build
from glissando.nn.attention import Attention, sinusoids

MAP, SEQUENCE, WAVEFORM, VECTOR = (3, 2, 12, 10), (3, 10, 8), (3, 400), (3, 5)

# name: (arguments, shape in, shape out without the batch)
EXAMPLES = {
    "conv1d": ({"channels": 6, "kernel": 4, "stride": 2, "repeat": 2}, SEQUENCE, (5, 6)),
    "conv1d/waveform": ({"channels": 6, "kernel": 9, "stride": 4}, WAVEFORM, (100, 6)),
    "conv1d/dilated": ({"channels": 8, "dilation": 4, "groups": 2, "norm": "layer"}, SEQUENCE, (10, 8)),
    "conv2d": ({"channels": 4, "kernel": [3, 5], "repeat": 2, "dropout": 0.1}, MAP, (4, 12, 10)),
    "conv2d/layer": (
        {"channels": 4, "stride": [2, 1], "norm": "layer", "activation": "gelu", "padding": "causal"},
        MAP,
        (4, 6, 10),
    ),
    "separable1d": ({"channels": 6, "repeat": 2}, SEQUENCE, (10, 6)),
    "separable2d": ({"channels": 6, "kernel": 4, "stride": 2}, MAP, (6, 6, 5)),
    "tcn": ({"channels": 6, "blocks": 2, "dropout": 0.1}, SEQUENCE, (10, 6)),
    "tcn/batch": ({"channels": 6, "blocks": 2, "norm": "batch", "causal": False}, SEQUENCE, (10, 6)),
    "residual2d": ({"channels": 4, "repeat": 2, "stride": [2, 1]}, MAP, (4, 6, 10)),
    "residual2d/bottleneck": ({"channels": 8, "kind": "bottleneck", "norm": "layer"}, MAP, (8, 12, 10)),
    "convnext2d": ({"channels": 4, "repeat": 2, "drop": 0.2, "scale": 0.1}, MAP, (4, 12, 10)),
    "convnext2d/down": ({"channels": 4, "stride": [4, 3]}, MAP, (4, 3, 4)),
    "convnext1d": ({"repeat": 2, "kernel": 5}, SEQUENCE, (10, 8)),
    "convnext1d/causal": ({"padding": "causal"}, SEQUENCE, (10, 8)),
    "stack": ({"frames": 3}, SEQUENCE, (4, 24)),
    "unstack": ({"frames": 4}, SEQUENCE, (40, 2)),
    "deconv1d": ({"channels": 6, "stride": 3, "activation": "elu"}, SEQUENCE, (30, 6)),
    "deconv1d/even": ({"channels": 6, "stride": 4, "norm": "layer"}, SEQUENCE, (40, 6)),
    "pca": ({"units": 5}, SEQUENCE, (10, 5)),
    "inverse_pca": ({"units": 20}, SEQUENCE, (10, 20)),
    "deterministic": ({}, SEQUENCE, (10, 8)),
    "gaussian": ({}, SEQUENCE, (10, 8)),
    "vq": ({"size": 8}, SEQUENCE, (10, 8)),
    "vq/residual": ({"size": 8, "levels": 3, "drop_levels": True}, SEQUENCE, (10, 8)),
    "codebooks": ({"size": 8, "levels": 3}, SEQUENCE, (10, 8)),
    "mu_law": ({"dim": 6, "classes": 16}, WAVEFORM, (400, 6)),
    "wavenet": ({"channels": 4, "skip": 6, "layers": 3}, SEQUENCE, (10, 6)),
    "wavenet/condition": (
        {"channels": 4, "skip": 6, "kernel": 3, "layers": 2, "condition": "condition"},
        SEQUENCE,
        (10, 6),
    ),
    "frame_rnn": ({"frame": 4, "units": 5, "channels": 6}, SEQUENCE, (10, 6)),
    "frame_rnn/condition": (
        {"frame": 3, "units": 5, "channels": 6, "kind": "lstm", "condition": "condition"},
        SEQUENCE,
        (10, 6),
    ),
    "hear": ({"feature": {"waveform": {"sample_rate": 8000}}}, WAVEFORM, (1, 1, 400)),
    "gate": ({"parts": 2}, SEQUENCE, (10, 8)),
    "gate/vector": ({"parts": 5}, VECTOR, (5,)),
    "sincnet": ({"sample_rate": 8000, "channels": 6, "kernel": 33, "stride": 5}, WAVEFORM, (80, 6)),
    "linear": ({"units": 4, "norm": "batch", "activation": "relu", "repeat": 2}, SEQUENCE, (10, 4)),
    "linear/vector": ({"units": 4, "norm": "layer"}, VECTOR, (4,)),
    "rnn": ({"units": 5, "layers": 2, "dropout": 0.1}, SEQUENCE, (10, 5)),
    "rnn/lstm": ({"kind": "lstm", "units": 5, "bidirectional": True, "output": "last"}, SEQUENCE, (10,)),
    "rnn/plain": ({"kind": "rnn", "units": 5, "output": "last"}, SEQUENCE, (5,)),
    "transformer": ({"depth": 2, "heads": 2, "dropout": 0.1}, SEQUENCE, (10, 8)),
    "transformer/relative": ({"dim": 12, "heads": 3, "positions": "relative", "max_distance": 4}, SEQUENCE, (10, 12)),
    "transformer/learned": ({"heads": 2, "positions": "learned", "max_frames": 10}, SEQUENCE, (10, 8)),
    "transformer/sinusoidal": ({"heads": 2, "positions": "sinusoidal", "causal": True}, SEQUENCE, (10, 8)),
    "transformer/token": ({"heads": 2, "positions": "none", "output": "token"}, SEQUENCE, (8,)),
    "transformer/context": ({"heads": 2, "context": "memory"}, SEQUENCE, (10, 8)),
    "transformer/film": ({"heads": 2, "film": "condition"}, SEQUENCE, (10, 8)),
    "subpixel2d": ({"bins": 2}, MAP, (1, 24, 10)),
    "unet2d": ({"channels": 4, "depth": 2, "film": "condition"}, MAP, (4, 12, 10)),
    "unet2d/interpolated": (
        {"channels": 4, "depth": 2, "upsampling": "interpolated", "join": "add", "stride": [2, 3]},
        MAP,
        (4, 12, 10),
    ),
    "unet2d/residual": (
        {"channels": 4, "depth": 2, "blocks": "residual", "norm": "layer", "stride": [1, 2], "film": "condition"},
        MAP,
        (4, 12, 10),
    ),
    "film": ({"condition": "condition"}, MAP, (2, 12, 10)),
    "film/sequence": ({"condition": "condition"}, SEQUENCE, (10, 8)),
    "max_pool": ({"bins": 3, "frames": 4}, MAP, (2, 4, 3)),
    "max_pool/sequence": ({"frames": 4}, SEQUENCE, (3, 8)),
    "mean_pool": ({"bins": 3, "frames": 4}, MAP, (2, 4, 3)),
    "mean_pool/sequence": ({"frames": 5}, SEQUENCE, (2, 8)),
    "global_max": ({}, MAP, (2,)),
    "global_max/frames": ({"over": "frames"}, MAP, (2, 12, 1)),
    "global_mean": ({}, SEQUENCE, (8,)),
    "global_mean/bins": ({"over": "bins"}, MAP, (2, 1, 10)),
    "attention_pool": ({"heads": 2}, SEQUENCE, (8,)),
    "attention_pool/hidden": ({"hidden": 6}, SEQUENCE, (8,)),
    "autopool": ({}, SEQUENCE, (8,)),
    "autopool/split": ({"split": True, "temperature": 1.0, "learned": False}, MAP, (1, 12, 1)),
    "to_sequence": ({}, MAP, (10, 24)),
    "to_map": ({"channels": 2}, SEQUENCE, (2, 4, 10)),
    "flatten": ({}, MAP, (240,)),
    "patches": ({"bins": 4, "frames": 3, "dim": 8}, MAP, (9, 8)),
    "autocorrelation": ({"shortest": 2, "longest": 8, "lags": 5}, SEQUENCE, (5, 8)),
    "recall": ({"name": "sequence"}, SEQUENCE, (10, 8)),
    "store": ({"name": "again"}, MAP, (2, 12, 10)),
    "join": ({"name": "sequence"}, SEQUENCE, (10, 16)),
    "join/add": ({"name": "sequence", "how": "add"}, SEQUENCE, (10, 8)),
}
GIVEN = {"condition": (3, 7), "memory": (3, 6, 9), "sequence": SEQUENCE}


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def brick(name: str, shape: tuple[int, ...], seed: int = 0, **arguments: object) -> nn.Module:
    """One brick alone."""
    torch.manual_seed(seed)
    return next(build({"part": {name: arguments}}, torch.empty(shape)).layers()).eval()


def contract(example: str) -> tuple[Model, Tensor, dict[str, Tensor]]:
    arguments, shape, _ = EXAMPLES[example]
    if example.startswith("vq"):
        pytest.importorskip("vector_quantize_pytorch", reason='the extra "codecs" is not installed')
    given = {name: noise(*size, seed=i + 1) for i, (name, size) in enumerate(GIVEN.items())}
    torch.manual_seed(0)
    model = build({"part": {example.split("/")[0]: arguments}}, torch.empty(shape), given=given)
    used = {name: tensor for name, tensor in given.items() if name in map(str, arguments.values())}
    return model, noise(*shape), used


def test_every_brick_is_under_contract() -> None:
    assert {example.split("/")[0] for example in EXAMPLES} == set(BRICKS.names())


@pytest.mark.parametrize("example", EXAMPLES)
def test_shape_type_and_determinism(example: str) -> None:
    model, x, given = contract(example)
    model.eval()
    with torch.no_grad():
        first, second = model(x, **given), model(x, **given)
    assert first.shape == (3, *EXAMPLES[example][2])
    assert first.dtype == torch.float32
    assert torch.equal(first, second)
    (row,) = model.summary(x, **given)
    assert row.shape == first.shape and row.brick == example.split("/")[0]


@pytest.mark.parametrize("example", EXAMPLES)
def test_a_batch_equals_one_by_one(example: str) -> None:
    model, x, given = contract(example)
    model.eval()
    with torch.no_grad():
        whole = model(x, **given)
        singly = [model(x[i : i + 1], **{name: each[i : i + 1] for name, each in given.items()}) for i in range(3)]
    torch.testing.assert_close(whole, torch.cat(singly), rtol=0, atol=1e-5)


@pytest.mark.parametrize("example", EXAMPLES)
def test_gradients_reach_every_parameter(example: str) -> None:
    model, x, given = contract(example)
    given = {name: each.requires_grad_() for name, each in given.items()}
    y = model.train()(x.requires_grad_(), **given)
    (y * noise(*y.shape, seed=9)).sum().backward()
    if example not in ("recall", "mu_law"):  # which goes on from elsewhere, and which knows steps alone
        assert x.grad is not None and x.grad.abs().sum() > 0
    for name, weight in model.named_parameters():
        if weight.requires_grad:
            assert weight.grad is not None and weight.grad.abs().sum() > 0, name
            assert weight.grad.isfinite().all(), name


def test_frames_side_by_side_and_back() -> None:
    x = noise(2, 6, 4)
    stacked = brick("stack", (2, 6, 4), frames=3)(x)
    assert torch.equal(stacked[0, 1], x[0, 3:6].flatten())
    assert torch.equal(brick("unstack", (2, 2, 12), frames=3)(stacked), x)
    uneven = brick("stack", (1, 5, 4), frames=3)(x[:1, :5])
    assert torch.equal(uneven[0, 1], torch.cat([x[0, 3], x[0, 4], x[0, 4]])), "the last frame is repeated"


def test_zero_layers_begin_with_nothing() -> None:
    assert not brick("linear", (2, 6, 4), units=3, repeat=2, zero=True)(noise(2, 6, 4)).any()


def test_principal_components_are_those_of_scikit_learn() -> None:
    decomposition = pytest.importorskip("sklearn.decomposition")
    spread = torch.tensor([3.0, 2.0, 1.0, 0.3, 0.1, 0.01])
    turned = torch.linalg.qr(noise(6, 6, seed=3))[0]
    x = (noise(400, 6) * spread) @ turned + 5
    into, back = brick("pca", (1, 1, 6), units=3), brick("inverse_pca", (1, 1, 3), units=6)
    into.fit(x.split(100), back)  # type: ignore[operator]
    theirs = decomposition.PCA(3).fit(x.numpy())
    with torch.no_grad():
        z = into(x)
        wanted = torch.from_numpy(theirs.inverse_transform(theirs.transform(x.numpy())))
        torch.testing.assert_close(back(z), wanted, rtol=0, atol=1e-4)
    assert float(z.square().mean()) == pytest.approx(1, abs=0.01) and float(z.mean()) == pytest.approx(0, abs=1e-4)
    with pytest.raises(ValueError, match="3 vectors are too few"):
        into.fit([x[:3]], back)  # type: ignore[operator]


def test_residual_codebooks_leave_less_at_every_level() -> None:
    layer = brick("codebooks", (1, 1, 2), size=4, levels=2)
    corners = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    layer.fit(corners, lambda left, level: corners / 4**level)  # type: ignore[operator]
    z = torch.tensor([[[1.25, 0.75], [-0.75, -1.25], [1.0, 1.0]]])
    codes = layer.codes(z)  # type: ignore[operator]
    assert torch.equal(codes[0, :2], torch.tensor([[0, 1], [3, 1]]))
    torch.testing.assert_close(layer.from_codes(codes)[0, :2], z[0, :2])  # type: ignore[operator]
    assert torch.equal(layer.from_codes(codes[..., :1])[0, 0], corners[0])  # type: ignore[operator]
    with torch.no_grad():
        torch.testing.assert_close(layer(z)[0, :2], z[0, :2])
    gradient = torch.autograd.grad(layer.train()(z.requires_grad_()).sum(), z)[0]
    assert torch.equal(gradient, torch.ones_like(z)), "gradients pass as if nothing had happened"


def test_what_a_gaussian_costs_is_the_divergence_from_the_standard_normal() -> None:
    layer = brick("gaussian", (2, 5, 3))
    z = noise(2, 5, 3)
    with torch.no_grad():
        squeezed = layer.squeeze(z)  # type: ignore[operator]
    ours = torch.distributions.Normal(z, torch.exp(torch.tensor(-2.0)))
    wanted = torch.distributions.kl_divergence(ours, torch.distributions.Normal(0.0, 1.0)).mean()
    assert float(squeezed.cost) == pytest.approx(float(wanted), rel=1e-5) and torch.equal(squeezed.latents, z)
    drawn = layer.train().squeeze(z.expand(2000, 2, 5, 3).flatten(0, 1)).latents  # type: ignore[operator]
    assert float((drawn.view(2000, -1) - z.flatten()).std()) == pytest.approx(
        float(torch.exp(torch.tensor(-2.0))), rel=0.02
    )


def test_channels_become_bins_in_order() -> None:
    x = noise(1, 6, 4, 5)
    y = brick("subpixel2d", (1, 6, 4, 5), bins=3)(x)
    assert y.shape == (1, 2, 12, 5)
    assert torch.equal(y[0, 1, 2 * 3 + 1], x[0, 1 * 3 + 1, 2])


@pytest.mark.parametrize("stride", [[2, 1], [2, 3]])
def test_a_stride_of_kernel_one_thins_first(stride: list[int]) -> None:
    """The same numbers; torch 2.13 would damage its memory in the backward pass with channels last."""
    layer = brick("conv2d", (2, 3, 13, 10), channels=4, kernel=1, stride=stride, norm="none", activation="none")
    inner = next(part for part in layer.modules() if isinstance(part, nn.Conv2d))
    assert inner.stride == (1, 1)
    x = noise(2, 3, 13, 10)
    torch.testing.assert_close(layer(x), nn.functional.conv2d(x, inner.weight, inner.bias, stride=tuple(stride)))


@pytest.mark.parametrize("example", EXAMPLES)
def test_silence_is_finite(example: str) -> None:
    model, x, given = contract(example)
    y = model.train()(torch.zeros_like(x), **given)
    if y.requires_grad:
        y.square().sum().backward()
    assert y.isfinite().all()
    assert all(each.grad.isfinite().all() for each in model.parameters() if each.grad is not None)


@pytest.mark.parametrize("example", [name for name in EXAMPLES if not name.startswith("join")])
def test_one_frame_is_enough(example: str) -> None:
    model, x, given = contract(example)
    short = x[:, :1] if x.ndim == 3 else x[..., :1] if EXAMPLES[example][1] != VECTOR else x
    with torch.no_grad():
        assert model.eval()(short, **given).isfinite().all()


@pytest.mark.parametrize("example", EXAMPLES)
def test_mixed_precision_is_close(example: str) -> None:
    model, x, given = contract(example)
    model.eval()
    with torch.no_grad():
        exact = model(x, **given)
        with torch.autocast("cpu", torch.bfloat16):
            rounded = model(x, **given)
    assert rounded.shape == exact.shape
    assert (rounded.float() - exact).abs().max() < 0.1 * exact.abs().max() + 0.02


def sees(layer: nn.Module, frames: int, dim: int, at: int) -> list[int]:
    """Frames of the input that one frame of the output depends on."""
    x = noise(1, frames, dim).requires_grad_()
    (layer(x)[0, at] * noise(layer(x).shape[2], seed=4)).sum().backward()  # a plain sum of a layer norm is constant
    assert x.grad is not None
    return x.grad.abs().sum((0, 2)).nonzero().flatten().tolist()


CAUSAL = [
    ("tcn", {"channels": 8, "blocks": 3}),
    ("conv1d", {"channels": 8, "kernel": 5, "padding": "causal", "repeat": 2}),
    *(
        ("transformer", {"heads": 2, "causal": True, "positions": positions})
        for positions in ("rotary", "relative", "sinusoidal", "learned", "none")
    ),
]


@pytest.mark.parametrize(("name", "arguments"), CAUSAL, ids=[str(case) for case in CAUSAL])
def test_the_past_does_not_see_the_future(name: str, arguments: dict) -> None:
    layer = brick(name, (1, 30, 8), **arguments)
    x, changed = noise(1, 30, 8), noise(1, 30, 8)
    changed[:, 20:] = noise(1, 10, 8, seed=5)
    with torch.no_grad():
        before, after = layer(x), layer(changed)
    torch.testing.assert_close(before[:, :20], after[:, :20], rtol=0, atol=1e-6)
    assert (before[:, 20:] - after[:, 20:]).abs().amin(2).max() > 1e-4
    assert max(sees(layer, 30, 8, 12)) == 12


@pytest.mark.parametrize("blocks", [1, 3, 4])
def test_a_tcn_sees_what_the_formula_says(blocks: int) -> None:
    field = 1 + 2 * (3 - 1) * (2**blocks - 1)
    arguments = {"channels": 4, "kernel": 3, "blocks": blocks, "activation": "elu"}
    seen = sees(brick("tcn", (1, 150, 4), **arguments), 150, 4, 75)
    assert (min(seen), max(seen)) == (76 - field, 75)
    centred = sees(brick("tcn", (1, 150, 4), causal=False, **arguments), 150, 4, 75)
    assert (min(centred), max(centred)) == (75 - field // 2, 75 + field // 2)


def test_a_dilated_convolution_sees_taps_apart() -> None:
    layer = brick("conv1d", (1, 60, 4), channels=4, dilation=5, activation="none")
    assert sees(layer, 60, 4, 30) == [25, 30, 35]


def test_autopool_goes_from_mean_to_maximum() -> None:
    x = noise(4, 50, 6)
    for temperature, expected in ((0.0, x.mean(1)), (1.0, (x * x.softmax(1)).sum(1)), (1e4, x.amax(1))):
        torch.testing.assert_close(AutoPool(6, temperature=temperature)(x), expected)
    maps = noise(2, 3, 5, 20)
    torch.testing.assert_close(AutoPool(3, temperature=1e4)(maps), maps.amax(3, keepdim=True))


def test_split_autopool_weighs_the_first_half_by_the_second() -> None:
    x = noise(2, 20, 6)
    x[:, :, 3:] = 0
    x[:, 7, 3:] = 50
    torch.testing.assert_close(AutoPool(6, temperature=1.0, split=True)(x), x[:, 7, :3])


def test_attention_pool_of_a_constant_is_the_constant() -> None:
    layer = brick("attention_pool", (1, 30, 8), heads=4)
    frame = noise(1, 1, 8)
    torch.testing.assert_close(layer(frame.expand(1, 30, 8)), frame[:, 0])
    x = noise(1, 30, 8)
    pooled = layer(x)[0]
    assert (pooled > x[0].amin(0)).all() and (pooled < x[0].amax(0)).all()


def test_rotary_attention_knows_only_distances() -> None:
    torch.manual_seed(0)
    attention, x = Attention(16, 2, 0.0), noise(1, 40, 16)
    here, later = (attention(x, rotation=sinusoids(40, 8, first=first)) for first in (0, 137))
    torch.testing.assert_close(here, later, rtol=0, atol=1e-5)
    absolute = (attention(x + torch.cat(sinusoids(40, 16, first=first), 1)) for first in (0, 137))
    assert (next(absolute) - next(absolute)).abs().max() > 1e-2


def test_relative_positions_know_only_distances() -> None:
    layer = brick("transformer", (1, 30, 8), heads=2, positions="relative", max_distance=12)
    assert isinstance(layer, Transformer) and layer.table is not None
    nn.init.normal_(layer.table)
    bias = layer.bias(30)
    assert torch.equal(bias[:, :-1, :-1], bias[:, 1:, 1:])
    assert not torch.equal(bias, bias.transpose(1, 2))  # before and after differ
    assert torch.equal(bias[:, 0, 12], bias[:, 0, 29])  # clipped


@pytest.mark.parametrize("positions", ["rotary", "relative", "sinusoidal", "learned", "none"])
def test_only_without_positions_order_does_not_matter(positions: str) -> None:
    layer = brick("transformer", (1, 30, 8), heads=2, positions=positions)
    for weight in layer.parameters():
        nn.init.normal_(weight, std=0.5)
    x, order = noise(1, 30, 8), torch.randperm(30, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        apart = (layer(x[:, order]) - layer(x)[:, order]).abs().max()
    assert apart < 1e-4 if positions == "none" else apart > 1e-2


def test_cross_attention_reads_a_set() -> None:
    example, memory = torch.empty(1, 10, 8), noise(1, 6, 5, seed=3)
    spec = {"part": {"transformer": {"heads": 2, "context": "memory"}}}
    model, x = build(spec, example, given={"memory": memory}).eval(), noise(1, 10, 8)
    torch.testing.assert_close(model(x, memory=memory), model(x, memory=memory.flip(1)))
    assert (model(x, memory=memory) - model(x, memory=memory + 1)).abs().max() > 1e-3


def test_learned_positions_end_somewhere() -> None:
    from glissando.errors import ModelError

    layer = brick("transformer", (1, 30, 8), heads=2, positions="learned", max_frames=40)
    with pytest.raises(ModelError, match="41 frames, but positions are learned for 40; raise max_frames"):
        layer(noise(1, 41, 8))


def test_sinc_filters_pass_their_band() -> None:
    rate, filters = 16_000, SincFilters(20, 1025, 1, 16_000, 50.0, 50.0)
    with torch.no_grad():
        response = torch.fft.rfft(filters.filters()[:, 0], 16_384).abs()
        low, high = filters.cutoffs()
    frequency = torch.arange(response.shape[1]) * rate / 16_384
    assert (low[1:] > low[:-1]).all() and low[0] > 50 and high[-1] <= rate / 2
    margin = 4 * rate / 1025 / 2  # half the main lobe of a Hamming window
    for i in range(20):
        inside = (frequency > low[i] + margin) & (frequency < high[i] - margin)
        outside = (frequency < low[i] - margin) | (frequency > high[i] + margin)
        assert response[i, outside].max() < 0.01
        if inside.any():
            assert (response[i, inside] - 1).abs().max() < 0.01
        for cutoff in (low[i], high[i]):
            if cutoff < rate / 2 - margin and high[i] - low[i] > 2 * margin:
                assert response[i, (frequency - cutoff).abs().argmin()] == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("upsampling", ["transposed", "interpolated"])
@pytest.mark.parametrize("size", [(1, 1), (37, 53), (64, 16), (7, 100)])
def test_a_unet_keeps_sizes(upsampling: str, size: tuple[int, int]) -> None:
    layer = brick("unet2d", (1, 2, 32, 32), channels=4, depth=4, upsampling=upsampling)
    assert layer(noise(1, 2, *size)).shape == (1, 4, *size)


def test_a_unet_carries_details_around_the_bottom() -> None:
    """With the upsampling silenced, what the levels stored is enough to tell frames."""
    layer = brick("unet2d", (1, 1, 16, 16), channels=4, depth=2)
    for up in layer.ups:
        nn.init.zeros_(up.weight)
    x = noise(1, 1, 16, 16)
    assert layer(x).std(3).max() > 1e-3


@pytest.mark.parametrize(
    "name, arguments",
    [
        ("unet2d", {"channels": 4, "depth": 2, "blocks": "residual", "norm": "layer"}),
        ("unet2d", {"channels": 4, "depth": 2}),
        ("transformer", {"heads": 2}),
    ],
)
def test_a_vector_changes_what_films_give(name: str, arguments: dict[str, object]) -> None:
    """At first the vector says nothing; once it has learned to, every position hears it, and each example its own."""
    shape = (2, 3, 8, 8) if name == "unet2d" else (2, 6, 8)
    spec = {"part": {name: {**arguments, "film": "condition"}}}
    model = build(spec, torch.empty(shape), given={"condition": torch.empty(2, 5)}).eval()
    x, one, other = noise(*shape), noise(2, 5), noise(2, 5, seed=1)
    assert torch.equal(model(x, condition=one), model(x, condition=other))
    films = [layer for layer in model.modules() if isinstance(layer, Film)]
    for film in films:
        nn.init.normal_(film.affine.weight)
    changed = model(x, condition=torch.stack([one[0], other[1]])) != model(x, condition=one)
    assert films and not changed[0].any() and changed[1].any(0).all()


def test_a_transformer_has_a_context_or_a_film() -> None:
    given = {"memory": torch.empty(2, 3, 4), "condition": torch.empty(2, 5)}
    with pytest.raises(RecipeError, match="a context or a film, not both"):
        build({"part": {"transformer": {"context": "memory", "film": "condition"}}}, torch.empty(2, 6, 8), given=given)


def test_stochastic_depth_keeps_the_expectation() -> None:
    layer, x = StochasticDepth(0.25), torch.ones(4000, 3, 2)
    assert torch.equal(layer.eval()(x), x)
    torch.manual_seed(0)
    y = layer.train()(x)
    assert y.unique().tolist() == pytest.approx([0, 4 / 3])
    assert torch.equal(y.amin((1, 2)), y.amax((1, 2)))  # an example is dropped as a whole
    assert y.mean().item() == pytest.approx(1, abs=5 * math.sqrt(0.25 / 0.75 / 4000))


def test_film_begins_as_the_identity_and_is_affine() -> None:
    film, condition = Film("condition", 5, 3), noise(2, 5)
    for x in (noise(2, 3, 4, 6), noise(2, 7, 3), noise(2, 3)):
        assert torch.equal(film(x, condition), x)
    nn.init.normal_(film.affine.weight)
    scale, shift = film.affine(condition).chunk(2, 1)
    x = noise(2, 3, 4, 6)
    torch.testing.assert_close(film(x, condition)[1, 2], scale[1, 2] * x[1, 2] + shift[1, 2])


def test_residual_blocks_are_ways_around() -> None:
    x = noise(1, 4, 9, 11)
    torch.testing.assert_close(brick("convnext2d", x.shape, channels=4, scale=0.0, repeat=3)(x), x)
    for kind in ("building", "bottleneck"):
        layer = brick("residual2d", x.shape, channels=4, kind=kind)
        norms = [module for module in layer.modules() if isinstance(module, nn.BatchNorm2d)]
        nn.init.zeros_(norms[-1].weight)
        torch.testing.assert_close(layer(x), x.relu())


def test_the_last_state_is_that_of_both_ends() -> None:
    for kind in ("rnn", "lstm", "gru"):
        arguments = {"kind": kind, "units": 5, "layers": 2, "bidirectional": True}
        many, one = brick("rnn", (1, 20, 8), **arguments), brick("rnn", (1, 20, 8), output="last", **arguments)
        x = noise(2, 20, 8)
        torch.testing.assert_close(one(x), torch.cat([many(x)[:, -1, :5], many(x)[:, 0, 5:]], 1))


def test_maps_and_sequences_are_each_others_reverse() -> None:
    x = noise(2, 3, 5, 7)
    sequence = brick("to_sequence", x.shape)(x)
    assert torch.equal(sequence[1, 4], x[1, :, :, 4].flatten())
    assert torch.equal(brick("to_map", sequence.shape, channels=3)(sequence), x)


def test_pooling_loses_no_frame() -> None:
    x = torch.arange(10.0).reshape(1, 10, 1)
    assert brick("max_pool", x.shape, frames=4)(x).flatten().tolist() == [3, 7, 9]
    assert brick("mean_pool", x.shape, frames=4)(x).flatten().tolist() == [1.5, 5.5, 8.5]


def test_separable_convolutions_have_few_parameters() -> None:
    layer = brick("separable2d", (1, 32, 20, 20), channels=64, kernel=5, norm="none")
    assert sum(weight.numel() for weight in layer.parameters()) == 32 * 25 + 32 + 32 * 64 + 64


def test_the_page_of_models_names_every_brick() -> None:
    page = (Path(__file__).parents[1] / "docs" / "models.md").read_text()
    assert [name for name in BRICKS.names() if f"`{name}`" not in page] == []
