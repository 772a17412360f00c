"""Events on a run's time line, each with the rule that found it, its interval and its sensitivity to the rule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars

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


class Watch:
    """One threshold of one measure, fed evaluation by evaluation, while a run goes on or when it is read back."""

    def __init__(self, threshold: float, sustained: int = SUSTAINED) -> None:
        self.threshold, self.sustained = threshold, sustained
        self._last: int | None = None
        self._first: int | None = None
        self._before: int | None = None
        self._count = 0

    def add(self, step: int, value: float) -> None:
        """One evaluation; steps ascend, and NaN counts as below."""
        if self._count < self.sustained:
            if not value >= self.threshold:
                self._count, self._before = 0, step
            else:
                if self._count == 0:
                    self._first = step
                self._count += 1
        self._last = step

    @property
    def found(self) -> Crossing:
        """What is known so far: the crossing, or the step at which it is censored, with the reason."""
        if self._count == self.sustained and self._first is not None:
            before = self._first if self._before is None else self._before
            return Crossing(self.threshold, self._first, (before, self._first))
        if self._last is None:
            return Crossing(self.threshold, censored_at=0, reason="nothing was logged")
        if self._count:
            why = f"reached at step {self._first}, but seen only {self._count} times in a row, not {self.sustained}"
        else:
            why = f"not reached up to step {self._last}; what comes later is not known (censored)"
        return Crossing(self.threshold, censored_at=self._last, reason=why)


class Timeline:
    """The events of a run as far as it has gone."""

    def __init__(self) -> None:
        self.last = 0
        self._watches = {rule.name: [Watch(t) for t in (rule.threshold, *rule.others)] for rule in RULES}
        self._seen: set[str] = set()

    def add(self, step: int, scalars: Mapping[str, float]) -> None:
        """One log row; a measure that it lacks is not looked at."""
        self.last = step
        for rule in RULES:
            if rule.measure in scalars:
                self._seen.add(rule.name)
                for watch in self._watches[rule.name]:
                    watch.add(step, scalars[rule.measure])

    @property
    def events(self) -> list[Event]:
        """Every event whose measure was logged, found or not."""
        return [_event(rule, self._watches[rule.name]) for rule in RULES if rule.name in self._seen]


def _event(rule: Rule, watches: list[Watch]) -> Event:
    first, *others = (watch.found for watch in watches)
    text = f"{rule.measure} ≥ {rule.threshold}, in {SUSTAINED} evaluations in a row"
    return Event(rule.name, rule.title, rule.measure, text, first, tuple(others))


def find_events(scalars: polars.DataFrame) -> list[Event]:
    """Every event of `RULES` whose measure was logged.

    Args:
        scalars: one row a log step, with the column `step` in ascending order.
    """
    timeline = Timeline()
    names = [rule.measure for rule in RULES if rule.measure in scalars.columns]
    for row in scalars.select("step", *names).fill_null(float("nan")).iter_rows(named=True):
        timeline.add(int(row.pop("step")), row)
    return timeline.events
