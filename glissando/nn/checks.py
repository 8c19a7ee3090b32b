"""Checks of arguments that come from a recipe: each says in one sentence what is wrong."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ..registry import short

MOST_LAYERS = 200  # of one brick, or of one part
MOST_TAPS = 65_536  # of a kernel, a stride or a dilation


def count(value: object, name: str, *, low: int = 1, high: int = 1_000_000_000) -> int:
    """Check a whole number.

    Parameters
    ----------
    value : object
        As a recipe has it.
    name : str
        Of the argument, for the error.
    low : int
        Smallest value.
    high : int
        Largest value.

    Returns
    -------
    int
        The value.

    Raises
    ------
    ValueError
        If it is no whole number between the limits.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{name} must be a whole number, got {short(value)}")
    if not low <= value <= high:
        limit = f"at least {low}" if value < low else f"at most {high:,}"
        raise ValueError(f"{name} must be {limit}, got {value:,}")
    return value


def pair(value: object, name: str) -> tuple[int, int]:
    """Check a size along bins and frames.

    Parameters
    ----------
    value : object
        A whole number for both, or a list of two.
    name : str
        Of the argument, for the error.

    Returns
    -------
    tuple of int
        Along bins, along frames.

    Raises
    ------
    ValueError
        If it is neither.
    """
    both = [value, value] if isinstance(value, int) else value
    if not isinstance(both, Sequence) or isinstance(both, str) or len(both) != 2:
        raise ValueError(f"{name} must be a whole number or a list of two (bins, frames), got {short(value)}")
    return count(both[0], name, high=MOST_TAPS), count(both[1], name, high=MOST_TAPS)


def fraction(value: object, name: str) -> float:
    """Check a probability.

    Parameters
    ----------
    value : object
        As a recipe has it.
    name : str
        Of the argument, for the error.

    Returns
    -------
    float
        At least 0 and below 1.

    Raises
    ------
    ValueError
        If it is not.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1:
        raise ValueError(f"{name} must be at least 0 and below 1, got {short(value)}")
    return float(value)


def number(value: object, name: str, *, low: float) -> float:
    """Check a real number.

    Parameters
    ----------
    value : object
        As a recipe has it.
    name : str
        Of the argument, for the error.
    low : float
        Smallest value.

    Returns
    -------
    float
        The value.

    Raises
    ------
    ValueError
        If it is no number, or below.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value < float("inf"):
        raise ValueError(f"{name} must be a number of at least {low:g}, got {short(value)}")
    return float(value)


def flag(value: object, name: str) -> bool:
    """Check a switch.

    Parameters
    ----------
    value : object
        As a recipe has it.
    name : str
        Of the argument, for the error.

    Returns
    -------
    bool
        The value.

    Raises
    ------
    ValueError
        If it is neither true nor false.
    """
    if not isinstance(value, bool):
        raise ValueError(f"{name} must be true or false, got {short(value)}")
    return value


def choice(value: object, name: str, allowed: Collection[str]) -> str:
    """Check a word.

    Parameters
    ----------
    value : object
        As a recipe has it.
    name : str
        Of the argument, for the error.
    allowed : collection of str
        What it may be.

    Returns
    -------
    str
        The value.

    Raises
    ------
    ValueError
        If it is none of them.
    """
    if not isinstance(value, str) or value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(allowed)}, got {short(value)}")
    return value
