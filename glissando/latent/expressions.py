"""Expressions over latents, such as ``z + 0.8*(wet - dry)``: read as Python's syntax, walked over an allow-list."""

from __future__ import annotations

import ast
import inspect
import operator
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any, NoReturn

import numpy as np

from ..errors import ExpressionError
from .algebra import LARGEST, OPERATIONS
from .space import Latents, Space, combine

LONGEST, DEEPEST = 1000, 40  # characters, and operations within operations
PAIRS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
SIGNS: dict[type[ast.unaryop], Callable[[Any], Any]] = {ast.UAdd: operator.pos, ast.USub: operator.neg}
Value = Latents | float


class Expression:
    """An expression that was read: numbers, names of sounds, ``+ - * /``, parentheses and the operations of `algebra`.

    Parameters
    ----------
    text : str
        Such as ``"z + 0.8*(wet - dry)"``.

    Raises
    ------
    ExpressionError
        If it is too long or too deep, or holds anything else; it says where.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        if len(text) > LONGEST:
            raise ExpressionError(f"the expression has {len(text)} characters; write one of at most {LONGEST}")
        try:
            self._tree = ast.parse(text.strip(), mode="eval").body
        except SyntaxError as error:
            near = f"column {error.offset}" if error.offset else "some place"
            raise ExpressionError(
                f"{text!r}: can't be read at {near} ({error.msg}); write z + 0.8*(wet - dry)"
            ) from None
        except (ValueError, RecursionError, MemoryError):
            raise ExpressionError(f"{text[:40]!r}: can't be read; write z + 0.8*(wet - dry)") from None
        self.names: set[str] = set()
        self._check(self._tree, 0)

    def evaluate(self, sounds: Mapping[str, Latents], space: Space) -> Latents:
        """Calculate.

        Parameters
        ----------
        sounds : mapping of str to ndarray, shape=(latents, dim)
            By the names that the expression has for them.
        space : Space
            Of their codec.

        Returns
        -------
        ndarray, shape=(latents, dim) or (dim,)
            Finite. Where sounds of different length meet, the shorter is filled up with silence.

        Raises
        ------
        ExpressionError
            If a name is unknown, an operation can't be done, or the result is a number or not finite; it says where.
        """
        with np.errstate(all="ignore"):  # (what isn't finite is told of)
            found = self._value(self._tree, sounds, space)
        if not isinstance(found, np.ndarray):
            raise ExpressionError(f"{self.text!r}: gives a number, no sound; name a sound in it, such as z")
        return np.ascontiguousarray(found, np.float32)

    def _check(self, node: ast.expr, depth: int) -> None:
        """Refuse what is not on the list, before anything is calculated."""
        if depth > DEEPEST:
            self._fail(node, f"lies more than {DEEPEST} operations deep; write it simpler")
        inner: list[ast.expr] = []
        match node:
            case ast.Constant(value=bool() | complex()):
                self._fail(node, "is no number")
            case ast.Constant(value=int() | float() as value):
                if not abs(value) <= 1e30:
                    self._fail(node, "is too large a number")
            case ast.Name(id=name):
                if name in OPERATIONS:
                    self._fail(node, f"is an operation; write {_usage(name)}")
                self.names.add(name)
            case ast.UnaryOp(op=sign, operand=operand) if type(sign) in SIGNS:
                inner = [operand]
            case ast.BinOp(left=left, op=sign, right=right) if type(sign) in PAIRS:
                inner = [left, right]
            case ast.Call(func=ast.Name(id=name), args=args, keywords=keywords):
                if name not in OPERATIONS:
                    near = get_close_matches(name, OPERATIONS, n=1) or sorted(OPERATIONS)
                    self._fail(node.func, f"is no operation; there is {', '.join(near)}")
                if any(word.arg is None for word in keywords):
                    self._fail(node, f"can't be called so; write {_usage(name)}")
                inner = [*args, *(word.value for word in keywords)]
            case _:
                self._fail(node, "can't stand in an expression; take numbers, sounds, + - * / and operations")
        for one in inner:
            self._check(one, depth + 1)

    def _value(self, node: ast.expr, sounds: Mapping[str, Latents], space: Space) -> Value:
        found: Any
        match node:
            case ast.Constant(value=int() | float() as value):
                return float(value)
            case ast.Name(id=name):
                if name not in sounds:
                    self._fail(node, f"is no sound; there is {', '.join(sounds)}")
                return sounds[name]
            case ast.UnaryOp(op=sign, operand=operand):
                return SIGNS[type(sign)](self._value(operand, sounds, space))  # type: ignore[no-any-return]
            case ast.BinOp(left=left, op=sign, right=right):
                a, b = (self._value(one, sounds, space) for one in (left, right))
                found = combine(PAIRS[type(sign)], a, b, space)
            case ast.Call(func=ast.Name(id=name), args=args, keywords=keywords):
                found = self._called(node, name, args, keywords, sounds, space)
            case _:
                self._fail(node, "can't stand in an expression")
        if not np.isfinite(found).all():
            self._fail(node, "is not finite; do not divide by what can be 0, and take smaller numbers")
        if np.size(found) > LARGEST:
            self._fail(node, "is too long a sound; stretch less")
        return found if isinstance(found, np.ndarray) and found.ndim else float(found)

    def _called(
        self, node: ast.expr, name: str, args: list[ast.expr], words: list[ast.keyword],
        sounds: Mapping[str, Latents], space: Space,
    ) -> Latents:  # fmt: skip
        signature = inspect.signature(OPERATIONS[name])
        values = [self._value(one, sounds, space) for one in args]
        named: dict[str, Any] = {str(word.arg): self._value(word.value, sounds, space) for word in words}
        if "space" in named:
            self._fail(node, f"can't be called so; write {_usage(name)}")
        if "space" in signature.parameters:
            named["space"] = space
        try:
            bound = signature.bind(*values, **named)
        except TypeError:
            self._fail(node, f"can't be called so; write {_usage(name)}")
        for parameter, value in bound.arguments.items():
            wants = signature.parameters[parameter]
            held = value if wants.kind is wants.VAR_POSITIONAL else [value]
            sounds_wanted = wants.annotation not in ("float", float)
            if parameter != "space" and any(isinstance(one, np.ndarray) != sounds_wanted for one in held):
                kind = "a sound" if sounds_wanted else "a number"
                self._fail(node, f"needs {kind} as {parameter}; write {_usage(name)}")
        if any(wants.kind is wants.VAR_POSITIONAL for wants in signature.parameters.values()) and not values:
            self._fail(node, f"needs a sound; write {_usage(name)}")
        try:
            return OPERATIONS[name](*bound.args, **bound.kwargs)
        except ValueError as error:
            self._fail(node, str(error))

    def _fail(self, node: ast.expr, reason: str) -> NoReturn:
        text = self.text.strip()
        part = ast.get_source_segment(text, node) or ""
        raise ExpressionError(f"{text!r}: at column {node.col_offset + 1}, {part[:60]!r} {reason}")


def _usage(name: str) -> str:
    """How an operation is written."""
    told = []
    for parameter in inspect.signature(OPERATIONS[name]).parameters.values():
        if parameter.name != "space":
            more = ", ..." if parameter.kind is parameter.VAR_POSITIONAL else ""
            default = "" if parameter.default is parameter.empty else f"={parameter.default}"
            told.append(f"{parameter.name}{default}{more}")
    return f"{name}({', '.join(told)})"
