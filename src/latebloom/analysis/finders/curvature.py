"""The drop of cos(g, Hg) some time after grokking, of the document "Cleanup Phase Analysis".

Its authors call it cleanup. It is kept apart from it: a vanishing gradient, minibatch noise and float32 drive the
cosine down by themselves, so a drop is an event of the network only where the gradient is above that floor.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping

from latebloom.analysis.events import Crossing, Event, Keys
from latebloom.analysis.finders.contract import Marks
from latebloom.analysis.watch import Watch

SHARES = (0.5, 0.25, 0.1)
SUSTAINED = 3
"""Evaluations in a row: the cosine is dear and taken seldom."""
EXACT, PUBLISHED, VALID = "alignment", "alignment_published", "alignment_published_valid"


class CurvatureDrop:
    """The finder."""

    names: tuple[str, ...] = (EXACT, PUBLISHED, VALID)

    def __init__(self, keys: Keys = "live") -> None:
        self._before: dict[str, list[float]] = {EXACT: [], PUBLISHED: []}
        self._watches: dict[str, list[Watch]] = {}
        self._levels: dict[str, float] = {}
        self._valid: list[tuple[int, float]] = []
        self._seen: dict[str, int] = {}
        self._waiting = ""

    def add(self, step: int, row: Mapping[str, float], marks: Marks) -> None:
        """One log row."""
        if VALID in row:
            self._valid.append((step, row[VALID]))
        for name, before in self._before.items():
            value = row.get(name, math.nan)
            if math.isnan(value):
                continue
            self._seen[name] = step
            if marks.generalised is None:
                if marks.memorised is not None:
                    before.append(value)
                continue
            if name not in self._watches and before:
                level = statistics.median(before)
                self._levels[name] = level
                self._watches[name] = [Watch(share * level, SUSTAINED, "<") for share in SHARES] if level > 0 else []
            for watch in self._watches.get(name, ()):
                watch.add(step, value)

    @property
    def events(self) -> list[Event]:
        """The drop of the exact cosine and of the published one, where they were logged."""
        return [self._event(name) for name in self._seen]

    def _event(self, name: str) -> Event:
        rule = (
            f"after generalising, {name} < {SHARES[0]:g} × its median between memorising and generalising, "
            f"in {SUSTAINED} evaluations in a row"
        )
        title = "Post-grok curvature drop" + (" (as published)" if name == PUBLISHED else "")
        kind = "post-grok-curvature-drop" + ("-published" if name == PUBLISHED else "")
        watches = self._watches.get(name)
        if not watches:
            why = (
                f"its median was {self._levels[name]:.2g}: nothing that could drop"
                if name in self._levels
                else "it was not logged both before and after generalising"
            )
            found = Crossing(SHARES[0], censored_at=self._seen[name], reason=why)
            return Event(kind, title, name, rule, found, (), "curvature", "<")
        found, *others = (watch.found for watch in watches)
        notes = (f"from a level of {self._levels[name]:.2f}", *self._floor(found))
        return Event(kind, title, name, rule, found, tuple(others), "curvature", "<", "", notes)

    def _floor(self, found: Crossing) -> tuple[str, ...]:
        if found.step is None:
            return ()
        if not self._valid:
            return (f"{VALID} was not logged: whether the gradient was above the floor of float32 is not known",)
        near = min(self._valid, key=lambda pair: abs(pair[0] - found.step))  # pyright: ignore[reportOperatorIssue]
        if near[1] == 1:
            return (f"the gradient was above the floor of float32 (step {near[0]})",)
        return (f"below the gradient floor at step {near[0]}: float32 does not carry this cosine, so it is no finding",)
