"""What a sweep looks like in a terminal: one live display, or plain lines where there is none."""

from __future__ import annotations

import shlex
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from latebloom.views.terminal import counted, duration

PLAIN_EVERY = 10.0
"""Seconds between plain lines."""

SHOWN = 12
"""Running runs that are shown, at most."""


class Found(Protocol):
    """The best run so far."""

    @property
    def cell(self) -> str:
        """Its place in the grid."""
        ...

    @property
    def grokked(self) -> int | None:
        """The step of the event."""
        ...

    @property
    def test_accuracy(self) -> float:
        """At the last step."""
        ...


class SweepState(Protocol):
    """Where a sweep stands."""

    @property
    def total(self) -> int:
        """Runs of the study."""
        ...

    @property
    def done(self) -> int:
        """Finished ones."""
        ...

    @property
    def failed(self) -> int:
        """Those that have failed."""
        ...

    @property
    def elsewhere(self) -> int:
        """Those that other processes are at."""
        ...

    @property
    def running(self) -> dict[str, tuple[int, int, float | None]]:
        """Step, last step and test accuracy of those under way here."""
        ...

    @property
    def left_s(self) -> float | None:
        """Seconds until the end."""
        ...

    @property
    def best(self) -> Found | None:
        """The best run so far."""
        ...


class SweepDisplay:
    """Shows a sweep; called several times a second, used in a `with` statement.

    Args:
        console: where to; a live display if it is a terminal, else plain lines.
        title: the study.
        labels: what runs are called, by their ids.
    """

    def __init__(self, console: Console, title: str, labels: dict[str, str]) -> None:
        self.console, self.title, self.labels = console, title, labels
        self._bar = Progress(
            TextColumn("{task.completed:,.0f} of {task.total:,.0f} done"),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[rest]}"),
            console=console,
            expand=True,
        )
        self._task = self._bar.add_task("", total=1, rest="")
        self._live = Live(console=console, refresh_per_second=4, transient=True) if console.is_terminal else None
        self._said, self._line = time.monotonic(), ""

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    def __call__(self, state: SweepState) -> None:
        """Shows where the sweep stands."""
        if self._live:
            self._bar.update(self._task, total=state.total, completed=state.done, rest=_rest(state))
            best = Text(best_line(state, "best so far"))
            self._live.update(Group(Text(self.title, style="bold"), self._bar, self._running(state), best))
        elif time.monotonic() - self._said >= PLAIN_EVERY:
            done = f"{state.done:,} of {counted(state.total, 'run')} done"
            line = f"{done}, {len(state.running)} running, {_rest(state)}"
            if line != self._line:
                self.console.print(line, highlight=False)
            self._said, self._line = time.monotonic(), line

    def _running(self, state: SweepState) -> Table:
        table = Table(box=None, padding=(0, 2))
        for head in ("running", "step", "test accuracy"):
            table.add_column(head, justify="left" if head == "running" else "right")
        for run, (step, steps, accuracy) in list(state.running.items())[:SHOWN]:
            label, seen = self.labels.get(run, run), "" if accuracy is None else f"{accuracy:.1%}"
            table.add_row(label, f"{step:,} of {steps:,}", seen)
        if len(state.running) > SHOWN:
            table.add_row(f"and {len(state.running) - SHOWN} more", "", "")
        return table


def _rest(state: SweepState) -> str:
    parts = [f"{state.failed:,} failed"] if state.failed else []
    parts += [f"{state.elsewhere:,} in other processes"] if state.elsewhere else []
    parts.append(f"{duration(int(state.left_s))} left" if state.left_s is not None else "time left not known yet")
    return ", ".join(parts)


def best_line(state: SweepState, head: str = "best") -> str:
    """The best run in words; none while no run has a test example right.

    Args:
        state: where the sweep stands.
        head: before a test accuracy: whether others may still be better.
    """
    best = state.best
    if best is None or (best.grokked is None and not best.test_accuracy):
        return ""
    if best.grokked is None:
        return f"{head}: {best.test_accuracy:.1%} test accuracy ({best.cell})"
    return f"grokked first: at step {best.grokked:,} ({best.cell})"


def next_line(study: str, fields: Sequence[str], runs: Path) -> str:
    """The commands that read a finished study.

    Args:
        study: its name.
        fields: that its axes set, by their paths.
        runs: the runs folder.
    """
    words = [path.rpartition(".")[2] for path in fields]
    names = [word if words.count(word) == 1 else path for word, path in zip(words, fields, strict=True)]
    commands = [f"statistics {study}"] if names else []
    commands += [f"diagram {study} {names[0]} {names[1]} -o {study}.png"] if len(names) > 1 else []
    where = "" if runs == Path("runs") else f" --runs {shlex.quote(str(runs))}"
    return "Next: " + ", ".join(f"`latebloom {command}{where}`" for command in [*commands, f"report {study}"])
