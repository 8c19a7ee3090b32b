"""The mu-law, and models that are run sample by sample: what comes out is what they give for all samples at once."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from glissando.errors import RecipeError
from glissando.nn import Model, build, from_mu_law, mu_law, steps

WAVENET = {
    "samples": [{"mu_law": {"dim": 5}}, {"wavenet": {"channels": 6, "skip": 7, "kernel": 3, "layers": 4, "cycles": 2}}],
    "head": [{"linear": {"units": 9, "activation": "relu"}}, {"linear": {"units": 256}}],
}
SAMPLERNN = {
    "frames": [
        {"store": "wave"},
        {"frame_rnn": {"frame": 8, "units": 12, "channels": 10, "layers": 2}},
        {"store": "told"},
    ],
    "samples": [
        {"recall": "wave"},
        {"mu_law": {"dim": 5}},
        {"conv1d": {"channels": 10, "kernel": 8, "padding": "causal", "norm": "none"}},
        {"join": {"name": "told", "how": "add"}},
        {"linear": {"units": 256}},
    ],
}
LSTM = {
    "trunk": [
        {"conv1d": {"channels": 6, "kernel": 2, "dilation": 3, "groups": 1, "padding": "causal", "norm": "batch"}},
        {"rnn": {"kind": "lstm", "units": 5}},
        {"film": {"condition": "condition"}},
    ]
}
TRANSFORMER = {"trunk": [{"linear": {"units": 8}}, {"transformer": {"heads": 2, "depth": 2, "causal": True}}]}
MODELS = {"transformer": TRANSFORMER, "wavenet": WAVENET, "samplernn": SAMPLERNN, "lstm": LSTM}


def made(name: str, given: dict[str, Tensor] | None = None) -> Model:
    torch.manual_seed(0)
    return build(MODELS[name], torch.zeros(3, 40, 1), given=given or {}).eval()


def noise(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0)) / 3


def test_the_mu_law_is_that_of_telephony() -> None:
    x = torch.linspace(-1, 1, 100_001)
    codes = mu_law(x)
    assert codes[0] == 0 and codes[-1] == 255 and mu_law(torch.zeros(1)) == 128
    assert (codes.diff() >= 0).all() and len(codes.unique()) == 256
    assert torch.equal(mu_law(torch.tensor([-7.0, 7.0])), torch.tensor([0, 255])), "clipped"
    assert float(from_mu_law(torch.tensor([255]))) == pytest.approx(1)
    back = from_mu_law(codes)
    quiet = x.abs() < 0.01
    assert (back - x).abs()[quiet].max() < 3e-4 < (back - x).abs().max() < 0.025, "finer near silence"
    # ln(1 + 255 |x|) / ln 256 is 1/2 at (sqrt(256) - 1) / 255
    assert abs(float(from_mu_law(torch.tensor([191]))) - 15 / 255) < 1e-3
    for classes in (2, 16, 256, 1024):
        all_of_them = torch.arange(classes)
        assert torch.equal(mu_law(from_mu_law(all_of_them, classes), classes), all_of_them)


@pytest.mark.parametrize("name", MODELS)
def test_sample_by_sample_is_all_at_once(name: str) -> None:
    given = {"condition": noise(3, 4)} if name == "lstm" else {}
    model, x = made(name, given), noise(3, 45, 1)  # (45: the last frame of 8 is not whole)
    with torch.inference_mode():
        whole = model(x, **given)
        run = steps(model, **given)
        singly = torch.cat([run(x[:, i : i + 1]) for i in range(x.shape[1])], 1)
        run = steps(model, **given)
        again = torch.cat([run(x[:, :30]), run(x[:, 30:31]), run(x[:, 31:])], 1)  # some at once
    torch.testing.assert_close(singly, whole, rtol=0, atol=1e-5)
    torch.testing.assert_close(again, whole, rtol=0, atol=1e-5)
    assert whole.std(1).mean() > 1e-3, "else all frames are alike"


@pytest.mark.parametrize("brick", [{"wavenet": {"channels": 6, "layers": 3}}, {"frame_rnn": {"frame": 4, "units": 6}}])
def test_what_is_told_is_heard_sample_by_sample(brick: dict) -> None:
    given = {"condition": noise(2, 4)}
    ((name, arguments),) = brick.items()
    spec = {"trunk": {name: {**arguments, "condition": "condition"}}}
    torch.manual_seed(0)
    model, x = build(spec, torch.zeros(2, 40, 1), given=given).eval(), noise(2, 30, 1)
    with torch.inference_mode():
        run = steps(model, **given)
        singly = torch.cat(
            [
                run(
                    x[:, i : i + 1],
                )
                for i in range(30)
            ],
            1,
        )
        torch.testing.assert_close(singly, model(x, **given), rtol=0, atol=1e-5)
        other = model(x, condition=-given["condition"])
    assert (other - singly).abs().max() > 1e-2


@pytest.mark.parametrize("name", ["wavenet", "samplernn"])
def test_no_sample_knows_the_next(name: str) -> None:
    model, x = made(name), noise(1, 40, 1)
    with torch.inference_mode():
        before = model(x)
        for at in (0, 7, 8, 20):
            changed = x.clone()
            changed[:, at] = 0.9
            moved = (model(changed) - before).abs().amax((0, 2))
            assert (moved[:at] == 0).all() and moved[at] > 0
            assert moved[at:].nonzero().max() > 1


def test_wavenet_sees_as_far_as_it_says() -> None:
    spec = {"trunk": {"wavenet": {"channels": 4, "skip": 4, "kernel": 2, "layers": 4, "cycles": 2}}}
    torch.manual_seed(0)
    model, x = build(spec, torch.zeros(1, 64, 1)).eval(), noise(1, 64, 1).requires_grad_()
    model(x)[0, -1].sum().backward()
    assert x.grad is not None
    seen = 64 - int(x.grad[0, :, 0].nonzero().min())
    assert seen == 2 + 2 * (2**4 - 1)


def test_a_gate_is_a_sigmoid_times_a_tanh() -> None:
    model = build(
        {"trunk": {"wavenet": {"channels": 1, "skip": 1, "kernel": 2, "layers": 1, "cycles": 1}}}, torch.zeros(1, 4, 1)
    )
    layer = next(model.layers())
    values = {"enter.weight": [[[0, 1]]], "gates.0.weight": [[[0, 1]], [[1, 0]]], "leave.0.weight": [[[1]]]}
    state = {name: torch.zeros_like(value) for name, value in layer.state_dict().items()}
    layer.load_state_dict(state | {name: torch.tensor(value, dtype=torch.float32) for name, value in values.items()})
    x = torch.tensor([[[1.0], [2.0], [-3.0]]])
    with torch.inference_mode():
        found = layer(x)[0, :, 0]
    wanted = [math.tanh(now) / (1 + math.exp(-before)) for before, now in ((0, 1), (1, 2), (2, -3))]
    np.testing.assert_allclose(found, np.maximum(wanted, 0), rtol=1e-5)


@pytest.mark.parametrize(
    "bad",
    [
        {"conv1d": {"channels": 4}},
        {"conv1d": {"channels": 4, "padding": "causal", "stride": 2}},
        {"rnn": {"units": 4, "bidirectional": True}},
        {"transformer": {"heads": 1, "dim": 4}},
        {"tcn": {"channels": 4, "causal": False}},
    ],
    ids=lambda bad: next(iter(bad)),
)
def test_what_sees_the_future_is_not_run_sample_by_sample(bad: dict) -> None:
    model = build({"trunk": [{"linear": {"units": 4}}, bad]}, torch.zeros(1, 40, 1))
    with pytest.raises(
        ValueError, match=rf"goes on step by step, but model\.trunk\[1\] \({next(iter(bad))}\) does not"
    ):
        steps(model)


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"mu_law": {"dim": 4, "classes": 1}}, "classes must be at least 2"),
        ([{"linear": {"units": 3}}, {"mu_law": {"dim": 4}}], "a sequence of dimension 1"),
        ({"wavenet": {"kernel": 1}}, "kernel must be at least 2"),
        ({"wavenet": {"layers": 17}}, "layers must be at most 16"),
        ({"wavenet": {"condition": "pitch"}}, "nothing is stored under 'pitch'"),
        ({"frame_rnn": {"frame": 0}}, "frame must be at least 1"),
        ({"frame_rnn": {"kind": "qrnn"}}, "kind must be one of rnn, lstm, gru"),
    ],
)
def test_what_cant_be_built_is_said(spec: object, said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        build({"trunk": spec}, torch.zeros(1, 40, 1))
