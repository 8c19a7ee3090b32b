"""Trained generators at work: notes by instrument, pitch and loudness, and sounds that go on."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..audio import Audio, resample
from ..codecs import Codec, Latents
from ..errors import ModelError
from ..features import Waveform
from .flow import Flow
from .generative import Generative
from .network import Network
from .runs import Run, shipped_run

TOGETHER = 16  # sounds that are made at once
SHIPPED = "flow"  # the run that comes with the package
LONGEST = 60.0  # seconds
VARIED = 0.4  # amount by which whole sounds are varied
Waveforms = NDArray[np.float32]


class Generator:
    """A generative paradigm that is trained, and the feature that makes what it makes sound.

    Parameters
    ----------
    network : Network
        With the feature that the paradigm makes.
    paradigm : Generative
        Trained.
    """

    def __init__(self, network: Network, paradigm: Generative) -> None:
        assert isinstance(network.feature, Latents | Waveform)
        self.network, self.paradigm, self.feature = network, paradigm, network.feature

    @classmethod
    def open(cls, run: Run | str | Path | None = None) -> Generator:
        """Open a run.

        Parameters
        ----------
        run : Run, str or Path, optional
            One that is done, or its folder; if None or "flow", the flow that comes with the package.

        Returns
        -------
        Generator
            On the CPU.

        Raises
        ------
        ModelError
            If it is no run of a generator, or its codec is not the one that it was trained on.
        """
        if not isinstance(run, Run):
            shipped = run is None or (str(run) == SHIPPED and not Path(run).exists())
            run = shipped_run(SHIPPED) if shipped else Run.open(run)  # type: ignore[arg-type]
        network, paradigm = run.trained()
        if not isinstance(paradigm, Generative):
            raise ModelError(
                f"{run.folder}: is a run, but of no generator; train one with: gliss train generate/tokens"
            )
        return cls(network, paradigm)

    @property
    def codec(self) -> Codec:
        """What makes latents sound."""
        if not isinstance(self.feature, Latents):
            raise ModelError("this generator makes samples, and has no codec")
        return self.feature.codec

    @property
    def sample_rate(self) -> int:
        """Rate in Hz of the sounds."""
        return self.feature.sample_rate

    @property
    def vocabulary(self) -> dict[str, list[str]]:
        """What can be asked for, by field."""
        return self.paradigm.conditions.vocabulary

    def generate(
        self,
        wanted: Sequence[Mapping[str, object]],
        *,
        seconds: float = 2.0,
        seed: int = 0,
        guidance: float | None = None,
        start: Audio | None = None,
        told: Callable[[int], None] | None = None,
        **options: float | str,
    ) -> Waveforms:
        """Make sounds.

        Parameters
        ----------
        wanted : sequence of mapping
            One for each sound, such as ``{"instrument": "classical guitar", "pitch": 52, "loudness": "f"}``; what is
            left out is the generator's to choose.
        seconds : float
            Length, to whole latents; after ``start``, where it is given.
        seed : int
            Of what is drawn.
        guidance : float, optional
            How far what is asked for is followed, see `glissando.nn.guided`.
        start : Audio, optional
            What all of them go on from.
        told : callable, optional
            Called with the number of sounds that are done.
        **options : float or str
            Of the paradigm, such as ``temperature``.

        Returns
        -------
        ndarray, shape=(sounds, samples)
            At ``sample_rate``, within -1..1; with ``start``, that comes first.

        Raises
        ------
        ModelError
            If it does not know what is wanted, or how.
        """
        if not 0 < seconds <= LONGEST:
            raise ModelError(f"{seconds:g} seconds can't be made; ask for more than 0 and at most {LONGEST:g}")
        given = self.paradigm.checked(options)
        guidance = self.paradigm.guidance if guidance is None else guidance
        numbers = torch.tensor([self.paradigm.conditions.numbers(one) for one in wanted])
        frames = max(1, round(seconds * self.feature.frame_rate))
        begun = None if start is None else self.latents(start)
        frames += 0 if begun is None else begun.shape[1]
        random, made = torch.Generator().manual_seed(seed), []
        with torch.inference_mode():
            for few in torch.split(numbers, TOGETHER):
                latents = self.paradigm.sample(
                    self.network.model, few, frames, guidance=guidance, generator=random,
                    start=None if begun is None else begun.expand(len(few), -1, -1), **given,
                )  # fmt: skip
                made.append(self.sound(latents))
                if told is not None:
                    told(sum(map(len, made)))
        return np.concatenate(made)

    def vary(
        self,
        audio: Audio,
        *,
        amount: float | None = None,
        part: tuple[float, float] | None = None,
        wanted: Mapping[str, object] | None = None,
        count: int = 1,
        seed: int = 0,
        guidance: float | None = None,
        told: Callable[[int], None] | None = None,
        **options: float | str,
    ) -> Waveforms:
        """Make variations of a sound, or of a part of it (inpainting).

        Parameters
        ----------
        audio : Audio
            The sound.
        amount : float, optional
            From 0, which leaves the sound as the codec gives it, to 1, which forgets it; without, 0.4 of a whole sound
            and 1 of a part.
        part : (float, float), optional
            Seconds from and to which it is made anew. Latents of the rest stay as they are.
        wanted : mapping, optional
            What it shall be, as of `generate`.
        count : int
            How many.
        seed : int
            Of what is drawn.
        guidance : float, optional
            As of `generate`.
        told : callable, optional
            Called with the number of sounds that are done.
        **options : float or str
            Of the paradigm, such as ``steps``.

        Returns
        -------
        ndarray, shape=(count, samples)
            At ``sample_rate``, as long as the sound, within -1..1.

        Raises
        ------
        ModelError
            If the generator can't, or does not know how, or amount or part make no sense.
        """
        if not isinstance(self.paradigm, Flow):
            raise ModelError("this generator makes no variations; take a run of the paradigm flow or diffusion")
        if not 0 < audio.duration <= LONGEST:
            raise ModelError(f"a sound of {audio.duration:g} seconds can't be varied; give up to {LONGEST:g}")
        amount = (VARIED if part is None else 1.0) if amount is None else amount
        if not 0 <= amount <= 1 or count < 1:
            raise ModelError(f"{count} variations by {amount:g}; ask for 1 or more, by an amount from 0 to 1")
        given, given_options = self.latents(audio), self.paradigm.checked(options)
        keep = torch.zeros(given.shape[1], dtype=torch.bool)
        if part is not None:
            first, last = part
            if not 0 <= first < last or first >= audio.duration:
                raise ModelError(
                    f"there is nothing from {first:g} to {last:g} s of a sound of {audio.duration:g} s to make anew"
                )
            rate = self.feature.frame_rate
            keep[:] = True
            keep[int(first * rate) : math.ceil(min(last, audio.duration) * rate)] = False
        guidance = self.paradigm.guidance if guidance is None else guidance
        numbers = torch.tensor([self.paradigm.conditions.numbers(wanted or {})] * count)
        random, made = torch.Generator().manual_seed(seed), []
        with torch.inference_mode():
            for few in torch.split(numbers, TOGETHER):
                latents = self.paradigm.vary(
                    self.network.model, few, given, amount=amount, keep=keep, guidance=guidance, generator=random,
                    **given_options,
                )  # fmt: skip
                made.append(self.sound(latents)[:, : math.ceil(audio.duration * self.sample_rate)])
                if told is not None:
                    told(sum(map(len, made)))
        return np.concatenate(made)

    def audio(self, waveforms: Waveforms) -> list[Audio]:
        """Give waveforms their rate.

        Parameters
        ----------
        waveforms : ndarray, shape=(sounds, samples)
            Of `generate`.

        Returns
        -------
        list of Audio
            One for each.
        """
        return [Audio(waveform, self.sample_rate) for waveform in waveforms]

    @torch.inference_mode()
    def latents(self, audio: Audio) -> Tensor:
        """Encode a sound.

        Parameters
        ----------
        audio : Audio
            At any rate.

        Returns
        -------
        Tensor, shape=(1, frames, dim)
            Of the codec, or samples.
        """
        heard = resample(audio.samples, audio.sample_rate, self.sample_rate)
        found: Tensor = self.feature(torch.from_numpy(heard)[None])
        return found[:, 0].transpose(1, 2)

    @torch.inference_mode()
    def sound(self, latents: Tensor) -> Waveforms:
        """Decode latents, one by one quieter where they would clip.

        Parameters
        ----------
        latents : Tensor, shape=(batch, frames, dim)
            Of the paradigm.

        Returns
        -------
        ndarray, shape=(batch, samples)
            Within -1..1.
        """
        waveforms: Waveforms = self.feature.invert(latents.transpose(1, 2)[:, None]).numpy()
        waveforms /= np.abs(waveforms).max(1, keepdims=True).clip(1)
        return waveforms
