"""Our own diverse encoder: transformers on several views of a sound, each trained apart, each a block of its own."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import ModelError
from ..features import Feature
from ..nn import Model
from .base import Encoder, EncoderCard
from .framing import Framing
from .registry import register
from .shipped import RECIPE, SHIPPED, WEIGHTS, parts_until, read_network, shipped_folder, trained_frames

NAME = "gliss-diverse"
VIEWS = ("pitch", "timbre", "waveform", "neural")
SAMPLE_RATE, DIM, PART = 16_000, 64, "view"  # as the recipes diverse/* have them
DIGESTS = {
    "pitch": "3253d0d182e2666357639416879acd724a741abf87d8080a8bbf906950456564",
    "timbre": "5672f10544582924ce9c1417718a88a39b600becd2b9faa94459414bd05871e3",
    "waveform": "c78296700093081510b51fe80604310dc56c8e850beced75d65753228a733799",
    "neural": "bb092c20fd99f196a30058f0b419de08619e811eebf254a5b4ad88fc9c4fed3e",
}


@dataclass
class View:
    """One view of a sound: what it hears, and the network that listens.

    Parameters
    ----------
    feature : Feature
        From waveforms.
    model : Model
        Whose part ``view`` gives the embedding.
    frames : int
        That the model hears at once.
    digest : str
        Of its weights, and of what its feature depends on.
    """

    feature: Feature
    model: Model
    frames: int
    digest: str

    @classmethod
    def read(cls, folder: Path) -> View:
        """Read a run.

        Parameters
        ----------
        folder : Path
            Of the run.

        Returns
        -------
        View
            Trained.

        Raises
        ------
        ModelError
            If it is none, or a damaged one.
        """
        frames = trained_frames(folder)
        feature, model = read_network(folder, frames)
        read = hashlib.sha256((folder / WEIGHTS).read_bytes() + feature.space.encode()).hexdigest()
        return cls(feature, model, frames, read)

    @property
    def samples(self) -> int:
        """Length in samples of the waveform that it hears at once."""
        return round((2 * self.feature.first + self.frames / self.feature.frame_rate) * self.feature.sample_rate)


class DiverseEncoder(Encoder):
    """Embeddings of seconds, view by view: unit vectors, laid end to end and scaled to a unit vector again.

    Parameters
    ----------
    card : EncoderCard
        Its card.
    views : mapping of str to View
        By name.
    folder : Path
        Where they come from, for errors.

    Raises
    ------
    ModelError
        If views want different sample rates, or a model has no part ``view``.
    """

    def __init__(self, card: EncoderCard, views: Mapping[str, View], folder: Path) -> None:
        super().__init__()
        rates = {int(view.feature.sample_rate) for view in views.values()}
        if len(rates) > 1:
            raise ModelError(
                f"{folder}: its views want sample rates of {', '.join(map(str, sorted(rates)))} Hz, not one"
            )
        self.card = card
        self.lengths = {name: (view.samples, view.frames) for name, view in views.items()}
        self.parts = {name: parts_until(view.model, PART, folder / name) for name, view in views.items()}
        self.features = nn.ModuleDict({name: view.feature for name, view in views.items()})
        self.models = nn.ModuleDict({name: view.model for name, view in views.items()})
        window = max(length for length, _ in self.lengths.values())
        self.framing = Framing(window=window, hop=min(window, round(card.sample_rate / card.frame_rate)))

    def encode(self, windows: Tensor) -> dict[str, Tensor]:
        """Compute the embeddings of windows.

        Parameters
        ----------
        windows : Tensor, shape=(windows, framing.window)
            At ``card.sample_rate``.

        Returns
        -------
        dict of str to Tensor
            ``embedding`` of unit norm, and those of every view, of unit norm, by its name; zeros for silence.
        """
        sounding = (windows.abs().amax(1) > 0)[:, None]
        found = {name: F.normalize(self._view(name, windows), dim=-1, eps=1e-6) * sounding for name in self.parts}
        joined = F.normalize(torch.cat([*found.values()], -1), dim=-1, eps=1e-6)
        return {"embedding": joined, **found}

    def _view(self, name: str, windows: Tensor) -> Tensor:
        """The middle of windows as one view has it."""
        samples, frames = self.lengths[name]
        first = (windows.shape[1] - samples) // 2
        model = self.models[name]
        assert isinstance(model, Model)
        return model.run(self.features[name](windows[:, first : first + samples])[..., :frames], *self.parts[name])


def _load(card: EncoderCard, source: Path | None) -> Encoder:
    folder = source or shipped_folder("diverse")
    wanted = VIEWS if card.name == NAME else (card.block,)
    there = [name for name in wanted if (folder / name / RECIPE).exists()]
    if not there:
        raise ModelError(f"{folder}: has no run in a folder named {' or '.join(wanted)}; train the recipes diverse/*")
    views = {name: View.read(folder / name) for name in there}
    if source is None:
        return DiverseEncoder(card, views, folder)
    digest = hashlib.sha256("".join(view.digest for view in views.values()).encode()).hexdigest()
    card = replace(card, source="runs of one's own", weights_sha256=digest, preprocessing=f"features of {digest}")
    encoder = DiverseEncoder(card, views, folder)
    with torch.no_grad():
        dim = encoder.encode(torch.zeros(2, encoder.framing.window))["embedding"].shape[1]
    rate = int(next(iter(views.values())).feature.sample_rate)
    encoder.card = replace(card, dim=dim, window=encoder.framing.window / rate, sample_rate=rate)
    return encoder


_HEARD = {  # by view: what it hears, and its window in samples
    "pitch": ("binary peaks below 4 kHz (2048/320), at most 20 within 40 dB of the loudest", 18_048),
    "timbre": ("12 MFCCs of 64 bands (2048/320)", 18_048),
    "waveform": ("the waveform", 16_000),
    "neural": ("vectors of a convolutional network on log-mel (1024/320), every 40 ms", 17_024),
}


def _card(name: str, summary: str, views: tuple[str, ...], block: str) -> EncoderCard:
    return EncoderCard(
        name=name,
        summary=summary,
        sample_rate=SAMPLE_RATE,
        dim=DIM * len(views),
        window=max(_HEARD[view][1] for view in views) / SAMPLE_RATE,
        frame_rate=1.0,
        licence="Apache-2.0",
        source=SHIPPED,
        paper="after Verma & Berger, Diverse Audio Embeddings: Bringing Features Back Outperforms CLAP!, 2023",
        block=block,
        preprocessing="16 kHz mono, windows of a second; " + "; ".join(_HEARD[view][0] for view in views),
        weights_sha256=hashlib.sha256("".join(DIGESTS[view] for view in views).encode()).hexdigest(),
        weights_mb=1.1 * len(views),
        parts=tuple(f"{NAME}-{view}" for view in views) if len(views) > 1 else (),
    )


register(
    _card(NAME, "pitch, timbre, waveform and neuralogram of notes: four small transformers", VIEWS, "diverse"), _load
)
for _view in VIEWS:
    register(_card(f"{NAME}-{_view}", f"the view {_view} of {NAME}", (_view,), _view), _load)
