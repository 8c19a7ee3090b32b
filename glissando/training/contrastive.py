"""Contrastive learning: every view must find its partner among all views of the batch."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor

from .paradigm import PARADIGMS
from .views import OfViews, comparisons


@PARADIGMS.register("contrastive")
class Contrastive(OfViews):
    """NT-Xent over views of recordings, at one tempo and from tempo to tempo.

    Parameters
    ----------
    example : Tensor, shape=(batch, dim)
        An output of the model.
    temperature : float
        Of the softmax over cosine similarities.
    **views : Any
        As of `OfViews`.

    References
    ----------
    McCallum et al., "Supervised and unsupervised learning of audio representations for music understanding", ISMIR
    2022, arXiv 2210.03799. Chen et al., "A simple framework for contrastive learning of visual representations", ICML
    2020.
    """

    def __init__(self, example: Tensor, *, temperature: float = 0.1, **views: Any) -> None:
        super().__init__(example, **views)
        if temperature <= 0:
            raise ValueError("temperature must be above 0")
        self.temperature = temperature

    def compare(self, z: Tensor, octaves: Tensor) -> Tensor:
        """Tell every view's partner from all other views of the batch.

        Parameters
        ----------
        z : Tensor, shape=(recordings, views, dim)
            Unit vectors.
        octaves : Tensor, shape=(recordings, views)
            Their tempi.

        Returns
        -------
        Tensor
            One number.
        """
        logits, targets, alike = comparisons(z, octaves, self.predictor)
        losses = F.cross_entropy(logits / self.temperature, targets, reduction="none")
        loss = losses[alike].mean()
        if not alike.all():
            loss = loss + self.equivariance * losses[~alike].mean()
        return loss
