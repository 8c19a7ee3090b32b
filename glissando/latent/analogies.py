"""Analogies: what is to C as A is to B, by arithmetic on one vector a sound, answered by the nearest neighbours."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import RecipeError

Vectors = NDArray[np.floating[Any]]
Label = tuple[str, str]  # such as instrument and pitch
TRIES = 1_000  # draws for an analogy that is wanted


class Analogy(NamedTuple):
    """Rows of a matrix of vectors: ``a - b + c`` should be near ``answer``."""

    a: int
    b: int
    c: int
    answer: int


def draw_analogies(labels: Sequence[Label], *, count: int, seed: int = 0) -> list[Analogy]:
    """Draw analogies of the form "A at p, less A at q, plus B at q, is B at p".

    Parameters
    ----------
    labels : sequence of (str, str)
        Two labels a sound, such as instrument and pitch; each pair once.
    count : int
        How many, at most.
    seed : int
        Of the draw.

    Returns
    -------
    list of Analogy
        No two the same; fewer than wanted, if there are so few.

    Raises
    ------
    RecipeError
        If a pair is there twice, or there is no analogy.
    """
    places = {label: row for row, label in enumerate(labels)}
    if len(places) < len(labels):
        twice = next(label for row, label in enumerate(labels) if places[label] != row)
        raise RecipeError(f"{' at '.join(twice)}: is there twice; keep one sound of every pair")
    rng, found = np.random.default_rng(seed), dict[Analogy, None]()
    for _ in range(TRIES * count if labels else 0):
        first, third = rng.integers(len(labels), size=2).tolist()
        (kind, pitch), (other, start) = labels[first], labels[third]
        second, fourth = places.get((kind, start)), places.get((other, pitch))
        if kind != other and pitch != start and second is not None and fourth is not None:
            found[Analogy(first, second, third, fourth)] = None
        if len(found) == count:
            break
    if not found:
        raise RecipeError(f"among {len(labels)} sounds there are no two kinds at the same two pitches")
    return [*found]


def solve(vectors: Vectors, a: Vectors, b: Vectors, c: Vectors) -> NDArray[np.float32]:
    """Tell how near every vector is to ``a - b + c``.

    Parameters
    ----------
    vectors : ndarray, shape=(sounds, dim)
        Among which the answer is looked for.
    a, b, c : ndarray, shape=(..., dim)
        Of the same space.

    Returns
    -------
    ndarray, shape=(..., sounds)
        Cosine similarity, all vectors seen from the mean of ``vectors``.

    References
    ----------
    Mikolov, Yih & Zweig, "Linguistic regularities in continuous space word representations", NAACL 2013.
    """
    centre = vectors.mean(0)
    wanted, known = a - b + c - centre, vectors - centre
    found: NDArray[np.float32] = (_unit(wanted) @ _unit(known).T).astype(np.float32)
    return found


def nearest(similarity: NDArray[np.float32], *, inputs: Collection[int] = (), k: int = 5) -> list[int]:
    """List the nearest sounds.

    Parameters
    ----------
    similarity : ndarray, shape=(sounds,)
        From `solve`.
    inputs : collection of int
        Sounds that can't be the answer.
    k : int
        How many, at most.

    Returns
    -------
    list of int
        Nearest first.
    """
    order = np.argsort(-similarity, kind="stable").tolist()
    return [row for row in order if row not in {*inputs}][:k]


def answer_ranks(vectors: Vectors, analogies: Sequence[Analogy]) -> NDArray[np.int64]:
    """Find at which place the answers of analogies come, among all sounds but the three that are given.

    Parameters
    ----------
    vectors : ndarray, shape=(sounds, dim)
        One a sound.
    analogies : sequence of Analogy
        Rows of it.

    Returns
    -------
    ndarray, shape=(analogies,)
        1 for the nearest; of sounds equally near, the worst place. Chance is k / (sounds - 3) for the first k.
    """
    rows = np.array(analogies)
    near = solve(vectors, *(vectors[rows[:, i]] for i in range(3)))
    np.put_along_axis(near, rows[:, :3], -np.inf, axis=1)
    answers = np.take_along_axis(near, rows[:, 3:], axis=1)
    found: NDArray[np.int64] = (near >= answers).sum(1)
    return found


def _unit(vectors: Vectors) -> Vectors:
    found: Vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)
    return found
