"""The course of sounds through the latents of a codec, in the plane and in space: numbers, picture, page."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..audio import Audio, as_data_uri
from ..codecs import Codec, encode
from ..errors import ModelError
from .maps import Method, project

MAPS = ("winter", "autumn", "cool", "copper")  # colours of time, a sound after another


@dataclass(frozen=True)
class Trajectory:
    """The course of a sound.

    Parameters
    ----------
    name : str
        Of the sound.
    times : ndarray, shape=(latents,)
        In seconds, from its start.
    flat : ndarray, shape=(latents, 2)
        Places in the plane, each axis in 0..1.
    solid : ndarray, shape=(latents, 3)
        Places in space, each axis in 0..1.
    sound : Audio
        What was encoded.
    """

    name: str
    times: NDArray[np.float32]
    flat: NDArray[np.float32]
    solid: NDArray[np.float32]
    sound: Audio


def trajectories(
    codec: Codec, sounds: Mapping[str, Audio], *, method: Method = "pca", seed: int = 0
) -> list[Trajectory]:
    """Project the latents of sounds, all of them together, so that their courses can be compared.

    Parameters
    ----------
    codec : Codec
        Which.
    sounds : mapping of str to Audio
        By name.
    method : {"umap", "pca"}
        Principal components keep the course in one piece; UMAP shows what is near, and may tear it.
    seed : int
        For UMAP.

    Returns
    -------
    list of Trajectory
        In the order of the sounds.

    Raises
    ------
    ModelError
        If UMAP isn't installed, or the sounds have fewer than two latents together.
    """
    latents = [encode(codec, sound).values for sound in sounds.values()]
    if (count := sum(map(len, latents))) < 2:
        raise ModelError(f"a trajectory has at least two latents; here there is {count}: take a longer sound")
    joined, ends = np.concatenate(latents), np.cumsum([len(one) for one in latents])[:-1]
    flat, solid = (np.split(project(joined, method=method, dims=dims, seed=seed), ends) for dims in (2, 3))
    hop = codec.card.hop / codec.card.sample_rate
    times = [((np.arange(len(one)) + 0.5) * hop).astype(np.float32) for one in latents]
    return [Trajectory(*one) for one in zip(sounds, times, flat, solid, sounds.values(), strict=True)]


def draw_trajectories(path: str | Path, courses: Sequence[Trajectory]) -> None:
    """Draw courses in the plane and in space, brighter as time goes on.

    Parameters
    ----------
    path : str or Path
        PNG file to write.
    courses : sequence of Trajectory
        From `trajectories`.

    Raises
    ------
    ModelError
        If matplotlib isn't installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ModelError('maps need the extra "maps"; install it with: pip install "glissando[maps]"') from error
    figure = Figure(figsize=(11, 5), layout="constrained")
    FigureCanvasAgg(figure)
    plane: Any = figure.add_subplot(1, 2, 1)
    room: Any = figure.add_subplot(1, 2, 2, projection="3d")
    longest = max(float(one.times[-1]) for one in courses)
    for number, one in enumerate(courses):
        colours = {"c": one.times, "cmap": MAPS[number % len(MAPS)], "vmin": 0, "vmax": longest, "s": 12}
        plane.plot(*one.flat.T, color="0.7", linewidth=0.6, zorder=1)
        dots = plane.scatter(*one.flat.T, zorder=2, **colours)
        room.plot(*one.solid.T, color="0.7", linewidth=0.6)
        room.scatter(*one.solid.T, depthshade=False, **colours)
        bar = figure.colorbar(dots, ax=room, shrink=0.7, pad=0.02, location="right")
        bar.set_label(f"{one.name}: s", fontsize=8)
        bar.ax.tick_params(labelsize=7)
    plane.set(xticks=[], yticks=[])
    room.set(xticklabels=[], yticklabels=[], zticklabels=[])
    figure.savefig(path, dpi=100)


def trajectory_page(courses: Sequence[Trajectory]) -> str:
    """Write a page on which courses can be turned and heard.

    Parameters
    ----------
    courses : sequence of Trajectory
        From `trajectories`.

    Returns
    -------
    str
        HTML without outside parts; the sounds are in it.
    """
    rows = [
        {
            "name": one.name,
            "times": np.round(one.times, 3).tolist(),
            "flat": np.round(one.flat, 4).tolist(),
            "solid": np.round(one.solid, 4).tolist(),
            "sound": as_data_uri(one.sound),
        }
        for one in courses
    ]
    data = json.dumps(rows, ensure_ascii=False).replace("<", "\\u003c")  # no name can end the script
    template = resources.files(__package__).joinpath("trajectory.html").read_text(encoding="utf-8")
    return template.replace("/*COURSES*/[]", data)
