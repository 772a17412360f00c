"""The events of a run as far as it has gone: the same rules, row by row, while it trains and when it is read back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from latebloom.analysis.events import Event, Keys
from latebloom.analysis.finders import MORE, Accuracy, Finder, Marks, Transitions
from latebloom.analysis.plateaus import Plateau

if TYPE_CHECKING:
    import polars


class Timeline:
    """Feeds log rows to all rules; a row costs the same however long the run is.

    Args:
        keys: which frequencies the circuit's measures take: each step's own ("live") or the last network's ("final").
    """

    def __init__(self, keys: Keys = "live") -> None:
        self.last = 0
        self.marks = Marks()
        self._transitions = Transitions(keys)
        self._finders: list[Finder] = [Accuracy(keys), self._transitions, *(finder(keys) for finder in MORE)]
        self._events: list[Event] | None = None

    def add(self, step: int, scalars: Mapping[str, float]) -> None:
        """One log row; a measure that it lacks is not looked at."""
        self.last = step
        self._events = None
        for finder in self._finders:
            finder.add(step, scalars, self.marks)

    @property
    def events(self) -> list[Event]:
        """Every event whose measures were logged, found or not."""
        if self._events is None:
            self._events = [event for finder in self._finders for event in finder.events]
        return self._events

    def step_of(self, name: str) -> int | None:
        """The step of an event; None where it was not found so far, or is none that was looked for."""
        return next((event.found.step for event in self.events if event.name == name), None)

    @property
    def plateaus(self) -> list[Plateau]:
        """The levels at which test accuracy has stayed so far."""
        return self._transitions.plateaus

    @property
    def names(self) -> list[str]:
        """The measures that the rules read."""
        return list(dict.fromkeys(name for finder in self._finders for name in finder.names))


def read(scalars: polars.DataFrame, keys: Keys = "live") -> Timeline:
    """The time line of logged rows.

    Args:
        scalars: one row a log step, with the column `step` in ascending order; a null is a measure not taken.
        keys: as of `Timeline`.
    """
    timeline = Timeline(keys)
    names = [name for name in timeline.names if name in scalars.columns]
    columns = [scalars[name].cast(float).to_list() for name in names]
    for step, *values in zip(scalars["step"].to_list(), *columns, strict=True):
        timeline.add(int(step), {name: v for name, v in zip(names, values, strict=True) if v is not None})
    return timeline


def find_events(scalars: polars.DataFrame, keys: Keys = "live") -> list[Event]:
    """Every event whose measures were logged, found or not; as `read`."""
    return read(scalars, keys).events
