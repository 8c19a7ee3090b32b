"""Parts by name: only what is registered can be named in a recipe, so a stranger's file can't run code."""

from __future__ import annotations

import inspect
import reprlib
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any, Generic, TypeVar, overload

from .errors import RecipeError

T = TypeVar("T")
Maker = TypeVar("Maker", bound=Callable[..., Any])
SHOWN = 24  # names that an error lists


class Registry(Generic[T]):
    """Makers of one kind of part, by the name that recipes use.

    Parameters
    ----------
    kind : str
        What they are, for error messages.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._makers: dict[str, Callable[..., T]] = {}

    @overload
    def register(self, name: str) -> Callable[[Maker], Maker]: ...  # numpydoc ignore=GL08

    @overload
    def register(self, name: str, maker: Maker) -> Maker: ...  # numpydoc ignore=GL08

    def register(self, name: str, maker: Callable[..., T] | None = None) -> Any:
        """Add a maker, or decorate one.

        Parameters
        ----------
        name : str
            Name in recipes; must be new.
        maker : callable, optional
            Class or function; without it, a decorator is returned.

        Returns
        -------
        callable
            The maker, or the decorator.

        Raises
        ------
        RecipeError
            If the name is taken.
        """
        if maker is None:
            return lambda decorated: self.register(name, decorated)
        if name in self._makers:
            raise RecipeError(f"{self.kind} {name!r} is registered twice")
        self._makers[name] = maker
        return maker

    def names(self) -> list[str]:
        """List what is registered.

        Returns
        -------
        list of str
            Sorted names.
        """
        return sorted(self._makers)

    def maker(self, name: object, *, where: str = "") -> Callable[..., T]:
        """Look up a maker.

        Parameters
        ----------
        name : object
            As a recipe has it; anything but a registered name is refused.
        where : str
            Place in the recipe, for error messages.

        Returns
        -------
        callable
            The maker.

        Raises
        ------
        RecipeError
            If there is none of that name.
        """
        if isinstance(name, str) and name in self._makers:
            return self._makers[name]
        near = get_close_matches(str(name), self._makers, n=1)
        names = self.names()
        listed = ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
        hint = f"did you mean {near[0]!r}?" if near else f"there are: {listed}"
        raise RecipeError(f"{_at(where)}there is no {self.kind} {name!r}; {hint}")

    def build(self, spec: object, *, where: str = "", **given: Any) -> T:
        """Make a part from a recipe: ``name``, or ``{name: {argument: value}}``.

        Parameters
        ----------
        spec : object
            As YAML gives it.
        where : str
            Place in the recipe, for error messages.
        **given
            Arguments that the recipe does not say.

        Returns
        -------
        object
            The part.

        Raises
        ------
        RecipeError
            If the name or an argument is unknown, one is missing, or the part refuses a value.
        """
        name, arguments = parse(spec, self.kind, where=where)
        maker = self.maker(name, where=where)
        accepted = _arguments(maker)
        for argument in arguments:
            if argument not in accepted:
                near = get_close_matches(argument, accepted, n=1)
                hint = f"did you mean {near[0]!r}?" if near else f"it takes {', '.join(sorted(accepted)) or 'nothing'}"
                raise RecipeError(f"{_at(where)}{self.kind} {name!r} has no argument {argument!r}; {hint}")
        try:
            return maker(**{**{key: value for key, value in given.items() if key in accepted}, **arguments})
        except (AttributeError, TypeError, ValueError, RuntimeError) as error:
            raise RecipeError(f"{_at(where)}{self.kind} {name!r}: {error}") from error


def _arguments(maker: Callable[..., Any]) -> set[str]:
    """Names of arguments; a class that takes ``**more`` hands them to the class below it."""
    found: set[str] = set()
    for made in inspect.getmro(maker) if inspect.isclass(maker) else (maker,):
        known = inspect.signature(made).parameters.values()
        found |= {one.name for one in known if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)}
        if not any(one.kind is one.VAR_KEYWORD for one in known):
            break
    return found


def parse(spec: object, kind: str, *, where: str = "") -> tuple[str, Mapping[str, Any]]:
    """Read ``name`` or ``{name: {argument: value}}``.

    Parameters
    ----------
    spec : object
        As YAML gives it.
    kind : str
        What it should be, for error messages.
    where : str
        Place in the recipe.

    Returns
    -------
    str, mapping
        Name and arguments.

    Raises
    ------
    RecipeError
        If it is neither.
    """
    if isinstance(spec, str):
        return spec, {}
    if isinstance(spec, Mapping) and len(spec) == 1:
        ((name, arguments),) = spec.items()
        if isinstance(name, str) and (arguments is None or isinstance(arguments, Mapping)):
            arguments = arguments or {}
            if all(isinstance(key, str) for key in arguments):
                return name, arguments
    raise RecipeError(f"{_at(where)}a {kind} is written as a name, or as name: {{argument: value}}; got {short(spec)}")


def short(value: object) -> str:
    """Write a value of a recipe for an error message, however large or deep it is.

    Parameters
    ----------
    value : object
        Anything.

    Returns
    -------
    str
        At most 80 characters.
    """
    brief = reprlib.Repr()
    brief.maxlevel = 2
    said = brief.repr(value)
    return said if len(said) <= 80 else f"{said[:77]}..."


def _at(where: str) -> str:
    return f"{where}: " if where else ""
