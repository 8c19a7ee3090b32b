"""Convolutions along frames and over maps."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from .bricks import (
    BRICKS,
    AlongFrames,
    activation_layer,
    finish,
    map_channels,
    norm_layer,
    sequence_dim,
    waveform_or_sequence_dim,
)
from .checks import MOST_LAYERS, MOST_TAPS, choice, count, flag, fraction, pair

PADDING = ("same", "edge", "valid", "causal")


def convolution(
    channels_in: int,
    channels_out: int,
    kernel: Sequence[int],
    *,
    stride: Sequence[int] | None = None,
    dilation: Sequence[int] | None = None,
    groups: int = 1,
    padding: str = "same",
    bias: bool = True,
) -> list[nn.Module]:
    """Make a convolution over one axis or two; ``same`` keeps ceil(size / stride) positions for every kernel.

    Parameters
    ----------
    channels_in, channels_out : int
        Channels.
    kernel : sequence of int
        Taps along every axis; its length says how many axes there are.
    stride, dilation : sequence of int, optional
        Along every axis; 1 without.
    groups : int
        Channels are cut into so many groups.
    padding : str
        ``same`` (zeros on both sides), ``edge`` (the outermost values on both sides), ``valid``, or ``causal`` (along
        the last axis, all zeros stand before the first frame).
    bias : bool
        Add a constant.

    Returns
    -------
    list of Module
        The convolution, after its padding where torch has none like it.
    """
    axes = len(kernel)
    stride, dilation = tuple(stride or (1,) * axes), tuple(dilation or (1,) * axes)
    if axes == 2 and max(kernel) == 1 < max(stride):
        # torch 2.13 writes past its memory in the backward pass of a 1 x 1 convolution with a stride, channels last
        thinned = nn.MaxPool2d(1, stride)  # type: ignore[arg-type]
        return [thinned, *convolution(channels_in, channels_out, kernel, groups=groups, bias=bias)]
    totals = [step * (taps - 1) for taps, step in zip(kernel, dilation, strict=True)]
    make = nn.Conv2d if axes == 2 else nn.Conv1d
    inside = tuple(total // 2 for total in totals) if padding == "same" and not any(t % 2 for t in totals) else 0
    layer = make(
        channels_in, channels_out, tuple(kernel), stride, inside, dilation, groups=groups, bias=bias  # type: ignore[arg-type]
    )  # fmt: skip
    if padding == "valid" or inside or not any(totals):
        return [layer]
    sides: list[int] = []
    for axis, total in reversed([*enumerate(totals)]):  # the last axis comes first
        before = total if padding == "causal" and axis == axes - 1 else total // 2
        sides += [before, total - before]
    if padding == "edge":
        return [nn.ReplicationPad2d(tuple(sides)) if axes == 2 else nn.ReplicationPad1d(tuple(sides)), layer]  # type: ignore[arg-type]
    pad = nn.ConstantPad2d(tuple(sides), 0.0) if axes == 2 else nn.ConstantPad1d(tuple(sides), 0.0)  # type: ignore[arg-type]
    return [pad, layer]


@BRICKS.register("conv2d")
def conv2d(
    inputs: Sequence[int],
    *,
    channels: int,
    kernel: int | Sequence[int] = 3,
    stride: int | Sequence[int] = 1,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
    padding: str = "same",
    norm: str = "batch",
    activation: str = "relu",
    dropout: float = 0.0,
    repeat: int = 1,
) -> nn.Module:
    """Convolution, norm, activation and dropout over a map.

    Parameters
    ----------
    inputs : sequence of int
        Shape of the map that comes in.
    channels : int
        Output channels.
    kernel, stride, dilation : int or sequence of int
        For both axes, or along bins and along frames; the stride is that of the first repetition.
    groups : int
        Channels are cut into so many groups.
    padding : str
        ``same``, ``edge``, ``valid``, or ``causal`` (along frames).
    norm : str
        ``batch``, ``layer`` (over the channels of every position) or ``none``.
    activation : str
        A name in `glissando.nn.ACTIVATIONS`.
    dropout : float
        Probability.
    repeat : int
        How many such layers.

    Returns
    -------
    Module
        Map to map.
    """
    width, channels = map_channels(inputs), count(channels, "channels")
    choice(padding, "padding", PADDING)
    layers: list[nn.Module] = []
    for i in range(count(repeat, "repeat", high=MOST_LAYERS)):
        layers += convolution(
            width if i == 0 else channels,
            channels,
            pair(kernel, "kernel"),
            stride=pair(stride, "stride") if i == 0 else None,
            dilation=pair(dilation, "dilation"),
            groups=count(groups, "groups"),
            padding=padding,
            bias=norm != "batch",  # which has a constant of its own
        )
        layers += finish(channels, 2, norm, activation, dropout)
    return nn.Sequential(*layers)


@BRICKS.register("conv1d")
def conv1d(
    inputs: Sequence[int],
    *,
    channels: int,
    kernel: int = 3,
    stride: int = 1,
    dilation: int = 1,
    groups: int = 1,
    padding: str = "same",
    norm: str = "batch",
    activation: str = "relu",
    dropout: float = 0.0,
    repeat: int = 1,
) -> nn.Module:
    """Convolution, norm, activation and dropout along the frames of a sequence or the samples of a waveform.

    Parameters
    ----------
    inputs : sequence of int
        Shape of what comes in.
    channels : int
        Output dimension.
    kernel, stride, dilation : int
        In frames; the stride is that of the first repetition.
    groups : int
        Channels are cut into so many groups.
    padding : str
        ``same``, ``edge``, ``valid`` or ``causal``.
    norm : str
        ``batch``, ``layer`` (over the channels of every frame) or ``none``.
    activation : str
        A name in `glissando.nn.ACTIVATIONS`.
    dropout : float
        Probability.
    repeat : int
        How many such layers.

    Returns
    -------
    Module
        Sequence or waveform to sequence.
    """
    width, channels = waveform_or_sequence_dim(inputs), count(channels, "channels")
    choice(padding, "padding", PADDING)
    layers: list[nn.Module] = []
    for i in range(count(repeat, "repeat", high=MOST_LAYERS)):
        layers += convolution(
            width if i == 0 else channels,
            channels,
            [count(kernel, "kernel", high=MOST_TAPS)],
            stride=[count(stride, "stride", high=MOST_TAPS)] if i == 0 else None,
            dilation=[count(dilation, "dilation", high=MOST_TAPS)],
            groups=count(groups, "groups"),
            padding=padding,
            bias=norm != "batch",
        )
        layers += finish(channels, 1, norm, activation, dropout)
    return AlongFrames(*layers)


@BRICKS.register("separable2d")
def separable2d(
    inputs: Sequence[int],
    *,
    channels: int,
    kernel: int | Sequence[int] = 3,
    stride: int | Sequence[int] = 1,
    norm: str = "batch",
    activation: str = "relu",
    dropout: float = 0.0,
    repeat: int = 1,
) -> nn.Module:
    """Depthwise separable convolution over a map: one kernel per channel, then a mix of the channels.

    Parameters
    ----------
    inputs : sequence of int
        Shape of the map that comes in.
    channels : int
        Output channels.
    kernel, stride : int or sequence of int
        For both axes, or along bins and along frames; the stride is that of the first repetition.
    norm, activation : str
        As of `conv2d`, after both steps.
    dropout : float
        Probability.
    repeat : int
        How many such layers.

    Returns
    -------
    Module
        Map to map.

    References
    ----------
    Howard et al., "MobileNets", 2017.
    """
    width, channels = map_channels(inputs), count(channels, "channels")
    taps, steps = pair(kernel, "kernel"), pair(stride, "stride")
    layers: list[nn.Module] = []
    for i in range(count(repeat, "repeat", high=MOST_LAYERS)):
        before = width if i == 0 else channels
        layers += _separable(before, channels, taps, steps if i == 0 else (1, 1), norm, activation, dropout)
    return nn.Sequential(*layers)


@BRICKS.register("separable1d")
def separable1d(
    inputs: Sequence[int],
    *,
    channels: int,
    kernel: int = 3,
    stride: int = 1,
    norm: str = "batch",
    activation: str = "relu",
    dropout: float = 0.0,
    repeat: int = 1,
) -> nn.Module:
    """Depthwise separable convolution along frames; see `separable2d`.

    Parameters
    ----------
    inputs : sequence of int
        Shape of what comes in.
    channels : int
        Output dimension.
    kernel, stride : int
        In frames; the stride is that of the first repetition.
    norm, activation : str
        As of `conv1d`, after both steps.
    dropout : float
        Probability.
    repeat : int
        How many such layers.

    Returns
    -------
    Module
        Sequence or waveform to sequence.
    """
    width, channels = waveform_or_sequence_dim(inputs), count(channels, "channels")
    taps, step = count(kernel, "kernel", high=MOST_TAPS), count(stride, "stride", high=MOST_TAPS)
    layers: list[nn.Module] = []
    for i in range(count(repeat, "repeat", high=MOST_LAYERS)):
        before = width if i == 0 else channels
        layers += _separable(before, channels, [taps], [step if i == 0 else 1], norm, activation, dropout)
    return AlongFrames(*layers)


def _separable(
    width: int, channels: int, kernel: Sequence[int], stride: Sequence[int], norm: str, activation: str, dropout: float
) -> list[nn.Module]:
    axes, bias = len(kernel), norm != "batch"
    return [
        *convolution(width, width, kernel, stride=stride, groups=width, bias=bias),
        *finish(width, axes, norm, activation),
        *convolution(width, channels, [1] * axes, bias=bias),
        *finish(channels, axes, norm, activation, dropout),
    ]


@BRICKS.register("tcn")
def tcn(
    inputs: Sequence[int],
    *,
    channels: int,
    kernel: int = 3,
    blocks: int = 4,
    causal: bool = True,
    norm: str = "weight",
    activation: str = "relu",
    dropout: float = 0.0,
) -> nn.Module:
    """Temporal convolutional network: residual blocks of two convolutions, dilated by 1, 2, 4, ... frames.

    It sees ``1 + 2 (kernel - 1) (2 ** blocks - 1)`` frames.

    Parameters
    ----------
    inputs : sequence of int
        Shape of the sequence that comes in.
    channels : int
        Output dimension.
    kernel : int
        Taps.
    blocks : int
        Residual blocks.
    causal : bool
        See only the past, or as much of the future.
    norm : str
        ``weight`` (of the kernels, as in the paper), ``batch``, ``layer`` or ``none``.
    activation : str
        A name in `glissando.nn.ACTIVATIONS`.
    dropout : float
        Probability.

    Returns
    -------
    Module
        Sequence to sequence.

    References
    ----------
    Bai, Kolter & Koltun, "An empirical evaluation of generic convolutional and recurrent networks for sequence
    modeling", 2018.
    """
    width, channels = sequence_dim(inputs), count(channels, "channels")
    choice(norm, "norm", ("weight", "batch", "layer", "none"))
    taps, padding = count(kernel, "kernel", high=MOST_TAPS), "causal" if flag(causal, "causal") else "same"
    layers: list[nn.Module] = []
    for i in range(count(blocks, "blocks", high=16)):
        before = width if i == 0 else channels
        layers.append(_TemporalBlock(before, channels, taps, 2**i, padding, norm, activation, dropout))
    return AlongFrames(*layers)


class _TemporalBlock(nn.Module):
    """Two dilated convolutions beside a way around them."""

    def __init__(
        self,
        width: int,
        channels: int,
        kernel: int,
        dilation: int,
        padding: str,
        norm: str,
        activation: str,
        dropout: float,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before in (width, channels):
            convolved = convolution(before, channels, [kernel], dilation=[dilation], padding=padding)
            if norm == "weight":
                convolved[-1] = weight_norm(convolved[-1])
            else:
                convolved.append(norm_layer(norm, channels, 1))
            layers += [*convolved, activation_layer(activation), nn.Dropout(fraction(dropout, "dropout"))]
        self.body = nn.Sequential(*layers)
        self.around = nn.Identity() if width == channels else nn.Conv1d(width, channels, 1)
        self.activation = activation_layer(activation)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.activation(self.body(x) + self.around(x))
        return result
