"""Bricks for sequences and vectors: fully connected, recurrent, and what turns maps into sequences and back."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from .bricks import BRICKS, activation_layer, map_channels, said, sequence_dim
from .checks import MOST_LAYERS, choice, count, flag, fraction

RECURRENT: dict[str, Callable[..., nn.RNNBase]] = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}


class ToSequence(nn.Module):
    """A map as a sequence: channels and bins become one axis, channels first."""

    def forward(self, x: Tensor) -> Tensor:
        """Reshape.

        Parameters
        ----------
        x : Tensor, shape=(batch, channels, bins, frames)
            A map.

        Returns
        -------
        Tensor, shape=(batch, frames, channels * bins)
            A sequence.
        """
        return x.flatten(1, 2).transpose(1, 2)


class ToMap(nn.Module):
    """A sequence as a map, the reverse of `ToSequence`.

    Parameters
    ----------
    channels : int
        The dimension is cut into so many.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels

    def forward(self, x: Tensor) -> Tensor:
        """Reshape.

        Parameters
        ----------
        x : Tensor, shape=(batch, frames, channels * bins)
            A sequence.

        Returns
        -------
        Tensor, shape=(batch, channels, bins, frames)
            A map.
        """
        return x.transpose(1, 2).reshape(len(x), self.channels, -1, x.shape[1])


@BRICKS.register("to_sequence")
def to_sequence(inputs: Sequence[int]) -> nn.Module:
    """Make a sequence of a map: channels and bins become one axis.

    Parameters
    ----------
    inputs : sequence of int
        Shape of the map that comes in.

    Returns
    -------
    Module
        Map to sequence.
    """
    map_channels(inputs)
    return ToSequence()


@BRICKS.register("to_map")
def to_map(inputs: Sequence[int], *, channels: int = 1) -> nn.Module:
    """Make a map of a sequence.

    Parameters
    ----------
    inputs : sequence of int
        Shape of the sequence that comes in.
    channels : int
        The dimension is cut into so many.

    Returns
    -------
    Module
        Sequence to map.

    Raises
    ------
    ValueError
        If the dimension can't be cut so.
    """
    dim = sequence_dim(inputs)
    if dim % count(channels, "channels"):
        raise ValueError(f"channels must divide the dimension, got {channels} for {dim}")
    return ToMap(channels)


@BRICKS.register("flatten")
def flatten(inputs: Sequence[int]) -> nn.Module:
    """Make a vector of all values of an example; the number of frames is then fixed, if a linear layer follows.

    Parameters
    ----------
    inputs : sequence of int
        Shape of what comes in.

    Returns
    -------
    Module
        To a vector.
    """
    return nn.Flatten()


class _Norm(nn.BatchNorm1d):
    """Batch norm of the last axis."""

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input.flatten(0, -2)).view_as(input)


@BRICKS.register("linear")
def linear(
    inputs: Sequence[int],
    *,
    units: int,
    norm: str = "none",
    activation: str = "none",
    dropout: float = 0.0,
    repeat: int = 1,
    zero: bool = False,
) -> nn.Module:
    """Fully connected layers: of a vector, or of every frame of a sequence.

    Parameters
    ----------
    inputs : sequence of int
        Shape of what comes in.
    units : int
        Output dimension.
    norm : str
        ``batch``, ``layer`` or ``none``.
    activation : str
        A name in `glissando.nn.ACTIVATIONS`.
    dropout : float
        Probability.
    repeat : int
        How many such layers.
    zero : bool
        The last layer gives zeros at first: what it is added to begins alone.

    Returns
    -------
    Module
        Vector to vector, or sequence to sequence.

    Raises
    ------
    ValueError
        If a map comes in, or an argument is out of its range.
    """
    if len(inputs) not in (2, 3):
        raise ValueError(f"takes a vector or a sequence, got {said(inputs)}; put to_sequence or flatten before it")
    units = count(units, "units")
    norms: dict[str, type[nn.Module]] = {"batch": _Norm, "layer": nn.LayerNorm}
    layers: list[nn.Module] = []
    for i in range(count(repeat, "repeat", high=MOST_LAYERS)):
        layers.append(nn.Linear(inputs[-1] if i == 0 else units, units, bias=norm != "batch"))
        if choice(norm, "norm", ("batch", "layer", "none")) != "none":
            layers.append(norms[norm](units))
        layers += [activation_layer(activation), nn.Dropout(fraction(dropout, "dropout"))]
    if flag(zero, "zero"):
        last = [layer for layer in layers if isinstance(layer, nn.Linear)][-1]
        for weight in last.parameters():
            nn.init.zeros_(weight)
    return nn.Sequential(*layers)


class Recurrent(nn.Module):
    """A recurrent network over a sequence.

    Parameters
    ----------
    rnn : RNNBase
        With the batch first.
    last : bool
        Give only the last state, of both directions, instead of every frame's.
    """

    def __init__(self, rnn: nn.RNNBase, last: bool) -> None:
        super().__init__()
        self.rnn, self.last = rnn, last

    def forward(self, x: Tensor) -> Tensor:
        """Run along the frames.

        Parameters
        ----------
        x : Tensor, shape=(batch, frames, dim)
            A sequence.

        Returns
        -------
        Tensor, shape=(batch, frames, units * directions) or (batch, units * directions)
            A sequence, or a vector.
        """
        outputs: Tensor
        if x.is_meta:  # torch would go through all frames to learn nothing but the shape
            outputs, state = self.rnn(x[:, :1])
            outputs = outputs.expand(-1, x.shape[1], -1)
        elif x.device.type == "cpu":  # many processors have no LSTM in half precision
            with torch.autocast("cpu", enabled=False):
                outputs, state = self.rnn(x.to(next(self.rnn.parameters()).dtype))
        else:
            outputs, state = self.rnn(x)
        if not self.last:
            return outputs
        states: Tensor = state[0] if isinstance(state, tuple) else state
        return torch.cat([*states[-2:]], 1) if self.rnn.bidirectional else states[-1]


@BRICKS.register("rnn")
def rnn(
    inputs: Sequence[int],
    *,
    units: int,
    kind: str = "gru",
    layers: int = 1,
    bidirectional: bool = False,
    dropout: float = 0.0,
    output: str = "sequence",
) -> nn.Module:
    """Make a recurrent network.

    Parameters
    ----------
    inputs : sequence of int
        Shape of the sequence that comes in.
    units : int
        Of every direction.
    kind : str
        ``rnn``, ``lstm`` or ``gru``.
    layers : int
        One over the other.
    bidirectional : bool
        Run from both ends, and give both outputs side by side.
    dropout : float
        Probability, between layers.
    output : str
        ``sequence`` (many to many) or ``last`` (many to one: the last state of every direction).

    Returns
    -------
    Module
        Sequence to sequence or vector.
    """
    made = RECURRENT[choice(kind, "kind", RECURRENT)](
        sequence_dim(inputs),
        count(units, "units"),
        num_layers=(depth := count(layers, "layers", high=100)),
        batch_first=True,
        dropout=fraction(dropout, "dropout") if depth > 1 else 0.0,
        bidirectional=flag(bidirectional, "bidirectional"),
    )
    return Recurrent(made, choice(output, "output", ("sequence", "last")) == "last")
