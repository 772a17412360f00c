"""When a curve turns: its least value before a lasting rise, or its greatest before a lasting fall."""

from __future__ import annotations

import math

from latebloom.analysis.events import SUSTAINED, Crossing
from latebloom.analysis.smooth import Point, Smooth

LEAST_ROWS = 3
FLAT = 0.02
"""Relative difference from the extreme within which the place of a turn is not told apart, noise or not."""


class Turn:
    """Waits for a positive curve to leave its extreme by a factor.

    The extreme is that of the running mean of the logarithm, so that one low row is none.

    Args:
        factor: greater than 1.
        greatest: whether the turn is one from rising to falling.
    """

    def __init__(self, factor: float, greatest: bool = False) -> None:
        self.factor, self._sign = factor, -1.0 if greatest else 1.0
        self._smooth = Smooth(LEAST_ROWS)
        self._points: list[Point] = []
        self._best = -1
        self._count = 0
        self._done: Crossing | None = None

    def add(self, step: int, value: float) -> None:
        """One evaluation; what is no positive number is passed over."""
        if self._done is not None or not 0 < value < math.inf:
            return
        point = self._smooth.add(step, self._sign * math.log(value))
        if point is None:
            return
        self._points.append(point)
        best = self._points[self._best].mean if self._best >= 0 else math.inf
        if point.mean <= best:
            self._best, self._count = len(self._points) - 1, 0
            return
        self._count = self._count + 1 if point.mean >= best + math.log(self.factor) else 0
        if self._count == SUSTAINED:
            self._done = self._crossing()

    @property
    def logged(self) -> bool:
        """Whether there was anything to follow."""
        return bool(self._smooth.steps)

    @property
    def step(self) -> int | None:
        """The step of the turn, once it is sure."""
        return None if self._done is None else self._done.step

    @property
    def found(self) -> Crossing:
        """What is known so far."""
        if self._done is not None:
            return self._done
        if self._best < 0:
            return Crossing(self.factor, censored_at=0, reason="too few values were logged")
        best, last = self._points[self._best], self._points[-1]
        verb = "fell from its greatest value" if self._sign < 0 else "rose from its least value"
        by = math.exp(last.mean - best.mean)
        why = f"up to step {last.last} it {verb} (about step {best.centre:.0f}) by the factor {by:.3g} only"
        return Crossing(self.factor, censored_at=last.last, reason=why)

    def _crossing(self) -> Crossing:
        best, points = self._points[self._best], self._points
        spread = self._smooth.noise_between(points[0].first, points[-1].last, len(points))
        within = best.mean + max(math.log1p(FLAT), 4 * spread / math.sqrt(best.rows))
        low = high = self._best
        while low > 0 and points[low - 1].mean <= within:
            low -= 1
        while high < len(points) - 1 and points[high + 1].mean <= within:
            high += 1
        return Crossing(self.factor, round(best.centre), (points[low].first, points[high].last))
