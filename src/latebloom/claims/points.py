"""Figures of findings: one number a run as points in columns, with the runs that had ended before."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from latebloom.claims.drawing import BLUE, INK, ORANGE, PAPER, RED, bounded, headed
from latebloom.views.inks import drawn_in, inks
from latebloom.views.ticks import log_ticks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Group:
    """A column of points.

    Attributes:
        name: below it.
        values: a point a run.
        ended: a hollow triangle a run that ended before the event: its value is that or more.
    """

    name: str
    values: Sequence[float]
    ended: Sequence[float] = ()


def points_figure(
    groups: Sequence[Group],
    y: str,
    title: str,
    bounds: Sequence[tuple[float, str]] = (),
    log_y: bool = False,
    x: str = "",
    fit: tuple[str, Sequence[float]] | None = None,
) -> Figure:
    """Every run as a point above its group's name, with the mean and the bounds that a rule compares with.

    On a logarithmic axis the median instead, with those that ended before as later: where it is not reached, none.
    `fit` is what a law gives for each group, and what the legend says of it.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    with drawn_in(inks(dark=False)):
        lines = max(group.name.count("\n") for group in groups)
        figure = Figure(figsize=(max(5.6, 0.95 * len(groups) + 1.6), 3.7 + 0.17 * lines), layout="constrained")
        ax = figure.subplots()
        for i, group in enumerate(groups):
            _column(ax, i, group, log_y)
        if fit is not None:
            ax.plot(range(len(groups)), fit[1], color=ORANGE, linewidth=1.4, label=fit[0])
        bounded(ax, bounds)
        ax.plot([], [], "o", color=BLUE, markersize=5, label="a run")
        if any(group.ended for group in groups):
            ax.plot([], [], "^", color=RED, markerfacecolor=PAPER, markersize=6, label="not by its last step")
        ax.plot([], [], color=INK, linewidth=1.6, label="median" if log_y else "mean")
        if log_y:
            ax.set_yscale("log")
            ax.set_yticks(log_ticks(*ax.get_ylim()))
            ax.yaxis.set_major_formatter("{x:,g}")
            ax.yaxis.set_minor_formatter("")
        elif all(float(v).is_integer() for group in groups for v in group.values if math.isfinite(v)):
            ax.yaxis.set_major_locator(MaxNLocator(integer=True))
        ax.set_xticks(range(len(groups)), [group.name for group in groups])
        ax.set_xlim(-0.6, len(groups) - 0.4)
        ax.set_ylabel(y)
        ax.set_xlabel(x)
        headed(figure, title, [ax], 3)
    return figure


def _column(ax: Axes, place: int, group: Group, log_y: bool) -> None:
    known = [v for v in group.values if math.isfinite(v)]
    across: Any = place + 0.08 * (np.arange(len(known) + len(group.ended)) - (len(known) + len(group.ended) - 1) / 2)
    ax.plot(across[: len(known)], known, "o", color=BLUE, markersize=5)
    ax.plot(across[len(known) :], group.ended, "^", color=RED, markerfacecolor=PAPER, markersize=6)
    later = [*known, *([math.inf] * len(group.ended))]
    if known and math.isfinite(middle := float(np.median(later) if log_y else np.mean(known))):
        ax.plot([place - 0.3, place + 0.3], [middle, middle], color=INK, linewidth=1.6)
