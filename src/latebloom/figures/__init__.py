"""Figures of runs and studies: `latebloom.figures.curves(run)` makes one, a notebook shows it, `.save(path)` writes it.

Each name of `latebloom figures` is a function here, with `_` for `-`. A figure is plain data (`spec.Figure`), which
matplotlib draws as PNG, SVG and PDF, and Plotly as a page of its own and in notebooks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from latebloom.figures.registry import kinds
    from latebloom.figures.spec import Figure

__all__ = ["Figure", "kinds"]


def __getattr__(name: str) -> Any:
    # imported when it is first used: the command line's help needs none of it
    if name == "Figure":
        from latebloom.figures.spec import Figure

        return Figure
    from latebloom.figures.registry import kinds

    if name == "kinds":
        return kinds
    found = kinds().get(name.replace("_", "-"))
    if found is None or name.startswith("_"):
        raise AttributeError(f"there is no figure {name!r}; latebloom.figures.kinds() has all")
    return found.build


def __dir__() -> list[str]:
    from latebloom.figures.registry import kinds

    return [*__all__, *(name.replace("-", "_") for name in kinds())]
