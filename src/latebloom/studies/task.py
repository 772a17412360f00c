"""What a worker is given and what it gives back, whatever engine it runs in: plain data both ways."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from latebloom.ensemble import outcomes_of
from latebloom.errors import LatebloomError
from latebloom.experiment import InterruptedRunError, run_experiment
from latebloom.spec import RunSpec
from latebloom.store import BusyError, Run, no_space, open_run

End = Literal["done", "failed", "stopped", "busy", "disk"]


@dataclass(frozen=True)
class Task:
    """Runs of one shape, to be trained by one worker.

    Attributes:
        specs: what to run.
        root: the runs folder.
        group: the study's name.
    """

    specs: tuple[RunSpec, ...]
    root: Path
    group: str

    @property
    def ids(self) -> list[str]:
        """The ids of its runs."""
        return [spec.run_id for spec in self.specs]

    def to_json(self) -> dict[str, Any]:
        """The task as plain data."""
        specs = [spec.model_dump(mode="json") for spec in self.specs]
        return {"specs": specs, "root": str(self.root), "group": self.group}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Task:
        """The task that `to_json` gave."""
        return cls(tuple(map(RunSpec.model_validate, data["specs"])), Path(data["root"]), data["group"])


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes:
        run: its id.
        end: `done`; `failed` by itself; `stopped` by its user; `busy` when another process is writing it; `disk` when
            there is no space for it.
        error: why it is not done.
        grokked: the step of the event.
        test_accuracy: at the last step.
    """

    run: str
    end: End
    error: str = ""
    grokked: int | None = None
    test_accuracy: float | None = None


Progress = Callable[[str, int, float | None], None]
"""Told of a run's id, its step and its test accuracy."""


def run_task(task: Task, interrupted: Callable[[], bool], progress: Progress = lambda *told: None) -> list[Outcome]:
    """Runs all of a task, each from wherever it stands, several as an ensemble. Never raises for what a run does.

    Every task has one thread: side by side, many runs of one thread are faster than one of many.
    """
    if len(task.specs) == 1:
        return [_run(task.specs[0], task, interrupted, progress)]
    found = outcomes_of(
        task.specs,
        task.root,
        task.group,
        engine="lifted",
        threads=1,
        watch=lambda run, step, row: progress(run, step, row.get("test_accuracy")),
        interrupted=interrupted,
        tell=lambda message: print(message, file=sys.stderr, flush=True),
    )
    return [
        _done(open_run(task.root / task.group / one.run_id))
        if one.state == "done"
        else Outcome(one.run_id, one.state, one.error or "")
        for one in found
    ]


def _run(spec: RunSpec, task: Task, interrupted: Callable[[], bool], progress: Progress) -> Outcome:
    def watch(step: int, row: dict[str, float], timeline: Any) -> None:
        progress(spec.run_id, step, row.get("test_accuracy"))

    try:
        done = run_experiment(
            spec, task.root, task.group, threads=1, watch=watch, interrupted=interrupted, tell=lambda m: _log(spec, m)
        )
        return _done(done)
    except InterruptedRunError as error:
        return Outcome(spec.run_id, "stopped", str(error))
    except BusyError as error:
        return Outcome(spec.run_id, "busy", str(error))
    except Exception as error:
        if no_space(error):
            return Outcome(spec.run_id, "disk", str(error))
        _log(spec, str(error))
        if isinstance(error, LatebloomError):
            return Outcome(spec.run_id, "failed", str(error))
        # a fault of ours or of the user's own code: the log has where
        traceback.print_exc()
        return Outcome(spec.run_id, "failed", f"{type(error).__name__}: {error}")


def _done(run: Run) -> Outcome:
    steps = [event["found"]["step"] for event in run.events if event.get("name") == "grokked"]
    accuracy = run.summary.get("final", {}).get("test_accuracy")
    return Outcome(run.id, "done", grokked=steps[0] if steps else None, test_accuracy=accuracy)


def _log(spec: RunSpec, message: str) -> None:
    print(f"{spec.run_id}: {message}", file=sys.stderr, flush=True)
