"""A second opinion on events: change points that know nothing of the rules, by ruptures (extra `stats`).

A threshold's crossing is set against the one change of level that explains the curve best (least squares), a turn
against the one change of slope of its logarithm, a sharp change against the two changes of level of its rate. Each
looks at the curve on the axis log10(1 + step), from a fourth of the event's step to four times it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from latebloom.analysis.events import Event, Opinion
from latebloom.analysis.widths import AROUND
from latebloom.errors import LatebloomError, installing

if TYPE_CHECKING:
    import polars

POINTS = 240
"""Points of the grid on which change points are looked for."""

LEVEL, SLOPE, RATE = (
    "ruptures: one change of level",
    "ruptures: one change of slope of the logarithm",
    "ruptures: two changes of the logarithm's rate",
)


def with_second_opinions(events: list[Event], scalars: polars.DataFrame) -> list[Event]:
    """The events with a second opinion each, where they were found.

    Raises:
        LatebloomError: ruptures is not installed.
    """
    ruptures = _ruptures()
    return [replace(event, second=_opinion(event, scalars, ruptures)) for event in events]


def _ruptures() -> Any:
    try:
        import ruptures
    except ImportError as error:
        raise LatebloomError(
            f"change points need ruptures, which is not installed: {installing('stats')}, or do without the second "
            "opinion"
        ) from error
    return ruptures


def _opinion(event: Event, scalars: polars.DataFrame, ruptures: Any) -> Opinion | None:
    step = event.found.step
    if step is None or event.measure not in scalars.columns:
        return None
    rows = scalars.select("step", event.measure).drop_nulls()
    steps, value = rows["step"].to_numpy().astype(float), rows[event.measure].to_numpy().astype(float)
    logs = event.sign in ("×", "of peak") or "loss" in event.measure
    if logs:
        value = np.log(np.where(value > 0, value, np.nan))
    near = (steps >= step / AROUND) & (steps <= step * AROUND) & np.isfinite(value)
    method = {"×": SLOPE, "of peak": RATE}.get(event.sign, LEVEL)
    if near.sum() < 12:
        return Opinion(method, reason="too few rows around the event")
    axis, curve = _grid(steps[near], value[near], linear=event.sign == "of peak")
    if event.sign == "of peak":
        places = _breaks(ruptures, "l2", np.gradient(curve, axis), 2)
        place = places[0] if event.name.endswith("started") else places[-1]
        return Opinion(method, round(axis[place]))
    place = _breaks(ruptures, "clinear" if event.sign == "×" else "l2", curve, 1)[0]
    return Opinion(method, round(10 ** axis[place] - 1))


def _grid(step: NDArray[np.float64], value: NDArray[np.float64], linear: bool) -> tuple[NDArray[np.float64], ...]:
    """The curve on an even grid of steps, or of log10(1 + step)."""
    axis = step if linear else np.log10(1 + step)
    grid = np.linspace(axis[0], axis[-1], POINTS)
    return grid, np.interp(grid, axis, value)


def _breaks(ruptures: Any, model: str, curve: NDArray[np.float64], count: int) -> list[int]:
    found = ruptures.Dynp(model=model, min_size=3, jump=2).fit(curve.reshape(-1, 1)).predict(n_bkps=count)
    return [min(place, len(curve) - 1) for place in found[:-1]]
