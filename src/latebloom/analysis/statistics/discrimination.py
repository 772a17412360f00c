"""How well a number ranks runs: AUROC for whether, Harrell's C for when, with seeds as the unit.

Both are shares of pairs of runs that the number puts in the right order: one half is chance, ties count half.
The larger number is said to foretell the event, or the sooner event; a share below one half says the opposite.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from latebloom.analysis.statistics.bootstrap import DRAWS, interval
from latebloom.analysis.statistics.times import Floats, Times
from latebloom.errors import LatebloomError

Bools = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pairs of runs whose order is known, and the number that is to tell it.

    Attributes:
        score: the number, shape (run); NaN where it is not known, whose pairs do not count.
        first: whether run i comes before run j, shape (run, run).
        seed: shape (run).
        group: the setting of each run, shape (run).
    """

    score: Floats
    first: Bools
    seed: NDArray[np.int64]
    group: NDArray[np.int64]

    def within(self) -> Pairs:
        """Only pairs of one setting: what the setting alone tells counts no longer."""
        return Pairs(self.score, self.first & (self.group[:, None] == self.group), self.seed, self.group)


@dataclass(frozen=True)
class Share:
    """A share of pairs in the right order.

    Attributes:
        value: the share; NaN where there are no pairs.
        low: lower end of the percentile interval over seeds drawn anew; NaN where nothing could be drawn.
        high: its upper end.
        pairs: how many count.
        drawn: the share of draws that had pairs; the interval is that of these.
    """

    value: float
    low: float
    high: float
    pairs: int
    drawn: float


def by_outcome(score: Floats, came: Bools, seed: NDArray[np.int64], group: NDArray[np.int64]) -> Pairs:
    """Pairs of a run in which an event came and one in which it did not: their share is the AUROC.

    The Mann–Whitney form of the area (Hanley and McNeil 1982).

    Raises:
        LatebloomError: the event came in all runs whose number is known, or in none.
    """
    known = came[~np.isnan(score)]
    if known.all() or not known.any():
        raise LatebloomError(
            f"expected runs with the event and runs without it, got {int(known.sum())} of {len(known)} with it: "
            "take another moment, a longer budget or settings that differ more"
        )
    return Pairs(score, came[:, None] & ~came, seed, group)


def by_time(score: Floats, times: Times, group: NDArray[np.int64]) -> Pairs:
    """Pairs of which one is known to come first: their share is Harrell's C (Harrell et al. 1982).

    A run whose event was seen comes before one whose event was seen later, or that was looked at as long without it.
    Pairs of equal times, and of a run that was censored before the other's event, do not count.
    """
    known, seen = times.known, times.seen
    later = (known[:, None] < known) | ((known[:, None] == known) & ~seen)
    return Pairs(score, seen[:, None] & later, times.seed, group)


def share(pairs: Pairs, level: float = 0.95, draws: int = DRAWS) -> Share:
    """The share of pairs in the right order, with its bootstrap interval over seeds.

    A seed's runs are drawn together, as `seed_bootstrap` does: settings are given, seeds are the sample. A run
    that is drawn twice is no pair with itself. Not DeLong's interval, which takes runs as independent.
    """
    right, counted = _right(pairs)
    if not counted.any():
        return Share(*[float("nan")] * 3, pairs=0, drawn=0.0)
    seeds, place = np.unique(pairs.seed, return_inverse=True)
    random = np.random.default_rng(0)
    chosen = random.multinomial(len(seeds), np.full(len(seeds), 1 / len(seeds)), size=draws)
    weight = chosen[:, place].astype(np.float64)
    total = np.einsum("di,ij,dj->d", weight, counted, weight, optimize=True)
    won = np.einsum("di,ij,dj->d", weight, right, weight, optimize=True)
    usable = total > 0
    low, high = interval(won[usable] / total[usable], level)
    value = float(right.sum() / counted.sum())
    return Share(value, low, high, int(counted.sum()), float(usable.mean()))


def permuted(pairs: Pairs, draws: int = DRAWS) -> float:
    """Two-sided p-value that the number says nothing within a setting.

    The numbers are dealt anew among the seeds of a setting, in all settings by one permutation, so that what a seed
    does to several settings stays together. (1 + draws at least as far from one half) / (1 + draws); NaN without pairs.
    """
    right, counted = _right(pairs)
    if not counted.any():
        return float("nan")
    seeds, place = np.unique(pairs.seed, return_inverse=True)
    groups, of = np.unique(pairs.group, return_inverse=True)
    table = np.full((len(seeds), len(groups)), np.nan)
    table[place, of] = pairs.score
    random = np.random.default_rng(0)
    seen = abs(right.sum() / counted.sum() - 0.5)
    extreme = 0
    for _ in range(draws):
        dealt = table[random.permutation(len(seeds))][place, of]
        won, total = _right(Pairs(dealt, pairs.first, pairs.seed, pairs.group))
        # a deal without a pair says nothing, and must not count as evidence
        extreme += not total.any() or abs(won.sum() / total.sum() - 0.5) >= seen - 1e-12
    return (1 + extreme) / (1 + draws)


def _right(pairs: Pairs) -> tuple[Floats, Floats]:
    """For each pair, whether it is in the right order (one half in a tie) and whether it counts, shape (run, run)."""
    score, known = pairs.score, ~np.isnan(pairs.score)
    counted = (pairs.first & known[:, None] & known).astype(np.float64)
    with np.errstate(invalid="ignore"):
        above = (score[:, None] > score) + 0.5 * (score[:, None] == score)
    return counted * above, counted
