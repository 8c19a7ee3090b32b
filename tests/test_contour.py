"""The tempo contour: a curve through the space, and the searches along it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import RATE, song
from typer.testing import CliRunner

from glissando import Library, encoders
from glissando.audio import Audio, write
from glissando.cli import app
from glissando.errors import QueryError
from glissando.latent import Contour, ShiftTranslator, Transform, slerp, translations
from glissando.latent import contour as contours
from glissando.latent.contour import FACTORS, nearest
from glissando.library import Embedder, embed_file

SON, STRAIGHT = (0, 3, 6, 10, 12), (0, 4, 8, 12)  # sixteenths of a bar that are played


def pattern(steps: tuple[int, ...], bpm: float, *, seconds: float = 24.0, seed: int = 0) -> Audio:
    """Soft strokes, wider than a frame, on some sixteenths of every bar of four."""
    rng = np.random.default_rng(seed)
    out = 0.001 * rng.standard_normal(int(seconds * RATE))
    time = np.arange(3000) / 1000
    click = time * np.exp(-3 * time) * rng.standard_normal(3000)
    for bar in range(int(seconds * bpm / 240) + 1):
        for step in steps:
            at = int((bar + step / 16) * 240 / bpm * RATE)
            part = out[at : at + len(click)]
            part += click[: len(part)]
    return Audio((0.5 * out / np.abs(out).max()).astype(np.float32), RATE)


def unit(values: np.ndarray) -> np.ndarray:
    return (values / np.linalg.norm(values, axis=-1, keepdims=True)).astype(np.float32)


def contour(transform: Transform, z: np.ndarray) -> Contour:
    return Contour(FACTORS, translations(transform, z))


class Turn(Transform):
    """A tempo change that turns the first two axes: half a right angle an octave."""

    space_id = "turned"

    def forward(self, z: torch.Tensor, *, tempo_ratio: float | torch.Tensor) -> torch.Tensor:
        angle = torch.as_tensor(tempo_ratio, dtype=z.dtype).log2() * np.pi / 4
        x, y = z[..., 0], z[..., 1]
        turned = torch.stack([x * angle.cos() - y * angle.sin(), x * angle.sin() + y * angle.cos()], -1)
        return torch.cat([turned, z[..., 2:]], -1)


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    """A son clave at 110 BPM, by the encoders whose dimensions are rates."""
    path = tmp_path_factory.mktemp("clave") / "son.wav"
    write(path, pattern(SON, 110))
    return embed_file(path, Embedder({name: encoders.load(name) for name in ("rhythm", "gliss-tempo")})).vectors


@pytest.fixture(scope="module")
def rhythm(embedded: dict[str, np.ndarray]) -> np.ndarray:
    """The rhythm embedding of a son clave at 110 BPM."""
    return embedded["rhythm"]


@pytest.mark.parametrize("encoder", ["rhythm", "gliss-tempo"])
def test_a_contour_holds_the_embedding_and_all_its_translations(embedded: dict[str, np.ndarray], encoder: str) -> None:
    shift = ShiftTranslator(encoder)
    curve = contour(shift, embedded[encoder])
    np.testing.assert_allclose(curve.points[np.flatnonzero(curve.factors == 1)[0]], embedded[encoder], atol=1e-6)
    ratios = np.array([0.5, 0.613, 0.87, 1.0, 1.04, 1.5, 1.97])
    rows = np.stack([shift(torch.from_numpy(embedded[encoder]), tempo_ratio=ratio).numpy() for ratio in ratios])
    similarities, factors = curve.nearest(rows)
    np.testing.assert_allclose(similarities, 1, atol=2e-4)
    np.testing.assert_allclose(factors, ratios, rtol=0.005)
    beyond, factor = curve.nearest(shift(torch.from_numpy(embedded[encoder]), tempo_ratio=2.5).numpy()[None])
    assert beyond[0] < 0.95 and factor[0] <= 2


def test_one_call_translates_to_many_tempi(rhythm: np.ndarray) -> None:
    two = torch.from_numpy(np.stack([rhythm, rhythm[::-1]]))
    ratios = torch.tensor([[0.7], [1.0], [1.31]])
    together = ShiftTranslator("rhythm")(two, tempo_ratio=ratios)
    assert together.shape == (3, 2, 72)
    for i, ratio in enumerate(ratios[:, 0].tolist()):
        torch.testing.assert_close(together[i], ShiftTranslator("rhythm")(two, tempo_ratio=ratio), atol=1e-5, rtol=0)


def test_any_translator_makes_a_contour() -> None:
    z = unit(np.random.default_rng(0).standard_normal(6))
    ratios = np.array([0.55, 1.0, 1.9])
    flat = contour(Turn(), unit(np.array([*z[:2], 0, 0, 0, 0])))  # on a great circle, where arcs are exact
    rows = np.stack([Turn()(torch.from_numpy(flat.points[24]), tempo_ratio=ratio).numpy() for ratio in ratios])
    similarities, factors = flat.nearest(rows)
    np.testing.assert_allclose(similarities, 1, atol=1e-5)
    np.testing.assert_allclose(factors, ratios, rtol=1e-3)


def test_the_nearest_point_is_that_of_a_search_point_by_point(rhythm: np.ndarray) -> None:
    curve = contour(ShiftTranslator("rhythm"), rhythm)
    rows = unit(np.random.default_rng(1).standard_normal((200, 72)) + 6 * rhythm)
    rows[3], rows[4] = np.nan, 0
    shares = np.linspace(0, 1, 41)
    pairs = [*zip(curve.points[:-1], curve.points[1:], strict=True)]
    fine = np.stack([unit((1 - s) * a + s * b) for a, b in pairs for s in shares])
    similarities, factors = curve.nearest(rows)
    best = (rows @ fine.T).max(axis=1)
    assert np.isnan(similarities[3]) and np.isnan(factors[3])
    assert similarities[4] == 0 and np.isnan(factors[4]), "silence has no tempo"
    known = np.arange(200) > 4
    assert np.all(similarities[known] >= best[known] - 1e-6)
    np.testing.assert_allclose(similarities[known], best[known], atol=1e-3)
    assert np.all((factors[known] >= 0.5) & (factors[known] <= 2))


@pytest.mark.parametrize("bend", [0.0, 0.9, 0.999])
def test_no_arc_that_is_passed_over_comes_nearer(monkeypatch: pytest.MonkeyPatch, bend: float) -> None:
    """Only arcs whose ends are near are looked at: they hold what all arcs together hold, in chunks or at once."""
    monkeypatch.setattr(contours, "CHUNK", 64)
    rng, walk = np.random.default_rng(3), []
    for step in unit(rng.standard_normal((49, 12))):
        walk.append(step if not walk else unit(bend * walk[-1] + (1 - bend**2) ** 0.5 * step))
    curve = Contour(FACTORS, np.stack(walk).astype(np.float32))
    rows = np.concatenate([unit(rng.standard_normal((200, 12))), -curve.points, curve.points])
    arcs = [Contour(FACTORS[i : i + 2], curve.points[i : i + 2]) for i in range(48)]
    one_by_one = np.stack([arc.nearest(rows)[0] for arc in arcs])
    similarities, factors = curve.nearest(rows)
    np.testing.assert_allclose(similarities, one_by_one.max(axis=0), atol=1e-5)
    here = np.minimum(np.searchsorted(FACTORS, factors * (1 - 1e-6), side="right") - 1, 47).clip(0)
    np.testing.assert_allclose(one_by_one[here, range(len(rows))], similarities, atol=1e-4)
    nothing = curve.nearest(rows[:0])
    assert nothing[0].shape == nothing[1].shape == (0,)


def test_blocks_move_together(rhythm: np.ndarray) -> None:
    """Two blocks that move with the tempo meet a row at one factor, that of (about) the largest sum."""
    rng = np.random.default_rng(2)
    curves = {
        "rhythm": contour(ShiftTranslator("rhythm"), rhythm),
        "other": contour(Turn(), unit(rng.standard_normal(6))),
    }
    rows = {"rhythm": unit(rng.standard_normal((50, 72)) + 4 * rhythm), "other": unit(rng.standard_normal((50, 6)))}
    rows["other"][7] = np.nan
    weights = {"rhythm": 0.3, "other": 0.7}
    similarities, factors = nearest(curves, rows, weights)
    score = sum(weights[block] * np.nan_to_num(similarities[block]) for block in weights)
    fine = 2 ** np.linspace(-1, 1, 1201)
    z = {"rhythm": ShiftTranslator("rhythm"), "other": Turn()}
    dense = {b: translations(z[b], curves[b].points[24], fine) for b in weights}
    sums = sum(weights[b] * np.nan_to_num(rows[b] @ dense[b].T) for b in weights)
    np.testing.assert_allclose(score, sums.max(axis=1), atol=0.03)
    here = np.abs(np.log(factors[:, None] / fine)).argmin(axis=1)
    assert np.all(sums[range(50), here] >= sums.max(axis=1) - 0.03)
    assert np.isnan(similarities["other"][7])


def test_between_unit_vectors_the_walk_is_even() -> None:
    a, b = unit(np.array([1.0, 0, 0])), unit(np.array([1.0, 1, 0]))
    for share in (0.0, 0.25, 0.5, 1.0):
        point = slerp(a, b, share)
        assert np.linalg.norm(point) == pytest.approx(1)
        assert np.arccos(np.clip(a @ point, -1, 1)) == pytest.approx(share * np.pi / 4, abs=1e-3)
    np.testing.assert_array_equal(slerp(a, a, 0.3), a)
    np.testing.assert_array_equal(slerp(a, -a, 0.9), -a)


@pytest.fixture(scope="module")
def patterns(tmp_path_factory: pytest.TempPathFactory) -> Library:
    """A son clave at 90, 113 and 120 BPM among straight beats."""
    music = tmp_path_factory.mktemp("patterns")
    for bpm in (90, 113, 120):
        write(music / f"son {bpm}.wav", pattern(SON, bpm, seed=bpm))
    for bpm in (84, 90, 96, 113, 120):
        write(music / f"straight {bpm}.wav", pattern(STRAIGHT, bpm, seed=bpm))
    library = Library.open(music / "library", blocks={"rhythm": "rhythm"})
    assert library.add(music).added == 8
    return library


def names(hits: list) -> list[str]:
    return [Path(hit.path).stem for hit in hits]


def test_a_pattern_is_found_at_any_tempo_and_told_at_which(patterns: Library) -> None:
    plain, along = (patterns.search("son 90", k=7, any_tempo=any_tempo) for any_tempo in (False, True))
    assert {*names(along)[:2]} == {"son 113", "son 120"}
    assert {*names(plain)[:2]} != {"son 113", "son 120"}
    factor = {name: hit.tempo_ratio for name, hit in zip(names(along), along, strict=True)}
    assert factor["son 113"] == pytest.approx(113 / 90, rel=0.02)
    assert factor["son 120"] == pytest.approx(120 / 90, rel=0.02)
    assert all(hit.tempo_ratio is None for hit in plain)
    score = {name: hit.score for name, hit in zip(names(along), along, strict=True)}
    assert all(score[name] >= hit.score - 1e-6 for name, hit in zip(names(plain), plain, strict=True))
    assert along[0].score == pytest.approx(along[0].parts["rhythm"], abs=1e-6)


def test_a_translated_query_is_a_point_of_the_contour(patterns: Library) -> None:
    best = {hit.path: hit for hit in patterns.search("son 90", any_tempo=True)}
    for ratio in (0.8, 1.0, 1.1, 113 / 90, 1.33):
        for hit in patterns.search("son 90", tempo_ratio=ratio):
            assert hit.score <= best[hit.path].score + 1e-4
            if abs(best[hit.path].tempo_ratio / ratio - 1) < 0.002:
                assert hit.score == pytest.approx(best[hit.path].score, abs=0.01)


def test_any_tempo_with_filters_moments_and_several_seeds(patterns: Library) -> None:
    tempo = {Path(hit.path).stem: hit.tempo for hit in patterns.search(tempo=(1, 999), k=99)}
    wanted = (tempo["son 120"] * 0.99, tempo["son 120"] * 1.01)
    hits = patterns.search("son 90", any_tempo=True, tempo=wanted)
    assert {*names(hits)} == {name for name, bpm in tempo.items() if wanted[0] <= bpm <= wanted[1]}
    assert hits[0].tempo_ratio == pytest.approx(120 / 90, rel=0.02), "the filter does not translate the query"
    moments = patterns.search("son 90", any_tempo=True, moments=True, k=2)
    assert {*names(moments)} == {"son 113", "son 120"} and all(hit.end > hit.start for hit in moments)
    both = patterns.search("son 90", "son 113", any_tempo=True, minus=["straight 84"], k=1)
    assert not {*names(both)} & {"son 90", "son 113", "straight 84"}


def test_any_tempo_where_nothing_can_be_moved(patterns: Library, tmp_path: Path) -> None:
    with pytest.raises(QueryError, match=r"any tempo and a tempo ratio of 1\.15 exclude each other"):
        patterns.search("son 90", any_tempo=True, tempo_ratio=1.15)
    write(tmp_path / "a.wav", song(100))
    timbre = Library.open(tmp_path / "library", blocks={"timbre": "musicnn-msd"})
    timbre.add(tmp_path / "a.wav")
    with pytest.raises(QueryError, match="none of the blocks timbre can be moved in tempo"):
        timbre.search(tmp_path / "a.wav", any_tempo=True)


def test_the_command_names_the_factor(patterns: Library) -> None:
    words = ["search", "son 90", "--any-tempo", "-k", "2", "-l", patterns.store.location]
    said = CliRunner().invoke(app, words)
    assert said.exit_code == 0, said.output
    assert "x 1.26" in said.output and "x 1.33" in said.output
    said = CliRunner().invoke(app, [*words, "--faster", "1.1"])
    assert isinstance(said.exception, QueryError) and "exclude each other" in str(said.exception)
    rows = CliRunner().invoke(app, [*words, "-f", "csv"]).output.splitlines()
    assert "tempo_ratio" in rows[0] and len(rows) == 3
