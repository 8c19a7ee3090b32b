"""What learns to make notes has in common: what it learns from, what it is told of it, and how it is asked."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from ..codecs import Latents
from ..data import Annotations, Beginnings, DataSet, Entry
from ..errors import ModelError
from ..features import Feature, Waveform
from ..nn import Model
from .conditions import Conditions
from .network import Network
from .paradigm import Batch, Paradigm, Told
from .recipe import DataPart

TOGETHER = 32  # examples that are measured at once


class Generative(Paradigm):
    """Learn to make latents or samples of notes, told instrument, pitch and loudness.

    Examples begin with the note, and hold silence where it has ended. In a recipe, ``data.patch`` is their length.

    Parameters
    ----------
    feature : Feature
        As ``makes`` says.
    conditions : mapping of str to sequence of str, optional
        What can be asked for; found in the training data, if None.
    dim : int
        Of the conditions' vectors.
    drop : float
        Share of examples in training that are told nothing, see `Conditions.dropped`.

    Attributes
    ----------
    latents : Latents
        The feature, and the codec.
    options : mapping of str to float or str
        What `sample` takes beside its other arguments, with defaults.
    guidance : float
        What `sample` is asked with by default; see `glissando.nn.guided`.
    makes : type of Feature
        What it makes; such a feature can be turned back into sound, and knows a frame of silence.
    """

    latents: Latents
    augmented: ClassVar[str] = "feature"
    options: ClassVar[Mapping[str, Any]] = {}
    guidance: ClassVar[float] = 1.0
    makes: ClassVar[type[Latents] | type[Waveform]] = Latents

    def __init__(
        self, feature: Feature, *, conditions: Mapping[str, Sequence[str]] | None, dim: int, drop: float
    ) -> None:
        super().__init__()
        if not isinstance(feature, self.makes):
            made = (
                "latents of a codec; take the feature latents"
                if self.makes is Latents
                else "samples; take the feature waveform"
            )
            raise ValueError(f"makes {made}")
        if not 0 <= drop < 1:
            raise ValueError(f"drop must be at least 0 and below 1, got {drop}")
        self.drop = drop
        self.conditions = Conditions(conditions or {}, dim)
        self.__dict__["latents"] = feature  # (not as a layer: the codec is neither learned nor kept)

    def settle(self, annotations: Sequence[Annotations]) -> dict[str, Any]:
        """Find what can be asked for, unless the recipe says it.

        Parameters
        ----------
        annotations : sequence of Annotations
            Of the entries to train on.

        Returns
        -------
        dict of str to object
            The argument ``conditions``.
        """
        known = self.conditions.vocabulary
        return {"conditions": known if any(known.values()) else Conditions.settle(annotations)}

    def examples(
        self,
        network: Network,
        entries: Sequence[Entry],
        part: DataPart,
        *,
        training: bool,
        seed: int,
        told: Told | None,
    ) -> Beginnings:
        """Take beginnings of entries; parameters as of `Paradigm.examples`.

        Parameters
        ----------
        network : Network
            Feature and model.
        entries : sequence of Entry
            The notes.
        part : DataPart
            Their length.
        training : bool
            Not used: they are the same in every epoch.
        seed : int
            Not used.
        told : callable, optional
            Called with the number of features that are there.

        Returns
        -------
        Beginnings
            With ``conditions``, classes as `Conditions.of` tells them.
        """
        found = Beginnings(network.cache(), entries, frames=part.patch, silence=self.latents.silence(), progress=told)
        found.tensors["conditions"] = torch.tensor([self.conditions.of(entry) for entry in entries])
        return found

    def told(self, batch: Batch) -> Tensor:
        """Embed what a batch is told; in training, some of it is forgotten.

        Parameters
        ----------
        batch : dict of str to Tensor
            Of `examples`.

        Returns
        -------
        Tensor, shape=(batch, dim)
            Vectors.
        """
        numbers = batch["conditions"]
        vectors: Tensor = self.conditions(self.conditions.dropped(numbers, self.drop) if self.training else numbers)
        return vectors

    @abstractmethod
    def measure(self, model: Model, batch: Batch) -> dict[str, Tensor]:
        """Score examples.

        Parameters
        ----------
        model : Model
            Trained.
        batch : dict of str to Tensor
            Of `examples`.

        Returns
        -------
        dict of str to Tensor, shape=(batch,)
            Metrics by name, one of which is the ``goal``.
        """

    @abstractmethod
    def sample(
        self,
        model: Model,
        conditions: Tensor,
        frames: int,
        *,
        guidance: float,
        generator: torch.Generator,
        start: Tensor | None = None,
        **options: Any,
    ) -> Tensor:
        """Make latents, or samples, which are latents of dimension 1.

        Parameters
        ----------
        model : Model
            Trained.
        conditions : Tensor of int, shape=(batch, fields)
            Classes.
        frames : int
            How many.
        guidance : float
            See `glissando.nn.guided`.
        generator : Generator
            Of random numbers.
        start : Tensor, optional, shape=(batch, fewer frames, dim)
            Latents that they begin with.
        **options : float or str
            As named in ``options``, all of them.

        Returns
        -------
        Tensor, shape=(batch, frames, dim)
            Latents for the codec, or samples.
        """

    def checked(self, options: Mapping[str, float | str]) -> dict[str, Any]:
        """Fill up options with defaults, and refuse those that there are not.

        Parameters
        ----------
        options : mapping of str to float or str
            Of `sample`.

        Returns
        -------
        dict of str to float or str
            All of them.

        Raises
        ------
        ModelError
            Naming what there is, or the one that is no number.
        """
        for name, value in options.items():
            if name not in self.options:
                raise ModelError(f"this generator takes no {name}; it takes {', '.join(self.options) or 'nothing'}")
            if (word := isinstance(self.options[name], str)) != isinstance(value, str):
                raise ModelError(f"{name} must be a {'word' if word else 'number'}, got {value}")
        return {**self.options, **options}

    def scores(
        self, network: Network, data: DataSet, part: DataPart, seconds: float | None, told: Told | None
    ) -> dict[str, dict[str, float]]:
        """Measure entries, told everything; parameters as of `Paradigm.scores`.

        Parameters
        ----------
        network : Network
            Trained.
        data : DataSet
            What to score.
        part : DataPart
            Length of an example.
        seconds : float, optional
            Not used.
        told : callable, optional
            Called with the number of features that are there.

        Returns
        -------
        dict of str to dict of str to float
            Metrics by entry, see `measure`.
        """
        examples = self.examples(network, [*data.values()], part, training=False, seed=0, told=told)
        network.model.eval()
        with torch.inference_mode():
            batches = [self.measure(network.model, batch) for batch in DataLoader(examples, TOGETHER)]
        rows = {name: torch.cat([one[name] for one in batches]).tolist() for name in batches[0]}
        return {key: {name: values[i] for name, values in rows.items()} for i, key in enumerate(data)}
