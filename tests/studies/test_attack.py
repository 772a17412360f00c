"""A sweep by its command, attacked: killed, its workers killed, its disk filled; nothing is lost or repeated."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from latebloom.spec import log_due
from latebloom.store import Index, open_run, open_study
from latebloom.studies.expand import plan_of

SMALL = """
question = "Does anything get lost?"
base = "quick"
seeds = 4
measures = "none"
[set]
steps = 120
log.every = 5
checkpoints.every = 20
task.p = 7
model.d_model = 8
model.n_heads = 2
model.d_mlp = 8
[axes]
optim.weight_decay = [0.1, 1.0]
split.fraction = [0.4, 0.6]
"""

LARGE = Path(__file__).parents[2] / "examples" / "decay-and-fraction.toml"

Manifests = dict[str, tuple[int, int]]
"""Of every finished run, the inode and the time of its manifest: a run that is repeated gets others."""


class Sweep:
    """One study in one runs folder, and the commands started on it."""

    def __init__(self, study: Path, runs: Path) -> None:
        self.study, self.runs = study, runs
        self.plan = plan_of(study)
        self.folder = runs / self.plan.file.name
        self.seen: Manifests = {}
        self.processes: list[subprocess.Popen[str]] = []

    def start(self) -> subprocess.Popen[str]:
        code = "from latebloom.cli import main; main()"
        words = ["sweep", str(self.study), "--runs", str(self.runs), "--workers", "2", "--json"]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        self.processes.append(subprocess.Popen([sys.executable, "-c", code, *words], text=True, **pipes))
        return self.processes[-1]

    def end(self) -> None:
        """Leaves no process behind, whatever failed."""
        for process in self.processes:
            if process.poll() is None:
                process.kill()
                process.communicate()

    def finished(self) -> Manifests:
        """The finished runs; fails when one that was finished before is gone or was made again."""
        found: Manifests = {}
        for run in self.plan.specs:
            try:
                stat = (self.folder / run / "manifest.json").stat()
                found[run] = (stat.st_ino, stat.st_mtime_ns)
            except FileNotFoundError:
                pass
        assert {run: found.get(run) for run in self.seen} == self.seen
        self.seen |= found
        return found

    def wait(self, process: subprocess.Popen[str], until: Callable[[], bool], seconds: float = 600.0) -> None:
        deadline = time.monotonic() + seconds
        while not until():
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline, "nothing happens"
            time.sleep(0.02)

    def kill_when(self, done: int) -> None:
        """Starts the command, and kills it when so many runs more are finished and others are under way."""
        process, before = self.start(), len(self.finished())
        self.wait(process, lambda: len(self.finished()) >= before + done)
        process.kill()
        process.communicate()

    def complete(self) -> dict:
        out, err = (process := self.start()).communicate(timeout=1500)
        assert (process.returncode, err) == (0, "")
        return json.loads(out)

    def check(self) -> None:
        """Every run is there, once, with all its rows; nothing else is."""
        assert self.finished().keys() == self.plan.specs.keys()
        assert {folder.name for folder in self.folder.iterdir() if (folder / "spec.json").exists()} == {
            *self.plan.specs
        }
        opened = open_study(self.folder)
        assert set(opened.runs["state"]) == {"done"}
        assert opened.runs["error"].null_count() == len(self.plan.specs)
        rows = dict(opened.scalars("test_loss").group_by("run").len().iter_rows())
        for run, spec in self.plan.specs.items():
            steps = opened.run(run).scalars["step"].to_list()
            assert steps == [s for s in range(spec.steps + 1) if log_due(s, spec.log.every) or s == spec.steps], run
            assert rows[run] == len(steps)
        assert {row.state for row in Index(self.runs).runs()} == {"done"}


def children(pid: int) -> list[int]:
    listed = subprocess.run(["ps", "-o", "pid=,args=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
    return [int(line.split()[0]) for line in listed.stdout.splitlines() if "latebloom.studies.worker" in line]


@pytest.fixture
def made() -> Iterator[Callable[[Path, Path], Sweep]]:
    """Makes sweeps of a study in a runs folder, and ends their processes."""
    sweeps: list[Sweep] = []

    def make(study: Path, runs: Path) -> Sweep:
        sweeps.append(Sweep(study, runs))
        return sweeps[-1]

    yield make
    for sweep in sweeps:
        sweep.end()


@pytest.fixture
def small(tmp_path, made) -> Sweep:
    (tmp_path / "small.toml").write_text(SMALL, "utf-8")
    return made(tmp_path / "small.toml", tmp_path / "runs")


@pytest.mark.parametrize("kills", [[2, 3], pytest.param([1, 2, 1, 2, 1], marks=pytest.mark.slow)])
def test_killed_some_times_and_a_worker_twice(small, kills):
    attack(small, kills)


def attack(sweep: Sweep, kills: list[int]) -> None:
    """Kills the command after so many further runs each time, then two workers of one command, and lets it end."""
    for done in kills:
        sweep.kill_when(done)
        assert (sweep.folder / "study.json").exists()
    before = len(sweep.finished())
    process = sweep.start()
    for _ in range(2):
        sweep.wait(process, lambda n=before: bool(children(process.pid)) and len(sweep.finished()) > n)
        victim, before = children(process.pid)[0], len(sweep.finished())
        os.kill(victim, signal.SIGKILL)
        sweep.wait(process, lambda victim=victim: victim not in children(process.pid))
    out, err = process.communicate(timeout=1500)
    assert (process.returncode, err) == (0, "")
    told = json.loads(out)
    assert (told["done"], told["failed"]) == (len(sweep.plan.specs), 0)
    sweep.check()
    # once more: nothing is left to do
    assert sweep.complete()["trained"] == 0
    sweep.check()


def test_ctrl_c_stores_what_is_under_way(small):
    process = small.start()
    small.wait(process, lambda: len(small.finished()) >= 1)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "done: all is stored" in err
    states = {row.state for row in Index(small.runs).runs()}
    assert states <= {"done", "stopped"}
    small.complete()
    small.check()


@pytest.mark.slow
def test_two_commands_share_the_work(small):
    first, second = small.start(), small.start()
    told = []
    for process in (first, second):
        out, err = process.communicate(timeout=120)
        assert (process.returncode, err) == (0, "")
        told.append(json.loads(out))
    assert sum(t["trained"] for t in told) == len(small.plan.specs)
    assert [t["done"] for t in told] == [len(small.plan.specs)] * 2
    small.check()


@pytest.fixture
def tiny_disk(tmp_path) -> Iterator[Callable[[str], Path]]:
    """Mounts a small filesystem; skips where that is not allowed."""
    place = tmp_path / "disk"
    place.mkdir()

    def mount(size: str) -> Path:
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)], capture_output=True)
        if done.returncode:
            pytest.skip("no right to mount a filesystem")
        return place

    if shutil.which("mount") is None or os.geteuid() != 0:
        pytest.skip("no right to mount a filesystem")
    yield mount
    subprocess.run(["umount", "-l", str(place)], check=False, capture_output=True)


def fill_up(sweep: Sweep, disk: Path, larger: str) -> None:
    """Lets the disk run full, and makes it larger afterwards."""
    out, err = (process := sweep.start()).communicate(timeout=1500)
    assert process.returncode == 4, (out, err)
    assert err.count("latebloom:") == 1
    assert "takes no more" in err
    assert "Every finished run is safe" in err
    assert "Traceback" not in err
    assert 0 < len(sweep.finished()) < len(sweep.plan.specs)
    subprocess.run(["mount", "-o", f"remount,size={larger}", str(disk)], check=True)


def test_a_full_disk(tmp_path, tiny_disk, made):
    disk = tiny_disk("1500k")
    (tmp_path / "small.toml").write_text(SMALL, "utf-8")
    sweep = made(tmp_path / "small.toml", disk / "runs")
    fill_up(sweep, disk, "100m")
    assert sweep.complete()["failures"] == {}
    sweep.check()


@pytest.mark.slow
def test_a_sweep_of_240_runs_out_of_space_and_killed(tmp_path, tiny_disk, made):
    disk = tiny_disk("40m")
    sweep = made(LARGE, disk / "runs")
    assert len(sweep.plan.specs) == 240
    began = time.monotonic()
    fill_up(sweep, disk, "2g")
    full_at = len(sweep.finished())
    attack(sweep, [30, 17, 25, 10, 20])
    resumed = [run for run in sweep.plan.specs if "resumed" in open_run(sweep.folder / run).provenance]
    seconds = time.monotonic() - began
    print(f"disk full after {full_at} runs; 240 runs in {seconds:.0f} s, {len(resumed)} of them in several sittings")
