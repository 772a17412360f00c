"""Running means and slopes of a logged curve, and its noise, at a constant cost a row."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

SHARE = 0.05
"""A window goes back over this share of the steps so far: events are looked for on a logarithmic axis."""


class Point(NamedTuple):
    """A window's middle, mean and slope, with the steps it goes from and to."""

    centre: float
    mean: float
    slope: float
    first: int
    last: int
    rows: int


class Smooth:
    """The windows of a curve that is fed row by row.

    Args:
        least: rows that a window has at least.
    """

    def __init__(self, least: int) -> None:
        self.least = least
        self.steps: list[int] = []
        self.values: list[float] = []
        self._value_sums = [0.0]
        self._step_sums = [0]
        self._low = 0

    def add(self, step: int, value: float) -> Point | None:
        """The window that ends with this row; None before there are `least` rows, or where the value is not finite."""
        if not math.isfinite(value):
            return None
        self.steps.append(step)
        self.values.append(value)
        self._value_sums.append(self._value_sums[-1] + value)
        self._step_sums.append(self._step_sums[-1] + step)
        end = len(self.steps)
        while end - self._low > self.least and self.steps[self._low + 1] <= (1 - SHARE) * step:
            self._low += 1
        low, rows = self._low, end - self._low
        if rows < self.least:
            return None
        half = rows // 2
        rise = self._mean(self._value_sums, end - half, end) - self._mean(self._value_sums, low, low + half)
        run = self._mean(self._step_sums, end - half, end) - self._mean(self._step_sums, low, low + half)
        mean, centre = self._mean(self._value_sums, low, end), self._mean(self._step_sums, low, end)
        return Point(centre, mean, rise / run, self.steps[low], step, rows)

    @staticmethod
    def _mean(sums: Sequence[float], low: int, high: int) -> float:
        return (sums[high] - sums[low]) / (high - low)

    def noise_between(self, first: float, last: float, least: int = 40) -> float:
        """Standard deviation of the noise of the rows between two steps, and of some before where these are few."""
        low = int(np.searchsorted(self.steps, first))
        high = int(np.searchsorted(self.steps, last, side="right"))
        return noise(self.values[max(0, min(low, high - least)) : high])


def noise(values: Sequence[float]) -> float:
    """Standard deviation of what is no trend, from the median of absolute second differences; 0 of too few rows.

    Second differences of independent noise have √6 of its standard deviation; those of a smooth curve are small.
    """
    if len(values) < 12:
        return 0.0
    second = np.diff(np.asarray(values, dtype=float), 2)
    second = second[np.isfinite(second)]
    return float(1.4826 * np.median(np.abs(second)) / math.sqrt(6)) if len(second) else 0.0
