"""The stretches between events, and the delay between memorising and generalising."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from latebloom.analysis.events import Event
from latebloom.shown import finding_table


@dataclass(frozen=True)
class Phase:
    """A stretch of steps with a name; `end` is the next phase's start, or the last step seen."""

    name: str
    title: str
    start: int
    end: int

    _repr_html_ = finding_table


def phases(events: Sequence[Event], last: int) -> list[Phase]:
    """What the events divide steps 0 … `last` into.

    Where a circuit's formation was found, these are the phases of Nanda et al. 2023, each from the event that opens it;
    cleanup is a phase only where it was found. Else they say what train and test accuracy show and no more.
    """
    step = {event.name: event.found.step for event in events}
    marks = _circuit_phases(step) if step.get("circuit-formation-started") is not None else _accuracy_phases(step)
    for name, title in (("anti-grokked", "Anti-grokked"), ("collapsed", "Collapsed")):
        if (lost := step.get(name)) is not None:
            marks = [*(mark for mark in marks if mark[0] < lost), (lost, name, title)]
    ends = [start for start, _, _ in marks[1:]] + [last]
    return [
        Phase(name, title, start, end) for (start, name, title), end in zip(marks, ends, strict=True) if end > start
    ]


Mark = tuple[int, str, str]


def _accuracy_phases(step: dict[str, int | None]) -> list[Mark]:
    memorised, generalised = step.get("memorised"), generalised_step(step)
    marks = [(0, "learning", "Learning the training set")]
    if memorised is not None and (generalised is None or memorised < generalised):
        marks.append((memorised, "memorised", "Memorised, not generalised"))
    if generalised is not None:
        marks.append((generalised, "generalised", "Generalised"))
    return marks


def _circuit_phases(step: dict[str, int | None]) -> list[Mark]:
    marks = [(0, "memorisation", "Memorisation")]
    opened = (
        ("circuit-formation-started", "circuit-formation", "Circuit formation"),
        ("cleanup-started", "cleanup", "Cleanup"),
        ("cleanup-ended", "after-cleanup", "After cleanup"),
    )
    if step.get("cleanup-started") is None:
        # known before cleanup is, and all that is known where none comes
        opened = (opened[0], ("circuit-formation-ended", "circuit-formed", "Circuit formed"))
    for event, name, title in opened:
        if (at := step.get(event)) is not None and at >= marks[-1][0]:
            marks.append((at, name, title))
    return marks


def generalised_step(step: dict[str, int | None]) -> int | None:
    """When test accuracy was reached; runs stored before there was an event of that name have it as "grokked"."""
    return step["generalised"] if "generalised" in step else step.get("grokked")


def delay(events: Sequence[Event]) -> dict[str, Any]:
    """How long after memorising the network generalised: the difference in steps and the ratio of steps.

    Where one of the two was not seen, both are None, with the reason.
    """
    found = {event.name: event.found for event in events}
    second = "generalised" if "generalised" in found else "grokked"
    for name in ("memorised", second):
        if name not in found or found[name].step is None:
            why = found[name].reason if name in found else "its measure was not logged"
            return {"steps": None, "ratio": None, "reason": f"{name}: {why}"}
    memorised, generalised = found["memorised"].step or 0, found[second].step or 0
    ratio = generalised / memorised if memorised else None
    return {"steps": generalised - memorised, "ratio": ratio, "reason": ""}
