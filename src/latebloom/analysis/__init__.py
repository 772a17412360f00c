"""Functions of stored or growing runs to findings."""

from latebloom.analysis.events import (
    GROUPS,
    SUSTAINED,
    Crossing,
    Event,
    Opinion,
    Width,
    event_from_json,
)
from latebloom.analysis.phases import Phase, delay, phases
from latebloom.analysis.timeline import Timeline, find_events, read

__all__ = [
    "GROUPS",
    "SUSTAINED",
    "Crossing",
    "Event",
    "Opinion",
    "Phase",
    "Timeline",
    "Width",
    "delay",
    "event_from_json",
    "find_events",
    "phases",
    "read",
]
