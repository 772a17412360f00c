"""A sharp change of a curve: from when to when it goes at a good part of its greatest rate."""

from __future__ import annotations

import math

from latebloom.analysis.events import SUSTAINED, Crossing
from latebloom.analysis.smooth import Point, Smooth

LEAST_ROWS = 6
BEGINS, ENDS = 0.5, 0.1
"""Shares of the greatest rate at which a surge begins and ends.

On the published mainline of Nanda et al. 2023 they give the borders of their cleanup; they were chosen with its table
in view, so that the mainline does not test them.
"""
OTHER_BEGINS, OTHER_ENDS = (0.25, 0.75), (0.05, 0.2)
LEAST = 0.1
"""The least total change that counts."""


def rules(measure: str, verb: str, where: str) -> tuple[str, str]:
    """The rules for a surge's beginning and end, in words.

    Args:
        measure: its name.
        verb: "falls" or "rises".
        where: where its fastest stretch is looked for.
    """
    fastest = f"{measure} {verb} fastest somewhere {where} (its logarithm, running mean)"
    began = f"{fastest}; back from there, where it last went less than {BEGINS:.0%} as fast"
    ended = f"{fastest}; on from there, where it first goes less than {ENDS:.0%} as fast"
    return f"{began}; it {verb} by {LEAST:.0%} or more", f"{ended}, in {SUSTAINED} evaluations in a row"


class Surge:
    """Waits for a curve to change sharply, and then to come to rest.

    The rate is the slope of the running mean. Its greatest value is looked for from a given step on (`open`); the surge
    begins before it, where the rate last rose above half of it, and ends after it where it falls below a tenth.

    Args:
        down: whether a fall is looked for.
        log: whether the logarithm is followed, so that rates and changes are relative ones.
    """

    def __init__(self, down: bool, log: bool) -> None:
        self._sign, self._log = (-1.0 if down else 1.0), log
        self._smooth = Smooth(LEAST_ROWS)
        self._points: list[Point] = []
        self._opened: int | None = None
        self._floor = 0
        self._peak = -1
        self._counts: dict[float, int] = {}
        self._ends: dict[float, int] = {}

    def add(self, step: int, value: float) -> None:
        """One evaluation; what is no number (or not positive where the logarithm is followed) is passed over."""
        if self._log:
            value = math.log(value) if 0 < value < math.inf else math.nan
        point = self._smooth.add(step, value)
        if point is not None:
            self._points.append(point)
            if self._opened is not None and point.centre >= self._opened:
                self._look(len(self._points) - 1)

    def open(self, step: int, floor: int = 0) -> None:
        """The greatest rate is looked for from this step on; the surge does not begin before `floor`."""
        if self._opened is None:
            self._opened, self._floor = step, floor
            for place, point in enumerate(self._points):
                if point.centre >= step:
                    self._look(place)

    def _look(self, place: int) -> None:
        rate = self._rate(place)
        if ENDS not in self._ends and (self._peak < 0 or rate > self._rate(self._peak)):
            self._peak, self._counts, self._ends = place, {}, {}
            return
        for share in (BEGINS, ENDS, *OTHER_ENDS):
            if share not in self._ends:
                count = self._counts.get(share, 0)
                self._counts[share] = count + 1 if rate < share * self._rate(self._peak) else 0
                if self._counts[share] == SUSTAINED:
                    self._ends[share] = place - SUSTAINED + 1

    def _rate(self, place: int) -> float:
        return self._sign * self._points[place].slope

    @property
    def logged(self) -> bool:
        """Whether there was anything to follow."""
        return bool(self._smooth.steps)

    @property
    def change(self) -> float:
        """How much it has changed from the surge's beginning on: as a share where the logarithm is followed."""
        if self._peak < 0:
            return 0.0
        last = self._ends.get(ENDS, len(self._points) - 1)
        by = self._points[last].mean - self._points[self._begin(BEGINS)[0]].mean
        return self._sign * (math.expm1(by) if self._log else by)

    def started(self, share: float = BEGINS) -> Crossing:
        """When the surge began: known once its rate has clearly gone down again."""
        if why := self._lacking():
            return Crossing(share, censored_at=self._last, reason=why)
        if BEGINS not in self._ends and ENDS not in self._ends:
            why = f"under way at step {self._last}: its fastest stretch may still come"
            return Crossing(share, censored_at=self._last, reason=why)
        place, bounded = self._begin(share)
        at = round(max(self._points[place].centre, self._floor if bounded else 0))
        return Crossing(share, at, self._interval(place, share))

    def ended(self, share: float = ENDS) -> Crossing:
        """When the surge came to rest."""
        if why := self._lacking():
            return Crossing(share, censored_at=self._last, reason=why)
        if share not in self._ends:
            now = self._rate(len(self._points) - 1) / self._rate(self._peak)
            why = f"at step {self._last} it still went {max(now, 0):.0%} as fast as at its fastest"
            return Crossing(share, censored_at=self._last, reason=why)
        place = self._ends[share]
        return Crossing(share, round(self._points[place].centre), self._interval(place, share))

    @property
    def _last(self) -> int:
        return self._smooth.steps[-1] if self._smooth.steps else 0

    def _lacking(self) -> str:
        if self._peak < 0:
            return f"up to step {self._last} there was nothing after which to look for it"
        if not self.change >= LEAST:
            word = "fell" if self._sign < 0 else "rose"
            by = self._said(self.change if self.change > 0 else 0.0)
            return f"up to step {self._last} it {word} by {by} only, not {self._said(LEAST)}"
        return ""

    def _said(self, change: float) -> str:
        return f"{change:.1%}" if self._log else f"{change:.2g}"

    def _begin(self, share: float) -> tuple[int, bool]:
        """The first place before the peak from which on the rate is above the share, and whether the floor cut it."""
        place = self._peak
        while place > 0 and self._rate(place - 1) >= share * self._rate(self._peak):
            if self._points[place - 1].centre < self._floor:
                return place, True
            place -= 1
        return place, False

    def _interval(self, place: int, share: float) -> tuple[int, int]:
        """The windows around a place in which the rate is not clearly on one side of the share."""
        point, level = self._points[place], share * self._rate(self._peak)
        spread = self._smooth.noise_between(point.first, point.last)
        # a slope is the difference of two means over half of the rows each, half of the window apart
        clear = 3 * spread * math.sqrt(4 / point.rows) / max((point.last - point.first) / 2, 1e-9)
        low = high = place
        while low > 0 and abs(self._rate(low - 1) - level) <= clear:
            low -= 1
        while high < len(self._points) - 1 and abs(self._rate(high + 1) - level) <= clear:
            high += 1
        return self._points[low].first, self._points[high].last
