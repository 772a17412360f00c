"""What a change does at a moment, over seeds: paired differences between forks and twins, censoring kept.

The unit is the parent. A difference that censoring hides is an interval; the median over parents then lies between
the median of the low ends and the median of the high ends, and both are told. Intervals are percentiles over parents
drawn with replacement: of the low ends' median below, of the high ends' above.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from latebloom.analysis.forked import WATCHED, Comparison, Shift
from latebloom.analysis.statistics.bootstrap import DRAWS, interval

LEVEL = 0.95


@dataclass(frozen=True)
class Median:
    """A median over parents, with what censoring leaves open.

    Attributes:
        low: the least that the median can be; −∞ where censoring leaves that open.
        high: the most that it can be.
        interval: of both, 95 %; an end is infinite where censoring leaves it open.
        parents: over how many.
    """

    low: float
    high: float
    interval: tuple[float, float]
    parents: int


@dataclass(frozen=True)
class EventEffect:
    """What became of one event.

    Attributes:
        steps: step in the fork less step in the twin.
        later: in how many parents it came later, or not at all within the fork while the twin had it.
        earlier: in how many earlier, or only in the fork.
        same: in how many at the same log row.
        unknown: in how many nothing can be said; seen in neither, they may lie anywhere in `steps`.
        never: in how many the fork had none up to its end while the twin had it.
        only: in how many the fork had it and the twin none up to its end.
    """

    event: str
    title: str
    steps: Median | None
    later: int
    earlier: int
    same: int
    unknown: int
    never: int
    only: int


@dataclass(frozen=True)
class Effect:
    """One change at one moment, over parents.

    Attributes:
        change: in words.
        at: the moment, as it was asked for.
        parents: the names of the runs that were forked.
        steps: where each was.
        parts: steps from the fork to where fork and twin part; of those that do not, more than the steps that followed.
        events: for each event.
        cost: for each number of how well the network answers: after the change less before it, at the fork's step.
        end: for each measure at the last step: fork less twin.
        fork_end: for each measure at the last step, in the forks.
        twin_end: the same in the twins.
    """

    change: str
    at: str
    parents: tuple[str, ...]
    steps: tuple[int, ...]
    parts: Median
    events: tuple[EventEffect, ...]
    cost: dict[str, Median]
    end: dict[str, Median]
    fork_end: dict[str, Median]
    twin_end: dict[str, Median]

    def to_json(self) -> dict[str, Any]:
        """Everything as plain data."""
        return asdict(self)


def effects(found: Iterable[tuple[str, Comparison]], draws: int = DRAWS) -> list[Effect]:
    """Every change at every moment, in the order of their first comparisons.

    Args:
        found: each comparison with its moment, as it was asked for.
        draws: how often parents are drawn anew.
    """
    groups: dict[tuple[str, str], list[Comparison]] = {}
    for at, comparison in found:
        groups.setdefault((at, comparison.change), []).append(comparison)
    return [_effect(at, change, members, draws) for (at, change), members in groups.items()]


def _effect(at: str, change: str, members: Sequence[Comparison], draws: int) -> Effect:
    def median(value: Callable[[Comparison], float | None]) -> Median:
        known = [x for member in members if (x := value(member)) is not None and not math.isnan(x)]
        return median_of(known, known, draws)

    ends = ((c.last, math.inf) if c.parts is None else (c.parts, c.parts) for c in members)
    parted = [(low - c.step, high - c.step) for (low, high), c in zip(ends, members, strict=True)]
    costs = dict.fromkeys(name for member in members for name in member.cost)
    return Effect(
        change,
        at,
        tuple(member.parent for member in members),
        tuple(member.step for member in members),
        median_of([part[0] for part in parted], [part[1] for part in parted], draws),
        tuple(_events(members, draws)),
        {name: median(lambda c, n=name: _less(c.cost.get(n, {}), "after", "before")) for name in costs},
        {name: median(lambda c, n=name: _less(c.end.get(n, {}), "fork", "twin")) for name in WATCHED},
        {name: median(lambda c, n=name: c.end.get(n, {}).get("fork")) for name in WATCHED},
        {name: median(lambda c, n=name: c.end.get(n, {}).get("twin")) for name in WATCHED},
    )


def _less(values: dict[str, float | None], one: str, other: str) -> float | None:
    a, b = values.get(one), values.get(other)
    return None if a is None or b is None else a - b


def _events(members: Sequence[Comparison], draws: int) -> Iterable[EventEffect]:
    names = dict.fromkeys((shift.event, shift.title) for member in members for shift in member.shifts)
    for name, title in names:
        shifts = [shift for member in members for shift in member.shifts if shift.event == name]
        known = [shift for shift in shifts if shift.known]
        # that an event was seen in neither says nothing of the difference, but is no reason to leave a parent out
        open_too = [shift for shift in shifts if shift.comparable]
        yield EventEffect(
            name,
            title,
            median_of([s.low for s in open_too], [s.high for s in open_too], draws) if known else None,
            sum(s.low > 0 or _never(s) for s in known),
            sum(s.high < 0 or _only(s) for s in known),
            sum(s.low == s.high == 0 for s in known),
            len(shifts) - len(known),
            sum(map(_never, known)),
            sum(map(_only, known)),
        )


def _never(shift: Shift) -> bool:
    return shift.fork is None and shift.twin is not None


def _only(shift: Shift) -> bool:
    return shift.twin is None and shift.fork is not None


def median_of(low: Sequence[float], high: Sequence[float], draws: int = DRAWS) -> Median:
    """The median of values of which each lies between a low and a high end."""
    if not low:
        return Median(math.nan, math.nan, (math.nan, math.nan), 0)
    ends = np.array([low, high], dtype=np.float64)
    chosen = np.random.default_rng(0).integers(len(low), size=(draws, len(low)))
    drawn = [np.array([_middle(row) for row in end[chosen]]) for end in ends]
    found = (interval(drawn[0], LEVEL)[0], interval(drawn[1], LEVEL)[1])
    return Median(_middle(ends[0]), _middle(ends[1]), found, len(low))


def _middle(values: np.ndarray) -> float:
    """The median; of an even number with infinities of both signs in the middle it is not known."""
    ordered = np.sort(values)
    a, b = ordered[(len(ordered) - 1) // 2], ordered[len(ordered) // 2]
    return float(a) if a == b else float((a + b) / 2)
