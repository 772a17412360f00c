"""What a sweep is said to take, against what it then takes."""

from __future__ import annotations

import resource
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

from latebloom.experiment import run_experiment
from latebloom.measures import chosen
from latebloom.spec import RunSpec, log_due
from latebloom.studies import estimate as module
from latebloom.studies.estimate import PROCESS, STARTING, Estimate, _Cost, _of_run, estimate
from latebloom.studies.expand import expand
from latebloom.studies.study import study_from
from latebloom.training import Setup, multiply_adds

TEXT = """
base = "quick"
seeds = 3
measures = "light"
set.steps = 300
set.log.every = 20
set.task.p = 13
set.model = {d_model = 16, n_heads = 2, d_mlp = 32}
set.checkpoints.every = 50
"""


def specs(text: str = TEXT) -> list[RunSpec]:
    return list(expand(study_from(tomllib.loads(text), Path("a.toml"))[0]).specs.values())


def test_the_disk_of_a_run_is_foreseen(tmp_path):
    (spec, *_) = found = specs()
    run = run_experiment(spec, tmp_path, "g", threads=1)
    taken = sum(path.stat().st_blocks * 512 for path in run.folder.rglob("*"))
    assert estimate(found).bytes / 3 == pytest.approx(taken, rel=0.5)


def test_time_adds_up_over_steps_rows_and_runs(monkeypatch):
    cost = _Cost(step=0.01, measures={"fit": 0.5}, multiply_adds=1, checkpoint=1000, row=8)
    monkeypatch.setattr(module, "_cost", lambda spec: cost)
    (spec, *_) = found = specs(TEXT.replace('"light"', '"none"'))
    rows = sum(log_due(step, 20) for step in range(301))
    seconds, size = _of_run(spec, cost)
    assert seconds == pytest.approx(STARTING + 300 * 0.01 + rows * 0.5)
    assert size == module.FIXED_BYTES + 7 * 1000 + rows * 8
    told = estimate(found)
    assert (told.runs, told.shapes, told.tried) == (3, 1, 1)
    assert told.seconds == pytest.approx(3 * seconds)


def test_a_costly_measure_counts_as_often_as_a_run_takes_it(tmp_path):
    spec = specs(TEXT.replace('"light"', '"ranks"'))[0]
    cost = _Cost(step=0.0, measures={"ranks": 1.0}, multiply_adds=1, checkpoint=0, row=0)
    run = run_experiment(spec, tmp_path, "g", threads=1)
    name = next(record.name for measure in chosen("ranks") if measure.name == "ranks" for record in measure.records)
    taken = int(np.isfinite(run.arrays[name].values).any(axis=1).sum())
    assert taken >= 20
    assert _of_run(spec, cost)[0] == pytest.approx(STARTING + taken)


def test_shapes_that_are_not_tried_are_scaled_by_their_multiply_adds(monkeypatch):
    tried: list[int] = []

    def cost(spec: RunSpec) -> _Cost:
        tried.append(spec.model["d_mlp"])
        counted = multiply_adds(Setup.of(spec))
        return _Cost(counted * 1e-9, {}, counted, 0, 0)

    widths = [16, 32, 48, 64, 80, 96, 112]
    text = TEXT.replace("seeds = 3", "seeds = 1") + f"[axes]\nmodel.d_mlp = {widths}"
    exact = sum(_of_run(spec, cost(spec))[0] for spec in specs(text))
    assert tried == widths
    tried.clear()
    monkeypatch.setattr(module, "_cost", cost)
    told = estimate(specs(text))
    assert (told.shapes, told.tried) == (7, len(tried))
    assert len(tried) <= module.MOST_TRIED
    assert told.seconds == pytest.approx(exact)


def test_processes_that_start_are_counted_once_each():
    told = Estimate(runs=8, shapes=1, seconds=80.0, bytes=0, tried=1)
    assert told.elapsed(2) == 2 * PROCESS + 40
    assert told.processor(2) == 3 * PROCESS + 80
    # workers without a run are not started
    assert (told.elapsed(100), told.processor(100)) == (2 * PROCESS + 10, 9 * PROCESS + 80)
    assert Estimate(0, 0, 0.0, 0, 0).processor(4) == Estimate(0, 0, 0.0, 0, 0).elapsed(4) == PROCESS


def test_a_worker_starts_in_about_the_time_that_is_foreseen():
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-m", "latebloom.studies.worker"], stdin=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert PROCESS / 4 < spent < PROCESS * 4
