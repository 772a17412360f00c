"""The engine of a Ray cluster: one Ray task for each task, placed by the cores and the share of a GPU that it asks for.

Every node must see the runs folder at the same path. Ray places, watches and reports; which runs are left to do is said
by the queue, so a run whose worker or node has died is taken up again from its last checkpoint like any other.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, replace
from importlib import import_module
from pathlib import Path
from typing import Any

from latebloom.errors import LatebloomError, installing
from latebloom.process import prepare_process
from latebloom.studies.pool import Lost, Message
from latebloom.studies.task import Outcome, Task, run_task

IN_FLIGHT = 2
"""Tasks that are handed to Ray for each one that can run at a time, so that no core waits for the next."""


class RayCluster:
    """A Ray cluster as an engine.

    Args:
        address: `host:port` of its head, or `auto` for the one that this machine belongs to; None starts one here.
        gpus: the share of a GPU that a task gets.
        most: tasks at a time; None: as many as there is room for.

    Raises:
        LatebloomError: Ray is not installed, or there is no such cluster.
    """

    def __init__(self, address: str | None, gpus: float = 0.0, most: int | None = None) -> None:
        try:
            self._ray: Any = import_module("ray")
        except ImportError as error:
            raise LatebloomError(
                f"the engine ray needs Ray, which is not installed: {installing('cluster')}"
            ) from error
        self._ours = not self._ray.is_initialized()
        if self._ours:
            try:
                _reach(address)
                self._ray.init(address=address, log_to_driver=False, logging_level="error")
            except (OSError, ValueError, RuntimeError) as error:
                where = f"at {address}" if address else "on this machine"
                raise LatebloomError(f"there is no Ray cluster {where} ({error}): see `ray start --head`") from error
        self._gpus, self._most = gpus, most
        self._remote = self._ray.remote(num_cpus=1, num_gpus=gpus, max_retries=0)(_train)
        self._tasks: dict[Any, Task] = {}
        self._stopping = False

    @property
    def free(self) -> int:
        """How many more tasks it takes now; nodes may come and go."""
        return 0 if self._stopping else max(0, self._room() - self.busy)

    @property
    def busy(self) -> int:
        """How many tasks it has."""
        return len(self._tasks)

    def _room(self) -> int:
        there = self._call(self._ray.cluster_resources)
        slots = int(there.get("CPU", 0))
        if self._gpus:
            slots = min(slots, int(there.get("GPU", 0) / self._gpus))
        if not slots and not self._tasks:
            raise LatebloomError(
                f"the Ray cluster has no room for a task of 1 core and {self._gpus:g} GPUs: it has {there}"
            )
        return min(slots * IN_FLIGHT, self._most or sys.maxsize)

    def submit(self, task: Task) -> None:
        """Hand a task to Ray."""
        shared = replace(task, root=task.root.resolve())
        place = {"cwd": os.getcwd(), "argv": sys.argv}
        self._tasks[self._call(lambda: self._remote.remote(shared.to_json() | place))] = task

    def poll(self, seconds: float) -> list[Message]:
        """Which tasks have ended; waits at most so long for one."""
        if not self._tasks:
            return []
        waiting = list(self._tasks)
        ready, _ = self._call(lambda: self._ray.wait(waiting, num_returns=1, timeout=seconds))
        if ready:
            ready, _ = self._call(lambda: self._ray.wait(waiting, num_returns=len(waiting), timeout=0))
        return [message for reference in ready for message in self._ended(reference)]

    def _ended(self, reference: Any) -> list[Message]:
        task = self._tasks.pop(reference)
        errors = self._ray.exceptions
        try:
            return [Outcome(**outcome) for outcome in self._ray.get(reference)]
        except errors.TaskCancelledError:
            return [Outcome(run, "stopped") for run in task.ids]
        except errors.RayTaskError as error:
            # what a run does never comes here: the node lacks something that every run needs
            raise LatebloomError(f"a node of the Ray cluster cannot run tasks: {error.cause or error}") from error
        except errors.RayError as error:
            return [Lost(task, f"with its node or by the system ({type(error).__name__})")]

    def stop(self) -> None:
        """Interrupt every task: runs under way keep what they have logged and go on from their last checkpoints."""
        self._stopping = True
        for reference in self._tasks:
            with suppress(Exception):  # one that has just ended
                self._ray.cancel(reference)

    def close(self) -> None:
        """Interrupt what is still there, and leave the cluster; one that was started here ends."""
        self.stop()
        self._tasks.clear()
        if self._ours:
            self._ray.shutdown()

    def _call(self, work: Callable[[], Any]) -> Any:
        try:
            return work()
        except (ConnectionError, self._ray.exceptions.RaySystemError) as error:
            raise LatebloomError(
                f"the Ray cluster has gone ({error}): finished runs are safe, and the same command goes on from there"
            ) from error


def _reach(address: str | None) -> None:
    """Asks at the door: Ray itself would wait for minutes, and then end the process.

    Raises:
        OSError: nobody is there.
        ValueError: this is no address.
    """
    host, colon, port = (address or "").rpartition(":")
    if colon:
        socket.create_connection((host, int(port)), timeout=10).close()


def _train(data: dict[str, Any]) -> list[dict[str, Any]]:
    """Runs a task in a worker process of the cluster."""
    prepare_process()
    # names such as file.py:Class are meant from the folder of the command
    if Path(data["cwd"]).is_dir():
        os.chdir(data["cwd"])
    sys.argv = data["argv"]
    return [asdict(outcome) for outcome in run_task(Task.from_json(data), lambda: False)]
