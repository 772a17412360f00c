"""Kaplan–Meier curves of runs that have not yet memorised or grokked, their medians, and the log-rank test."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from latebloom.analysis.statistics.bootstrap import DRAWS, interval, seed_bootstrap
from latebloom.analysis.statistics.times import Floats, Times


@dataclass(frozen=True, eq=False)
class Curve:
    """The share of runs in which an event has not yet come (Kaplan and Meier 1958).

    Attributes:
        step: where the curve may fall, ascending; it holds from there to the next, shape (step).
        survival: the share after that step, shape (step).
        low: lower end of the pointwise interval, by Greenwood's variance on the log(−log) scale; NaN where it has none.
        high: its upper end.
        at_risk: runs looked at just before the step in which the event had not come, shape (step).
        level: of the interval.
    """

    step: Floats
    survival: Floats
    low: Floats
    high: Floats
    at_risk: Floats
    level: float

    def at(self, steps: Sequence[float]) -> Floats:
        """The share at any steps, shape (len(steps))."""
        place = np.searchsorted(self.step, np.asarray(steps, dtype=np.float64), side="right")
        return np.concatenate([[1.0], self.survival])[place]


@dataclass(frozen=True)
class Median:
    """When half of the runs have done it.

    Attributes:
        step: the first step at which the Kaplan–Meier curve is at or below a half; None when it never is.
        low: lower end of the interval over seeds; None when it lies beyond what was looked at.
        high: upper end, likewise.
        grid: the same median with every event at the low and at the high end of its log interval.
        runs: how many.
        seen: in how many of them the event was seen; the others are censored.
        reason: why there is no step, or no upper end.
    """

    step: float | None
    low: float | None
    high: float | None
    grid: tuple[float | None, float | None]
    runs: int
    seen: int
    reason: str = ""


@dataclass(frozen=True)
class LogRank:
    """The log-rank test that all groups have one and the same curve.

    Attributes:
        statistic: Σ (O−E)ᵀ V⁻¹ (O−E); χ² with `df` degrees of freedom under the hypothesis. None when not tested.
        df: groups − 1.
        p: two-sided.
        observed: events of each group.
        expected: events of each group that one common curve would give.
        reason: why it was not tested.
    """

    statistic: float | None
    df: int
    p: float | None
    observed: tuple[float, ...]
    expected: tuple[float, ...]
    reason: str = ""


def kaplan_meier(times: Times, level: float = 0.95) -> Curve:
    """The curve of one group of runs; an event counts at the step at which the log shows it."""
    if not len(times):
        return Curve(*(np.empty(0) for _ in range(5)), level=level)
    sample = stats.CensoredData(uncensored=times.high[times.seen], right=times.low[~times.seen])
    found = stats.ecdf(sample).sf
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # it warns wherever an interval does not exist, and we say NaN
        bounds = found.confidence_interval(level, method="log-log")
    low, high = bounds.low.probabilities.copy(), bounds.high.probabilities.copy()
    # at 0 and 1 Greenwood's variance is 0 and would pretend that a few runs prove it
    sure = (found.probabilities <= 0) | (found.probabilities >= 1)
    low[sure], high[sure] = np.nan, np.nan
    risk = np.array([np.sum(times.known >= step) for step in found.quantiles], dtype=np.float64)
    return Curve(found.quantiles, found.probabilities, low, high, risk, level)


def median_step(known: Floats, seen: np.ndarray) -> float:
    """The Kaplan–Meier median; infinite when the curve stays above a half."""
    order = np.lexsort((~seen, known))  # at one step, events come before censorings
    known, seen = known[order], seen[order]
    left = len(known) - np.arange(len(known))
    curve = np.cumprod(np.where(seen, 1 - 1 / left, 1.0))
    # 1/2 is met exactly by even numbers of runs, and must not be missed for rounding
    below = np.flatnonzero(curve <= 0.5 + 1e-12)
    return float(known[below[0]]) if len(below) else float("inf")


def median(times: Times, level: float = 0.95, draws: int = DRAWS) -> Median:
    """The median with its percentile interval over bootstrapped seeds.

    With n seeds the interval cannot be wider than their range, so that of fewer than about 8 is too narrow.
    """
    if not len(times):
        return Median(None, None, None, (None, None), 0, 0, "no runs")
    middle = median_step(times.known, times.seen)
    drawn = seed_bootstrap([times], lambda groups: [median_step(groups[0].known, groups[0].seen)], draws)
    low, high = interval(drawn[:, 0], level)
    ends = (median_step(end, times.seen) for end in (np.where(times.seen, times.low, times.known), times.known))
    early, late = (_finite(end) for end in ends)
    reason = ""
    if not np.isfinite(middle):
        reason = f"seen in {int(times.seen.sum())} of {len(times)} runs up to step {times.known.max():g}: censored"
    elif not np.isfinite(high):
        reason = "the upper end lies beyond the last step looked at"
    seen = int(times.seen.sum())
    return Median(_finite(middle), _finite(low), _finite(high), (early, late), len(times), seen, reason)


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def logrank(groups: Sequence[Times]) -> LogRank:
    """The log-rank test over two or more groups (Mantel 1966, with the hypergeometric variance for ties).

    Runs count as independent, those of one seed in two groups too.
    """
    known = np.concatenate([group.known for group in groups]) if groups else np.empty(0)
    seen = np.concatenate([group.seen for group in groups]) if groups else np.empty(0, dtype=bool)
    of = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
    observed = np.zeros(len(groups))
    expected = np.zeros(len(groups))
    variance = np.zeros((len(groups), len(groups)))
    for step in np.unique(known[seen]):
        risk = np.bincount(of[known >= step], minlength=len(groups)).astype(np.float64)
        events = np.bincount(of[seen & (known == step)], minlength=len(groups)).astype(np.float64)
        n, d = risk.sum(), events.sum()
        observed += events
        expected += d * risk / n
        if n > 1:
            share = risk / n
            variance += d * (n - d) / (n - 1) * (np.diag(share) - np.outer(share, share))
    df = len(groups) - 1
    told = (tuple(observed.tolist()), tuple(expected.tolist()))
    rank = int(np.linalg.matrix_rank(variance)) if len(groups) else 0
    if df < 1 or rank < df:
        why = "one group only" if df < 1 else "no step at which an event was seen had runs at risk in every group"
        return LogRank(None, max(df, 0), None, *told, reason=why)
    excess = (observed - expected)[:-1]
    statistic = float(excess @ np.linalg.solve(variance[:-1, :-1], excess))
    return LogRank(statistic, df, float(stats.chi2.sf(statistic, df)), *told)
