"""A model from a recipe: named parts that run in order, each a brick or a list of bricks."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from ..errors import ModelError, RecipeError
from ..registry import parse, short
from .bricks import BRICKS, Conditioned, said
from .checks import MOST_LAYERS
from .sequences import Recurrent
from .wiring import Store

MOST_PARAMETERS = 500_000_000  # 2 GB of weights, and as much again for every state of an optimizer
MOST_MODULES = 5_000
MOST_VALUES = 2_000_000_000  # of one output
FAULTS = (
    RuntimeError,
    TypeError,
    ValueError,
    IndexError,
    OverflowError,
    ModelError,
)  # of a layer that gets a wrong shape


@dataclass(frozen=True)
class Row:
    """What `Model.summary` says of one layer.

    Attributes
    ----------
    name : str
        Place in the recipe, such as ``trunk[2]``.
    brick : str
        Name of the brick.
    shape : tuple of int
        Shape of its output.
    parameters : int
        Learned values.
    multiply_adds : int
        Multiplications with an addition, for the example.
    """

    name: str
    brick: str
    shape: tuple[int, ...]
    parameters: int
    multiply_adds: int


@dataclass(frozen=True)
class _Step:
    part: str
    name: str
    brick: str
    spec: Mapping[str, Mapping[str, Any]]


class Model(nn.Module):
    """Bricks in order; see `build`.

    Parameters
    ----------
    parts : mapping of str to sequence of Module
        Layers of every part.
    labels : sequence of tuple of str
        Name and brick of every layer, in order.
    """

    def __init__(self, parts: Mapping[str, Sequence[nn.Module]], labels: Sequence[tuple[str, str]]) -> None:
        super().__init__()
        self.parts = nn.ModuleDict({name: nn.ModuleList(layers) for name, layers in parts.items()})
        self.labels = tuple(labels)

    def layers(self) -> Iterator[nn.Module]:
        """Go through the layers.

        Yields
        ------
        Module
            Every layer of every part, in order.
        """
        for part in self.parts.values():
            assert isinstance(part, nn.ModuleList)
            yield from part

    def forward(self, x: Tensor, **given: Tensor) -> Tensor:
        """Run the layers in order.

        Parameters
        ----------
        x : Tensor
            Of the kind that the model was built for.
        **given : Tensor
            What bricks use by name: a condition for FiLM, a context for attention.

        Returns
        -------
        Tensor
            The last layer's output.
        """
        kept = dict(given)
        if x.ndim == 4:
            x = x.contiguous(memory_format=torch.channels_last)  # faster on a CPU where channels are few
        for layer in self.layers():
            x = apply(layer, x, kept)
        return x

    def run(self, x: Tensor, *parts: str) -> Tensor:
        """Run some parts alone.

        Parameters
        ----------
        x : Tensor
            What the first of them takes.
        *parts : str
            Their names, in order; they can't use what is stored in others.

        Returns
        -------
        Tensor
            The last layer's output.
        """
        kept: dict[str, Tensor] = {}
        for part in parts:
            layers = self.parts[part]
            assert isinstance(layers, nn.ModuleList)
            for layer in layers:
                x = apply(layer, x, kept)
        return x

    def summary(self, example: Tensor, **given: Tensor) -> list[Row]:
        """Measure every layer, without computing anything.

        Parameters
        ----------
        example : Tensor
            Of the size to measure for.
        **given : Tensor
            As of `forward`.

        Returns
        -------
        list of Row
            One per layer.
        """
        from torch.utils.flop_counter import FlopCounterMode

        twin, rows = self._on_meta(), []
        x, kept = example.to("meta"), {name: tensor.to("meta") for name, tensor in given.items()}
        for (name, brick), layer in zip(self.labels, twin.layers(), strict=True):
            frames = x.shape[1] if isinstance(layer, Recurrent) else 1  # of which it rehearses only one
            with torch.no_grad(), FlopCounterMode(display=False) as counter:
                x = apply(layer, x, kept)
            rows.append(Row(name, brick, tuple(x.shape), _parameters(layer), frames * counter.get_total_flops() // 2))
        return rows

    def _on_meta(self) -> Model:
        """Copy everything but the weights."""
        memo: dict[int, Any] = {
            id(weight): nn.Parameter(torch.empty_like(weight, device="meta"), requires_grad=weight.requires_grad)
            for weight in self.parameters()
        }
        memo |= {id(buffer): torch.empty_like(buffer, device="meta") for buffer in self.buffers()}
        return copy.deepcopy(self, memo).eval()


def build(spec: object, example: Tensor, *, where: str = "model", given: Mapping[str, Tensor] | None = None) -> Model:
    """Make a model from a recipe; all input sizes are inferred.

    It is first built and run without memory (on torch's meta device), so that absurd sizes do no harm.

    Parameters
    ----------
    spec : object
        As YAML gives it: a mapping of named parts, each a brick or a list of bricks.
    example : Tensor
        A batch like those to come; only its shape counts.
    where : str
        Place in the recipe, for error messages.
    given : mapping of str to Tensor, optional
        Examples of what bricks use by name, such as a condition for FiLM.

    Returns
    -------
    Model
        With fresh weights.

    Raises
    ------
    RecipeError
        If a layer can't be made, or the whole is too large; the sentence names the layer.
    """
    steps = _read(spec, where)
    with torch.device("meta"), _WithoutWeights(), torch.no_grad():
        shapes = _rehearse(steps, example, given or {}, where)
    parts: dict[str, list[nn.Module]] = {}
    for step, (inputs, stored) in zip(steps, shapes, strict=True):
        parts.setdefault(step.part, []).append(_make(step, inputs, stored, where))
    model = Model(parts, [(step.name, step.brick) for step in steps])
    return model.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


class _WithoutWeights(TorchFunctionMode):
    """Leaves out the drawing of weights: on the meta device there are none, and it takes a millisecond each."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        return args[0] if func in (Tensor.uniform_, Tensor.normal_) else func(*args, **(kwargs or {}))


def _read(spec: object, where: str) -> list[_Step]:
    """Check the outer form of a recipe's model."""
    if not isinstance(spec, Mapping) or not spec:
        raise RecipeError(f"{where}: a model is a mapping of named parts, each a brick or a list; got {short(spec)}")
    steps = []
    for part, bricks in spec.items():
        if not isinstance(part, str) or not part.isidentifier() or hasattr(nn.ModuleDict(), part):
            raise RecipeError(f"{where}: {short(part)} can't name a part; use one word of letters, such as trunk")
        listed = bricks if isinstance(bricks, list) else [bricks]
        if not 0 < len(listed) <= MOST_LAYERS:
            raise RecipeError(f"{where}.{part}: has {len(listed):,} layers; give 1 to {MOST_LAYERS:,}")
        for i, brick in enumerate(listed):
            name = f"{part}[{i}]" if isinstance(bricks, list) else part
            steps.append(_step(part, name, brick, f"{where}.{name}"))
    return steps


def _step(part: str, name: str, brick: object, where: str) -> _Step:
    if isinstance(brick, Mapping) and len(brick) == 1:
        ((key, argument),) = brick.items()
        if key in ("store", "join", "recall") and isinstance(argument, str):
            brick = {key: {"name": argument}}
        elif argument is not None and not isinstance(argument, Mapping):
            raise RecipeError(f"{where}: write a brick as name: {{argument: value}}; got {short(brick)}")
    elif not isinstance(brick, str):
        raise RecipeError(f"{where}: a brick is written as a name, or as name: {{argument: value}}; got {short(brick)}")
    kind, arguments = parse(brick, "brick", where=where)
    BRICKS.maker(kind, where=where)
    for inferred in ("inputs", "stored"):
        if inferred in arguments:
            raise RecipeError(f"{where} ({kind}): {inferred!r} is inferred; leave it out")
    return _Step(part, name, kind, {kind: arguments})


def _make(step: _Step, inputs: Sequence[int], stored: Mapping[str, Sequence[int]], where: str) -> nn.Module:
    place = f"{where}.{step.name} ({step.brick})"
    try:
        return BRICKS.build(step.spec, where=place, inputs=inputs, stored=stored)
    except (OverflowError, RecipeError) as error:
        reason = str(error).split("\n")[0]  # torch lists all its overloads
        raise RecipeError(reason if isinstance(error, RecipeError) else f"{place}: a size is too large") from error


def _rehearse(
    steps: Sequence[_Step], example: Tensor, given: Mapping[str, Tensor], where: str
) -> list[tuple[tuple[int, ...], dict[str, tuple[int, ...]]]]:
    """Run on the meta device; give for every layer the shape that comes in and those that are stored."""
    x = torch.empty(example.shape, dtype=example.dtype)
    kept = {name: torch.empty(tensor.shape, dtype=tensor.dtype) for name, tensor in given.items()}
    parameters, modules, seen = 0, 0, []
    for step in steps:
        place = f"{where}.{step.name} ({step.brick})"
        inputs, stored = tuple(x.shape), {name: tuple(tensor.shape) for name, tensor in kept.items()}
        seen.append((inputs, stored))
        layer = _make(step, inputs, stored, where).eval()
        parameters += _parameters(layer)
        modules += sum(1 for _ in layer.modules())
        if parameters > MOST_PARAMETERS:
            raise RecipeError(f"{place}: makes {parameters:,} parameters; at most {MOST_PARAMETERS:,} are allowed")
        if modules > MOST_MODULES:
            raise RecipeError(f"{place}: makes {modules:,} layers; at most {MOST_MODULES:,} are allowed")
        try:
            x = apply(layer, x, kept)
        except FAULTS as error:
            reason = str(error).strip().split("\n")[0] or type(error).__name__
            raise RecipeError(f"{place}: can't take {said(inputs)}: {reason}") from error
        if math.prod(x.shape) > MOST_VALUES or 0 in x.shape:
            limit = "nothing is left" if 0 in x.shape else f"at most {MOST_VALUES:,} values are allowed"
            raise RecipeError(f"{place}: turns {said(inputs)} into {said(x.shape)}; {limit}")
    return seen


def apply(layer: nn.Module, x: Tensor, kept: dict[str, Tensor], run: Callable[..., Tensor] | None = None) -> Tensor:
    """Run a layer with what it uses of what is stored, or store what comes through.

    Parameters
    ----------
    layer : Module
        Of a model.
    x : Tensor
        What comes in.
    kept : dict of str to Tensor
        What is stored or given; changed in place.
    run : callable, optional
        What to run in the place of the layer.

    Returns
    -------
    Tensor
        What comes out.

    Raises
    ------
    ModelError
        If something that it uses is not there.
    """
    run = run or layer
    if isinstance(layer, Conditioned) and layer.uses is not None and not (layer.optional and layer.uses not in kept):
        if layer.uses not in kept:
            raise ModelError(f"the model uses {layer.uses!r}; call it as model(x, {layer.uses}=...)")
        return run(x, kept[layer.uses])
    if isinstance(layer, Store):
        kept[layer.name] = x
    return run(x)


def _parameters(layer: nn.Module) -> int:
    return sum(weight.numel() for weight in layer.parameters())
