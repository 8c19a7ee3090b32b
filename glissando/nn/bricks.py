"""The registry of bricks, and what they share: shapes, norms, activations.

A tensor is a map ``[batch, channels, bins, frames]``, a sequence ``[batch, frames, dim]``, a vector ``[batch, dim]``
or a waveform ``[batch, samples]``. A brick's maker is given the shape that comes in, so recipes name no input sizes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from ..registry import Registry, short
from .checks import choice, fraction

BRICKS: Registry[nn.Module] = Registry("brick")


class LogMagnitude(nn.Module):
    """``log(1 + 10 |x|)``: rectified and compressed, as the outputs of learned filters on waveforms want it.

    References
    ----------
    Zeghidour et al., "Learning filterbanks from raw speech for phone recognition", ICASSP 2018.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Compress.

        Parameters
        ----------
        x : Tensor
            Of about unit variance, as after a norm.

        Returns
        -------
        Tensor
            Zero or positive, same shape.
        """
        return x.abs().mul(10).log1p()


class Exponential(nn.Module):
    """``exp(x)``, held within bounds: logarithms of magnitudes become magnitudes, which add up where sounds do."""

    def forward(self, x: Tensor) -> Tensor:
        """Undo a logarithm.

        Parameters
        ----------
        x : Tensor
            Of the order of 1.

        Returns
        -------
        Tensor
            Positive, same shape.
        """
        return x.clamp(-15, 8).exp()


ACTIVATIONS: dict[str, type[nn.Module]] = {
    "none": nn.Identity,
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "gelu": nn.GELU,
    "elu": nn.ELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "log": LogMagnitude,
    "exp": Exponential,
}


class Conditioned(nn.Module):
    """A brick that may take a second tensor, kept under a name.

    Parameters
    ----------
    uses : str, optional
        Name under which the second tensor is stored or given.
    optional : bool
        It also does without.
    """

    def __init__(self, uses: str | None, *, optional: bool = False) -> None:
        super().__init__()
        self.uses, self.optional = uses, optional


class ChannelNorm(nn.LayerNorm):
    """Layer norm over the channels of every position, so that no frame sees another.

    Parameters
    ----------
    channels : int
        Size of axis 1.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels)

    def forward(self, input: Tensor) -> Tensor:
        """Normalise.

        Parameters
        ----------
        input : Tensor, shape=(batch, channels, ...)
            Any number of axes.

        Returns
        -------
        Tensor
            Same shape.
        """
        return super().forward(input.movedim(1, -1)).movedim(-1, 1)


class AlongFrames(nn.Sequential):
    """Layers that want channels first, for a sequence or a waveform."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply the layers.

        Parameters
        ----------
        input : Tensor, shape=(batch, frames, dim) or (batch, samples)
            A sequence, or a waveform.

        Returns
        -------
        Tensor, shape=(batch, frames, channels)
            A sequence.
        """
        x = (input.unsqueeze(-1) if input.ndim == 2 else input).transpose(1, 2)
        for layer in self:
            x = layer(x)
        return x.transpose(1, 2)


def norm_layer(kind: object, channels: int, axes: int) -> nn.Module:
    """Make a norm.

    Parameters
    ----------
    kind : object
        ``batch``, ``layer`` (over the channels of every position) or ``none``.
    channels : int
        Size of axis 1.
    axes : int
        2 for maps, 1 for sequences with channels first.

    Returns
    -------
    Module
        The norm.
    """
    match choice(kind, "norm", ("batch", "layer", "none")):
        case "batch":
            return nn.BatchNorm2d(channels) if axes == 2 else nn.BatchNorm1d(channels)
        case "layer":
            return ChannelNorm(channels)
        case _:
            return nn.Identity()


def activation_layer(kind: object) -> nn.Module:
    """Make an activation.

    Parameters
    ----------
    kind : object
        A name in `ACTIVATIONS`.

    Returns
    -------
    Module
        The activation.
    """
    return ACTIVATIONS[choice(kind, "activation", ACTIVATIONS)]()


def finish(channels: int, axes: int, norm: object, activation: object, dropout: object = 0.0) -> list[nn.Module]:
    """Make what follows a convolution.

    Parameters
    ----------
    channels : int
        Size of axis 1.
    axes : int
        2 for maps, 1 for sequences with channels first.
    norm, activation : object
        See `norm_layer` and `activation_layer`.
    dropout : object
        Probability.

    Returns
    -------
    list of Module
        Norm, activation and dropout, as far as they do anything.
    """
    layers = norm_layer(norm, channels, axes), activation_layer(activation), nn.Dropout(fraction(dropout, "dropout"))
    return [each for each in layers if not isinstance(each, nn.Identity) and getattr(each, "p", 1) != 0]


def map_channels(inputs: Sequence[int]) -> int:
    """Read the channels of a map.

    Parameters
    ----------
    inputs : sequence of int
        Shape of what comes in.

    Returns
    -------
    int
        Channels.

    Raises
    ------
    ValueError
        If it is no map.
    """
    if len(inputs) != 4:
        raise ValueError(f"takes a map [batch, channels, bins, frames], got {said(inputs)}; put to_map before it")
    return inputs[1]


def sequence_dim(inputs: Sequence[int]) -> int:
    """Read the dimension of a sequence.

    Parameters
    ----------
    inputs : sequence of int
        Shape of what comes in.

    Returns
    -------
    int
        Dimension.

    Raises
    ------
    ValueError
        If it is no sequence.
    """
    if len(inputs) != 3:
        raise ValueError(f"takes a sequence [batch, frames, dim], got {said(inputs)}; put to_sequence before it")
    return inputs[2]


def waveform_or_sequence_dim(inputs: Sequence[int]) -> int:
    """Read the dimension of a sequence, or 1 for a waveform.

    Parameters
    ----------
    inputs : sequence of int
        Shape of what comes in.

    Returns
    -------
    int
        Dimension.
    """
    return 1 if len(inputs) == 2 else sequence_dim(inputs)


def stored_shape(stored: Mapping[str, Sequence[int]], name: object) -> Sequence[int]:
    """Look up the shape of a tensor that was stored or given.

    Parameters
    ----------
    stored : mapping of str to sequence of int
        Shapes by name.
    name : object
        As a recipe has it.

    Returns
    -------
    sequence of int
        The shape.

    Raises
    ------
    ValueError
        If there is none of that name.
    """
    if not isinstance(name, str) or name not in stored:
        raise ValueError(f"nothing is stored under {short(name)} before it; there are: {', '.join(stored) or 'none'}")
    return stored[name]


def said(shape: Sequence[int]) -> str:
    """Write a shape for people.

    Parameters
    ----------
    shape : sequence of int
        Sizes.

    Returns
    -------
    str
        Such as ``[1, 32, 72, 100]``.
    """
    return f"[{', '.join(f'{size:,}' for size in shape)}]"
