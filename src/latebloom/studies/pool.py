"""The local engine: worker processes of one thread each, kept alive over many tasks."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from latebloom.errors import LatebloomError
from latebloom.studies.task import Outcome, Task


@dataclass(frozen=True)
class Step:
    """How far a run has come."""

    run: str
    step: int
    accuracy: float | None


@dataclass(frozen=True)
class Lost:
    """A task whose worker has died."""

    task: Task
    why: str


Message = Step | Outcome | Lost


class Engine(Protocol):
    """Trains tasks somewhere, several at a time."""

    @property
    def free(self) -> int:
        """How many more tasks it takes now."""
        ...

    @property
    def busy(self) -> int:
        """How many tasks it has."""
        ...

    def submit(self, task: Task) -> None:
        """Begin a task."""
        ...

    def poll(self, seconds: float) -> list[Message]:
        """What has happened; waits at most so long for something.

        Raises:
            LatebloomError: no task can be trained at all.
        """
        ...

    def stop(self) -> None:
        """Let every task store its runs and stop; `poll` tells how they ended."""
        ...

    def close(self) -> None:
        """End at once what is still there."""
        ...


class _Worker:
    def __init__(self, log: Path, heard: queue.Queue[tuple[_Worker, dict[str, Any] | None]]) -> None:
        # the command's own words, which each run's provenance repeats
        command = [sys.executable, "-m", "latebloom.studies.worker", *sys.argv[1:]]
        one = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"}
        with open(log, "ab") as errors:
            # a group of its own: Ctrl-C in a terminal is for the process that leads, which says when to stop
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=os.environ | one,
                process_group=0,
            )
        self.task: Task | None = None
        self.ready = self.asked = False
        self._reader = threading.Thread(target=self._read, args=(heard,), daemon=True)
        self._reader.start()

    def _read(self, heard: queue.Queue[tuple[_Worker, dict[str, Any] | None]]) -> None:
        assert self.process.stdout is not None  # a pipe was asked for
        with self.process.stdout as lines:
            for line in lines:
                # a line is cut where its writer is killed
                with suppress(ValueError):
                    heard.put((self, json.loads(line)))
        heard.put((self, None))

    def tell(self, what: dict[str, Any]) -> None:
        assert self.process.stdin is not None  # a pipe was asked for
        with suppress(OSError):  # a worker that has died is heard of by `_read`
            self.process.stdin.write(json.dumps(what).encode() + b"\n")
            self.process.stdin.flush()

    def ended(self) -> int:
        """Waits for the process, which is known to end, and returns its exit code."""
        code = self.process.wait()
        self._reader.join()
        assert self.process.stdin is not None  # a pipe was asked for
        with suppress(OSError):  # what could not be written to a dead process
            self.process.stdin.close()
        return code


class LocalPool:
    """So many worker processes on this machine; one that dies is replaced.

    Args:
        workers: how many.
        log: a file that gets what they say on standard error.
    """

    def __init__(self, workers: int, log: Path) -> None:
        self._size, self._log = workers, log
        self._heard: queue.Queue[tuple[_Worker, dict[str, Any] | None]] = queue.Queue()
        self._workers: list[_Worker] = []
        self._stillborn = 0
        self._stopping = False

    @property
    def free(self) -> int:
        """How many more tasks it takes now."""
        return 0 if self._stopping else self._size - self.busy

    @property
    def busy(self) -> int:
        """How many tasks it has."""
        return sum(worker.task is not None for worker in self._workers)

    def submit(self, task: Task) -> None:
        """Begin a task with an idle worker, a new one if there is none.

        Raises:
            LatebloomError: no process can be started.
        """
        worker = next((w for w in self._workers if w.task is None), None)
        if worker is None:
            try:
                worker = _Worker(self._log, self._heard)
            except OSError as error:
                raise LatebloomError(f"a worker could not be started: {error.strerror}") from error
            self._workers.append(worker)
        worker.task = task
        worker.tell(task.to_json())

    def poll(self, seconds: float) -> list[Message]:
        """What has happened; waits at most so long for something."""
        found: list[Message] = []
        deadline = time.monotonic() + seconds
        with suppress(queue.Empty):
            while True:
                left = deadline - time.monotonic()
                worker, said = self._heard.get(timeout=0 if found else max(left, 0.001))
                found += self._died(worker) if said is None else self._said(worker, said)
        return found

    def _said(self, worker: _Worker, said: dict[str, Any]) -> list[Message]:
        if said["kind"] == "progress":
            return [Step(said["run"], said["step"], said["accuracy"])]
        if said["kind"] == "ready":
            worker.ready, self._stillborn = True, 0
            return []
        worker.task = None
        return [Outcome(**outcome) for outcome in said["outcomes"]]

    def _died(self, worker: _Worker) -> list[Message]:
        self._workers.remove(worker)
        code = worker.ended()
        if not worker.ready and not worker.asked:
            self._stillborn += 1
            if self._stillborn >= 3:
                raise LatebloomError(f"workers end as soon as they are started ({_how(code)}): see {self._log}")
        return [Lost(worker.task, _how(code))] if worker.task is not None else []

    def stop(self) -> None:
        """Ask every worker to store its run at its next step, and to end."""
        self._stopping = True
        for worker in self._workers:
            worker.asked = True
            worker.tell({"stop": True})

    def close(self) -> None:
        """End every worker: idle ones by themselves, busy ones at once."""
        self.stop()
        deadline = time.monotonic() + 5
        for worker in self._workers:
            with suppress(subprocess.TimeoutExpired):
                worker.process.wait(0 if worker.task else max(0.0, deadline - time.monotonic()))
            if worker.process.poll() is None:
                worker.process.kill()
            worker.ended()
        self._workers.clear()


def _how(code: int) -> str:
    if code < 0:
        name = signal.Signals(-code).name if -code in list(signal.Signals) else str(-code)
        more = ": its machine may have run out of memory" if name == "SIGKILL" else ""
        return f"killed by {name}{more}"
    return f"with exit code {code}"
