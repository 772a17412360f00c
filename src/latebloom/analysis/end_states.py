"""What a run ended as: the four phases of Liu et al. 2022, and what the later literature adds to them.

Liu et al. (arXiv 2205.10343) tell phases by the steps to 90 % training and 90 % validation accuracy within 10⁵ steps:
both, with fewer than 10³ steps between them: comprehension; both, with more: grokking; training only: memorisation;
neither: confusion. Their code (grokking-squared, phase_diagram_plot) takes the first step at which 90 % is reached.
What comes after that first step they do not look at; the end states collapse and anti-grokking (Prakash and Martin
2026, arXiv 2602.02859: test accuracy collapses while training accuracy stays perfect) do, and partial (as in Varma et
al. 2023, semi-grokking) and stuck plateau tell levels that have settled between chance and 90 %.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from latebloom.analysis.events import SUSTAINED, Crossing

Phase = Literal["comprehension", "grokking", "memorisation", "confusion", "unclear"]
"""The phases of Liu et al. 2022; unclear where the run ended before their budget, or the log is too coarse."""

State = Literal[
    "comprehension",
    "grokking",
    "partial",
    "memorisation",
    "anti-grokking",
    "collapse",
    "stuck-plateau",
    "confusion",
    "diverged",
    "unclear",
]

STATES: dict[State, str] = {
    "comprehension": "generalised as it learnt the training set, or soon after",
    "grokking": "generalised long after it learnt the training set",
    "partial": "learnt the training set; test accuracy has settled above chance, below what counts as learnt",
    "memorisation": "learnt the training set only",
    "anti-grokking": "generalised, then lost it while training accuracy stayed",
    "collapse": "generalised, then lost both test and training accuracy",
    "stuck-plateau": "training accuracy has settled above chance, below what counts as learnt",
    "confusion": "did not learn the training set",
    "diverged": "a loss or weight is no longer a finite number",
    "unclear": "the run's length or its log cannot tell",
}


@dataclass(frozen=True)
class Thresholds:
    """The numbers in the rules.

    Attributes:
        reached: accuracy that counts as learnt; Liu et al. 2022: 0.9.
        late: steps between both from which on it is grokking; Liu et al.: 1000.
        budget: steps within which both are looked for; Liu et al.: 100 000.
        lost: test accuracy below which a network that had generalised has lost it (our choice).
        above: how far a settled level lies above chance to be one of its own (our choice).
        settled: the most by which the medians of the last two quarters of the log differ (our choice).
    """

    reached: float = 0.9
    late: int = 1000
    budget: int = 100_000
    lost: float = 0.5
    above: float = 0.1
    settled: float = 0.02


LIU = Thresholds()


@dataclass(frozen=True)
class EndState:
    """What a run ended as.

    Attributes:
        state: the end state.
        phase: the phase by the rule of Liu et al. alone.
        reason: how it was told, or why it is unclear.
        train: when training accuracy was first `reached`.
        test: when test accuracy was.
        train_end: median of the last evaluations of training accuracy.
        test_end: of test accuracy.
        thresholds: the numbers in the rules.
    """

    state: State
    phase: Phase
    reason: str
    train: Crossing
    test: Crossing
    train_end: float
    test_end: float
    thresholds: Thresholds

    def to_json(self) -> dict[str, Any]:
        """The end state as plain data."""
        return asdict(self)


def end_state(
    step: NDArray[np.int64],
    train: NDArray[np.float64],
    test: NDArray[np.float64],
    *,
    chance: float = 0.0,
    diverged: bool = False,
    thresholds: Thresholds = LIU,
) -> EndState:
    """Tells what a run ended as from its accuracies.

    Args:
        step: of the evaluations, ascending, shape (evaluation).
        train: training accuracy, shape (evaluation).
        test: test accuracy, likewise; of a commutative task better that without transposes of training pairs, since
            Liu et al. have each unordered pair once.
        chance: accuracy of guessing.
        diverged: whether the run was ended by a number that was not finite.
        thresholds: the numbers in the rules; a run that ends before `budget` without reaching both is unclear.
    """
    known = ~(np.isnan(train) | np.isnan(test))
    step, train, test = step[known], train[known], test[known]
    first = (_first(step, train, thresholds), _first(step, test, thresholds))
    ends = (_end(train), _end(test))

    def told(state: State, phase: Phase, reason: str) -> EndState:
        return EndState(state, phase, reason, *first, *ends, thresholds)

    if not len(step):
        state = "diverged" if diverged else "unclear"
        return told(state, "unclear", "no accuracies are at hand")
    phase, why = _phase(*first, int(step[-1]), thresholds)
    if diverged:
        return told("diverged", phase, f"diverged after step {step[-1]}")
    if first[1].step is not None and ends[1] < thresholds.reached:
        state, reason = _lost(*ends, thresholds)
        return told(state, phase, reason)
    if phase == "memorisation" and _plateau(test, chance, thresholds):
        return told("partial", phase, f"{why}; test accuracy has settled at {ends[1]:.2f}")
    if phase == "confusion" and _plateau(train, chance, thresholds):
        return told("stuck-plateau", phase, f"{why}; training accuracy has settled at {ends[0]:.2f}")
    return told(phase, phase, why)


def _first(step: NDArray[np.int64], value: NDArray[np.float64], thresholds: Thresholds) -> Crossing:
    """The first evaluation within the budget that reaches it; as in the authors' code, it need not stay."""
    inside = step <= thresholds.budget
    places = np.flatnonzero(inside & (value >= thresholds.reached))
    if len(places):
        at = int(step[places[0]])
        before = int(step[places[0] - 1]) if places[0] else at
        return Crossing(thresholds.reached, at, (before, at))
    last = int(step[inside][-1]) if inside.any() else 0
    return Crossing(thresholds.reached, censored_at=last, reason=f"not reached up to step {last}")


def _end(value: NDArray[np.float64]) -> float:
    # one evaluation may be in a spike
    return float(np.median(value[-SUSTAINED:])) if len(value) else float("nan")


def _phase(train: Crossing, test: Crossing, last: int, thresholds: Thresholds) -> tuple[Phase, str]:
    over = last >= thresholds.budget
    within = f"within {thresholds.budget} steps"
    if train.interval and test.interval:
        shortest, longest = test.interval[0] - train.interval[1], test.interval[1] - train.interval[0]
        if shortest < thresholds.late <= longest:
            return "unclear", f"the log leaves open whether {shortest} or {longest} steps lie between both"
        delay = f"{test.interval[1] - train.interval[1]} steps between both"
        return ("comprehension", delay) if longest < thresholds.late else ("grokking", delay)
    if test.interval:
        return "unclear", "test accuracy was reached and training accuracy was not: no phase of Liu et al."
    if not over:
        what = "test accuracy was not" if train.interval else "neither was"
        return "unclear", f"{what} reached up to step {last}; the rule looks at {thresholds.budget}"
    return ("memorisation", f"training only {within}") if train.interval else ("confusion", f"neither {within}")


def _lost(train_end: float, test_end: float, thresholds: Thresholds) -> tuple[State, str]:
    told = f"test accuracy was reached and ended at {test_end:.2f}, training accuracy at {train_end:.2f}"
    if test_end >= thresholds.lost:
        return "unclear", f"{told}: fallen, but not below {thresholds.lost:g}"
    return ("anti-grokking" if train_end >= thresholds.reached else "collapse"), told


def _plateau(value: NDArray[np.float64], chance: float, thresholds: Thresholds) -> bool:
    """Whether the last half of a log lies still at a level of its own."""
    quarter = len(value) // 4
    if quarter < SUSTAINED:
        return False
    third, last = float(np.median(value[-2 * quarter : -quarter])), float(np.median(value[-quarter:]))
    return abs(last - third) <= thresholds.settled and chance + thresholds.above <= last < thresholds.reached
