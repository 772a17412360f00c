"""How large a difference between two settings is: the ratio of medians, and Cliff's delta."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from latebloom.analysis.statistics.bootstrap import DRAWS, interval, seed_bootstrap
from latebloom.analysis.statistics.survival import median_step
from latebloom.analysis.statistics.times import Times


@dataclass(frozen=True)
class Effect:
    """An effect size.

    Attributes:
        name: what it is, in words.
        value: None when it cannot be told.
        low: lower end of the interval; None when it cannot be told or is unbounded.
        high: upper end, likewise.
        level: of the interval.
        reason: why something is missing, or what was assumed.
    """

    name: str
    value: float | None
    low: float | None
    high: float | None
    level: float
    reason: str = ""


def ratio_of_medians(one: Times, other: Times, level: float = 0.95, draws: int = DRAWS) -> Effect:
    """Kaplan–Meier median of `one` over that of `other`, with the percentile interval over bootstrapped seeds."""
    name = "ratio of median steps"

    def ratio(groups: list[Times]) -> list[float]:
        above, below = (median_step(group.known, group.seen) for group in groups)
        return [above / below if np.isfinite(below) and below > 0 else np.nan]

    if not len(one) or not len(other):
        return Effect(name, None, None, None, level, "a setting has no runs")
    value = ratio([one, other])[0]
    if not np.isfinite(value):
        return Effect(
            name, None, None, None, level, "a median was not reached: more than half of the runs are censored"
        )
    drawn = seed_bootstrap([one, other], ratio, draws)[:, 0]
    low, high = interval(drawn, level)
    lost = int(np.isnan(drawn).sum())
    reason = f"{lost} of {draws} draws had no ratio and are left out" if lost else ""
    return Effect(name, value, low, high if np.isfinite(high) else None, level, reason)


def cliffs_delta(one: Times, other: Times, level: float = 0.95) -> Effect:
    """P(T₁ > T₂) − P(T₁ < T₂) over pairs of runs (Cliff 1993), with the asymmetric interval of Feng and Cliff 2004.

    A pair whose order censoring hides counts as a tie (as in Gehan 1965), and so does one whose log intervals overlap.
    Where one group lies wholly above the other the variance is 0; the interval is then Wilson's for as many
    independent pairs as the smaller group has runs.
    """
    name, n, m = "Cliff's delta", len(one), len(other)
    if n < 2 or m < 2:
        return Effect(name, None, None, None, level, f"expected two runs of each setting or more, got {n} and {m}")
    above = one.low[:, None] >= other.high[None, :]
    below = one.high[:, None] <= other.low[None, :]
    # events at one and the same step touch from both sides
    wins = above.astype(np.float64) - below.astype(np.float64)
    delta = float(wins.mean())
    z = float(stats.norm.ppf((1 + level) / 2))
    if abs(delta) == 1:
        size = min(n, m)
        inner = (size - z**2) / (size + z**2)
        low, high = (inner, 1.0) if delta > 0 else (-1.0, -inner)
    else:
        rows, columns = wins.mean(1) - delta, wins.mean(0) - delta
        pairs = float(((wins - delta) ** 2).sum())
        variance = (m**2 * float(rows @ rows) + n**2 * float(columns @ columns) - pairs) / (n * m * (n - 1) * (m - 1))
        variance = max(variance, (1 - delta**2) / (n * m - 1))
        spread = z * np.sqrt(variance) * np.sqrt((1 - delta**2) ** 2 + z**2 * variance)
        scale = 1 - delta**2 + z**2 * variance
        low, high = (delta - delta**3 - spread) / scale, (delta - delta**3 + spread) / scale
    hidden = int(((~one.seen)[:, None] & (~other.seen)[None, :]).sum())
    reason = f"{hidden} of {n * m} pairs count as ties: both runs are censored" if hidden else ""
    return Effect(name, delta, max(-1.0, float(low)), min(1.0, float(high)), level, reason)
