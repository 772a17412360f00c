"""Figures of how weights and activations are spread, checkpoint by checkpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from latebloom.analysis.distributions import EDGES, Spread, activation_spread, weight_spread
from latebloom.errors import LatebloomError
from latebloom.figures.reading import Log, NoFigureError, steps_axis
from latebloom.figures.registry import figure
from latebloom.figures.spec import Axis, Figure, Heat, Line, Panel, Scale
from latebloom.views.thinning import steps_to_keep

if TYPE_CHECKING:
    from latebloom.store import Run

MOST_CHECKPOINTS = 60


@figure(needs="3 checkpoints")
def weights(run: Run) -> Figure:
    """Distribution of the weights by step: log10 |w| in each part of the network."""
    log = Log(run)
    spreads = weight_spread(run, _steps(log, "weights"))
    panels = [_sizes(part, spread) for part, spread in spreads.items()]
    note = "Shares of the weights in bins a tenth of a decade wide; what lies beyond the axis counts at its ends."
    title = f"Weights by step · {log.title}"
    return Figure("weights", title, tuple(panels), note, phases=log.spans, marks=log.marks)


def _sizes(part: str, spread: Spread) -> Panel:
    middles = (EDGES[1:] + EDGES[:-1]) / 2
    used = np.flatnonzero(spread.shares.max(axis=0) > 2e-3)
    rows = slice(max(used[0] - 1, 0), used[-1] + 2)
    heat = Heat(np.array(spread.steps, dtype=float), middles[rows], spread.shares.T[rows], Axis("share of the weights"))
    with np.errstate(divide="ignore"):
        median = Line(np.array(spread.steps, dtype=float), np.log10(spread.quantiles[:, 2]), "median", "test")
    low, high = EDGES[rows.start], EDGES[min(rows.stop, len(EDGES) - 1)]
    return Panel(part.capitalize() if part != "MLP" else part, steps_axis(),
                 Axis("log₁₀ |w|", range=(float(low), float(high))), (heat, median))  # fmt: skip


@figure(needs="3 checkpoints, and an MLP layer")
def activations(run: Run, *, scale: Scale = "linear") -> Figure:
    """Distribution of the activations by step: the last MLP layer before and after its non-linearity."""
    log = Log(run)
    steps = _steps(log, "activations")
    try:
        spreads = activation_spread(run, steps)
    except LatebloomError as error:
        raise NoFigureError(f"activations cannot be drawn of {run.id}: {error}") from error
    panels = tuple(
        Panel(f"{when.capitalize()} the non-linearity", steps_axis(scale), Axis("activation"), _bands(spread))
        for when, spread in spreads.items()
    )
    note = f"Over all pairs and neurons, last position, at {len(steps)} checkpoints."
    title = f"Activations by step · {log.title}"
    return Figure("activations", title, panels, note, phases=log.spans, marks=log.marks)


def _bands(spread: Spread) -> tuple[Line, ...]:
    steps, (least, low, median, high, greatest) = np.array(spread.steps, dtype=float), spread.quantiles.T
    return (
        Line(steps, median, "5 to 95 %", "three", joined=False, low=least, high=greatest),
        Line(steps, median, "25 to 75 %", "one", joined=False, low=low, high=high),
        Line(steps, median, "median", "ink"),
    )


def _steps(log: Log, name: str) -> list[int]:
    steps = np.array(log.checkpoints(name, least=3))
    return [int(step) for step in steps[steps_to_keep(steps, MOST_CHECKPOINTS)]]
