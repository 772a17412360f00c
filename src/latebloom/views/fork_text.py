"""Forks beside their twins, in a terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from latebloom.analysis.forked import RULE, Comparison, Shift
from latebloom.views.terminal import counted

if TYPE_CHECKING:
    from rich.console import Console

    from latebloom.analysis.fork_effects import Effect, EventEffect, Median


BOUND = "> n: later by more than n steps, since one of the two had not had it by its end; < n: earlier alike"
NEVER = "never: runs whose twin had the event, and that had it not by their end"
OPEN = "?"
"""For a number of which nothing is known."""


class ForkDisplay:
    """A bar over all steps of all forks and twins."""

    def __init__(self, console: Console, title: str, spans: dict[str, tuple[int, int]]) -> None:
        """Made before training.

        Args:
            console: where.
            title: before the bar.
            spans: first and last step of each run by its name.
        """
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
        self._progress = Progress(
            *columns, TimeRemainingColumn(), console=console, transient=True, disable=not console.is_terminal
        )
        self._bar = self._progress.add_task(title, total=sum(last - first for first, last in spans.values()))
        self._spans, self._at = spans, dict.fromkeys(spans, 0)

    def __call__(self, run: str, step: int, row: dict[str, float]) -> None:
        """A log row of a run."""
        if run in self._spans:
            self._at[run] = step - self._spans[run][0]
            self._progress.update(self._bar, completed=sum(self._at.values()))

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._progress.stop()


def print_comparison(console: Console, one: Comparison) -> None:
    """Prints one fork beside its twin."""
    where = f"step {one.step:,}" + (f" ({one.event})" if one.event else "")
    console.print(f"{one.change}, from {where} to step {one.last:,}", style="bold", highlight=False)
    console.print(f"  fork    {one.fork}, of {one.parent}; {one.optimiser}", highlight=False)
    console.print(f"  twin    {one.twin}: {one.relation}", highlight=False)
    met = [f"{p.measure} {p.step:,}" for p in one.parted if p.step is not None]
    alike = [p.measure for p in one.parted if p.step is None]
    console.print(f"  part    {', '.join(met) or 'never'}" + (f"; never {', '.join(alike)}" * bool(met and alike)))
    table = _table(
        "", "before", "after", f"worst in {counted(one.shock, 'step')}", "twin's worst", "at the end", "twin's end"
    )
    for name, cost in one.cost.items():
        end = one.end.get(name, {})
        row = [*(cost[key] for key in ("before", "after", "worst", "twin_worst")), end.get("fork"), end.get("twin")]
        table.add_row(f"  {name}", *map(number, row))
    for name in one.end:
        if name not in one.cost and one.end[name]["fork"] is not None:
            table.add_row(f"  {name}", *["–"] * 4, number(one.end[name]["fork"]), number(one.end[name]["twin"]))
    console.print(table)
    console.print("  –: not measured at the fork, or not there", highlight=False, style="dim")
    events = _table("  event", "fork", "twin", "fork − twin", "")
    for shift in one.shifts:
        if shift.known:
            events.add_row(f"  {shift.title}", _step(shift.fork), _step(shift.twin), between(shift), shift.why)
    if events.row_count:
        console.print(events)
        if any(shift.known and not math.isfinite(shift.high - shift.low) for shift in one.shifts):
            console.print(f"  {BOUND}", highlight=False, style="dim")
    for note in one.notes:
        console.print(f"  note: {note}", highlight=False)


def between(shift: Shift) -> str:
    """The difference of steps, or its bound."""
    return _bounds(shift.low, shift.high)


def print_effects(console: Console, found: Sequence[Effect]) -> None:
    """Prints one line for each change at each moment and each event."""
    table = _table("change", "at", "runs", "event", "fork − twin, steps", "95 %", "later", "earlier", "same", "never")
    for effect in found:
        head = (effect.change, effect.at, str(len(effect.parents)))
        for event in [event for event in effect.events if event.steps is not None and _spelt(event.steps) != OPEN]:
            table.add_row(*head, event.title, *_counts(event))
            head = ("", "", "")
    if table.row_count:
        console.print(table)
        for note in (BOUND, NEVER):
            console.print(note, highlight=False, style="dim")
    if left := _left_out(found):
        console.print(
            f"no row, since censoring leaves the median open: {'; '.join(left)}", highlight=False, style="dim"
        )
    names = ("test_accuracy", "test_loss", "weight_norm_sq")
    heads = [head for name in names for head in (name, "twin's")]
    ends = _table("change", "at", "parts after, steps", "test accuracy lost at once", *heads)
    for effect in found:
        lost = effect.cost.get("test_accuracy")
        values = [number(side[name].low) for name in names for side in (effect.fork_end, effect.twin_end)]
        ends.add_row(
            effect.change,
            effect.at,
            _spelt(effect.parts).replace("+", ""),
            number(-lost.low if lost else None),
            *values,
        )
    console.print("\nmedians over runs; measures at the last step", highlight=False)
    console.print(ends)
    console.print(f"fork and twin part at the {RULE}", highlight=False, style="dim")


def _left_out(found: Sequence[Effect]) -> list[str]:
    """The events of which some runs tell a difference, and too few for a median."""
    return [
        f"{event.title} ({effect.change} at {effect.at}: later in {event.later}, earlier in {event.earlier} of "
        f"{len(effect.parents)} runs)"
        for effect in found
        for event in effect.events
        if event.steps is not None and _spelt(event.steps) == OPEN
    ]


def _counts(event: EventEffect) -> list[str]:
    assert event.steps is not None  # the caller chose these
    low, high = event.steps.interval
    level = f"{_signed(low)} … {_signed(high)}"
    return [_spelt(event.steps), level, *(str(n) for n in (event.later, event.earlier, event.same, event.never))]


def _spelt(median: Median) -> str:
    return _bounds(median.low, median.high)


def _bounds(low: float, high: float) -> str:
    if math.isnan(low) or (math.isinf(low) and math.isinf(high) and low != high):
        return OPEN
    if low == high:
        return _signed(low)
    if math.isinf(high):
        return f"> {_signed(low)}"
    return f"< {_signed(high)}" if math.isinf(low) else f"{_signed(low)} … {_signed(high)}"


def _signed(value: float) -> str:
    # 0 is added since a rounded −0.2 would be "-0"
    infinite = {math.inf: "∞", -math.inf: "−∞"}.get(value)
    return infinite or (OPEN if math.isnan(value) else f"{round(value) + 0:+,}")


def number(value: float | None) -> str:
    """Four digits; a dash where there is none."""
    # 0 is added since −0 is 0
    return "–" if value is None or math.isnan(value) else f"{value + 0:.4g}"


def _step(step: int | None) -> str:
    return "–" if step is None else f"{step:,}"


def _table(*heads: str) -> Table:
    made = Table(box=None, padding=(0, 2, 0, 0))
    for place, head in enumerate(heads):
        made.add_column(head, justify="right" if place and head != "" else "left", overflow="fold")
    return made
