"""Metrics of generated audio: against slow references, closed forms and what must hold for any sets."""

from __future__ import annotations

import sys
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import sqrtm
from scipy.stats import special_ortho_group

from glissando.errors import GlissandoError, ModelError
from glissando.metrics import (
    Gaussian,
    frechet_at_infinity,
    frechet_distance,
    inception_score,
    kernel_distance,
    manifold_scores,
    mean_discrepancy,
    memorisation,
    pitch_hit,
    track_pitch,
)

DIM = 6


def samples(seed: int, count: int = 60, *, shift: float = 0.0, scale: float = 1.0, dim: int = DIM) -> np.ndarray:
    """Correlated samples."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(count, dim)) @ np.random.default_rng(99).normal(size=(dim, dim)) * scale + shift


def slow_frechet(x: np.ndarray, y: np.ndarray) -> float:
    """The definition, by a root of a matrix."""
    first, second = (np.atleast_2d(np.cov(one, rowvar=False)) for one in (x, y))
    root = np.real(sqrtm(first @ second))
    return float(((x.mean(0) - y.mean(0)) ** 2).sum() + np.trace(first) + np.trace(second) - 2 * np.trace(root))


def slow_discrepancy(x: np.ndarray, y: np.ndarray) -> float:
    """The definition, pair by pair."""
    within, between = [], []
    for one in (x, y):
        kernel = [
            (float(one[i] @ one[j]) / one.shape[1] + 1) ** 3 for i in range(len(one)) for j in range(len(one)) if i != j
        ]
        within.append(sum(kernel) / len(kernel))
    for a in x:
        for b in y:
            between.append((float(a @ b) / len(a) + 1) ** 3)
    return sum(within) - 2 * sum(between) / len(between)


@pytest.mark.parametrize("dim", [1, 2, 6, 20])
def test_frechet_distance_is_its_definition(dim: int) -> None:
    x, y = samples(0, 80, dim=dim), samples(1, 50, shift=0.3, scale=1.4, dim=dim)
    assert frechet_distance(x, y) == pytest.approx(slow_frechet(x, y), rel=1e-10)


def test_frechet_distance_of_gaussians_in_closed_form() -> None:
    """Where covariances commute, it is the distance of means and of standard deviations."""
    turn = special_ortho_group.rvs(DIM, random_state=0)
    first, second = np.arange(1.0, DIM + 1), np.linspace(3, 0.1, DIM)  # standard deviations
    mean = np.full(DIM, 0.5)
    found = Gaussian(np.zeros(DIM), np.diag(first) @ turn).distance(Gaussian(mean, np.diag(second) @ turn))
    assert found == pytest.approx((mean**2).sum() + ((first - second) ** 2).sum(), rel=1e-12)


def test_frechet_distance_holds_with_fewer_samples_than_dimensions() -> None:
    """The covariances are singular: the general root of a matrix gets lost, the value is still defined."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(10, 40)), rng.normal(size=(12, 40)) + 0.2
    with pytest.warns(UserWarning, match="samples give no covariance of 40 dimensions its full rank") as told:
        found = frechet_distance(x, y)
    assert [str(one.message).split()[:2] for one in told] == [["generated:", "10"], ["reference:", "12"]]
    covariances = [np.cov(one, rowvar=False) for one in (x, y)]
    values, vectors = np.linalg.eigh(covariances[0])
    root = vectors * np.sqrt(values.clip(0)) @ vectors.T
    inner = np.sqrt(np.linalg.eigvalsh(root @ covariances[1] @ root).clip(0)).sum()
    expected = ((x.mean(0) - y.mean(0)) ** 2).sum() + sum(np.trace(one) for one in covariances) - 2 * inner
    assert found == pytest.approx(expected, rel=1e-6)


def test_covariance_is_unbiased() -> None:
    x = samples(3)
    np.testing.assert_allclose(Gaussian.fit(x).covariance, np.cov(x, rowvar=False), atol=1e-12)


def test_no_warning_with_enough_samples() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        frechet_distance(samples(0, DIM + 1), samples(1, DIM + 1))


def test_one_sound_against_a_distribution() -> None:
    """A single sample is a Gaussian without extent: its squared distance from the mean, and the variance."""
    reference = samples(0)
    one = Gaussian.fit(reference[:1] + 2)
    expected = ((reference[0] + 2 - reference.mean(0)) ** 2).sum() + reference.var(0, ddof=1).sum()
    assert one.distance(Gaussian.fit(reference)) == pytest.approx(expected, rel=1e-12)


def test_kernel_distance_is_its_definition() -> None:
    x, y = samples(0, 30), samples(1, 25, shift=0.4)
    assert mean_discrepancy(x, y) == pytest.approx(slow_discrepancy(x, y), rel=1e-10)
    found = kernel_distance(x, y, subset=10, subsets=4, seed=7)
    rng, drawn = np.random.default_rng(7), []
    for _ in range(4):
        a, b = rng.permutation(30)[:10], rng.permutation(25)[:10]
        drawn.append(slow_discrepancy(x[a], y[b]))
    assert found.value == pytest.approx(np.mean(drawn), rel=1e-10)
    assert found.std == pytest.approx(np.std(drawn), rel=1e-10)


def test_kernel_distance_of_gaussians_in_closed_form() -> None:
    """In one dimension the kernel compares three moments: (ab+1)³ = a³b³ + 3a²b² + 3ab + 1."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(1.0, 0.5, (2000, 1)), rng.normal(0.0, 0.6, (2000, 1))
    moments = [np.array([3 * m * s**2 + m**3, s**2 + m**2, m]) for m, s in ((1.0, 0.5), (0.0, 0.6))]
    expected = np.array([1, 3, 3]) @ (moments[0] - moments[1]) ** 2
    assert mean_discrepancy(x, y) == pytest.approx(expected, rel=0.1)


def test_kernel_distance_is_not_biased_where_the_frechet_distance_is() -> None:
    """Of two sets of one distribution, the first is 0 on average and the second is not."""
    sets = [(samples(2 * i, 20), samples(2 * i + 1, 20)) for i in range(300)]
    kernel = np.array([mean_discrepancy(x, y) for x, y in sets])
    assert abs(kernel.mean()) < 3 * kernel.std() / np.sqrt(len(kernel))
    frechet = np.array([frechet_distance(x, y) for x, y in sets])
    assert frechet.mean() > 10 * frechet.std() / np.sqrt(len(frechet))


def test_extrapolation_takes_the_bias_away() -> None:
    rng = np.random.default_rng(0)
    truth = 32 * 0.1**2  # the means are 0.1 apart in every dimension
    plain, infinite = [], []
    for seed in range(12):
        x, y = rng.normal(size=(150, 32)), rng.normal(0.1, 1, (150, 32))
        plain.append(frechet_distance(x, y))
        infinite.append(frechet_at_infinity(x, y, draws=8, seed=seed).infinity)
    assert np.mean(plain) > 5 * truth
    assert np.mean(infinite) == pytest.approx(truth, abs=0.5 * truth)


def test_spread_over_halves_is_the_standard_error() -> None:
    """Of recordings: their frames tell nothing new, however many there are."""
    rng = np.random.default_rng(0)
    values, told = [], []
    entries = np.repeat(np.arange(80), 3)
    for seed in range(60):
        x, y = (rng.normal(shift, 1, (80, 3))[entries] for shift in (0, 0.5))
        found = frechet_at_infinity(x, y, entries=(entries, entries), draws=20, seed=seed)
        values.append(found.value)
        told.append(found.std)
    assert np.mean(told) == pytest.approx(np.std(values), rel=0.35)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31), st.floats(0.1, 10), st.integers(1, 8))
def test_what_holds_for_all_distances(seed: int, scale: float, dim: int) -> None:
    """Identity, symmetry, invariance to rotation; Frechet grows with the square of the scale, and ignores a shift."""
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(20, dim)) * scale, rng.normal(size=(30, dim)) + 1
    turn = np.linalg.qr(rng.normal(size=(dim, dim)))[0]
    size = frechet_distance(x, y)
    assert frechet_distance(x, x[::-1]) < 1e-12 * np.square(x).sum()
    assert frechet_distance(y, x) == pytest.approx(size, rel=1e-9)
    assert frechet_distance(x @ turn, y @ turn) == pytest.approx(size, rel=1e-9)
    assert frechet_distance(3 * x + 5, 3 * y + 5) == pytest.approx(9 * size, rel=1e-9)
    kernel = mean_discrepancy(x, y)
    close = 1e-9 * (1 + np.square(x).sum(1).max()) ** 3
    assert mean_discrepancy(y, x) == pytest.approx(kernel, abs=close)
    assert mean_discrepancy(x @ turn, y @ turn) == pytest.approx(kernel, abs=close)
    before, after = manifold_scores(x, y), manifold_scores(x @ turn + 1, y @ turn + 1)
    assert after == pytest.approx(before, abs=0.06)  # (a tie at the edge of reach may fall either way)


def test_inception_score() -> None:
    sure = np.eye(4)[np.arange(40) % 4]
    assert inception_score(sure) == pytest.approx(4)  # clear and varied
    assert inception_score(sure[:1].repeat(9, 0)) == pytest.approx(1)  # clear, always the same
    assert inception_score(np.full((9, 4), 0.25)) == pytest.approx(1)  # never clear
    odds = np.random.default_rng(0).dirichlet(np.ones(5), 30)
    mean = odds.mean(0)
    slow = np.exp(np.mean([sum(p * np.log(p / m) for p, m in zip(row, mean, strict=True)) for row in odds]))
    assert inception_score(odds) == pytest.approx(slow, rel=1e-12)


def test_tags_have_no_inception_score() -> None:
    with pytest.raises(GlissandoError, match="exclude each other, not tags"):
        inception_score([[0.9, 0.8], [0.5, 0.5]])


def test_copies_are_found() -> None:
    rng = np.random.default_rng(0)
    training, fresh = rng.normal(size=(300, 8)), rng.normal(size=(300, 8))
    copies = training[:90] + 1e-9 * rng.normal(size=(90, 8))
    found = memorisation(np.concatenate([copies, fresh[:210]]), training)
    assert found.copied == pytest.approx(0.3 + 0.7 * 0.05, abs=0.04)
    assert found.nearest[:90].tolist() == [*range(90)]
    assert found.ratios[:90].max() < 1e-7
    assert found.nearer == pytest.approx(0.3 + 0.7 * 0.5, abs=0.05)
    honest = memorisation(fresh, training, rng.normal(size=(300, 8)))
    assert honest.copied == pytest.approx(0.05, abs=0.04)
    assert honest.nearer == pytest.approx(0.5, abs=0.06)
    assert memorisation(training, training).distances.max() == 0


def test_near_duplicates_in_training_hide_copies_from_all_but_held_out_sounds() -> None:
    rng = np.random.default_rng(0)
    notes = rng.normal(size=(100, 8))
    training = np.concatenate([notes, notes + 1e-3 * rng.normal(size=notes.shape)])  # every note at two loudnesses
    copies = notes + 1e-3 * rng.normal(size=notes.shape)
    assert memorisation(copies, training).nearer < 0.75
    assert memorisation(copies, training, rng.normal(size=(100, 8))).nearer > 0.99


def slow_manifold(x: np.ndarray, y: np.ndarray, k: int) -> dict[str, float]:
    def reach(own: np.ndarray, i: int) -> float:
        return sorted(np.linalg.norm(own[i] - own[j]) for j in range(len(own)) if j != i)[k - 1]

    ours, theirs = [reach(x, i) for i in range(len(x))], [reach(y, i) for i in range(len(y))]
    inside = [[np.linalg.norm(a - b) <= theirs[j] for j, b in enumerate(y)] for a in x]
    return {
        "precision": np.mean([any(row) for row in inside]),
        "recall": np.mean([any(np.linalg.norm(a - b) <= ours[i] for i, a in enumerate(x)) for b in y]),
        "density": np.sum(inside) / k / len(x),
        "coverage": np.mean([any(row[j] for row in inside) for j in range(len(y))]),
    }


def test_precision_recall_density_coverage_are_their_definitions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("glissando.metrics.neighbours.ROWS", 7)  # several batches
    x, y = samples(0, 40, shift=0.5), samples(1, 30)
    assert manifold_scores(x, y, neighbours=3) == pytest.approx(slow_manifold(x, y, 3))


def test_precision_is_fidelity_and_recall_is_variety() -> None:
    rng = np.random.default_rng(0)
    reference = rng.normal(size=(300, 4))
    narrow, wide = 0.2 * rng.normal(size=(300, 4)), 4 * rng.normal(size=(300, 4))
    alike, always_one, noise = (manifold_scores(one, reference) for one in (rng.normal(size=(300, 4)), narrow, wide))
    assert min(alike.values()) > 0.8
    assert always_one["precision"] > 0.95 and always_one["recall"] < 0.2 and always_one["coverage"] < 0.5
    assert noise["precision"] < 0.4 and noise["density"] < 0.2


@pytest.mark.parametrize("metric", [frechet_distance, kernel_distance, manifold_scores, memorisation])
def test_samples_that_can_not_be_compared(metric) -> None:
    good = samples(0, 20)
    for bad, said in (
        (good[:, :3], "embed both by one encoder"),
        (good[0], "one vector a sample"),
        (np.where(np.arange(DIM) == 2, np.nan, good), "generated: holds NaN"),
        (good[:0], "generated: 0 samples are too few"),
    ):
        with pytest.raises(GlissandoError, match=said):
            metric(bad, good)


def note(pitch: float, *, rate: int = 16_000, seconds: float = 1.0) -> np.ndarray:
    """A plucked note of eight harmonics, as far as the rate allows."""
    time = np.arange(int(seconds * rate)) / rate
    partials = [np.sin(2 * np.pi * pitch * h * time) / h for h in range(1, 9) if pitch * h < rate / 2]
    return 0.2 * sum(partials) * np.exp(-2 * time)


def test_pitch_of_notes_is_told_within_50_cents() -> None:
    asked = 440 * 2 ** ((np.array([28, 40, 57, 76, 93]) - 69) / 12)  # E1 to A6
    heard = [track_pitch(note(pitch), 16_000) for pitch in asked]
    assert pitch_hit(heard, asked).all()
    assert not pitch_hit(heard, asked * 2 ** (1 / 12)).any()  # a semitone off
    assert not pitch_hit(heard, asked / 2).any()  # nor are octaves forgiven


def test_what_has_no_pitch_is_wrong() -> None:
    assert np.isnan(track_pitch(np.zeros(16_000), 16_000))
    assert not pitch_hit(np.nan, 440.0)
    assert pitch_hit(440 * 2 ** (49 / 1200), 440.0) and not pitch_hit(440 * 2 ** (51 / 1200), 440.0)


def test_pitch_tracking_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "librosa", None)
    with pytest.raises(ModelError, match=r"glissando\[metrics\]"):
        track_pitch(note(220), 16_000)
