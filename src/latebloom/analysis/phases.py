"""The stretches between events, and the delay between memorising and generalising."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from latebloom.analysis.events import Event


@dataclass(frozen=True)
class Phase:
    """A stretch of steps with a name; `end` is the next phase's start, or the last step seen."""

    name: str
    title: str
    start: int
    end: int


def phases(events: list[Event], last: int) -> list[Phase]:
    """What the events divide steps 0 … `last` into.

    These phases say what train and test accuracy show and no more; circuit formation and cleanup (Nanda et al. 2023)
    need measures of the circuit and are not named here.
    """
    step = {event.name: event.found.step for event in events}
    memorised, grokked = step.get("memorised"), step.get("grokked")
    marks = [(0, "learning", "Learning the training set")]
    if memorised is not None and (grokked is None or memorised < grokked):
        marks.append((memorised, "memorised", "Memorised, not generalised"))
    if grokked is not None:
        marks.append((grokked, "generalised", "Generalised"))
    ends = [start for start, _, _ in marks[1:]] + [last]
    return [
        Phase(name, title, start, end) for (start, name, title), end in zip(marks, ends, strict=True) if end > start
    ]


def delay(events: list[Event]) -> dict[str, Any]:
    """How long after memorising the network generalised: the difference in steps and the ratio of steps.

    Where one of the two was not seen, both are None, with the reason.
    """
    found = {event.name: event.found for event in events}
    for name in ("memorised", "grokked"):
        if name not in found or found[name].step is None:
            why = found[name].reason if name in found else "its measure was not logged"
            return {"steps": None, "ratio": None, "reason": f"{name}: {why}"}
    memorised, grokked = found["memorised"].step or 0, found["grokked"].step or 0
    ratio = grokked / memorised if memorised else None
    return {"steps": grokked - memorised, "ratio": ratio, "reason": ""}
