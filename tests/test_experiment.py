"""The main path from end to end, undisturbed and disturbed."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

import latebloom
from latebloom import measures
from latebloom.analysis import find_events
from latebloom.experiment import DivergedError, InterruptedRunError, last_update, run_experiment, subject_of
from latebloom.spec import RunSpec, log_due, log_gap, override, read, resolve
from latebloom.store import StoreError
from latebloom.training import Setup, update
from twins import assert_twins

SMALL = {
    "task.p": "7",
    "model.d_model": "8",
    "model.n_heads": "2",
    "model.d_mlp": "8",
    "steps": "60",
    "log.every": "3",
    "checkpoints.every": "10",
}


def small(**changes: str) -> RunSpec:
    named = {name.replace("__", "."): value for name, value in changes.items()}
    return resolve(override(read("quick")[1], SMALL | named))


def test_what_is_stored_is_what_the_network_was(tmp_path):
    spec = small(batch="5")
    run = run_experiment(spec, tmp_path, "group")
    assert run.state == "done"
    assert run.folder == tmp_path / "group" / spec.run_id
    steps = run.scalars["step"].to_list()
    assert steps == [s for s in range(61) if log_due(s, 3) or s == 60]
    assert run.checkpoints == [0, 10, 20, 30, 40, 50, 60]
    setup = Setup.of(spec)
    subject = subject_of(setup)
    state = setup.initial_state()
    while state.step < 60:
        if state.step in run.checkpoints:
            stored = run.params(state.step)
            assert all(torch.equal(stored[name], tensor) for name, tensor in state.params.items())
        if state.step in steps:
            probe = measures.Probe(subject, state.params, last_update(setup, state))
            chosen = measures.chosen("default")
            due = chosen if state.step == 60 else measures.due(chosen, state.step, log_gap(state.step, 3), spec.strides)
            values = measures.take(probe, due)
            row = run.scalars.filter(pl.col("step") == state.step).row(0, named=True)
            for name, value in values.items():
                if isinstance(value, float):
                    assert row[name] == pytest.approx(value, rel=0, abs=0, nan_ok=True), name
                else:
                    np.testing.assert_array_equal(run.arrays[name].sel(step=state.step), value, name)
        state = update(setup, state)
    assert run.events == [event.to_json() | listed(event) for event in find_events(run.scalars)]
    last = {k: v for k, v in run.scalars.row(-1, named=True).items() if k not in ("run", "step")}
    assert latebloom.open(run.folder).summary["final"] == pytest.approx(last, nan_ok=True, rel=0, abs=0)


def listed(event) -> dict:
    """JSON has no tuples."""
    import json

    return json.loads(json.dumps(event.to_json()))


def test_a_finished_run_is_returned_as_it_is(tmp_path):
    spec, rows = small(), []
    first = run_experiment(spec, tmp_path, "group")
    before = (first.folder / "scalars.parquet").stat().st_mtime_ns
    again = run_experiment(spec, tmp_path, "group", watch=lambda *row: rows.append(row))
    assert (again.folder / "scalars.parquet").stat().st_mtime_ns == before
    assert rows == []


TWINS = [("full", 1), ("5", 10), ("full", 17), ("5", 57)]
MORE_TWINS = [("5", 1), ("full", 10), ("5", 17), ("full", 57)]


@pytest.mark.parametrize(
    ("batch", "step"), [*TWINS, *(pytest.param(*twin, marks=pytest.mark.slow) for twin in MORE_TWINS)]
)
def test_an_interrupted_run_ends_as_its_twin(tmp_path, batch, step):
    spec = small(batch=batch)
    asked = [False]

    def watch(at, row, timeline):
        asked[0] = asked[0] or at >= step

    with pytest.raises(InterruptedRunError, match="all is stored"):
        run_experiment(spec, tmp_path / "a", "group", watch=watch, interrupted=lambda: asked[0])
    stopped = latebloom.open(tmp_path / "a" / "group" / spec.run_id)
    assert stopped.state == "stopped"
    assert stopped.checkpoints[-1] >= step
    resumed = run_experiment(spec, tmp_path / "a", "group")
    twin = run_experiment(spec, tmp_path / "b", "group")
    assert_twins(resumed.folder, twin.folder)


def test_events_from_before_an_interruption_are_kept(tmp_path):
    spec, asked = (
        small(task__p="5", split__fraction="0.2", steps="400", stop__event="memorised", stop__after="120"),
        [False],
    )

    def watch(at, row, timeline):
        asked[0] = asked[0] or any(e.name == "memorised" and e.found.step is not None for e in timeline.events)

    with pytest.raises(InterruptedRunError):
        run_experiment(spec, tmp_path / "a", "group", watch=watch, interrupted=lambda: asked[0])
    stopped = latebloom.open(tmp_path / "a" / "group" / spec.run_id)
    assert stopped.events[0]["found"]["step"] is not None
    resumed = run_experiment(spec, tmp_path / "a", "group")
    assert_twins(resumed.folder, run_experiment(spec, tmp_path / "b", "group").folder)


@pytest.mark.parametrize("damage", ["cut", "flip", pytest.param("remove", marks=pytest.mark.slow)])
def test_a_damaged_log_is_noticed_and_computed_again(tmp_path, damage):
    spec, asked, told = small(), [False], []

    def watch(at, row, timeline):
        asked[0] = at >= 45

    with pytest.raises(InterruptedRunError):
        run_experiment(spec, tmp_path / "a", "group", watch=watch, interrupted=lambda: asked[0])
    segment = next((tmp_path / "a" / "group" / spec.run_id / "live").iterdir())
    content = bytearray(segment.read_bytes())
    if damage == "remove":
        segment.unlink()
    elif damage == "cut":
        segment.write_bytes(content[: len(content) // 2])
    else:
        # a number of the first row that is in every log: test accuracy at step 0, wherever it stands
        run = latebloom.open(segment.parents[1])
        place = bytes(content).index(np.float64(run.scalars["train_loss"][3]).tobytes())
        content[place] ^= 1
        segment.write_bytes(content)
    resumed = run_experiment(spec, tmp_path / "a", "group", tell=told.append)
    assert any("the run begins anew" in message for message in told)
    assert_twins(resumed.folder, run_experiment(spec, tmp_path / "b", "group").folder)


def test_interrupted_between_log_rows(tmp_path):
    spec, calls = small(log__every="20"), [0]

    def interrupted():
        calls[0] += 1
        return calls[0] > 33

    with pytest.raises(InterruptedRunError, match="stopped at step"):
        run_experiment(spec, tmp_path / "a", "group", interrupted=interrupted)
    resumed = run_experiment(spec, tmp_path / "a", "group")
    twin = run_experiment(spec, tmp_path / "b", "group")
    assert_twins(resumed.folder, twin.folder)


def test_divergence_is_recorded_with_its_step_and_reason(tmp_path):
    spec = small(optim__lr="100", optim__weight_decay="1000", schedule__warmup="0", steps="400")
    with pytest.raises(DivergedError, match=r"a (weight|logit) is no longer finite at step .* try a lower optim\.lr"):
        run_experiment(spec, tmp_path, "group")
    run = latebloom.open(tmp_path / "group" / spec.run_id)
    assert run.state == "failed"
    assert "no longer finite" in (run.status.error or "")
    assert len(run.scalars) > 1


def test_a_run_ends_some_steps_after_an_event_when_asked(tmp_path):
    spec = small(stop__event="memorised", stop__after="50", steps="4000", task__p="5", split__fraction="0.2")
    run = run_experiment(spec, tmp_path, "group")
    memorised = run.events[0]["found"]["step"]
    assert memorised is not None
    last = run.scalars["step"][-1]
    assert memorised + 50 <= last < 4000
    assert last == next(s for s in range(memorised + 50, 4001) if log_due(s, 3))
    assert run.checkpoints[-1] == last
    assert run_experiment(spec, tmp_path, "group").summary["last_step"] == last


def test_a_damaged_checkpoint_is_refused_and_the_one_before_is_used(tmp_path):
    spec, asked = small(), [False]

    def watch(at, row, timeline):
        asked[0] = at >= 45

    with pytest.raises(InterruptedRunError):
        run_experiment(spec, tmp_path / "a", "group", watch=watch, interrupted=lambda: asked[0])
    folder = tmp_path / "a" / "group" / spec.run_id / "checkpoints"
    *_, before, newest = sorted(folder.iterdir())
    newest.write_bytes(newest.read_bytes()[:-7])
    flipped = bytearray(before.read_bytes())
    flipped[len(flipped) // 2] ^= 1
    before.write_bytes(flipped)
    told = []
    resumed = run_experiment(spec, tmp_path / "a", "group", tell=told.append)
    assert [Path(newest).name in told[0], Path(before).name in told[1]] == [True, True]
    twin = run_experiment(spec, tmp_path / "b", "group")
    assert_twins(resumed.folder, twin.folder)


def test_two_writers(tmp_path):
    spec, messages = small(), []

    def watch(at, row, timeline):
        if at == 30:
            with pytest.raises(StoreError, match="being written") as caught:
                run_experiment(spec, tmp_path, "group")
            messages.append(str(caught.value))

    run_experiment(spec, tmp_path, "group", watch=watch)
    assert len(messages) == 1


CHILD = """
import sys
from latebloom.cli import main
sys.argv = ["latebloom", "run", *sys.argv[1:]]
main()
"""


def start(runs: Path, *words: str) -> subprocess.Popen:
    # few measures: what is tried here is the store, many rows of it
    command = [sys.executable, "-c", CHILD, "quick", "--runs", str(runs), "--quiet", "--measures", "light", *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen) -> None:
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    # a run that silently began anew would end as its twin too
    assert errors == ""


def logged(folder: Path) -> int:
    """Log rows that a reader sees, in order and each once, while the run is being written."""
    for run in folder.glob("*"):
        if (run / "spec.json").exists():
            steps = latebloom.open(run).scalars["step"]
            assert steps.is_sorted()
            assert steps.is_unique().all()
            return len(steps)
    return 0


@pytest.mark.slow
@pytest.mark.parametrize("batch", ["full", "256"])
def test_twenty_kills_at_random_moments(tmp_path, batch):
    """`kill -9` of the real command at random moments, a reader beside it: the end is bit-identical to the twin's."""
    words = ("--batch", batch, "--steps", "6000", "--checkpoints.every", "100", "--log.every", "5", "--threads", "2")
    finish(start(tmp_path / "twin", *words))
    rng, seen = random.Random(batch), 0
    folder = tmp_path / "killed" / "quick"
    for kill in range(20):
        process = start(tmp_path / "killed", *words)
        # one kill in four while the command is still starting, the others while it trains
        begun = time.monotonic()
        while kill % 4 and logged(folder) <= seen and time.monotonic() < begun + 60:
            time.sleep(0.02)
        deadline = time.monotonic() + rng.uniform(0, 2.0)
        while time.monotonic() < deadline:
            time.sleep(0.02)
            logged(folder)
        assert process.poll() is None, f"the run ended before kill {kill}: make it longer"
        process.send_signal(signal.SIGKILL)
        process.communicate()
        # what was flushed and is not after the last checkpoint stays; the rest is computed again
        seen = logged(folder)
    finish(start(tmp_path / "killed", *words))
    assert seen > 100
    assert_twins(*(next((tmp_path / name / "quick").iterdir()) for name in ("twin", "killed")))


def test_one_kill_in_the_middle(tmp_path):
    """The quick form of the twenty kills."""
    small_words = [f"--{name}={value}" for name, value in SMALL.items()]
    words = (*small_words, "--steps", "1500", "--checkpoints.every", "50", "--threads", "1")
    process = start(tmp_path / "killed", *words)
    folder = tmp_path / "killed" / "quick"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not list(folder.glob("*/checkpoints/step-00000100*")):
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    killed = next(folder.iterdir())
    assert latebloom.open(killed).state == "interrupted"
    assert len(latebloom.open(killed).scalars) > 10
    finish(start(tmp_path / "killed", *words))
    finish(start(tmp_path / "twin", *words))
    assert_twins(killed, tmp_path / "twin" / "quick" / killed.name)


@pytest.mark.parametrize(("task", "scheme"), [("digits", "fresh"), ("digits", "uniform"), ("skip-trigrams", "fresh")])
def test_a_run_on_sequences_is_resumed_bit_for_bit(tmp_path, task, scheme):
    sizes = {name: value for name, value in SMALL.items() if name != "task.p"} | {"task.samples": "40", "batch": "8"}
    spec = resolve(override(read("quick")[1], {"task.name": task, "split.scheme": scheme} | sizes))
    whole = run_experiment(spec, tmp_path / "whole", "group")
    asked = iter(range(1000))
    with pytest.raises(InterruptedRunError, match="stopped at step"):
        run_experiment(spec, tmp_path / "parts", "group", interrupted=lambda: next(asked) > 25)
    parts = run_experiment(spec, tmp_path / "parts", "group")
    assert_twins(whole.folder, parts.folder)
    assert "train_loss" in whole.scalars.columns
    assert ("test_accuracy_whole" in whole.scalars.columns) == (task == "digits")
