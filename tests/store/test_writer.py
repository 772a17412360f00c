"""Writing a run: killed, resumed, refused, finished, whatever happens."""

from __future__ import annotations

import errno
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import torch

from latebloom.store import CheckpointError, RunWriter, StoreError, checkpoints, finished, layout, open_run, writer
from latebloom.store.index import Index
from latebloom.store.layout import Layout, write_json
from latebloom.store.live import segments
from store.child import row, train

SPEC = {"optim": {"lr": 1e-3}, "steps": 10}


def begin(root: Path, run_id: str = "a", spec: dict | None = None) -> RunWriter:
    return RunWriter.open(root, "group", run_id, spec or SPEC, {"version": 1}, total_steps=10)


def always(step: int) -> bool:
    return True


def assert_twins(root: Path, one: str, two: str) -> None:
    """Equal logs, checkpoints and findings, byte by byte."""
    folders = root / "group" / one, root / "group" / two
    names = [sorted(p.relative_to(f) for p in f.rglob("*") if p.is_file()) for f in folders]
    assert names[0] == names[1]
    for name in names[0]:
        if name.name not in ("lock", "manifest.json", "status.json", "provenance.json"):
            assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes(), name


def test_a_run_killed_at_random_moments_ends_as_its_untouched_twin(tmp_path, fresh_processes):
    steps, rng, kills = 1000, random.Random(0), 0
    train(tmp_path, "twin", steps)
    process = None
    while process is None or process.exitcode != 0:
        pause = 0.002 if kills < 12 else 0.0
        process = fresh_processes.Process(target=train, args=(tmp_path, "killed", steps, pause))
        process.start()
        if pause:
            time.sleep(rng.uniform(0.05, 0.25))
            process.kill()
        process.join(20)
        kills += process.exitcode == -signal.SIGKILL
        assert process.exitcode in (0, -signal.SIGKILL)
    assert kills >= 10
    assert_twins(tmp_path, "twin", "killed")


def test_a_process_of_its_own_holds_the_lock_and_a_reader_sees_its_steps(tmp_path):
    child = str(Path(__file__).with_name("child.py"))
    command = [sys.executable, child, str(tmp_path), "run", "100000", "0.001"]
    process = subprocess.Popen(command)
    try:
        deadline = time.monotonic() + 15
        folder = tmp_path / "group" / "run"
        while len(checkpoints.steps(folder / "checkpoints")) < 2 and time.monotonic() < deadline:
            time.sleep(0.02)
        run = open_run(folder)
        assert run.state == "running"
        seen = run.checkpoints[-1]
        assert run.scalars["step"].to_list()[:seen] == list(range(1, seen + 1))
        with pytest.raises(StoreError, match=rf"is being written by process {process.pid} on .*: wait until"):
            RunWriter.open(tmp_path, "group", "run", {"steps": 100000}, {})
        assert Index(tmp_path).runs()[0].state == "running"
    finally:
        process.kill()
        process.wait()
    assert run.state == "interrupted"
    assert Index(tmp_path).runs()[0].state == "interrupted"


@pytest.mark.parametrize(
    "name", ["write_finished", "_files", "write_json", "write_status", "remove_tree", "scalars", "zarr"]
)
def test_a_crash_anywhere_in_finishing_is_mended_by_the_next_opening(tmp_path, monkeypatch, name):
    steps = 30
    train(tmp_path, "twin", steps)

    def crash(*args, **kwargs):
        raise KeyboardInterrupt("here")

    def crash_late(path, value):
        if path.name == "manifest.json":
            raise KeyboardInterrupt("here")
        return write_json(path, value)

    real = writer.write_status
    if name == "scalars":
        monkeypatch.setattr(finished, "arrays_of", crash)
    elif name == "zarr":
        monkeypatch.setattr(finished, "_sync_tree", crash)
    elif name == "write_json":
        monkeypatch.setattr(writer, "write_json", crash_late)
    elif name == "write_status":
        monkeypatch.setattr(
            writer, "write_status", lambda lay, status: crash() if status.state == "done" else real(lay, status)
        )
    elif name == "remove_tree":
        monkeypatch.setattr(writer, "remove_tree", crash)
    else:
        monkeypatch.setattr(writer, name, crash)
    with pytest.raises(KeyboardInterrupt, match="here"):
        train(tmp_path, "cut", steps)
    run = open_run("cut", tmp_path)
    assert run.state == ("done" if run._layout.manifest.exists() else "stopped")
    assert run.scalars["step"].to_list() == list(range(1, steps + 1))
    monkeypatch.undo()
    train(tmp_path, "cut", steps)
    assert open_run("cut", tmp_path).state == "done"
    assert_twins(tmp_path, "twin", "cut")


def test_what_a_kill_leaves_half_done_is_cleared_away(tmp_path):
    begin(tmp_path).stop("pause")
    folder = tmp_path / "group" / "a"
    for name in ("scalars.parquet.tmp", "checkpoints/step-00000007.safetensors.tmp", "arrays.zarr.tmp/w/zarr.json"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    begin(tmp_path).stop("pause")
    assert not list(folder.rglob("*.tmp"))


def test_checkpoints_that_are_not_to_stay_go_when_there_is_a_newer_one(tmp_path):
    def even(step: int) -> bool:
        return step % 2 == 0

    with begin(tmp_path) as run:
        run.resume()
        for step in range(1, 6):
            run.log(step, {"loss": 1.0})
            run.checkpoint(step, {"params/w": torch.ones(1)}, {}, even)
            assert checkpoints.steps(run.folder / "checkpoints") == [
                s for s in range(1, step + 1) if even(s) or s == step
            ]


def test_resuming_steps_back_over_a_damaged_checkpoint_and_says_so(tmp_path):
    with begin(tmp_path) as run:
        run.resume()
        for step in range(1, 5):
            run.log(step, {"loss": float(step)})
            run.checkpoint(step, {"params/w": torch.full((1,), float(step))}, {"more": 1}, always)
    path = checkpoints.file_of(run.folder / "checkpoints", 4)
    path.write_bytes(path.read_bytes()[:-3])
    with begin(tmp_path) as run:
        found = run.resume()
        assert found is not None
        assert (found.step, found.meta, len(run.warnings)) == (3, {"more": 1, "step": 3}, 1)
        assert "00000004" in run.warnings[0]
        with pytest.raises(StoreError, match="comes after step 3"):
            run.log(3, {"loss": 0.0})
        run.log(4, {"loss": 40.0})
        assert run.live_scalars()["loss"].to_list() == [1.0, 2.0, 3.0, 40.0]
    with pytest.raises(CheckpointError, match="refused"):
        open_run(run.folder).params(4)


def test_a_row_after_its_checkpoint_is_refused(tmp_path):
    with begin(tmp_path) as run:
        run.checkpoint(3, {}, {}, always)
        with pytest.raises(StoreError, match="before its checkpoint"):
            run.log(3, {"loss": 1.0})
        run.log(4, {"loss": 1.0})


def test_a_folder_of_another_spec_is_refused(tmp_path):
    begin(tmp_path).stop("pause")
    with pytest.raises(StoreError, match=r"another spec: there optim\.lr is 0\.001, not 0\.01.*Use another"):
        begin(tmp_path, spec={"optim": {"lr": 1e-2}, "steps": 10})
    begin(tmp_path, spec={"steps": 10, "optim": {"lr": 1e-3}}).stop("pause")
    with begin(tmp_path) as run:
        run.finish([], {})
    with pytest.raises(StoreError, match="another spec"):
        begin(tmp_path, spec={"steps": 11})


@pytest.mark.parametrize("name", ["../a", "/a", "a/../b", "", ".hidden", "a b", "x" * 200, "a\nb"])
def test_names_that_could_leave_the_root_are_refused(tmp_path, name):
    with pytest.raises(StoreError, match="must be letters, digits"):
        begin(tmp_path, name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("error", "state", "message"),
    [
        (ValueError("loss is NaN"), "failed", "ValueError: loss is NaN"),
        (KeyboardInterrupt(), "stopped", "interrupted"),
        (None, "stopped", "left before it was finished"),
    ],
)
def test_leaving_early_is_recorded_with_all_rows(tmp_path, error, state, message):
    try:
        with begin(tmp_path) as run:
            run.log(1, {"loss": 1.0})
            if error is not None:
                raise error
    except (ValueError, KeyboardInterrupt) as caught:
        assert caught is error  # noqa: PT017
    found = open_run(run.folder)
    assert (found.state, found.status.error, found.scalars["step"].to_list()) == (state, message, [1])
    known = Index(tmp_path).runs()[0]
    assert (known.state, known.error) == (state, message)
    with pytest.raises(StoreError, match="no longer open"):
        run.log(2, {"loss": 1.0})


def test_a_finished_run_is_known_and_left_alone(tmp_path):
    train(tmp_path, "a", 20)
    folder = tmp_path / "group" / "a"
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    (folder / "live").mkdir()  # as a kill between manifest and clearing leaves it
    (folder / "live" / "000.arrows").touch()
    with RunWriter.open(tmp_path, "group", "a", {"steps": 20}, {"other": 1}) as again:
        assert again.finished
        found = again.resume()
        assert found is not None
        assert found.step == 20
        with pytest.raises(StoreError, match="no longer open"):
            again.log(21, {"loss": 1.0})
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} | {folder: 0} == before | {folder: 0}
    manifest = json.loads((folder / "manifest.json").read_text())
    assert {"scalars.parquet", "events.json", "spec.json"} <= manifest["files"].keys()
    assert not (folder / "live").exists()


def test_a_damaged_status_does_not_stand_in_the_way(tmp_path):
    begin(tmp_path).stop("pause")
    (tmp_path / "group" / "a" / "status.json").write_text("{")
    begin(tmp_path).stop("again")
    assert open_run("a", tmp_path).status.error == "again"


def test_an_index_that_cannot_be_written_is_told_once_and_the_run_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(writer, "INDEX_PATIENCE", 0.05)
    Index(tmp_path).rescan()
    blocker = sqlite3.connect(tmp_path / "index.sqlite", isolation_level=None)
    blocker.execute("begin exclusive")
    with pytest.warns(RuntimeWarning, match=r"cannot be written.*goes on without it") as told:
        train(tmp_path, "a", 20)
    blocker.close()
    assert len(told) == 1
    assert open_run("a", tmp_path).state == "done"
    assert [known.state for known in Index(tmp_path).runs()] == ["done"]


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.ENOSPC])
def test_a_folder_that_cannot_be_made_gives_one_message(tmp_path, monkeypatch, number):
    def refuse(*args, **kwargs):
        raise OSError(number, "no")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(StoreError, match=rf"could not be written to .*group/a: {os.strerror(number)}\. \w+"):
        begin(tmp_path)


def test_a_file_in_the_way_gives_one_message(tmp_path):
    (tmp_path / "group").touch()
    with pytest.raises(StoreError, match=r"Not a directory.*is a file"):
        begin(tmp_path)


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Callable[[str], Path]]:
    """A real file system of one MiB, which can be mounted again read-only."""
    place = tmp_path / "disk"
    place.mkdir()

    def mount(options: str) -> Path:
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
        if subprocess.run(command, capture_output=True).returncode:
            pytest.skip("mounting a small file system is not permitted here")
        return place

    if shutil.which("mount") is None:
        pytest.skip("there is no mount command here")
    yield mount
    while os.path.ismount(place):
        subprocess.run(["umount", str(place)], check=True)


def test_a_really_full_disk_loses_nothing(small_disk):
    root = small_disk("size=1m")

    def go_on_until_it_is_full() -> None:
        with begin(root) as run:
            run.resume()
            run.log(1, {"loss": 1.0})
            run.checkpoint(1, {"params/w": torch.ones(4)}, {}, always)
            for step in range(2, 10_000):
                run.log(step, {f"scalar-{i}": 1.0 for i in range(200)})
                if step % 100 == 0:
                    run._live.flush()

    with pytest.raises(StoreError, match=r"No space left on device.*Free some space"):
        go_on_until_it_is_full()
    assert open_run("a", root).state in ("failed", "interrupted")  # there may be no room left to say it
    there = open_run("a", root).scalars["step"].to_list()
    assert there == list(range(1, len(there) + 1))
    assert len(there) >= 101
    assert not list(root.rglob("*.tmp"))
    subprocess.run(["mount", "-o", "remount,size=8m", str(root)], check=True)
    with begin(root) as run:
        found = run.resume()
        assert found is not None
        assert found.step == 1
        run.log(2, {"loss": 2.0})
        run.finish([], {})
    assert open_run("a", root).scalars["step"].to_list() == [1, 2]


def test_a_disk_that_fills_while_finishing_keeps_the_log(small_disk):
    root = small_disk("size=2m")
    ballast = root / "ballast"

    def finish_without_room() -> None:
        with begin(root) as run:
            run.resume()
            for step in range(1, 30):
                run.log(step, *row(torch.full((8,), float(step)), step))
            run.checkpoint(29, {"params/w": torch.ones(4)}, {}, always)
            with open(ballast, "wb", buffering=0) as file, suppress(OSError):
                while True:
                    file.write(b"x" * 4096)
            run.finish([], {})

    with pytest.raises(StoreError, match=r"No space left.*only finishes it"):
        finish_without_room()
    assert not list(root.rglob("*.tmp"))
    ballast.unlink()
    assert open_run("a", root).scalars.height == 29
    with begin(root) as run:
        assert run.resume() is not None
        run.finish([], {})
    assert open_run("a", root).scalars.height == 29


def test_a_read_only_disk_can_be_read_but_not_written(small_disk):
    root = small_disk("size=4m")
    train(root, "done", 20)
    begin(root, "begun").stop("pause")
    subprocess.run(["mount", "-o", "remount,ro", str(root)], check=True)
    with pytest.raises(StoreError, match=r"Read-only file system.*choose another folder"):
        begin(root, "begun")
    with RunWriter.open(root, "group", "done", {"steps": 20}, {}) as run:
        assert run.finished
    assert [known.state for known in Index(root).runs()] == ["stopped", "done"]
    assert open_run("done", root).params()["w"].shape == (8,)


def test_the_log_is_on_disk_before_the_checkpoint(tmp_path, monkeypatch):
    with begin(tmp_path) as run:
        run.resume()
        run.log(1, {"loss": 1.0})
        seen = []
        real = layout.write_whole
        monkeypatch.setattr(
            checkpoints,
            "write_whole",
            lambda *args: (seen.append(segments(Layout(run.folder).live)[0][1].stat().st_size), real(*args)),
        )
        run.checkpoint(1, {"params/w": torch.ones(1)}, {}, always)
        assert seen[0] > 0
        assert open_run(run.folder).scalars["step"].to_list() == [1]


def test_a_writer_that_waited_for_the_lock_finds_the_run_finished(tmp_path, monkeypatch):
    first = begin(tmp_path)
    first.resume()
    first.log(0, {"loss": 1.0})
    real = writer.RunLock

    def finish_then_lock(path):
        first.finish([], {})
        return real(path)

    monkeypatch.setattr(writer, "RunLock", finish_then_lock)
    second = begin(tmp_path)
    assert second.finished
    assert len(open_run(first.folder).scalars) == 1


def test_a_run_begun_before_a_field_was_added_is_gone_on_with(tmp_path):
    begin(tmp_path, spec=SPEC | {"split": {"scheme": "uniform"}}).stop("for a while", [])
    begin(tmp_path, spec=SPEC | {"split": {"scheme": "uniform", "subgroup": None}}).stop("again", [])
    with pytest.raises(StoreError, match=r"there split\.subgroup is absent, not \"r2\""):
        begin(tmp_path, spec=SPEC | {"split": {"scheme": "uniform", "subgroup": "r2"}})
