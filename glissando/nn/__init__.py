"""Bricks of networks, by name, and models made of them from a recipe."""

from .band_max import conv_band_max
from .bottlenecks import Bottleneck, Squeezed, bottlenecks
from .bricks import ACTIVATIONS, BRICKS, Conditioned
from .codebooks import Codebooks
from .convolutions import convolution
from .lags import Autocorrelation
from .model import Model, Row, build
from .patches import Patches
from .pca import PCA, InversePCA
from .pooling import AttentionPool, AutoPool, GlobalPool
from .rates import Stack, Unstack
from .residual import StochasticDepth
from .sequences import Recurrent, ToMap, ToSequence
from .sincnet import SincFilters
from .transformer import Attention, Transformer
from .unet import UNet2d
from .wiring import Film

__all__ = [
    "ACTIVATIONS",
    "BRICKS",
    "PCA",
    "Attention",
    "AttentionPool",
    "AutoPool",
    "Autocorrelation",
    "Bottleneck",
    "Codebooks",
    "Conditioned",
    "Film",
    "GlobalPool",
    "InversePCA",
    "Model",
    "Patches",
    "Recurrent",
    "Row",
    "SincFilters",
    "Squeezed",
    "Stack",
    "StochasticDepth",
    "ToMap",
    "ToSequence",
    "Transformer",
    "UNet2d",
    "Unstack",
    "bottlenecks",
    "build",
    "conv_band_max",
    "convolution",
]
