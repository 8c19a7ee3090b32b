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
from .frame_rnn import FrameRNN
from .gates import Gate
from .hearing import Hear
from .lags import Autocorrelation
from .model import Model, Row, build
from .mu_law import MuLaw, from_mu_law, mu_law
from .patches import Patches
from .pca import PCA, InversePCA
from .pooling import AttentionPool, AutoPool, GlobalPool
from .rates import Stack, Unstack
from .residual import StochasticDepth
from .sampling import draw, keep_top_k, keep_top_p
from .sequences import Recurrent, ToMap, ToSequence
from .sincnet import SincFilters
from .stepping import Stepwise, steps
from .time_embedding import TimeEmbedding
from .transformer import Transformer
from .unet import UNet2d
from .vicreg import covariance_term, variance_term
from .wavenet import WaveNet
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
    "FrameRNN",
    "Gate",
    "GlobalPool",
    "Hear",
    "InversePCA",
    "Model",
    "MuLaw",
    "Past",
    "Patches",
    "Recurrent",
    "Row",
    "SincFilters",
    "Squeezed",
    "Stack",
    "Stepwise",
    "StochasticDepth",
    "TimeEmbedding",
    "ToMap",
    "ToSequence",
    "Transformer",
    "UNet2d",
    "Unstack",
    "WaveNet",
    "bottlenecks",
    "build",
    "conv_band_max",
    "convolution",
    "cosine_schedule",
    "covariance_term",
    "denoise",
    "draw",
    "from_mu_law",
    "guided",
    "held",
    "held_on_the_circle",
    "integrate",
    "keep_top_k",
    "keep_top_p",
    "logit_normal_times",
    "mu_law",
    "on_the_circle",
    "on_the_line",
    "steps",
    "variance_term",
]
