"""VICReg: views are alike, and variance and covariance of a batch keep the embedding from collapsing; no negatives."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from ..nn import covariance_term, variance_term
from .paradigm import PARADIGMS
from .views import SAME, OfViews, led


@PARADIGMS.register("vicreg")
class VICReg(OfViews):
    """Variance, invariance and covariance of views, at one tempo and from tempo to tempo.

    Parameters
    ----------
    example : Tensor, shape=(batch, dim)
        An output of the model.
    expander : int
        Width of the perceptron between embedding and loss, which is no part of the model.
    invariance, variance, covariance : float
        Weights of the terms.
    **views : Any
        As of `OfViews`.

    References
    ----------
    Bardes, Ponce & LeCun, "VICReg: variance-invariance-covariance regularization for self-supervised learning", ICLR
    2022, arXiv 2105.04906.
    """

    def __init__(
        self,
        example: Tensor,
        *,
        expander: int = 512,
        invariance: float = 25.0,
        variance: float = 25.0,
        covariance: float = 1.0,
        **views: Any,
    ) -> None:
        super().__init__(example, **views)
        if expander < 2 or min(invariance, variance, covariance) < 0:
            raise ValueError("expander must be at least 2, and the weights of the terms not below 0")
        self.invariance, self.variance, self.covariance = invariance, variance, covariance
        layers: list[nn.Module] = []
        for width in (example.shape[1], expander):
            layers += [nn.Linear(width, expander), nn.BatchNorm1d(expander), nn.ReLU()]
        self.expander = nn.Sequential(*layers, nn.Linear(expander, expander))

    def compare(self, z: Tensor, octaves: Tensor) -> Tensor:
        """Sum up the three terms.

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
        expanded = self.expander(z.flatten(0, 1)).view(*z.shape[:2], -1)
        moved, end, step = led(z, octaves, self.predictor)
        arrived = self.expander(moved.flatten(0, 1)).view(*moved.shape[:2], -1)
        apart = (arrived - expanded[:, end]).square().mean(-1)
        alike = step.abs() < SAME
        loss: Tensor = self.invariance * apart[alike].mean()
        if not alike.all():
            loss = loss + self.equivariance * self.invariance * apart[~alike].mean()
        for one in expanded.unbind(1):
            terms = self.variance * variance_term(one) + self.covariance * covariance_term(one)
            loss = loss + terms / expanded.shape[1]
        return loss
