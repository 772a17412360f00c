"""Figures of a study: survival curves, scaling fits, phase diagrams. Each function draws into axes that it is given."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from latebloom.analysis.statistics import Times, kaplan_meier
from latebloom.errors import LatebloomError
from latebloom.views.inks import STATE_COLOURS, Inks, drawn_in, inks, ramp
from latebloom.views.study_text import MARKS, cell_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from latebloom.analysis.diagram import Cell, Diagram
    from latebloom.analysis.statistics import ScalingFit

SUFFIXES = (".png", ".svg", ".pdf")


def survival_curves(ax: Axes, groups: Sequence[tuple[str, Times]], event: str, colours: Inks) -> None:
    """Kaplan–Meier curves of the share of runs without an event, with 95 % bands and + where runs are censored."""
    for (label, times), colour in zip(groups, ramp(colours, len(groups)), strict=True):
        curve = kaplan_meier(times)
        step, share = np.concatenate([[1], curve.step]), np.concatenate([[1], curve.survival])
        ax.step(step, share, where="post", color=colour, label=label, linewidth=1.8)
        low, high = (np.concatenate([[np.nan], end]) for end in (curve.low, curve.high))
        ax.fill_between(step, low, high, step="post", color=colour, alpha=0.12, linewidth=0)
        gone = np.unique(times.low[~times.seen])
        ax.plot(gone, curve.at(gone.tolist()), "+", color=colour, markersize=9, markeredgewidth=1.8)
    ax.set_ylim(0, 1.03)
    ax.set_ylabel(f"share of runs not yet {event}")


def number_at_risk(ax: Axes, groups: Sequence[tuple[str, Times]], ticks: Sequence[float], colours: Inks) -> None:
    """Under the curves: how many runs of each group are still looked at without the event, at each tick."""
    ax.set_axis_off()
    ax.set_ylim(len(groups) - 0.5, -0.5)
    for row, ((label, times), colour) in enumerate(zip(groups, ramp(colours, len(groups)), strict=True)):
        ax.annotate(label, (-0.01, row), xycoords=("axes fraction", "data"), ha="right", va="center", color=colour)
        for tick in ticks:
            ax.text(tick, row, f"{int(np.sum(times.known >= tick))}", ha="center", va="center")


def survival_figure(groups: Sequence[tuple[str, Times]], event: str, title: str, dark: bool = False) -> Figure:
    """Survival curves on a logarithmic axis of steps with the numbers at risk below; a label is like `λ = 0.5`."""
    from matplotlib.figure import Figure

    colours = inks(dark)
    groups = [(label, times) for label, times in groups if len(times)]
    if not groups:
        raise LatebloomError(f"expected runs that tell when they are {event}, got none")
    with drawn_in(colours):
        figure = Figure(figsize=(7.6, 4.0 + 0.19 * len(groups)), layout="constrained")
        top, bottom = figure.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": [4.0, 0.3 + 0.22 * len(groups)]})
        survival_curves(top, groups, event, colours)
        top.set_title(title)
        last = max(float(times.known.max()) for _, times in groups)
        first = min(float(times.known.min()) for _, times in groups)
        ticks = _round_steps(first, last)
        top.set_xscale("log")
        top.set_xticks(ticks, [f"{tick:,.0f}" for tick in ticks])
        top.minorticks_off()
        top.set_xlim(ticks[0] / 1.15, 1.1 * last)
        top.tick_params(labelbottom=True)
        top.set_xlabel("steps (log scale); below: runs at risk")
        top.legend(loc="lower left", fontsize=8)
        number_at_risk(bottom, groups, ticks, colours)
    return figure


def _round_steps(first: float, last: float) -> list[float]:
    """1, 2, 5, 10, … from below `first` up to `last`, at most ten of them."""
    powers = range(int(np.floor(np.log10(max(first, 1.0)))), int(np.ceil(np.log10(max(last, 2.0)))) + 1)
    steps = [m * 10.0**power for power in powers for m in (1, 2, 5)]
    below = [step for step in steps if step < first]
    kept = [*below[-1:], *(step for step in steps if first <= step <= last)] or [1.0]
    return kept if len(kept) <= 10 else [step for step in kept if f"{step:e}"[0] == "1"]


def scaling_points(ax: Axes, x: np.ndarray, times: Times, fit: ScalingFit, name: str, colours: Inks) -> None:
    """Every run on log axes, censored ones as arrows upwards, with the fitted power law."""
    dot, line = ramp(colours, 3)[1], ramp(colours, 3)[0 if colours.paper == "#ffffff" else 2]
    seen = times.seen
    # seeds beside each other; the same shift for the same seed
    ranks = np.searchsorted(np.unique(times.seed), times.seed)
    beside = x * 1.02 ** (ranks - ranks.max() / 2)
    ax.plot(beside[seen], times.high[seen], "o", color=dot, markersize=4.5, label="a run")
    if not seen.all():
        ax.plot(
            beside[~seen], times.low[~seen], "^", color=colours.ink, markersize=6, fillstyle="none", label="censored"
        )
    if fit.middle is not None:
        variable, b = next(iter(fit.exponents.items()))
        ends = "" if b.low is None or b.high is None else f" [{b.low:.2f}, {b.high:.2f}]"
        grid = np.geomspace(x[x > 0].min(), x.max(), 60)
        label = f"T ∝ {name}^{b.value:.2f}{ends}, {fit.law}"
        ax.plot(grid, fit.predict({variable: grid}), color=line, linewidth=1.6, label=label)
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xlabel(name)
    ax.legend(fontsize=8)


def scaling_figure(
    x: np.ndarray, times: Times, fit: ScalingFit, name: str, event: str, title: str, dark: bool = False
) -> Figure:
    """The time of an event against one variable, with its fit."""
    from matplotlib.figure import Figure

    colours = inks(dark)
    with drawn_in(colours):
        figure = Figure(figsize=(6.4, 4.2), layout="constrained")
        ax = figure.subplots()
        scaling_points(ax, x, times, fit, name, colours)
        ax.set_ylabel(f"step at which a run is {event}")
        ax.set_title(title)
    return figure


def diagram_map(ax: Axes, diagram: Diagram, show: str, colours: Inks) -> None:
    """The map with a text in each cell; a cell of several end states is striped in proportion."""
    colour_of = _state_colour if show == "state" else _step_colour(diagram, show)
    for cell in diagram.cells:
        column, row = diagram.xs.index(cell.x), diagram.ys.index(cell.y)
        left = column - 0.5
        for share, colour in colour_of(cell):
            ax.add_patch(_tile(left, row - 0.5, share, colour, colours))
            left += share
        text = cell_text(cell, show).replace(" ", "\n")
        ax.text(column, row, text, ha="center", va="center", fontsize=7.5, color="#111", linespacing=1.0)
    ax.set_xlim(-0.5, len(diagram.xs) - 0.5)
    ax.set_ylim(-0.5, len(diagram.ys) - 0.5)
    ax.set_xticks(range(len(diagram.xs)), [_label(x) for x in diagram.xs])
    ax.set_yticks(range(len(diagram.ys)), [_label(y) for y in diagram.ys])
    ax.set_xlabel(diagram.x)
    ax.set_ylabel(diagram.y)
    ax.grid(visible=False)
    ax.set_aspect("equal")


def diagram_figure(diagram: Diagram, show: str = "state", dark: bool = False, title: str = "") -> Figure:
    """The phase diagram with its legend; `show` is "state", "grokked" or "delay"."""
    from matplotlib.figure import Figure

    colours = inks(dark)
    heads = {
        "state": f"End states within {diagram.budget:,} steps; numbers are seeds",
        "grokked": "Median step of grokking; seen in / runs where some are censored",
        "delay": "Median steps from memorising to grokking; seen in / runs that memorised",
    }
    with drawn_in(colours):
        width = max(5.5, 0.72 * len(diagram.xs) + 2.6)
        figure = Figure(figsize=(width, max(3.2, 0.72 * len(diagram.ys) + 1.4)), layout="constrained")
        ax = figure.subplots()
        diagram_map(ax, diagram, show, colours)
        ax.set_title(title or heads[show])
        if show == "state":
            figure.legend(handles=_keys(diagram, colours), loc="outside lower center", ncols=4, fontsize=8)
    return figure


def save(figure: Figure, path: Path) -> None:
    """Writes a figure as PNG, SVG or PDF by the file's suffix.

    Raises:
        LatebloomError: another suffix, or the file cannot be written.
    """
    if path.suffix not in SUFFIXES:
        raise LatebloomError(f"expected a file name that ends in {', '.join(SUFFIXES)}, got {path}")
    import matplotlib

    # without its date, and with names that do not change, the same figure is the same file
    metadata = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}.get(path.suffix)
    try:
        with matplotlib.rc_context({"svg.hashsalt": "latebloom"}):
            figure.savefig(path, dpi=150, metadata=metadata)
    except OSError as error:
        raise LatebloomError(f"{path} cannot be written: {error.strerror}") from error


def _label(value: Any) -> str:
    return f"{value:g}" if isinstance(value, int | float) else str(value)


def _tile(left: float, bottom: float, width: float, colour: Any, colours: Inks) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle((left, bottom), width, 1.0, facecolor=colour, edgecolor=colours.paper, linewidth=0.8)


def _state_colour(cell: Cell) -> list[tuple[float, Any]]:
    return [(number / cell.runs, STATE_COLOURS[state]) for state, number in cell.states.items()]


def _step_colour(diagram: Diagram, show: str) -> Any:
    """A function from a cell to its colour, by the logarithm of its median; grey where there is none."""
    import matplotlib
    from matplotlib.colors import LogNorm

    medians = {(c.x, c.y): (c.grokked if show == "grokked" else c.delay).step for c in diagram.cells}
    known = [m for m in medians.values() if m is not None and m > 0]
    scale = matplotlib.colormaps["YlGnBu_r"]
    norm = LogNorm(min(known, default=1.0), max(max(known, default=1.0), 1.01 * min(known, default=1.0)))

    def colour_of(cell: Cell) -> list[tuple[float, Any]]:
        m = medians[cell.x, cell.y]
        return [(1.0, STATE_COLOURS["unclear"] if m is None or m <= 0 else scale(0.35 + 0.6 * float(norm(m))))]

    return colour_of


def _keys(diagram: Diagram, colours: Inks) -> list[Any]:
    from matplotlib.patches import Patch

    return [
        Patch(facecolor=STATE_COLOURS[state], edgecolor=colours.paper, label=f"{MARKS[state]}  {state}")
        for state in diagram.states
    ]
