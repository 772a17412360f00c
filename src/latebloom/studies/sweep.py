"""A sweep: the plan is written, finished runs are skipped, the others trained by an engine, and nothing is lost."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from latebloom.errors import LatebloomError
from latebloom.store import Layout, StoreError, gather, no_space, open_study, write_study
from latebloom.studies.expand import Plan, described
from latebloom.studies.pool import Engine, Lost, Message, Step
from latebloom.studies.queue import DiskFullError, Queue
from latebloom.studies.task import Outcome, Task
from latebloom.training import shape_of

RENEW_EVERY = 5.0
"""Seconds between two renewals of this process's claims."""

GATHER_EVERY = 100
"""Finished runs after which they are gathered for quick reading."""

BUSY_WAIT = 2.0
"""Seconds before a run is tried again that another process is just writing."""


@dataclass(frozen=True)
class Best:
    """The run that grokked first, or while none has, the one with the highest test accuracy."""

    run: str
    cell: str
    grokked: int | None
    test_accuracy: float

    @property
    def rank(self) -> tuple[bool, float]:
        """Higher is better."""
        return (False, self.test_accuracy) if self.grokked is None else (True, -self.grokked)


@dataclass(frozen=True)
class Standing:
    """Where a sweep stands.

    Attributes:
        total: runs of the study.
        done, failed: of all its runs, by whatever process.
        elsewhere: runs that other processes have taken up.
        running: this process's runs, with the step that each has reached and its last test accuracy.
        left_s: seconds until the end, as far as can be said.
        best: of all finished runs.
        trained: runs that were finished in this sitting.
    """

    total: int
    done: int = 0
    failed: int = 0
    elsewhere: int = 0
    running: dict[str, tuple[int, int, float | None]] = field(default_factory=dict)
    left_s: float | None = None
    best: Best | None = None
    trained: int = 0


class SweepStoppedError(LatebloomError):
    """The sweep was stopped by its user and can be gone on with."""

    code = 130


class SweepDiskError(LatebloomError):
    """The disk takes no more."""

    code = 4


def finished(plan: Plan, root: Path) -> list[str]:
    """The runs of a plan that are complete on disk."""
    folder = root / plan.file.name
    return [run for run in plan.specs if Layout(folder / run).manifest.exists()]


def run_sweep(
    plan: Plan,
    root: Path,
    engine: Callable[[Path], Engine],
    *,
    together: int = 1,
    retry_failed: bool = False,
    watch: Callable[[Standing], None] = lambda standing: None,
    interrupted: Callable[[], bool] = lambda: False,
) -> tuple[Standing, dict[str, str]]:
    """Trains every run of a plan that is not finished, beside other processes that do the same.

    Args:
        plan: what to run.
        root: the runs folder.
        engine: makes the engine, given the study's folder; it is closed at the end.
        together: how many runs of one shape a task has at most; several are trained as an ensemble.
        retry_failed: whether runs that failed are tried again.
        watch: told several times a second where the sweep stands.
        interrupted: asked as often; when it says so, runs under way are stored and stopped.

    Returns:
        Where the sweep stands in the end, and the runs that have failed with their errors.

    Raises:
        SweepStoppedError: `interrupted` said so.
        SweepDiskError: the disk is full.
        LatebloomError: nothing can be written or run at all.
    """
    folder = root / plan.file.name
    try:
        write_study(folder, plan.file)
        queue = Queue(folder)
        made = engine(folder)
        sweep = _Sweep(plan, root, queue, made, together, watch, interrupted)
        sweep.fill()
        if retry_failed:
            queue.retry_failed()
    except StoreError as error:
        if isinstance(error, DiskFullError) or no_space(error):
            raise SweepDiskError(_disk_full(folder, str(error))) from error
        raise
    try:
        sweep.run()
    finally:
        made.close()
        sweep.gather()
    return sweep.standing, queue.failures()


class _Sweep:
    """One sitting at a sweep."""

    def __init__(
        self,
        plan: Plan,
        root: Path,
        queue: Queue,
        engine: Engine,
        together: int,
        watch: Callable[[Standing], None],
        interrupted: Callable[[], bool],
    ) -> None:
        self.plan, self.root, self.queue, self.engine = plan, root, queue, engine
        self.together, self.watch, self.interrupted = together, watch, interrupted
        self.folder = root / plan.file.name
        self.cells = {run.id: described(run.cell) for run in plan.file.runs}
        self.standing = Standing(len(plan.specs), best=self._best_so_far())
        self.disk = ""
        self.began = self.renewed = time.monotonic()
        self.first_done: int | None = None
        self.first_steps: dict[str, int] = {}
        self.ungathered = 0

    def run(self) -> None:
        try:
            self._work()
        except DiskFullError as error:
            self.disk = str(error)
            self._wind_up()
        if self.disk:
            raise SweepDiskError(_disk_full(self.folder, self.disk))

    def _work(self) -> None:
        while True:
            self._renew()
            self._submit()
            if not self.engine.busy and not self._others():
                return
            for message in self.engine.poll(0.25):
                self._hear(message)
            self._show()
            if self.disk or self.interrupted():
                self._wind_up()
                return

    def _others(self) -> bool:
        """Whether there is something that is not this process's to do now but may become so."""
        counts = self.queue.counts()
        if sum(counts.values()) < len(self.plan.specs):  # somebody removed the file
            self.fill()
            return True
        self._show()
        return counts["waiting"] > 0 or counts["claimed"] > 0

    def fill(self) -> None:
        """Takes the plan into the queue."""
        shapes = {run: shape_of(spec) for run, spec in self.plan.specs.items()}
        self.queue.fill(shapes, finished(self.plan, self.root))

    def _renew(self) -> None:
        if self.renewed == self.began or time.monotonic() - self.renewed > RENEW_EVERY:
            self.queue.renew()
            self.renewed = time.monotonic()

    def _submit(self) -> None:
        while self.engine.free:
            claimed = self.queue.claim(self.together)
            if not claimed:
                return
            self.engine.submit(Task(tuple(self.plan.specs[run] for run in claimed), self.root, self.plan.file.name))
            running = {run: (0, self.plan.specs[run].steps, None) for run in claimed}
            self.standing = replace(self.standing, running=self.standing.running | running)

    def _hear(self, message: Message) -> None:
        if isinstance(message, Step):
            total = self.plan.specs[message.run].steps
            self.first_steps.setdefault(message.run, message.step)
            running = self.standing.running | {message.run: (message.step, total, message.accuracy)}
            self.standing = replace(self.standing, running=running)
            return
        runs = message.task.ids if isinstance(message, Lost) else [message.run]
        running = {run: what for run, what in self.standing.running.items() if run not in runs}
        self.standing = replace(self.standing, running=running)
        if isinstance(message, Lost):
            for run in runs:
                # runs of a lost task that were finished before are found on disk
                if Layout(self.folder / run).manifest.exists():
                    self.queue.settle(run)
                else:
                    self.queue.lose(run, message.why)
        else:
            self._end(message)

    def _end(self, outcome: Outcome) -> None:
        if outcome.end == "done":
            self.queue.settle(outcome.run)
            self.ungathered += 1
            found = Best(outcome.run, self.cells[outcome.run], outcome.grokked, outcome.test_accuracy or 0.0)
            best = max([self.standing.best or found, found], key=lambda best: best.rank)
            self.standing = replace(self.standing, best=best, trained=self.standing.trained + 1)
            if self.ungathered >= GATHER_EVERY:
                self.gather()
        elif outcome.end == "failed":
            self.queue.settle(outcome.run, outcome.error)
        else:
            self.disk = self.disk or (outcome.error if outcome.end == "disk" else "")
            self.queue.give_back(outcome.run, BUSY_WAIT if outcome.end == "busy" else 0.0)

    def _wind_up(self) -> None:
        """Lets every run under way store itself, and gives back what is not finished."""
        self.engine.stop()
        while self.engine.busy:
            for message in self.engine.poll(0.25):
                with suppress(DiskFullError):
                    if isinstance(message, Lost):
                        for run in message.task.ids:
                            self.queue.give_back(run)
                    else:
                        self._hear(message)
            self._show()
        if not self.disk:
            counts = self.queue.counts()
            raise SweepStoppedError(
                f"stopped with {counts['done']} of {len(self.plan.specs)} done: all is stored, "
                "and the same command goes on from there"
            )

    def _show(self) -> None:
        with suppress(DiskFullError):
            counts = self.queue.counts()
            mine = len(self.standing.running)
            self.standing = replace(
                self.standing, done=counts["done"], failed=counts["failed"], elsewhere=max(0, counts["claimed"] - mine)
            )
        self.standing = replace(self.standing, left_s=self._left())
        self.watch(self.standing)

    def _left(self) -> float | None:
        """Seconds until the end at the rate of this sitting, in which a run under way counts by its steps."""
        now = self.standing
        if self.first_done is None:
            self.first_done = now.done + now.failed
        shares = {run: step / max(1, steps) for run, (step, steps, _) in now.running.items()}
        brought = sum(self.first_steps.get(run, 0) / max(1, now.running[run][1]) for run in now.running)
        gained = now.done + now.failed - self.first_done + sum(shares.values()) - brought
        left = now.total - now.done - now.failed - sum(shares.values())
        elapsed = time.monotonic() - self.began
        return elapsed * left / gained if gained > 0.05 and elapsed > 2 else None

    def gather(self) -> None:
        """Copies finished runs together for quick reading; a reader does it where this cannot."""
        with suppress(StoreError):
            gather(self.folder, list(self.plan.specs))
            self.ungathered = 0

    def _best_so_far(self) -> Best | None:
        with suppress(StoreError):
            frame = open_study(self.folder).runs
            if {"grokked.step", "final.test_accuracy"} <= set(frame.columns):
                rows = frame.select("run", "grokked.step", "final.test_accuracy").iter_rows()
                found = [Best(r, self.cells[r], step, accuracy) for r, step, accuracy in rows if accuracy is not None]
                return max(found, key=lambda best: best.rank, default=None)
        return None


def _disk_full(folder: Path, error: str) -> str:
    return (
        f"the sweep was stopped, since the disk of {folder} takes no more ({error}). Every finished run is safe: free "
        "some space and start the same command again, it goes on from there"
    )
