"""Reading a study: the frames against the runs' own files, and what happens when copies are stale, cut or foreign."""

from __future__ import annotations

import json
import math
import os
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import latebloom
from latebloom.store import (
    Axis,
    RunWriter,
    StoreError,
    StudyFile,
    StudyRun,
    gathered,
    open_run,
    open_study,
    write_study,
)
from latebloom.store.lock import RunLock

AXES = (Axis("optim.lr", ("optim.lr",), (0.1, 1)), Axis("width", ("model.d_model", "model.n_heads"), ([8, 2], [16, 4])))


def event(name: str, step: int | None, last: int) -> dict:
    found = {
        "step": step,
        "interval": None if step is None else [step - 1, step],
        "censored_at": None if step else last,
    }
    return {"name": name, "found": found}


def finish(root: Path, group: str, run_id: str, seed: int = 0, odd: bool = False) -> None:
    """A finished run with numbers of its own; an odd one has a measure that the others lack."""
    with RunWriter.open(root, group, run_id, {"seed": seed}, {}, 5) as writer:
        values = np.random.default_rng(seed).normal(size=6)
        for step in range(6):
            writer.log(step, {"loss": float(values[step])} | ({"odd": math.nan} if odd else {}))
        writer.finish(
            [event("memorised", 2, 5), event("grokked", None, 5)],
            {"final": {"loss": float(values[5])}, "timing": {"wall_s": 1.5}, "last_step": 5},
        )


def study(root: Path, done: int = 8, of: int = 8) -> Path:
    """A study of 2 × 2 cells and two seeds, some of its runs finished."""
    cells = [{"optim.lr": lr, "width": width} for lr in AXES[0].values for width in AXES[1].values]
    runs = tuple(StudyRun(f"run-{i}", cells[i % 4], i // 4) for i in range(of))
    write_study(root / "grid", StudyFile("grid", "Which?", {"steps": 5}, AXES, (0, 1), runs))
    for i in range(done):
        finish(root, "grid", f"run-{i}", i, odd=i == 1)
    return root / "grid"


def test_the_frames_are_what_the_runs_say(tmp_path):
    folder = study(tmp_path)
    for attempt in range(2):  # from the folders, then from what was gathered
        opened = open_study(folder)
        expected = [
            open_run(folder / f"run-{i}").scalars.drop("run").with_columns(run=pl.lit(f"run-{i}")) for i in range(8)
        ]
        together = pl.concat(expected, how="diagonal_relaxed").select("run", "step", "loss", "odd")
        assert opened.scalars().sort("run", "step").equals(together.sort("run", "step"))
        assert opened.scalars("loss").columns == ["run", "step", "loss"]
        assert opened.scalars("odd")["odd"].is_nan().sum() == 6
        frame = opened.runs
        assert frame["run"].to_list() == [f"run-{i}" for i in range(8)]
        assert frame["optim.lr"].to_list() == [0.1, 0.1, 1.0, 1.0] * 2
        assert frame["model.d_model"].to_list() == [8, 16] * 4
        assert frame["seed"].to_list() == [0] * 4 + [1] * 4
        assert set(frame["state"]) == {"done"}
        assert frame["memorised.step"].to_list() == [2] * 8
        assert frame["memorised.after"].to_list() == [1] * 8
        assert frame["grokked.step"].to_list() == [None] * 8
        assert frame["grokked.censored_at"].to_list() == [5] * 8
        assert frame["final.loss"].to_list() == [e["loss"][5] for e in expected]
        assert frame["wall_s"].to_list() == [1.5] * 8
        if attempt == 0:
            gathered.gather(folder, [f"run-{i}" for i in range(8)])
    assert latebloom.open_study("grid", tmp_path).run("run-3").id == "run-3"


def test_a_study_under_way(tmp_path):
    folder = study(tmp_path, done=2)
    RunWriter.open(tmp_path, "grid", "run-2", {}, {}, 5).fail("diverged: a weight", [event("memorised", 1, 3)])
    writer = RunWriter.open(tmp_path, "grid", "run-3", {}, {}, 5)
    frame = open_study(folder).runs
    writer.stop("enough")
    assert frame["state"].to_list() == ["done", "done", "failed", "running", *["pending"] * 4]
    assert frame["error"].to_list()[:3] == [None, None, "diverged: a weight"]
    assert frame["memorised.step"].to_list()[:4] == [2, 2, 1, None]
    assert open_study(folder).scalars()["run"].unique().sort().to_list() == ["run-0", "run-1"]


def test_nothing_finished(tmp_path):
    opened = open_study(study(tmp_path, done=0))
    assert opened.runs["state"].to_list() == ["pending"] * 8
    assert opened.scalars("loss").shape == (0, 3)


def test_gathered_files_are_filled_up_and_then_left_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(gathered, "PART", 3)
    folder, ids = study(tmp_path, done=4), [f"run-{i}" for i in range(8)]
    gathered.gather(folder, ids)
    first, second = sorted((folder / "gathered").glob("*.parquet"))
    before = first.stat().st_mtime_ns
    for i in range(4, 8):
        finish(tmp_path, "grid", f"run-{i}", i)
    gathered.gather(folder, ids)
    names = [path.name for path in sorted((folder / "gathered").glob("*.parquet"))]
    assert names == ["00000.parquet", "00001.parquet", "00002.parquet"]
    assert first.stat().st_mtime_ns == before
    assert second.name == names[1]
    assert sorted(open_study(folder).scalars("loss")["run"].unique()) == ids
    assert len(open_study(folder).scalars("loss")) == 48


def test_a_run_trained_again_replaces_its_copy(tmp_path):
    folder, ids = study(tmp_path), [f"run-{i}" for i in range(8)]
    gathered.gather(folder, ids)
    shutil.rmtree(folder / "run-1")
    assert sorted(open_study(folder).scalars()["run"].unique()) == [i for i in ids if i != "run-1"]
    finish(tmp_path, "grid", "run-1", 77)
    for _ in range(2):
        found = open_study(folder).scalars("loss").filter(pl.col("run") == "run-1")["loss"].to_list()
        assert found == open_run(folder / "run-1").scalars["loss"].to_list()
        gathered.gather(folder, ids)


@pytest.mark.parametrize("damage", [b"", b"PAR1 not a table", None])
def test_damaged_copies_are_made_anew(tmp_path, damage):
    folder, ids = study(tmp_path), [f"run-{i}" for i in range(8)]
    gathered.gather(folder, ids)
    (path,) = (folder / "gathered").glob("*.parquet")
    path.write_bytes(path.read_bytes()[:-200] if damage is None else damage)
    assert sorted(open_study(folder).scalars()["run"].unique()) == ids
    gathered.gather(folder, ids)
    assert sorted(open_study(folder).scalars()["run"].unique()) == ids


def test_many_runs_are_gathered_when_they_are_read(tmp_path):
    folder, ids = study(tmp_path), [f"run-{i}" for i in range(8)]
    lock = RunLock(_made(folder / "gathered") / "lock")
    assert sum(len(part.facts) for part in gathered.parts(folder, ids, write_from=5)) == 8
    assert list((folder / "gathered").glob("*.parquet")) == []  # somebody else is at it
    lock.release()
    assert sum(len(part.facts) for part in gathered.parts(folder, ids, write_from=5)) == 8
    assert len(list((folder / "gathered").glob("*.parquet"))) == 1


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_archive_is_read(tmp_path):
    folder = study(tmp_path)
    folder.chmod(0o555)
    assert len(gathered.parts(folder, [f"run-{i}" for i in range(8)], write_from=1)[0].facts) == 8
    folder.chmod(0o755)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "is no study: no study.json, as written by"),
        ("{}", "is of format None"),
        ("[1]", "should hold a dict"),
        ('{"schema": 1}', "is not as latebloom writes"),
        ('{"schema": 1, "name": "", "question": "", "base": {}, "axes": [{"name": "a", "paths": ["a"], '
         '"values": [1]}], "seeds": [0], "runs": [{"id": "x", "cell": {}, "seed": 0}]}', "is not as latebloom writes"),
        ('{"schema": 1, "name": "", "question": "", "base": {}, "axes": [], "seeds": [0], '
         '"runs": [{"id": "../../x", "cell": {}, "seed": 0}]}', "A run id must be letters"),
    ],
)  # fmt: skip
def test_what_is_no_study_gives_one_message(tmp_path, content, message):
    (tmp_path / "grid").mkdir()
    if content is not None:
        (tmp_path / "grid" / "study.json").write_text(content)
    with pytest.raises(StoreError, match=message):
        open_study(tmp_path / "grid")


def test_an_unknown_scalar(tmp_path):
    with pytest.raises(StoreError, match="has a scalar 'lsos'"):
        open_study(study(tmp_path)).scalars("lsos")


def test_events_of_another_kind_do_not_hide_the_other_runs(tmp_path):
    folder = study(tmp_path)
    path = folder / "run-2" / "events.json"
    path.write_text(json.dumps([3]))
    frame = open_study(folder).runs
    assert frame["state"].to_list() == ["done", "done", "failed", *["done"] * 5]
    assert "not as latebloom writes them" in frame["error"][2]
