"""From stored runs to findings."""

from latebloom.analysis.events import RULES, Crossing, Event, Rule, crossing, find_events
from latebloom.analysis.phases import Phase, delay, phases

__all__ = ["RULES", "Crossing", "Event", "Phase", "Rule", "crossing", "delay", "find_events", "phases"]
