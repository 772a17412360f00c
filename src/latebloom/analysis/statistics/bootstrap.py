"""Intervals by drawing seeds anew: a seed decides split and initial weights, and its runs go together."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from latebloom.analysis.statistics.times import Floats, Times

DRAWS = 2000
"""Bootstrap samples: the ends of a 95 % interval then repeat to a few per cent of its width."""


def seed_bootstrap(
    groups: Sequence[Times], statistic: Callable[[list[Times]], Sequence[float]], draws: int = DRAWS
) -> Floats:
    """A statistic of groups of runs under seeds drawn with replacement.

    Where groups share seeds, one draw serves them all, so that what a seed does to every group cancels in ratios.

    Args:
        groups: runs of one setting each.
        statistic: of the drawn groups; none of them is empty.
        draws: how often.

    Returns:
        Shape (draw, value); NaN in draws that left a group empty. The same groups give the same draws.
    """
    seeds = np.unique(np.concatenate([group.seed for group in groups]))
    places = [[np.flatnonzero(group.seed == seed) for seed in seeds] for group in groups]
    random = np.random.default_rng(0)
    rows: list[Sequence[float] | None] = []
    for _ in range(draws):
        chosen = random.integers(len(seeds), size=len(seeds))
        taken = [group.take(np.concatenate([of[i] for i in chosen])) for group, of in zip(groups, places, strict=True)]
        rows.append(statistic(taken) if all(map(len, taken)) else None)
    width = max((len(row) for row in rows if row is not None), default=1)
    return np.array([[np.nan] * width if row is None else row for row in rows], dtype=np.float64)


def interval(drawn: Floats, level: float) -> tuple[float, float]:
    """The percentile interval; an end may be infinite, and both are NaN when nothing was drawn.

    Quantiles are values that were drawn: between a step and infinity nothing can be interpolated.
    """
    drawn = drawn[~np.isnan(drawn)]
    if not len(drawn):
        return float("nan"), float("nan")
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2], method="inverted_cdf")
    return float(low), float(high)
