"""From stored runs to findings."""

from latebloom.analysis.events import RULES, Crossing, Event, Rule, Timeline, find_events
from latebloom.analysis.phases import Phase, delay, phases

__all__ = ["RULES", "Crossing", "Event", "Phase", "Rule", "Timeline", "delay", "find_events", "phases"]
