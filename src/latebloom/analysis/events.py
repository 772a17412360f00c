"""Events on a run's time line, each with the rule that found it, its interval and its sensitivity to the rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import polars as pl

SUSTAINED = 6
"""Evaluations in a row that must fulfil a rule (as in muon-grokking's six), so that a spike is no event."""


@dataclass(frozen=True)
class Crossing:
    """When a measure first reached a threshold and stayed.

    Attributes:
        threshold: the value to reach.
        step: the first step at which it was seen; None when it was not.
        interval: the last step before at which it was not yet reached, and `step`: the event lies between.
        censored_at: the last step looked at, when the event was not seen until then; it may still come.
        reason: why there is no step.
    """

    threshold: float
    step: int | None = None
    interval: tuple[int, int] | None = None
    censored_at: int | None = None
    reason: str = ""


@dataclass(frozen=True)
class Event:
    """A named event with its rule, and the same rule at other thresholds.

    Attributes:
        name: "memorised" or "grokked".
        title: for headings.
        measure: the name of the measure that the rule reads.
        rule: the rule in words.
        found: the crossing of the rule's own threshold.
        sensitivity: the crossings of other thresholds.
    """

    name: str
    title: str
    measure: str
    rule: str
    found: Crossing
    sensitivity: tuple[Crossing, ...] = field(default=())

    def to_json(self) -> dict[str, Any]:
        """The event as plain data."""
        return asdict(self)


@dataclass(frozen=True)
class Rule:
    """How an event is defined."""

    name: str
    title: str
    measure: str
    threshold: float
    others: tuple[float, ...]


# Both follow the field's use, where thresholds differ: see `sensitivity` of every event.
RULES = (
    Rule("memorised", "Memorised", "train_accuracy", 0.99, (0.9, 0.95, 1.0)),
    Rule("grokked", "Grokked", "test_accuracy", 0.95, (0.8, 0.9, 0.99)),
)


def crossing(steps: Sequence[int], values: Sequence[float], threshold: float, sustained: int = SUSTAINED) -> Crossing:
    """The first step from which `values` are at least `threshold` in `sustained` evaluations in a row.

    Args:
        steps: ascending.
        values: one for each step; NaN counts as below.
        threshold: the value to reach.
        sustained: evaluations in a row.

    Returns:
        The crossing; when the log ends before it is confirmed, it is censored at the last step.
    """
    if not len(steps):
        return Crossing(threshold, censored_at=0, reason="nothing was logged")
    run = 0
    for i, value in enumerate(values):
        run = run + 1 if value >= threshold else 0
        if run == sustained:
            first = i - sustained + 1
            return Crossing(threshold, steps[first], (steps[max(first - 1, 0)], steps[first]))
    last = steps[-1]
    if run:
        return Crossing(
            threshold,
            censored_at=last,
            reason=f"reached at step {steps[len(steps) - run]}, but seen only {run} times in a row, not {sustained}",
        )
    return Crossing(threshold, censored_at=last, reason=f"not reached up to step {last}: censored there, not never")


def find_events(scalars: pl.DataFrame) -> list[Event]:
    """Every event of `RULES` whose measure was logged.

    Args:
        scalars: one row a log step, with the column `step` in ascending order.
    """
    steps = scalars["step"].to_list()
    found = []
    for rule in RULES:
        if rule.measure not in scalars.columns:
            continue
        values = scalars[rule.measure].fill_null(float("nan")).to_list()
        others = tuple(crossing(steps, values, threshold) for threshold in rule.others)
        text = f"{rule.measure} ≥ {rule.threshold}, in {SUSTAINED} evaluations in a row"
        found.append(
            Event(rule.name, rule.title, rule.measure, text, crossing(steps, values, rule.threshold), others)
        )
    return found
