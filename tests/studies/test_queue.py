"""The queue: every run is claimed by one at a time, claims end with their owners, and a damaged file costs nothing."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from latebloom.store import StoreError
from latebloom.studies.queue import LEASE, MOST_LOST, Queue, is_dead, this_process

RUNS = {f"run-{i}": "ab"[i % 2] for i in range(6)}


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def queue(tmp_path, clock) -> Queue:
    made = Queue(tmp_path, "elsewhere/1/1", clock)
    made.fill(RUNS, [])
    return made


def test_runs_are_claimed_in_order_and_once(queue, tmp_path, clock):
    other = Queue(tmp_path, "elsewhere/2/1", clock)
    found = [q.claim() for q in (queue, other) * 4]
    assert found == [[run] for run in RUNS] + [[], []]
    assert queue.counts() == {"waiting": 0, "claimed": 6, "done": 0, "failed": 0}


def test_several_of_one_shape_are_claimed_together(queue):
    assert queue.claim(2) == ["run-0", "run-2"]
    assert queue.claim(9) == ["run-1", "run-3", "run-5"]
    assert queue.claim(9) == ["run-4"]


def test_many_threads_never_claim_the_same(tmp_path):
    Queue(tmp_path).fill({str(i): "" for i in range(60)}, [])
    found: list[str] = []

    def work(name: str) -> None:
        mine = Queue(tmp_path, f"elsewhere/{name}/1")
        while claimed := mine.claim():
            found.extend(claimed)

    threads = [threading.Thread(target=work, args=(str(i),)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found, key=int) == [str(i) for i in range(60)]


def test_a_claim_that_is_not_renewed_is_anybodys(queue, tmp_path, clock):
    other = Queue(tmp_path, "elsewhere/2/1", clock)
    assert queue.claim() == ["run-0"]
    clock.now += LEASE * 0.9
    queue.renew()
    clock.now += LEASE * 0.9
    assert other.claim() == ["run-1"]
    clock.now += LEASE * 0.2
    assert other.claim() == ["run-0"]
    clock.now += LEASE * 0.9
    queue.renew()  # run-0 is no longer its own, and run-1 is nobody's
    clock.now += LEASE * 0.2
    assert [queue.claim(), queue.claim(), queue.claim()] == [["run-0"], ["run-1"], ["run-2"]]


def test_claims_of_a_process_that_has_ended_are_free_at_once(queue, tmp_path, clock):
    child = "from latebloom.studies.queue import *; import sys; from pathlib import Path\n"
    child += "q = Queue(Path(sys.argv[1]), clock=lambda: 1000.0); print(q.claim(), q.owner)"
    done = subprocess.run([sys.executable, "-c", child, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("['run-0'] ")
    owner = done.stdout.split()[1]
    assert is_dead(owner)
    assert not is_dead(this_process())
    assert is_dead("/".join([*this_process().split("/")[:2], "0"]))  # its number was given to another one
    assert not is_dead("elsewhere/999999999/1")
    assert not is_dead("nonsense")
    queue.renew()
    assert queue.claim() == ["run-0"]


def test_ends(queue, clock):
    for run in RUNS:
        assert queue.claim() == [run]
    queue.settle("run-0")
    queue.settle("run-1", "diverged")
    queue.give_back("run-2")
    queue.give_back("run-3", wait=5)
    assert queue.counts() == {"waiting": 2, "claimed": 2, "done": 1, "failed": 1}
    assert queue.failures() == {"run-1": "diverged"}
    assert [queue.claim(), queue.claim()] == [["run-2"], []]
    clock.now += 6
    assert queue.claim() == ["run-3"]
    queue.retry_failed()
    assert queue.claim() == ["run-1"]
    assert queue.failures() == {}


def test_a_run_over_which_workers_die_fails_in_the_end(queue):
    for left in range(MOST_LOST - 1, -1, -1):
        assert queue.claim() == ["run-0"]
        assert queue.lose("run-0", "killed by SIGKILL") == (left == 0)
    assert queue.claim() == ["run-1"]
    assert queue.failures() == {"run-0": f"{MOST_LOST} workers have died over this run, the last one killed by SIGKILL"}
    queue.retry_failed()
    assert not queue.lose("run-0", "x")


def test_a_run_over_which_a_worker_died_is_taken_up_alone(queue):
    assert queue.claim(2) == ["run-0", "run-2"]
    queue.lose("run-0", "killed by SIGKILL")
    queue.give_back("run-2")
    assert queue.claim(9) == ["run-0"]
    assert queue.claim(9) == ["run-1", "run-3", "run-5"]
    assert queue.claim(9) == ["run-2", "run-4"]


def test_the_plan_changes_under_a_queue(queue):
    queue.claim()
    for run in ("run-1", "run-2"):
        queue.settle(run)
    queue.settle("run-3", "diverged")
    # run-1 was deleted since; run-4 was finished by somebody else; run-5 is no longer planned, run-6 is new
    queue.fill({f"run-{i}": "a" for i in (6, 0, 1, 2, 3, 4)}, ["run-2", "run-4"])
    assert queue.counts() == {"waiting": 2, "claimed": 1, "done": 2, "failed": 1}
    assert [queue.claim(), queue.claim(), queue.claim()] == [["run-6"], ["run-1"], []]


@pytest.mark.parametrize("content", [b"", b"this is no database" * 100])
def test_a_damaged_file_is_made_anew(queue, tmp_path, content):
    for file in tmp_path.iterdir():
        file.unlink()
    (tmp_path / "queue.sqlite").write_bytes(content)
    assert queue.counts()["waiting"] == 0
    queue.fill(RUNS, ["run-0"])
    assert queue.claim() == ["run-1"]


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(StoreError, match=r"queue\.sqlite cannot be used: unable to open"):
        Queue(tmp_path / "none")
