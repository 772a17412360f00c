"""Levels at which a curve stays for long, and the rises and falls between them."""

from __future__ import annotations

import math
import statistics
from collections import deque
from dataclasses import dataclass

MEDIAN = 5
"""Rows over whose median a spike is no change of level."""
FLAT = 0.04
"""The most by which a curve on one level differs within it."""
ROWS, LONG = 12, 1.25
"""A plateau has so many rows at least, and ends at so many times the step at which it began, or later."""
APART = 0.1
"""The least difference between two levels."""


@dataclass(frozen=True)
class Plateau:
    """A level at which the curve stayed.

    Attributes:
        start: the first step on it.
        end: the last one, so far.
        level: the middle between its least and greatest value.
    """

    start: int
    end: int
    level: float


class Plateaus:
    """Cuts a curve into levels as it comes: a stretch lasts until its values are more than `FLAT` apart."""

    def __init__(self) -> None:
        self._recent: deque[tuple[int, float]] = deque(maxlen=MEDIAN)
        self._stretch: list[float] = []
        self._closed: list[Plateau] = []
        self._start = self._last = self._rows = 0
        self._low, self._high = math.inf, -math.inf

    def add(self, step: int, value: float) -> None:
        """One evaluation; what is no number is passed over."""
        if not math.isfinite(value):
            return
        self._recent.append((step, value))
        if len(self._recent) < MEDIAN:
            return
        step, value = self._recent[MEDIAN // 2][0], statistics.median(v for _, v in self._recent)
        low, high = min(self._low, value), max(self._high, value)
        if high - low > FLAT or not self._rows:
            self._close()
            self._start, self._rows, low, high = step, 0, value, value
        self._low, self._high, self._last = low, high, step
        self._rows += 1

    def _close(self) -> None:
        self._closed = self._with_last()

    def _with_last(self) -> list[Plateau]:
        if self._rows < ROWS or self._last < LONG * self._start:
            return self._closed
        now = Plateau(self._start, self._last, (self._low + self._high) / 2)
        before = self._closed[-1] if self._closed else None
        if before is not None and abs(before.level - now.level) < APART:
            # the same level, left for a while or slowly drifting
            return [*self._closed[:-1], Plateau(before.start, now.end, now.level)]
        return [*self._closed, now]

    @property
    def found(self) -> list[Plateau]:
        """The plateaus so far, the one under way among them."""
        return self._with_last()
