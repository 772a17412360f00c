"""Settings of the whole process that make training faster; an application makes them, an import does not."""

from __future__ import annotations

import ctypes
import os
import sys

MOST_THREADS = 4
"""Networks of a few hundred thousand weights gain nothing from more."""

WORTH_A_THREAD = 3e8
"""Multiply-adds of a step below which a second thread costs more than it brings."""

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
LARGEST_INT = 2**31 - 1


def prepare_process() -> None:
    """Makes waiting threads sleep and keeps freed memory. Call it before torch is imported.

    Neither changes a number, only the time. A thread that spins for another (OpenMP's default) makes a step 5 to 50
    times slower when a core is wanted by another process or taken away by the host of a virtual machine; sleeping costs
    up to 30 % on an idle machine. `OMP_WAIT_POLICY=ACTIVE` in the environment brings the spinning back.

    glibc would hand a step's large activations back to the system and fault them in again page by page, thousands of
    faults a step (5 to 20 % of its time, measured).
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            mallopt(M_MMAP_THRESHOLD, 2**30)
            mallopt(M_TRIM_THRESHOLD, LARGEST_INT)


def default_threads(multiply_adds: float) -> int:
    """Threads for a step of so many multiply-adds: one for a small step, else the cores there are, at most 4.

    A function of the spec and the machine, not of its load: the number of threads decides the last bits of a run.
    """
    return min(MOST_THREADS, cores()) if multiply_adds >= WORTH_A_THREAD else 1


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
