"""Figures of findings: curves of every run in small multiples, which say by themselves what they show."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import polars as pl

from latebloom.analysis.finders.accuracy import GENERALISED, MEMORISED
from latebloom.views.inks import STATE_COLOURS, drawn_in, inks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from latebloom.claims.results import Part

BLUE, ORANGE, GREEN, RED, PURPLE, YELLOW, PINK = (
    STATE_COLOURS[name]
    for name in ("grokking", "memorisation", "comprehension", "anti-grokking", "diverged", "partial", "collapse")
)

INK, PAPER = inks(dark=False).ink, inks(dark=False).paper
MARKS = {
    "memorised": ("o", PAPER, f"a run has memorised (training accuracy ≥ {MEMORISED:g})"),
    "grokked": ("^", INK, f"a run has generalised (test accuracy ≥ {GENERALISED:g})"),
    "cleaned": ("s", PAPER, "half of the fall of its Σw² is over"),
    "dropped": ("v", INK, "its published cosine has dropped (below 0.2)"),
}
"""Of each event of a run: the mark at the bottom of its panel, its filling, and what the legend says."""
KNOWN = ((MEMORISED, f"accuracy of {MEMORISED:g}"),)
LEARNT = ((GENERALISED, f"accuracy of {GENERALISED:g}"),)
"""The bound of panels in which the rule asks for memorising, and for generalising."""
DASHES = ("--", ":")


@dataclass(frozen=True)
class Line:
    """One measure in a panel, drawn for every run.

    Attributes:
        column: of the curves.
        label: in the legend.
        colour: of its lines.
        width: of its lines, in points; a wide one is seen under another.
    """

    column: str
    label: str
    colour: str
    width: float = 1.1


@dataclass(frozen=True)
class Span:
    """A phase of every run, shaded faintly: the darker, the more runs are in it.

    Attributes:
        begins: the event.
        ends: the event; a run without one of them has no shade.
        label: in the legend.
        colour: of the shade.
    """

    begins: str
    ends: str
    label: str
    colour: str


@dataclass(frozen=True)
class Panel:
    """One part of a figure. At its bottom are marked the steps at which its runs had the events of `MARKS`.

    Attributes:
        title: what is alike in its runs.
        part: whose runs are drawn.
        lines: the measures.
        y: label of the vertical axis.
        log_y: whether it is logarithmic.
        bounds: values that the rule compares with, and what each says in the legend.
        spans: phases.
    """

    title: str
    part: Part
    lines: Sequence[Line]
    y: str
    log_y: bool = False
    bounds: Sequence[tuple[float, str]] = ()
    spans: Sequence[Span] = ()


def marked(part: Part, event: str, find: Callable[[dict[str, Any], pl.DataFrame], float]) -> Part:
    """The same runs with one more event, at the step that is found in each run's row and curve; NaN is none."""
    steps = {row["run"]: find(row, curve) for row, curve in part.each()}
    column = pl.Series(f"{event}.step", [steps.get(run, math.nan) for run in part.runs["run"]], pl.Float64)
    return replace(part, runs=part.runs.with_columns(column.fill_nan(None)))


def aligned(part: Part, event: str) -> Part:
    """The runs in which an event was seen, all steps counted from it."""
    runs = part.runs.filter(pl.col(f"{event}.step").is_not_null())
    begun = runs.select("run", pl.col(f"{event}.step").alias("begun"))
    curves = part.curves.join(begun, on="run").with_columns(pl.col("step") - pl.col("begun"))
    return replace(part, runs=runs.with_columns(pl.col("^.*\\.step$") - pl.col(f"{event}.step")), curves=curves)


def curves_figure(
    panels: Sequence[Panel], title: str, columns: int = 3, log_x: bool = True, x: str = "steps"
) -> Figure:
    """Small multiples with one common axis of steps; panels, or those of each row, with one y label share that axis."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    columns = min(columns, len(panels))
    rows = -(-len(panels) // columns)
    one = len({panel.y for panel in panels}) == 1
    alike = all(panel.y == panels[i - i % columns].y for i, panel in enumerate(panels))
    with drawn_in(inks(dark=False)):
        figure = Figure(figsize=(max(2.9 * columns + 0.8, 5.6), 2.3 * rows + 1.0), layout="constrained")
        grid = figure.subplots(
            rows, columns, squeeze=False, sharex=True, sharey=one or ("row" if alike else "none")
        ).ravel()
        for ax, panel in zip(grid, panels, strict=False):
            _draw(ax, panel, log_x)
        for ax in grid[len(panels) :]:
            ax.set_axis_off()
        if not log_x:
            grid[0].xaxis.set_major_locator(MaxNLocator(5))
        for i, ax in enumerate(grid[: len(panels)]):
            ax.xaxis.set_major_formatter("{x:,.0f}")
            # above a hole a panel needs the labels of the axis, and alone in its row it would look crooked
            if len(panels) < rows * columns or i >= (rows - 1) * columns:
                ax.set_xlabel(x)
                ax.tick_params(labelbottom=True)
            if alike and i % columns:
                ax.set_ylabel("")
        headed(figure, title, list(grid), columns)
    return figure


def _draw(ax: Axes, panel: Panel, log_x: bool) -> None:
    runs = panel.part.each()
    for span in panel.spans:
        for row, _ in runs:
            begin, end = row.get(f"{span.begins}.step"), row.get(f"{span.ends}.step")
            if begin is not None and end is not None:
                ax.axvspan(begin, end, color=span.colour, alpha=0.5 / len(runs), linewidth=0)
    for line in panel.lines:
        for _, curve in runs:
            known = curve.filter(curve[line.column].is_not_null())
            known = known.filter(known["step"] > 0) if log_x else known
            ax.plot(known["step"], known[line.column], color=line.colour, linewidth=line.width, alpha=0.75)
        ax.plot([], [], color=line.colour, linewidth=max(line.width, 1.5), label=line.label)
    for span in panel.spans:
        ax.fill_between([], [], color=span.colour, alpha=0.5, linewidth=0, label=span.label)
    bounded(ax, panel.bounds)
    for event, (shape, filling, words) in MARKS.items():
        steps = [row[f"{event}.step"] for row, _ in runs if row.get(f"{event}.step") is not None]
        look: Any = {"color": INK, "markerfacecolor": filling, "markersize": 4, "linestyle": ""}
        if steps:
            ax.plot(steps, [0.03] * len(steps), shape, transform=ax.get_xaxis_transform(), clip_on=False, **look)
            ax.plot([], [], shape, label=words, **look)
    ax.set_title(panel.title, fontsize=9)
    ax.set_ylabel(panel.y)
    if log_x:
        ax.set_xscale("log")
    if panel.log_y:
        ax.set_yscale("log")
    elif ax.get_ylim()[1] >= 1000:
        ax.yaxis.set_major_formatter("{x:,.0f}")


def bounded(ax: Axes, bounds: Sequence[tuple[float, str]]) -> None:
    """Draws the values that a rule compares with."""
    for dashes, (bound, words) in zip(itertools.cycle(DASHES), bounds, strict=False):
        ax.axhline(bound, color=INK, linewidth=0.9, linestyle=dashes, label=words)


def headed(figure: Figure, title: str, axes: Sequence[Axes], columns: int) -> None:
    """Writes the title above all panels, and one legend below them."""
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    handles = {h.get_label(): h for ax in axes for h in ax.get_legend_handles_labels()[0]}
    figure.legend(handles=list(handles.values()), loc="outside lower left", ncols=columns, fontsize=8)
