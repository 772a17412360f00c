"""Events of train and test accuracy: memorised, generalised, grokked, anti-grokked, collapsed.

Grokking is late generalisation. How late has no common definition: Liu et al. 2022 (arXiv 2205.10343) ask for 1000
steps, which depends on the learning rate. Here it is a ratio of steps. In the published sweep of training fractions of
Nanda et al. 2023 (training loss < 0.01 against test loss < 0.1), 0.5 is said to grok (ratio 3.5) and 0.6 to generalise
immediately (2.2).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from latebloom.analysis.events import SUSTAINED, Crossing, Event, Keys
from latebloom.analysis.finders.contract import Marks
from latebloom.analysis.watch import Watch

MEMORISED, GENERALISED, HALFWAY = 0.99, 0.95, 0.5
OTHERS = {MEMORISED: (0.9, 0.95, 1.0), GENERALISED: (0.8, 0.9, 0.99)}
LATE = 2.5
"""Steps to generalise over steps to memorise, from which on it is grokking."""
_MEMORISES = f"train_accuracy ≥ {MEMORISED}, in {SUSTAINED} evaluations in a row"
_GENERALISES = f"test_accuracy ≥ {GENERALISED}, in {SUSTAINED} evaluations in a row"
RULES = {
    "memorised": _MEMORISES,
    "generalised": _GENERALISES,
    "grokked": f"{_GENERALISES}, at {LATE:g} times the step of memorising or later",
}
LOST, KEPT = 0.5, 0.9
"""As in `analysis.end_states`: test accuracy below which generalisation is lost, training accuracy that is kept."""


class Accuracy:
    """The finder; it also sets the marks that others look at."""

    names: tuple[str, ...] = ("train_accuracy", "test_accuracy")

    def __init__(self, keys: Keys = "live") -> None:
        self._train = [Watch(t) for t in (MEMORISED, *OTHERS[MEMORISED])]
        self._test = [Watch(t) for t in (GENERALISED, *OTHERS[GENERALISED])]
        self._halfway = Watch(HALFWAY)
        self._lost = {kept: Watch(LOST, sign="<") for kept in (True, False)}
        self._seen: set[str] = set()

    def add(self, step: int, row: Mapping[str, float], marks: Marks) -> None:
        """One log row."""
        train, test = (row.get(name) for name in self.names)
        if train is not None:
            self._seen.add("train_accuracy")
            for watch in self._train:
                watch.add(step, train)
        if test is None:
            return
        self._seen.add("test_accuracy")
        for watch in (*self._test, self._halfway):
            watch.add(step, test)
        marks.memorised, marks.generalised = self._train[0].step, self._test[0].step
        marks.halfway = self._halfway.step
        marks.at_once = marks.generalised is not None and self._grokked(self._test[0]).step is None
        if marks.generalised is not None and train is not None:
            for kept, watch in self._lost.items():
                watch.add(step, test if (train >= KEPT) == kept else float("nan"))

    @property
    def events(self) -> list[Event]:
        """Every event whose accuracy was logged."""
        found = []
        if "train_accuracy" in self._seen:
            found.append(_event("memorised", "Memorised", "train_accuracy", self._train))
        if "test_accuracy" in self._seen:
            generalised = _event("generalised", "Generalised", "test_accuracy", self._test)
            found.append(generalised)
        if len(self._seen) == 2:
            found += [self._late(generalised), *(self._lost_event(kept) for kept in (True, False))]  # pyright: ignore[reportPossiblyUnboundVariable]
        return found

    def _late(self, generalised: Event) -> Event:
        found, *others = (self._grokked(watch) for watch in self._test)
        return replace(
            generalised, name="grokked", title="Grokked", rule=RULES["grokked"], found=found, sensitivity=tuple(others)
        )

    def _grokked(self, watch: Watch) -> Crossing:
        found, first = watch.found, self._train[0].found.step
        if found.step is None:
            return found
        if first is None:
            # the training set may be memorised later, but then generalising did not come late
            why = f"generalised at step {found.step}, before the training set was memorised: no grokking"
            return Crossing(watch.threshold, reason=why)
        if found.step < LATE * first:
            why = (
                f"generalised at once: step {found.step} is {found.step / first:.2g} times the step of memorising "
                f"({first}), not {LATE:g}: no grokking"
            )
            return Crossing(watch.threshold, reason=why)
        return found

    def _lost_event(self, kept: bool) -> Event:
        name, title = ("anti-grokked", "Anti-grokked") if kept else ("collapsed", "Collapsed")
        side = "≥" if kept else "<"
        rule = (
            f"after generalising, test_accuracy < {LOST:g} with train_accuracy {side} {KEPT:g}, "
            f"in {SUSTAINED} evaluations in a row"
        )
        if self._test[0].step is None:
            last = self._test[0].found.censored_at
            found = Crossing(LOST, censored_at=last, reason="it had not generalised, so there was nothing to lose")
        else:
            found = self._lost[kept].found
        return Event(name, title, "test_accuracy", rule, found, sign="<")


def _event(name: str, title: str, measure: str, watches: list[Watch]) -> Event:
    first, *others = (watch.found for watch in watches)
    return Event(name, title, measure, RULES[name], first, tuple(others))
