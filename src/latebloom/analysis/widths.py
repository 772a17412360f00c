"""How long a change took: a sigmoid fitted to the curve around an event."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from latebloom.analysis.events import Event, Width

if TYPE_CHECKING:
    import polars

ROWS = 400
"""Rows that a fit takes at most, evenly spaced along the axis of the fit."""
AROUND = 4.0
"""A fit looks at the steps from a fourth of the event's to four times it."""
TO_90 = 2 * math.log(9)
"""Steps from 10 % to 90 % of a logistic curve in units of its scale."""


def with_widths(events: list[Event], scalars: polars.DataFrame) -> list[Event]:
    """The events with widths: of those at which a curve crosses a threshold."""
    return [replace(event, width=width_of(event, scalars)) for event in events]


def width_of(event: Event, scalars: polars.DataFrame) -> Width | None:
    """The width of an event; None where there is nothing to fit, or the fit explains less than half of the curve."""
    if event.found.step is None or event.sign not in ("≥", "<") or event.measure not in scalars.columns:
        return None
    rows = scalars.select("step", event.measure).drop_nulls()
    step, value = rows["step"].to_numpy().astype(float), rows[event.measure].to_numpy().astype(float)
    if event.measure.endswith("_loss") or "loss_" in event.measure:
        value = np.log10(np.where(value > 0, value, np.nan))
    near = (step >= event.found.step / AROUND) & (step <= event.found.step * AROUND) & np.isfinite(value)
    return fit_width(step[near], value[near])


def fit_width(step: NDArray[np.float64], value: NDArray[np.float64]) -> Width | None:
    """Fits low + (high − low) / (1 + exp(−(x − m) / s)) over x = log10(1 + step), and over x = step.

    Args:
        step: ascending.
        value: finite.

    Returns:
        None with fewer than eight rows, a constant curve, or a fit that explains less than half of its variance.
    """
    if len(step) < 8 or not np.ptp(value) > 0:
        return None
    axis = np.log10(1 + step)
    over_log, over_steps = _fit(axis, value), _fit(step, value)
    if over_log is None or over_steps is None or over_log[2] < 0.5:
        return None
    middle, scale, r2 = over_log
    start, end = 10 ** (middle - TO_90 * scale / 2) - 1, 10 ** (middle + TO_90 * scale / 2) - 1
    return Width(10**middle - 1, start, end, TO_90 * scale, TO_90 * over_steps[1], r2)


def _fit(x: NDArray[np.float64], value: NDArray[np.float64]) -> tuple[float, float, float] | None:
    """Middle, scale and share of variance explained."""
    from scipy.optimize import least_squares
    from scipy.special import expit

    low, span = x[0], x[-1] - x[0]
    x = (x - low) / span
    if len(x) > ROWS:
        kept = np.unique(np.searchsorted(x, np.linspace(0, 1, ROWS)).clip(max=len(x) - 1))
        x, value = x[kept], value[kept]
    # rows are dense where the log is: each counts for the stretch of the axis that it stands for
    weight = np.sqrt(np.gradient(x).clip(min=0))
    first, last = np.median(value[: max(1, len(x) // 10)]), np.median(value[-max(1, len(x) // 10) :])
    if first == last:
        return None
    half = int(np.argmax((value >= (first + last) / 2) == (last > first)))

    def wrong(p: NDArray[np.float64]) -> NDArray[np.float64]:
        return weight * (p[0] + p[1] * expit((x - p[2]) / np.exp(p[3])) - value)

    start = np.array([first, last - first, x[half], math.log(0.03)])
    bounds = ([-np.inf, -np.inf, -0.5, -12], [np.inf, np.inf, 1.5, 1])
    fit = least_squares(
        wrong, start, bounds=bounds, x_scale=[abs(last - first), abs(last - first), 0.1, 1], max_nfev=200
    )
    mean = np.average(value, weights=weight**2)
    total = float(np.sum((weight * (value - mean)) ** 2))
    if total <= 0:
        return None
    return float(low + span * fit.x[2]), float(span * np.exp(fit.x[3])), 1 - float(np.sum(fit.fun**2)) / total
