"""Several transitions in one run (multi-step grokking): test accuracy goes from one plateau to the next.

Looked for after memorising: what the training set teaches of the test set at once is no transition. On commutative
tasks test accuracy without transposes of training pairs is read, where it is logged.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping

from latebloom.analysis.events import Crossing, Event, Keys
from latebloom.analysis.finders.contract import Marks
from latebloom.analysis.plateaus import APART, FLAT, LONG, ROWS, Plateau, Plateaus


class Transitions:
    """The finder; what it tells is worth an event only where there is more than one rise, or a fall."""

    names: tuple[str, ...] = ("test_accuracy", "test_accuracy_untransposed")

    def __init__(self, keys: Keys = "live") -> None:
        self._plateaus = Plateaus()
        self._rows: list[tuple[int, float]] = []
        self._measure = "test_accuracy"

    def add(self, step: int, row: Mapping[str, float], marks: Marks) -> None:
        """One log row."""
        value = row.get("test_accuracy_untransposed", row.get("test_accuracy"))
        if value is not None and marks.memorised is not None:
            self._measure = "test_accuracy_untransposed" if "test_accuracy_untransposed" in row else "test_accuracy"
            self._plateaus.add(step, value)
            self._rows.append((step, value))

    @property
    def plateaus(self) -> list[Plateau]:
        """The levels of test accuracy so far."""
        return self._plateaus.found

    @property
    def events(self) -> list[Event]:
        """The changes from plateau to plateau, where there are several or one goes down."""
        pairs = list(itertools.pairwise(self.plateaus))
        if len(pairs) < 2 and not any(before.level > after.level for before, after in pairs):
            return []
        return [self._event(number, *pair) for number, pair in enumerate(pairs, start=1)]

    def _event(self, number: int, before: Plateau, after: Plateau) -> Event:
        half, up = (before.level + after.level) / 2, after.level > before.level
        rows = [(s, v) for s, v in self._rows if before.end <= s <= after.start]
        step = next((s for s, v in rows if (v >= half) == up), after.start)
        rule = (
            f"after memorising, {self._measure} passes the middle of two plateaus (within {FLAT:g} of one level "
            f"for {ROWS} evaluations or "
            f"more and until {LONG:g} times the step of its beginning; levels {APART:g} or more apart)"
        )
        found = Crossing(half, step, (before.end, after.start))
        note = f"from {before.level:.2f} (steps {before.start} to {before.end}) to {after.level:.2f}"
        word = "rise" if up else "fall"
        title = f"Transition {number}, a {word}"
        name = f"transition-{number}"
        return Event(name, title, self._measure, rule, found, (), "accuracy", "≥" if up else "<", "", (note,))
