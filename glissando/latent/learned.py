"""Tempo translation that is learned from pairs: the same music at two tempi, embedded by any encoder."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .pairs import Pairs, check_apart
from .tempo import Transform

WAVES = 4  # sines and cosines of the octaves, beside the octaves themselves


def perceptron(into: int, out: int, *, hidden: int, depth: int) -> nn.Sequential:
    """Make a perceptron that hears embeddings beside a control, and begins with an output of nothing.

    Parameters
    ----------
    into, out : int
        Dimensions of what it hears, without the control, and of what it gives.
    hidden, depth : int
        Width and number of hidden layers.

    Returns
    -------
    Sequential
        For what `told` gives.
    """
    layers: list[nn.Module] = []
    width = into + 1 + 2 * WAVES
    for _ in range(depth):
        layers += [nn.Linear(width, hidden), nn.GELU()]
        width = hidden
    last = nn.Linear(width, out)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return nn.Sequential(*layers, last)


def told(z: Tensor, control: Tensor) -> Tensor:
    """Put a control beside embeddings: the number itself, and sines and cosines of it.

    Parameters
    ----------
    z : Tensor, shape=(..., dim)
        Embeddings.
    control : Tensor, shape=(..., 1)
        Of the order of 1.

    Returns
    -------
    Tensor, shape=(..., dim + 1 + 2 * WAVES)
        For a `perceptron`.
    """
    angles = control * math.pi * torch.arange(1, WAVES + 1, dtype=z.dtype, device=z.device) / 2
    return torch.cat([z, control, angles.sin(), angles.cos()], -1)


class LearnedTranslator(Transform):
    """A perceptron with a way around it, told how many octaves of tempo to go; none is the identity.

    Parameters
    ----------
    space_id : str
        The only space it may be used in.
    dim : int
        Of its embeddings.
    hidden : int
        Width; 0 for one direction of the space, the same for all embeddings.
    depth : int
        Hidden layers.

    References
    ----------
    McCallum, Henkel, Kim, Sandberg & Davies, "Similar but Faster: Manipulation of Tempo in Music Audio Embeddings for
    Tempo Prediction and Search", arXiv 2401.08902.
    """

    def __init__(self, space_id: str, dim: int, *, hidden: int = 512, depth: int = 2) -> None:
        super().__init__()
        self.space_id, self.hidden, self.depth = space_id, hidden, depth
        if not hidden:
            self.direction = nn.Parameter(torch.zeros(dim))
            return
        self.step = perceptron(dim, dim, hidden=hidden, depth=depth)

    def forward(self, z: Tensor, *, tempo_ratio: float | Tensor) -> Tensor:
        """Translate embeddings.

        Parameters
        ----------
        z : Tensor, shape=(..., dim)
            Unit vectors.
        tempo_ratio : float or Tensor, shape=(...)
            Wanted tempo over the present one, for all or for each.

        Returns
        -------
        Tensor, shape=(..., dim)
            Unit vectors.
        """
        ratio = torch.as_tensor(tempo_ratio, dtype=z.dtype, device=z.device)
        octaves = torch.log2(ratio).expand(z.shape[:-1])[..., None]
        if not self.hidden:
            return F.normalize(z + octaves * self.direction, dim=-1, eps=1e-6)
        moved: Tensor = z + octaves * self.step(told(z, octaves))
        return F.normalize(moved, dim=-1, eps=1e-6)


def fit_translator(
    translator: Transform,
    pairs: Pairs,
    valid: Pairs,
    *,
    steps: int = 3000,
    batch: int = 256,
    rate: float = 1e-3,
    contrast: float = 0.5,
    temperature: float = 0.1,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> list[float]:
    """Train a translator from factor to factor; the state that costs the validation clips least stays.

    Parameters
    ----------
    translator : Transform
        With parameters; changed in place.
    pairs, valid : Pairs
        To learn from, and to choose by; of other groups.
    steps, batch : int
        Of training.
    rate : float
        Learning rate of AdamW, which falls to nothing.
    contrast : float
        Weight of telling the wanted embedding from those of the other clips in the batch, all at their own wanted
        factors (NT-Xent), beside that of being near it (cosine).
    temperature : float
        Of the contrast.
    seed : int
        Of what is drawn.
    progress : callable, optional
        Called with the number of steps done, and in all, ten times.

    Returns
    -------
    list of float
        What the validation clips cost, by the same two terms, before training and ten times on.

    Raises
    ------
    ValueError
        If a group is on both sides.
    """
    check_apart(pairs, valid)
    vectors, ratios = torch.from_numpy(pairs.vectors), torch.from_numpy(pairs.factors).float()

    def _cost(moved: Tensor, wanted: Tensor) -> Tensor:
        cost = (1 - (moved * wanted).sum(-1)).mean()
        if contrast:
            cost = cost + contrast * F.cross_entropy(moved @ wanted.T / temperature, torch.arange(len(moved)))
        return cost

    def _loss(generator: torch.Generator) -> Tensor:
        clip = torch.randint(len(vectors), (batch,), generator=generator)
        start, end = (torch.randint(len(ratios), (batch,), generator=generator) for _ in range(2))
        return _cost(translator(vectors[clip, start], tempo_ratio=ratios[end] / ratios[start]), vectors[clip, end])

    return descend(
        translator, _loss, lambda: _validation(translator, valid, _cost), steps=steps, rate=rate, seed=seed,
        progress=progress,
    )  # fmt: skip


def descend(
    translator: Transform,
    loss: Callable[[torch.Generator], Tensor],
    validate: Callable[[], float],
    *,
    steps: int,
    rate: float,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> list[float]:
    """Train a transform; the state that costs least in validation stays.

    Parameters
    ----------
    translator : Transform
        With parameters; changed in place.
    loss : callable
        Draws a batch by a generator, and says what it costs.
    validate : callable
        Says what the validation costs.
    steps : int
        Of training.
    rate : float
        Learning rate of AdamW, which falls to nothing.
    seed : int
        Of what is drawn.
    progress : callable, optional
        Called with the number of steps done, and in all, ten times.

    Returns
    -------
    list of float
        What the validation cost, before training and ten times on.
    """
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(translator.parameters(), rate, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    found = [validate()]
    best, state = found[0], {name: value.clone() for name, value in translator.state_dict().items()}
    for step in range(1, steps + 1):
        cost = loss(generator)
        optimizer.zero_grad(set_to_none=True)
        cost.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        if step % max(1, steps // 10) == 0:
            found.append(validate())
            if progress is not None:
                progress(step, steps)
            if found[-1] < best:
                best, state = found[-1], {name: value.clone() for name, value in translator.state_dict().items()}
    translator.load_state_dict(state)
    return found


@torch.inference_mode()
def _validation(translator: Transform, valid: Pairs, cost: Callable[[Tensor, Tensor], Tensor]) -> float:
    """What originals cost that are translated to every factor, in rounds in which clips have different ones."""
    vectors, ratios = torch.from_numpy(valid.vectors), torch.from_numpy(valid.factors).float()
    clips = torch.arange(len(vectors))
    costs = []
    for shift in range(len(ratios)):
        end = (clips + shift) % len(ratios)
        moved = translator(vectors[:, valid.original], tempo_ratio=ratios[end])
        costs.append(float(cost(moved, vectors[clips, end])))
    return sum(costs) / len(costs)
