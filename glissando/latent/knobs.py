"""Knobs: the principal or independent components of a codec's latents, and what turning them does to the sound."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor

from ..audio import Audio, as_mono, resample
from ..codecs import Codec, CodecCard
from ..errors import GlissandoError, ModelError, RecipeError
from ..metrics import PROPERTIES, sound_properties
from ..paths import aside, data_dir
from .space import Latents, Space
from .tempo import Transform
from .translators import SPACE, read_tensors

if TYPE_CHECKING:
    from ..data import Recording

METHODS = {"pca": "principal components", "ica": "independent components"}
TURNS = (-2.0, -1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0)  # at which a knob's meaning is measured
SECONDS, EXAMPLE = 10.0, 2.0  # that are heard of a recording, and that are decoded of it
QUIET = 1e-3  # root mean square of what lies under a latent that isn't heard


class Knobs(Transform):
    """Vectors that are added to all latents of a sound; a turn of 1 is one standard deviation of the sounds known.

    Parameters
    ----------
    space_id : str
        The only space they may be used in.
    vectors : Tensor, shape=(knobs, dim)
        One for each knob.
    method : str
        One of `METHODS`.
    meaning : sequence of dict of str to float, optional
        For every knob, by property, the rank correlation of turning it; see `measure`.
    """

    vectors: Tensor

    def __init__(
        self, space_id: str, vectors: Tensor, method: str = "pca", meaning: Sequence[dict[str, float]] = ()
    ) -> None:
        super().__init__()
        self.space_id, self.method, self.meaning = space_id, method, [*meaning]
        self.register_buffer("vectors", vectors)

    def forward(self, z: Tensor, *, turns: Tensor) -> Tensor:
        """Turn all knobs.

        Parameters
        ----------
        z : Tensor, shape=(..., latents, dim)
            Trajectories.
        turns : Tensor, shape=(..., knobs)
            How far each; 0 leaves it.

        Returns
        -------
        Tensor, shape=(..., latents, dim)
            Moved.
        """
        return z + (turns @ self.vectors)[..., None, :]

    def turned(self, z: Latents, number: int, turn: float) -> Latents:
        """Turn one knob.

        Parameters
        ----------
        z : ndarray, shape=(latents, dim)
            A trajectory.
        number : int
            Of the knob, from 1.
        turn : float
            How far.

        Returns
        -------
        ndarray, shape=(latents, dim)
            As long.

        Raises
        ------
        ModelError
            If there is no such knob.
        """
        if not 1 <= number <= len(self.vectors):
            raise ModelError(f"there is no knob {number}; there are 1 to {len(self.vectors)} of {METHODS[self.method]}")
        found: Latents = (z + np.float32(turn) * self.vectors[number - 1].numpy()).astype(np.float32)
        return found


def hear(
    codec: Codec, recordings: Sequence[Recording], *, most: int = 300, examples: int = 6, seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Latents, Latents]:  # fmt: skip
    """Encode recordings, to learn knobs from.

    Parameters
    ----------
    codec : Codec
        Which.
    recordings : sequence of Recording
        Of sounds.
    most, examples : int
        Recordings, drawn at random, and how many of them are examples.
    seed : int
        Of the draw.
    progress : callable, optional
        Called with the number of recordings done, and in all.

    Returns
    -------
    latents : ndarray, shape=(latents, dim)
        Of where there is sound, in the first ten seconds of each.
    examples : ndarray, shape=(examples, latents, dim)
        The first two seconds of some, filled up with silence.

    Raises
    ------
    RecipeError
        If none holds sound.
    """
    card, space = codec.card, Space.of(codec)
    order = np.random.default_rng(seed).permutation(len(recordings))[:most]
    found: list[Latents] = []
    shown: list[Latents] = []
    reason = "they are silent"
    for done, number in enumerate(order.tolist(), 1):
        try:
            sound = recordings[number].read(0.0, SECONDS)
            samples = resample(as_mono(sound.samples, sound.sample_rate), sound.sample_rate, card.sample_rate)
        except GlissandoError as error:
            reason = str(error)
            continue
        with torch.inference_mode():
            z = codec(torch.from_numpy(samples)[None].to(codec.device))[0].float().cpu().numpy()
        under = np.pad(samples, (0, len(z) * card.hop - len(samples))).reshape(len(z), card.hop)
        heard = np.sqrt((under**2).mean(1)) > QUIET
        if heard.any():
            found.append(z[heard])
            if len(shown) < examples:
                shown.append(space.filled(z, math.ceil(EXAMPLE * card.frame_rate)))
        if progress is not None:
            progress(done, len(order))
    if not found:
        raise RecipeError(f"no knobs can be learned from these {len(order)} recordings: {reason}")
    return np.concatenate(found), np.stack(shown)


def fit_knobs(space_id: str, latents: Latents, *, method: str = "pca", count: int = 8, seed: int = 0) -> Knobs:
    """Find the directions in which latents vary most, or most independently.

    Parameters
    ----------
    space_id : str
        Of the latents.
    latents : ndarray, shape=(latents, dim)
        Of sounds.
    method : {"pca", "ica"}
        Principal components, or FastICA of as many of those.
    count : int
        Of knobs; no more than there are dimensions.
    seed : int
        Of what ICA begins with.

    Returns
    -------
    Knobs
        By falling variance; of each, the largest number is positive.

    Raises
    ------
    RecipeError
        If there are fewer latents than knobs.

    References
    ----------
    Harkonen, Hertzmann, Lehtinen & Paris, "GANSpace: discovering interpretable GAN controls", NeurIPS 2020; Hyvarinen &
    Oja, "Independent component analysis: algorithms and applications", Neural Networks 2000.
    """
    count = min(count, latents.shape[1])
    if len(latents) <= count:
        raise RecipeError(f"{len(latents)} latents are too few for {count} knobs; name more sounds")
    centred = latents.astype(np.float64) - latents.mean(0)
    values, axes = np.linalg.eigh(centred.T @ centred / len(centred))
    vectors = (axes * np.sqrt(values.clip(0)))[:, ::-1].T[:count]
    if method == "ica":
        from sklearn.decomposition import FastICA

        model = FastICA(count, whiten="unit-variance", random_state=seed, max_iter=500)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # (not converged to the last digit is near enough)
            model.fit(centred)
        vectors = model.mixing_.T
        vectors = vectors[np.argsort(-np.linalg.norm(vectors, axis=1), kind="stable")]
    largest = np.take_along_axis(vectors, np.abs(vectors).argmax(1)[:, None], 1)
    return Knobs(space_id, torch.from_numpy(vectors * np.sign(largest)).float(), method)


def measure(
    codec: Codec, knobs: Knobs, examples: Latents, *, progress: Callable[[int, int], None] | None = None
) -> list[dict[str, float]]:
    """Measure what turning each knob does to the sound.

    Parameters
    ----------
    codec : Codec
        Of the same space.
    knobs : Knobs
        To be turned.
    examples : ndarray, shape=(examples, latents, dim)
        Sounds whose latents are moved and decoded.
    progress : callable, optional
        Called with the number of knobs done, and in all.

    Returns
    -------
    list of dict of str to float
        For every knob, by the names of `glissando.metrics.PROPERTIES`: Spearman's rank correlation between turns
        (`TURNS`) and the property of the decoded sound, mean over the examples; 0 where it does not move.
    """
    found = []
    for number in range(1, len(knobs.vectors) + 1):
        each = [_correlations(_turned(codec, knobs, one, number), codec.card.sample_rate) for one in examples]
        means = np.nan_to_num(np.array(each)).mean(0)
        found.append({name: round(float(value), 3) for name, value in zip(PROPERTIES, means, strict=True)})
        if progress is not None:
            progress(number, len(knobs.vectors))
    return found


def demonstrate(
    codec: Codec, knobs: Knobs, example: Latents, *, turns: Sequence[float] = (-2.0, -1.0, 0.0, 1.0, 2.0)
) -> dict[str, Audio]:
    """Decode a sound with each knob turned, for a contact sheet.

    Parameters
    ----------
    codec : Codec
        Of the same space.
    knobs : Knobs
        To be turned.
    example : ndarray, shape=(latents, dim)
        A sound.
    turns : sequence of float
        How far.

    Returns
    -------
    dict of str to Audio
        By knob and turn, such as ``pca3+2``, in order; all softer by the same factor, if one is too loud.
    """
    sounds = {}
    for number in range(1, len(knobs.vectors) + 1):
        for turn, sound in zip(turns, _turned(codec, knobs, example, number, turns), strict=True):
            sounds[f"{knobs.method}{number}{turn:+g}"] = np.nan_to_num(sound, posinf=0, neginf=0)
    peak = max(1.0, *(float(np.abs(sound).max()) for sound in sounds.values()))
    return {name: Audio((sound / peak).astype(np.float32), codec.card.sample_rate) for name, sound in sounds.items()}


def knobs_file(space_id: str, method: str) -> Path:
    """Tell where the knobs of a space are kept.

    Parameters
    ----------
    space_id : str
        The space.
    method : str
        One of `METHODS`.

    Returns
    -------
    Path
        Among the user's data; it may not exist yet.

    Raises
    ------
    ModelError
        If it is no name of a space.
    """
    if not SPACE.fullmatch(space_id):
        raise ModelError(f"{space_id!r}: is no name of a space")
    return data_dir() / "knobs" / space_id.replace(":", "-") / f"{method}.safetensors"


def save_knobs(knobs: Knobs) -> Path:
    """Keep knobs where `load_knobs` finds them, in the place of those before.

    Parameters
    ----------
    knobs : Knobs
        Fitted.

    Returns
    -------
    Path
        The file.
    """
    path = knobs_file(knobs.space_id, knobs.method)
    path.parent.mkdir(parents=True, exist_ok=True)
    about = {"space_id": knobs.space_id, "method": knobs.method, "meaning": json.dumps(knobs.meaning)}
    with aside(path) as part:
        save_file({"vectors": knobs.vectors.contiguous()}, part, metadata=about)
    return path


def load_knobs(method: str, card: CodecCard) -> Knobs:
    """Read the knobs of a codec.

    Parameters
    ----------
    method : str
        One of `METHODS`.
    card : CodecCard
        Of the codec.

    Returns
    -------
    Knobs
        With their meaning.

    Raises
    ------
    ModelError
        If none were learned, or the file is damaged or of another space.
    """
    path = knobs_file(card.space_id, method)
    if not path.is_file():
        raise ModelError(
            f"no {METHODS[method]} were learned for {card.space_id}; use: gliss knobs learn DIR --method {method}"
        )
    state, about = read_tensors(path, card.space_id, kind="set of knobs")
    vectors = state.get("vectors", torch.zeros(0))
    try:
        meaning: Any = json.loads(about.get("meaning", "[]"))
        told = [{name: float(one[name]) for name in PROPERTIES} for one in meaning]
    except (ValueError, TypeError, KeyError, RecursionError):
        told = []
    if vectors.ndim != 2 or vectors.shape[1] != card.dim or len(told) not in (0, len(vectors)):
        raise ModelError(f"{path}: holds no knobs of {card.name}; learn them anew")
    return Knobs(card.space_id, vectors, method, told)


def _turned(
    codec: Codec, knobs: Knobs, example: Latents, number: int, turns: Sequence[float] = TURNS
) -> NDArray[np.float32]:
    """Sounds of one example with one knob at all turns, [turns, samples]."""
    moved = np.stack([knobs.turned(example, number, turn) for turn in turns])
    with torch.inference_mode():
        found: NDArray[np.float32] = codec.decode(torch.from_numpy(moved).to(codec.device)).float().cpu().numpy()
    return found


def _correlations(sounds: NDArray[np.float32], sample_rate: int) -> list[float]:
    """Rank correlation of every property with the turns; NaN where it does not move."""
    from scipy.stats import spearmanr

    rows = [sound_properties(sound, sample_rate) for sound in sounds]
    found = []
    for name in PROPERTIES:
        values = np.array([row[name] for row in rows])
        known = np.isfinite(values)
        moves = known.sum() > 2 and np.ptp(values[known]) > 0
        found.append(float(spearmanr(np.array(TURNS)[known], values[known])[0]) if moves else math.nan)
    return found
