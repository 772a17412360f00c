"""An event's time at each value of an axis: medians, tests, effect sizes and the scaling fit, as one finding."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from latebloom.analysis.statistics.effects import Effect, cliffs_delta, ratio_of_medians
from latebloom.analysis.statistics.multiple import holm
from latebloom.analysis.statistics.scaling import ScalingFit, fit_power_law
from latebloom.analysis.statistics.survival import LogRank, Median, logrank, median
from latebloom.analysis.statistics.times import Floats, Times, times_of
from latebloom.shown import finding_table

if TYPE_CHECKING:
    import polars

LAWS = ("log-normal", "weibull")


@dataclass(frozen=True)
class Step:
    """Two neighbouring values of an axis compared.

    Attributes:
        one: the lower value.
        other: the higher value.
        ratio: median at the higher value over that at the lower.
        delta: Cliff's delta of the higher value over the lower.
        logrank: the log-rank test between both.
        p_holm: its p, adjusted by Holm's method for all neighbours of the axis; None when not tested.
    """

    one: Any
    other: Any
    ratio: Effect
    delta: Effect
    logrank: LogRank
    p_holm: float | None


@dataclass(frozen=True)
class ByAxis:
    """When an event came, by the values of one axis.

    Attributes:
        axis: its name.
        event: the event's name.
        values: of the axis, ascending.
        medians: one for each value.
        logrank: the test that all values have one curve.
        steps: neighbouring values compared.
        fits: a power law in the axis with each law of the noise; none where the axis is not of numbers.
        pooled: other axes that vary within each value.
    """

    axis: str
    event: str
    values: tuple[Any, ...]
    medians: tuple[Median, ...]
    logrank: LogRank
    steps: tuple[Step, ...]
    fits: tuple[ScalingFit, ...]
    pooled: tuple[str, ...]

    _repr_html_ = finding_table

    def to_json(self) -> dict[str, Any]:
        """The finding as plain data."""
        return asdict(self)


def by_axis(frame: polars.DataFrame, axis: str, event: str, axes: tuple[str, ...] = ()) -> ByAxis:
    """Compares the values of an axis.

    Args:
        frame: one row a run, as `times_of` reads it, with a column for each axis.
        axis: the axis' column.
        event: "memorised", "grokked".
        axes: all axes of the study, to say which vary within each value.

    Raises:
        LatebloomError: there is no such event.
    """
    values = tuple(frame[axis].unique().sort().to_list())
    groups = [times_of(frame.filter(frame[axis] == value), event) for value in values]
    pooled = tuple(name for name in axes if name != axis and frame[name].n_unique() > 1)
    return ByAxis(
        axis,
        event,
        values,
        tuple(median(group) for group in groups),
        logrank(groups),
        _steps(values, groups),
        _fits(groups, values, axis),
        pooled,
    )


def fit_all(frame: polars.DataFrame, axes: tuple[str, ...], event: str) -> tuple[ScalingFit, ...]:
    """A power law in all axes of numbers at once, for studies of several."""
    numbers = [axis for axis in axes if frame[axis].dtype.is_numeric() and frame[axis].n_unique() > 1]
    known = frame.filter(frame[f"{event}.step"].is_not_null() | frame[f"{event}.censored_at"].is_not_null())
    x: Mapping[str, Floats] = {axis: known[axis].cast(float).to_numpy() for axis in numbers}
    return tuple(fit_power_law(times_of(known, event), x, law) for law in LAWS) if numbers else ()


def _steps(values: tuple[Any, ...], groups: list[Times]) -> tuple[Step, ...]:
    pairs = list(zip(values, values[1:], groups, groups[1:], strict=False))
    tests = [logrank([one, other]) for _, _, one, other in pairs]
    adjusted = holm([math.nan if test.p is None else test.p for test in tests])
    return tuple(
        Step(a, b, ratio_of_medians(other, one), cliffs_delta(other, one), test, None if math.isnan(p) else float(p))
        for (a, b, one, other), test, p in zip(pairs, tests, adjusted, strict=True)
    )


def _fits(groups: list[Times], values: tuple[Any, ...], axis: str) -> tuple[ScalingFit, ...]:
    if not all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return ()
    together = Times(*(np.concatenate([getattr(g, name) for g in groups]) for name in ("low", "high", "seed")))
    x = np.repeat(np.array(values, dtype=np.float64), [len(group) for group in groups])
    return tuple(fit_power_law(together, {axis: x}, law) for law in LAWS)
