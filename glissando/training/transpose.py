"""Transposition of features that have pitch along their bins, together with what is to be learned."""

from __future__ import annotations

import torch
from torch import nn

from ..features import Feature
from .augment import AUGMENTATIONS, Batch


@AUGMENTATIONS.register("transpose")
class Transpose(nn.Module):
    """Move the feature by whole semitones, and turn every twelve rows of the target, which are pitch classes.

    What is left of the target's rows beyond the last whole twelve has no pitch and stays, such as the class N of the
    task chords.

    Parameters
    ----------
    feature : Feature
        With ``bins_per_octave``: the CQT and the harmonic CQT.
    semitones : int
        Most, up or down.
    """

    def __init__(self, feature: Feature, *, semitones: int = 6) -> None:
        super().__init__()
        bins = getattr(feature, "bins_per_octave", None)
        if bins is None or bins % 12:
            raise ValueError("needs a feature with bins of semitones, or of parts of them, such as the CQT")
        if not 0 <= semitones <= 12:
            raise ValueError(f"semitones must be within 0..12; got {semitones}")
        self.step, self.semitones = bins // 12, semitones

    def forward(self, batch: Batch) -> Batch:
        """Change a batch.

        Parameters
        ----------
        batch : dict
            Of `Patches`; the target is ``[batch, 1, rows, frames]``.

        Returns
        -------
        dict
            Another batch; bins beyond the feature's are zero.
        """
        feature, target = torch.zeros_like(batch["feature"]), batch["target"].clone()
        groups = target.shape[2] // 12 * 12
        drawn = torch.randint(-self.semitones, self.semitones + 1, (len(feature),)).tolist()
        for example, semitones in enumerate(drawn):
            by, bins = semitones * self.step, feature.shape[2]
            given = batch["feature"][example]
            feature[example, :, max(by, 0) : bins + min(by, 0)] = given[:, max(-by, 0) : bins - max(by, 0)]
            rows = target[example, :, :groups]
            turned = rows.reshape(len(rows), -1, 12, rows.shape[-1]).roll(semitones, 2)
            target[example, :, :groups] = turned.reshape(rows.shape)
        return {**batch, "feature": feature, "target": target}
