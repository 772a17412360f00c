"""Runs side by side in one-thread processes: on a CPU, many of them beat one process with many threads.

Each process is a `latebloom.ensemble.worker` that is given one run at a time. It ends when its input is closed,
whatever became of this process, and stores the run it was at.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from latebloom.ensemble.choice import Part
from latebloom.ensemble.outcome import Outcome, Watcher
from latebloom.process import cores
from latebloom.spec import RunSpec

PATIENCE = 0.1
"""Seconds between two questions whether to stop."""


def run_side_by_side(
    part: Part,
    root: Path,
    group: str,
    *,
    device: str | None,
    threads: int | None,
    watch: Watcher,
    interrupted: Callable[[], bool],
    tell: Callable[[str], None],
) -> list[Outcome]:
    """As `run_ensemble`, with a process for each core; `threads` is one in each of them."""
    count = min(cores(), len(part.specs))
    task = {"root": str(root), "group": group, "device": device, "ensemble": part.facts(processes=count)}
    waiting: queue.SimpleQueue[RunSpec] = queue.SimpleQueue()
    for spec in part.specs:
        waiting.put(spec)
    said: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    stop = threading.Event()
    seats = [threading.Thread(target=_seat, args=(task, waiting, said, stop)) for _ in range(count)]
    for seat in seats:
        seat.start()
    outcomes: list[Outcome] = []
    try:
        # all that workers say is passed on from this thread: the callers' functions need no locks
        while any(seat.is_alive() for seat in seats) or not said.empty():
            if interrupted():
                stop.set()
            try:
                message = said.get(timeout=PATIENCE)
            except queue.Empty:
                continue
            if "row" in message:
                watch(message["run"], message["step"], message["row"])
            elif "tell" in message:
                tell(message["tell"])
            elif "error" in message:
                outcomes.append(Outcome(message["run"], message["state"], message["error"]))
    finally:
        stop.set()
        for seat in seats:
            seat.join()
    return outcomes


def _seat(task: dict[str, Any], waiting: queue.SimpleQueue, said: queue.SimpleQueue, stop: threading.Event) -> None:
    """Keeps one process at work until nothing waits; a process that dies costs the run that it was at."""
    worker: _Worker | None = None
    try:
        while not stop.is_set():
            try:
                spec = waiting.get_nowait()
            except queue.Empty:
                return
            if worker is None:
                worker = _Worker(stop)
            if not worker.train({**task, "spec": spec.model_dump(mode="json")}, said.put):
                code = worker.close()
                worker = None
                how = f"signal {-code}" if code < 0 else f"exit code {code}"
                error = f"its process ended with {how}; what it had stored is kept, and it can be resumed"
                said.put({"run": spec.run_id, "state": "failed", "error": error})
    finally:
        if worker is not None:
            worker.close()


class _Worker:
    """One process, and the lines to and from it."""

    def __init__(self, stop: threading.Event) -> None:
        # its waiting threads sleep, which has to be settled before it imports torch
        environment = {"OMP_WAIT_POLICY": "PASSIVE", **os.environ}
        command = [sys.executable, "-m", "latebloom.ensemble.worker"]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        self._stop = stop
        self._closing = threading.Thread(target=self._close_when_asked, daemon=True)
        self._closing.start()

    def train(self, task: dict[str, Any], say: Callable[[dict[str, Any]], None]) -> bool:
        """Has it train one run and passes on what it says; False when it ended before the run did."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(task) + "\n")
            self._process.stdin.flush()
        except (OSError, ValueError):  # it is gone, or was asked to stop
            return self._stop.is_set()
        for line in self._process.stdout:
            message = json.loads(line)
            say(message)
            if "error" in message:
                return True
        return self._stop.is_set()

    def close(self) -> int:
        """Ends it, and gives its exit code."""
        self._close_input()
        code = self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        return code

    def _close_when_asked(self) -> None:
        while self._process.poll() is None:
            if self._stop.wait(PATIENCE):
                self._close_input()
                return

    def _close_input(self) -> None:
        if self._process.stdin is not None and not self._process.stdin.closed:
            try:
                self._process.stdin.close()
            except OSError:  # the process is gone
                return
