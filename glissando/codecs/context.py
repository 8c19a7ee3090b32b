"""How far a network looks, read from its layers."""

from __future__ import annotations

from torch import nn

from .. import nn as bricks

ENDLESS = (nn.RNNBase, nn.GroupNorm, nn.MultiheadAttention, bricks.Attention, bricks.Transformer, bricks.GlobalPool)


def reach(network: nn.Module) -> float | None:
    """Bound how far a convolutional network looks to either side.

    Parameters
    ----------
    network : Module
        Whose layers stand in the order in which they run; branches may stand one after the other.

    Returns
    -------
    float or None
        Positions of its input, not more than twice of what it is; None if it looks at everything.
    """
    looked, step = 0.0, 1.0
    for layer in network.modules():
        if isinstance(layer, ENDLESS):
            return None
        if isinstance(layer, nn.Conv1d | nn.ConvTranspose1d):
            (taps,), (dilation,), (stride,) = layer.kernel_size, layer.dilation, layer.stride
            if isinstance(layer, nn.ConvTranspose1d):
                step /= stride
                looked += (taps - 1) * dilation * step
            else:
                looked += (taps - 1) * dilation * step
                step *= stride
        elif isinstance(layer, bricks.Stack):
            looked += (layer.frames - 1) * step
            step *= layer.frames
        elif isinstance(layer, bricks.Unstack):
            step /= layer.frames
    return looked
