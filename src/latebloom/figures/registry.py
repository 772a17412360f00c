"""The one list of figures: what each shows, what a run must hold for it, and the function that makes it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Literal

from latebloom.errors import LatebloomError
from latebloom.figures.spec import Figure

Of = Literal["run", "runs", "study"]

MODULES = ("curves", "fourier", "activations", "circuits", "weights", "paths", "studies")
"""Where figures are made, in the order in which they are listed."""


@dataclass(frozen=True)
class Kind:
    """One figure that can be asked for.

    Attributes:
        name: as on the command line.
        about: what it shows, in a line.
        needs: what must be there, in a line.
        of: whether it is of one run, of several, or of a study.
        build: makes it.
        options: names of the keywords that `build` takes.
    """

    name: str
    about: str
    needs: str
    of: Of
    build: Callable[..., Figure]
    options: tuple[str, ...]


_KINDS: dict[str, Kind] = {}


def figure(needs: str, of: Of = "run") -> Callable[[Callable[..., Figure]], Callable[..., Figure]]:
    """Lists a function among the figures; its name and its docstring's first line are the figure's.

    Args:
        needs: what must be there, in a line.
        of: what its first argument is.
    """

    def listed(build: Callable[..., Figure]) -> Callable[..., Figure]:
        name = build.__name__.rstrip("_").replace("_", "-")
        about = (build.__doc__ or "").strip().partition("\n")[0].rstrip(".")
        keywords = (p for p in inspect.signature(build).parameters.values() if p.kind is p.KEYWORD_ONLY)
        _KINDS[name] = Kind(name, about, needs, of, build, tuple(p.name for p in keywords))
        return build

    return listed


def kinds() -> dict[str, Kind]:
    """All figures by name."""
    for module in MODULES:
        import_module(f"latebloom.figures.of.{module}")
    return _KINDS


def kind(name: str) -> Kind:
    """The figure of a name.

    Raises:
        LatebloomError: there is none; with those that are near.
    """
    import difflib

    known = kinds()
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name, known, n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else "`latebloom figures` lists them"
    raise LatebloomError(f"there is no figure {name!r}: {hint}")
