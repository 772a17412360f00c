"""One threshold of one measure, fed evaluation by evaluation, while a run goes on or when it is read back."""

from __future__ import annotations

import operator
from collections import deque

from latebloom.analysis.events import SUSTAINED, Crossing, Sign
from latebloom.analysis.smooth import noise

MEMORY = 40
"""Evaluations before the crossing from which the noise is estimated."""

DEVIATIONS = 3.0
"""Standard deviations of the noise by which a value lies clearly on one side of the threshold."""


class Watch:
    """Waits for a measure to reach a threshold (or to fall below it) in some evaluations in a row.

    Args:
        threshold: the value to reach.
        sustained: evaluations in a row.
        sign: "≥" or "<".
    """

    def __init__(self, threshold: float, sustained: int = SUSTAINED, sign: Sign = "≥") -> None:
        self.threshold, self.sustained, self.sign = threshold, sustained, sign
        self._holds = operator.lt if sign == "<" else operator.ge
        self._recent: deque[tuple[int, float]] = deque(maxlen=MEMORY + sustained)
        self._first: int | None = None
        self._count = 0
        self._last: int | None = None
        self._done: Crossing | None = None

    def add(self, step: int, value: float) -> None:
        """One evaluation; steps ascend, and NaN counts as not reached."""
        self._last = step
        if self._done is not None:
            return
        self._recent.append((step, value))
        if not self._holds(value, self.threshold):
            self._count = 0
            return
        if self._count == 0:
            self._first = step
        self._count += 1
        if self._count == self.sustained and self._first is not None:
            self._done = Crossing(self.threshold, self._first, self._interval(self._first))
            self._recent.clear()

    @property
    def step(self) -> int | None:
        """The step of the crossing, once it is sure."""
        return None if self._done is None else self._done.step

    @property
    def found(self) -> Crossing:
        """What is known so far: the crossing, or the step at which it is censored, with the reason."""
        if self._done is not None:
            return self._done
        if self._last is None:
            return Crossing(self.threshold, censored_at=0, reason="nothing was logged")
        if self._count:
            why = f"reached at step {self._first}, but seen only {self._count} times in a row, not {self.sustained}"
        else:
            why = f"not reached up to step {self._last}; what comes later is not known (censored)"
        return Crossing(self.threshold, censored_at=self._last, reason=why)

    def _interval(self, first: int) -> tuple[int, int]:
        rows = list(self._recent)
        place = next(i for i, (step, _) in enumerate(rows) if step == first)
        clear = DEVIATIONS * noise([value for _, value in rows])
        away = -clear if self.sign == "≥" else clear
        low = place - 1
        while low > 0 and self._holds(rows[low][1], self.threshold + away):
            low -= 1
        high = place
        while high < len(rows) - 1 and not self._holds(rows[high][1], self.threshold - away):
            high += 1
        return rows[max(low, 0)][0], rows[high][0]
