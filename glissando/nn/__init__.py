"""Bricks of networks."""

from .band_max import conv_band_max

__all__ = ["conv_band_max"]
