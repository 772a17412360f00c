"""One writer a run: a lock that the system drops when the process dies, however it dies."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
from pathlib import Path

from latebloom.store.faults import BusyError, writing

PATIENCE = 0.5
"""Seconds to go on trying: someone who asks `is_held` holds the lock for some microseconds."""


class RunLock:
    """An exclusive `flock` on a file, which names its holder."""

    def __init__(self, path: Path) -> None:
        """Take the lock.

        Raises:
            BusyError: when another process holds it.
            StoreError: when the file cannot be written.
        """
        with writing("The lock of the run", path):
            self._descriptor: int | None = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            self._take(path)
        except BaseException:
            self.release()
            raise

    def _take(self, path: Path) -> None:
        assert self._descriptor is not None  # just opened
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise BusyError(
                        f"{path.parent} is being written by {_holder(path)}: wait until it ends, or "
                        "stop it, and try again."
                    ) from None
                time.sleep(0.02)
        with writing("The lock of the run", path):
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, json.dumps({"pid": os.getpid(), "host": socket.gethostname()}).encode(), 0)

    def release(self) -> None:
        """Let the next writer in; a second call does nothing."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _holder(path: Path) -> str:
    try:
        holder = json.loads(path.read_bytes()[:1000])
        return f"process {int(holder['pid'])} on {str(holder['host'])[:100]}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"


def is_held(path: Path) -> bool:
    """Whether a live process holds the lock. Never waits, and needs only the right to read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    else:
        return False
    finally:
        os.close(descriptor)
