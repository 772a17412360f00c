"""The dashboard reads a log while it is written: never in the writer's way, never half a row."""

from __future__ import annotations

import hashlib
import sys
import threading
from pathlib import Path

import pytest
import torch
from starlette.testclient import TestClient

import latebloom
from latebloom.dashboard.access import Access
from latebloom.dashboard.app import make_app
from latebloom.dashboard.curves import rows_since
from latebloom.store import RunWriter, open_run

RUN = "live/seed-0-0000000000"
ROWS = 300


def value(step: int) -> float:
    return (step * 37 % 101) / 101


def write(writer: RunWriter, steps: range) -> None:
    for step in steps:
        writer.log(step, {"train_accuracy": value(step), "test_accuracy": value(step + 1), "train_loss": 1.0})
        if step % 20 == 19:
            writer.checkpoint(step, {"params/w": torch.full((4,), float(step))}, {}, lambda step: step % 100 == 99)


class Reader(threading.Thread):
    """Asks for everything that pages of a run under way ask for, over and over."""

    def __init__(self, root: Path) -> None:
        super().__init__(daemon=True)
        self.asking = TestClient(make_app(root, Access("127.0.0.1")), "http://127.0.0.1:8642", False)
        self.root, self.ended, self.faults, self.reads = root, threading.Event(), [], 0

    def run(self) -> None:
        while not self.ended.is_set():
            for address in (f"/run/{RUN}", "/api/runs", f"/api/curves?run={RUN}", f"/api/compare?run={RUN}"):
                answer = self.asking.get(address)
                if answer.status_code != 200:
                    self.faults.append(f"{address}: {answer.status_code} {answer.text[:300]}")
            told = rows_since(open_run(self.root / RUN), -1)
            steps, curve = told["steps"], told["curves"].get("train_accuracy", [])
            if steps != list(range(len(steps))) or curve != [value(step) for step in steps]:
                self.faults.append(f"read {steps[-5:]} {curve[-5:]}")
            self.reads += 1


def test_readers_are_never_in_the_writers_way(root):
    with RunWriter.open(root, "live", "seed-0-0000000000", {"steps": ROWS}, {}, ROWS) as writer:
        write(writer, range(20))
        readers = [Reader(root) for _ in range(2)]
        for reader in readers:
            reader.start()
        try:
            write(writer, range(20, 120))
            writer.stop("asked to")
            # the next writer takes the lock while the readers look whether it is held
            with RunWriter.open(root, "live", "seed-0-0000000000", {"steps": ROWS}, {}, ROWS) as again:
                found = again.resume()
                assert found is not None
                assert found.step == 119
                write(again, range(120, ROWS))
                again.finish([], {"last_step": ROWS - 1})
        finally:
            for reader in readers:
                reader.ended.set()
                reader.join(timeout=60)
    assert [reader.faults for reader in readers] == [[], []]
    assert all(reader.reads > 1 for reader in readers)
    scalars = latebloom.open(root / RUN).scalars
    assert scalars["step"].to_list() == list(range(ROWS))
    assert scalars["train_accuracy"].to_list() == [value(step) for step in range(ROWS)]
    assert float(latebloom.open(root / RUN).params(299)["w"][0]) == 299


@pytest.mark.parametrize(
    ("place", "address"),
    [("index.read_status", "/api/runs"), ("live.segments", f"/api/curves?run={RUN}"), ("live._facts", f"/run/{RUN}")],
)
def test_a_look_that_takes_long_holds_nothing(root, monkeypatch, place, address):
    inside, go_on, answers = threading.Event(), threading.Event(), []
    module, _, name = f"latebloom.store.{place}".rpartition(".")
    real = getattr(sys.modules[module], name)

    def slow(*args):
        if threading.current_thread() is not threading.main_thread():
            inside.set()
            assert go_on.wait(60)
        return real(*args)

    with RunWriter.open(root, "live", "seed-0-0000000000", {"steps": ROWS}, {}, ROWS) as writer:
        write(writer, range(20))
        asking = TestClient(make_app(root, Access("127.0.0.1")), "http://127.0.0.1:8642", False)
        monkeypatch.setattr(f"{module}.{name}", slow)
        looks = threading.Thread(target=lambda: answers.append(asking.get(address)))
        looks.start()
        try:
            assert inside.wait(60)
            # the reader stands still in the middle of its look
            write(writer, range(20, 120))
            writer.stop("asked to")
            with RunWriter.open(root, "live", "seed-0-0000000000", {"steps": ROWS}, {}, ROWS) as again:
                assert again.resume().step == 119
                write(again, range(120, ROWS))
                again.finish([], {"last_step": ROWS - 1})
        finally:
            go_on.set()
            looks.join(timeout=60)
    # nor was the index kept from the writer, which waits a second for it and then goes on without
    assert (writer.warnings, again.warnings) == ([], [])
    assert [answer.status_code for answer in answers] == [200]
    assert latebloom.open(root / RUN).scalars["step"].to_list() == list(range(ROWS))


def test_reading_changes_no_file_of_a_run(root):
    with RunWriter.open(root, "live", "seed-0-0000000000", {"steps": ROWS}, {}, ROWS) as writer:
        write(writer, range(40))
        before = contents(root / RUN)
        asking = TestClient(make_app(root, Access("127.0.0.1")), "http://127.0.0.1:8642", False)
        for address in (f"/run/{RUN}", f"/api/curves?run={RUN}", f"/api/compare?run={RUN}", f"/api/inside/{RUN}"):
            assert asking.get(address).status_code == 200
        assert contents(root / RUN) == before
        writer.stop("asked to")


def contents(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
