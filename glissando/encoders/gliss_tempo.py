"""Our own rhythm embedding: a network along the log-rate axis, so that a change of tempo is a shift of it."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import torch
import yaml
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from ..errors import ModelError
from ..features import FEATURES, Tempogram
from ..nn import Model, build
from .base import Encoder, EncoderCard
from .framing import Framing

SAMPLE_RATE = 16_000  # Hz
WINDOW, WINDOW_HOP = 15.0, 7.5  # seconds
FOLDER = Path(str(resources.files("glissando") / "weights" / "tempo"))
RECIPE, WEIGHTS = "recipe.yaml", "weights.safetensors"


class TempoEncoder(Encoder):
    """Square root of the distribution over beat rates, every 7.5 s.

    Parameters
    ----------
    card : EncoderCard
        Its card.
    model : Model
        Tempogram to log-odds of beat and bar rates, as the task tempo trains it.
    """

    def __init__(self, card: EncoderCard, model: Model) -> None:
        super().__init__()
        self.card = card
        self.framing = Framing(window=int(WINDOW * SAMPLE_RATE), hop=int(WINDOW_HOP * SAMPLE_RATE), short="zeros")
        self.tempogram = Tempogram(SAMPLE_RATE, window=WINDOW, hop=WINDOW_HOP)
        self.model = model

    def encode(self, windows: Tensor) -> dict[str, Tensor]:
        """Compute the embedding of windows.

        Parameters
        ----------
        windows : Tensor, shape=(windows, framing.window)
            At 16 kHz.

        Returns
        -------
        dict of str to Tensor
            ``embedding`` of unit norm (zeros for silence), ``beats`` and ``bars``: probabilities of the 168 rates.
        """
        feature = self.tempogram(windows)
        beats, bars = torch.softmax(self.model(feature)[..., 0], -1).unbind(1)
        heard = (feature.abs().amax((1, 2, 3)) > 0)[:, None]
        return {"embedding": beats.sqrt() * heard, "beats": beats, "bars": bars}


def _load(card: EncoderCard, source: Path | None) -> Encoder:
    folder = source or FOLDER
    try:
        recipe = yaml.safe_load((folder / RECIPE).read_text(encoding="utf-8"))
        feature = FEATURES.build(recipe["feature"], where=f"{folder / RECIPE}: feature")
        model = build(recipe["model"], feature(torch.zeros(2, SAMPLE_RATE)), where=f"{folder / RECIPE}: model")
        state = load_file(folder / WEIGHTS)
        model.load_state_dict({name: one.float() if one.is_floating_point() else one for name, one in state.items()})
    except (OSError, KeyError, TypeError, yaml.YAMLError, SafetensorError, RuntimeError) as error:
        raise ModelError(f"{folder}: is no trained run of the task tempo ({str(error).splitlines()[0]})") from error
    return TempoEncoder(card, model)
