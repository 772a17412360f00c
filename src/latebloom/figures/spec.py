"""A figure as plain data: panels with axes, and what is drawn in them. Two renderers turn it into pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

Theme = Literal["light", "dark"]
Scale = Literal["linear", "log"]
STEPS = "training step"
"""The label of an axis over training: phases and events are drawn where it is the horizontal one."""


@dataclass(frozen=True)
class Axis:
    """One axis of a panel.

    Attributes:
        label: what it shows, in words.
        unit: its unit; "" for a pure number.
        scale: linear or logarithmic (then nothing at or below 0 is drawn).
        range: its ends; None fits them to the data.
        ticks: places and labels; () leaves them to the renderer.
    """

    label: str
    unit: str = ""
    scale: Scale = "linear"
    range: tuple[float, float] | None = None
    ticks: tuple[tuple[float, str], ...] = ()

    @property
    def title(self) -> str:
        """The label with its unit."""
        return f"{self.label} ({self.unit})" if self.unit else self.label


@dataclass(frozen=True, eq=False)
class Line:
    """Points joined by a line, or standing alone.

    Attributes:
        x: shape (point).
        y: shape (point); what is not finite leaves a gap.
        label: in the legend; "" for none.
        ink: a role of the theme ("train", "one", …), or a place from 0 to 1 on its ramp for ordered values.
        marker: "" for a line alone, else the points' shape.
        joined: whether a line joins the points.
        steps: whether the line holds each value until the next point.
        low: lower end of a band around it, shape (point).
        high: its upper end.
        texts: what each point is called, shape (point).
        shade: numbers that colour the points, shape (point); None gives them the line's ink.
        shades: what these numbers are.
        thin: whether it stands back behind the others.
    """

    x: np.ndarray
    y: np.ndarray
    label: str = ""
    ink: str | float = "ink"
    marker: Literal["", "circle", "triangle-up", "triangle-down", "diamond", "cross", "dot"] = ""
    joined: bool = True
    steps: bool = False
    low: np.ndarray | None = None
    high: np.ndarray | None = None
    texts: tuple[str, ...] = ()
    shade: np.ndarray | None = None
    shades: Axis | None = None
    thin: bool = False


@dataclass(frozen=True, eq=False)
class Bars:
    """Bars; several of one panel stand beside each other.

    Attributes:
        x: their places, shape (bar).
        y: their heights, shape (bar).
        ink: as of a line.
        low: lower end of each bar's interval, shape (bar); NaN where it has none.
        high: its upper end.
        faint: whether a bar stands back, shape (bar); None for none.
    """

    x: np.ndarray
    y: np.ndarray
    label: str = ""
    ink: str | float = "ink"
    low: np.ndarray | None = None
    high: np.ndarray | None = None
    faint: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Heat:
    """A table of numbers as colours.

    Attributes:
        x: the columns' middles, ascending, shape (column).
        y: the rows' middles, ascending, shape (row).
        z: shape (row, column).
        scale: what the colours stand for: its label and unit, linear or logarithmic, and its ends.
        colours: from little to much, or apart from 0 on both sides.
        contours: heights at which lines are drawn over it.
    """

    x: np.ndarray
    y: np.ndarray
    z: np.ndarray
    scale: Axis
    colours: Literal["ramp", "apart"] = "ramp"
    contours: tuple[float, ...] = ()


@dataclass(frozen=True, eq=False)
class Feet:
    """Bars at the foot of a panel: stretches of the horizontal axis in which something happened.

    Attributes:
        low: where each begins, shape (bar).
        high: where it ends, shape (bar).
        ink: as of a line.
    """

    low: np.ndarray
    high: np.ndarray
    ink: str | float = "quiet"


@dataclass(frozen=True)
class Tile:
    """A coloured part of a map's cell."""

    left: float
    bottom: float
    width: float
    ink: str | float


@dataclass(frozen=True)
class Text:
    """Words at a place of a panel; `on` says what ground they stand on."""

    x: float
    y: float
    words: str
    on: Literal["paper", "tile"] = "paper"
    align: Literal["left", "center", "right"] = "center"


@dataclass(frozen=True)
class Span:
    """A phase: a stretch of the horizontal axis with a name."""

    name: str
    title: str
    start: float
    end: float


@dataclass(frozen=True)
class Mark:
    """An event: a place on the horizontal axis, and the interval that it surely lies in."""

    title: str
    at: float
    low: float
    high: float


@dataclass(frozen=True)
class Key:
    """An entry of the figure's legend that belongs to no line: a colour and what it stands for."""

    ink: str | float
    label: str


Part = Line | Bars | Heat | Feet | Tile | Text


@dataclass(frozen=True)
class Panel:
    """One pair of axes.

    Attributes:
        title: above it.
        parts: what is drawn, the later over the earlier.
        square: whether a unit is as long across as up.
        wide: whether it takes a whole row.
        flip: whether the vertical axis runs down.
    """

    title: str
    x: Axis
    y: Axis
    parts: tuple[Part, ...]
    square: bool = False
    wide: bool = False
    flip: bool = False


@dataclass(frozen=True)
class Figure:
    """Panels under one title. In a notebook it shows itself.

    Attributes:
        name: of the function that made it.
        title: what it shows, and of which run.
        note: what must be known to read it: variant, step, what was left out.
        panels: from left to right, then down.
        columns: panels beside each other.
        phases: shaded in every panel over steps.
        marks: events, drawn in the same panels.
        keys: further entries of the legend.
        height: of a panel, in inches at a width of 4.
    """

    name: str
    title: str
    panels: tuple[Panel, ...]
    note: str = ""
    columns: int = 2
    phases: tuple[Span, ...] = ()
    marks: tuple[Mark, ...] = ()
    keys: tuple[Key, ...] = ()
    height: float = 2.6

    def save(self, path: str | Path, theme: Theme = "light") -> Path:
        """Write it as PNG, SVG, PDF or a self-contained HTML page, by the file's suffix.

        Raises:
            LatebloomError: another suffix, a file that cannot be written, or HTML without Plotly.
        """
        from latebloom.figures.files import save

        return save(self, Path(path), theme)

    def over_steps(self, panel: Panel) -> bool:
        """Whether phases and events belong into a panel."""
        return panel.x.label == STEPS

    def rows(self) -> Sequence[Sequence[Panel]]:
        """The panels row by row; a wide one has a row of its own."""
        rows: list[list[Panel]] = []
        for panel in self.panels:
            full = not rows or len(rows[-1]) >= self.columns or rows[-1][0].wide
            if panel.wide or full:
                rows.append([])
            rows[-1].append(panel)
        return rows

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        from latebloom.figures.files import bundle

        return bundle(self)

    def __repr__(self) -> str:
        return f"<Figure {self.name}: {self.title}; {len(self.panels)} panels; .save('{self.name}.png') writes it>"
