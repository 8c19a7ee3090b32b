"""Bricks of networks: each equals its plain definition."""

import pytest
import torch
import torch.nn.functional as F

from glissando.nn import conv_band_max


@pytest.mark.parametrize("bands", [17, 40, 96])
@pytest.mark.parametrize("height", [1, 2, 9, 16, 17])
def test_band_max_equals_the_convolution(bands, height):
    generator = torch.Generator().manual_seed(bands * height)
    x = torch.randn(3, 50, bands, generator=generator)
    weight = torch.randn(130, 1, 7, height, generator=generator)
    expected = F.conv2d(x.unsqueeze(1), weight).amax(3)
    torch.testing.assert_close(conv_band_max(x, weight), expected, rtol=0, atol=1e-5 * expected.abs().max().item())


def test_band_max_has_the_convolutions_gradient():
    x = torch.randn(2, 12, 24, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    weight = torch.randn(4, 1, 3, 10, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    gradients = []
    for convolve in (conv_band_max, lambda x, weight: F.conv2d(x.unsqueeze(1), weight).amax(3)):
        leaves = x.clone().requires_grad_(), weight.clone().requires_grad_()
        convolve(*leaves).square().sum().backward()
        gradients.append([leaf.grad for leaf in leaves])
    for ours, plain in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, plain, rtol=1e-5, atol=1e-4)
