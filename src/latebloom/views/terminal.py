"""What a run looks like in a terminal: a live display, or plain lines where there is none."""

from __future__ import annotations

import time
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from latebloom.analysis import Timeline, event_from_json, phases
from latebloom.store import Run
from latebloom.views import findings

PLAIN_EVERY = 5.0
"""Seconds between plain lines."""


class RunDisplay:
    """Shows one run; called after every log row, used in a `with` statement.

    Args:
        console: where to; a live display if it is a terminal, else plain lines.
        title: what is trained.
        total: the run's steps.

    Attributes:
        rows: log rows seen.
    """

    def __init__(self, console: Console, title: str, total: int) -> None:
        self.console, self.title, self.total = console, title, total
        self._bar = Progress(
            TextColumn("step {task.completed:,.0f} of {task.total:,.0f}"),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[rate]}"),
            console=console,
            expand=True,
        )
        self._task = self._bar.add_task("", total=total, rate="")
        self._live = Live(console=console, refresh_per_second=8, transient=True) if console.is_terminal else None
        self._began: tuple[float, int] | None = None
        self._said = 0.0
        self.rows = 0
        self._events_said: set[str] = set()

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    def __call__(self, step: int, row: dict[str, float], timeline: Timeline) -> None:
        """Shows the newest row."""
        now = time.monotonic()
        self.rows += 1
        if self._began is None:
            self._began = (now, step)
            if step:
                self.console.print(f"going on from the checkpoint of step {step:,}", highlight=False)
        self._announce(timeline)
        if self._live:
            self._bar.update(self._task, completed=step, rate=self._rate(now, step))
            self._live.update(Group(Text(self.title, style="bold"), self._bar, self._table(row, timeline)))
        elif now - self._said >= PLAIN_EVERY or step == self.total:
            self._said = now
            self.console.print(self._line(step, row, timeline, self._rate(now, step)), highlight=False)

    def _announce(self, timeline: Timeline) -> None:
        for event in findings.shown(timeline.events):
            if event.found.step is not None and event.name not in self._events_said:
                self._events_said.add(event.name)
                self.console.print(f"{event.title} at step {event.found.step:,} ({event.rule})", highlight=False)

    def _rate(self, now: float, step: int) -> str:
        began, first = self._began or (now, step)
        if step == first or now == began:
            return ""
        rate = (step - first) / (now - began)
        return f"{rate:,.0f} steps/s, {duration(int((self.total - step) / rate))} left"

    def _table(self, row: dict[str, float], timeline: Timeline) -> Table:
        table = Table(box=None, padding=(0, 2))
        for head in ("", "train", "test"):
            table.add_column(head, justify="left" if not head else "right")
        table.add_row("loss", f"{row['train_loss']:.3g}", f"{row['test_loss']:.3g}")
        table.add_row("accuracy", f"{row['train_accuracy']:.2%}", f"{row['test_accuracy']:.2%}")
        table.add_row("Σw²", f"{row['weight_norm_sq']:,.0f}", "")
        table.add_row("phase", _phase(timeline), "")
        return table

    def _line(self, step: int, row: dict[str, float], timeline: Timeline, rate: str) -> str:
        return (
            f"step {step:,} of {self.total:,} · loss {row['train_loss']:.3g} train, {row['test_loss']:.3g} test · "
            f"accuracy {row['train_accuracy']:.1%}, {row['test_accuracy']:.1%} · {_phase(timeline)}"
            + (f" · {rate}" if rate else "")
        )


def counted(number: int, thing: str) -> str:
    """A number of things in words: `1 run`, `1,200 runs`."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def duration(seconds: int) -> str:
    """Seconds in words."""
    minutes, hours = seconds // 60, seconds // 3600
    return (
        f"{hours} h {minutes % 60} min" if hours else f"{minutes} min {seconds % 60} s" if minutes else f"{seconds} s"
    )


def _phase(timeline: Timeline) -> str:
    found = phases(timeline.events, timeline.last + 1)
    return found[-1].title.lower() if found else ""


def say_outcome(console: Console, run: Run, report: Path) -> None:
    """What happened in a finished run, and where its report is."""
    events = [event_from_json(event) for event in run.events]
    for event in findings.shown(events):
        found = event.found
        if found.step is None:
            console.print(f"{event.title}: {found.reason}", highlight=False)
            continue
        told = (f"{other.step:,}" if other.step is not None else "–" for other in event.sensitivity)
        others = ", ".join(
            f"{step} at {findings.threshold(event, o)}" for step, o in zip(told, event.sensitivity, strict=True)
        )
        rule = "; ".join(part for part in (event.rule, others) if part)
        console.print(f"{event.title} at step {found.step:,} ({rule})", highlight=False)
    found = phases(events, int(run.summary.get("last_step") or 0))
    console.print(f"Phases: {' · '.join(f'{p.title.lower()} {p.start:,}–{p.end:,}' for p in found)}", highlight=False)
    if why := findings.two_kinds(events):
        console.print(why, highlight=False)
    delay = run.summary.get("delay", {})
    if delay.get("steps") is not None:
        side = "before" if delay["steps"] < 0 else "after"
        ratio = f": {delay['ratio']:.1f} times as many steps" if delay["ratio"] else ""
        console.print(f"Generalised {abs(delay['steps']):,} steps {side} memorising{ratio}", highlight=False)
    timing = run.summary.get("timing", {})
    if timing:
        console.print(
            f"{timing['steps']:,} steps in {timing['wall_s']:.1f} s of training and measuring", highlight=False
        )
    console.print(f"Report: {report}", highlight=False)
