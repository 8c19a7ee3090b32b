"""Bricks of generation: code patterns there and back, a past that changes nothing, samplers, flow and diffusion."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from glissando.errors import ModelError
from glissando.nn import (
    BRICKS,
    CODE_PATTERNS,
    CodePattern,
    Past,
    TimeEmbedding,
    cosine_schedule,
    denoise,
    draw,
    guided,
    held,
    held_on_the_circle,
    integrate,
    keep_top_k,
    keep_top_p,
    logit_normal_times,
    on_the_circle,
    on_the_line,
)

CODES = torch.tensor([[[0, 1, 2], [3, 4, 5], [6, 7, 8], [0, 2, 4]]])  # 4 frames of 3 quantizers, 9 codes each


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(CODE_PATTERNS), st.integers(1, 9), st.integers(1, 5), st.integers(1, 20), st.integers(0, 999))
def test_codes_come_back_from_every_pattern(name: str, frames: int, quantizers: int, size: int, seed: int) -> None:
    pattern = CodePattern(name, quantizers, size)
    generator = torch.Generator().manual_seed(seed)
    codes = torch.randint(size, (2, frames, quantizers), generator=generator)
    tokens = pattern.lay(codes)
    assert tokens.shape == (2, pattern.steps(frames), pattern.streams)
    assert torch.equal(pattern.read(tokens), codes)
    assert tokens.min() >= 0 and tokens.max() < pattern.vocabulary
    for step in range(tokens.shape[1]):
        allowed = pattern.allowed(step, frames)
        assert allowed.shape == (pattern.streams, pattern.vocabulary)
        for one in tokens[:, step]:
            assert allowed[torch.arange(pattern.streams), one].all()


@settings(max_examples=20, deadline=None)
@given(st.sampled_from(CODE_PATTERNS), st.integers(1, 6), st.integers(1, 4), st.integers(0, 999))
def test_whatever_is_drawn_of_what_is_allowed_can_be_read(name: str, frames: int, quantizers: int, seed: int) -> None:
    pattern, generator = CodePattern(name, quantizers, 5), torch.Generator().manual_seed(seed)
    steps = [
        draw(
            torch.zeros(3, pattern.streams, pattern.vocabulary), allowed=pattern.allowed(i, frames), generator=generator
        )
        for i in range(pattern.steps(frames))
    ]
    assert pattern.read(torch.stack(steps, 1)).shape == (3, frames, quantizers)


def test_what_the_patterns_look_like() -> None:
    _ = 9
    assert torch.equal(CodePattern("parallel", 3, 9).lay(CODES), CODES)
    delayed = [[0, 3, 6, 0, _, _], [_, 1, 4, 7, 2, _], [_, _, 2, 5, 8, 4]]
    assert CodePattern("delayed", 3, 9).lay(CODES)[0].T.tolist() == delayed
    flat = [0, 10, 20, 3, 13, 23, 6, 16, 26, 0, 11, 22]
    assert CodePattern("flattened", 3, 9).lay(CODES)[0, :, 0].tolist() == flat


@pytest.mark.parametrize("name", ["delayed", "flattened"])
def test_a_code_comes_after_those_it_refines(name: str) -> None:
    """Delayed and flattened, a quantizer is written in a later step than the one before it; in parallel it is not."""
    pattern = CodePattern(name, 3, 9)
    base, change = pattern.lay(CODES), []
    for quantizer in range(3):
        other = CODES.clone()
        other[0, 1, quantizer] += 1
        change.append(int((pattern.lay(other) != base)[0].any(1).nonzero()[0]))
    assert change == sorted({*change})


def test_tokens_that_are_no_codes() -> None:
    for name, tokens, said in (
        ("delayed", torch.full((1, 6, 3), 9), "codes must lie between 0 and 8"),
        ("delayed", torch.zeros(1, 2, 3, dtype=torch.int64), "no whole number of frames"),
        ("flattened", torch.zeros(1, 7, 1, dtype=torch.int64), "no whole number of frames"),
        ("flattened", torch.full((1, 3, 1), 10), "codes must lie between 0 and 8"),
        ("parallel", torch.zeros(1, 7, 2, dtype=torch.int64), r"not \(batch, steps, 3\)"),
    ):
        with pytest.raises(ModelError, match=said):
            CodePattern(name, 3, 9).read(tokens)
    with pytest.raises(ModelError, match="codes must lie"):
        CodePattern("parallel", 3, 8).lay(CODES)
    with pytest.raises(ModelError, match="one of parallel, delayed, flattened"):
        CodePattern("spiral", 3, 8)


@pytest.mark.parametrize("positions", ["rotary", "relative", "sinusoidal", "learned", "none"])
def test_a_sequence_goes_on_as_if_it_were_seen_whole(positions: str) -> None:
    torch.manual_seed(0)
    inputs = {"inputs": (2, 12, 8), "stored": {"notes": (2, 5, 4)}}
    layer = BRICKS.build({"transformer": {"causal": True, "positions": positions, "context": "notes"}}, **inputs).eval()
    if positions == "relative":
        torch.nn.init.normal_(layer.table)
    x, context = torch.randn(2, 12, 8), torch.randn(2, 5, 4)
    whole = layer(x, context)
    past, parts = Past(), []
    for piece in x.split([5, 1, 1, 3, 2], 1):
        parts.append(layer(piece, context, past))
    assert past.frames == 12
    torch.testing.assert_close(torch.cat(parts, 1), whole, rtol=0, atol=2e-6)


def test_only_a_causal_transformer_has_a_past() -> None:
    layer = BRICKS.build("transformer", inputs=(1, 4, 8), stored={})
    with pytest.raises(ModelError, match="causal: true"):
        layer(torch.zeros(1, 4, 8), None, Past())


LOGITS = torch.tensor([0.4, 0.3, 0.2, 0.1]).log()


def test_top_k_and_top_p_keep_the_most_probable() -> None:
    shuffled = torch.tensor([2, 0, 3, 1])
    for kept, count in (
        (keep_top_k(LOGITS[shuffled], 2), 2),
        (keep_top_k(LOGITS[shuffled], 99), 4),
        (keep_top_p(LOGITS[shuffled], 0.39), 1),
        (keep_top_p(LOGITS[shuffled], 0.41), 2),
        (keep_top_p(LOGITS[shuffled], 0.71), 3),
        (keep_top_p(LOGITS[shuffled], 1.0), 4),
        (keep_top_p(LOGITS[shuffled], 1e-9), 1),
    ):
        assert kept.isfinite().tolist() == (shuffled < count).tolist()
    batch = torch.stack([LOGITS, LOGITS.flip(0)])
    assert keep_top_p(batch, 0.5).isfinite().tolist() == [[True, True, False, False], [False, False, True, True]]


def test_tokens_are_drawn_as_often_as_they_are_probable() -> None:
    def shares(**how: float) -> torch.Tensor:
        drawn = draw(LOGITS.expand(40, 500, 4), generator=torch.Generator().manual_seed(0), **how)
        return drawn.flatten().bincount(minlength=4) / drawn.numel()

    odds = LOGITS.exp()
    torch.testing.assert_close(shares(), odds, rtol=0, atol=0.015)
    torch.testing.assert_close(shares(temperature=0.5), odds**2 / (odds**2).sum(), rtol=0, atol=0.015)
    torch.testing.assert_close(shares(top_k=3), odds * torch.tensor([1, 1, 1, 0]) / 0.9, rtol=0, atol=0.015)
    torch.testing.assert_close(shares(top_p=0.6), odds * torch.tensor([1, 1, 0, 0]) / 0.7, rtol=0, atol=0.015)
    assert shares(temperature=0).tolist() == [1, 0, 0, 0]
    held = draw(LOGITS.expand(50, 4), allowed=torch.tensor([False, True, False, False]), top_k=2)
    assert (held == 1).all()


@pytest.mark.parametrize("how", [{"temperature": -1}, {"top_k": 0}, {"top_p": 0}, {"top_p": 1.1}])
def test_samplers_refuse(how: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(how))):
        draw(LOGITS, **how)


def test_a_single_distribution_gives_a_single_token() -> None:
    assert draw(LOGITS).shape == ()


MEAN, STD = 2.0, 0.5


def velocity(points: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
    """Of the flow from N(0, 1) to N(2, 0.5²), along lines that join independent ends: E[data - noise | point]."""
    t = times[:, None]
    variance = (1 - t) ** 2 + (t * STD) ** 2
    return MEAN + (t * STD**2 - (1 - t)) / variance * (points - t * MEAN)


def flowed(points: torch.Tensor, time: float = 1.0) -> torch.Tensor:
    """Where that flow leads: a Gaussian goes to a Gaussian by a scale and a shift."""
    return time * MEAN + math.sqrt((1 - time) ** 2 + (time * STD) ** 2) * points


@pytest.mark.parametrize("method", ["euler", "midpoint"])
def test_noise_flows_to_the_data(method: str) -> None:
    noise = torch.randn(4000, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    data = integrate(velocity, noise, steps=100, method=method)
    assert data.mean() == pytest.approx(MEAN, abs=0.03)
    assert data.std() == pytest.approx(STD, abs=0.03)


def test_midpoint_errs_less_and_errors_fall_with_the_steps() -> None:
    noise = torch.linspace(-3, 3, 61, dtype=torch.float64)[:, None]

    def error(method: str, steps: int) -> float:
        found = integrate(velocity, noise, steps=steps, method=method, last=0.7)
        return float((found - flowed(noise, 0.7)).abs().max())

    for steps in (2, 4, 8, 16, 32):
        assert error("midpoint", steps) < error("euler", steps)
        assert error("midpoint", steps) < error("euler", 2 * steps)  # at equal calls of the network, too
    assert math.log2(error("euler", 64) / error("euler", 128)) == pytest.approx(1, abs=0.1)
    # (At least with the square; here even faster, for the variance of this flow is quadratic in time.)
    assert math.log2(error("midpoint", 64) / error("midpoint", 128)) > 1.9


def test_there_and_back_and_from_the_middle() -> None:
    noise = torch.linspace(-2, 2, 9, dtype=torch.float64)[:, None]
    middle = integrate(velocity, noise, steps=100, method="midpoint", last=0.4)
    torch.testing.assert_close(
        integrate(velocity, middle, steps=100, method="midpoint", first=0.4), flowed(noise), rtol=0, atol=1e-4
    )
    back = integrate(velocity, flowed(noise), steps=200, method="midpoint", first=1.0, last=0.0)
    torch.testing.assert_close(back, noise, rtol=0, atol=1e-4)


def test_the_velocity_is_the_mean_of_lines_through_a_point() -> None:
    """What a model learns by least squares on lines is the velocity above: of the two, the regression is the judge."""
    generator = torch.Generator().manual_seed(0)
    noise, data = torch.randn(2, 200_000, 1, generator=generator).double()
    points, slope = on_the_line(noise, MEAN + STD * data, torch.full((200_000,), 0.7, dtype=torch.float64))
    joined = torch.cat([points, torch.ones_like(points)], 1)
    fit = torch.linalg.lstsq(joined, slope).solution
    at = torch.tensor([[0.5], [1.4], [2.5]], dtype=torch.float64)
    expected = velocity(at, torch.full((3,), 0.7, dtype=torch.float64))
    torch.testing.assert_close(at * fit[0] + fit[1], expected, rtol=0, atol=0.03)


def test_lines_end_where_they_should() -> None:
    noise, data = torch.randn(2, 3, 4, 5)
    for time, end in ((0.0, noise), (1.0, data)):
        torch.testing.assert_close(on_the_line(noise, data, torch.full((3,), time))[0], end)


def test_times_are_logit_normal() -> None:
    times = logit_normal_times(20_000, mean=-0.5, std=0.8, generator=torch.Generator().manual_seed(0))
    assert times.min() > 0 and times.max() < 1
    assert times.logit().mean() == pytest.approx(-0.5, abs=0.02)
    assert times.logit().std() == pytest.approx(0.8, abs=0.02)


def test_guidance_goes_from_without_to_with_and_beyond() -> None:
    with_it, without = torch.tensor([3.0, 1.0]), torch.tensor([1.0, 1.0])
    for scale, expected in ((0, [1, 1]), (1, [3, 1]), (3, [7, 1])):
        assert guided(with_it, without, scale).tolist() == expected


def test_integrators_refuse() -> None:
    for how in ({"steps": 0}, {"steps": 3, "method": "heun"}):
        with pytest.raises(ValueError, match="take 1 or more, by one of euler, midpoint"):
            integrate(velocity, torch.zeros(1, 1), **how)


def swirl(points: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
    """Of the circles from N(0, 1) to N(2, 0.5²): E[s data - a noise | point], by the regression of Gaussians."""
    a, s = (each[:, None] for each in cosine_schedule(times))
    variance = (a * STD) ** 2 + s**2
    return s * MEAN + a * s * (STD**2 - 1) / variance * (points - a * MEAN)


@pytest.mark.parametrize("method", ["ddim", "ancestral"])
def test_noise_is_denoised_to_the_data(method: str) -> None:
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(6000, 1, generator=generator, dtype=torch.float64)
    data = denoise(swirl, noise, steps=200, method=method, generator=generator)
    assert data.mean() == pytest.approx(MEAN, abs=0.03)
    assert data.std() == pytest.approx(STD, abs=0.03)


def test_without_fresh_noise_the_way_is_that_of_the_flow() -> None:
    """From the middle, too: all of N(0, 1) keep their order, so a sample is the scale and shift of its noise."""
    noise = torch.linspace(-2, 2, 9, dtype=torch.float64)[:, None]
    torch.testing.assert_close(denoise(swirl, noise, steps=400), MEAN + STD * noise, rtol=0, atol=0.01)
    a, s = (float(each) for each in cosine_schedule(torch.tensor(0.4)))
    middle = a * MEAN + math.sqrt((a * STD) ** 2 + s**2) * noise
    torch.testing.assert_close(denoise(swirl, middle, steps=400, first=0.4), MEAN + STD * noise, rtol=0, atol=0.01)


def test_of_a_single_sound_one_step_is_enough() -> None:
    """If there is but one thing to make, the velocity tells it from anywhere: a s data - noise is known."""
    sound = torch.tensor([[0.3, -2.0]])

    def only(points: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
        a, s = (each[:, None] for each in cosine_schedule(times))
        return (sound - a * points) / s

    noise = torch.randn(4, 2, generator=torch.Generator().manual_seed(0))
    for method in ("ddim", "ancestral"):
        for steps in (1, 2, 30):
            found = denoise(only, noise, steps=steps, method=method)
            torch.testing.assert_close(found, sound.expand(4, 2), rtol=0, atol=1e-4)


def test_fresh_noise_forgets_where_the_sample_began() -> None:
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(4000, 1, generator=generator, dtype=torch.float64)
    found = denoise(swirl, noise, steps=100, method="ancestral", generator=generator)
    assert abs(float(torch.corrcoef(torch.cat([noise, found], 1).T)[0, 1])) < 0.06
    again = [
        denoise(swirl, noise, steps=5, method="ancestral", generator=torch.Generator().manual_seed(seed))
        for seed in (1, 1, 2)
    ]
    assert torch.equal(again[0], again[1]) and not torch.equal(again[0], again[2])


def test_the_circle_keeps_the_variance_and_turns() -> None:
    noise, data = torch.randn(2, 50_000, 1, generator=torch.Generator().manual_seed(0)).double()
    for time, end in ((0.0, noise), (1.0, data)):
        times = torch.full((len(noise),), time, dtype=torch.float64)
        torch.testing.assert_close(on_the_circle(noise, data, times)[0], end)
    times = torch.rand(len(noise), dtype=torch.float64)
    points, velocity = on_the_circle(noise, data, times)
    assert points.std() == pytest.approx(1, abs=0.02) and velocity.std() == pytest.approx(1, abs=0.02)
    step = 1e-6
    later, _ = on_the_circle(noise, data, times + step)
    torch.testing.assert_close((later - points) / (step * math.pi / 2), velocity, rtol=0, atol=1e-4)


@pytest.mark.parametrize("steps", [1, 2, 7])
def test_what_is_held_ends_where_it_should_and_the_rest_does_not_notice(steps: int) -> None:
    generator = torch.Generator().manual_seed(0)
    noise, data = torch.randn(2, 3, 5, generator=generator).double()
    keep = torch.tensor([True, False, False, True, False])
    for method in ("euler", "midpoint"):
        found = integrate(held(velocity, data, keep), noise, steps=steps, method=method)
        torch.testing.assert_close(found[:, keep], data[:, keep])
        free = integrate(velocity, noise, steps=steps, method=method)
        torch.testing.assert_close(found[:, ~keep], free[:, ~keep])
    for method in ("ddim", "ancestral"):
        found = denoise(held_on_the_circle(swirl, data, keep), noise, steps=steps, method=method)
        torch.testing.assert_close(found[:, keep], data[:, keep])


def test_times_are_told_apart() -> None:
    torch.manual_seed(0)
    embed = TimeEmbedding(32)
    vectors = embed(torch.linspace(0, 1, 101))
    assert vectors.shape == (101, 32)
    assert torch.pdist(vectors).min() > 0.01
    with pytest.raises(ValueError, match="even dimension, not 31"):
        TimeEmbedding(31)


def test_denoising_refuses() -> None:
    for how in ({"steps": 0}, {"steps": 3, "method": "euler"}):
        with pytest.raises(ValueError, match="take 1 or more, by one of ddim, ancestral"):
            denoise(swirl, torch.zeros(1, 1), **how)
