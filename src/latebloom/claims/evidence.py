"""Numbers with intervals, the seed as the unit: what rules compare with their bounds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

LEVEL = 0.95


@dataclass(frozen=True)
class Number:
    """A value with its interval.

    Attributes:
        about: what it is, in words.
        value: NaN where there is none.
        low: lower end of the 95 % interval; None where it is open, both where there is no interval.
        high: upper end.
        runs: how many runs it is from.
        form: how it is written: a format of Python's, with % for shares.
    """

    about: str
    value: float
    low: float | None = None
    high: float | None = None
    runs: int = 0
    form: str = ".3g"

    def __format__(self, spec: str) -> str:
        if not math.isfinite(self.value):
            return "–"
        value, low, high = ("…" if x is None else self._one(x) for x in (self.value, self.low, self.high))
        return value if self.low is None and self.high is None else f"{value} [{low}, {high}]"

    def _one(self, x: float) -> str:
        if math.isinf(x):
            return "∞" if x > 0 else "−∞"
        text = f"{x:{self.form}}"
        # a number of steps is a whole one, however large
        return f"{x:,.0f}" if "e+" in text and abs(x) < 1e7 else text

    def above(self, bound: float) -> bool:
        """Whether the whole interval lies above the bound."""
        return self.low is not None and math.isfinite(self.value) and self.low > bound

    def below(self, bound: float) -> bool:
        """Whether the whole interval lies below the bound."""
        return self.high is not None and math.isfinite(self.value) and self.high < bound

    def within(self, low: float, high: float) -> bool:
        """Whether the whole interval lies between the bounds."""
        return self.above(low) and self.below(high)


def share(about: str, hits: Sequence[bool]) -> Number:
    """The share of runs in which something holds, with the exact interval of Clopper and Pearson (1934)."""
    n, k = len(hits), sum(map(bool, hits))
    if not n:
        return Number(about, math.nan, form=".0%")
    found = stats.binomtest(k, n).proportion_ci(LEVEL, "exact")
    return Number(about, k / n, float(found.low), float(found.high), n, ".0%")


def mean(about: str, values: Sequence[float], form: str = ".3g") -> Number:
    """The mean over runs with Student's interval; values that are no number are left out, and are not counted."""
    x = np.array([v for v in values if math.isfinite(v)], dtype=np.float64)
    if not len(x):
        return Number(about, math.nan, form=form)
    if len(x) < 2:
        return Number(about, float(x[0]), runs=1, form=form)
    half = float(stats.t.ppf((1 + LEVEL) / 2, len(x) - 1) * x.std(ddof=1) / math.sqrt(len(x)))
    return Number(about, float(x.mean()), float(x.mean()) - half, float(x.mean()) + half, len(x), form)


def ratio(about: str, over: Sequence[float], under: Sequence[float], form: str = ".3g") -> Number:
    """The geometric mean over runs of the quotients of two positive numbers of each run, with Student's interval."""
    pairs = [(a, b) for a, b in zip(over, under, strict=True) if a > 0 and b > 0 and math.isfinite(a * b)]
    logs = mean(about, [math.log(a / b) for a, b in pairs], form)
    low, high = (None if end is None else math.exp(end) for end in (logs.low, logs.high))
    return Number(about, math.exp(logs.value), low, high, logs.runs, form)


def middle(about: str, values: Sequence[float], form: str = ".3g") -> Number:
    """The median over runs with the exact interval between order statistics, which for few runs is their range."""
    x = np.sort(np.array([v for v in values if math.isfinite(v)], dtype=np.float64))
    if not len(x):
        return Number(about, math.nan, form=form)
    k = max(int(stats.binom.ppf((1 - LEVEL) / 2, len(x), 0.5)) - 1, 0)
    return Number(about, float(np.median(x)), float(x[k]), float(x[-1 - k]), len(x), form)
