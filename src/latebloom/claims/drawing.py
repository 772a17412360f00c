"""Figures of findings: curves of every run in small multiples, in the inks of all other figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from latebloom.views.inks import STATE_COLOURS, inks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from latebloom.claims.results import Part

BLUE, ORANGE, GREEN, RED, PURPLE = (
    STATE_COLOURS[name] for name in ("grokking", "memorisation", "comprehension", "anti-grokking", "diverged")
)

INK = inks(dark=False).ink
MARKS = {"memorised": "memorised", "grokked": "generalised"}


@dataclass(frozen=True)
class Line:
    """One measure in a panel, drawn for every run.

    Attributes:
        column: of the curves.
        label: in the legend.
        colour: of its lines.
    """

    column: str
    label: str
    colour: str


@dataclass(frozen=True)
class Panel:
    """One part of a figure.

    Attributes:
        title: what is alike in its runs.
        part: whose runs are drawn.
        lines: the measures.
        y: label of the vertical axis.
        log_y: whether it is logarithmic.
        mark: an event whose steps are marked by ticks at the bottom, `memorised` or `grokked`; none where empty.
    """

    title: str
    part: Part
    lines: Sequence[Line]
    y: str
    log_y: bool = False
    mark: str = ""


def aligned(part: Part, event: str) -> Part:
    """The runs in which an event was seen, their steps counted from it."""
    runs = part.runs.filter(pl.col(f"{event}.step").is_not_null())
    begun = runs.select("run", pl.col(f"{event}.step").alias("begun"))
    curves = part.curves.join(begun, on="run").with_columns(pl.col("step") - pl.col("begun"))
    return replace(part, runs=runs.with_columns(pl.lit(0).alias(f"{event}.step")), curves=curves)


def curves_figure(
    panels: Sequence[Panel], title: str, columns: int = 3, log_x: bool = True, x: str = "steps"
) -> Figure:
    """Small multiples with one common axis of steps; where all panels have one y label, one common y axis too."""
    from matplotlib.figure import Figure

    from latebloom.views.inks import drawn_in

    colours = inks(dark=False)
    columns = min(columns, len(panels))
    rows = -(-len(panels) // columns)
    alike = len({panel.y for panel in panels}) == 1
    with drawn_in(colours):
        figure = Figure(figsize=(max(2.9 * columns + 0.8, 5.6), 2.3 * rows + 0.8), layout="constrained")
        grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=alike).ravel()
        for ax, panel in zip(grid, panels, strict=False):
            _draw(ax, panel, log_x)
        for ax in grid[len(panels) :]:
            ax.set_axis_off()
        for i, ax in enumerate(grid[: len(panels)]):
            if i + columns >= len(panels):
                ax.set_xlabel(x)
                ax.tick_params(labelbottom=True)
        figure.suptitle(title, x=0.01, ha="left", fontsize=11)
        handles = {h.get_label(): h for ax in grid for h in ax.get_legend_handles_labels()[0]}
        figure.legend(handles=list(handles.values()), loc="outside lower left", ncols=columns, fontsize=8)
    return figure


def _draw(ax: Axes, panel: Panel, log_x: bool) -> None:
    for row, curve in panel.part.each():
        for line in panel.lines:
            known = curve.filter(curve[line.column].is_not_null())
            known = known.filter(known["step"] > 0) if log_x else known
            ax.plot(known["step"], known[line.column], color=line.colour, linewidth=1.1, alpha=0.75)
        if panel.mark and (step := row.get(f"{panel.mark}.step")) is not None:
            ax.plot([step], [0.03], "^", transform=ax.get_xaxis_transform(), color=INK, markersize=4, clip_on=False)
    for line in panel.lines:
        ax.plot([], [], color=line.colour, label=line.label)
    if panel.mark:
        ax.plot([], [], "^", color=INK, markersize=4, label=f"a run has {MARKS[panel.mark]}")
    ax.set_title(panel.title, fontsize=9)
    ax.set_ylabel(panel.y)
    if log_x:
        ax.set_xscale("log")
    if panel.log_y:
        ax.set_yscale("log")


def points_figure(
    groups: Sequence[tuple[str, Sequence[float]]], y: str, title: str, bounds: Sequence[float] = (), log_y: bool = False
) -> Figure:
    """Every run as a point above its group's name, with the mean, and lines at the bounds that a rule compares with.

    The mean is the geometric one on a logarithmic axis. A group without points stays empty.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    from latebloom.views.inks import drawn_in

    colours = inks(dark=False)
    with drawn_in(colours):
        lines = max(name.count("\n") for name, _ in groups)
        figure = Figure(figsize=(max(4.2, 0.95 * len(groups) + 1.6), 3.5 + 0.17 * lines), layout="constrained")
        ax = figure.subplots()
        for i, (_, values) in enumerate(groups):
            x: Any = np.array([v for v in values if np.isfinite(v)])
            ax.plot(i + 0.08 * (np.arange(len(x)) - (len(x) - 1) / 2), x, "o", color=BLUE, markersize=5)
            if len(x):
                middle = float(np.exp(np.log(x).mean())) if log_y else float(x.mean())
                ax.plot([i - 0.3, i + 0.3], [middle, middle], color=colours.ink, linewidth=1.6)
        for bound in bounds:
            ax.axhline(bound, color=RED, linewidth=1.0, linestyle="--")
        ax.plot([], [], "o", color=BLUE, markersize=5, label="a run")
        ax.plot([], [], color=colours.ink, linewidth=1.6, label="geometric mean" if log_y else "mean")
        if bounds:
            ax.plot([], [], color=RED, linewidth=1.0, linestyle="--", label="bounds")
        figure.legend(loc="outside lower left", ncols=3, fontsize=8)
        if log_y:
            ax.set_yscale("log")
        ax.set_xticks(range(len(groups)), [name for name, _ in groups])
        ax.set_xlim(-0.6, len(groups) - 0.4)
        if not log_y and all(float(v).is_integer() for _, values in groups for v in values if np.isfinite(v)):
            ax.yaxis.set_major_locator(MaxNLocator(integer=True))
        ax.set_ylabel(y)
        figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    return figure
