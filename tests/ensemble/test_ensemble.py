"""Many runs together: the same folders as one by one, whatever happens to some of them."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest

import latebloom
from latebloom.ensemble import run_ensemble
from latebloom.ensemble.choice import chosen
from latebloom.experiment import InterruptedRunError, run_experiment
from latebloom.process import cores
from latebloom.spec import RunSpec, override, read, resolve
from twins import assert_twins, result_files

SMALL = {
    "task.p": "7",
    "model.d_model": "8",
    "model.n_heads": "2",
    "model.d_mlp": "8",
    "steps": "60",
    "log.every": "10",
    "checkpoints.every": "10",
    "precision": "float64",
    "log.measures": "light",
    "schedule.warmup": "0",
}
QUICK = ("lifted", "one-by-one")
ENGINES = (*QUICK, "side-by-side")


def small(**changes: str) -> RunSpec:
    named = {name.replace("__", "."): value for name, value in changes.items()}
    return resolve(override(read("quick")[1], SMALL | named))


MEMBERS = [small(seed="0"), small(seed="1", split__fraction="0.6"), small(seed="2", optim__lr="3e-3")]
DIVERGING = small(seed="3", optim__lr="100", optim__weight_decay="1000", steps="400")


def ensemble(specs, root: Path, **words):
    return run_ensemble(specs, root, "group", **{"threads": 1} | words)


def folder(root: Path, spec: RunSpec) -> Path:
    return root / "group" / spec.run_id


def assert_same_but_for_rounding(one: Path, other: Path) -> None:
    """Two folders of one run: the same files, rows, events, and numbers to rounding."""
    assert sorted(result_files(one)) == sorted(result_files(other))
    ours, theirs = latebloom.open(one), latebloom.open(other)
    assert ours.scalars.columns == theirs.scalars.columns
    for name in ours.scalars.columns:
        mine, yours = (run.scalars[name].cast(pl.Float64).fill_null(math.nan).to_list() for run in (ours, theirs))
        assert mine == pytest.approx(yours, rel=1e-6, abs=1e-9, nan_ok=True), name
    assert ours.events == theirs.events
    for step in ours.checkpoints:
        for name, tensor in ours.params(step).items():
            assert tensor.numpy() == pytest.approx(theirs.params(step)[name].numpy(), abs=1e-9)


@pytest.fixture(scope="module")
def lone(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("lone")
    for spec in MEMBERS:
        run_experiment(spec, root, "group", threads=1)
    return root


@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_stores_what_lone_runs_store(tmp_path, lone, engine):
    rows: dict[str, list[int]] = {}
    outcomes = ensemble(
        MEMBERS, tmp_path, engine=engine, watch=lambda run, step, row: rows.setdefault(run, []).append(step)
    )
    assert [(outcome.run_id, outcome.state, outcome.error) for outcome in outcomes] == [
        (spec.run_id, "done", None) for spec in MEMBERS
    ]
    for spec in MEMBERS:
        run = latebloom.open(folder(tmp_path, spec))
        assert run.state == "done"
        assert rows[spec.run_id] == run.scalars["step"].to_list()
        facts = json.loads((run.folder / "provenance.json").read_text("utf-8"))["ensemble"]
        assert (facts["engine"], facts["runs"]) == (engine, 3)
        check = assert_same_but_for_rounding if engine == "lifted" else assert_twins
        check(run.folder, folder(lone, spec))
    # a second call finds everything done
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.parquet")}
    assert [outcome.state for outcome in ensemble(MEMBERS, tmp_path, engine=engine)] == ["done"] * 3
    assert before == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.parquet")}


@pytest.mark.parametrize("engine", [*QUICK, pytest.param("side-by-side", marks=pytest.mark.slow)])
def test_a_member_that_diverges_fails_with_its_step_and_the_others_go_on(tmp_path, engine):
    outcomes = ensemble([MEMBERS[0], DIVERGING, MEMBERS[1]], tmp_path, engine=engine)
    assert [outcome.state for outcome in outcomes] == ["done", "failed", "done"]
    error = outcomes[1].error or ""
    assert "is no longer finite at step " in error
    run = latebloom.open(folder(tmp_path, DIVERGING))
    assert run.state == "failed"
    assert run.status.error == error
    assert f"at step {run.scalars['step'][-1]};" in error


def test_a_spec_that_cannot_be_set_up_fails_alone(tmp_path):
    # the published draw does not suit a network without positions, which only the drawing finds
    bad = MEMBERS[1].model_copy(update={"init": "nanda2023", "model": MEMBERS[1].model | {"tied": True}})
    outcomes = ensemble([MEMBERS[0], bad], tmp_path, engine="lifted")
    assert [outcome.state for outcome in outcomes] == ["done", "failed"]
    assert "nanda2023" in (outcomes[1].error or "")


@pytest.mark.parametrize("engine", [*QUICK, pytest.param("side-by-side", marks=pytest.mark.slow)])
def test_an_interrupted_ensemble_goes_on_where_each_run_was(tmp_path, lone, engine):
    seen: list[int] = []

    def watch(run: str, step: int, row: dict[str, float]) -> None:
        seen.append(step)

    with pytest.raises(InterruptedRunError, match="of 3 left to do"):
        ensemble(MEMBERS, tmp_path, engine=engine, watch=watch, interrupted=lambda: len(seen) >= 30)
    states = {latebloom.open(path).state for path in (tmp_path / "group").iterdir() if path.is_dir()}
    assert "stopped" in states
    assert states <= {"stopped", "done"}
    told: list[str] = []
    assert {o.state for o in ensemble(MEMBERS, tmp_path, engine=engine, tell=told.append)} == {"done"}
    assert told == []
    for spec in MEMBERS:
        check = assert_same_but_for_rounding if engine == "lifted" else assert_twins
        check(folder(tmp_path, spec), folder(lone, spec))


def test_members_stop_at_steps_of_their_own(tmp_path):
    specs = [
        small(task__p="5", split__fraction="0.2", steps="400", stop__event="memorised", stop__after="20", seed="1"),
        small(task__p="5", split__fraction="0.2", steps="30", seed="2"),
        small(task__p="5", split__fraction="0.2", steps="47", seed="3", log__every="5", checkpoints__every="7"),
    ]
    assert {outcome.state for outcome in ensemble(specs, tmp_path / "a", engine="lifted")} == {"done"}
    for spec in specs:
        run_experiment(spec, tmp_path / "b", "group", threads=1)
        assert_same_but_for_rounding(folder(tmp_path / "a", spec), folder(tmp_path / "b", spec))


def test_a_member_whose_disk_refuses_fails_alone(tmp_path, monkeypatch):
    from latebloom.store import RunWriter, StoreError

    log = RunWriter.log

    def refusing(self, step, *rest, **more):
        if self.folder.name == MEMBERS[1].run_id and step == 30:
            raise StoreError("no room left")
        return log(self, step, *rest, **more)

    monkeypatch.setattr(RunWriter, "log", refusing)
    outcomes = ensemble(MEMBERS, tmp_path, engine="lifted")
    assert [(o.state, o.error) for o in outcomes] == [("done", None), ("failed", "no room left"), ("done", None)]
    assert latebloom.open(folder(tmp_path, MEMBERS[1])).status.error == "no room left"
    monkeypatch.undo()
    assert {o.state for o in ensemble(MEMBERS, tmp_path, engine="lifted")} == {"done"}


@pytest.mark.slow
def test_a_worker_that_is_killed_costs_one_run_which_can_be_resumed(tmp_path):
    specs = [small(seed=str(seed), steps="1500") for seed in range(3)]
    killed: list[int] = []

    def watch(run: str, step: int, row: dict[str, float]) -> None:
        if step >= 100 and not killed:
            killed.append(next(iter(children())))
            os.kill(killed[0], signal.SIGKILL)

    outcomes = ensemble(specs, tmp_path, engine="side-by-side", watch=watch)
    assert sorted(outcome.state for outcome in outcomes) == ["done", "done", "failed"]
    error = next(outcome.error for outcome in outcomes if outcome.state == "failed")
    assert error == "its process ended with signal 9; what it had stored is kept, and it can be resumed"
    assert {outcome.state for outcome in ensemble(specs, tmp_path, engine="side-by-side")} == {"done"}


def children() -> list[int]:
    """The workers of this process."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            words, stat = (path / "cmdline").read_bytes(), (path / "stat").read_text()
        except OSError:
            continue
        if b"latebloom.ensemble.worker" in words and int(stat.rpartition(")")[2].split()[1]) == os.getpid():
            found.append(int(path.name))
    return found


CHILD = """
import sys
from pathlib import Path
from latebloom.ensemble import run_ensemble
from latebloom.spec import override, read, resolve
import json
if __name__ == "__main__":
    specs = [resolve(override(read("quick")[1], changes)) for changes in json.loads(sys.argv[3])]
    run_ensemble(specs, Path(sys.argv[1]), "group", engine=sys.argv[2], threads=1)
"""


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["lifted", "side-by-side"])
def test_an_ensemble_that_is_killed_loses_nothing(tmp_path, engine):
    """`kill -9`: each run goes on from its own newest checkpoint, and ends as if nothing had been."""
    changes = [SMALL | {"steps": "300", "seed": str(seed)} for seed in range(3)]
    specs = [resolve(override(read("quick")[1], change)) for change in changes]
    words = [sys.executable, "-c", CHILD, str(tmp_path / "killed"), engine, json.dumps(changes)]
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not list((tmp_path / "killed" / "group").glob("*/checkpoints/step-00000100*")):
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    kept = [latebloom.open(path) for path in (tmp_path / "killed" / "group").iterdir() if path.is_dir()]
    assert max(len(run.scalars) for run in kept) > 20
    outcomes = wait_for_locks(specs, tmp_path / "killed", engine)
    assert {outcome.state for outcome in outcomes} == {"done"}
    ensemble(specs, tmp_path / "twin", engine=engine)
    for spec in specs:
        check = assert_same_but_for_rounding if engine == "lifted" else assert_twins
        check(folder(tmp_path / "killed", spec), folder(tmp_path / "twin", spec))


def wait_for_locks(specs, root: Path, engine):
    """Workers whose parent was killed stop by themselves, at their next step."""
    deadline = time.monotonic() + 30
    while True:
        outcomes = ensemble(specs, root, engine=engine)
        if all("being written" not in (outcome.error or "") for outcome in outcomes) or time.monotonic() > deadline:
            return outcomes
        time.sleep(0.1)


def parts(specs, engine=None, told=None):
    found = chosen(specs, engine, None, (told if told is not None else []).append)
    return {(part.engine, len(part.specs)): part.why for part in found}


def test_the_engine_follows_from_the_specs_and_the_machine():
    many = [small(seed=str(seed)) for seed in range(5)]
    beside = "side-by-side" if cores() > 1 else "one-by-one"
    assert parts(many)[beside, 5] == "on a CPU lifting is no faster"
    assert list(parts([*many, *many])) == [(beside, 5)]
    assert list(parts(many[:1])) == [("one-by-one", 1)]
    other = small(seed="9", model__d_mlp="9")
    assert list(parts([*many, other])) == [(beside, 6)]
    assert parts([*many, other], "lifted") == {("lifted", 5): "as asked for", ("lifted", 1): "as asked for"}
    assert parts(many, "side-by-side") == {("side-by-side", 5): "as asked for"}


def test_what_cannot_be_lifted_is_trained_otherwise_and_the_reason_told(tmp_path):
    told: list[str] = []
    noisy = [small(seed=str(seed), regular__dropout="0.1", steps="5") for seed in range(2)]
    outcomes = ensemble(noisy, tmp_path, engine="lifted", tell=told.append)
    assert [outcome.state for outcome in outcomes] == ["done", "done"]
    assert len(told) == 1
    assert "not lifted but trained" in told[0]
    assert "regular.dropout is drawn on the host" in told[0]


@pytest.mark.slow
def test_in_float32_the_events_come_at_the_same_steps_over_seeds(tmp_path):
    """Rounding is amplified, so single runs differ; over seeds, lifted and lone runs must not (paired, two-sided)."""
    from scipy import stats

    table = read("quick")[1]
    table["model"] = {"name": "mlp", "embedding": "sum", "d_model": 32, "widths": [64]}
    words = {"task.p": "31", "task.equation": "a b", "split.fraction": "0.6", "steps": "6000", "optim.lr": "1e-3"}
    words |= {"log.measures": "none", "checkpoints.every": "6000", "stop.event": "generalised", "stop.after": "0"}
    specs = [resolve(override(table, words | {"seed": str(seed)})) for seed in range(24)]
    ensemble(specs, tmp_path / "lifted", engine="lifted")
    ensemble(specs, tmp_path / "lone", engine="one-by-one")
    steps = pl.DataFrame(
        {
            way: [event_step(latebloom.open(folder(tmp_path / way, spec)), spec.steps) for spec in specs]
            for way in ("lifted", "lone")
        }
    )
    assert (steps["lone"] < 6000).mean() > 0.8
    # the same seed generalises at about the same step, and there is no shift
    assert stats.spearmanr(steps["lifted"], steps["lone"]).statistic > 0.8
    differences = (steps["lifted"] - steps["lone"]).to_numpy()
    assert abs(differences).max() == 0 or stats.wilcoxon(differences, zero_method="zsplit").pvalue > 0.01


def event_step(run, never: int) -> int:
    found = [event["found"]["step"] for event in run.events if event["name"] == "generalised"]
    return found[0] if found and found[0] is not None else never
