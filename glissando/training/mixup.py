"""Changes of training batches for few labelled recordings: mixtures of examples, and holes in them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .augment import AUGMENTATIONS, Batch


@AUGMENTATIONS.register("mixup")
class Mixup(nn.Module):
    """Weighted means of two examples and of their targets, for targets that are shares from 0 to 1.

    Parameters
    ----------
    alpha : float
        Of the Beta distribution from which the weights are drawn: small ones leave most examples nearly as they are.

    References
    ----------
    Zhang, Cisse, Dauphin & Lopez-Paz, "mixup: beyond empirical risk minimization", ICLR 2018.
    """

    def __init__(self, *, alpha: float = 0.3) -> None:
        super().__init__()
        if not alpha > 0:
            raise ValueError(f"alpha must be above 0; got {alpha:g}")
        self.alpha = alpha

    def forward(self, batch: Batch) -> Batch:
        """Change a batch.

        Parameters
        ----------
        batch : dict
            Of `Patches`.

        Returns
        -------
        dict
            Another batch.
        """
        feature, target = batch["feature"], batch["target"]
        # torch's Beta draws from the global generator, which is set for every step.
        drawn = torch.distributions.Beta(self.alpha, self.alpha).sample((len(feature),)).to(feature.device)
        share = torch.maximum(drawn, 1 - drawn)  # (so that "valid", which is not mixed, is that of the larger part)
        other = torch.randperm(len(feature), device=feature.device)
        return {**batch, "feature": _mixed(feature, share, other), "target": _mixed(target.float(), share, other)}


@AUGMENTATIONS.register("mask")
class Mask(nn.Module):
    """Holes: a stretch of frames and a range of bins of every example become zero.

    Parameters
    ----------
    frames, bins : float
        Widest hole, as a share of all frames and of all bins.

    References
    ----------
    Park et al., "SpecAugment: a simple data augmentation method for automatic speech recognition", Interspeech 2019.
    """

    def __init__(self, *, frames: float = 0.15, bins: float = 0.15) -> None:
        super().__init__()
        if not (0 <= frames < 1 and 0 <= bins < 1):
            raise ValueError(f"frames and bins must lie within 0..1; got {frames:g} and {bins:g}")
        self.shares = {3: frames, 2: bins}

    def forward(self, batch: Batch) -> Batch:
        """Change a batch.

        Parameters
        ----------
        batch : dict
            With a ``feature``.

        Returns
        -------
        dict
            Another batch.
        """
        feature = batch["feature"]
        for axis, most in self.shares.items():
            size, count = feature.shape[axis], len(feature)
            width = torch.rand(count, 1, device=feature.device) * most * size
            start = torch.rand(count, 1, device=feature.device) * (size - width)
            place = torch.arange(size, device=feature.device)
            kept = (place < start) | (place >= start + width)
            feature = feature * kept.view(count, 1, *((size, 1) if axis == 2 else (1, size)))
        return {**batch, "feature": feature}


def _mixed(values: Tensor, share: Tensor, other: Tensor) -> Tensor:
    weights = share.view(-1, *(1 for _ in values.shape[1:]))
    return weights * values + (1 - weights) * values[other]
