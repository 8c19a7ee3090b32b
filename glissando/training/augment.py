"""Changes of features that leave what is to be learned the same, or change the target with it.

Every example draws its own: norms over a batch would give away what its examples have in common.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..features import Feature, MelSpectrogram
from ..registry import Registry

Batch = dict[str, Tensor]

AUGMENTATIONS: Registry[nn.Module] = Registry("augmentation")


@AUGMENTATIONS.register("shift")
class Shift(nn.Module):
    """Transpose: move feature and target along their bins, for tasks whose target has the feature's bins.

    Parameters
    ----------
    bins : int
        Most bins up or down.
    step : int
        Moves are multiples of it: bins of a semitone, where tuning should stay.
    """

    def __init__(self, *, bins: int, step: int = 1) -> None:
        super().__init__()
        self.bins, self.step = bins, step

    def forward(self, batch: Batch) -> Batch:
        """Change a batch.

        Parameters
        ----------
        batch : dict
            Of `Patches`.

        Returns
        -------
        dict
            Another batch.
        """
        most = self.bins // self.step
        steps = self.step * torch.randint(-most, most + 1, (len(batch["feature"]),))
        moved = {name: torch.zeros_like(batch[name]) for name in ("feature", "target")}
        for name, values in moved.items():
            for example, (before, by) in enumerate(zip(batch[name], steps.tolist(), strict=True)):
                bins = before.shape[1]
                values[example, :, max(by, 0) : bins + min(by, 0)] = before[:, max(-by, 0) : bins - max(by, 0)]
        return {**batch, **moved}


@AUGMENTATIONS.register("equalise")
class Equalise(nn.Module):
    """Colour: a smooth random gain over log-frequency, as microphones, rooms and instruments have.

    Parameters
    ----------
    feature : Feature
        With centres in Hz; its logarithm is undone and done again.
    db : float
        Standard deviation of the gain at a frequency, in dB.
    level : float
        Standard deviation of the gain of all frequencies together, in dB.
    """

    def __init__(self, feature: Feature, *, db: float = 6.0, level: float = 6.0) -> None:
        super().__init__()
        centres = feature.centres()
        if centres is None:
            raise ValueError("needs a feature whose bins are frequencies")
        self.scale = Scale.of(feature)
        self.db, self.level = db, level
        octave = torch.log2(centres.clamp_min(1.0))
        waves = torch.stack([torch.cos(octave * math.pi / period) for period in (1, 1.7, 2.9, 5)])
        others = torch.stack([torch.sin(octave * math.pi / period) for period in (1, 1.7, 2.9, 5)])
        self.waves: Tensor
        self.register_buffer("waves", torch.cat([waves, others]), persistent=False)

    def forward(self, batch: Batch) -> Batch:
        """Change a batch.

        Parameters
        ----------
        batch : dict
            Of `Patches`.

        Returns
        -------
        dict
            Another batch.
        """
        feature = batch["feature"]
        drawn = torch.randn(len(feature), len(self.waves), device=feature.device) * (self.db / 2)
        gain = torch.einsum("bw,wcf->bcf", drawn, self.waves)
        gain = gain + self.level * torch.randn(len(feature), 1, 1, device=feature.device)
        linear = self.scale.expand(feature) * self.scale.factor(gain)[..., None]
        return {**batch, "feature": self.scale.squeeze(linear)}


@AUGMENTATIONS.register("smear")
class Smear(nn.Module):
    """Reverberation, roughly: every frame leaves a tail that dies away.

    Parameters
    ----------
    feature : Feature
        Its logarithm is undone and done again.
    decay : float
        Longest time in seconds until the tail has fallen by 60 dB.
    most : float
        Largest level of the tail.
    """

    def __init__(self, feature: Feature, *, decay: float = 1.0, most: float = 0.3) -> None:
        super().__init__()
        self.scale = Scale.of(feature)
        self.rate, self.decay, self.most = feature.frame_rate, decay, most

    def forward(self, batch: Batch) -> Batch:
        """Change a batch.

        Parameters
        ----------
        batch : dict
            Of `Patches`.

        Returns
        -------
        dict
            Another batch.
        """
        wet = torch.stack([self._tailed(example) for example in self.scale.expand(batch["feature"])])
        return {**batch, "feature": self.scale.squeeze(wet)}

    def _tailed(self, magnitudes: Tensor) -> Tensor:
        decay, most = (0.2 + (self.decay - 0.2) * float(torch.rand(()))), self.most * float(torch.rand(()))
        taps = torch.arange(max(2, int(decay * self.rate / 2)), device=magnitudes.device)
        tail = (most * 10 ** (-3 * taps / (decay * self.rate))) ** self.scale.exponent
        tail[0] = 1
        padded = F.pad(magnitudes, (len(taps) - 1, 0)).flatten(0, 1)[:, None]
        return F.conv1d(padded, tail.flip(0)[None, None])[:, 0].view_as(magnitudes)


@AUGMENTATIONS.register("gain")
class Gain(nn.Module):
    """Louder or softer, for features ``log(1 + scale * power)``.

    Parameters
    ----------
    feature : Feature
        Such as log-mel.
    db : float
        Most in dB, up or down.
    """

    def __init__(self, feature: Feature, *, db: float = 10.0) -> None:
        super().__init__()
        _check_power(feature)
        self.db = db

    def forward(self, batch: Batch) -> Batch:
        """Change a batch.

        Parameters
        ----------
        batch : dict
            With a ``feature``.

        Returns
        -------
        dict
            Another batch.
        """
        power = torch.expm1(batch["feature"])
        return {**batch, "feature": torch.log1p(power * _level(power, -self.db, self.db))}


@AUGMENTATIONS.register("noise")
class Noise(nn.Module):
    """Steady noise of a random colour, for features ``log(1 + scale * power)``.

    Parameters
    ----------
    feature : Feature
        Such as log-mel.
    low, high : float
        Level against the example's mean power in dB.
    """

    def __init__(self, feature: Feature, *, low: float = -50.0, high: float = -15.0) -> None:
        super().__init__()
        _check_power(feature)
        self.low, self.high = low, high

    def forward(self, batch: Batch) -> Batch:
        """Change a batch.

        Parameters
        ----------
        batch : dict
            With a ``feature``.

        Returns
        -------
        dict
            Another batch.
        """
        power = torch.expm1(batch["feature"])
        slope = torch.linspace(-0.5, 0.5, power.shape[2], device=power.device)[:, None]
        colour = 10 ** (torch.randn(len(power), 1, 1, 1, device=power.device) * slope)  # 10 dB over all bins
        level = colour * _level(power, self.low, self.high) * power.mean((1, 2, 3), keepdim=True)
        noise = torch.empty_like(power).exponential_()  # power of Gaussian noise
        return {**batch, "feature": torch.log1p(power + noise * level)}


@AUGMENTATIONS.register("mix")
class Mix(nn.Module):
    """Another example of the batch, softly beside each, for features ``log(1 + scale * power)``.

    Parameters
    ----------
    feature : Feature
        Such as log-mel.
    low, high : float
        Level against the example's mean power in dB.

    References
    ----------
    McCallum et al., ISMIR 2022, arXiv 2210.03799.
    """

    def __init__(self, feature: Feature, *, low: float = -40.0, high: float = -8.0) -> None:
        super().__init__()
        _check_power(feature)
        self.low, self.high = low, high

    def forward(self, batch: Batch) -> Batch:
        """Change a batch.

        Parameters
        ----------
        batch : dict
            With a ``feature``.

        Returns
        -------
        dict
            Another batch.
        """
        power = torch.expm1(batch["feature"])
        mean = power.mean((1, 2, 3), keepdim=True)
        other = torch.randperm(len(power))
        level = _level(power, self.low, self.high) * mean / mean[other].clamp_min(1e-9)
        return {**batch, "feature": torch.log1p(power + power[other] * level)}


@AUGMENTATIONS.register("perturb")
class Perturb(nn.Module):
    """Noise on all values, and channels left out, for features whose channels say alike things, such as tempograms.

    Parameters
    ----------
    feature : Feature
        Any.
    noise : float
        Standard deviation over that of the channel.
    drop : float
        Probability of a channel to be zero.
    """

    def __init__(self, feature: Feature, *, noise: float = 0.1, drop: float = 0.1) -> None:
        super().__init__()
        if noise < 0 or not 0 <= drop < 1:
            raise ValueError(f"noise must be positive and drop within 0..1; got {noise:g} and {drop:g}")
        self.noise, self.drop = noise, drop

    def forward(self, batch: Batch) -> Batch:
        """Change a batch.

        Parameters
        ----------
        batch : dict
            With a ``feature``.

        Returns
        -------
        dict
            Another batch.
        """
        given = batch["feature"]
        noisy = given + self.noise * given.std((2, 3), keepdim=True) * torch.randn_like(given)
        kept = torch.rand(*given.shape[:2], 1, 1, device=given.device) >= self.drop
        return {**batch, "feature": noisy * kept}


def _check_power(feature: Feature) -> None:
    if getattr(feature, "scale", None) is None:
        raise ValueError("needs a feature that is log(1 + scale * power), such as log-mel")


def _level(power: Tensor, low: float, high: float) -> Tensor:
    """A factor of power for every example, of so many dB."""
    return 10 ** (torch.empty(len(power), 1, 1, 1, device=power.device).uniform_(low, high) / 10)


@dataclass(frozen=True)
class Scale:
    """What the values of a feature are: magnitudes or powers, as they are or as ``log(1 + inner * x)``.

    Parameters
    ----------
    inner : float or None
        See above; None where they are as they are.
    exponent : int
        1 for magnitudes, 2 for powers.
    """

    inner: float | None
    exponent: int

    @classmethod
    def of(cls, feature: Feature) -> Scale:
        """Read it from a feature.

        Parameters
        ----------
        feature : Feature
            Mel spectra are powers, all others magnitudes.

        Returns
        -------
        Scale
            Of its values.
        """
        if isinstance(feature, MelSpectrogram):
            return cls(getattr(feature, "scale", None), 2)
        return cls(getattr(feature, "compress", None), 1)

    def factor(self, db: Tensor) -> Tensor:
        """Tell by what a gain multiplies magnitudes or powers.

        Parameters
        ----------
        db : Tensor
            Gains in dB.

        Returns
        -------
        Tensor
            Factors.
        """
        return 10 ** (db * self.exponent / 20)

    def expand(self, feature: Tensor) -> Tensor:
        """Undo the logarithm.

        Parameters
        ----------
        feature : Tensor
            As the feature gives it.

        Returns
        -------
        Tensor
            Magnitudes or powers.
        """
        return feature if self.inner is None else torch.expm1(feature) / self.inner

    def squeeze(self, linear: Tensor) -> Tensor:
        """Do the logarithm.

        Parameters
        ----------
        linear : Tensor
            Magnitudes or powers.

        Returns
        -------
        Tensor
            As the feature gives it.
        """
        return linear if self.inner is None else torch.log1p(self.inner * linear)
