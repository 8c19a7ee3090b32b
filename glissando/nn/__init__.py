"""Bricks of networks, by name, and models made of them from a recipe."""

from .band_max import conv_band_max
from .bricks import ACTIVATIONS, BRICKS, Conditioned
from .convolutions import convolution
from .lags import Autocorrelation
from .model import Model, Row, build
from .patches import Patches
from .pooling import AttentionPool, AutoPool, GlobalPool
from .residual import StochasticDepth
from .sequences import Recurrent, ToMap, ToSequence
from .sincnet import SincFilters
from .transformer import Attention, Transformer
from .unet import UNet2d
from .wiring import Film

__all__ = [
    "ACTIVATIONS",
    "BRICKS",
    "Attention",
    "AttentionPool",
    "AutoPool",
    "Autocorrelation",
    "Conditioned",
    "Film",
    "GlobalPool",
    "Model",
    "Patches",
    "Recurrent",
    "Row",
    "SincFilters",
    "StochasticDepth",
    "ToMap",
    "ToSequence",
    "Transformer",
    "UNet2d",
    "build",
    "conv_band_max",
    "convolution",
]
