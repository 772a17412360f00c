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
    i, j = _counted(pairs)
    return _drawn(_right(pairs.score[i], pairs.score[j]), _times_drawn(pairs, i, j, draws), level)


def edge(one: Pairs, other: Pairs, level: float = 0.95, draws: int = DRAWS) -> Share:
    """By how much one number's share is better than another's, over the pairs that both know.

    Each is turned so that its share is at least one half over these pairs, which flatters both. A seed is drawn for
    both at once, so that what it does to both cancels.

    Args:
        one: pairs of some runs.
        other: the same runs and order with another number.
        level: of the interval.
        draws: bootstrap samples.

    Raises:
        LatebloomError: they are not of the same runs in the same order.
    """
    if not np.array_equal(one.first, other.first):
        raise LatebloomError("expected two numbers of the same runs, got different pairs: judge them at one moment")
    both = Pairs(np.where(np.isnan(other.score), np.nan, one.score), one.first, one.seed, one.group)
    i, j = _counted(both)
    rights = [_right(pairs.score[i], pairs.score[j]) for pairs in (one, other)]
    turned = [1 - right if len(right) and right.mean() < 0.5 else right for right in rights]
    return _drawn(turned[0] - turned[1], _times_drawn(both, i, j, draws), level)


def permuted(pairs: Pairs, draws: int = DRAWS) -> float:
    """Two-sided p-value that the number says nothing within a setting.

    The numbers are dealt anew among the seeds of a setting, in all settings by one permutation, so that what a seed
    does to several settings stays together. (1 + draws at least as far from one half) / (1 + draws); NaN without pairs.

    Args:
        pairs: of runs of which no two have the same seed and setting.
        draws: permutations.
    """
    i, j = _counted(pairs)
    if not len(i):
        return float("nan")
    seeds, place = np.unique(pairs.seed, return_inverse=True)
    groups, of = np.unique(pairs.group, return_inverse=True)
    table = np.full((len(seeds), len(groups)), np.nan)
    table[place, of] = pairs.score
    random = np.random.default_rng(0)
    order = random.permuted(np.tile(np.arange(len(seeds)), (draws, 1)), axis=1)
    dealt = table[order[:, place], of]
    i, j = np.nonzero(pairs.first)
    first, second = dealt[:, i], dealt[:, j]
    # a pair of which one number is not known is neither larger nor equal nor smaller
    larger, equal = (first > second).sum(axis=1), (first == second).sum(axis=1)
    known = larger + equal + (first < second).sum(axis=1)
    off = np.abs((larger + 0.5 * equal) / np.maximum(known, 1) - 0.5)
    seen = abs(np.nanmean(_right(pairs.score[i], pairs.score[j])) - 0.5)
    # a deal that leaves no pair says nothing, and must not count as evidence
    extreme = int(((off >= seen - 1e-12) | (known == 0)).sum())
    return (1 + extreme) / (1 + draws)


def _counted(pairs: Pairs) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The first and the second run of each pair whose numbers are known, shape (pair)."""
    known = ~np.isnan(pairs.score)
    first, second = np.nonzero(pairs.first & known[:, None] & known)
    return first, second


def _right(first: Floats, second: Floats) -> Floats:
    """1 where the first is larger, 0 where the second is, one half in a tie, NaN where one is not known."""
    told = (first > second) + 0.5 * (first == second)
    return np.where(np.isnan(first) | np.isnan(second), np.nan, told)


def _times_drawn(pairs: Pairs, i: NDArray[np.int64], j: NDArray[np.int64], draws: int) -> Floats:
    """How often each pair is drawn when seeds are, shape (draw, pair)."""
    seeds, place = np.unique(pairs.seed, return_inverse=True)
    chosen = np.random.default_rng(0).multinomial(len(seeds), np.full(len(seeds), 1 / len(seeds)), size=draws)
    return (chosen[:, place[i]] * chosen[:, place[j]]).astype(np.float64)


def _drawn(right: Floats, weight: Floats, level: float) -> Share:
    if not len(right):
        return Share(*[float("nan")] * 3, pairs=0, drawn=0.0)
    total = weight.sum(axis=1)
    usable = total > 0
    low, high = interval(weight[usable] @ right / total[usable], level)
    return Share(float(right.mean()), low, high, len(right), float(usable.mean()))
