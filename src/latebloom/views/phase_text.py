"""The events and phases of a run as a table in a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from latebloom.analysis import GROUPS, Crossing, Event
from latebloom.views.findings import threshold, two_kinds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from latebloom.analysis.account import Account
    from latebloom.analysis.phases import Phase

HEADS = ("event", "step", "between", "width (10–90 %)", "at other thresholds", "second opinion")


def print_account(console: Console, told: Account) -> None:
    """Prints one run's phases, events, and what could not be found with its reason."""
    console.print(Text(f"{told.run}, {told.state}, step {told.last:,}", style="bold"))
    console.print(f"phases: {spelt(told.phases)}", highlight=False)
    if told.final_phases:
        console.print(f"with the final frequencies: {spelt(told.final_phases)}", highlight=False)
    if why := two_kinds(told.events):
        console.print(why, style="dim", highlight=False)
    if told.delay["steps"] is not None:
        ratio = f", {told.delay['ratio']:.3g} times as many" if told.delay["ratio"] else ""
        console.print(f"delay: {told.delay['steps']:,} steps{ratio}", highlight=False)
    for group, title in GROUPS.items():
        _print_group(console, title, [event for event in told.events if event.group == group])
    if told.final:
        title = "The same with the final network's frequencies, at the checkpoints: these know the future"
        _print_group(console, title, told.final)
    if len(told.plateaus) > 1:
        levels = ", ".join(f"{p.level:.2f} ({p.start:,}–{p.end:,})" for p in told.plateaus)
        console.print(f"\nplateaus of test accuracy after memorising: {levels}", highlight=False)
    if told.slingshots is not None and told.slingshots.spikes:
        spikes, shots = len(told.slingshots.spikes), len(told.slingshots.slingshots)
        console.print(f"\nspikes of the training loss: {spikes}, slingshots among them: {shots}", highlight=False)
        console.print(f"  {told.slingshots.rule}", style="dim", highlight=False)
    for note in told.notes:
        console.print(f"\n{note}", style="dim", highlight=False)


def spelt(phases: Sequence[Phase]) -> str:
    """Phases in a line."""
    return " · ".join(f"{phase.title.lower()} {phase.start:,}–{phase.end:,}" for phase in phases)


def _print_group(console: Console, title: str, events: list[Event]) -> None:
    if not events:
        return
    console.print(Text(f"\n{title}", style="bold"))
    found = [event for event in events if event.found.step is not None]
    if found:
        table = Table(box=None, padding=(0, 2, 0, 0))
        for head in HEADS:
            table.add_column(head, justify="right" if head == "step" else "left", overflow="fold")
        for event in found:
            table.add_row(*_cells(event))
        console.print(table)
    for event in events:
        if event.found.step is None:
            console.print(f"{event.name}: {_missing(event.found)}", highlight=False)
    for event in events:
        console.print(f"  {event.name}: {event.rule}{_keys(event)}", style="dim", highlight=False)
        for note in event.notes:
            console.print(f"    {note}", style="dim", highlight=False)


def _missing(found: Crossing) -> str:
    """Why an event has no step."""
    if found.reason.startswith("not reached up to"):
        return found.reason
    return f"{'no' if found.censored_at is None else f'not found up to step {found.censored_at:,}'}: {found.reason}"


def _keys(event: Event) -> str:
    return {"": "", "live": "; key frequencies of each step", "all": "; all frequencies", "final": "; final keys"}[
        event.keys
    ]


def _cells(event: Event) -> tuple[str, ...]:
    width, second = event.width, event.second
    took = "" if width is None else f"{width.start:,.0f}–{width.end:,.0f} ({width.decades:.2f} decades)"
    other = "" if second is None else second.reason if second.step is None else f"{second.step:,}"
    low, high = event.found.interval or (event.found.step or 0, event.found.step or 0)
    others = ", ".join(f"{_at(c)} at {threshold(event, c)}" for c in event.sensitivity)
    return event.name, _at(event.found), f"{low:,}–{high:,}", took, others, other


def _at(crossing: Crossing) -> str:
    return "–" if crossing.step is None else f"{crossing.step:,}"
