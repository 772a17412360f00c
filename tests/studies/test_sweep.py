"""The main loop of a sweep with a stand-in for the engine: what is trained, skipped, kept, tried again and told."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from latebloom.errors import LatebloomError
from latebloom.store import RunWriter, StoreError, no_space, open_run, open_study, read_study
from latebloom.studies import sweep as module
from latebloom.studies.expand import Plan, expand
from latebloom.studies.pool import LocalPool, Lost, Message, Step
from latebloom.studies.queue import Queue
from latebloom.studies.study import study_from
from latebloom.studies.sweep import Standing, SweepDiskError, SweepStoppedError, run_sweep
from latebloom.studies.task import Outcome, Task, run_task

TEXT = """
base = "quick"
seeds = 2
measures = "none"
set.steps = 40
set.task.p = 7
set.model = {d_model = 8, n_heads = 2, d_mlp = 8}
set.checkpoints.every = 10
[axes]
optim.weight_decay = [0.1, 1.0, 3.0]
"""


@pytest.fixture
def plan() -> Plan:
    return expand(study_from(tomllib.loads(TEXT), Path("grid.toml"))[0])


class Stand:
    """An engine that takes two tasks at a time and lets a function say how each ends; `done` writes a finished run."""

    def __init__(self, ends: Callable[[Task], Message | None] = lambda task: None) -> None:
        self.ends, self.tasks, self.trained, self.closed = ends, [], [], False
        self.stopping = False

    @property
    def free(self) -> int:
        return 0 if self.stopping else 2 - self.busy

    @property
    def busy(self) -> int:
        return len(self.tasks)

    def submit(self, task: Task) -> None:
        assert len(task.specs) == 1
        self.tasks.append(task)

    def poll(self, seconds: float) -> list[Message]:
        if not self.tasks:
            return []
        task = self.tasks.pop(0)
        (spec,) = task.specs
        if self.stopping:
            return [Outcome(spec.run_id, "stopped")]
        if (message := self.ends(task)) is not None:
            return [message]
        finish(task.root, task.group, spec.run_id)
        self.trained.append(spec.run_id)
        return [Step(spec.run_id, 20, 0.5), Outcome(spec.run_id, "done", test_accuracy=0.5)]

    def stop(self) -> None:
        self.stopping = True

    def close(self) -> None:
        self.closed = True


def finish(root: Path, group: str, run: str) -> None:
    with RunWriter.open(root, group, run, {}, {}, 1) as writer:
        if not writer.finished:
            writer.log(0, {"test_accuracy": 0.5})
            writer.finish([], {"final": {"test_accuracy": 0.5}, "last_step": 0})


def test_everything_is_trained_once_and_then_skipped(plan, tmp_path):
    engine, told = Stand(), []
    standing, failures = run_sweep(plan, tmp_path, lambda folder: engine, watch=told.append)
    assert engine.trained == list(plan.specs)
    assert engine.closed
    assert (standing.total, standing.done, standing.trained, failures) == (6, 6, 6, {})
    assert standing.running == {}
    assert max(len(t.running) for t in told) == 1  # of two, one has ended when it is told
    assert [t.done for t in told] == sorted(t.done for t in told)
    assert standing.best is not None
    assert read_study(tmp_path / "grid") == plan.file
    assert open_study(tmp_path / "grid").runs["state"].to_list() == ["done"] * 6
    again = Stand()
    standing, _ = run_sweep(plan, tmp_path, lambda folder: again)
    assert (again.trained, standing.done, standing.trained) == ([], 6, 0)


def test_the_plan_is_there_before_anything_trains(plan, tmp_path):
    def engine(folder: Path) -> Stand:
        assert read_study(folder) == plan.file
        return Stand()

    run_sweep(plan, tmp_path, engine)


def test_finished_runs_are_skipped_by_identity(plan, tmp_path):
    first, second, *others = plan.specs
    for run in (first, second):
        finish(tmp_path, "grid", run)
    engine = Stand()
    run_sweep(plan, tmp_path, lambda folder: engine)
    assert engine.trained == others


def test_a_study_that_grows_trains_what_is_new(plan, tmp_path):
    run_sweep(plan, tmp_path, lambda folder: Stand())
    larger = expand(study_from(tomllib.loads(TEXT.replace("3.0]", "3.0, 9.0]")), Path("grid.toml"))[0])
    engine = Stand()
    run_sweep(larger, tmp_path, lambda folder: engine)
    assert engine.trained == [run for run in larger.specs if run not in plan.specs]
    assert len(engine.trained) == 2
    assert open_study(tmp_path / "grid").runs.height == 8


def test_failures_are_kept_and_tried_again_on_request(plan, tmp_path):
    bad = list(plan.specs)[1]

    def ends(task: Task) -> Message | None:
        return Outcome(bad, "failed", "diverged at step 7") if task.ids == [bad] else None

    standing, failures = run_sweep(plan, tmp_path, lambda folder: Stand(ends))
    assert (standing.done, standing.failed, failures) == (5, 1, {bad: "diverged at step 7"})
    engine = Stand()
    standing, failures = run_sweep(plan, tmp_path, lambda folder: engine)
    assert (engine.trained, failures) == ([], {bad: "diverged at step 7"})
    standing, failures = run_sweep(plan, tmp_path, lambda folder: engine, retry_failed=True)
    assert (engine.trained, failures, standing.done) == ([bad], {}, 6)


def test_a_lost_worker_and_a_busy_run_are_taken_up_again(plan, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "BUSY_WAIT", 0.01)
    first, second, third, *_ = plan.specs
    events = {
        first: [Lost(Task((plan.specs[first],), tmp_path, "grid"), "killed by SIGKILL")] * 2,
        second: [Outcome(second, "busy", "is being written")] * 2,
        third: [Lost(Task((plan.specs[third],), tmp_path, "grid"), "killed by SIGKILL")] * 9,
    }

    def ends(task: Task) -> Message | None:
        return events[task.ids[0]].pop() if events.get(task.ids[0]) else None

    standing, failures = run_sweep(plan, tmp_path, lambda folder: Stand(ends))
    assert standing.done == 5
    assert failures == {third: "3 workers have died over this run, the last one killed by SIGKILL"}


def test_a_worker_that_dies_after_its_run_was_finished(plan, tmp_path):
    engines = []

    def ends(task: Task) -> Message | None:
        finish(tmp_path, "grid", task.ids[0])
        engines[0].trained += task.ids
        return Lost(task, "killed by SIGKILL")

    engines.append(Stand(ends))
    standing, failures = run_sweep(plan, tmp_path, lambda folder: engines[0])
    assert (standing.done, failures, engines[0].trained) == (6, {}, list(plan.specs))


def test_a_full_disk_stops_all_with_one_message(plan, tmp_path):
    first, second, third, *_ = plan.specs

    def ends(task: Task) -> Message | None:
        return Outcome(third, "disk", "No space left on device") if task.ids == [third] else None

    engine = Stand(ends)
    with pytest.raises(SweepDiskError, match=r"takes no more \(No space left on device\). Every finished run is safe"):
        run_sweep(plan, tmp_path, lambda folder: engine)
    assert engine.trained == [first, second]
    assert engine.closed
    assert Queue(tmp_path / "grid").counts() == {"waiting": 4, "claimed": 0, "done": 2, "failed": 0}
    standing, failures = run_sweep(plan, tmp_path, lambda folder: Stand())
    assert (standing.done, failures) == (6, {})


def test_an_interruption_gives_back_what_is_under_way(plan, tmp_path):
    told: list[Standing] = []
    engine = Stand()
    with pytest.raises(SweepStoppedError, match="stopped with 2 of 6 done: all is stored"):
        run_sweep(plan, tmp_path, lambda f: engine, watch=told.append, interrupted=lambda: len(engine.trained) == 2)
    assert Queue(tmp_path / "grid").counts() == {"waiting": 4, "claimed": 0, "done": 2, "failed": 0}


def test_a_queue_that_is_removed_meanwhile_is_filled_again(plan, tmp_path):
    engine = Stand()

    def watch(standing: Standing) -> None:
        if len(engine.trained) == 3:
            for file in (tmp_path / "grid").glob("queue.sqlite*"):
                file.unlink()

    standing, _ = run_sweep(plan, tmp_path, lambda folder: engine, watch=watch)
    assert (sorted(engine.trained), standing.done) == (sorted(plan.specs), 6)


def test_a_task_survives_json(plan, tmp_path):
    task = Task(tuple(plan.specs.values()), tmp_path, "grid")
    assert Task.from_json(json.loads(json.dumps(task.to_json()))) == task


def test_a_task_says_how_its_runs_end(plan, tmp_path, monkeypatch):
    specs = list(plan.specs.values())[:2]
    calm, wild = specs[0], replace_lr(specs[1])
    steps: list[tuple[str, int]] = []
    found = run_task(
        Task((calm, wild), tmp_path, "grid"), lambda: False, lambda run, step, a: steps.append((run, step))
    )
    assert [outcome.end for outcome in found] == ["done", "failed"]
    assert (found[0].grokked, found[1].error[:8]) == (None, "diverged")
    assert 0 <= found[0].test_accuracy <= 1  # pyright: ignore[reportOptionalOperand]
    assert (calm.run_id, 40) in steps
    (stopped,) = run_task(Task((specs[1],), tmp_path, "grid"), lambda: True)
    assert stopped.end == "stopped"
    with RunWriter.open(tmp_path, "grid", specs[1].run_id, specs[1].model_dump(mode="json"), {}):
        (busy,) = run_task(Task((specs[1],), tmp_path, "grid"), lambda: False)
    assert busy.end == "busy"

    def full(*args: object, **options: object) -> None:
        raise StoreError("no room") from OSError(28, "No space left on device")

    monkeypatch.setattr("latebloom.studies.task.run_experiment", full)
    assert run_task(Task((specs[1],), tmp_path, "grid"), lambda: False) == [Outcome(specs[1].run_id, "disk", "no room")]
    assert not no_space(StoreError("other"))


def test_runs_of_one_shape_are_trained_together(plan, tmp_path):
    def sweep(root, together):
        run_sweep(plan, root, lambda folder: LocalPool(1, folder / "workers.log"), together=together)
        return {run: open_run(root / "grid" / run) for run in plan.specs}

    alone, together = sweep(tmp_path / "alone", 1), sweep(tmp_path / "together", 4)
    for run in plan.specs:
        made = together[run].provenance["ensemble"]
        assert (made["engine"], made["at_once"]) == ("lifted", 4 if run in list(plan.specs)[:4] else 2)
        for name, tensor in alone[run].params().items():
            assert (tensor - together[run].params()[name]).abs().max() < 1e-4, name


def test_an_ensemble_says_how_its_runs_end(plan, tmp_path):
    first, second, third = list(plan.specs.values())[:3]
    with RunWriter.open(tmp_path, "grid", first.run_id, first.model_dump(mode="json"), {}):
        found = run_task(Task((first, second, replace_lr(third)), tmp_path, "grid"), lambda: False)
    assert [outcome.end for outcome in found] == ["busy", "done", "failed"]
    found = run_task(Task((first, third), tmp_path, "grid"), lambda: True)
    assert [outcome.end for outcome in found] == ["stopped", "stopped"]


def replace_lr(spec):
    return spec.model_copy(update={"optim": spec.optim | {"lr": 100.0, "weight_decay": 100.0}, "steps": 39})


def test_workers_that_cannot_start_give_one_message(plan, tmp_path, monkeypatch):
    monkeypatch.setattr("sys.executable", "/bin/false")
    with pytest.raises(LatebloomError, match=r"workers end as soon as they are started \(with exit code 1\)"):
        run_sweep(plan, tmp_path, lambda folder: LocalPool(2, folder / "workers.log"))


def test_best_is_the_first_to_grok(plan, tmp_path):
    steps = dict(zip(plan.specs, [None, 300, 200, None, 250, 900], strict=True))

    def ends(task: Task) -> Message | None:
        (run,) = task.ids
        finish(task.root, task.group, run)
        return Outcome(run, "done", grokked=steps[run], test_accuracy=1.0)

    standing, _ = run_sweep(plan, tmp_path, lambda folder: Stand(ends))
    assert standing.best is not None
    assert (standing.best.grokked, standing.best.cell) == (200, "optim.weight_decay = 3.0")


def test_time_left_follows_the_steps(plan, tmp_path, monkeypatch):
    made = module._Sweep(plan, tmp_path, None, None, 1, None, None)  # pyright: ignore[reportArgumentType]
    made.standing = Standing(6, done=2)
    assert made._left() is None
    made.began -= 100
    made.standing = replace(made.standing, done=3, running={next(iter(plan.specs)): (20, 40, None)})
    # 1.5 runs in 100 s, 2.5 are left
    assert made._left() == pytest.approx(100 * 2.5 / 1.5, rel=1e-3)
