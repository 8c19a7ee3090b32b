"""Bricks of networks, by name, and models made of them from a recipe."""

from .attention import Attention, Past
from .band_max import conv_band_max
from .bottlenecks import Bottleneck, Squeezed, bottlenecks
from .bricks import ACTIVATIONS, BRICKS, Conditioned
from .code_patterns import CODE_PATTERNS, CodePattern
from .codebooks import Codebooks
from .convolutions import convolution
from .diffusion import cosine_schedule, denoise, held_on_the_circle, on_the_circle
from .flow import guided, held, integrate, logit_normal_times, on_the_line
from .lags import Autocorrelation
from .model import Model, Row, build
from .patches import Patches
from .pca import PCA, InversePCA
from .pooling import AttentionPool, AutoPool, GlobalPool
from .rates import Stack, Unstack
from .residual import StochasticDepth
from .sampling import draw, keep_top_k, keep_top_p
from .sequences import Recurrent, ToMap, ToSequence
from .sincnet import SincFilters
from .time_embedding import TimeEmbedding
from .transformer import Transformer
from .unet import UNet2d
from .wiring import Film

__all__ = [
    "ACTIVATIONS",
    "BRICKS",
    "CODE_PATTERNS",
    "PCA",
    "Attention",
    "AttentionPool",
    "AutoPool",
    "Autocorrelation",
    "Bottleneck",
    "CodePattern",
    "Codebooks",
    "Conditioned",
    "Film",
    "GlobalPool",
    "InversePCA",
    "Model",
    "Past",
    "Patches",
    "Recurrent",
    "Row",
    "SincFilters",
    "Squeezed",
    "Stack",
    "StochasticDepth",
    "TimeEmbedding",
    "ToMap",
    "ToSequence",
    "Transformer",
    "UNet2d",
    "Unstack",
    "bottlenecks",
    "build",
    "conv_band_max",
    "convolution",
    "cosine_schedule",
    "denoise",
    "draw",
    "guided",
    "held",
    "held_on_the_circle",
    "integrate",
    "keep_top_k",
    "keep_top_p",
    "logit_normal_times",
    "on_the_circle",
    "on_the_line",
]
